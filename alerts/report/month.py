"""A month by local calendars, and how long homes were watched in it. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple, Self
from zoneinfo import ZoneInfo

from alerts.roster.wall import instant_of, wall_of

_MONTH: Final = re.compile(r"((?:19|20)[0-9]{2})-([0-9]{2})")


class Month(NamedTuple):
    """A month by local calendars."""

    year: int
    month: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `2026-11`.

        Raises:
            ValueError: it is no month.
        """
        if (match := _MONTH.fullmatch(text)) is None or not 1 <= int(match[2]) <= 12:
            raise ValueError(f"{text!r} is no month; right would be 2026-11")
        return cls(int(match[1]), int(match[2]))

    def bounds(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Its first instant in a zone, and that of the next month."""
        first = date(self.year, self.month, 1)
        following = (first + timedelta(days=32)).replace(day=1)
        begins, ends = (instant_of(datetime.combine(day, time(0)), zone) for day in (first, following))
        return begins, ends

    def has(self, at: datetime, zone: ZoneInfo) -> bool:
        """Whether an instant falls into it."""
        local = wall_of(at, zone)
        return (local.year, local.month) == self

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A home, and the periods in which a device was installed in it; open ends are None."""

    area: str
    time_zone: str
    periods: Sequence[tuple[datetime, datetime | None]]


def watched(home: Served, month: Month, now: datetime) -> timedelta:
    """How long a device was installed in a home within a month, up to now; two at once count once."""
    begins, ends = month.bounds(ZoneInfo(home.time_zone))
    reached, total = begins, timedelta()
    for since, until in sorted(home.periods, key=lambda period: period[0]):
        from_, to = max(since, reached), min(ends, now, until or ends)
        if to > from_:
            total += to - from_
            reached = to
    return total


def padded(month: Month) -> tuple[datetime, datetime]:
    """A span in UTC that holds the month wherever on earth."""
    begins, ends = month.bounds(ZoneInfo("UTC"))
    return begins.astimezone(UTC) - timedelta(hours=26), ends.astimezone(UTC) + timedelta(hours=26)
