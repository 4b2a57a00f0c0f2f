"""Movements made up for tests, as a sensor on the body would show them."""

from collections.abc import Callable
from math import cos, pi, radians, sin

from rules.motion.track import Sample

Motion = Callable[[float], Sample]


def leaning(angle_deg: float, strength_g: float = 1.0) -> Sample:
    """What a sensor shows that stands upright at 0° and lies at 90°."""
    return (strength_g * sin(radians(angle_deg)), 0.0, strength_g * cos(radians(angle_deg)))


def fall(*, at_s: float = 5.0, peak_g: float = 4.0, lying_deg: float = 90.0, stirring_g: float = 0.0) -> Motion:
    """Upright; 300 ms of free fall; 150 ms of impact; then lying."""

    def motion(t_s: float) -> Sample:
        if t_s < at_s - 0.3:
            return leaning(0.0)
        if t_s < at_s:
            return leaning(lying_deg * (t_s - at_s + 0.3) / 0.3, 0.3)
        if t_s < at_s + 0.15:
            return leaning(lying_deg, 1.0 + (peak_g - 1.0) * sin(pi * (t_s - at_s) / 0.15))
        return leaning(lying_deg, 1.0 + stirring_g * sin(2 * pi * 2.0 * t_s))

    return motion


def jogging(t_s: float) -> Sample:
    """Three steps a second, each up to 3 g with free flight between."""
    return leaning(0.0, max(0.1, 1.3 + 1.7 * sin(2 * pi * 3.0 * t_s)))


def lying_down(t_s: float) -> Sample:
    """Two seconds from upright to lying, with a soft bump at the end."""
    bump = 0.4 * sin(pi * (t_s - 6.0) / 0.3) if 6.0 < t_s < 6.3 else 0.0
    return leaning(90.0 * min(1.0, max(0.0, (t_s - 4.0) / 2.0)), 1.0 + bump)


def recorded(motion: Motion, *, hz: float = 50.0, seconds: float = 10.0, begin_s: float = 0.0) -> list[Sample]:
    return [motion(begin_s + index / hz) for index in range(round(seconds * hz))]
