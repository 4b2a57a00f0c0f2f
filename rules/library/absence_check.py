"""Absence check: an absence is over, and nothing says that anybody has come back.

A sign of life is certain use of water (`rules.uses`), movement, or a button that was pressed, tested or used. Only time
that the meters cover counts: of a home whose meters are silent, too coarse to show who is back, or that has none,
nobody knows.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from pydantic import JsonValue

from alerts.findings import Finding, Kind, Reason, Severity, Subject, Verdict
from devices.model import EventKind
from rules import presence
from rules.dry import tolerance_s
from rules.expected import next_word
from rules.flow import net_cover
from rules.plainly import later, plain
from rules.rule import Judgement
from rules.segment import Segment
from rules.snapshot import OVERLAP, Installation, Snapshot, instant
from rules.uses import covered_s, inside, uses
from rules.zones import zone

LEAST_L: Final = 2.0
"""As much as this is a sign of life. With 5 L, one in six half-days of a real single home (D01) would show none."""
STEP_L: Final = 2.5
"""A register in larger steps may stand still beside a sign of life: by 5 L one half-day in three of D01 shows none."""
_BACK_WITHIN: Final = timedelta(hours=1)  # a press is not awaited as a reading is
_SIGNS: Final = frozenset({EventKind.TEST_PRESS, EventKind.BUTTON_PRESS, EventKind.BUTTON_ACTION})


class AbsenceCheck:
    """Raises after `absence_check_h` without a sign of life, hard after twice that; clears with a sign of life.

    `ongoing_since` is the end of the absence, for as long as a sign of life is awaited.
    """

    name = "absence_check"
    release = 2
    max_latency = timedelta(hours=24)

    def evaluate(self, snapshot: Snapshot, now: datetime) -> Judgement:
        """Judges the time since the last absence ended."""
        told = self.name in snapshot.ongoing or Kind.ABSENCE_CHECK in snapshot.open_kinds
        if not snapshot.absences and not told:
            return later(plain(snapshot), now, self.max_latency)
        spans = [
            (instant(from_s), instant(until_s))
            for from_s, until_s in presence.joined((a.from_at, a.until_at) for a in snapshot.absences)
        ]
        due = min([now + self.max_latency, *(until + _earliest(snapshot) for _, until in spans if now < until)])
        away_until = next((until for from_at, until in spans if from_at <= now < until), None)
        ended_at = None if away_until is not None else _ended_at([until for _, until in spans], snapshot, now)
        if ended_at is not None:
            return self._judged(
                snapshot, ended_at, now, told=told, is_read=any(until == ended_at for _, until in spans), due=due
            )
        reason = Reason(id="absence_no_more", values={})
        if away_until is not None:
            reason = Reason(id="absence_goes_on", values={"until": _local(snapshot, away_until)})
        return Judgement(findings=(_cleared(snapshot, reason, now),) if told else (), next_due=due)

    def _judged(
        self, snapshot: Snapshot, ended_at: datetime, now: datetime, *, told: bool, is_read: bool, due: datetime
    ) -> Judgement:
        meters = [device for device in snapshot.installations if device.meters_water]
        segments = inside(net_cover(meters), ended_at, now)
        back_at, surely_first = _back(snapshot, segments, ended_at)
        telling = [segment for segment in segments if segment.step_l <= STEP_L]
        quiet = timedelta(seconds=covered_s(inside(telling, ended_at, now if back_at is None else back_at)))
        if telling and telling[0] is segments[0] and not is_read:
            # Earlier looks know that there was no sign of life in what cannot be read any more.
            quiet += instant(telling[0].at_s[0]) - ended_at
        fires = quiet >= _earliest(snapshot)
        covered_until = instant(segments[-1].at_s[-1]) if segments else None
        judged_until = covered_until and max(covered_until, snapshot.looked_until or covered_until)
        if back_at is not None:
            found = [_cleared(snapshot, Reason(id="absence_back", values={}), back_at)] if told else []
            if fires and surely_first and _is_news(snapshot, ended_at, back_at, now):
                found.append(_found(snapshot, Verdict.RECORD, ended_at, quiet, meters=meters, now=now))
            return Judgement(findings=tuple(found), next_due=due, judged_until=judged_until)
        serving = [meter for meter in meters if meter.removed_at is None]
        if serving:
            due = min(due, max(next_word(serving, now), ended_at + _earliest(snapshot)))
        return Judgement(
            findings=(_found(snapshot, Verdict.RAISE, ended_at, quiet, meters=meters, now=now),) if fires else (),
            next_due=min(due, now + _BACK_WITHIN) if fires else due,
            judged_until=judged_until,
            ongoing_since=ended_at,
        )


def _earliest(snapshot: Snapshot) -> timedelta:
    """How long nothing is seen before it is told."""
    limit_s = snapshot.policy.absence_check_h * 3600.0
    return timedelta(seconds=limit_s - tolerance_s(limit_s))


def _ended_at(ends: Iterable[datetime], snapshot: Snapshot, now: datetime) -> datetime | None:
    """When the last absence ended; None where none has, or the one that was known of was taken back."""
    known_since = snapshot.ongoing.get(AbsenceCheck.name)
    latest = max((until for until in ends if until <= now), default=None)
    if known_since is None or (latest is not None and latest >= known_since):
        return latest
    is_read = known_since > snapshot.judge_from(now) - snapshot.policy.longest_window
    return latest if is_read else known_since


def _back(snapshot: Snapshot, segments: Sequence[Segment], ended_at: datetime) -> tuple[datetime | None, bool]:
    """The first sign of life that is known since then, and whether there was surely none before it."""
    used = uses(segments, least_l=LEAST_L, pause_s=0.0)[:1]
    others = [at for at in _signs(snapshot) if at > ended_at]
    return min([*(instant(use.since_s) for use in used), *others], default=None), not others


def _signs(snapshot: Snapshot) -> Iterator[datetime]:
    """When devices last saw or felt somebody."""
    for device in snapshot.installations:
        yield from (at for at in (device.motion_at, device.used_at, device.tested_at) if at is not None)
    yield from (event.measured_at for event in snapshot.events if event.kind in _SIGNS)


def _is_news(snapshot: Snapshot, ended_at: datetime, back_at: datetime, now: datetime) -> bool:
    """Whether earlier looks may not have seen it. What they have seen, the alerts know by when the absence ended."""
    if Kind.ABSENCE_CHECK in snapshot.open_kinds:
        return False
    judged_until = snapshot.judge_from(now)
    return (
        snapshot.ongoing.get(AbsenceCheck.name) == ended_at
        or back_at > judged_until
        or (snapshot.looked_until is not None and back_at > judged_until - OVERLAP)
    )


def _found(
    snapshot: Snapshot,
    verdict: Verdict,
    ended_at: datetime,
    quiet: timedelta,
    *,
    meters: Sequence[Installation],
    now: datetime,
) -> Finding:
    hard = quiet >= 2 * timedelta(hours=snapshot.policy.absence_check_h)
    values: dict[str, JsonValue] = {"until": _local(snapshot, ended_at), "quiet_s": round(quiet.total_seconds())}
    message = "absence_check_over"
    if verdict is Verdict.RAISE:
        message = "absence_check"
        # The meter that has been silent longest is the one that limits what is known.
        heard = min((meter.heard_at for meter in meters if meter.heard_at is not None), default=now)
        values["heard_s"] = max(0, round((now - heard).total_seconds()))
    return Finding(
        subject=Subject(home_id=snapshot.home_id),
        kind=Kind.ABSENCE_CHECK,
        verdict=verdict,
        severity=Severity.HARD if hard else Severity.SOFT,
        since=ended_at,
        reason=Reason(id=message, values=values),
        evidence={**values, "meters": [meter.device for meter in meters]},
    )


def _cleared(snapshot: Snapshot, reason: Reason, at: datetime) -> Finding:
    return Finding(
        subject=Subject(home_id=snapshot.home_id),
        kind=Kind.ABSENCE_CHECK,
        verdict=Verdict.CLEAR,
        severity=Severity.SOFT,
        since=at,
        reason=reason,
        evidence={"until": at.isoformat()},
    )


def _local(snapshot: Snapshot, at: datetime) -> str:
    return f"{at.astimezone(zone(snapshot.time_zone)):%Y-%m-%d %H:%M}"
