"""The time zones of homes."""

from functools import lru_cache
from zoneinfo import ZoneInfo


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """The time zone of a home, by its IANA name.

    Raises:
        ZoneInfoNotFoundError: there is none of that name.
    """
    return ZoneInfo(name)
