"""How a condition that comes and goes is told: once while it lasts, once that it is over, and as over where it ended
between two looks.

For rules of which somebody is to know also what is over (a leak). The alerts know a case by what is open; what was told
already of a case that is closed, the rule itself carries from look to look, as `Judgement.ongoing_since`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import JsonValue

from alerts.findings import Finding, Kind, Reason, Severity, Subject, Verdict
from rules.expected import next_word
from rules.rule import Judgement
from rules.snapshot import OVERLAP, Installation, Snapshot, instant


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


def judgement(
    snapshot: Snapshot,
    now: datetime,
    condition: Condition,
    bouts: Sequence[Bout],
    *,
    meters: Sequence[Installation],
    covered_s: Sequence[float],
    over: bool,
    due_s: float,
) -> Judgement:
    """What the bouts of a home's meters come to.

    Args:
        snapshot: the home.
        now: the time of the look.
        condition: which condition.
        bouts: of all meters.
        meters: those that were judged.
        covered_s: up to when each of them is covered.
        over: it is seen of all meters that it does not hold.
        due_s: the earliest instant at which data may make it hold, epoch seconds.
    """
    if not meters:
        return Judgement(next_due=now + timedelta(hours=24), ongoing_since=snapshot.ongoing.get(condition.rule))
    ordered = _in_order(bouts)
    covered_until = instant(min(covered_s)) if covered_s else None
    told = tell(snapshot, now, condition, ordered, over_at=covered_until if over else None)
    soon = next_word(meters, now)
    awaited = bool(ordered) and ordered[-1].lasts
    awaited = awaited or (not over and (told.ongoing_since is not None or condition.kind in snapshot.open_kinds))
    return Judgement(
        findings=told.findings,
        next_due=soon if awaited else max(soon, instant(due_s)),
        judged_until=None if covered_until is None else max(covered_until, snapshot.looked_until or covered_until),
        ongoing_since=told.ongoing_since,
    )


def _in_order(bouts: Sequence[Bout]) -> list[Bout]:
    """Those that are over by their beginning, then the one of those that last that began first."""
    ended = sorted((bout for bout in bouts if not bout.lasts), key=lambda bout: bout.since_s)
    lasting = sorted((bout for bout in bouts if bout.lasts), key=lambda bout: bout.since_s)
    return [*ended, *lasting[:1]]


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
