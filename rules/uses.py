"""Uses of water that somebody must have made: found where the meters cover, too large and too quick for a drip."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from rules.presence import outside
from rules.segment import Segment

WITHIN_S: Final = 3 * 3600.0
"""Use counts if it flowed in so short a time, or between two readings further apart: the base flow passes for less."""

_ROUNDING_L: Final = 1e-6
_EVER = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))


class Use(NamedTuple):
    """Use on end, but for pauses.

    Attributes:
        since_s: the last instant before it.
        seen_s: the first instant at which it was certain.
        until_s: the last instant at which there was more of it.
        used_l: at least this was used.
    """

    since_s: float
    seen_s: float
    until_s: float
    used_l: float


def uses(segments: Sequence[Segment], *, least_l: float, pause_s: float) -> list[Use]:
    """Finds what was certainly used, oldest first.

    Args:
        segments: what is covered, oldest first.
        least_l: so much at least within `WITHIN_S` is a use.
        pause_s: uses less than this apart are one.
    """
    found: list[Use] = []
    for segment in segments:
        begun, before_l = 0, 0.0
        for first, last in _draws(segment, least_l):
            goes_on = bool(found) and segment.at_s[first] - found[-1].until_s < pause_s
            if not goes_on or found[-1].until_s < segment.at_s[0]:
                begun, before_l = first, found[-1].used_l if goes_on else 0.0
            used_l = before_l + max(0.0, segment.low_l[last] - segment.high_l[begun] - segment.step_l)
            if goes_on:
                found[-1] = found[-1]._replace(until_s=segment.at_s[last], used_l=used_l)
            else:
                found.append(Use(segment.at_s[first], segment.at_s[last], segment.at_s[last], used_l))
    return found


def inside(segments: Sequence[Segment], from_at: datetime, until_at: datetime) -> list[Segment]:
    """What was covered within a span."""
    earliest, latest = _EVER
    return outside(segments, [(earliest, from_at), (max(from_at, until_at), latest)])


def covered_s(segments: Iterable[Segment]) -> float:
    """For how long use is known."""
    return sum(segment.at_s[-1] - segment.at_s[0] for segment in segments)


def _draws(segment: Segment, least_l: float) -> list[tuple[int, int]]:
    """Places between which enough was used in a short time, each as tight as can be, none within another's."""
    at_s, low_l, high_l = segment.at_s, segment.low_l, segment.high_l
    limit_l = least_l + segment.step_l - _ROUNDING_L
    draws: list[tuple[int, int]] = []
    begin = 0
    for end in range(1, len(at_s)):
        if low_l[end] - high_l[begin] < limit_l:
            continue
        while begin + 1 < end and low_l[end] - high_l[begin + 1] >= limit_l:
            begin += 1
        if at_s[end] - at_s[begin] <= WITHIN_S or end == begin + 1:
            draws.append((begin, end))
            begin = end
    return draws
