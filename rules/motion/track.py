"""Acceleration on one grid of time, whatever the sensor's rate and however uneven its clock."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite, sqrt
from statistics import median
from typing import Final

from rules.motion.errors import BadBurst

Sample = tuple[float, float, float]

STEP_S: Final = 0.04
"""The grid. 25 a second keep what the blow of a body lasts (100 ms and more), and cost nothing."""
LONGEST_GAP_S: Final = 5.0
"""Across a longer one nothing is assumed: what follows is another track."""
_CALIBRATION: Final = (0.8, 1.2)
"""So far an accelerometer at rest may be off 1 g; UMAFall's are off by up to 14 %."""


@dataclass(frozen=True, slots=True)
class Track:
    """Mean acceleration in each step of the grid, in units of what the sensor shows at rest.

    Attributes:
        start_s: the beginning of the first step, on the samples' clock.
        x, y, z: mean of each axis.
        magnitude: mean of the magnitude, which is not the magnitude of the means: a rattle keeps its strength.
    """

    start_s: float
    x: list[float]
    y: list[float]
    z: list[float]
    magnitude: list[float]


def tracks(times_s: Sequence[float], samples: Sequence[Sample]) -> list[Track]:
    """Averages samples over the steps of the grid, straight lines being drawn between them.

    Averaging makes a blow weigh the same at 20 and at 200 samples a second, and needs no filter's state.

    Args:
        times_s: when each was taken, in seconds from any zero; equal times count once, disorder is put in order.
        samples: along three axes, in g.

    Returns:
        One for each stretch without a gap above `LONGEST_GAP_S` that fills a step.

    Raises:
        BadBurst: as many times as samples are needed, and finite numbers.
    """
    if len(times_s) != len(samples):
        raise BadBurst(f"{len(times_s)} times for {len(samples)} samples")
    if not all(map(isfinite, times_s)):
        raise BadBurst("a time is not finite")
    if any(later <= earlier for earlier, later in pairwise(times_s)):
        ordered = dict(sorted(zip(times_s, samples, strict=True), key=lambda taken: taken[0]))
        times_s, samples = list(ordered), list(ordered.values())
    points = []
    for x, y, z in samples:
        squared = x * x + y * y + z * z
        if not isfinite(squared):
            raise BadBurst("a sample is not finite, or beyond any sensor")
        points.append((x, y, z, sqrt(squared)))
    breaks = [index + 1 for index, (a, b) in enumerate(pairwise(times_s)) if b - a > LONGEST_GAP_S]
    made = []
    for first, end in pairwise([0, *breaks, len(points)]):
        track = _track(times_s[first:end], points[first:end])
        if track is not None:
            made.append(track)
    return made


def _track(times_s: Sequence[float], points: Sequence[tuple[float, float, float, float]]) -> Track | None:
    if len(times_s) < 2 or times_s[-1] - times_s[0] < STEP_S:
        return None
    start_s = times_s[0]
    columns: tuple[list[float], ...] = ([], [], [], [])
    sums = [0.0, 0.0, 0.0, 0.0]
    edge_s = start_s + STEP_S
    for (from_s, to_s), (before, after) in zip(pairwise(times_s), pairwise(points), strict=True):
        at_s, value = from_s, before
        while to_s >= edge_s:
            share = (edge_s - from_s) / (to_s - from_s)
            width = (edge_s - at_s) / 2
            crossed = (
                before[0] + (after[0] - before[0]) * share,
                before[1] + (after[1] - before[1]) * share,
                before[2] + (after[2] - before[2]) * share,
                before[3] + (after[3] - before[3]) * share,
            )
            for axis in range(4):
                columns[axis].append((sums[axis] + (value[axis] + crossed[axis]) * width) / STEP_S)
            sums = [0.0, 0.0, 0.0, 0.0]
            at_s, value = edge_s, crossed
            edge_s = start_s + STEP_S * (len(columns[0]) + 1)
        width = (to_s - at_s) / 2
        sums[0] += (value[0] + after[0]) * width
        sums[1] += (value[1] + after[1]) * width
        sums[2] += (value[2] + after[2]) * width
        sums[3] += (value[3] + after[3]) * width
    return _calibrated(start_s, columns) if columns[0] else None


def _calibrated(start_s: float, columns: tuple[list[float], ...]) -> Track:
    """Most of the time nearly everybody is at rest: what a sensor shows then is what it takes for 1 g."""
    low, high = _CALIBRATION
    rest = min(high, max(low, median(columns[3])))
    x, y, z, magnitude = ([value / rest for value in column] for column in columns)
    return Track(start_s, x, y, z, magnitude)


def summits(magnitude: Sequence[float], *, most: int, apart_s: float, least_g: float) -> list[int]:
    """The highest steps, the highest first, none near a higher one; only the first may be below `least_g`."""
    apart = round(apart_s / STEP_S)
    found: list[int] = []
    taken: list[int] = []
    for index in sorted(range(len(magnitude)), key=magnitude.__getitem__, reverse=True):
        if len(found) == most or (found and magnitude[index] < least_g):
            break
        place = bisect_left(taken, index)
        if all(abs(index - other) >= apart for other in taken[max(0, place - 1) : place + 1]):
            found.append(index)
            taken.insert(place, index)
    return found
