"""The constant base flow of a meter: what never stops, such as a dripping tap or a cistern that does not close.

Nobody uses water for a day and a night without a pause. So where a span of 30 h has none, its least flow over three
hours is nobody's use: it is the base flow of that span. (Each hour and two of it must have shown as much, but for the
register's step.) The base at an instant is the largest of all spans around it: data that come later may tell it better,
looks change nothing. What is left of the use is what a person used, and is what inactivity is to be judged by.

A gap in the readings counts with its mean flow; half of a span must have been read finely enough to see a pause. The
length of the span is chosen on real homes (`bench.drips`): at 24 h twice as many quiet evenings seem dry as at 30 h.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from operator import sub
from typing import Final, NamedTuple

from devices.meters import EXACT_STEP_L, runs
from rules.course import Course, Span, largest, settled, surely_l, unsteady
from rules.remembered import remembered
from rules.segment import ROUNDING_L, Segment, moved
from rules.snapshot import BASE_SPAN, Installation
from rules.water import cover, stretches

SPAN_S: Final = BASE_SPAN.total_seconds()
"""Nobody uses water for this long without a pause."""
PAUSE_S: Final = 3 * 3600.0
"""So long a time without use is a pause."""
UNSTEADY: Final = 0.05
"""By how much of itself a flow that never stops may vary (a cistern in real data: 16 to 17 L/h)."""

LEAST_INTERVALS: Final = 3
"""A pause is seen by so many intervals on end ..."""
_FINE_S: Final = PAUSE_S / 2  # between readings further apart a pause may be hidden
_FINE_SHARE: Final = 0.5
PAUSE_LEAST_S: Final = PAUSE_S * 0.9
"""... that are so long together: readings do not come on the second."""
_EARLY: Final = 0.9
_SHORTER_S: Final = (PAUSE_S / 3, PAUSE_S * 2 / 3)


def net_cover(installed: Sequence[Installation]) -> list[Segment]:
    """What the meters of a home cover, as `rules.water.cover`, without the base flow of each."""
    return cover(installed, each=without_base)


def without_base(segments: Sequence[Segment]) -> list[Segment]:
    """The stretches of one meter less their base flow; totals never fall. Without any, a stretch is the one given."""
    return [_net(segment) for segment in segments]


@remembered
def base_flow(segment: Segment) -> Sequence[float]:
    """The base flow of one meter between each instant and the next, L/h; empty where there is none at all."""
    if segment.course is not None:
        return segment.course.base_within(segment.at_s)
    spans = [span for begin, end in _unrested(segment) for span in _spans_within(segment, begin, end)]
    return largest(spans, 0, len(segment.at_s) - 1) if spans else ()


def course_of(at_s: Sequence[float], totals_l: Sequence[float]) -> Course:
    """All that an exact register showed, with its base flow worked out, and without its faults where it has some."""
    shown = _course_of(at_s, totals_l)
    found = runs(at_s, totals_l) if shown.unsteady else ()
    return shown._replace(settled=settled(shown, _course_of(*found[0]))) if len(found) == 1 else shown


def _course_of(at_s: Sequence[float], totals_l: Sequence[float]) -> Course:
    whole = Segment(at_s, totals_l, totals_l)
    spans = [
        Span(begin + span.begin, begin + span.end, span.rate_l_h)
        for begin, end in _unrested(whole)
        for span in _spans(_part(whole, at_s[begin], at_s[end]))
    ]
    base = largest(spans, 0, len(at_s) - 1)
    return Course(
        at_s=at_s,
        totals_l=totals_l,
        unsteady=unsteady(totals_l),
        spans=spans,
        begins=[span.begin for span in spans],
        ends=[span.end for span in spans],
        base=base,
        surely_l=surely_l(at_s, totals_l, base),
    )


def rests(segment: Segment) -> bool:
    """Whether one meter has shown no flow for a pause up to now: while that goes on, no base flow can change."""
    at_s, places, last = segment.at_s, moved(segment), len(segment.at_s) - 1
    begin = places[-1] if places else 0
    return last - begin >= LEAST_INTERVALS and at_s[last] - at_s[begin] >= PAUSE_S


def may_be_base_since(installed: Sequence[Installation], rate_l_h: float) -> float | None:
    """Since when some meter has shown so much in every three hours; None where no meter covers anything.

    `SPAN_S` after this instant is the earliest at which any data can raise a base flow to the rate or above it.
    """
    latest = [found[-1] for meter in installed if meter.removed_at is None and (found := stretches(meter))]
    return min((flowing_since_s(each.at_s, each.low_l, len(each.at_s) - 1, rate_l_h) for each in latest), default=None)


def flowing_since_s(at_s: Sequence[float], totals_l: Sequence[float], last: int, rate_l_h: float) -> float:
    """Since when one register has shown so much in every three hours, up to its reading at the place `last`."""
    end, latest_s, pause_s = last, at_s[last], PAUSE_LEAST_S
    latest = bisect_right(at_s, -pause_s, 0, last + 1, key=lambda each_s: each_s - latest_s) - 1
    for begin in range(min(latest, last - LEAST_INTERVALS), -1, -1):
        begin_s, soonest = at_s[begin], begin + LEAST_INTERVALS
        while end > soonest and at_s[end - 1] - begin_s >= pause_s:
            end -= 1
        used_l = totals_l[end] - totals_l[begin]
        if used_l <= ROUNDING_L or used_l * 3600.0 < rate_l_h * (at_s[end] - begin_s):
            return at_s[begin + 1]
    return at_s[0]


def least_l_h(segments: Sequence[Segment], since_s: float, until_s: float) -> float:
    """The least flow that one meter showed over three hours of a span, L/h; 0.0 where it is shorter than that."""
    if until_s - since_s < PAUSE_LEAST_S:
        return 0.0
    return min(
        (
            window.bound_l_h
            for segment in segments
            if segment.at_s[0] < until_s and segment.at_s[-1] > since_s
            for window in _windows(_part(segment, since_s, until_s))
        ),
        default=0.0,
    )


def hides_from_l_h(volume_l: float, step_l: float, window_s: float) -> float:
    """The base flow that varies, and by its register's step may be out, by a volume in a window: it hides such a use.

    0.0 where any base flow does.
    """
    return max(0.0, (volume_l * 3600.0 / window_s - max(step_l, EXACT_STEP_L) * 3600.0 / PAUSE_S) / UNSTEADY)


def _part(segment: Segment, since_s: float, until_s: float) -> Segment:
    part = slice(bisect_left(segment.at_s, since_s), bisect_right(segment.at_s, until_s))
    totals_l = segment.low_l[part]
    return Segment(segment.at_s[part], totals_l, totals_l, segment.step_l)


class _Window(NamedTuple):
    """From one instant to another at least a pause later: no base flow within is more than `bound_l_h`."""

    end: int
    bound_l_h: float


def _unrested(segment: Segment) -> Iterator[tuple[int, int]]:
    """From where to where a span without a pause may lie: between one pause and the next, and a bit into both."""
    at_s, pause_s, begin = segment.at_s, PAUSE_LEAST_S, 0
    if at_s[-1] - at_s[0] < SPAN_S:
        return
    for first, last in _rests(segment):
        end = max(first + LEAST_INTERVALS, bisect_left(at_s, at_s[first] + pause_s, first, last))
        if at_s[end] - at_s[begin] >= SPAN_S:
            yield begin, end
        begin = min(last - LEAST_INTERVALS, bisect_right(at_s, at_s[last] - pause_s, first, last) - 1)
    if at_s[-1] - at_s[begin] >= SPAN_S:
        yield begin, len(at_s) - 1


def _rests(segment: Segment) -> Iterator[tuple[int, int]]:
    """The pauses: from one instant to another nothing is shown."""
    at_s, begin = segment.at_s, 0
    for place in (*moved(segment), len(at_s)):
        if place - 1 - begin >= LEAST_INTERVALS and at_s[place - 1] - at_s[begin] >= PAUSE_LEAST_S:
            yield begin, place - 1
        begin = place


def _windows(segment: Segment) -> list[_Window]:
    """For each instant the shortest window from it that a pause would fill, as far as they are covered."""
    at_s, totals_l, last = segment.at_s, segment.low_l, len(segment.at_s) - 1
    step_l = max(segment.step_l, EXACT_STEP_L)
    thirds = (_ends(at_s, length_s * _EARLY, 1) for length_s in _SHORTER_S)
    windows = []
    for begin, (end, third, second) in enumerate(
        zip(_ends(at_s, PAUSE_LEAST_S, LEAST_INTERVALS), *thirds, strict=True)
    ):
        if end > last:
            break
        bound_l_h, begin_s, before_l = 0.0, at_s[begin], totals_l[begin]
        used_l = totals_l[end] - before_l
        if used_l > ROUNDING_L:
            bound_l_h = used_l / (at_s[end] - begin_s)
            if (shorter_l_h := (totals_l[third] - before_l + step_l) / (at_s[third] - begin_s)) < bound_l_h:
                bound_l_h = shorter_l_h
            if (shorter_l_h := (totals_l[second] - before_l + step_l) / (at_s[second] - begin_s)) < bound_l_h:
                bound_l_h = shorter_l_h
            bound_l_h *= 3600.0
        windows.append(_Window(end, bound_l_h))
    return windows


def _ends(at_s: Sequence[float], length_s: float, intervals: int) -> list[int]:
    """For each instant the first that is so much later, by time and by intervals; beyond the last where none is."""
    count, ends = len(at_s), list[int]()
    end = 0
    for least, begin_s in enumerate(at_s, intervals):
        ends_s = begin_s + length_s
        while end < count and at_s[end] < ends_s:
            end += 1
        ends.append(end if end >= least else min(least, count))
    return ends


def _spans_within(segment: Segment, begin: int, end: int) -> Iterator[Span]:
    """The spans without a pause in a part of a stretch."""
    part = slice(begin, end + 1)
    for span in _spans_of(tuple(segment.at_s[part]), tuple(segment.low_l[part]), segment.step_l):
        yield Span(begin + span.begin, begin + span.end, span.rate_l_h)


@lru_cache(maxsize=512)  # what lies between two pauses is the same at the next look, and in the next week's learning
def _spans_of(at_s: Sequence[float], totals_l: Sequence[float], step_l: float) -> Sequence[Span]:
    return _spans(Segment(at_s, totals_l, totals_l, step_l))


def _spans(segment: Segment) -> list[Span]:
    """The spans without a pause: to each instant, from the last one that is so much earlier."""
    at_s, windows, spans = segment.at_s, _windows(segment), list[Span]()
    fine_s = list(accumulate((b - a if b - a <= _FINE_S else 0.0 for a, b in pairwise(at_s)), initial=0.0))
    least: deque[int] = deque()  # the least window, then the least of those after it, and so on
    begin = added = 0
    for end, end_s in enumerate(at_s):
        if end_s - at_s[0] < SPAN_S:
            continue
        while end_s - at_s[begin + 1] >= SPAN_S:
            begin += 1
        while added < len(windows) and windows[added].end <= end:
            while least and windows[least[-1]].bound_l_h >= windows[added].bound_l_h:
                least.pop()
            least.append(added)
            added += 1
        while least and least[0] < begin:
            least.popleft()
        seen = fine_s[end] - fine_s[begin] >= _FINE_SHARE * SPAN_S
        if seen and least and (rate_l_h := windows[least[0]].bound_l_h) > 0.0:
            spans.append(Span(begin, end, rate_l_h))
    return spans


@remembered
def _net(segment: Segment) -> Segment:
    base = base_flow(segment)
    return _less(segment, base) if base else segment


def _less(segment: Segment, base: Sequence[float]) -> Segment:
    """What an interval shows less than its share of the base, for want of digits, the next ones make up for."""
    most_l, flowed_l = segment.low_l[0], 0.0
    net_l = [most_l]
    for total_l, rate_l_h, lasted_s in zip(
        segment.low_l[1:], base, map(sub, segment.at_s[1:], segment.at_s), strict=True
    ):
        flowed_l += rate_l_h * lasted_s / 3600.0
        left_l = total_l - flowed_l
        if left_l > most_l:  # noqa: PLR1730 (a call for each reading would cost more than all else here)
            most_l = left_l
        net_l.append(most_l)
    return segment._replace(low_l=net_l, high_l=net_l, course=None)
