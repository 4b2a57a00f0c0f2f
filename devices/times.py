"""Reading a device's idea of the time."""

import math
from datetime import UTC, datetime

# Epoch numbers above this are milliseconds: as seconds they would lie past the year 2603.
_MILLISECONDS_FROM = 2e10


def parse_time(value: object) -> datetime:
    """Turns a time as devices write it into an aware UTC instant.

    Understood are ISO 8601 strings with an offset, and seconds or milliseconds since 1970 as a number or as a string of
    digits. A string without an offset is refused: guessing a zone moves an alarm by hours.

    Args:
        value: the field as decoded from JSON.

    Returns:
        The instant, aware, in UTC. Whether it is plausible is for the caller to judge.

    Raises:
        ValueError: it is no time, has no offset, or lies outside the years 1 to 9999.
    """
    if isinstance(value, str):
        try:
            parsed = datetime.fromisoformat(value)
        except ValueError:
            return _from_epoch(float(value))
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
