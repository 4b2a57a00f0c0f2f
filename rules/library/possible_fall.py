"""A possible fall, inferred from water at night: it runs and runs, or somebody was up and then nothing more was heard.

Two pictures. *Flow*: from an instant in the night on, every interval shows as much as a running tap or shower, for half
an hour and more. *Visit*: after midnight, and hours after the last use, water was used once more, and when the morning
is over nothing has been heard since: no use, no motion, no press. Both last until a sign of life; what ended before
anybody looked is nobody's business. A constant base flow is no use, and a home that is away, has its valve shut or is
in an incident of its area is not judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise, zip_longest
from typing import Final, NamedTuple

from alerts.findings import Finding, Kind, Reason, Severity, Subject, Verdict
from devices.model import EventKind
from rules.expected import next_after, next_word
from rules.flow import net_cover, rests
from rules.nights import Nights, nights_of
from rules.plainly import Plain, goes_on, has_no_base, kept_from, plain
from rules.presence import at_home, away_at
from rules.rule import Judgement, Stands, Word
from rules.segment import Segment, moved
from rules.snapshot import Installation, Snapshot, instant

FLOW_L_PER_MIN: Final = 2.0
FLOW_S: Final = 1800.0
FLOW_HARD_S: Final = 3600.0
FINE_S: Final = 1200.0
"""Readings further apart than this do not show whether water ran all the time."""
USE_L: Final = 1.0
ASLEEP_S: Final = 7200.0
"""Who uses water after so long a pause, after midnight, had gone to bed."""
VISIT_WITHIN_S: Final = 4500.0
HARD_AFTER: Final = timedelta(hours=2)

_LOOK_EVERY: Final = timedelta(hours=1)
_FRESH: Final = timedelta(hours=2)
_STALE: Final = timedelta(hours=24)  # daily uploads are this late by nature
_EARLY: Final = 0.97  # readings do not come on the second
_PRESSES: Final = frozenset({EventKind.BUTTON_PRESS, EventKind.TEST_PRESS, EventKind.BUTTON_ACTION})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Picture:
    """What holds now.

    Attributes:
        since: when the flow began, or by when the visit was over.
        is_known: False where it held when the home was last heard, too long ago to tell.
    """

    since: datetime
    severity: Severity
    reason: Reason
    is_known: bool


class PossibleFall:
    """Raises one case per home for either picture, soft at first, and clears it with a sign of life."""

    name = "possible_fall"
    release = 1
    max_latency = timedelta(hours=24)

    def evaluate(self, snapshot: Snapshot, now: datetime) -> Judgement:
        """Judges how things stand at the end of what the meters covered."""
        meters = [device for device in snapshot.installations if device.meters_water]
        serving = [meter for meter in meters if meter.removed_at is None]
        known_since = snapshot.ongoing.get(self.name)
        if not serving:
            return Judgement(next_due=now + self.max_latency, ongoing_since=known_since)
        nights = nights_of(snapshot)
        told = known_since is not None or Kind.POSSIBLE_FALL in snapshot.open_kinds
        segments = at_home(net_cover(meters), snapshot.absences)
        next_due = _next_due(serving, segments, nights, now)
        if told and away_at(snapshot.absences, now) is not None:
            return Judgement(findings=(_over(snapshot, now, "possible_fall_away"),), next_due=next_due)
        if not segments or snapshot.incidents or any(meter.valve_shut for meter in serving):
            return Judgement(next_due=next_due, ongoing_since=known_since)
        picture = _flow(segments[-1], nights, now) or _visit(segments[-1], snapshot, nights, now)
        again = min(next_due, next_word(serving, now))
        if picture is not None and picture.is_known:
            finding = _raised(snapshot, picture, covered_until=instant(segments[-1].at_s[-1]))
            stands = _while_down(snapshot, picture.since, told_hard=told and picture.severity is Severity.HARD)
            return Judgement(findings=(finding,), next_due=again, ongoing_since=picture.since, stands=stands)
        if not told:
            return Judgement(next_due=next_due, stands=_while_up(snapshot, segments[-1], picture, nights))
        if picture is None and _has_stirred(snapshot, segments, known_since):
            return Judgement(findings=(_over(snapshot, now, "possible_fall_over"),), next_due=next_due)
        stands = _while_down(snapshot, known_since, told_hard=False)
        return Judgement(next_due=again, ongoing_since=known_since, stands=stands)


def _flow(segment: Segment, nights: Nights, now: datetime) -> _Picture | None:
    """Water that began to run at night and has run ever since."""
    begin = end = len(segment.at_s) - 1
    while begin > 0:
        lasted_s = segment.at_s[begin] - segment.at_s[begin - 1]
        if lasted_s > FINE_S or _used_l(segment, begin - 1, begin) < FLOW_L_PER_MIN * lasted_s / 60:
            break
        begin -= 1
    ran_s, since = segment.at_s[end] - segment.at_s[begin], instant(segment.at_s[begin])
    if ran_s < FLOW_S * _EARLY or not nights.is_night(since):
        return None
    return _Picture(
        since=since,
        severity=Severity.HARD if ran_s >= FLOW_HARD_S * _EARLY else Severity.SOFT,
        reason=Reason(
            id="possible_fall_flow",
            values={
                "ran_s": round(ran_s),
                "used_l": round(_used_l(segment, begin, end), 1),
                "at": f"{since.astimezone(nights.local):%H:%M}",
            },
        ),
        is_known=instant(segment.at_s[end]) >= now - _FRESH,
    )


def _visit(segment: Segment, snapshot: Snapshot, nights: Nights, now: datetime) -> _Picture | None:
    """A use in the night, hours after the one before, and nothing since although the morning is over."""
    last = _last_use(segment, len(segment.at_s) - 1)
    if not last:
        return None
    begin_s, end_s, before_s = segment.at_s[last - 1], segment.at_s[last], segment.at_s[_last_use(segment, last - 1)]
    since, covered_until = instant(end_s), instant(segment.at_s[-1])
    rise = nights.next_rise(since)
    if covered_until < rise or not _is_visit(_LastUse(begin_s, end_s, before_s), nights) or _signs(snapshot, since):
        return None
    return _Picture(
        since=since,
        severity=Severity.HARD if covered_until >= rise + HARD_AFTER else Severity.SOFT,
        reason=Reason(
            id="possible_fall_visit",
            values={
                "at": f"{since.astimezone(nights.local):%H:%M}",
                "silent_s": round((covered_until - since).total_seconds()),
                "by": f"{nights.risen_by:%H:%M}",
            },
        ),
        is_known=covered_until >= now - _STALE,
    )


def _last_use(segment: Segment, end: int) -> int:
    """The instant by which water was last used, up to one; 0, where the cover begins, if none was."""
    while end > 0 and _used_l(segment, end - 1, end) < USE_L:
        end -= 1
    return end


def _used_l(segment: Segment, begin: int, end: int) -> float:
    return segment.low_l[end] - segment.high_l[begin]


def _signs(snapshot: Snapshot, since: datetime) -> bool:
    """Whether anybody moved or pressed after an instant."""
    return any(device.motion_at is not None and device.motion_at > since for device in snapshot.installations) or any(
        event.kind in _PRESSES and event.measured_at > since for event in snapshot.events
    )


def _has_stirred(snapshot: Snapshot, segments: Sequence[Segment], since: datetime | None) -> bool:
    since_s = float("-inf") if since is None else since.timestamp()
    used = any(
        segment.at_s[earlier] >= since_s and _used_l(segment, earlier, later) >= USE_L
        for segment in segments
        for earlier, later in pairwise(range(len(segment.at_s)))
    )
    return used or (since is not None and _signs(snapshot, since))


def _next_due(serving: Sequence[Installation], segments: Sequence[Segment], nights: Nights, now: datetime) -> datetime:
    """When either picture could first be complete: a morning that may end without a use, a night with its flow."""
    interval = max(meter.interval for meter in serving)
    covered_until = instant(segments[-1].at_s[-1]) if segments else now
    rise = nights.next_rise(max(covered_until, now - _STALE))
    if _was_up(segments, nights.end_before(rise)):
        rise = nights.next_rise(rise)
    due = rise + interval if rise > now else next_word(serving, now)
    if interval.total_seconds() > FINE_S:
        return due
    begins = max(covered_until, now - _FRESH)
    if not nights.is_night(begins):
        begins = nights.next_begin(begins)
    return min(due, max(begins + _LOOK_EVERY, now + interval))


def _was_up(segments: Sequence[Segment], since: datetime) -> bool:
    if not segments:
        return False
    last = _last_use(segments[-1], len(segments[-1].at_s) - 1)
    return last > 0 and segments[-1].at_s[last - 1] >= since.timestamp()


class _LastUse(NamedTuple):
    """The last use, between two readings, and the reading with which the one before it was over; epoch seconds."""

    begin_s: float
    end_s: float
    before_s: float


def _while_up(snapshot: Snapshot, segment: Segment, picture: _Picture | None, nights: Nights) -> Stands | None:
    """Nothing is to be said of a home of which neither picture is complete."""
    known = plain(snapshot)
    if known is None or picture is not None or known.meter.interval.total_seconds() <= FINE_S:
        return None
    return partial(_was_up_so_far, known, segment, nights)


def _while_down(snapshot: Snapshot, since: datetime | None, *, told_hard: bool) -> Stands | None:
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

    last: _LastUse | None
    surely: _LastUse | None


def _was_up_so_far(known: Plain, segment: Segment, nights: Nights, word: Word, at: datetime) -> Judgement | None:
    kept, end, last_use = kept_from(known, segment), _last_use(segment, len(segment.at_s) - 1), None
    if kept is not None and end >= kept:
        last_use = _LastUse(segment.at_s[end - 1], segment.at_s[end], segment.at_s[_last_use(segment, end - 1)])
    return _still_up(known.meter, nights, _Up(last_use, _surely_up(known)), word, at)


def _surely_up(known: Plain) -> _LastUse | None:
    at_s, course = known.shown.at_s, known.shown.course
    if course is None:
        return None
    begin = course.place(at_s[0]) - 1
    place = next((place for place in reversed(moved(known.shown)) if course.surely_l[begin + place] >= USE_L), None)
    return None if place is None else _LastUse(at_s[place - 1], at_s[place], float("-inf"))


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
                last = _LastUse(before_s, moved_s, last.end_s)
            if surely_l >= USE_L:
                surely = _LastUse(before_s, moved_s, float("-inf"))
    if not has_no_base(word):
        last = None
    if (use := last or surely) is None:
        return None
    rise, covered_until = nights.next_rise(instant(use.end_s)), instant(word.covered_s)
    if last is None and use.begin_s >= nights.end_before(rise).timestamp():
        rise = nights.next_rise(rise)  # whatever was used later was not used in that night
    if covered_until >= rise and (last is None or _is_visit(use, nights)):
        return None
    next_rise = nights.next_rise(max(covered_until, at - _STALE))
    if use.begin_s >= nights.end_before(next_rise).timestamp():
        next_rise = nights.next_rise(next_rise)
    next_due = next_rise + meter.interval if next_rise > at else next_after(word.heard_at, meter.interval, at)
    return Judgement(next_due=next_due, stands=partial(_still_up, meter, nights, _Up(last, surely)))


def _is_visit(use: _LastUse, nights: Nights) -> bool:
    is_night = use.end_s - use.begin_s <= VISIT_WITHIN_S and use.begin_s - use.before_s >= ASLEEP_S
    return is_night and nights.is_after_midnight(instant(use.begin_s), instant(use.end_s))


def _raised(snapshot: Snapshot, picture: _Picture, *, covered_until: datetime) -> Finding:
    return Finding(
        subject=Subject(home_id=snapshot.home_id),
        kind=Kind.POSSIBLE_FALL,
        verdict=Verdict.RAISE,
        severity=picture.severity,
        since=picture.since,
        reason=picture.reason,
        evidence={**picture.reason.values, "covered_until": covered_until.isoformat()},
    )


def _over(snapshot: Snapshot, now: datetime, message: str) -> Finding:
    return Finding(
        subject=Subject(home_id=snapshot.home_id),
        kind=Kind.POSSIBLE_FALL,
        verdict=Verdict.CLEAR,
        severity=Severity.SOFT,
        since=now,
        reason=Reason(id=message, values={}),
        evidence={},
    )
