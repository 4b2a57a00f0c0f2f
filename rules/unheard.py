"""How long a meter is unheard before anybody is told: an interval longer than it often is, at least its limit. Pure.

A silence is told of by the habits that count when it becomes too long, so it does not matter when anybody looks.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from rules.snapshot import Learned

_HOUR: Final = timedelta(hours=1)


class Unheard(NamedTuple):
    """A device of which nothing is heard.

    Attributes:
        since: since when ...
        listened_from: ... and from when on we have listened without a break.
        limit: how long it may be silent.
        longest: it is waited for no longer than this because it often is, however often we were deaf meanwhile.
    """

    installed_at: datetime
    since: datetime
    listened_from: datetime
    interval: timedelta
    limit: timedelta
    longest: timedelta


class Telling(NamedTuple):
    """When that is told.

    Attributes:
        at: before this nobody is, by the time up to which we have heard.
        after: how long a silence it takes.
    """

    at: datetime
    after: timedelta


def telling(unheard: Unheard, habits: Sequence[Learned]) -> Telling:
    """When a silence is told of.

    Args:
        unheard: the device.
        habits: that count now last, those before them first; empty where none are learned from what it alone shows.
    """
    if not habits:
        return _by(unheard, None)
    counting = habits[-1]
    before = _by(unheard, habits[-2] if len(habits) > 1 else None)
    if before.at < counting.from_at:
        return before
    at, after = _by(unheard, counting)
    return Telling(max(at, counting.from_at), after)


def _by(unheard: Unheard, learned: Learned | None) -> Telling:
    """By habits that always counted."""
    installed_at, since, listened_from, interval, limit, longest = unheard
    profile = None if learned is None else learned.profile
    # What was learned before it was installed is of another meter.
    if profile is None or profile.until_s <= installed_at.timestamp():
        return Telling(listened_from + limit, limit)
    often = timedelta(hours=min(longest / _HOUR, profile.apart_h))
    after = max(limit, min(often + interval, longest))
    return Telling(min(listened_from + after, max(listened_from + limit, since + longest)), after)
