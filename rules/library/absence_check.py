"""Absence check: an absence is over, and nothing says that anybody has come back.

A sign of life is certain use of water (`rules.uses`), movement, or a button that was pressed, tested or used. Only time
that the meters cover counts: of a home whose meters are silent, or that has none, nobody knows.
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
from rules.rule import Judgement
from rules.segment import Segment
from rules.snapshot import OVERLAP, Installation, Snapshot, instant
from rules.uses import covered_s, inside, uses
from rules.zones import zone

_BACK_WITHIN: Final = timedelta(hours=1)  # a press is not awaited as a reading is
_SIGNS: Final = frozenset({EventKind.TEST_PRESS, EventKind.BUTTON_PRESS, EventKind.BUTTON_ACTION})


class AbsenceCheck:
    """Raises after `absence_check_h` without a sign of life, hard after twice that; clears with a sign of life.

    `ongoing_since` is the end of the absence, for as long as a sign of life is awaited.
    """

    name = "absence_check"
    release = 1
    max_latency = timedelta(hours=24)

    def evaluate(self, snapshot: Snapshot, now: datetime) -> Judgement:
        """Judges the time since the last absence ended."""
        known_since = snapshot.ongoing.get(self.name)
        told = known_since is not None or Kind.ABSENCE_CHECK in snapshot.open_kinds
        if not snapshot.absences and not told:
            return Judgement(next_due=now + self.max_latency)
        limit_s = snapshot.policy.absence_check_h * 3600.0
        earliest_s = limit_s - tolerance_s(limit_s)
        spans = presence.joined((a.from_at, a.until_at) for a in snapshot.absences)
        coming_s = min((until_s for _, until_s in spans if now.timestamp() < until_s), default=float("inf"))
        latest_due = now + self.max_latency
        if coming_s < latest_due.timestamp():
            latest_due = min(latest_due, instant(coming_s + earliest_s))
        until_s = next((until_s for from_s, until_s in spans if from_s <= now.timestamp() < until_s), None)
        if until_s is not None:
            reason = Reason(id="absence_goes_on", values={"until": _local(snapshot, instant(until_s))})
            return Judgement(findings=(_cleared(snapshot, reason, now),) if told else (), next_due=latest_due)
        ended_at = _ended_at((until_s for _, until_s in spans), snapshot, now)
        if ended_at is None:
            reason = Reason(id="absence_no_more", values={})
            return Judgement(findings=(_cleared(snapshot, reason, now),) if told else (), next_due=latest_due)
        meters = [device for device in snapshot.installations if device.meters_water]
        serving = [meter for meter in meters if meter.removed_at is None]
        segments = inside(net_cover(meters), ended_at, now)
        back_at, surely_first = _back(snapshot, segments, ended_at)
        quiet_s = covered_s(inside(segments, ended_at, now if back_at is None else back_at))
        # Of what cannot be read any more, earlier looks know that there was no sign of life in it.
        if segments and all(until_s != ended_at.timestamp() for _, until_s in spans):
            quiet_s += segments[0].at_s[0] - ended_at.timestamp()
        fires = quiet_s >= earliest_s
        judged_until = instant(segments[-1].at_s[-1]) if segments else None
        if judged_until is not None:
            judged_until = max(judged_until, snapshot.looked_until or judged_until)
        if back_at is not None:
            findings = [_cleared(snapshot, Reason(id="absence_back", values={}), back_at)] if told else []
            seen = Kind.ABSENCE_CHECK in snapshot.open_kinds
            if fires and surely_first and not seen and (known_since == ended_at or _is_news(back_at, snapshot, now)):
                findings.append(_found(snapshot, Verdict.RECORD, ended_at, quiet_s, meters=meters, now=now))
            return Judgement(findings=tuple(findings), next_due=latest_due, judged_until=judged_until)
        due = latest_due
        if serving:
            due = min(due, max(next_word(serving, now), instant(ended_at.timestamp() + earliest_s)))
        return Judgement(
            findings=(_found(snapshot, Verdict.RAISE, ended_at, quiet_s, meters=meters, now=now),) if fires else (),
            next_due=min(due, now + _BACK_WITHIN) if fires else due,
            judged_until=judged_until,
            ongoing_since=ended_at,
        )


def _ended_at(ends_s: Iterable[float], snapshot: Snapshot, now: datetime) -> datetime | None:
    """When the last absence ended; None where none has, or the one that was known of was taken back."""
    known_since = snapshot.ongoing.get(AbsenceCheck.name)
    latest = max((instant(until_s) for until_s in ends_s if until_s <= now.timestamp()), default=None)
    if known_since is None or (latest is not None and latest >= known_since):
        return latest
    is_read = known_since > snapshot.judge_from(now) - snapshot.policy.longest_window
    return latest if is_read else known_since


def _back(snapshot: Snapshot, segments: Sequence[Segment], ended_at: datetime) -> tuple[datetime | None, bool]:
    """The first sign of life that is known since then, and whether there was surely none before it."""
    used = uses(segments, pause_s=0.0)[:1]
    others = [at for at in _signs(snapshot) if at > ended_at]
    return min([*(instant(use.since_s) for use in used), *others], default=None), not others


def _signs(snapshot: Snapshot) -> Iterator[datetime]:
    """When devices last saw or felt somebody."""
    for device in snapshot.installations:
        yield from (at for at in (device.motion_at, device.used_at, device.tested_at) if at is not None)
    yield from (event.measured_at for event in snapshot.events if event.kind in _SIGNS)


def _is_news(back_at: datetime, snapshot: Snapshot, now: datetime) -> bool:
    """Whether earlier looks may not have seen it. What they have seen, the alerts know by when the absence ended."""
    judged_until = snapshot.judge_from(now)
    return back_at > judged_until or (snapshot.looked_until is not None and back_at > judged_until - OVERLAP)


def _found(
    snapshot: Snapshot,
    verdict: Verdict,
    ended_at: datetime,
    quiet_s: float,
    *,
    meters: Sequence[Installation],
    now: datetime,
) -> Finding:
    hard = quiet_s >= 2.0 * snapshot.policy.absence_check_h * 3600.0
    values: dict[str, JsonValue] = {"until": _local(snapshot, ended_at), "quiet_s": round(quiet_s)}
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
