"""What a home has lived through in a part of all that its one register ever showed, cut once for every part. Pure.

A back-test learns a home each week anew, from four months of readings of which most are those of the week before. A
silence of the part is one of the whole wherever the same base flow is told of both and a use begins both. What is left
is cut by itself: a few uses at the beginning, and at the end a day or two, whose base flow what came later told.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
from operator import sub
from typing import NamedTuple

from rules.course import Course, largest
from rules.profile.history import LONGEST_STEP_S, USE_L
from rules.profile.lived import LATELY_S, Lived, Past, lived
from rules.profile.local import Clock
from rules.remembered import remembered
from rules.segment import ROUNDING_L


def recalled(course: Course, begin: int, end: int, *, since_s: float, until_s: float, clock: Clock) -> Past | None:
    """What `rules.profile.lived.past_of` says of a part of a register, less its base flow.

    Args:
        course: of the register, which neither fell nor leapt in the part.
        begin: the first reading of the part ...
        end: ... and behind the last; they alone tell of base flow.
        since_s: from when on it is learned from ...
        until_s: ... and up to when; the part ends before.
        clock: of the home.

    Returns:
        None where nothing in the part is told to be as in the whole: it is to be cut by itself.
    """
    whole, at_s = _whole(course, clock), course.at_s
    first_span, last_span = bisect_left(course.begins, begin), bisect_left(course.ends, end)
    # Only where no span of base flow lies partly outside, it is as in the whole (`Course.base_within`).
    head = max(begin, course.ends[first_span - 1]) if first_span else begin
    tail = min(end - 1, course.begins[last_span]) if last_span < len(course.spans) else end - 1
    first = bisect_left(at_s, since_s, begin, end)
    if first >= tail or not whole.is_paid(head, first):
        return None
    alone, nth = whole.uses_from(first, tail)
    last = bisect_right(whole.uses, tail) - 1
    if nth > last:
        return None
    common, latest = whole.uses[nth], whole.uses[last]
    spans = course.spans[max(first_span, bisect_right(course.ends, latest)) : last_span]
    _, lately = _cut(course, largest(spans, latest, end - 1), latest, end)
    return Past(
        covered_s=whole.covered_s[end - 1] - whole.covered_s[first],
        steps_s=whole.steps_s[bisect_left(at_s, until_s - LATELY_S, first, end) : end - 1],
        lived=[
            lived(at_s, [*alone, common], common, clock).part(0, len(alone)),
            whole.lived.part(nth, last),
            lived(at_s, [latest, *lately], end - 1, clock),
        ],
    )


class _Whole(NamedTuple):
    """All that a register showed, less its base flow.

    Attributes:
        net_l: its totals; they fall only where it fell.
        uses: the readings that show use, ascending.
        lived: the silence from each of them to the next.
        steps_s: from each reading to the next.
        covered_s: up to each reading, how long they came often enough.
        has_base: whether there is any base flow.
    """

    net_l: Sequence[float]
    uses: Sequence[int]
    lived: Lived
    steps_s: Sequence[float]
    covered_s: Sequence[float]
    has_base: bool

    def is_paid(self, settled: int, first: int) -> bool:
        """Whether no part that is settled from a reading on still owes base flow at another, where the whole does not.

        A part tells of no more base flow than the whole. So where the whole owes none, as at a use, the part owes none.
        """
        nth = bisect_left(self.uses, settled)
        return not self.has_base or settled == 0 or (nth < len(self.uses) and self.uses[nth] <= first)

    def uses_from(self, first: int, last: int) -> tuple[list[int], int]:
        """The uses that show only if nothing is known before a reading; and the first that shows anyhow, by its number.

        From there on both go on alike: each use is told by what flowed since the one before.
        """
        alone, place, net_l, uses = list[int](), first, self.net_l, self.uses
        while True:
            place = bisect_left(net_l, net_l[place] + USE_L - ROUNDING_L, place + 1, last + 1)
            nth = bisect_left(uses, place)
            if place > last or (nth < len(uses) and uses[nth] == place):
                return alone, nth
            alone.append(place)


@remembered
def _whole(course: Course, clock: Clock) -> _Whole:
    net_l, uses = list[float](), list[int]()
    for begin, end in pairwise([0, *course.unsteady, len(course.at_s)]):
        run_l, shown = _cut(course, course.base[begin : end - 1], begin, end)
        net_l += run_l
        uses += shown
    steps_s = list(map(sub, course.at_s[1:], course.at_s))
    often_s = (step_s if step_s <= LONGEST_STEP_S else 0.0 for step_s in steps_s)
    return _Whole(
        net_l=net_l,
        uses=uses,
        lived=lived(course.at_s, uses, len(course.at_s) - 1, clock),
        steps_s=steps_s,
        covered_s=list(accumulate(often_s, initial=0.0)),
        has_base=bool(course.spans),
    )


def _cut(course: Course, base: Sequence[float], begin: int, end: int) -> tuple[list[float], list[int]]:
    """Some of the readings, from one on by which no base flow is owed: what they show less it, and which show use.

    Args:
        course: of the register.
        base: the base flow from each of them to the next, L/h.
        begin: the first ...
        end: ... and behind the last.
    """
    at_s, totals_l = course.at_s[begin:end], course.totals_l[begin:end]
    most_l, flowed_l = totals_l[0], 0.0
    floor_l = most_l + USE_L - ROUNDING_L
    net_l, uses = [most_l], list[int]()
    steps_s = map(sub, at_s[1:], at_s)
    for place, (total_l, rate_l_h, step_s) in enumerate(zip(totals_l[1:], base, steps_s, strict=True), begin + 1):
        flowed_l += rate_l_h * step_s / 3600.0
        left_l = total_l - flowed_l
        if left_l > most_l:
            most_l = left_l
            if most_l >= floor_l:
                uses.append(place)
                floor_l = most_l + USE_L - ROUNDING_L
        net_l.append(most_l)
    return net_l, uses
