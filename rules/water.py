"""What water meters truly covered: totals of a home over stretches of time in which all its meters can be trusted.

Two consecutive cumulative readings of a meter cover the time between them, however long. Where a total falls, or
jumps by more than any pipe could carry, that time is unknown and splits the cover.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from rules.snapshot import Installation

ABSURD_FLOW_L_PER_H: Final = 20_000.0
_SHORTEST_STEP_H: Final = 1.0  # a coarse register ticks a whole cubic metre at once
_ROUNDING_L: Final = 1e-6


class Point(NamedTuple):
    """The home's total at an instant.

    Between `low_l` and `high_l`, equal where every meter reported at that instant.
    """

    at_s: float
    low_l: float
    high_l: float


Segment = Sequence[Point]
"""Points over which use is known; use between i and j is at most `seg[j].high_l - seg[i].low_l`."""


def cover(meters: Sequence[Installation]) -> list[Segment]:
    """The stretches that every meter installed at the time covers, oldest first; meters of a home add up."""
    eras = sorted({edge for meter in meters for edge in _span(meter)})
    segments: list[Segment] = []
    for begin_s, end_s in pairwise(eras):
        serving = [meter for meter in meters if _span(meter)[0] <= begin_s and end_s <= _span(meter)[1]]
        if serving:
            segments += _combined([_trusted(meter, begin_s, end_s) for meter in serving])
    return segments


def _span(meter: Installation) -> tuple[float, float]:
    removed_s = meter.removed_at.timestamp() if meter.removed_at is not None else float("inf")
    return meter.installed_at.timestamp(), removed_s


def _trusted(meter: Installation, begin_s: float, end_s: float) -> list[Segment]:
    times, totals = meter.water.measured_s, meter.water.totals_l
    first, end = bisect_left(times, begin_s), bisect_left(times, end_s)
    cuts = [place for place in range(first + 1, end) if not _believable(times, totals, place)]
    return [
        [Point(at_s, total_l, total_l) for at_s, total_l in zip(times[start:stop], totals[start:stop], strict=True)]
        for start, stop in pairwise([first, *cuts, end])
        if start < stop
    ]


def _believable(times: Sequence[float], totals: Sequence[float], place: int) -> bool:
    used_l = totals[place] - totals[place - 1]
    if 0.0 <= used_l <= ABSURD_FLOW_L_PER_H * _SHORTEST_STEP_H:
        return True
    step_h = (times[place] - times[place - 1]) / 3600.0
    return -_ROUNDING_L <= used_l <= ABSURD_FLOW_L_PER_H * step_h


def _combined(per_meter: Sequence[list[Segment]]) -> list[Segment]:
    combined = per_meter[0]
    for segments in per_meter[1:]:
        merged = [_merged(left, right) for left in combined for right in segments]
        combined = [segment for segment in merged if segment]
    return combined


def _merged(left: Segment, right: Segment) -> Segment:
    begin_s, end_s = max(left[0].at_s, right[0].at_s), min(left[-1].at_s, right[-1].at_s)
    instants = sorted({point.at_s for side in (left, right) for point in side if begin_s <= point.at_s <= end_s})
    sides = [(side, [point.at_s for point in side]) for side in (left, right)]
    return [
        Point(
            at_s,
            sum(side[bisect_right(times, at_s) - 1].low_l for side, times in sides),
            sum(side[bisect_left(times, at_s)].high_l for side, times in sides),
        )
        for at_s in instants
    ]
