"""Whether flow that was nothing to tell of still is, told from the little that has come since. Pure.

For meters that plainly rise (`rules.plainly`); what is proven here, `rules.running` would find by itself.
"""

from typing import NamedTuple

from rules.dry import tolerance_s
from rules.rule import Word
from rules.running import GRID_S, LEAST_STRONG, SEEN_S, SHORTEST_REST_S, STRONG_L_PER_H
from rules.segment import Segment, moved


class Flowing(NamedTuple):
    """Of a meter that reads every hour or so: since when water may have been running strongly, with nothing to tell.

    Attributes:
        flow_s: so long a strong flow is told of.
        begun_s: its newest readings show nothing but strong flow since this instant ...
        intervals: ... over so many intervals.
        until_s: the last of them.
    """

    flow_s: float
    begun_s: float
    intervals: int
    until_s: float

    @staticmethod
    def of(segment: Segment, flow_s: float) -> "Flowing":
        """What the stretch of a meter ends with."""
        at_s, totals_l, last = segment.at_s, segment.low_l, len(segment.at_s) - 1
        begin = last
        while begin and _is_strong(totals_l[begin] - totals_l[begin - 1], at_s[begin] - at_s[begin - 1]):
            begin -= 1
        return Flowing(flow_s - tolerance_s(flow_s), at_s[begin], last - begin, at_s[last])

    def after(self, word: Word) -> "Flowing | None":
        """After what has come; None where there may be something to tell."""
        flow_s, begun_s, intervals, until_s = self
        for at_s, moved_l, before_s in zip(word.moved_s, word.moved_l, word.before_s, strict=True):
            lasted_s = at_s - before_s
            if lasted_s < GRID_S:
                return None  # closer ones are put together
            if moved_l * 3600.0 >= STRONG_L_PER_H * lasted_s:
                # What stood still between for less than that may be part of an interval that does not.
                begun_s, intervals = (begun_s, intervals + 1) if before_s - until_s < GRID_S else (before_s, 1)
                until_s = at_s
                if intervals >= LEAST_STRONG and until_s - begun_s >= flow_s:
                    return None
        if word.covered_s - until_s >= GRID_S:
            begun_s, intervals, until_s = word.covered_s, 0, word.covered_s
        return Flowing(flow_s, begun_s, intervals, until_s)


def _is_strong(used_l: float, lasted_s: float) -> bool:
    return used_l * 3600.0 >= STRONG_L_PER_H * lasted_s


class Resting(NamedTuple):
    """Of a meter of which no leak was found: since when its flow may not have rested.

    Attributes:
        length_s: without a rest for so long, and read often enough to tell, it leaks.
        rested_s: it last rested until this instant ...
        since_s: ... or was not read often enough to tell, until this one.
        moved_s: when its register moved last; where cover begins, if it never did.
    """

    length_s: float
    rested_s: float
    since_s: float
    moved_s: float

    @staticmethod
    def of(segment: Segment, length_s: float) -> "Resting":
        """What the newest readings of a stretch show; what was to be told of those before was found."""
        at_s, steps, covered_s = segment.at_s, moved(segment), segment.at_s[-1]
        moved_s = at_s[steps[-1]] if steps else at_s[0]
        if covered_s - moved_s >= SHORTEST_REST_S:
            return Resting(length_s, covered_s, covered_s, moved_s)
        unseen_s = float("-inf")
        for place, before in zip(reversed(steps), [*reversed(steps[:-1]), 0], strict=False):
            if at_s[place] - at_s[place - 1] > SEEN_S:
                unseen_s = max(unseen_s, at_s[place])
            if at_s[place - 1] - at_s[before] >= SHORTEST_REST_S:
                rested_s = at_s[place - 1]
                return Resting(length_s, rested_s, max(unseen_s, rested_s), moved_s)
        return Resting(length_s, at_s[0], max(unseen_s, at_s[0]), moved_s)

    def after(self, word: Word) -> "Resting | None":
        """After what has come; None where it may have flowed for so long."""
        length_s, rested_s, since_s, begin_s = self
        for at_s, before_s in zip(word.moved_s, word.before_s, strict=True):
            if before_s - begin_s >= SHORTEST_REST_S:
                if begin_s - since_s >= length_s:
                    return None
                rested_s = since_s = before_s
            if at_s - before_s > SEEN_S:
                if before_s - since_s >= length_s:
                    return None
                since_s = at_s
            begin_s = at_s
        covered_s = word.covered_s
        if covered_s - begin_s >= SHORTEST_REST_S:
            if begin_s - since_s >= length_s:
                return None
            rested_s = since_s = covered_s
        return None if covered_s - since_s >= length_s else Resting(length_s, rested_s, since_s, begin_s)
