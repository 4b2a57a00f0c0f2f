"""Learns a home's line from its silences. Pure; two milliseconds for 120 days of hourly readings."""

from bisect import bisect_left
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from rules.profile.drawing import drawn
from rules.profile.history import wait_s
from rules.profile.line import Profile
from rules.profile.lived import Past, past_of
from rules.profile.local import IsWorkday, Zone, clock
from rules.profile.pricing import USUAL, Tuning
from rules.segment import Segment

HISTORY: Final = timedelta(days=120)
"""No more than this is looked back."""
LEAST_HISTORY: Final = timedelta(days=14)
"""With less cover than this nothing is learned."""
LATELY_S: Final = 28 * 86_400.0
"""How the meters are heard is learned from so much of it: a radio changes at once."""

_DAY_S: Final = 86_400.0


def learn(
    segments: Iterable[Segment], *, until: datetime, zone: Zone, is_workday: IsWorkday, tuning: Tuning = USUAL
) -> Profile | None:
    """A home's profile; None where too little is covered to know its habits.

    Args:
        segments: what its meters cover, oldest first, without what nobody lived through: absences, real emergencies.
        until: what is later is not looked at.
        zone: where the home is.
        is_workday: whether people go to work on a day.
        tuning: what is the same for all homes.
    """
    past = past_of(segments, (until - HISTORY).timestamp(), until.timestamp(), clock(zone, is_workday))
    return profile_of(past, until=until, tuning=tuning)


def profile_of(past: Past, *, until: datetime, tuning: Tuning = USUAL) -> Profile | None:
    """The same of what was lived through in the `HISTORY` before an instant."""
    if past.covered_s < LEAST_HISTORY.total_seconds():
        return None
    until_s = until.timestamp()
    latest = [at_s[bisect_left(at_s, until_s - LATELY_S) :] for at_s in past.heard_s]
    return Profile(
        until_s=until_s,
        days=past.covered_s / _DAY_S,
        lines=drawn(past.lived, until_s, tuning),
        wait_h=round(wait_s(latest) / 3600.0, 2),  # as it is stored
    )
