"""Monitoring lost: a device that reports regularly has not been heard for several of its intervals.

Counted by time of receipt, up to where ingest has heard its brokers and from where that hearing began: a device is
not silent because we were deaf, behind or switched off. Where many of an area or a gateway fall silent together, one
incident is told in their place (`rules.area_watch`): a device that fell silent alone waits 2 min to find out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from functools import partial
from typing import Final

from alerts.findings import Finding, Kind, Reason, Severity, Subject, Verdict
from rules import held
from rules.expected import next_after, next_word
from rules.held import Fate
from rules.rule import Judgement, Word
from rules.snapshot import Hearing, Installation, Snapshot

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
        judgement = self._concluded(snapshot, devices, now)
        if len(devices) != 1 or len(snapshot.installations) != 1 or snapshot.hearing is None or snapshot.troubles:
            return judgement
        lag = max(now - snapshot.hearing.until, timedelta())
        is_quiet = devices[0].state is _State.HEARD and not judgement.findings
        return judgement._replace(
            stands=partial(self._told_again, _having_said(judgement, snapshot), lag),
            heard_within=devices[0].limit + lag + _SLACK if is_quiet else None,
        )

    def _concluded(self, snapshot: Snapshot, devices: Sequence[_Device], now: datetime) -> Judgement:
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
        return Judgement(next_due=next_due)

    def _told_again(self, known: Snapshot, lag: timedelta, word: Word, at: datetime) -> Judgement:
        """What it would conclude of a home with one device: a word tells all that this goes by."""
        (device,) = known.installations
        ongoing_since = known.ongoing.get(self.name)
        if ongoing_since is not None and word.heard_at == device.heard_at and Kind.MONITORING_LOST in known.open_kinds:
            # What was told stays so until it is heard.
            due, stands = next_after(word.heard_at, device.interval, at), partial(self._told_again, known, lag)
            return Judgement(next_due=due, ongoing_since=ongoing_since, stands=stands)
        assert known.hearing is not None  # noqa: S101 (else nothing can be told)
        heard = replace(device, heard_at=word.heard_at)
        return self.evaluate(replace(known, installations=(heard,), hearing=Hearing(at - lag, known.hearing.since)), at)

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


def _having_said(judgement: Judgement, snapshot: Snapshot) -> Snapshot:
    """The home as the next look finds it, once what was said has been told."""
    name, since = MonitoringLost.name, judgement.ongoing_since
    ongoing = {key: at for key, at in snapshot.ongoing.items() if key != name}
    open_kinds = snapshot.open_kinds
    for finding in judgement.findings:
        lost = {finding.kind}
        open_kinds = open_kinds | lost if finding.verdict is Verdict.RAISE else open_kinds - lost
    if since is not None:
        ongoing[name] = since
    if open_kinds == snapshot.open_kinds and ongoing == snapshot.ongoing:
        return snapshot
    return replace(snapshot, ongoing=ongoing, open_kinds=open_kinds)


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
    return Judgement(findings=(*over, _lost(snapshot, silent)), next_due=next_due, ongoing_since=since)


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
