"""A home's past as silences: from a reading that shows use to the last one before the next use. Pure."""

from collections.abc import Iterable, Sequence
from heapq import nlargest
from itertools import pairwise
from operator import mul, sub
from typing import Final, NamedTuple

from rules.segment import ROUNDING_L, Segment

USE_L: Final = 1.0
"""As much as this, since the last use, is use."""
LONGEST_STEP_S: Final = 7 * 3600.0
"""Readings further apart tell no habit: a meter must read four times a day."""

LONGEST_WAIT_S: Final = 24 * 3600.0
"""Readings further apart than this are as good as this: there the hard line does not wait for the meter any more."""

OFTEN: Final = 3
"""What came so many times is no coincidence: one outage, even in two parts, makes no habit of a meter."""


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
        at_s, places = segment.at_s, uses(segment)
        found += [Silence(at_s[place], at_s[use - 1], at_s[use]) for place, use in pairwise(places)]
        if places:
            found.append(Silence(at_s[places[-1]], at_s[-1], at_s[-1]))
    return found


def uses(segment: Segment) -> list[int]:
    """The places of the readings that show use since the one before them here, or since the cover began."""
    low_l, places = segment.low_l, list[int]()
    floor_l = low_l[0] + USE_L - ROUNDING_L
    for place, high in enumerate(segment.high_l):
        if high >= floor_l:
            places.append(place)
            floor_l = low_l[place] + USE_L - ROUNDING_L
    return places


def covered_s(segments: Iterable[Segment]) -> float:
    """How long readings came often enough to tell a habit by."""
    often_s = 0.0
    for segment in segments:
        at_s = segment.at_s
        if max(map(sub, at_s[1:], at_s), default=0.0) <= LONGEST_STEP_S:
            often_s += at_s[-1] - at_s[0]
        else:
            often_s += sum(filter(LONGEST_STEP_S.__ge__, map(sub, at_s[1:], at_s)))
    return often_s


def wait_s(steps_s: Sequence[float]) -> float:
    """How long the next reading is waited for, on average over all moments.

    Half an interval where none is lost; one that is lost counts with its square.

    Args:
        steps_s: from each reading to the next, where that is covered.
    """
    if max(steps_s, default=0.0) > LONGEST_WAIT_S:
        steps_s = [min(step_s, LONGEST_WAIT_S) for step_s in steps_s]
    whole_s = sum(steps_s)
    return sum(map(mul, steps_s, steps_s)) / whole_s / 2.0 if whole_s > 0.0 else LONGEST_WAIT_S


def often_apart_s(steps_s: Sequence[float]) -> float:
    """The time between two readings that was reached `OFTEN` times; 0 where there are not so many.

    Args:
        steps_s: from each reading to the next, where that is covered.
    """
    longest_s = nlargest(OFTEN, steps_s)
    return longest_s[-1] if len(longest_s) == OFTEN else 0.0
