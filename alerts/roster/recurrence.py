"""When a calendar's event recurs: RRULE of RFC 5545, by `dateutil`. Pure.

Everything is by the clocks of the event's zone and without an offset; an UNTIL in UTC has been put there before.
"""

import re
from bisect import bisect_left
from datetime import datetime
from functools import lru_cache
from typing import Final

from dateutil.rrule import rrule, rrulestr

_FREQUENCIES: Final = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})
_PARTS: Final = frozenset(
    {
        "FREQ",
        "UNTIL",
        "COUNT",
        "INTERVAL",
        "BYDAY",
        "BYMONTHDAY",
        "BYYEARDAY",
        "BYWEEKNO",
        "BYMONTH",
        "BYSETPOS",
        "WKST",
    }
)
_UNTIL: Final = re.compile(r"\d{8}(T\d{6})?")
_MAX_CHARS: Final = 400
_ANY_START: Final = datetime(2024, 1, 1)  # noqa: DTZ001 (a wall time)


def checked(rule: str) -> str:
    """Passes a rule that can be followed.

    Raises:
        ValueError: it is no RRULE, or recurs within a day.
    """
    parts = dict(_split(rule))
    if len(parts) < len(rule.split(";")):
        raise ValueError(f"{rule!r} says something twice")
    if unknown := sorted(parts.keys() - _PARTS):
        raise ValueError(f"{unknown[0]} is not understood in a rule")
    if parts.get("FREQ") not in _FREQUENCIES:
        raise ValueError(f"FREQ must be one of {', '.join(sorted(_FREQUENCIES))}")
    if "UNTIL" in parts and not _UNTIL.fullmatch(parts["UNTIL"]):
        raise ValueError("UNTIL must be a local date or time, such as 20261231T235959")
    if "UNTIL" in parts and "COUNT" in parts:
        raise ValueError("UNTIL and COUNT do not go together")
    try:
        _parsed(rule, _ANY_START)
    except (ValueError, TypeError, AttributeError, KeyError, IndexError, OverflowError) as error:
        raise ValueError(f"{rule!r} is no rule of recurrence: {error}") from None
    return rule


def ever(rule: str, start: datetime) -> bool:
    """Whether a rule gives any beginning; may take seconds where it does not."""
    return next(iter(_parsed(rule, start)), None) is not None


def starts(
    rule: str | None, start: datetime, also: tuple[datetime, ...], *, since: datetime, until: datetime
) -> list[datetime]:
    """All beginnings in [since, until), in order. `start` is one, whatever the rule says (RFC 5545)."""
    found = {at for at in (start, *also) if since <= at < until}
    if rule is not None:
        for year in range(max(since.year, start.year), until.year + 1):
            those = _of_year(rule, start, year)
            found.update(those[bisect_left(those, since) : bisect_left(those, until)])
    return sorted(found)


@lru_cache(maxsize=4096)
def _of_year(rule: str, start: datetime, year: int) -> tuple[datetime, ...]:
    """Kept: an old rule is followed from its beginning."""
    first, following = (datetime(n, 1, 1) for n in (year, year + 1))  # noqa: DTZ001
    return tuple(at for at in _parsed(rule, start).between(first, following, inc=True) if at < following)


def _parsed(rule: str, start: datetime) -> rrule:
    made = rrulestr(rule, dtstart=start, cache=False)
    if not isinstance(made, rrule):
        raise ValueError("is more than one rule")
    return made


def _split(rule: str) -> list[tuple[str, str]]:
    if not rule.isascii() or len(rule) > _MAX_CHARS or any(c.isspace() for c in rule):
        raise ValueError(f"{rule[:_MAX_CHARS]!r} is no rule of recurrence")
    parts = [part.partition("=") for part in rule.split(";")]
    if not all(separator and value for _, separator, value in parts):
        raise ValueError(f"{rule!r} is no rule of recurrence; an example is FREQ=WEEKLY;BYDAY=MO,TU")
    return [(name.upper(), value) for name, _, value in parts]
