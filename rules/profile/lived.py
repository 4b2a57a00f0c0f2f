"""What a home has lived through, as its line is learned from it: its silences in columns. Pure.

A column for each thing that the sums need, since there are a thousand silences in four months, and a city of homes.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import compress, count
from operator import mul, sub
from typing import Final, NamedTuple

from rules.profile.history import covered_s, uses
from rules.profile.local import SLOT_S, SLOTS, Clock
from rules.profile.pricing import LEAST, USUAL
from rules.segment import Segment

AT_RISK_S: Final = 3 * 3600.0
"""An incapacitation is looked for within so long after a use: later, it is as likely that nobody is at home."""
LATELY_S: Final = 28 * 86_400.0
"""How the meters are heard is learned from so much of it: a radio changes at once."""
TOLD_FROM: Final = LEAST - 8
"""Silences of fewer half hours tell nothing about any line."""

USUAL_HALF_LIFE_S: Final = USUAL.half_life_days * 86_400.0

_WEIGHED_AS_OF_S: Final = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
_TOLD_FROM_S: Final = TOLD_FROM * SLOT_S


class Lived(NamedTuple):
    """Silences, oldest first.

    What is older tells less. Since only how they compare counts, a silence has one weight, whenever it is learned from.

    Attributes:
        cells: the half hour in which each began: `SLOTS` of workdays, then those of free days.
        at_risk_h: how many hours an incapacitation would have been looked for in it, by its weight.
        long: the places of those that tell about lines, ascending ...
        half_hours: ... how many half hours after its own each of them was last seen to last ...
        weights: ... and how much it tells.
    """

    cells: Sequence[int]
    at_risk_h: Sequence[float]
    long: Sequence[int]
    half_hours: Sequence[int]
    weights: Sequence[float]

    def part(self, begin: int, end: int) -> "Lived":
        """Those from one place up to before another."""
        first, last = bisect_left(self.long, begin), bisect_left(self.long, end)
        return Lived(
            cells=self.cells[begin:end],
            at_risk_h=self.at_risk_h[begin:end],
            long=[place - begin for place in self.long[first:last]],
            half_hours=self.half_hours[first:last],
            weights=self.weights[first:last],
        )


class Past(NamedTuple):
    """All that a home's line is learned from.

    Attributes:
        covered_s: how long readings came often enough to tell a habit by.
        steps_s: from each reading of the last `LATELY_S` to the next, where that is covered.
        lived: its silences, oldest first.
    """

    covered_s: float
    steps_s: Sequence[float]
    lived: Sequence[Lived]


def past_of(
    segments: Iterable[Segment], since_s: float, until_s: float, clock: Clock, half_life_s: float = USUAL_HALF_LIFE_S
) -> Past:
    """What was covered and lived through from one instant up to another."""
    recent = [part for segment in segments if (part := _between(segment, since_s, until_s)) is not None]
    return Past(
        covered_s=covered_s(recent),
        steps_s=[step_s for segment in recent for step_s in _steps_s(segment, until_s - LATELY_S)],
        lived=[lived(segment.at_s, uses(segment), len(segment.at_s) - 1, clock, half_life_s) for segment in recent],
    )


def lived(
    at_s: Sequence[float],
    places: Sequence[int],
    last: int,
    clock: Clock,
    half_life_s: float = USUAL_HALF_LIFE_S,
) -> Lived:
    """The silences from each use to the next; the last goes on to the last reading.

    Args:
        at_s: when the meters were read.
        places: the readings that show use, ascending.
        last: the last reading.
        clock: of the home.
        half_life_s: what is this much older tells half as much.
    """
    if not places:
        return Lived((), (), (), (), ())
    since_s = [at_s[place] for place in places]
    lasted_s = [*map(sub, since_s[1:], since_s), at_s[last] - since_s[-1]]
    weights = [2.0 ** ((each_s - _WEIGHED_AS_OF_S) / half_life_s) for each_s in since_s]
    risk_h = [each_s / 3600.0 if each_s < AT_RISK_S else AT_RISK_S / 3600.0 for each_s in lasted_s]
    long, half_hours = list[int](), list[int]()
    for nth in compress(count(), map(_TOLD_FROM_S.__le__, lasted_s)):
        seen_s = at_s[places[nth + 1] - 1] if nth + 1 < len(places) else at_s[last]
        if seen_s - since_s[nth] >= _TOLD_FROM_S:
            long.append(nth)
            half_hours.append(_half_hours(clock, since_s[nth], seen_s))
    return Lived(
        cells=_cells(since_s, clock),
        at_risk_h=list(map(mul, weights, risk_h)),
        long=long,
        half_hours=half_hours,
        weights=[weights[nth] for nth in long],
    )


def _cells(since_s: Iterable[float], clock: Clock) -> list[int]:
    cells = list[int]()
    day_ends_s = midnight_s = float("-inf")
    first = 0
    for each_s in since_s:
        if each_s >= day_ends_s:
            day_ends_s, midnight_s, kind = clock.day(each_s)
            first = kind * SLOTS
        cells.append(first + int((each_s - midnight_s) // SLOT_S))
    return cells


def _steps_s(segment: Segment, since_s: float) -> Iterable[float]:
    at_s = segment.at_s[bisect_left(segment.at_s, since_s) :]
    return map(sub, at_s[1:], at_s)


def _half_hours(clock: Clock, since_s: float, until_s: float) -> int:
    """From the beginning of the half hour of one instant to that of another, by the clock on the wall."""
    wall_s = clock.wall_s(since_s)
    return int((clock.wall_s(until_s) - wall_s + wall_s % SLOT_S) // SLOT_S)


def _between(segment: Segment, since_s: float, until_s: float) -> Segment | None:
    at_s = segment.at_s
    if not at_s or at_s[0] >= until_s or at_s[-1] < since_s:
        return None
    if since_s <= at_s[0] and at_s[-1] < until_s:
        return segment
    kept = slice(bisect_left(at_s, since_s), bisect_left(at_s, until_s))
    return segment._replace(at_s=at_s[kept], low_l=segment.low_l[kept], high_l=segment.high_l[kept])
