"""The back-test of one home from beginning to end."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zlib import crc32
from zoneinfo import ZoneInfo

from alerts.findings import Kind, Severity
from rules.backtest import plain
from rules.backtest.figures import HomeTrial, is_short, watched_s
from rules.backtest.injection import Noticed, follow, moments
from rules.backtest.recording import MeterRecord
from rules.backtest.series import Series, series_of
from rules.backtest.simulation import Home, World
from rules.backtest.uploads import Upload, received
from rules.habits import learned_limit
from rules.snapshot import Snapshot, instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be tested.

    Attributes:
        from_at: nothing is looked at before; what was measured before is history. None: from the first reading on.
        until: nothing is looked at from then on. A meter whose readings end before has fallen silent; None: up to each
            meter's last reading.
        upload: how readings come in.
        injections: incapacitations cut into each home.
        seed: of their moments.
        draws_lines: whether `HomeTrial.lines` is asked for.
    """

    world: World
    from_at: datetime | None = None
    until: datetime | None = None
    upload: Upload = Upload.AS_MEASURED
    injections: int = 0
    seed: int = 1
    draws_lines: bool = False


def back_test(record: MeterRecord, plan: Plan, *, also_at: Iterable[datetime] = ()) -> tuple[Series, HomeTrial] | None:
    """Watches one home through its recording; None where that does not reach into the time to be tested.

    Args:
        record: of its meter.
        plan: what is to be tested.
        also_at: looks out of turn.
    """
    receipts_s = received(record.measured_s, plan.upload, ZoneInfo(plan.world.time_zone))
    series = series_of(record, receipts_s, plan.upload.every_s)
    begins_at = max(plan.from_at or series.begins_at, series.begins_at)
    ends_at = plan.until or series.ends_at
    if begins_at >= ends_at:
        return None
    policy = plan.world.policy
    home = Home(crc32(record.meter_id.encode()) >> 1, series, plan.world, begins_at)
    noticed = _watched(home, series, plan, (begins_at, ends_at), also_at)
    told = [each for each in home.cases.told if each.raised_at < ends_at]
    spells = [each for each in told if each.kind is Kind.INACTIVITY]
    short = [each for each in spells if is_short(each, series, volume_l=policy.inactivity_volume_l)]
    unbroken_s = unbroken(series, plan).total_seconds()
    return series, HomeTrial(
        meter_id=record.meter_id,
        readings=len(record.measured_s),
        interval_s=series.interval_s,
        watched_s=watched_s(series, begins_at, ends_at, unbroken_s=unbroken_s),
        looks=home.looks,
        alerts=told,
        short_first=sum(each.first for each in short),
        short_hard=sum(each.severity is Severity.HARD for each in short),
        recorded=sum(finding.kind is Kind.INACTIVITY for finding in home.cases.recorded),
        silences=tuple(plain.silences(series, unbroken_s=unbroken_s, from_s=begins_at.timestamp()))
        if plan.injections
        else (),
        noticed=noticed,
        lines=lines(home.snapshot(ends_at)) if plan.draws_lines else {},
        rule_errors=home.rule_errors,
    )


def lines(snapshot: Snapshot) -> dict[Severity, tuple[float, ...]]:
    """After how many hours without use a home would be told of, by the local half hour of the last use."""
    policy, zone = snapshot.policy, ZoneInfo(snapshot.time_zone)
    hearing = snapshot.hearing
    if hearing is None:
        return {}
    day = hearing.until.astimezone(zone).date() - timedelta(days=3)
    slots = [datetime.combine(day, time(slot // 2, slot % 2 * 30), zone).timestamp() for slot in range(48)]
    drawn: dict[Severity, tuple[float, ...]] = {}
    windows = {Severity.SOFT: policy.inactivity_window_h, Severity.HARD: policy.inactivity_hard_window_h}
    for severity, window_h in windows.items():
        limit = learned_limit(snapshot, severity)
        if limit is None:
            drawn[severity] = (window_h,) * len(slots)
            continue
        most_h = policy.inactivity_hard_window_h
        drawn[severity] = tuple(min(most_h, (limit(since_s) - since_s) / 3600.0) for since_s in slots)
    return drawn


def _watched(
    home: Home, series: Series, plan: Plan, span: tuple[datetime, datetime], also_at: Iterable[datetime]
) -> tuple[Noticed, ...]:
    """Watches a home to the end; on the way, its water stops at each moment in a future of its own."""
    extra = sorted(also_at)
    begins_s, ends_s = (edge.timestamp() for edge in span)
    noticed: list[Noticed] = []
    for moment_s in moments(series, plan.injections, seed=plan.seed, from_s=begins_s, until_s=ends_s):
        home.watch(instant(moment_s), also_at=extra)
        noticed.append(follow(home, series, moment_s))
    home.watch(span[1], also_at=extra)
    return tuple(noticed)


def unbroken(series: Series, plan: Plan) -> timedelta:
    """Readings farther apart than this do not count as a meter that was heard in between."""
    return plan.world.policy.silence_limit(series.measured_every_s)
