"""When somebody was last up, by their use of water, and what that leaves a possible fall to say. Pure.

For meters that plainly rise (`rules.plainly`); what is proven here, `rules.library.possible_fall` would find by itself.
"""

from bisect import bisect_right
from datetime import datetime, timedelta
from functools import partial
from itertools import zip_longest
from typing import Final, NamedTuple

from rules.expected import next_after
from rules.flow import rests
from rules.nights import Nights
from rules.plainly import Plain, goes_on, has_no_base, kept_from, plain
from rules.rule import Judgement, Stands, Word
from rules.segment import Segment, moved
from rules.snapshot import Installation, Snapshot, instant

FLOW_L_PER_MIN: Final = 2.0
FINE_S: Final = 1200.0
"""Readings further apart than this do not show whether water ran all the time."""
USE_L: Final = 1.0
VISIT_STEP_L: Final = 2.5
"""A register in larger steps may show none of what somebody who is up has used: half a flush is 3 L."""
ASLEEP_S: Final = 7200.0
"""Who uses water after so long a pause, after midnight, had gone to bed."""
VISIT_WITHIN_S: Final = 4500.0
STALE: Final = timedelta(hours=24)
"""Daily uploads are this late by nature."""


class LastUse(NamedTuple):
    """The last use, between two readings, and the reading with which the one before it was over; epoch seconds."""

    begin_s: float
    end_s: float
    before_s: float


def last_use(segment: Segment, end: int) -> int:
    """The instant by which water was last used, up to one; 0, where the cover begins, if none was."""
    rises = moved(segment)
    for nth in range(bisect_right(rises, end) - 1, -1, -1):
        place = rises[nth]
        if used_l(segment, place - 1, place) >= USE_L:
            return place
    return 0


def used_l(segment: Segment, begin: int, end: int) -> float:
    """How much was surely used between two of its instants."""
    return segment.low_l[end] - segment.high_l[begin]


def is_visit(use: LastUse, nights: Nights) -> bool:
    """Whether somebody who had gone to bed was up after midnight."""
    is_night = use.end_s - use.begin_s <= VISIT_WITHIN_S and use.begin_s - use.before_s >= ASLEEP_S
    return is_night and nights.is_after_midnight(instant(use.begin_s), instant(use.end_s))


def while_up(snapshot: Snapshot, segment: Segment, nights: Nights) -> Stands | None:
    """Nothing is to be said of a home of which neither picture is complete."""
    known = plain(snapshot)
    if known is None or known.meter.interval.total_seconds() <= FINE_S:
        return None
    return partial(_was_up_so_far, known, segment, nights)


def while_down(snapshot: Snapshot, since: datetime | None, *, told_hard: bool) -> Stands | None:
    """What is said stays so until the home is heard again; of one that is gravely told of, while no water is used."""
    known = plain(snapshot)
    if known is None:
        return None
    heard_at = None if told_hard and rests(known.shown) else known.meter.heard_at
    return partial(_still_down, known.meter.interval, since, heard_at)


def _still_down(
    interval: timedelta, since: datetime | None, heard_at: datetime | None, word: Word, at: datetime
) -> Judgement | None:
    if word.moved_s or not word.is_exact or (heard_at is not None and word.heard_at != heard_at):
        return None
    return Judgement(
        next_due=next_after(word.heard_at, interval, at),
        ongoing_since=since,
        stands=partial(_still_down, interval, since, heard_at),
    )


class _Up(NamedTuple):
    """When somebody was last up.

    Attributes:
        last: by all that the register shows; None where a base flow may belong to it.
        surely: by what is surely no base flow; None where that is not known, or never.
    """

    last: LastUse | None
    surely: LastUse | None


def _was_up_so_far(known: Plain, segment: Segment, nights: Nights, word: Word, at: datetime) -> Judgement | None:
    kept, end, last = kept_from(known, segment), last_use(segment, len(segment.at_s) - 1), None
    if kept is not None and end >= kept:
        last = LastUse(segment.at_s[end - 1], segment.at_s[end], segment.at_s[last_use(segment, end - 1)])
    return _still_up(known.meter, nights, _Up(last, _surely_up(known)), word, at)


def _surely_up(known: Plain) -> LastUse | None:
    at_s, course = known.shown.at_s, known.shown.course
    if course is None:
        return None
    begin = course.place(at_s[0]) - 1
    place = next((place for place in reversed(moved(known.shown)) if course.surely_l[begin + place] >= USE_L), None)
    return None if place is None else LastUse(at_s[place - 1], at_s[place], float("-inf"))


def _still_up(meter: Installation, nights: Nights, up: _Up, word: Word, at: datetime) -> Judgement | None:
    if not goes_on(word):
        return None
    last, surely = up
    for moved_s, moved_l, before_s, surely_l in zip_longest(
        word.moved_s, word.moved_l, word.before_s, word.surely_l, fillvalue=0.0
    ):
        if moved_l >= USE_L:
            if moved_s - before_s <= FINE_S and moved_l * 60.0 >= FLOW_L_PER_MIN * (moved_s - before_s):
                return None
            if last is not None:
                last = LastUse(before_s, moved_s, last.end_s)
            if surely_l >= USE_L:
                surely = LastUse(before_s, moved_s, float("-inf"))
    if not has_no_base(word):
        last = None
    if (use := last or surely) is None:
        return None
    rise, covered_until = nights.next_rise(instant(use.end_s)), word.covered_at
    if last is None and use.begin_s >= nights.end_before(rise).timestamp():
        rise = nights.next_rise(rise)  # whatever was used later was not used in that night
    if covered_until >= rise and (last is None or is_visit(use, nights)):
        return None
    next_rise = nights.next_rise(max(covered_until, at - STALE))
    if use.begin_s >= nights.end_before(next_rise).timestamp():
        next_rise = nights.next_rise(next_rise)
    next_due = next_rise + meter.interval if next_rise > at else next_after(word.heard_at, meter.interval, at)
    return Judgement(next_due=next_due, stands=partial(_still_up, meter, nights, _Up(last, surely)))
