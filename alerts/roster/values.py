"""What parts of a roster are made of: keys, days, times, zones; each checked where it comes in."""

import re
from collections.abc import Hashable
from datetime import UTC, datetime, time
from enum import StrEnum
from typing import Annotated, Final, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, NaiveDatetime, StringConstraints

from alerts.roster import recurrence

H = TypeVar("H", bound=Hashable)

_YEARS: Final = range(2000, 2101)


class Day(StrEnum):
    """Days a shift may name: of the week, or by the calendar of public holidays."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"
    WORKDAY = "workday"
    DAYOFF = "dayoff"
    HOLIDAY = "holiday"


WEEK: Final = (Day.MON, Day.TUE, Day.WED, Day.THU, Day.FRI, Day.SAT, Day.SUN)


def _distinct(values: tuple[H, ...]) -> tuple[H, ...]:
    if len(set(values)) < len(values):
        raise ValueError("names something twice")
    return values


def _midnight(value: object) -> object:
    return "00:00" if value in ("24:00", "24:00:00") else value


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder, such as "Asia"
        raise ValueError(f"{name!r} is not a time zone; an example is Asia/Shanghai") from None
    return name


def _plain_time(value: time) -> time:
    if value.tzinfo is not None:
        raise ValueError("is a time of day, without an offset: the roster's time zone counts")
    if value.microsecond:
        raise ValueError("has fractions of a second")
    return value


def _sane(value: datetime) -> datetime:
    """A time near ours, in whole seconds."""
    if value.year not in _YEARS:
        raise ValueError(f"lies outside the years {_YEARS[0]} to {_YEARS[-1]}")
    return value.replace(microsecond=0)


def _utc(value: datetime) -> datetime:
    return _sane(value).astimezone(UTC)


KEY: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")
"""What names a person."""

PersonKey = Annotated[str, StringConstraints(pattern=rf"^{KEY.pattern}$")]
People = Annotated[tuple[PersonKey, ...], AfterValidator(_distinct)]
SomePeople = Annotated[tuple[PersonKey, ...], Field(min_length=1), AfterValidator(_distinct)]
Zone = Annotated[str, AfterValidator(_known_zone)]
TimeOfDay = Annotated[time, BeforeValidator(_midnight), AfterValidator(_plain_time)]
Instant = Annotated[AwareDatetime, AfterValidator(_utc)]
Wall = Annotated[NaiveDatetime, AfterValidator(_sane)]
Days = Annotated[tuple[Day, ...], Field(min_length=1), AfterValidator(_distinct)]
Rule = Annotated[str, AfterValidator(recurrence.checked)]
