"""Who is away when: absences as spans of time, and what water meters covered while somebody should have been home."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime

from rules.segment import Segment
from rules.snapshot import Absence


def away_at(absences: Sequence[Absence], at: datetime) -> Absence | None:
    """The absence that an instant falls in, of several the one that ends last; None if somebody should be home."""
    current = [absence for absence in absences if absence.from_at <= at < absence.until_at]
    return max(current, key=lambda absence: absence.until_at) if current else None


def joined(spans: Iterable[tuple[datetime, datetime]]) -> list[tuple[float, float]]:
    """Spans of time as epoch seconds, oldest first, those that touch joined."""
    found: list[tuple[float, float]] = []
    for from_at, until_at in sorted(spans):
        from_s, until_s = from_at.timestamp(), until_at.timestamp()
        if found and from_s <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], until_s))
        else:
            found.append((from_s, until_s))
    return found


def at_home(segments: Sequence[Segment], absences: Sequence[Absence]) -> list[Segment]:
    """What was covered outside all absences."""
    return outside(segments, [(absence.from_at, absence.until_at) for absence in absences]) if absences else [*segments]


def outside(segments: Sequence[Segment], spans: Iterable[tuple[datetime, datetime]]) -> list[Segment]:
    """What was covered outside some spans: the cover ends where one begins and starts anew where it ends."""
    kept = list(segments)
    for from_s, until_s in joined(spans):
        kept = [
            part
            for segment in kept
            for part in (_before(segment, from_s), _after(segment, until_s))
            if part is not None
        ]
    return kept


def _before(segment: Segment, at_s: float) -> Segment | None:
    return _cut(segment, slice(0, bisect_right(segment.at_s, at_s)))


def _after(segment: Segment, at_s: float) -> Segment | None:
    return _cut(segment, slice(bisect_left(segment.at_s, at_s), len(segment.at_s)))


def _cut(segment: Segment, part: slice) -> Segment | None:
    if part.start >= part.stop:
        return None
    if part.stop - part.start == len(segment.at_s):
        return segment
    return segment._replace(at_s=segment.at_s[part], low_l=segment.low_l[part], high_l=segment.high_l[part])
