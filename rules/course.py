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

from devices.meters import ABSURD_AT_ONCE_L

_SUMS_L: Final = 1e-6
"""By so much sums of totals may differ by where they begin."""


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
    """

    at_s: Sequence[float]
    totals_l: Sequence[float]
    unsteady: Sequence[int]
    spans: Sequence[Span]
    begins: Sequence[int]
    ends: Sequence[int]
    base: Sequence[float]
    surely_l: Sequence[float]

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


def largest(spans: Sequence[Span], begin: int, end: int) -> list[float]:
    """For each interval from one place to another the largest rate of the spans that hold it.

    Args:
        spans: by where they begin, which is also by where they end.
        begin: the first interval.
        end: behind the last.
    """
    base = list[float]()
    holding: deque[Span] = deque()  # the largest, then the largest of those that end later, and so on
    following = 0
    for place in range(begin, end):
        while following < len(spans) and spans[following].begin <= place:
            while holding and holding[-1].rate_l_h <= spans[following].rate_l_h:
                holding.pop()
            holding.append(spans[following])
            following += 1
        while holding and holding[0].end <= place:
            holding.popleft()
        base.append(holding[0].rate_l_h if holding else 0.0)
    return base


def unsteady(totals_l: Sequence[float]) -> list[int]:
    """The places at which a register fell, or leapt."""
    steady = map(_is_unsteady, map(sub, totals_l[1:], totals_l))
    return list(compress(count(1), steady))


def surely_l(at_s: Sequence[float], totals_l: Sequence[float], base: Sequence[float]) -> list[float]:
    """How much more each interval shows than base flow.

    A part of the readings tells of no more base flow than all of them do. What an interval shows less than its share,
    the next ones make up for.
    """
    shown_l: list[float] = []
    owed_l = 0.0
    for moved_l, lasted_s, rate_l_h in zip(
        map(sub, totals_l[1:], totals_l), map(sub, at_s[1:], at_s), base, strict=True
    ):
        if _is_unsteady(moved_l):
            owed_l = 0.0  # no stretch goes on across it
            shown_l.append(0.0)
            continue
        left_l = moved_l - rate_l_h * lasted_s / 3600.0 - owed_l
        owed_l = max(0.0, -left_l)
        shown_l.append(max(0.0, left_l - _SUMS_L))
    return shown_l


def _is_unsteady(used_l: float) -> bool:
    return not 0.0 <= used_l <= ABSURD_AT_ONCE_L
