"""All that one register ever showed, with what is worked out of it once for every part of it that is looked at. Pure.

A back-test looks at the same readings some hundred times over. What a part of them says by itself is the same with this
and without, only sooner.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Sequence
from itertools import compress, count
from operator import sub
from typing import Final, NamedTuple

from devices.meters import ABSURD_AT_ONCE_L, LONGEST_EXCURSION

_SUMS_L: Final = 1e-6
"""By so much sums of totals may differ by where they begin."""
_REACH: Final = LONGEST_EXCURSION + 2
"""A fault is judged alike wherever so many readings before and after it are read."""


class Span(NamedTuple):
    """From one reading to another some time later, between which never less than `rate_l_h` flowed."""

    begin: int
    end: int
    rate_l_h: float


class Course(NamedTuple):
    """The readings of one register, oldest first.

    Attributes:
        at_s: when each was measured.
        totals_l: what it showed.
        unsteady: the places at which it fell or leapt, ascending.
        spans: of base flow (`rules.flow`), by where they end.
        begins: where each of these begins ...
        ends: ... and ends.
        base: between each reading and the next, the largest rate of the spans that hold it, L/h.
        surely_l: how much more it showed there than base flow, whatever part of them is looked at.
        settled: what it truly showed, where that is something else and known.
    """

    at_s: Sequence[float]
    totals_l: Sequence[float]
    unsteady: Sequence[int]
    spans: Sequence[Span]
    begins: Sequence[int]
    ends: Sequence[int]
    base: Sequence[float]
    surely_l: Sequence[float]
    settled: "Settled | None" = None

    def place(self, at_s: float) -> int:
        """The place of the first of its readings from an instant on."""
        return bisect_left(self.at_s, at_s)

    def base_before(self, at_s: float) -> float:
        """The most that any part of it tells of as the base flow up to one of its readings, L/h."""
        place = self.place(at_s)
        return self.base[place - 1] if place else 0.0

    def is_steady(self, at_s: Sequence[float]) -> bool:
        """Whether it neither fell nor leapt within some of its readings on end."""
        low = bisect_left(self.at_s, at_s[0])
        place = bisect_right(self.unsteady, low)
        return place == len(self.unsteady) or self.unsteady[place] >= low + len(at_s)

    def settled_part(self, at_s: Sequence[float]) -> slice | None:
        """Which part of `settled` some of its readings on end tell of by themselves; None where that is not sure."""
        if self.settled is None:
            return None
        true, disturbed = self.settled
        low = self.place(at_s[0])
        last = low + len(at_s) - 1
        first, end = bisect_left(disturbed, low), bisect_right(disturbed, last)
        if first == end or disturbed[first] - low < _REACH or last - disturbed[end - 1] < _REACH:
            return None
        # Where it stood still from the beginning on, it is not read since when; what it took back later is not read.
        if self.totals_l[disturbed[first] - 1] == self.totals_l[low]:
            return None
        part = slice(true.place(at_s[0]), true.place(at_s[-1]) + 1)
        return part if true.totals_l[part.stop - 1] == self.totals_l[last] else None

    def base_within(self, at_s: Sequence[float]) -> Sequence[float]:
        """The base flow that some of its readings on end tell of by themselves; empty where they tell of none."""
        low = bisect_left(self.at_s, at_s[0])
        high = low + len(at_s)
        first, last = bisect_left(self.begins, low), bisect_left(self.ends, high)
        if first >= last:
            return ()
        # What lies partly outside says nothing of the part: only where nothing does, it is as in the whole.
        head = max(low, self.ends[first - 1]) if first else low
        tail = min(high - 1, self.begins[last]) if last < len(self.spans) else high - 1
        if head >= tail:
            return self._largest(first, last, low, high - 1)
        before = self._largest(first, min(last, bisect_left(self.begins, head)), low, head)
        after = self._largest(max(first, bisect_right(self.ends, tail)), last, tail, high - 1)
        return [*before, *self.base[head:tail], *after]

    def _largest(self, first: int, last: int, begin: int, end: int) -> Sequence[float]:
        return largest(self.spans[first:last], begin, end)


class Settled(NamedTuple):
    """What a register truly showed that was disturbed now and then, by all its readings (`devices.meters.runs`).

    Attributes:
        course: of the readings that count; it never fell nor leapt, and of none of its use is anything sure.
        disturbed: the places, among all its readings, of those that do not count, at which it fell, and at which it is
            lower than it was.
    """

    course: Course
    disturbed: Sequence[int]


def settled(shown: Course, true: Course) -> Settled | None:
    """The one beside the other; None where it leapt, or its totals are no longer those that were shown.

    Args:
        shown: by all readings.
        true: by the run of those that count.
    """
    if true.unsteady:
        return None
    counts = dict(zip(true.at_s, true.totals_l, strict=True))
    disturbed, highest_l = set(shown.unsteady), float("-inf")
    for place, (at_s, total_l) in enumerate(zip(shown.at_s, shown.totals_l, strict=True)):
        true_l = counts.get(at_s)
        if true_l is not None and true_l > total_l:
            return None  # it rolled over
        if true_l is None or total_l < highest_l:
            disturbed.add(place)
        else:
            highest_l = total_l
    return Settled(true._replace(surely_l=[0.0] * len(true.base)), sorted(disturbed))


def largest(spans: Sequence[Span], begin: int, end: int) -> list[float]:
    """For each interval from one place to another the largest rate of the spans that hold it.

    Args:
        spans: by where they begin, which is also by where they end.
        begin: the first interval.
        end: behind the last.
    """
    base: list[float] = []
    holding: deque[Span] = deque()  # the largest, then the largest of those that end later, and so on
    following, place = 0, begin
    while place < end:
        while following < len(spans) and spans[following].begin <= place:
            while holding and holding[-1].rate_l_h <= spans[following].rate_l_h:
                holding.pop()
            holding.append(spans[following])
            following += 1
        while holding and holding[0].end <= place:
            holding.popleft()
        until = min(end, spans[following].begin) if following < len(spans) else end
        if holding:
            until = min(until, holding[0].end)
        base += [holding[0].rate_l_h if holding else 0.0] * (until - place)
        place = until
    return base


def unsteady(totals_l: Sequence[float]) -> list[int]:
    """The places at which a register fell, or leapt."""
    steps_l = map(sub, totals_l[1:], totals_l)
    return [place for place, step_l in enumerate(steps_l, 1) if not 0.0 <= step_l <= ABSURD_AT_ONCE_L]


def surely_l(at_s: Sequence[float], totals_l: Sequence[float], base: Sequence[float]) -> list[float]:
    """How much more each interval shows than base flow.

    A part of the readings tells of no more base flow than all of them do. What an interval shows less than its share,
    the next ones make up for.
    """
    moved_l = list(map(sub, totals_l[1:], totals_l))
    shown_l = [step_l - _SUMS_L if _SUMS_L < step_l <= ABSURD_AT_ONCE_L else 0.0 for step_l in moved_l]
    owed_l, place = 0.0, 0
    for flows in compress(count(), base):
        place = max(place, flows)
        while place < len(base) and (base[place] or owed_l):
            if 0.0 <= moved_l[place] <= ABSURD_AT_ONCE_L:
                left_l = moved_l[place] - base[place] * (at_s[place + 1] - at_s[place]) / 3600.0 - owed_l
                owed_l = max(0.0, -left_l)
                shown_l[place] = max(0.0, left_l - _SUMS_L)
            else:
                owed_l = 0.0  # no stretch goes on across it
            place += 1
    return shown_l
