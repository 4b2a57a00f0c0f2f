"""What surrounds a blow: free fall before it, its force, the posture before and after, stirring afterwards.

Everything rests on magnitudes and on angles between mean accelerations: however a device is worn, it shows the same. Of
what came *before* the blow only the posture counts. Staged falls begin from standing still, so that a rule that rewards
calm before the blow does well on them, and misses who fell while walking.
"""

from dataclasses import dataclass
from math import acos, degrees, sqrt
from typing import Final

from rules.motion.track import STEP_S, Track, summits

MOST_BLOWS: Final = 5
BLOWS_APART_S: Final = 1.0
LEAST_BLOW_G: Final = 1.2
"""Walking reaches 1.3 g at the waist; below this nothing hits anything."""

FREE_FALL_G: Final = 0.75
"""The upper end of what is published for free fall (0.35 to 0.75 g for 30 to 100 ms)."""
STILL_G: Final = 0.2
"""How far from 1 g a body at rest may be."""

_FREE_FALL_S: Final = (-1.0, 0.04)
_IMPACT_S: Final = (-0.2, 0.2)
_BLOW_S: Final = (-0.6, 0.6)
_BEFORE_S: Final = (-3.0, -1.0)
_AFTER_S: Final = (1.0, 3.0)
_STIRRING_S: Final = (1.0, 4.0)
_ENOUGH: Final = 8  # steps, a third of a second: what a posture or stirring can be read from
_STIRRING_QUANTILE: Final = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """What was measured around one blow. None: the burst does not reach that far.

    Attributes:
        at_s: when, on the samples' clock.
        free_fall_s: the longest time below `FREE_FALL_G` in the second before.
        impact_g: the highest 40 ms mean.
        blow_g: root mean square of the deviation from 1 g within 0.6 s: free fall and impact together. Unlike a peak it
            hardly depends on the sensor's rate and range.
        posture_change_deg: between the mean accelerations 3 to 1 s before and 1 to 3 s after.
        stillness: the share of the time 1 to 4 s after that lies within `STILL_G` of 1 g.
        stirring_g: how far above 1 g the strongest twentieth of that time begins; 0 where it stays below.
    """

    at_s: float
    free_fall_s: float
    impact_g: float
    blow_g: float
    posture_change_deg: float | None
    stillness: float | None
    stirring_g: float | None


def stages(track: Track) -> list[Stages]:
    """Measures what surrounds the strongest blows of a track, the strongest first; at least one."""
    found = summits(track.magnitude, most=MOST_BLOWS, apart_s=BLOWS_APART_S, least_g=LEAST_BLOW_G)
    return [_around(track, index) for index in found]


def _around(track: Track, index: int) -> Stages:
    magnitude = track.magnitude
    blow = magnitude[_window(magnitude, index, _BLOW_S)]
    rest = magnitude[_window(magnitude, index, _STIRRING_S)]
    seen = len(rest) >= _ENOUGH
    return Stages(
        at_s=track.start_s + (index + 0.5) * STEP_S,
        free_fall_s=_longest_below(magnitude[_window(magnitude, index, _FREE_FALL_S)], FREE_FALL_G) * STEP_S,
        impact_g=max(magnitude[_window(magnitude, index, _IMPACT_S)]),
        blow_g=sqrt(sum((g - 1.0) ** 2 for g in blow) / len(blow)),
        posture_change_deg=_turned(track, index),
        stillness=sum(abs(g - 1.0) <= STILL_G for g in rest) / len(rest) if seen else None,
        stirring_g=max(0.0, _quantile(rest, _STIRRING_QUANTILE) - 1.0) if seen else None,
    )


def _window(column: list[float], index: int, window_s: tuple[float, float]) -> slice:
    first = max(0, index + round(window_s[0] / STEP_S))
    return slice(first, max(first, min(len(column), index + round(window_s[1] / STEP_S))))


def _turned(track: Track, index: int) -> float | None:
    """The angle between the mean accelerations before and after: gravity, wherever the body moved evenly."""
    before = _window(track.x, index, _BEFORE_S)
    after = _window(track.x, index, _AFTER_S)
    if before.stop - before.start < _ENOUGH or after.stop - after.start < _ENOUGH:
        return None
    a = [sum(axis[before]) for axis in (track.x, track.y, track.z)]
    b = [sum(axis[after]) for axis in (track.x, track.y, track.z)]
    lengths = sqrt(sum(value * value for value in a) * sum(value * value for value in b))
    if lengths == 0.0:
        return None
    cosine = sum(one * other for one, other in zip(a, b, strict=True)) / lengths
    return degrees(acos(min(1.0, max(-1.0, cosine))))


def _longest_below(magnitude: list[float], limit_g: float) -> int:
    longest = run = 0
    for g in magnitude:
        run = run + 1 if g < limit_g else 0
        longest = max(longest, run)
    return longest


def _quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
