"""What people type where a command wants an instant, and how it is read."""

from datetime import UTC, datetime

from anju.errors import Usage


def past_instant(text: str | None, option: str) -> datetime | None:
    """Reads an instant that cannot lie ahead.

    Args:
        text: ISO 8601 with an offset; None: not given.
        option: where it was given, for the error.

    Raises:
        Usage: it is no time, has no offset, or lies ahead.
    """
    at = instant(text, option)
    if at is not None and at > datetime.now(UTC):
        raise Usage(f"{option} lies in the future")
    return at


def instant(text: str | None, option: str) -> datetime | None:
    """Reads an instant: see `past_instant`, which it is like but for the limit.

    Raises:
        Usage: it is no time, or has no offset.
    """
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Usage(f"{option}: {text!r} is not a time; right would be 2026-11-21T08:15:00+08:00") from None
    if at.tzinfo is None:
        raise Usage(f"{option}: {text!r} has no offset; right would be {at.isoformat()}+08:00")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise Usage(f"{option}: {text!r} lies outside the years 1 to 9999") from None
