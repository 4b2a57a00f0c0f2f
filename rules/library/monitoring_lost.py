"""Monitoring lost: a device that reports regularly has not been heard for several of its intervals.

Counted by time of receipt, up to where ingest has heard its brokers and from where that hearing began: a device is
not silent because we were deaf, behind or switched off. Where many of an area or a gateway fall silent together, one
incident is told in their place (`rules.area_watch`): a device that fell silent alone waits 2 min to find out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from functools import partial
from typing import Final

from alerts.findings import Finding, Kind, Reason, Severity, Subject, Verdict
from rules import held
from rules.expected import next_after, next_word
from rules.held import Fate
from rules.rule import Judgement, Stands, Word
from rules.snapshot import Installation, Snapshot

_SLACK: Final = timedelta(seconds=15)  # a beacon every 10 s moves the hearing on


class _State(Enum):
    HEARD = auto()
    SILENT = auto()
    UNKNOWN = auto()  # longer than its limit without a word, but we have not listened that long


@dataclass(frozen=True, slots=True, kw_only=True)
class _Device:
    device: Installation
    state: _State
    since: datetime
    limit: timedelta
    next_due: datetime
    crossed_at: datetime | None = None


class MonitoringLost:
    """Raises one alert per home for all its silent devices, since the one that fell silent first."""

    name = "monitoring_lost"
    release = 3
    max_latency = timedelta(hours=24)

    def evaluate(self, snapshot: Snapshot, now: datetime) -> Judgement:
        """Judges every installed device that has a reporting interval."""
        devices = [
            self._judged(device, snapshot, now)
            for device in snapshot.installations
            if device.removed_at is None and device.interval_s is not None
        ]
        next_due = min((device.next_due for device in devices), default=now + self.max_latency)
        silent = sorted((d for d in devices if d.state is _State.SILENT), key=lambda d: (d.since, d.device.device))
        known_since = snapshot.ongoing.get(self.name)
        if silent:
            return _silent(snapshot, silent, next_due, now, heard_at=_heard_between(devices, silent, known_since))
        told = known_since is not None or Kind.MONITORING_LOST in snapshot.open_kinds
        unsure = [device for device in devices if device.state is _State.UNKNOWN]
        if unsure:
            # What was told stays so until the device is heard, which it may be at any moment.
            soonest = min(now + device.device.interval for device in unsure)
            return Judgement(next_due=min(next_due, soonest) if told else next_due, ongoing_since=known_since)
        if told:
            heard_at = max((d.heard_at for d in snapshot.installations if d.heard_at is not None), default=now)
            return Judgement(findings=(_cleared(snapshot, heard_at, "monitoring_heard_again"),), next_due=next_due)
        return Judgement(next_due=next_due, stands=_while_heard(snapshot, devices, now))

    @staticmethod
    def _judged(device: Installation, snapshot: Snapshot, now: datetime) -> _Device:
        limit = snapshot.policy.silence_limit(device.interval_s or device.interval.total_seconds())
        since = device.heard_at or device.installed_at
        if snapshot.hearing is None:
            again = now + device.interval
            return _Device(device=device, state=_State.UNKNOWN, since=since, limit=limit, next_due=again)
        heard_until, heard_since = snapshot.hearing.until, snapshot.hearing.since
        silent_at = max(since, heard_since) + limit
        if heard_until > silent_at:
            return _Device(
                device=device,
                state=_State.SILENT,
                since=since,
                limit=limit,
                next_due=next_word([device], now),
                crossed_at=silent_at,
            )
        state = _State.HEARD if heard_until <= since + limit else _State.UNKNOWN
        due = silent_at + max(now - heard_until, timedelta()) + _SLACK
        return _Device(device=device, state=state, since=since, limit=limit, next_due=due)


def _heard_between(
    devices: Iterable[_Device], silent: Sequence[_Device], known_since: datetime | None
) -> datetime | None:
    """When all were heard again that were silent at the last look, if that was before any of these fell silent."""
    if known_since is None or silent[0].since <= known_since:
        return None
    heard_at = max([silent[0].since, *(each.since for each in devices if each.state is not _State.SILENT)])
    return heard_at if all(each.crossed_at is not None and heard_at < each.crossed_at for each in silent) else None


def _while_heard(snapshot: Snapshot, devices: Sequence[_Device], now: datetime) -> Stands | None:
    """Of the only device there is: nothing is to be said as long as it goes on being heard in time."""
    if len(devices) != 1 or len(snapshot.installations) != 1 or snapshot.hearing is None:
        return None
    lag = max(now - snapshot.hearing.until, timedelta())
    return partial(_heard_in_time, devices[0].limit + lag, snapshot.hearing.since)


def _heard_in_time(limit: timedelta, heard_since: datetime, word: Word, at: datetime) -> Judgement | None:
    lost_at = max(word.heard_at, heard_since) + limit
    if at > lost_at:
        return None
    return Judgement(next_due=lost_at + _SLACK, stands=partial(_heard_in_time, limit, heard_since))


def _while_silent(snapshot: Snapshot, silent: Sequence[_Device]) -> Stands | None:
    """Of the only device there is: what was told stays so until it is heard."""
    if len(silent) != 1 or len(snapshot.installations) != 1 or snapshot.troubles:
        return None
    return partial(_still_silent, silent[0])


def _still_silent(silent: _Device, word: Word, at: datetime) -> Judgement | None:
    if word.heard_at != silent.device.heard_at:
        return None
    due = next_after(word.heard_at, silent.device.interval, at)
    return Judgement(next_due=due, ongoing_since=silent.since, stands=partial(_still_silent, silent))


def _silent(
    snapshot: Snapshot, silent: list[_Device], next_due: datetime, now: datetime, *, heard_at: datetime | None
) -> Judgement:
    """Its own alert, unless its area or gateway has fallen silent with it, or may have."""
    fates = [
        held.silent(
            snapshot,
            since=each.since,
            crossed_at=each.crossed_at,
            limit=each.limit,
            interval=each.device.interval,
        )
        for each in silent
        if each.crossed_at is not None
    ]
    since = silent[0].since
    told = Kind.MONITORING_LOST in snapshot.open_kinds
    over: tuple[Finding, ...] = ()
    if told and heard_at is not None:
        over, told = (_cleared(snapshot, heard_at, "monitoring_heard_again"),), False
    if all(fate is Fate.PART for fate, _ in fates):
        over = (_cleared(snapshot, now, "monitoring_part_of_area"),) if told else over
        return Judgement(findings=over, next_due=next_due, ongoing_since=since)
    if not told and all(fate is not Fate.OWN for fate, _ in fates):
        assert snapshot.hearing is not None  # noqa: S101 (nothing is silent without a hearing)
        lag = max(now - snapshot.hearing.until, timedelta())
        settled = min(until for _, until in fates if until is not None) + lag + _SLACK
        return Judgement(findings=over, next_due=min(next_due, settled), ongoing_since=since)
    return Judgement(
        findings=(*over, _lost(snapshot, silent)),
        next_due=next_due,
        ongoing_since=since,
        stands=_while_silent(snapshot, silent),
    )


def _lost(snapshot: Snapshot, silent: list[_Device]) -> Finding:
    assert snapshot.hearing is not None  # noqa: S101 (nothing is silent without a hearing)
    first = silent[0]
    silent_s = round((snapshot.hearing.until - first.since).total_seconds())
    return Finding(
        subject=Subject(home_id=snapshot.home_id),
        kind=Kind.MONITORING_LOST,
        verdict=Verdict.RAISE,
        severity=Severity.TECHNICAL,
        since=first.since,
        reason=Reason(
            id="monitoring_never_heard" if first.device.heard_at is None else "monitoring_silent",
            values={"device": first.device.device, "silent_s": silent_s, "limit_s": round(first.limit.total_seconds())},
        ),
        evidence={
            "silent": {d.device.device: d.since.isoformat() for d in silent},
            "heard_until": snapshot.hearing.until.isoformat(),
        },
    )


def _cleared(snapshot: Snapshot, at: datetime, reason_id: str) -> Finding:
    return Finding(
        subject=Subject(home_id=snapshot.home_id),
        kind=Kind.MONITORING_LOST,
        verdict=Verdict.CLEAR,
        severity=Severity.TECHNICAL,
        since=at,
        reason=Reason(id=reason_id, values={}),
        evidence={},
    )
