"""A stretch of time over which a home's water use is known."""

from collections.abc import Sequence
from typing import NamedTuple


class Segment(NamedTuple):
    """Instants on end between which use is known: from i to j the meters show at most `high_l[j] - low_l[i]`.

    Attributes:
        at_s: the instants, epoch seconds, ascending; at least one.
        low_l: the home's total at each is at least this ...
        high_l: ... and at most this; the same where every meter reported at that instant.
        step_l: true use may be up to this much more than what is shown, for want of digits; 0 where that is exact.
    """

    at_s: Sequence[float]
    low_l: Sequence[float]
    high_l: Sequence[float]
    step_l: float = 0.0
