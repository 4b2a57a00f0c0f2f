"""A home's nights and mornings, by its own clock and policy. Pure."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zlib import crc32
from zoneinfo import ZoneInfo

from rules.snapshot import Snapshot
from rules.zones import zone

RISEN_BY: Final = time(12)
"""By then a morning is over. Chosen on real homes (docs/rules.md): 10:00 takes late sleepers for fallen ones."""
_SPREAD: Final = timedelta(minutes=30)  # the homes of a city are not all looked at on the stroke of the hour
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nights:
    """The nights of one home.

    Attributes:
        local: its time zone.
        begins: when a night begins ...
        ends: ... and ends, by the local clock.
        risen_by: when a morning is over.
    """

    local: ZoneInfo
    begins: time
    ends: time
    risen_by: time

    def is_night(self, at: datetime) -> bool:
        """Whether an instant falls in a night."""
        clock = at.astimezone(self.local).time()
        if self.begins < self.ends:
            return self.begins <= clock < self.ends
        return clock >= self.begins or clock < self.ends

    def next_begin(self, at: datetime) -> datetime:
        """When the next night after an instant begins."""
        return self._next(at, self.begins)

    def next_rise(self, at: datetime) -> datetime:
        """When the next morning after an instant is over."""
        return self._next(at, self.risen_by)

    def end_before(self, rise: datetime) -> datetime:
        """When the night before a morning ended."""
        return self._at(rise.astimezone(self.local).date(), self.ends)

    def is_after_midnight(self, begin: datetime, end: datetime) -> bool:
        """Whether a span lies between midnight and the end of one night."""
        first, last = begin.astimezone(self.local), end.astimezone(self.local)
        return first.date() == last.date() and last.time() <= self.ends

    def _next(self, at: datetime, clock: time) -> datetime:
        day = at.astimezone(self.local).date()
        today = self._at(day, clock)
        return today if today > at else self._at(day + _DAY, clock)

    def _at(self, day: date, clock: time) -> datetime:
        return _instant(day, clock, self.local)


@lru_cache(maxsize=1024)  # a home is asked about the same mornings again and again
def _instant(day: date, clock: time, local: ZoneInfo) -> datetime:
    return datetime.combine(day, clock, tzinfo=local).astimezone(UTC)


def nights_of(snapshot: Snapshot) -> Nights:
    """The nights of a home.

    Raises:
        ZoneInfoNotFoundError: its time zone is none.
    """
    spread = _SPREAD * (crc32(snapshot.home_id.to_bytes(8, "big")) / 2**32)
    return Nights(
        local=zone(snapshot.time_zone),
        begins=time.fromisoformat(snapshot.policy.night_from),
        ends=time.fromisoformat(snapshot.policy.night_until),
        risen_by=(datetime.combine(date.min, RISEN_BY) + spread).time(),
    )
