"""Clock wrong: a device dates what it says so wrongly that its readings are refused, or stand hours from their place.

There are three signs. Readings are refused for their impossible times, and none that could be kept comes after them.
The newest event was dated ahead of its receipt, or longer before it than anything may be late. Readings come steadily
more than an hour late although each comes by itself: a network that keeps them back is not that regular.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from alerts.findings import Finding, Kind, Reason, Severity, Subject, Verdict
from devices.meters import CLOCK_STEP_S
from rules.plainly import later, plain
from rules.rule import Judgement
from rules.snapshot import OVERLAP, Installation, Snapshot, instant

_AHEAD: Final = timedelta(minutes=10)  # ingest allows as much
_BEHIND: Final = timedelta(days=35)
"""A press may have waited for long on its way; for longer than this, readings are refused too."""
_OVER_WITHIN: Final = timedelta(hours=3)

_STEADY_READINGS: Final = 6
_STEADY_S: Final = 600.0
_APART_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sign:
    """What tells of a clock: since when it is wrong, or when it was right."""

    device: str
    wrong: bool
    at: datetime
    reason: Reason


class ClockWrong:
    """Raises one case per home; it ends when a device says a time that can be."""

    name = "clock_wrong"
    release = 1
    max_latency = timedelta(hours=24)

    def evaluate(self, snapshot: Snapshot, now: datetime) -> Judgement:
        """Judges every installed device that says times."""
        signs = [
            sign
            for device in snapshot.installations
            if device.removed_at is None
            for sign in (_by_refusals(device, snapshot, now), _by_event(device), _by_lag(device))
            if sign is not None
        ]
        wrong = sorted((sign for sign in signs if sign.wrong), key=lambda sign: (sign.at, sign.device, sign.reason.id))
        known_since = snapshot.ongoing.get(self.name)
        if wrong:
            since = known_since or wrong[0].at
            evidence = {sign.device: sign.reason.id for sign in wrong}
            finding = _finding(snapshot, Verdict.RAISE, since, wrong[0].reason, evidence)
            return Judgement(findings=(finding,), next_due=now + _OVER_WITHIN, ongoing_since=since)
        if known_since is None and Kind.CLOCK_WRONG not in snapshot.open_kinds:
            known = None if any(device.refused_at for device in snapshot.installations) else plain(snapshot)
            return later(known, now, self.max_latency)
        right = [sign.at for sign in signs if known_since is None or sign.at > known_since]
        replaced = all(
            known_since is not None and device.installed_at > known_since
            for device in snapshot.installations
            if device.removed_at is None
        )
        if not right and not replaced:
            # Of a device that says nothing more nobody can tell.
            return Judgement(next_due=now + _OVER_WITHIN, ongoing_since=known_since)
        finding = _finding(snapshot, Verdict.CLEAR, max(right, default=now), Reason(id="clock_right", values={}), {})
        return Judgement(findings=(finding,), next_due=now + self.max_latency)


def _by_refusals(device: Installation, snapshot: Snapshot, now: datetime) -> _Sign | None:
    refused_at = device.refused_at
    # Readings are read from a window further back than this: one that was kept since is seen.
    if refused_at is None or refused_at <= snapshot.judge_from(now) - OVERLAP:
        return None
    if device.read_at is not None and device.read_at > refused_at:
        return _right(device, device.read_at)
    # A device that has just started dates a reading or two before it is told the time.
    kept_at = device.read_at or device.installed_at
    if refused_at <= kept_at + snapshot.policy.silence_limit(device.interval.total_seconds()):
        return None
    reason = Reason(
        id="clock_refused",
        values={"device": device.device, "refused_s": round((refused_at - kept_at).total_seconds())},
    )
    return _Sign(device=device.device, wrong=True, at=kept_at, reason=reason)


def _by_event(device: Installation) -> _Sign | None:
    if device.own_time is None:
        return None
    late = device.own_time.received_at - device.own_time.said
    if -_AHEAD <= late <= _BEHIND:
        return _right(device, device.own_time.received_at)
    return _Sign(
        device=device.device,
        wrong=True,
        at=device.own_time.received_at,
        reason=Reason(
            id="clock_ahead" if late < -_AHEAD else "clock_behind",
            values={"device": device.device, "off_s": round(abs(late).total_seconds())},
        ),
    )


def _by_lag(device: Installation) -> _Sign | None:
    water = device.water
    if len(water.measured_s) < _STEADY_READINGS:
        return None
    if not water.received_s:
        return _right(device, instant(water.measured_s[-1]))
    received_s = water.received_s[-_STEADY_READINGS:]
    lags_s = [got_s - at_s for got_s, at_s in zip(received_s, water.measured_s[-_STEADY_READINGS:], strict=True)]
    if lags_s[-1] <= CLOCK_STEP_S:
        return _right(device, instant(received_s[-1]))
    apart = all(after_s - before_s >= _APART_S for before_s, after_s in pairwise(received_s))
    if min(lags_s) <= CLOCK_STEP_S or max(lags_s) - min(lags_s) > _STEADY_S or not apart:
        return None
    return _Sign(
        device=device.device,
        wrong=True,
        at=instant(received_s[0]),
        reason=Reason(id="clock_behind", values={"device": device.device, "off_s": round(lags_s[-1])}),
    )


def _right(device: Installation, at: datetime) -> _Sign:
    return _Sign(device=device.device, wrong=False, at=at, reason=Reason(id="clock_right", values={}))


def _finding(
    snapshot: Snapshot, verdict: Verdict, since: datetime, reason: Reason, evidence: dict[str, str]
) -> Finding:
    return Finding(
        subject=Subject(home_id=snapshot.home_id),
        kind=Kind.CLOCK_WRONG,
        verdict=verdict,
        severity=Severity.TECHNICAL,
        since=since,
        reason=reason,
        evidence=dict(evidence),
    )
