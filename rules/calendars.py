"""Which days are workdays: by the public holidays of a country, its moved weekends included."""

from datetime import date
from functools import lru_cache
from typing import Final

import holidays

_SATURDAY: Final = 5


@lru_cache(maxsize=16)
def _of(country: str) -> holidays.HolidayBase | None:
    try:
        return holidays.country_holidays(country)
    except NotImplementedError:
        return None


@lru_cache(maxsize=16_384)
def is_workday(country: str, day: date) -> bool:
    """Whether people of a country go to work on a day.

    In China some weekends are workdays, to make up for a long holiday. A country whose holidays are not known, or none
    (""), has its weekends alone.
    """
    calendar = _of(country) if country else None
    if calendar is None:
        return day.weekday() < _SATURDAY
    return calendar.is_working_day(day)
