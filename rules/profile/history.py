"""A home's past as silences: from a reading that shows use to the last one before the next use. Pure."""

from collections.abc import Iterable
from operator import sub
from typing import Final, NamedTuple

from rules.segment import Segment

USE_L: Final = 1.0
"""As much as this, since the last use, is use."""
LONGEST_STEP_S: Final = 7 * 3600.0
"""Readings further apart tell no habit: a meter must read four times a day."""

_ROUNDING_L: Final = 1e-6


class Silence(NamedTuple):
    """A stretch without use.

    Attributes:
        since_s: the reading that shows the last use.
        until_s: the last reading that shows none since.
        next_s: the reading that shows the next use, or the end of the cover.
    """

    since_s: float
    until_s: float
    next_s: float


def silences(segments: Iterable[Segment]) -> list[Silence]:
    """All silences that begin with a use, oldest first. One that a gap cut short is as long as it was seen."""
    found: list[Silence] = []
    for segment in segments:
        at_s, low_l, high_l = segment.at_s, segment.low_l, segment.high_l
        since_s: float | None = None
        floor_l = low_l[0] + USE_L - _ROUNDING_L
        for place, high in enumerate(high_l):
            if high >= floor_l:
                if since_s is not None:
                    found.append(Silence(since_s, at_s[place - 1], at_s[place]))
                since_s = at_s[place]
                floor_l = low_l[place] + USE_L - _ROUNDING_L
        if since_s is not None:
            found.append(Silence(since_s, at_s[-1], at_s[-1]))
    return found


def covered_s(segments: Iterable[Segment]) -> float:
    """How long readings came often enough to tell a habit by."""
    steps_s: Iterable[float] = (step_s for segment in segments for step_s in map(sub, segment.at_s[1:], segment.at_s))
    return sum(step_s for step_s in steps_s if step_s <= LONGEST_STEP_S)
