"""How a condition that comes and goes is told: once while it lasts, once that it is over, and as over where it ended
between two looks.

For rules of which somebody is to know also what is over (a leak). The alerts know a case by what is open; what was told
already of a case that is closed, the rule itself carries from look to look, as `Judgement.ongoing_since`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from alerts.findings import Finding, Kind, Reason, Severity, Subject, Verdict
from rules.snapshot import OVERLAP, Snapshot, instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Bout:
    """One time that a condition held.

    Attributes:
        since_s: since when.
        known_s: the measured time at which it was told to be one, or (where that is later) up to which it held.
        begun: its beginning was read; else it may have begun earlier.
        lasts: nothing later says that it is over.
        reason: the sentence while it lasts ...
        over: ... and when it is found to be over.
    """

    since_s: float
    known_s: float
    begun: bool
    lasts: bool
    severity: Severity
    reason: Reason
    over: Reason
    evidence: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What to say, and what to carry to the next look."""

    findings: tuple[Finding, ...]
    ongoing_since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Of which condition it is.

    Attributes:
        rule: the name under which it is carried.
        cleared: the sentence that it is over.
        told_when_over: somebody is told of one that ended between two looks; else it is recorded only.
    """

    rule: str
    kind: Kind
    cleared: Reason
    told_when_over: bool


def tell(
    snapshot: Snapshot, now: datetime, condition: Condition, bouts: Sequence[Bout], *, over_at: datetime | None
) -> Told:
    """What is news of the bouts, oldest first, of which only the last may last.

    One that lasts is said at every look: the alerts know that they have it.

    Args:
        snapshot: the home.
        now: the time of the look.
        condition: which condition.
        bouts: what the span that was read shows.
        over_at: when it is known not to hold, since when; None where it holds, or nobody can tell.
    """
    findings: list[Finding] = []
    judged_until = snapshot.judge_from(now)
    known_since = snapshot.ongoing.get(condition.rule)
    open_now = known_since is not None or condition.kind in snapshot.open_kinds
    carried = known_since
    for bout in bouts:
        same = known_since is not None and _is(bout, known_since)
        if bout.lasts:
            since = known_since if same and known_since is not None else instant(bout.since_s)
            if open_now and not same and known_since is not None:
                findings.append(_cleared(snapshot, condition, since))
            findings.append(_finding(snapshot, condition, bout, Verdict.RAISE, since))
            return Told(findings=tuple(findings), ongoing_since=since)
        since, known = instant(bout.since_s), instant(bout.known_s)
        if same or (known_since is not None and since <= known_since):
            continue
        if condition.told_when_over and known > judged_until:
            if open_now:
                findings.append(_cleared(snapshot, condition, since))
            findings.append(_finding(snapshot, condition, bout, Verdict.RAISE, since))
            findings.append(_cleared(snapshot, condition, known))
            carried, open_now = since, False
        elif known > judged_until or (
            snapshot.looked_until is not None and bout.begun and known > judged_until - OVERLAP
        ):
            findings.append(_finding(snapshot, condition, bout, Verdict.RECORD, since))
    if over_at is None:
        return Told(findings=tuple(findings), ongoing_since=carried)
    if open_now:
        findings.append(_cleared(snapshot, condition, over_at))
    return Told(findings=tuple(findings), ongoing_since=_still_news(bouts, carried, judged_until))


def is_calm(snapshot: Snapshot, condition: Condition) -> bool:
    """Whether nothing of it is told, nor carried from look to look."""
    return condition.rule not in snapshot.ongoing and condition.kind not in snapshot.open_kinds


def _is(bout: Bout, since: datetime) -> bool:
    """Whether a bout is the one that was told with this beginning."""
    since_s = since.timestamp()
    return since_s <= bout.known_s and (bout.since_s <= since_s or not bout.begun)


def _still_news(bouts: Sequence[Bout], told_since: datetime | None, judged_until: datetime) -> datetime | None:
    """What was told stays known as long as the next look could take it for news."""
    if told_since is None:
        return None
    last = next((bout for bout in reversed(bouts) if _is(bout, told_since)), None)
    return None if last is None or instant(last.known_s) <= judged_until else told_since


def _finding(snapshot: Snapshot, condition: Condition, bout: Bout, verdict: Verdict, since: datetime) -> Finding:
    return Finding(
        subject=Subject(home_id=snapshot.home_id),
        kind=condition.kind,
        verdict=verdict,
        severity=bout.severity,
        since=since,
        reason=bout.reason if bout.lasts else bout.over,
        evidence=bout.evidence,
    )


def _cleared(snapshot: Snapshot, condition: Condition, at: datetime) -> Finding:
    return Finding(
        subject=Subject(home_id=snapshot.home_id),
        kind=condition.kind,
        verdict=Verdict.CLEAR,
        severity=Severity.SOFT,
        since=at,
        reason=condition.cleared,
        evidence={"until": at.isoformat()},
    )
