"""From what a clock on the wall shows to the instant it means; days on which people do not work. Pure."""

from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final

import holidays

_SATURDAY: Final = 5
_SECOND: Final = timedelta(seconds=1)


def instant_of(wall: datetime, zone: tzinfo) -> datetime:
    """The instant of a wall time, as UTC.

    A time that comes twice is the first one. A time that the clock skips is the moment at which it jumps. So a later
    wall time never means an earlier instant, and what joins on the wall joins in fact.

    Args:
        wall: without a zone.
        zone: where the clock hangs.
    """
    first = wall.replace(tzinfo=zone, fold=0)
    at = first.astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) == wall:
        return at
    offset_before = first.utcoffset()
    earlier, later = wall.replace(tzinfo=zone, fold=1).astimezone(UTC), at
    while later - earlier > _SECOND:
        middle = earlier + (later - earlier) // 2
        if middle.astimezone(zone).utcoffset() == offset_before:
            earlier = middle
        else:
            later = middle
    return later.replace(microsecond=0)


def wall_of(at: datetime, zone: tzinfo) -> datetime:
    """What a clock shows at an instant, without a zone."""
    return at.astimezone(zone).replace(tzinfo=None)


def knows(country: str) -> bool:
    """Whether the public holidays of a country (ISO 3166) are known."""
    return _of(country) is not None


@lru_cache(maxsize=4096)
def is_holiday(country: str, day: date) -> bool:
    """Whether a day is a public holiday of a country; of "" there are none."""
    calendar = _of(country) if country else None
    return calendar is not None and day in calendar


@lru_cache(maxsize=4096)
def is_workday(country: str, day: date) -> bool:
    """Whether people of a country go to work on a day: moved weekends count; of "" it is Monday to Friday."""
    calendar = _of(country) if country else None
    return day.weekday() < _SATURDAY if calendar is None else calendar.is_working_day(day)


@lru_cache(maxsize=16)
def _of(country: str) -> holidays.HolidayBase | None:
    try:
        return holidays.country_holidays(country)
    except NotImplementedError:
        return None
