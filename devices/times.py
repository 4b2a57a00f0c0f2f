"""Reading a device's idea of the time."""

import math
from datetime import UTC, datetime

# Epoch numbers above this are milliseconds: as seconds they would lie past the year 2603.
_MILLISECONDS_FROM = 2e10

# As numbers, strings of digits of these lengths would mean 1970, 1976 and 2603 or later: nobody's now.
_LOCAL_FORMATS = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_LOCAL_YEARS = range(1970, 2100)


def parse_time(value: object) -> datetime:
    """Turns a time as devices write it into an aware UTC instant.

    Understood are ISO 8601 strings with an offset, and seconds or milliseconds since 1970 as a number or as a string of
    digits. A string without an offset is refused: guessing a zone moves an alarm by hours.

    What begins with more digits than a date has is a number and never ISO 8601: between date and time stands a T or a
    space (`20261122T123000Z`). Of 8, 12 or 14 digits alone that read as a date of 1970 to 2099, with or without a time
    (`20261122`, `20261122123000`), an offset is missing; all others count from 1970.

    Args:
        value: the field as decoded from JSON.

    Returns:
        The instant, aware, in UTC. Whether it is plausible is for the caller to judge.

    Raises:
        ValueError: it is no time, has no offset, or lies outside the years 1 to 9999.
    """
    if isinstance(value, str):
        if value[:9].isdecimal():
            if _is_local(value):
                raise ValueError("time without an offset from UTC")
            return _from_digits(value)
        try:
            parsed = datetime.fromisoformat(value)
        except ValueError:
            return _from_digits(value)
        if parsed.tzinfo is UTC:
            return parsed
        if parsed.tzinfo is None:
            raise ValueError("time without an offset from UTC")
        try:
            return parsed.astimezone(UTC)
        except OverflowError as error:
            raise ValueError("time outside the years 1 to 9999") from error
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _from_epoch(value)
    raise ValueError(f"a time cannot be a {type(value).__name__}")


def _is_local(digits: str) -> bool:
    written = _LOCAL_FORMATS.get(len(digits))
    if written is None:
        return False
    try:
        return datetime.strptime(digits, written).year in _LOCAL_YEARS  # noqa: DTZ007 (refused for having none)
    except ValueError:
        return False


def _from_digits(text: str) -> datetime:
    try:
        number = float(text)
    except ValueError:
        raise ValueError("neither ISO 8601 nor seconds or milliseconds since 1970") from None
    return _from_epoch(number)


def _from_epoch(number: float) -> datetime:
    try:
        seconds = float(number)
        if not math.isfinite(seconds):
            raise ValueError("time is not finite")
        if abs(seconds) >= _MILLISECONDS_FROM:
            seconds /= 1000
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError("time outside the years 1 to 9999") from error
