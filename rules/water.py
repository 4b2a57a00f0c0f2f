"""What water meters truly covered: totals of a home over stretches of time in which all its meters can be trusted.

Two consecutive cumulative readings of a meter cover the time between them, however long. Which readings count, and
where use is unknown and so splits the cover, is for `devices.meters` to say.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import pairwise
from operator import sub
from typing import Final

from devices import meters
from rules.remembered import remembered
from rules.segment import Segment
from rules.snapshot import Installation, WaterSeries

_SPACED_BY: Final = 25
_SPACED_LEAST: Final = 3


def cover(
    installed: Sequence[Installation], *, each: Callable[[list[Segment]], list[Segment]] | None = None
) -> list[Segment]:
    """The stretches that every meter installed at the time covers, oldest first; meters of a home add up.

    Args:
        installed: the meters.
        each: what is made of the stretches of each meter before they are added up.
    """
    if len(installed) == 1 and installed[0].removed_at is None:
        found = stretches(installed[0])
        return _within(found if each is None else each(found), installed[0].installed_at.timestamp(), float("inf"))
    eras = sorted({edge for meter in installed for edge in _span(meter)})
    trusted = [stretches(meter) if each is None else each(stretches(meter)) for meter in installed]
    segments: list[Segment] = []
    for begin_s, end_s in pairwise(eras):
        serving = [
            _within(stretches, begin_s, end_s)
            for meter, stretches in zip(installed, trusted, strict=True)
            if _span(meter)[0] <= begin_s and end_s <= _span(meter)[1]
        ]
        if serving:
            segments += _combined(serving)
    return segments


def stretches(meter: Installation) -> list[Segment]:
    """The stretches that one meter covers, oldest first."""
    return _stretches(meter.water)


def blur_l(installed: Sequence[Installation]) -> float:
    """By how much true use may be more than what these meters show together, for want of digits."""
    return sum(meter.water.step_l for meter in installed if meter.water.step_l > meters.EXACT_STEP_L)


def spacing(meter: Installation) -> timedelta:
    """How far apart a meter's readings usually are: one that uploads once a day may read every hour."""
    return _spacing(meter.water) or meter.interval


def unbroken(meter: Installation) -> list[tuple[float, float]]:
    """From when to when use is known of a meter, oldest first."""
    return [(segment.at_s[0], segment.at_s[-1]) for segment in stretches(meter)]


@remembered
def _spacing(water: WaterSeries) -> timedelta | None:
    times_s = water.measured_s[-_SPACED_BY:]
    if len(times_s) <= _SPACED_LEAST:
        return None
    apart_s = sorted(map(sub, times_s[1:], times_s))
    middle = len(apart_s) // 2
    return timedelta(seconds=apart_s[middle] if len(apart_s) % 2 else (apart_s[middle - 1] + apart_s[middle]) / 2)


@remembered
def _stretches(water: WaterSeries) -> list[Segment]:
    course = water.course if water.measured_s and not (water.step_l or water.received_s) else None
    if course is not None and course.is_steady(water.measured_s):
        return [Segment(water.measured_s, water.totals_l, water.totals_l, course=course)]
    if course is not None and course.settled is not None and water.pulse_l is None:
        true, part = course.settled.course, course.settled_part(water.measured_s)
        if part is not None:
            totals_l = true.totals_l[part]
            return [Segment(true.at_s[part], totals_l, totals_l, course=true)]
    runs = meters.runs(
        water.measured_s, water.totals_l, step_l=water.step_l, pulse_l=water.pulse_l, received_s=water.received_s
    )
    step_l = water.step_l if water.step_l > meters.EXACT_STEP_L else 0.0
    return [Segment(run.times_s, run.totals_l, run.totals_l, step_l) for run in runs]


def _span(meter: Installation) -> tuple[float, float]:
    removed_s = meter.removed_at.timestamp() if meter.removed_at is not None else float("inf")
    return meter.installed_at.timestamp(), removed_s


def _within(stretches: Sequence[Segment], begin_s: float, end_s: float) -> list[Segment]:
    return [
        segment
        if begin_s <= segment.at_s[0] and segment.at_s[-1] < end_s
        else segment._replace(at_s=segment.at_s[cut], low_l=segment.low_l[cut], high_l=segment.high_l[cut])
        for segment in stretches
        if (cut := slice(bisect_left(segment.at_s, begin_s), bisect_left(segment.at_s, end_s))).start < cut.stop
    ]


def _combined(per_meter: Sequence[list[Segment]]) -> list[Segment]:
    combined = per_meter[0]
    for stretches in per_meter[1:]:
        merged = [_merged(left, right) for left in combined for right in stretches]
        combined = [segment for segment in merged if segment.at_s]
    return combined


def _merged(left: Segment, right: Segment) -> Segment:
    begin_s, end_s = max(left.at_s[0], right.at_s[0]), min(left.at_s[-1], right.at_s[-1])
    instants = sorted({at_s for side in (left, right) for at_s in side.at_s if begin_s <= at_s <= end_s})
    return Segment(
        instants,
        [sum(side.low_l[bisect_right(side.at_s, at_s) - 1] for side in (left, right)) for at_s in instants],
        [sum(side.high_l[bisect_left(side.at_s, at_s)] for side in (left, right)) for at_s in instants],
        left.step_l + right.step_l,
    )
