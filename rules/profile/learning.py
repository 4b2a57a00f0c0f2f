"""Learns a home's line from its silences. Pure; two milliseconds for 120 days of hourly readings."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from rules.profile.drawing import drawn
from rules.profile.history import often_apart_s, wait_s
from rules.profile.line import Profile
from rules.profile.lived import Past, past_of
from rules.profile.local import IsWorkday, Zone, clock
from rules.profile.pricing import EVERY, USUAL, Tuning
from rules.segment import Segment

HISTORY: Final = timedelta(days=120)
"""No more than this is looked back."""
LEAST_HISTORY: Final = timedelta(days=14)
"""With less cover than this nothing is learned."""

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
    since_s, half_life_s = (until - HISTORY).timestamp(), tuning.half_life_days * _DAY_S
    past = past_of(segments, since_s, until.timestamp(), clock(zone, is_workday), half_life_s)
    return profile_of(past, until=until, tuning=tuning)


def profile_of(past: Past, *, until: datetime, tuning: Tuning = USUAL, asked: Sequence[int] = EVERY) -> Profile | None:
    """The same of what was lived through in the `HISTORY` before an instant, with the lines of some strictnesses."""
    if past.covered_s < LEAST_HISTORY.total_seconds():
        return None
    return Profile(
        until_s=until.timestamp(),
        days=past.covered_s / _DAY_S,
        lines=drawn(past.lived, tuning, asked),
        # Both as they are stored.
        wait_h=round(wait_s(past.steps_s) / 3600.0, 2),
        apart_h=round(often_apart_s(past.steps_s) / 3600.0, 2),
    )
