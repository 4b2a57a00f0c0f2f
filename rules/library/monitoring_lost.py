"""Monitoring lost: a device that reports regularly has not been heard for several of its intervals.

Counted by time of receipt, up to where ingest has heard its brokers and from where that hearing began: a device is
not silent because we were deaf, behind or switched off. Where many of an area or a gateway fall silent together, one
incident is told in their place (`rules.area_watch`): a device that fell silent alone waits 2 min to find out. A meter
that is often unheard for longer than its limit is silent all the same, but nobody is told before it is so for longer
than it often is (`rules.unheard`).
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from functools import partial
from typing import Final, NamedTuple

from alerts.findings import Finding, Kind, Reason, Severity, Subject, Verdict
from registry.policy import Policy
from rules import held
from rules.expected import next_after
from rules.held import Fate, Held
from rules.learning import next_change
from rules.rule import Judgement, Word
from rules.snapshot import Hearing, Installation, Learned, Snapshot, Trouble
from rules.unheard import Telling, Unheard, telling

_SLACK: Final = timedelta(seconds=15)  # a beacon every 10 s moves the hearing on
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


class _State(Enum):
    HEARD = auto()
    SILENT = auto()
    UNKNOWN = auto()  # longer than its limit without a word, but we have not listened that long


class _Device(NamedTuple):
    """A device that reports regularly.

    Attributes:
        limit: how long it may be silent.
        habits: of its home, where they are learned from what it alone shows; None where they are not ...
        longest: ... and for no longer than this it is waited for because of them.
    """

    name: str
    interval: timedelta
    limit: timedelta
    installed_at: datetime
    heard_at: datetime | None
    habits: Sequence[Learned] | None = None
    longest: timedelta = timedelta()

    @property
    def since(self) -> datetime:
        """Since when it is silent, if it is."""
        return self.heard_at or self.installed_at


class _Judged(NamedTuple):
    """What a device is found to be.

    Attributes:
        since: since when nothing is heard of it.
        next_due: when that may change.
        crossed_at: of a silent one, when it had been silent for its limit, by the time up to which we have heard ...
        told: ... and when that is told.
    """

    device: _Device
    state: _State
    since: datetime
    next_due: datetime
    crossed_at: datetime | None = None
    told: Telling | None = None


class _Home(NamedTuple):
    """A home as far as it matters here.

    Attributes:
        heard_at: when anything of it was heard last.
        known_since: since when it is silent, as the last look left it.
        is_told: a case is open.
    """

    home_id: int
    hearing: Hearing | None
    heard_at: datetime | None
    troubles: Sequence[Trouble]
    known_since: datetime | None
    is_told: bool


class MonitoringLost:
    """Raises one alert per home for all its silent devices, since the one that fell silent first."""

    name = "monitoring_lost"
    release = 4
    max_latency = timedelta(hours=24)

    def evaluate(self, snapshot: Snapshot, now: datetime) -> Judgement:
        """Judges every installed device that has a reporting interval."""
        watched = [device for device in snapshot.installations if device.removed_at is None]
        meters = [device for device in watched if device.meters_water]
        alone = meters[0] if len(meters) == 1 else None
        devices = [
            _device(device, snapshot.policy, snapshot.profiles if device is alone else None)
            for device in watched
            if device.interval_s is not None
        ]
        home = _Home(
            home_id=snapshot.home_id,
            hearing=snapshot.hearing,
            heard_at=max((d.heard_at for d in snapshot.installations if d.heard_at is not None), default=None),
            troubles=snapshot.troubles,
            known_since=snapshot.ongoing.get(self.name),
            is_told=Kind.MONITORING_LOST in snapshot.open_kinds,
        )
        if not devices:
            return _concluded(home, [], now + self.max_latency, now)
        if len(devices) == len(snapshot.installations) == 1 and snapshot.hearing is not None and not home.troubles:
            return _alone(home, devices[0], snapshot.hearing, now)
        judged = [_judged(device, snapshot.hearing, now) for device in devices]
        return _concluded(home, judged, min([each.next_due for each in judged]), now)


def _device(installed: Installation, policy: Policy, profiles: Sequence[Learned] | None) -> _Device:
    limit = policy.silence_limit(installed.interval_s or installed.interval.total_seconds())
    longest = timedelta(hours=policy.silence_max_h)
    return _Device(
        installed.device, installed.interval, limit, installed.installed_at, installed.heard_at, profiles, longest
    )


def _alone(
    home: _Home, device: _Device, hearing: Hearing, now: datetime, silent_until: datetime = _LONG_AGO
) -> Judgement:
    """Of a home with one device and no trouble around it: a word of that tells all that is gone by here.

    Args:
        home: the home.
        device: its only device.
        hearing: what we have heard.
        now: the time of the look.
        silent_until: nothing more is heard of it up to then, if that is known.
    """
    judged = _judged(device, hearing, now, silent_until)
    said = _concluded(home, [judged], judged.next_due, now)
    is_told = home.is_told
    for finding in said.findings:
        is_told = finding.verdict is Verdict.RAISE
    lag = max(now - hearing.until, timedelta())
    known = _Home(home.home_id, hearing, home.heard_at, home.troubles, said.ongoing_since, is_told)
    return Judgement(
        said.next_due,
        said.findings,
        ongoing_since=said.ongoing_since,
        stands=partial(_told_again, known, device, lag),
        heard_within=device.limit + lag + _SLACK if judged.state is _State.HEARD and not said.findings else None,
    )


def _told_again(home: _Home, device: _Device, lag: timedelta, word: Word, at: datetime) -> Judgement | None:
    if word.learned is not None and device.habits is not None:
        if not word.learned:
            return None
        device = device._replace(habits=word.learned)
    if home.is_told and home.known_since is not None and word.heard_at == device.heard_at:
        # What was told of it stays so until it is heard, whatever its habits.
        due = next_after(word.heard_at, device.interval, max(at, word.silent_until))
        stands = partial(_told_again, home, device, lag)
        return Judgement(next_due=due, ongoing_since=home.known_since, stands=stands)
    assert home.hearing is not None  # noqa: S101 (else nothing can be told)
    hearing = Hearing(at - lag, home.hearing.since)
    heard = _Home(home.home_id, hearing, word.heard_at, home.troubles, home.known_since, home.is_told)
    if word.heard_at != device.heard_at:
        device = device._replace(heard_at=word.heard_at)
    return _alone(heard, device, hearing, at, word.silent_until)


def _judged(device: _Device, hearing: Hearing | None, now: datetime, silent_until: datetime = _LONG_AGO) -> _Judged:
    since = device.since
    if hearing is None:
        return _Judged(device, _State.UNKNOWN, since, now + device.interval)
    listened_from = max(since, hearing.since)
    silent_at = listened_from + device.limit
    if hearing.until > silent_at:
        unheard = Unheard(device.installed_at, since, listened_from, device.interval, device.limit, device.longest)
        told = telling(unheard, device.habits or ())
        due = next_after(since, device.interval, max(now, min(silent_until, told.at)))
        return _Judged(device, _State.SILENT, since, due, silent_at, told)
    state = _State.HEARD if hearing.until <= since + device.limit else _State.UNKNOWN
    return _Judged(device, state, since, silent_at + max(now - hearing.until, timedelta()) + _SLACK)


def _concluded(home: _Home, devices: Sequence[_Judged], next_due: datetime, now: datetime) -> Judgement:
    silent = [each for each in devices if each.state is _State.SILENT]
    if silent:
        if len(silent) > 1:
            silent.sort(key=lambda each: (each.since, each.device.name))
        heard_at = _heard_between(devices, silent, home.known_since)
        return _silent(home, silent, next_due, now, heard_at=heard_at)
    told = home.known_since is not None or home.is_told
    unsure = [each.device for each in devices if each.state is _State.UNKNOWN]
    if unsure:
        # What was told stays so until the device is heard, which it may be at any moment.
        soonest = min(now + device.interval for device in unsure)
        return Judgement(next_due=min(next_due, soonest) if told else next_due, ongoing_since=home.known_since)
    if told:
        over = _cleared(home.home_id, home.heard_at or now, "monitoring_heard_again")
        return Judgement(findings=(over,), next_due=next_due)
    return Judgement(next_due=next_due)


def _heard_between(
    devices: Iterable[_Judged], silent: Sequence[_Judged], known_since: datetime | None
) -> datetime | None:
    """When all were heard again that were silent at the last look, if that was before any of these fell silent."""
    if known_since is None or silent[0].since <= known_since:
        return None
    heard_at = max([silent[0].since, *(each.since for each in devices if each.state is not _State.SILENT)])
    return heard_at if all(each.crossed_at is not None and heard_at < each.crossed_at for each in silent) else None


def _silent(
    home: _Home, silent: Sequence[_Judged], next_due: datetime, now: datetime, *, heard_at: datetime | None
) -> Judgement:
    """Its own alert, unless its area or gateway has fallen silent with it, or may have."""
    assert home.hearing is not None  # noqa: S101 (nothing is silent without a hearing)
    fates = [
        _fate(home.troubles, home.hearing.until, each, crossed_at=each.crossed_at, told_at=each.told.at)
        for each in silent
        if each.crossed_at is not None and each.told is not None
    ]
    since, told = silent[0].since, home.is_told
    over: tuple[Finding, ...] = ()
    if told and heard_at is not None:
        over, told = (_cleared(home.home_id, heard_at, "monitoring_heard_again"),), False
    if all(fate is Fate.PART for fate, _ in fates):
        over = (_cleared(home.home_id, now, "monitoring_part_of_area"),) if told else over
        return Judgement(findings=over, next_due=next_due, ongoing_since=since)
    if not told and all(fate is not Fate.OWN for fate, _ in fates):
        lag = max(now - home.hearing.until, timedelta())
        settled = min(until for _, until in fates if until is not None) + lag + _SLACK
        # By other habits it may be told sooner.
        learned = [next_change(home.home_id, now, known) for each in silent if (known := each.device.habits)]
        return Judgement(findings=over, next_due=min(next_due, settled, *learned), ongoing_since=since)
    lost = _lost(home.home_id, silent, home.hearing.until)
    return Judgement(findings=(*over, lost), next_due=next_due, ongoing_since=since)


def _fate(
    troubles: Sequence[Trouble], heard_until: datetime, silent: _Judged, *, crossed_at: datetime, told_at: datetime
) -> Held:
    """What becomes of a silence by what else is silent, and by how long its device often is."""
    device = silent.device
    fate = held.silent(
        troubles, heard_until, since=silent.since, crossed_at=crossed_at, limit=device.limit, interval=device.interval
    )
    if fate.fate is Fate.PART or heard_until > told_at:
        return fate
    return Held(Fate.HELD, told_at if fate.until is None else max(told_at, fate.until))


def _lost(home_id: int, silent: Sequence[_Judged], heard_until: datetime) -> Finding:
    first = silent[0]
    device, silent_s = first.device, round((heard_until - first.since).total_seconds())
    # Where another device is told of, it may be waited for still.
    limit = device.limit if first.told is None or heard_until <= first.told.at else first.told.after
    return Finding(
        subject=Subject(home_id=home_id),
        kind=Kind.MONITORING_LOST,
        verdict=Verdict.RAISE,
        severity=Severity.TECHNICAL,
        since=first.since,
        reason=Reason(
            id="monitoring_never_heard" if device.heard_at is None else "monitoring_silent",
            values={"device": device.name, "silent_s": silent_s, "limit_s": round(limit.total_seconds())},
        ),
        evidence={
            "silent": {each.device.name: each.since.isoformat() for each in silent},
            "heard_until": heard_until.isoformat(),
        },
    )


def _cleared(home_id: int, at: datetime, reason_id: str) -> Finding:
    return Finding(
        subject=Subject(home_id=home_id),
        kind=Kind.MONITORING_LOST,
        verdict=Verdict.CLEAR,
        severity=Severity.TECHNICAL,
        since=at,
        reason=Reason(id=reason_id, values={}),
        evidence={},
    )
