"""Inactivity: quiet, fires, clears, cannot know."""

import itertools
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from alerts.findings import Finding, Kind, Severity, Verdict
from alerts.wording import sentence
from registry.policy import Policy
from rules.dry import dryness
from rules.library.inactivity import Inactivity
from rules.snapshot import Snapshot, instant, read_from
from rules.water import cover
from tests.unit.rule_worlds import MIN, NOON, H, home, hourly, meter

RULE = Inactivity()


def judged(snapshot: Snapshot, now: datetime = NOON) -> list[Finding]:
    return list(RULE.evaluate(snapshot, now).findings)


def test_quiet_home_says_nothing_and_is_looked_at_when_it_first_could_be_dry() -> None:
    judgement = RULE.evaluate(home(meter(hourly([20] * 20 + [0] * 4))), NOON)
    assert not judgement.findings
    # Dry since the reading four hours ago: no data can say twelve hours before eight hours from now, but for the few
    # minutes by which the window may be short.
    assert judgement.next_due == NOON + 8 * H - 5 * MIN
    assert judgement.ongoing_since is None
    assert judgement.judged_until == NOON


def test_fires_with_the_sentence_a_duty_worker_reads() -> None:
    readings = [*hourly([30] * 10 + [0] * 12 + [2], ends=NOON - 5 * MIN), (NOON, 1302.0)]
    snapshot = home(replace(meter(readings), heard_at=NOON - 12 * MIN))
    (finding,) = judged(snapshot)
    assert (finding.kind, finding.verdict, finding.severity) == (Kind.INACTIVITY, Verdict.RAISE, Severity.SOFT)
    assert finding.subject.key == "home/7"
    assert finding.since == NOON - 13 * H - 5 * MIN
    assert sentence(finding.reason.id, finding.reason.values, "en") == (
        "no water for 13 h 05 min (2 L in that time); limit 10 L in 12 h; meter heard 12 min ago"
    )
    # When the next reading should have come in.
    assert RULE.evaluate(snapshot, NOON).next_due == NOON + 3 * MIN + timedelta(seconds=45)


@pytest.mark.parametrize(("used_l", "fires"), [(9.9, True), (10.0, False)])
def test_the_limit_is_less_than_the_volume(used_l: float, fires: bool) -> None:
    snapshot = home(meter(hourly([50] * 5 + [0] * 11 + [used_l])))
    assert bool(judged(snapshot)) is fires


@pytest.mark.parametrize(("dry_hours", "fires"), [(11, False), (12, True)])
def test_the_window_must_be_covered_whole(dry_hours: int, fires: bool) -> None:
    assert bool(judged(home(meter(hourly([50] * 5 + [0] * dry_hours))))) is fires


def test_policy_sets_volume_and_window() -> None:
    snapshot = home(meter(hourly([50] * 5 + [1] * 8)))
    assert not judged(snapshot)
    assert judged(replace(snapshot, policy=Policy(inactivity_volume_l=9.0, inactivity_window_h=8.0)))


def test_no_data_is_not_no_use() -> None:
    used_until_midnight = hourly([20] * 12, ends=NOON - 12 * H)
    assert not judged(home(meter(used_until_midnight)))
    assert not judged(home(meter([])))
    assert not judged(home())


def test_a_gap_in_reporting_is_covered_by_the_totals_on_either_side() -> None:
    dry = [(NOON - 30 * H, 500.0), (NOON - 14 * H, 700.0), (NOON, 701.0)]
    used = [(NOON - 30 * H, 500.0), (NOON - 14 * H, 700.0), (NOON, 730.0)]
    assert [f.since for f in judged(home(meter(dry)))] == [NOON - 14 * H]
    assert not judged(home(meter(used)))


def test_a_young_installation_cannot_be_judged_yet() -> None:
    installed_at = NOON - 11 * H
    young = meter(hourly([0] * 11), installed_at=installed_at)
    assert not judged(home(young))
    assert RULE.evaluate(home(young), NOON).next_due == installed_at + 12 * H - 5 * MIN


@pytest.mark.parametrize("odd_total_l", [900.0, 1_000_000.0], ids=["running backwards", "more than any pipe carries"])
def test_impossible_totals_split_the_cover(odd_total_l: float) -> None:
    before = hourly([30] * 6 + [0] * 8, ends=NOON - 6 * H)
    after = [(NOON - (5 - hour) * H, odd_total_l) for hour in range(6)]
    assert not judged(home(meter([*before, *after]), looked_until=NOON - 8 * H))
    dry_again = [(NOON + hour * H, odd_total_l) for hour in range(1, 8)]
    later = NOON + 7 * H
    (finding,) = judged(home(meter([*before, *after, *dry_again]), now=later), later)
    assert finding.since == NOON - 5 * H  # not what was before the split


def test_cover_lost_in_a_dry_spell_does_not_end_it() -> None:
    before = hourly([30] * 6 + [0] * 14, ends=NOON - 2 * H)
    swapped = [(NOON - 1 * H, 3.0), (NOON, 3.0)]
    snapshot = home(meter([*before, *swapped]), looked_until=NOON - 2 * H, ongoing={"inactivity": NOON - 16 * H})
    assert [f.verdict for f in judged(snapshot)] == [Verdict.RAISE]
    used = [(NOON - 1 * H, 3.0), (NOON, 33.0)]
    snapshot = replace(snapshot, installations=(meter([*before, *used]),))
    assert [f.verdict for f in judged(snapshot)] == [Verdict.CLEAR]


def test_use_clears_what_was_raised_and_nothing_else() -> None:
    readings = hourly([30] * 3 + [0] * 14 + [40])
    told = frozenset({Kind.INACTIVITY})
    raised = home(meter(readings), open_kinds=told, ongoing={"inactivity": NOON - 15 * H}, looked_until=NOON - H)
    (finding,) = judged(raised)
    assert finding.verdict is Verdict.CLEAR
    assert sentence(finding.reason.id, finding.reason.values, "en").startswith("sign of life")
    held = home(meter(readings), ongoing={"inactivity": NOON - 15 * H}, looked_until=NOON - H)
    assert [f.verdict for f in judged(held)] == [Verdict.CLEAR]  # though a person has closed the case
    assert RULE.evaluate(held, NOON).ongoing_since is None
    assert [f.verdict for f in judged(home(meter(readings), looked_until=NOON - H))] == [Verdict.RECORD]


def test_a_spell_between_two_looks_is_recorded_once() -> None:
    readings = hourly([30] * 3 + [0] * 14 + [40] * 6)
    (finding,) = judged(home(meter(readings), looked_until=NOON - 20 * H))
    assert (finding.verdict, finding.since) == (Verdict.RECORD, NOON - 20 * H)
    assert sentence(finding.reason.id, finding.reason.values, "en").endswith("it is over")
    again = judged(home(meter(readings), looked_until=NOON - 2 * H))
    assert [(f.verdict, f.since) for f in again] == [(Verdict.RECORD, NOON - 20 * H)]  # known by its beginning
    assert not judged(home(meter(readings), looked_until=NOON + 17 * H))


def test_first_look_judges_the_last_day_only() -> None:
    week_ago = hourly([30] * 3 + [0] * 14 + ([40] * 20 + [0] * 4) * 5)
    assert not judged(home(meter(week_ago), looked_until=None))
    yesterday = hourly([30] * 3 + [0] * 14 + [40] * 10)
    assert [f.verdict for f in judged(home(meter(yesterday), looked_until=None))] == [Verdict.RECORD]


def test_meters_of_a_home_add_up_and_must_all_cover() -> None:
    cold = meter(hourly([30] * 6 + [0] * 14))
    warm_used = meter(hourly([0] * 15 + [12] + [0] * 4), device="meter-2")
    warm_dry = meter(hourly([0] * 20), device="meter-2")
    warm_silent = meter(hourly([0] * 12, ends=NOON - 8 * H), device="meter-2")
    assert judged(home(cold, warm_dry))
    assert not judged(home(cold, warm_used))
    assert not judged(home(cold, warm_silent))


def test_a_meter_that_was_replaced_counts_for_its_own_time() -> None:
    swapped_at = NOON - 15 * H
    old = meter(hourly([30] * 10, ends=swapped_at), removed_at=swapped_at)
    new = meter(hourly([0] * 15, start_l=0.0), device="meter-2", installed_at=swapped_at)
    (finding,) = judged(home(old, new))
    assert finding.since == swapped_at


def test_a_long_spell_keeps_its_beginning_when_a_look_no_longer_reads_it() -> None:
    began = NOON - 9 * 24 * H
    known = home(meter(hourly([0.5] * 16)), ongoing={"inactivity": began}, open_kinds=frozenset({Kind.INACTIVITY}))
    (finding,) = judged(known)
    assert (finding.verdict, finding.since) == (Verdict.RAISE, began)


def test_a_drip_below_the_limit_does_not_move_the_beginning() -> None:
    readings = hourly([60] * 3 + [0.7] * 40)
    sinces = set()
    for hours in range(20):
        now = NOON - hours * H
        seen = [r for r in readings if r[0] <= now]
        (finding,) = judged(home(meter(seen), now=now, looked_until=None), now)
        sinces.add(finding.since)
    assert len(sinces) == 1


def test_a_meter_that_stopped_long_ago_is_not_inactive() -> None:
    stopped = hourly([30] * 3 + [0] * 13, ends=NOON - 5 * 24 * H)
    assert not judged(home(meter(stopped), looked_until=None))


def test_late_upload_of_a_day_is_judged_whole() -> None:
    upload = hourly([30] * 4 + [0] * 13 + [25] * 7 + [0] * 20)
    findings = judged(home(meter(upload, interval_s=86_400), looked_until=NOON - 44 * H))
    assert [(f.verdict, f.since) for f in findings] == [
        (Verdict.RECORD, NOON - 40 * H),
        (Verdict.RAISE, NOON - 20 * H),
    ]


USES = st.lists(st.sampled_from([0.0, 0.0, 0.0, 1.0, 4.0, 30.0]), min_size=2, max_size=90)


@given(uses=USES, volume_l=st.sampled_from([1.0, 6.0, 10.0]), window_h=st.integers(2, 14))
def test_dry_as_the_definition_says(uses: list[float], volume_l: float, window_h: int) -> None:
    """Against the definition, written out: for every reading b and the latest reading a with a.t <= b.t - T."""
    readings = hourly(uses)
    device = meter(readings)
    dry = dryness(cover([device]), volume_l=volume_l, window_s=window_h * 3600.0)
    expected = set()
    for at, total_l in readings:
        opening = [total for when, total in readings if when <= at - window_h * H]
        if opening and total_l - opening[-1] < volume_l:
            expected.add(at)
    found = {at for at, _ in readings for s in dry.spells if s.fired_s <= at.timestamp() <= s.until_s}
    assert found == expected
    assert (dry.lasting is not None) == (readings[-1][0] in expected)
    for spell in dry.spells:
        assert spell.fired_s - spell.since_s >= window_h * 3600.0


@given(uses=USES, data=st.data())
def test_extra_looks_and_their_order_change_nothing(uses: list[float], data: st.DataObject) -> None:
    """One look over everything finds the episodes that many looks find, and repeats nothing that was recorded."""
    readings = hourly(uses)
    start = readings[0][0]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(readings)), max_size=8)) | {len(readings)})
    episodes: list[set[datetime]] = []
    for stops in ([len(readings)], cuts):
        snapshot = home(meter([]), looked_until=start)
        seen: set[datetime] = set()
        for stop in stops:
            now = readings[stop - 1][0]
            judgement = RULE.evaluate(replace(snapshot, installations=(meter(readings[:stop]),)), now)
            seen |= {f.since for f in judgement.findings if f.verdict is not Verdict.CLEAR}
            ongoing = {} if judgement.ongoing_since is None else {"inactivity": judgement.ongoing_since}
            snapshot = replace(snapshot, looked_until=judgement.judged_until, ongoing=ongoing)
            again = RULE.evaluate(replace(snapshot, installations=(meter(readings[:stop]),)), now)
            assert {f.since for f in again.findings} <= seen
        episodes.append(seen)
    assert episodes[0] == episodes[1]


Arrivals = list[tuple[datetime, datetime, float]]


def watched(
    arrivals: Arrivals, *, step: timedelta, dense: bool, after: timedelta | None = None
) -> tuple[dict[datetime, datetime], set[datetime], int]:
    """Watches a home live: since -> when it was raised; what was recorded; and how many looks it took.

    It goes on for `after`, or two steps, when the last reading is in.
    """
    snapshot = home(meter([]), policy=Policy(inactivity_window_h=4.0), looked_until=NOON)
    raised: dict[datetime, datetime] = {}
    recorded: set[datetime] = set()
    now, looks, end = NOON, 0, max(received for _, received, _ in arrivals) + (after or 2 * step)
    while now < end:
        from_at = read_from(snapshot.looked_until, snapshot.policy, now, timedelta(days=35))
        readings = sorted((at, litres) for at, received, litres in arrivals if received <= now and at >= from_at)
        heard_at = max((received for _, received, _ in arrivals if received <= now), default=None)
        device = meter(readings, interval_s=int(step.total_seconds()), installed_at=NOON - H, heard_at=heard_at)
        judgement = RULE.evaluate(replace(snapshot, installations=(device,)), now)
        looks += 1
        for finding in judgement.findings:
            if finding.verdict is Verdict.RAISE:
                raised.setdefault(finding.since, now)
            elif finding.verdict is Verdict.RECORD:
                recorded.add(finding.since)
        ongoing = {} if judgement.ongoing_since is None else {"inactivity": judgement.ongoing_since}
        snapshot = replace(snapshot, looked_until=judgement.judged_until, ongoing=ongoing)
        assert judgement.next_due > now
        # Between two arrivals nothing changes from minute to minute but the clock.
        now = min((r for _, r, _ in arrivals if r > now), default=end) if dense else judgement.next_due
    return raised, recorded - raised.keys(), looks


LIVES = st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.0, 3.0, 30.0]), min_size=60, max_size=160)


@settings(deadline=None, max_examples=40)
@given(uses=LIVES, delay_s=st.integers(0, 800), upload_every=st.sampled_from([1, 1, 4, 24]))
def test_looking_when_due_finds_what_looking_every_minute_finds(
    uses: list[float], delay_s: int, upload_every: int
) -> None:
    """The same spells, each raised at most one reporting interval later, in far fewer looks."""
    step = 15 * MIN * upload_every
    arrivals = []
    for number, total_l in enumerate(itertools.accumulate(uses)):
        at = NOON + number * 15 * MIN
        upload = -(-(number + 1) // upload_every) * upload_every - 1
        arrivals.append((at, NOON + upload * 15 * MIN + timedelta(seconds=delay_s), total_l))
    dense_raised, dense_recorded, _ = watched(arrivals, step=step, dense=True)
    sparse_raised, sparse_recorded, looks = watched(arrivals, step=step, dense=False)
    assert sparse_raised.keys() <= dense_raised.keys()
    assert sparse_recorded >= dense_recorded
    # What was raised and cleared within one interval may be met when it is over.
    still_coming = {since for since, at in dense_raised.items() if at > max(a[1] for a in arrivals) - 2 * step}
    assert dense_raised.keys() | dense_recorded <= sparse_raised.keys() | sparse_recorded | still_coming
    for since, at in sparse_raised.items():
        assert timedelta() <= at - dense_raised[since] <= step
    dry_readings = sum(used_l < 10 for used_l in uses)
    assert looks <= len(uses) / 8 + dry_readings + 4


@settings(deadline=None, max_examples=40)
@example(uses=[0.0] * 60 + [3.0] + [0.0] * 12 + [3.0, 3.0, 3.0, 0.0, 30.0], delays_min=[17, 0], seed=Random(0))
@example(uses=[0.0] * 17 + [30.0] + [0.0] * 42, delays_min=[16, 0], seed=Random(0))
@given(uses=LIVES, delays_min=st.lists(st.integers(0, 90), min_size=1, max_size=7), seed=st.randoms())
def test_readings_out_of_order_hide_no_spell(uses: list[float], delays_min: list[int], seed: Random) -> None:
    """Whatever arrives behind what was judged: every spell in the data, once complete, has been raised or recorded."""
    arrivals = [
        (NOON + n * 15 * MIN, NOON + n * 15 * MIN + delays_min[n % len(delays_min)] * MIN, total_l)
        for n, total_l in enumerate(itertools.accumulate(uses))
    ]
    complete = meter([(at, total_l) for at, _, total_l in arrivals], installed_at=NOON - H)
    true = dryness(cover([complete]), volume_l=10.0, window_s=4 * 3600.0)
    committed = list(arrivals)
    seed.shuffle(committed)
    for dense in (True, False):
        # What came and went unseen, for want of one reading that was late, is met by the next look, whenever it is.
        raised, recorded, _ = watched(committed, step=15 * MIN, dense=dense, after=RULE.max_latency + MIN)
        for spell in true.spells:
            assert instant(spell.since_s) in raised.keys() | recorded


def test_instants_come_back_as_they_went_in() -> None:
    assert instant((NOON + timedelta(microseconds=123_456)).timestamp()) == NOON + timedelta(microseconds=123_456)
