"""Back-test of water: the engine on a simulated clock tells what a duty worker would have been told, and when."""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.findings import Kind, Severity
from registry.policy import Policy
from rules.backtest.cases import Told
from rules.backtest.recording import read
from rules.backtest.series import Series
from rules.backtest.simulation import Home, World
from rules.backtest.trial import Plan, back_test
from rules.backtest.uploads import Upload
from rules.library.catalogue import HOME_RULES
from rules.rule import Judgement, Rule, Stands, Word
from rules.snapshot import Snapshot, instant
from tests.unit.backtest_worlds import AWAY, DAY, HOME, START, H, plan, record, rows, written

USED_LAST = START + 10 * DAY + 22 * H
"""When a home that is empty after eleven days has shown its last use."""


def told(days: list[list[int]], tested: Plan, *, meter_id: str = "m-1") -> list[Told]:
    found = back_test(record((hour for day in days for hour in day), meter_id=meter_id), tested)
    assert found is not None
    return list(found[1].alerts)


def inactive(alerts: list[Told]) -> list[Told]:
    return [each for each in alerts if each.kind is Kind.INACTIVITY]


def test_a_home_in_use_is_quiet() -> None:
    assert told([HOME] * 21, plan()) == []


def test_one_that_falls_silent_is_asked_after_and_then_visited_until_water_is_used() -> None:
    soft, hard = inactive(told([HOME] * 11 + [AWAY] * 2 + [HOME] * 2, plan()))
    assert (soft.severity, hard.severity) == (Severity.SOFT, Severity.HARD)
    assert timedelta() <= soft.raised_at - (USED_LAST + 12 * H) <= timedelta(minutes=5)
    assert timedelta() <= hard.raised_at - (USED_LAST + 24 * H) <= timedelta(minutes=5)
    used_again = START + 13 * DAY + 7 * H
    assert soft.cleared_at == hard.cleared_at
    assert hard.cleared_at is not None
    assert timedelta() <= hard.cleared_at - used_again <= H


def test_what_lasts_at_the_end_is_open() -> None:
    alerts = inactive(told([HOME] * 11 + [AWAY], plan()))
    assert [each.severity for each in alerts] == [Severity.SOFT, Severity.HARD]
    assert {each.cleared_at for each in alerts} == {None}


def test_limits_are_those_of_the_policy() -> None:
    policy = Policy(inactivity_window_h=8.0, inactivity_hard_window_h=16.0, inactivity_learned=False)
    tested = Plan(world=World(time_zone="UTC", policy=policy))
    soft, hard = inactive(told([HOME] * 11 + [AWAY], tested))[-2:]
    assert timedelta() <= soft.raised_at - (USED_LAST + 8 * H) <= timedelta(minutes=5)
    assert timedelta() <= hard.raised_at - (USED_LAST + 16 * H) <= timedelta(minutes=5)


def test_daily_uploads_are_known_when_they_come_in() -> None:
    alerts = inactive(told([HOME] * 11 + [AWAY] * 4, plan(upload=Upload.DAILY)))
    assert {each.severity for each in alerts} == {Severity.SOFT, Severity.HARD} or {
        each.severity for each in alerts
    } == {Severity.HARD}
    # The day without use is the twelfth; it comes in at two o'clock of the thirteenth's night.
    assert min(each.raised_at for each in alerts) >= START + 12 * DAY + 2 * H
    assert min(each.raised_at for each in alerts) <= START + 13 * DAY + 3 * H


def test_a_meter_that_stops_before_the_end_has_fallen_silent_and_is_not_inactive() -> None:
    alerts = told([HOME] * 11, plan(until=START + 14 * DAY))
    assert [(each.kind, each.severity) for each in alerts] == [(Kind.MONITORING_LOST, Severity.TECHNICAL)]
    assert told([HOME] * 11, plan()) == []


def test_how_a_meter_is_heard_is_learned_where_its_home_goes_by_municipal_limits_alone() -> None:
    """As it is live: the learner asks no policy."""
    random, whole = Random(3), record(HOME * 60)
    kept = [place for place in range(60 * 24) if place % 24 < 12 or random.random() < 0.2]
    meter = replace(
        whole,
        measured_s=[whole.measured_s[place] for place in kept],
        totals_l=[whole.totals_l[place] for place in kept],
    )

    def lost(policy: Policy) -> list[tuple[datetime, datetime | None]]:
        found = back_test(meter, Plan(world=World(time_zone="UTC", policy=policy)))
        assert found is not None
        return [(each.raised_at, each.cleared_at) for each in found[1].alerts if each.kind is Kind.MONITORING_LOST]

    known = lost(Policy())
    assert lost(Policy(inactivity_learned=False)) == known
    assert 2 * len(known) < len(lost(Policy(silence_max_h=0.0)))


def test_nothing_is_looked_at_outside_the_span() -> None:
    days = [HOME] * 11 + [AWAY] * 2 + [HOME] * 3 + [AWAY] * 2 + [HOME]
    later = told(days, plan(from_at=START + 14 * DAY))
    assert [each.severity for each in inactive(later)] == [Severity.SOFT, Severity.HARD]
    assert min(each.raised_at for each in later) >= START + 16 * DAY
    assert inactive(told(days, plan(until=START + 11 * DAY))) == []
    assert back_test(record(HOME), plan(from_at=START + 14 * DAY)) is None


def random_days(seed: int) -> list[list[int]]:
    """Weeks of a life with days away, nights of every length, and small uses."""
    random = Random(seed)
    days = []
    for _ in range(24):
        day = [litres if random.random() < 0.8 else 0 for litres in HOME]
        days.append(AWAY if random.random() < 0.2 else day)
    return days


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), upload=st.sampled_from([Upload.AS_MEASURED, Upload.FOUR_TIMES, Upload.DAILY]))
def test_looks_out_of_turn_change_nothing_but_the_moment(seed: int, upload: Upload) -> None:
    random = Random(seed + 1)
    meter = record(hour for day in random_days(seed) for hour in day)
    span_s = meter.measured_s[-1] - meter.measured_s[0]
    extra = [START + timedelta(seconds=random.random() * span_s) for _ in range(200)]
    for hour in range(0, 24 * 24, 5):
        extra.append(START + hour * H + timedelta(seconds=1))
    tested = plan(upload=upload)
    plainly, often = back_test(meter, tested), back_test(meter, tested, also_at=extra)
    assert plainly is not None
    assert often is not None
    assert often[1].looks > plainly[1].looks

    def said(alerts: list[Told]) -> list[tuple[Kind, Severity, datetime]]:
        return sorted((each.kind, each.severity, each.since) for each in alerts)

    assert said(list(often[1].alerts)) == said(list(plainly[1].alerts))
    for one, other in zip(plainly[1].alerts, often[1].alerts, strict=True):
        assert abs(one.raised_at - other.raised_at) <= H


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_order_of_rows_changes_nothing(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("rows")
    meters = [record((hour for day in random_days(seed + n) for hour in day), meter_id=f"m-{n}") for n in range(2)]
    lines = [row for meter in meters for row in rows(meter)]
    lines += [row[:-1] + "7" for row in lines[100:110]] + lines[50:60]
    shuffled = list(lines)
    Random(seed).shuffle(shuffled)
    found = []
    for name, order in (("a.csv", lines), ("b.csv", shuffled)):
        tested = [back_test(meter, plan()) for meter in read(written(folder / name, order)).meters]
        found.append([each[1].alerts for each in tested if each is not None])
    assert found[0] == found[1]


def test_readings_that_come_out_of_order_are_seen_when_they_are_received() -> None:
    """A backlog that comes in newest first: what a look sees does not hang on how it is stored."""
    meter = record(hour for day in [HOME] * 3 for hour in day)
    received = [at_s + 6 * 3600.0 * (place % 3) for place, at_s in enumerate(meter.measured_s)]
    series = Series(
        meter_id="m-1",
        measured_s=meter.measured_s,
        totals_l=meter.totals_l,
        received_s=received,
        measured_every_s=3600,
        interval_s=3600,
    )
    home = Home(1, series, World(time_zone="UTC"), series.begins_at)
    now = START + 40 * H + timedelta(minutes=1)
    (installation,) = home.snapshot(now).installations
    seen = {at_s for at_s, receipt_s in zip(meter.measured_s, received, strict=True) if receipt_s <= now.timestamp()}
    assert set(installation.water.measured_s) == seen
    assert installation.water.received_s
    assert installation.heard_at == max(instant(r) for r in received if instant(r) <= now)


def test_what_a_rule_said_stands_until_more_data_can_change_it() -> None:
    """Asking every rule at every look finds the same as asking each when its judgement may have changed."""
    for seed in range(6):
        meter = record(hour for day in random_days(seed) for hour in day)
        tested = plan()
        always = replace(tested, world=replace(tested.world, leaves_standing=False))
        one, other = back_test(meter, tested), back_test(meter, always)
        assert one is not None
        assert other is not None
        assert one[1].alerts == other[1].alerts


SILENCES = {"monitoring_lost", "inactivity"}


class ByLook:
    """A rule of which nothing stands, or that is asked from little at each of its dues."""

    def __init__(self, rule: Rule, *, tells: bool) -> None:
        self._rule, self._tells = rule, tells
        self.name, self.release, self.max_latency = rule.name, rule.release, rule.max_latency

    def evaluate(self, snapshot: Snapshot, now: datetime) -> Judgement:
        return self._plain(self._rule.evaluate(snapshot, now))

    def _plain(self, judgement: Judgement) -> Judgement:
        stands = judgement.stands if self._tells else None
        return judgement._replace(heard_within=None, stands=stands and partial(self._again, stands))

    def _again(self, stands: Stands, word: Word, at: datetime) -> Judgement | None:
        again = stands(word._replace(silent_until=START), at)
        return again and self._plain(again)


@pytest.mark.parametrize("upload", [Upload.AS_MEASURED, Upload.FOUR_TIMES])
@pytest.mark.parametrize("tells", [False, True])
def test_what_a_rule_tells_without_a_look_is_what_it_finds_by_one(tells: bool, upload: Upload) -> None:
    """Silences of the meter, all told from words of it, among uses, habits that change and other rules' looks."""
    silences = 0
    for seed in range(2):
        random, hours = Random(seed), [hour for day in random_days(seed) * 2 for hour in day]
        gaps = [range(begin, begin + random.choice([0, 2, 3, 4, 40, 60])) for begin in range(50, len(hours), 90)]
        whole = record(hours, meter_id=f"m-{seed}")
        lost = {place for gap in gaps for place in gap}
        kept = [place for place in range(len(whole.measured_s)) if place not in lost]
        meter = replace(
            whole,
            measured_s=[whole.measured_s[place] + 7.0 * (place % 5) for place in kept],
            totals_l=[whole.totals_l[place] for place in kept],
        )
        rules = [ByLook(rule, tells=tells) if rule.name in SILENCES else rule for rule in HOME_RULES]
        tested = Plan(world=World(time_zone="UTC"), upload=upload)
        one = back_test(meter, tested)
        other = back_test(meter, replace(tested, world=replace(tested.world, rules=rules)))
        assert one is not None
        assert other is not None
        assert one[1].alerts == other[1].alerts
        silences += sum(each.kind is Kind.MONITORING_LOST for each in one[1].alerts)
    assert silences > 3


def test_a_silence_longer_than_readings_may_be_late_is_told_as_by_looks() -> None:
    hours = [hour for day in [HOME] * 12 + [AWAY] * 40 + [HOME] * 4 for hour in day]
    whole = record(hours)
    silent = range(12 * 24 + 30, 52 * 24 + 9)
    kept = [place for place in range(len(hours)) if place not in silent]
    meter = replace(
        whole,
        measured_s=[whole.measured_s[place] for place in kept],
        totals_l=[whole.totals_l[place] for place in kept],
    )
    tested = plan()
    rules = [ByLook(rule, tells=False) if rule.name in SILENCES else rule for rule in HOME_RULES]
    one = back_test(meter, tested)
    other = back_test(meter, replace(tested, world=replace(tested.world, rules=rules)))
    assert one is not None
    assert other is not None
    assert one[1].alerts == other[1].alerts
    assert {each.kind for each in one[1].alerts} >= {Kind.MONITORING_LOST, Kind.INACTIVITY}


class Stumbling:
    """A rule that fails on every home."""

    name, release, max_latency = "stumbling", 1, timedelta(hours=24)

    def __init__(self) -> None:
        self.asked_at: list[datetime] = []

    def evaluate(self, snapshot: Snapshot, now: datetime) -> Judgement:
        self.asked_at.append(now)
        raise ValueError(snapshot.home_id)


def test_a_rule_that_failed_is_tried_again_in_time_whatever_the_others_can_tell() -> None:
    rule = Stumbling()
    found = back_test(record(HOME * 12), Plan(world=World(time_zone="UTC", rules=[*HOME_RULES, rule])))
    assert found is not None
    assert list(found[1].rule_errors) == [rule.name]
    waits = [later - earlier for earlier, later in pairwise(rule.asked_at)]
    due = [timedelta(minutes=min(2**count, 360)) for count in range(len(waits))]
    assert all(timedelta() <= waited - wait <= timedelta(seconds=1) for waited, wait in zip(waits, due, strict=True))
    assert len(waits) > 20
