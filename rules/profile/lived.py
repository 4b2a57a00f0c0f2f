"""What a home has lived through, as its line is learned from it: its silences in columns. Pure.

A column for each thing that the sums need, since there are a thousand silences in four months, and a city of homes.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import compress, count
from operator import sub
from typing import Final, NamedTuple

from rules.profile.history import covered_s, uses
from rules.profile.local import SLOT_S, SLOTS, Clock
from rules.profile.pricing import LEAST
from rules.segment import Segment

AT_RISK_S: Final = 3 * 3600.0
"""An incapacitation is looked for within so long after a use: later, it is as likely that nobody is at home."""
TOLD_FROM: Final = LEAST - 8
"""Silences of fewer half hours tell nothing about any line."""

_TOLD_FROM_S: Final = TOLD_FROM * SLOT_S


class Lived(NamedTuple):
    """Silences, oldest first.

    Attributes:
        since_s: when each began.
        cells: the half hour in which it began: `SLOTS` of workdays, then those of free days.
        at_risk_h: how many hours an incapacitation would have been looked for in it.
        long: the places of those that tell about lines, ascending ...
        half_hours: ... and how many half hours after its own each of them was last seen to last.
    """

    since_s: Sequence[float]
    cells: Sequence[int]
    at_risk_h: Sequence[float]
    long: Sequence[int]
    half_hours: Sequence[int]

    def part(self, begin: int, end: int) -> "Lived":
        """Those from one place up to before another."""
        first, last = bisect_left(self.long, begin), bisect_left(self.long, end)
        return Lived(
            since_s=self.since_s[begin:end],
            cells=self.cells[begin:end],
            at_risk_h=self.at_risk_h[begin:end],
            long=[place - begin for place in self.long[first:last]],
            half_hours=self.half_hours[first:last],
        )


class Past(NamedTuple):
    """All that a home's line is learned from.

    Attributes:
        covered_s: how long readings came often enough to tell a habit by.
        heard_s: when its meters were read, for each stretch that is covered.
        lived: its silences, oldest first.
    """

    covered_s: float
    heard_s: Sequence[Sequence[float]]
    lived: Sequence[Lived]


def past_of(segments: Iterable[Segment], since_s: float, until_s: float, clock: Clock) -> Past:
    """What was covered and lived through from one instant up to another."""
    recent = [part for segment in segments if (part := _between(segment, since_s, until_s)) is not None]
    return Past(
        covered_s=covered_s(recent),
        heard_s=[segment.at_s for segment in recent],
        lived=[lived(segment.at_s, uses(segment), len(segment.at_s) - 1, clock) for segment in recent],
    )


def lived(at_s: Sequence[float], places: Sequence[int], last: int, clock: Clock) -> Lived:
    """The silences from each use to the next; the last goes on to the last reading.

    Args:
        at_s: when the meters were read.
        places: the readings that show use, ascending.
        last: the last reading.
        clock: of the home.
    """
    if not places:
        return Lived((), (), (), (), ())
    since_s = [at_s[place] for place in places]
    lasted_s = [*map(sub, since_s[1:], since_s), at_s[last] - since_s[-1]]
    long, half_hours = list[int](), list[int]()
    for nth in compress(count(), map(_TOLD_FROM_S.__le__, lasted_s)):
        seen_s = at_s[places[nth + 1] - 1] if nth + 1 < len(places) else at_s[last]
        if seen_s - since_s[nth] >= _TOLD_FROM_S:
            long.append(nth)
            half_hours.append(_half_hours(clock, since_s[nth], seen_s))
    return Lived(
        since_s=since_s,
        cells=_cells(since_s, clock),
        at_risk_h=[each_s / 3600.0 if each_s < AT_RISK_S else AT_RISK_S / 3600.0 for each_s in lasted_s],
        long=long,
        half_hours=half_hours,
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
