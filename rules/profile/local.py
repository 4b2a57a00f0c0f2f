"""The local clock that habits go by: half hours, kinds of day, and back to instants. Days may have 23 hours."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import IntEnum
from functools import lru_cache
from typing import Final

Zone = tzinfo
IsWorkday = Callable[[date], bool]

SLOT_S: Final = 1800.0
SLOTS: Final = 48
"""Half hours in a day, by the clock."""
_SLOT: Final = timedelta(seconds=SLOT_S)
_BUCKET_S: Final = 86_400.0


class DayKind(IntEnum):
    """People's days differ by whether they, or those around them, work."""

    WORKDAY = 0
    FREE = 1


class Clock:
    """What the clock on the wall shows at an instant, read many thousand times over."""

    __slots__ = ("_days", "_free", "_is_workday", "_known", "_zone")

    def __init__(self, zone: Zone, is_workday: IsWorkday) -> None:
        self._zone = zone
        self._is_workday = is_workday
        self._known: dict[int, float | None] = {}
        self._free: dict[int, DayKind] = {}
        self._days: dict[int, tuple[float, float, DayKind]] = {}

    def wall_s(self, at_s: float) -> float:
        """Seconds since 1970-01-01 as the wall clock counts them."""
        return at_s + self._offset_s(at_s)

    def kind(self, wall_s: float) -> DayKind:
        """The kind of the day that a wall clock time falls in."""
        day = int(wall_s // _BUCKET_S)
        if (kind := self._free.get(day)) is None:
            kind = DayKind.WORKDAY if self._is_workday(_EPOCH_DAY + timedelta(days=day)) else DayKind.FREE
            self._free[day] = kind
        return kind

    def day(self, at_s: float) -> tuple[float, float, DayKind]:
        """Until when the clock runs on steadily in the same day, when that day began by it, and its kind."""
        offset_s = self._offset_s(at_s)
        number = int((at_s + offset_s) // _BUCKET_S)
        if (known := self._days.get(number)) is not None:
            return known
        midnight_s, kind = number * _BUCKET_S - offset_s, self.kind(number * _BUCKET_S)
        ends_s = midnight_s + _BUCKET_S
        if None in (self._steady(int(midnight_s // _BUCKET_S)), self._steady(int(ends_s // _BUCKET_S))):
            # Where the clock is put forward or back, each instant is to be asked for.
            return at_s, midnight_s, kind
        self._days[number] = ends_s, midnight_s, kind
        return ends_s, midnight_s, kind

    def _offset_s(self, at_s: float) -> float:
        """By how much the wall clock is ahead of UTC."""
        bucket = int(at_s // _BUCKET_S)
        offset_s = self._known[bucket] if bucket in self._known else self._steady(bucket)
        return self._asked(at_s) if offset_s is None else offset_s

    def _steady(self, bucket: int) -> float | None:
        """The offset all through a day of UTC; None if it changes."""
        if bucket not in self._known:
            begin, end = self._asked(bucket * _BUCKET_S), self._asked((bucket + 1) * _BUCKET_S)
            self._known[bucket] = begin if begin == end else None
        return self._known[bucket]

    def _asked(self, at_s: float) -> float:
        offset = datetime.fromtimestamp(at_s, self._zone).utcoffset()
        assert offset is not None  # noqa: S101 (it is aware)
        return offset.total_seconds()


@lru_cache(maxsize=64)
def clock(zone: Zone, is_workday: IsWorkday) -> Clock:
    """The clock of a zone and its workdays: what it knows of a day it is asked again for every home, and every week."""
    return Clock(zone, is_workday)


_EPOCH_DAY: Final = date(1970, 1, 1)


@lru_cache(maxsize=1024)  # one silence is asked about by several lines, and again at the next look
def slot_of(at_s: float, zone: Zone) -> tuple[date, int]:
    """The local date and half hour of an instant; an hour that comes twice is its last half hour when it comes again.

    So a later instant never has an earlier slot.
    """
    local = datetime.fromtimestamp(at_s, zone)
    wall = local.replace(tzinfo=None)
    if local.fold:
        while _comes_twice(_whole(wall) + _SLOT, zone):
            wall += _SLOT
    return wall.date(), wall.hour * 2 + wall.minute // 30


@lru_cache(maxsize=4096)
def instant_s(day: date, slot: int, zone: Zone) -> float:
    """The instant at which a slot begins, counted from a day's midnight; where it comes twice, the last."""
    wall = datetime.combine(day, time()) + slot * _SLOT
    return wall.replace(tzinfo=zone, fold=1).astimezone(UTC).timestamp()


def _whole(wall: datetime) -> datetime:
    return wall.replace(minute=wall.minute // 30 * 30, second=0, microsecond=0)


def _comes_twice(wall: datetime, zone: Zone) -> bool:
    first, last = (wall.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    return first is not None and last is not None and first > last
