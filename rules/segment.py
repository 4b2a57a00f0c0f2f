"""A stretch of time over which a home's water use is known."""

from collections.abc import Sequence
from itertools import compress, count
from operator import sub
from typing import Final, NamedTuple

from rules.course import Course
from rules.remembered import remembered

ROUNDING_L: Final = 1e-6
"""Less than this is no use: totals are sums of floating point numbers."""


class Segment(NamedTuple):
    """Instants on end between which use is known: from i to j the meters show at most `high_l[j] - low_l[i]`.

    Attributes:
        at_s: the instants, epoch seconds, ascending; at least one.
        low_l: the home's total at each is at least this, never falling ...
        high_l: ... and at most this, never falling; the same where every meter reported at that instant.
        step_l: true use may be up to this much more than what is shown, for want of digits; 0 where that is exact.
        course: of the one meter whose readings on end these are; None where nothing was worked out of it beforehand.
    """

    at_s: Sequence[float]
    low_l: Sequence[float]
    high_l: Sequence[float]
    step_l: float = 0.0
    course: Course | None = None


@remembered
def moved(segment: Segment) -> Sequence[int]:
    """The places at which the total is more than at the one before, ascending."""
    totals_l = segment.low_l
    return list(compress(count(1), map(ROUNDING_L.__lt__, map(sub, totals_l[1:], totals_l))))


@remembered
def silent_from(segment: Segment, use_l: float) -> Sequence[int]:
    """Where each silence begins, ascending; each lasts up to the instant before the next, or the end of the cover."""
    low_l, begins = segment.low_l, [0]
    used_l = low_l[0] + use_l - ROUNDING_L
    for place, high_l in enumerate(segment.high_l[1:], 1):
        if high_l >= used_l:
            begins.append(place)
            used_l = low_l[place] + use_l - ROUNDING_L
    return begins
