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
from typing import Final

from alerts.findings import Finding, Kind, Reason, Severity, Subject, Verdict
from devices.model import EventKind
from rules.expected import next_word
from rules.flow import net_cover
from rules.nights import Nights, nights_of
from rules.presence import at_home, away_at
from rules.rule import Judgement
from rules.segment import Segment, moved
from rules.snapshot import Installation, Snapshot, instant
from rules.up import (
    FINE_S,
    FLOW_L_PER_MIN,
    STALE,
    USE_L,
    VISIT_STEP_L,
    LastUse,
    is_visit,
    last_use,
    used_l,
    while_down,
    while_up,
)

FLOW_S: Final = 1800.0
FLOW_HARD_S: Final = 3600.0
HARD_AFTER: Final = timedelta(hours=2)

_LOOK_EVERY: Final = timedelta(hours=1)
_FRESH: Final = timedelta(hours=2)
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
    release = 2
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
            stands = while_down(snapshot, picture.since, told_hard=told and picture.severity is Severity.HARD)
            return Judgement(findings=(finding,), next_due=again, ongoing_since=picture.since, stands=stands)
        if not told:
            stands = while_up(snapshot, segments[-1], nights) if picture is None else None
            return Judgement(next_due=next_due, stands=stands)
        if picture is None and _has_stirred(snapshot, segments, known_since):
            return Judgement(findings=(_over(snapshot, now, "possible_fall_over"),), next_due=next_due)
        stands = while_down(snapshot, known_since, told_hard=False)
        return Judgement(next_due=again, ongoing_since=known_since, stands=stands)


def _flow(segment: Segment, nights: Nights, now: datetime) -> _Picture | None:
    """Water that began to run at night and has run ever since, by what a register in steps surely shows of it."""
    begin = end = len(segment.at_s) - 1
    while begin > 0:
        lasted_s = segment.at_s[begin] - segment.at_s[begin - 1]
        surely_l = used_l(segment, begin - 1, begin) - segment.step_l
        if lasted_s > FINE_S or surely_l < FLOW_L_PER_MIN * lasted_s / 60:
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
                "used_l": round(used_l(segment, begin, end), 1),
                "at": f"{since.astimezone(nights.local):%H:%M}",
            },
        ),
        is_known=instant(segment.at_s[end]) >= now - _FRESH,
    )


def _visit(segment: Segment, snapshot: Snapshot, nights: Nights, now: datetime) -> _Picture | None:
    """A use in the night, hours after the one before, and nothing since although the morning is over.

    Only by registers that would show the least of a morning's uses.
    """
    if segment.step_l > VISIT_STEP_L:
        return None
    last = last_use(segment, len(segment.at_s) - 1)
    if not last:
        return None
    begin_s, end_s, before_s = segment.at_s[last - 1], segment.at_s[last], segment.at_s[last_use(segment, last - 1)]
    since, covered_until = instant(end_s), instant(segment.at_s[-1])
    rise = nights.next_rise(since)
    if covered_until < rise or not is_visit(LastUse(begin_s, end_s, before_s), nights) or _signs(snapshot, since):
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
        is_known=covered_until >= now - STALE,
    )


def _signs(snapshot: Snapshot, since: datetime) -> bool:
    """Whether anybody moved or pressed after an instant."""
    return any(device.motion_at is not None and device.motion_at > since for device in snapshot.installations) or any(
        event.kind in _PRESSES and event.measured_at > since for event in snapshot.events
    )


def _has_stirred(snapshot: Snapshot, segments: Sequence[Segment], since: datetime | None) -> bool:
    since_s = float("-inf") if since is None else since.timestamp()
    used = any(
        segment.at_s[later - 1] >= since_s and used_l(segment, later - 1, later) >= USE_L
        for segment in segments
        for later in moved(segment)
    )
    return used or (since is not None and _signs(snapshot, since))


def _next_due(serving: Sequence[Installation], segments: Sequence[Segment], nights: Nights, now: datetime) -> datetime:
    """When either picture could first be complete: a morning that may end without a use, a night with its flow."""
    interval = max(meter.interval for meter in serving)
    covered_until = instant(segments[-1].at_s[-1]) if segments else now
    rise = nights.next_rise(max(covered_until, now - STALE))
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
    last = last_use(segments[-1], len(segments[-1].at_s) - 1)
    return last > 0 and segments[-1].at_s[last - 1] >= since.timestamp()


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
