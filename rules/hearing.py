"""How far ingest has heard its brokers, and whether that is far enough to watch anybody. Pure.

Silence is judged up to `Hearing.until`, never up to now: after a stall nobody is inactive because we were deaf or
behind.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from alerts.findings import Finding, Kind, Reason, Severity, Subject, Verdict
from rules.snapshot import Hearing

LATE_AFTER: Final = timedelta(minutes=2)
LOST_AFTER: Final = timedelta(minutes=15)
CLOCK_TOLERANCE: Final = timedelta(seconds=5)
_HANDOVER: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ear:
    """One session of ingest: a lane of a broker, as one worker hears it."""

    lane: str
    broker: str
    until: datetime
    since: datetime


def heard(ears: Sequence[Ear], clock_difference: timedelta) -> Hearing | None:
    """The span over which every lane of every broker has been heard; None where silence must not be judged.

    A lane that several workers hear is heard as long as one of them hears it. Nothing heard yet, or clocks of process
    and database apart by more than 5 s: None.
    """
    if abs(clock_difference) > CLOCK_TOLERANCE or not any(ear.lane == "bulk" for ear in ears):
        return None
    lanes: dict[tuple[str, str], list[Ear]] = {}
    for ear in ears:
        lanes.setdefault((ear.lane, ear.broker), []).append(ear)
    spans = [_together(session) for session in lanes.values()]
    return Hearing(until=min(span.until for span in spans), since=max(span.since for span in spans))


def _together(ears: Sequence[Ear]) -> Hearing:
    latest = max(ear.until for ear in ears)
    # Workers that stopped hearing longer ago have no part in the present unbroken span.
    since = min(ear.since for ear in ears if ear.until >= latest - _HANDOVER)
    return Hearing(until=latest, since=since)


def assess(
    ears: Sequence[Ear],
    clock_difference: timedelta,
    now: datetime,
    *,
    never_since: datetime,
    told_since: datetime | None,
) -> Finding:
    """What the operators are told about the service's own hearing.

    Args:
        ears: every session known.
        clock_difference: the database's clock minus the process's.
        now: the process's clock.
        never_since: from when on to count where no session is known at all.
        told_since: the beginning of the trouble as it is already told, which catching up does not move.
    """
    hearing = heard(ears, timedelta())
    until = never_since if hearing is None else hearing.until
    lag = now - until
    if lag > LATE_AFTER:
        lost = lag > LOST_AFTER
        reason = Reason(id="hearing_lost" if lost else "hearing_late", values={"lag_s": round(lag.total_seconds())})
        return _finding(Verdict.RAISE, Severity.HARD if lost else Severity.TECHNICAL, told_since or until, reason)
    if abs(clock_difference) > CLOCK_TOLERANCE:
        difference_s = round(abs(clock_difference).total_seconds())
        reason = Reason(id="hearing_clocks_differ", values={"difference_s": difference_s})
        return _finding(Verdict.RAISE, Severity.TECHNICAL, told_since or now, reason)
    return _finding(Verdict.CLEAR, Severity.TECHNICAL, until, Reason(id="hearing_recovered", values={}))


def _finding(verdict: Verdict, severity: Severity, since: datetime, reason: Reason) -> Finding:
    return Finding(
        subject=Subject(),
        kind=Kind.HEARING_LOST,
        verdict=verdict,
        severity=severity,
        since=since,
        reason=reason,
        evidence={},
    )
