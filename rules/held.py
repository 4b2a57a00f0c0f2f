"""What a home's trouble is to its area: its own, perhaps one of many, or part of an incident that is told. Pure.

An incident is recognised once enough homes have crossed their limits, each of which would have raised its own alert by
then. So silence, which is for technicians, always waits a little; and where others fell silent or dry at the same time,
it and soft inactivity wait until the others had the time to follow. Hard inactivity and calls for help never wait.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum, auto
from functools import lru_cache
from typing import Final, NamedTuple

from alerts.findings import Kind, Severity
from rules.areas import Cause, window_s
from rules.shut_off import LEAST_S
from rules.snapshot import Snapshot, Trouble

_SETTLE: Final = timedelta(minutes=2)
_SETTLE_LIMITS: Final = 1 / 30
"""2 min of the usual hour; a site that wants to know sooner waits less."""
_SETTLE_INTERVALS: Final = 1 / 48
"""Of a thousand meters that upload once a day, so many fall silent in half an hour as are suspicious."""
_DRY_HOLD: Final = timedelta(minutes=10)
_WET_HOLD: Final = timedelta(hours=2)
"""After the water is back: who has not used it within that long is asked."""


class Fate(Enum):
    """What becomes of a home's own alert."""

    OWN = auto()
    HELD = auto()
    PART = auto()


class Held(NamedTuple):
    """The fate of an alert, and until when it is held."""

    fate: Fate
    until: datetime | None = None


def silent(
    troubles: Sequence[Trouble],
    heard_until: datetime | None,
    *,
    since: datetime,
    crossed_at: datetime,
    limit: timedelta,
    interval: timedelta,
) -> Held:
    """What a device's silence is to the area.

    Args:
        troubles: those of the home.
        heard_until: up to when we have heard.
        since: when it was heard last.
        crossed_at: when its limit passed, by the time up to which we have heard.
        limit: how long it may be silent.
        interval: how often it reports.
    """
    until = crossed_at + (settle := _settle(limit, interval))
    if troubles:
        reach = timedelta(seconds=window_s(Cause.SILENT, interval.total_seconds()))
        concerned = [each for each in troubles if each.cause == Cause.SILENT and since + reach >= each.since]
        if any(trouble.is_open for trouble in concerned):
            return Held(Fate.PART)
        for trouble in concerned:
            # All that fell out together have crossed their limits, or are heard again, within an interval.
            until = max(until, (trouble.ended_at or crossed_at) + interval + settle)
    return Held(Fate.HELD, until) if heard_until is None or heard_until <= until else Held(Fate.OWN)


@lru_cache(maxsize=1024)
def _settle(limit: timedelta, interval: timedelta) -> timedelta:
    """How long whoever fell silent alone waits to find out."""
    return max(min(_SETTLE, limit * _SETTLE_LIMITS), interval * _SETTLE_INTERVALS)


def dry(
    snapshot: Snapshot,
    severity: Severity,
    *,
    since: datetime,
    crossed_at: datetime,
    interval: timedelta,
    now: datetime,
) -> Held:
    """What a home's inactivity is to the area.

    Args:
        snapshot: the home.
        severity: hard inactivity is never held, though it may be part of an incident.
        since: since when it is dry.
        crossed_at: when its line was crossed, by the meter's time.
        interval: how often the meter reports: what it measured then may be that much older when it is known.
        now: the time of the look.
    """
    told = Kind.INACTIVITY in snapshot.open_kinds
    dry_before = since + timedelta(seconds=window_s(Cause.DRY, 0.0))
    concerned = [
        trouble
        for trouble in snapshot.troubles
        # A line crossed while nobody could use water says nothing; one that was told before goes on holding.
        if trouble.cause == Cause.DRY and crossed_at >= trouble.since and not (told and dry_before < trouble.since)
    ]
    if any(trouble.is_open for trouble in concerned):
        return Held(Fate.PART)
    if severity is Severity.SOFT and concerned:
        until = max(
            # Its meters tell two hours after the water was gone at the earliest.
            max(crossed_at, trouble.since + timedelta(seconds=LEAST_S)) + _DRY_HOLD
            if trouble.ended_at is None
            else trouble.ended_at + _WET_HOLD
            for trouble in concerned
        )
        if now < until + interval:
            return Held(Fate.HELD, until + interval)
    return Held(Fate.OWN)
