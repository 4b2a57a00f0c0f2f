"""One look at one home: every rule over the same snapshot, each failing for itself alone. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple
from zlib import crc32

from alerts.findings import Finding, Kind, Reason, Severity, Subject, Verdict
from rules.rule import Impairment, Judgement, Rule
from rules.snapshot import Failure, Snapshot

LONGEST_WAIT: Final = timedelta(hours=24)
_SPREAD: Final = timedelta(hours=2)
_SHORTEST_WAIT: Final = timedelta(seconds=1)
_RETRY_FIRST: Final = timedelta(minutes=1)
_RETRY_LONGEST: Final = timedelta(hours=6)
_IMPAIRED: Final = "monitoring_impaired"


class Standing(NamedTuple):
    """A judgement, the moment before which no data can change it, and that of the look that made it."""

    judgement: Judgement
    until: datetime
    judged_at: datetime


class Look(NamedTuple):
    """What a look at a home concludes, and what the next one needs to know.

    Attributes:
        errors: rule -> the exception it raised at this look.
        standing: rule -> its judgement.
    """

    home_id: int
    findings: tuple[Finding, ...]
    due_at: datetime
    looked_until: datetime
    ongoing: Mapping[str, datetime]
    failures: Mapping[str, Failure]
    errors: Mapping[str, Exception] = MappingProxyType({})
    standing: Mapping[str, Standing] = MappingProxyType({})


def evaluate(
    snapshot: Snapshot,
    now: datetime,
    rules: Sequence[Rule],
    standing: Mapping[str, Standing] = MappingProxyType({}),
) -> Look:
    """Judges a home by every rule that is not backing off.

    Args:
        snapshot: what is known of it.
        now: the time of the look.
        rules: to judge it by.
        standing: what the last look left, where nothing but readings was added since: a rule whose judgement still
            stands is not asked again.
    """
    judged = dict(standing)
    findings: list[Finding] = []
    failures: dict[str, Failure] = {}
    errors: dict[str, Exception] = {}
    for rule in rules:
        name = rule.name
        if (known := standing.get(name)) is not None:
            if now < known.until:
                continue
            del judged[name]
        failure = snapshot.failures.get(name)
        if failure is not None and now < failure.retry_at:
            failures[name] = failure
            continue
        try:
            judgement = rule.evaluate(snapshot, now)
        except Exception as error:  # whatever a rule trips over must stay with that rule and this home
            errors[name] = error
            failures[name] = _failed_again(failure, now)
            continue
        findings += judgement.findings
        judged[name] = Standing(judgement, min(judgement.next_due, now + rule.max_latency), now)
    ongoing: dict[str, datetime] = {}
    reached: list[datetime] = []
    dues = [failure.retry_at for failure in failures.values()]
    impairments: list[Impairment] = []
    impairments_known = True
    for name, ((_, _, impaired, is_known, judged_until, ongoing_since, _, _), until, _) in judged.items():
        dues.append(until)
        if ongoing_since is not None:
            ongoing[name] = ongoing_since
        if judged_until is not None:
            reached.append(judged_until)
        if impaired:
            impairments += impaired
        if not is_known:
            impairments_known = False
    impairments += [_rule_failed(name, failure, now) for name, failure in failures.items()]
    impairment, impaired_since = _impairment(snapshot, impairments, now, known=impairments_known)
    if impairment is not None:
        findings.append(impairment)
    if failures:
        ongoing |= {name: since for name, since in snapshot.ongoing.items() if name in failures}
        # While a rule fails, what it has not judged stays to be judged.
        reached = [snapshot.judge_from(now)]
    if impaired_since is not None:
        ongoing[_IMPAIRED] = impaired_since
    return Look(
        home_id=snapshot.home_id,
        findings=tuple(findings),
        due_at=_due(snapshot.home_id, dues, now),
        looked_until=min(reached, default=now),
        ongoing=ongoing,
        failures=failures,
        errors=errors,
        standing=judged,
    )


def _failed_again(before: Failure | None, now: datetime) -> Failure:
    count = 1 if before is None else before.count + 1
    wait = min(_RETRY_FIRST * 2 ** min(count - 1, 16), _RETRY_LONGEST)
    return Failure(count=count, since=now if before is None else before.since, retry_at=now + wait)


def _due(home_id: int, dues: Sequence[datetime], now: datetime) -> datetime:
    return max(min([*dues, now + _longest_wait(home_id)]), now + _SHORTEST_WAIT)


@lru_cache(maxsize=1024)
def _longest_wait(home_id: int) -> timedelta:
    """It differs from home to home: homes looked at together once do not stay together for ever."""
    return LONGEST_WAIT - _SPREAD * (crc32(home_id.to_bytes(8, "big")) / 2**32)


def _impairment(
    snapshot: Snapshot, found: Sequence[Impairment], now: datetime, *, known: bool
) -> tuple[Finding | None, datetime | None]:
    """The one *monitoring impaired* finding of a home, for all that keeps it from being watched.

    And since when it is.
    """
    known_since = snapshot.ongoing.get(_IMPAIRED)
    if found:
        first = min(found, key=lambda impairment: (impairment.since, impairment.about))
        evidence = {impairment.about: impairment.reason.id for impairment in found}
        return _impaired(snapshot, Verdict.RAISE, first.since, first.reason, evidence), first.since
    if not known:
        return None, known_since
    if known_since is None and Kind.MONITORING_IMPAIRED not in snapshot.open_kinds:
        return None, None
    recovered = min(snapshot.failures, default=None)
    reason = (
        Reason(id="monitoring_covered_again", values={})
        if recovered is None
        else Reason(id="monitoring_rule_recovered", values={"rule": recovered})
    )
    return _impaired(snapshot, Verdict.CLEAR, now, reason, {}), None


def _rule_failed(name: str, failure: Failure, now: datetime) -> Impairment:
    retry_s = max(0, round((failure.retry_at - now).total_seconds()))
    return Impairment(
        about=f"rule {name}",
        since=failure.since,
        reason=Reason(
            id="monitoring_rule_failed", values={"rule": name, "failures": failure.count, "retry_s": retry_s}
        ),
    )


def _impaired(
    snapshot: Snapshot, verdict: Verdict, since: datetime, reason: Reason, evidence: Mapping[str, str]
) -> Finding:
    return Finding(
        subject=Subject(home_id=snapshot.home_id),
        kind=Kind.MONITORING_IMPAIRED,
        verdict=verdict,
        severity=Severity.TECHNICAL,
        since=since,
        reason=reason,
        evidence=dict(evidence),
    )
