"""All that one register ever showed, with what is worked out of it once for every part of it that is looked at. Pure.

A back-test looks at the same readings some hundred times over. What a part of them says by itself is the same with this
and without, only sooner.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Sequence
from itertools import compress, count
from operator import sub
from typing import NamedTuple

from devices.meters import ABSURD_AT_ONCE_L


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
    """

    at_s: Sequence[float]
    totals_l: Sequence[float]
    unsteady: Sequence[int]
    spans: Sequence[Span]
    begins: Sequence[int]
    ends: Sequence[int]
    base: Sequence[float]

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


def _is_unsteady(used_l: float) -> bool:
    return not 0.0 <= used_l <= ABSURD_AT_ONCE_L
