"""Leaks, water left running, much water in a day, use that a leak hides: quiet, fires, clears, cannot know."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.findings import Finding, Kind, Severity, Verdict
from alerts.life.case import Past
from alerts.life.verdicts import judge
from alerts.messages import MessageType
from alerts.model import State
from alerts.wording import sentence
from registry.policy import Policy
from rules.library.flow_running import ContinuousFlow
from rules.library.hidden_use import HiddenUse
from rules.library.high_use import HighUse
from rules.library.leak import Leak
from rules.rule import Rule
from rules.snapshot import Installation, Snapshot
from tests.unit.rule_worlds import MIN, NOON, H, home, hourly, meter

LEAK, FLOW, HIGH, HIDDEN = Leak(), ContinuousFlow(), HighUse(), HiddenUse()
QUARTER = 15 * MIN
Readings = list[tuple[datetime, float]]


def quarters(use_l: Sequence[float], *, ends: datetime = NOON) -> Readings:
    totals = list(itertools.accumulate(use_l, initial=1000.0))
    return [(ends - (len(use_l) - n) * QUARTER, total_l) for n, total_l in enumerate(totals)]


def findings(rule: Rule, snapshot: Snapshot, now: datetime = NOON) -> list[Finding]:
    return list(rule.evaluate(snapshot, now).findings)


def verdicts(rule: Rule, snapshot: Snapshot, now: datetime = NOON) -> list[Verdict]:
    return [finding.verdict for finding in findings(rule, snapshot, now)]


def said(finding: Finding) -> str:
    return sentence(finding.reason.id, finding.reason.values, "en")


# --- leak


@pytest.mark.parametrize(("hours", "fires"), [(23, False), (24, True)])
def test_leak_fires_after_a_day_without_a_pause(hours: int, fires: bool) -> None:
    snapshot = home(meter(hourly([9.0, 0.0, *[2.0] * hours])))
    found = findings(LEAK, snapshot)
    assert bool(found) is fires
    if fires:
        assert (found[0].kind, found[0].severity, found[0].since) == (Kind.LEAK, Severity.SOFT, NOON - 24 * H)
        assert said(found[0]) == (
            "suspected leak: water has not stopped at meter meter-1 for 1 d; "
            "48 L in that time, never less than 2 L in an hour"
        )


def test_leak_is_quiet_with_a_pause_of_half_an_hour() -> None:
    dripping = [1.0] * 100
    assert verdicts(LEAK, home(meter(quarters(dripping)))) == [Verdict.RAISE]
    assert verdicts(LEAK, home(meter(quarters([*dripping[:60], 0.0, *dripping[61:]])))) == [Verdict.RAISE]
    assert not verdicts(LEAK, home(meter(quarters([*dripping[:60], 0.0, 0.0, *dripping[62:]]))))
    assert not verdicts(LEAK, home(meter(hourly([2.0] * 12 + [0.0] + [2.0] * 20))))


def test_leak_clears_with_the_first_pause_only() -> None:
    told: dict[str, Any] = {"open_kinds": frozenset({Kind.LEAK}), "ongoing": {"leak": NOON - 30 * H}}
    still = LEAK.evaluate(home(meter(hourly([3.0] * 30)), **told), NOON)
    assert [(f.verdict, f.since) for f in still.findings] == [(Verdict.RAISE, NOON - 30 * H)]
    assert still.next_due <= NOON + 16 * MIN
    (over,) = findings(LEAK, home(meter(hourly([3.0] * 30 + [0.0])), **told))
    assert over.verdict is Verdict.CLEAR
    assert said(over) == "the water has stopped"
    silent = home(meter(hourly([3.0] * 30, ends=NOON - 9 * H)), **told)
    assert verdicts(LEAK, silent) == [Verdict.RAISE], "no data is no pause"
    assert not verdicts(LEAK, home(meter([]), **told)), "nor where nothing is read"


def test_a_leak_between_two_looks_is_told_as_over_and_once() -> None:
    readings = hourly([0.0] * 3 + [3.0] * 26 + [0.0] * 3)
    first = LEAK.evaluate(home(meter(readings), looked_until=NOON - 12 * H), NOON)
    assert [f.verdict for f in first.findings] == [Verdict.RAISE, Verdict.CLEAR]
    assert said(first.findings[0]).startswith("suspected leak, now over: water did not stop at meter meter-1 for 1 d")
    assert first.ongoing_since == NOON - 29 * H
    # Another rule that fails keeps the same span to be judged: nothing is told again.
    ongoing = {"leak": first.ongoing_since}
    again = LEAK.evaluate(home(meter(readings), looked_until=NOON - 12 * H, ongoing=ongoing), NOON + MIN)
    assert not [f for f in again.findings if f.verdict is Verdict.RAISE]
    carried = {} if again.ongoing_since is None else {"leak": again.ongoing_since}
    after = LEAK.evaluate(home(meter(readings), looked_until=NOON, ongoing=carried), NOON + MIN)
    assert not [f for f in after.findings if f.verdict is Verdict.RAISE]
    assert after.ongoing_since is None


def test_the_alerts_tell_a_past_leak_once_and_close_it() -> None:
    readings = hourly([0.0] * 3 + [3.0] * 26 + [0.0] * 3)
    raised, cleared = findings(LEAK, home(meter(readings), looked_until=NOON - 12 * H))
    opened = judge(raised, None, Past(), NOON)
    assert opened is not None
    assert opened.tell is MessageType.RAISED
    closed = judge(cleared, opened.case, Past(), NOON)
    assert closed is not None
    assert (closed.tell, closed.case.state) == (MessageType.CLEARED, State.CLOSED)
    assert judge(cleared, None, Past(), NOON) is None, "an extra look adds nothing"


def test_leak_is_not_judged_by_readings_hours_apart() -> None:
    coarse = meter([(NOON - n * 6 * H, 5000.0 - 30 * n) for n in reversed(range(20))], interval_s=21_600)
    judgement = LEAK.evaluate(home(coarse), NOON)
    assert not judgement.findings
    assert judgement.judged_until is None


def test_a_day_uploaded_at_once_is_judged_by_its_readings() -> None:
    upload = meter(hourly([3.0] * 30), interval_s=86_400)
    assert verdicts(LEAK, home(upload)) == [Verdict.RAISE]


def test_one_pipe_leaks_though_the_other_rests() -> None:
    cold, warm = meter(hourly([3.0] * 30)), meter(hourly([0.0] * 30), device="warm")
    (finding,) = findings(LEAK, home(cold, warm))
    assert finding.evidence["device"] == "meter-1"


# --- continuous flow


def test_running_water_is_asked_after_and_then_visited() -> None:
    shower = [0.0] * 20 + [120.0] * 8
    (soft,) = findings(FLOW, home(meter(quarters(shower))))
    assert (soft.kind, soft.severity, soft.since) == (Kind.CONTINUOUS_FLOW, Severity.SOFT, NOON - 2 * H)
    assert said(soft) == "water has been running at meter meter-1 for 2 h on end (960 L in that time)"
    (hard,) = findings(FLOW, home(meter(quarters([0.0] * 20 + [120.0] * 16))))
    assert hard.severity is Severity.HARD
    assert not findings(FLOW, home(meter(quarters([0.0] * 20 + [120.0] * 7))))


def test_a_busy_morning_is_no_running_tap() -> None:
    busy = [0.0] * 20 + [8.0, 40.0, 12.0, 30.0, 9.0, 50.0, 14.0, 20.0, 11.0, 35.0]
    assert not findings(FLOW, home(meter(quarters(busy))))


def test_a_shower_in_each_hour_is_no_running_tap() -> None:
    assert not findings(FLOW, home(meter(hourly([0.0] * 9 + [70.0, 80.0, 60.0]), interval_s=3600)))
    assert not findings(FLOW, home(meter(hourly([0.0] * 9 + [300.0, 300.0]), interval_s=3600)))
    assert verdicts(FLOW, home(meter(hourly([0.0] * 9 + [300.0] * 3), interval_s=3600))) == [Verdict.RAISE]


def test_a_cistern_that_runs_for_weeks_is_none_and_a_tap_beside_it_is() -> None:
    cistern = [25.0] * 140
    old = home(meter(quarters(cistern)), looked_until=NOON - 2 * H)
    assert findings(FLOW, old)[0].since == NOON - 35 * H, "from where it is read, it may be anything"
    grown = home(meter(quarters([6.0] * 140 + [14.0] * 8)))
    assert not findings(FLOW, grown), "8 L more in a quarter of an hour are no tap"
    assert findings(FLOW, home(meter(quarters([6.0] * 140 + [30.0] * 8))))[0].since == NOON - 2 * H


def test_a_tap_that_runs_for_days_does_not_become_base_flow() -> None:
    (finding,) = findings(FLOW, home(meter(quarters([0.0] * 12 + [100.0] * 160))))
    assert (finding.verdict, finding.severity) == (Verdict.RAISE, Severity.HARD)
    assert finding.since == NOON - 40 * H


def test_a_reading_that_is_missing_does_not_turn_off_a_tap() -> None:
    running = quarters([0.0] * 20 + [22.5] * 16)
    since = NOON - 4 * H
    told: dict[str, Any] = {"open_kinds": frozenset({Kind.CONTINUOUS_FLOW}), "ongoing": {"continuous_flow": since}}
    for missing in (slice(-5, -3), slice(-3, -1)):
        readings = [*running]
        del readings[missing]
        (finding,) = findings(FLOW, home(meter(readings), **told))
        assert (finding.verdict, finding.since) == (Verdict.RAISE, since)
    stopped = [(at, total_l) for at, total_l in running[:-3]] + [(NOON, running[-4][1] + 40.0)]
    assert verdicts(FLOW, home(meter(stopped), **told)) == [Verdict.CLEAR]


def test_what_ran_between_two_looks_is_recorded_and_what_stopped_is_cleared() -> None:
    ran = meter(quarters([0.0] * 20 + [100.0] * 9 + [0.0] * 6))
    assert verdicts(FLOW, home(ran, looked_until=NOON - 4 * H)) == [Verdict.RECORD]
    told = home(ran, open_kinds=frozenset({Kind.CONTINUOUS_FLOW}), ongoing={"continuous_flow": NOON - 225 * MIN})
    assert verdicts(FLOW, told) == [Verdict.CLEAR]


# --- high use


def test_high_use_by_the_local_day_and_once() -> None:
    # Shanghai's midnight is at 16:00 UTC, twenty hours before noon.
    day = hourly([0.0] * 30 + [150.0] * 18)
    (finding,) = findings(HIGH, home(meter(day)))
    assert (finding.kind, finding.verdict, finding.severity) == (Kind.HIGH_USE, Verdict.RAISE, Severity.SOFT)
    assert finding.since == NOON - 20 * H
    assert said(finding) == "more water than usual on 2026-03-28: at least 2700 L; limit 2000 L in a day"
    split = hourly([0.0] * 17 + [170.0] * 22 + [0.0] * 9)  # 11 h on either side of midnight
    assert not findings(HIGH, home(meter(split)))


def test_high_use_is_over_with_a_day_within_the_limit_and_told_anew_for_another() -> None:
    yesterday = [0.0] * 4 + [150.0] * 20
    known: dict[str, Any] = {"ongoing": {"high_use": NOON - 44 * H}, "open_kinds": frozenset({Kind.HIGH_USE})}
    still = home(meter(hourly([0.0] * 6 + yesterday + [3.0] * 20)), **known)
    assert [(f.verdict, f.since) for f in findings(HIGH, still)] == [(Verdict.RAISE, NOON - 44 * H)]
    later = NOON + 5 * H
    calm = home(meter(hourly([0.0] * 6 + yesterday + [3.0] * 25, ends=later)), now=later, **known)
    assert verdicts(HIGH, calm, later) == [Verdict.CLEAR]
    again = home(meter(hourly([0.0] * 6 + yesterday + [3.0] * 4 + [150.0] * 16)), **known)
    assert [(f.verdict, f.since) for f in findings(HIGH, again)] == [
        (Verdict.CLEAR, NOON - 20 * H),
        (Verdict.RAISE, NOON - 20 * H),
    ]


@pytest.mark.parametrize(("hour_of_change", "hours"), [(datetime(2026, 3, 29), 23), (datetime(2026, 10, 25), 25)])
def test_days_of_23_and_25_hours(hour_of_change: datetime, hours: int) -> None:
    ends = hour_of_change.replace(tzinfo=NOON.tzinfo) + 22 * H + (0 if hours == 23 else 1) * H
    whole_l = 100.0
    readings = hourly([0.0] * 40 + [whole_l] * hours, ends=ends)
    berlin: dict[str, Any] = {"time_zone": "Europe/Berlin", "now": ends, "looked_until": ends - 2 * H}
    limit = Policy(day_max_l=whole_l * hours - 1)
    (finding,) = findings(HIGH, home(meter(readings), policy=limit, **berlin), ends)
    assert finding.since == ends - hours * H
    enough = Policy(day_max_l=whole_l * hours)
    assert not findings(HIGH, home(meter(readings), policy=enough, **berlin), ends)


# --- hidden use


def test_a_leak_that_hides_use_is_said_and_one_that_does_not_is_not() -> None:
    (impairment,) = HIDDEN.evaluate(home(meter(hourly([22.0] * 40))), NOON).impairments
    assert impairment.since == NOON - 40 * H
    assert sentence(impairment.reason.id, impairment.reason.values, "en") == (
        "at meter meter-1 22 L flow every hour without a stop: use is hidden by it"
    )
    assert not HIDDEN.evaluate(home(meter(hourly([3.0] * 40))), NOON).impairments
    assert not HIDDEN.evaluate(home(meter(hourly([22.0] * 36 + [0.0] * 4))), NOON).impairments
    assert not HIDDEN.evaluate(home(meter([])), NOON).impairments_known


def coarse(readings: Readings, step_l: float) -> Installation:
    """A meter as its register in steps shows it."""
    known = meter([(at, total_l // step_l * step_l) for at, total_l in readings])
    return replace(known, water=replace(known.water, step_l=step_l))


@pytest.mark.parametrize("step_l", [2.5, 10.0])
def test_a_register_in_steps_that_never_stands_still_hides_use_where_that_goes_on_for_two_days(step_l: float) -> None:
    lively = [step_l, 0.0, 0.0] * 30
    for hours, is_said in ((40, False), (47, False), (48, True), (60, True)):
        judgement = HIDDEN.evaluate(home(coarse(hourly(lively[:hours]), step_l)), NOON)
        assert judgement.impairments_known
        assert judgement.next_due < NOON + H
        assert [found.since for found in judgement.impairments] == [NOON - hours * H] * is_said
        assert [sentence(found.reason.id, found.reason.values, "en") for found in judgement.impairments] == [
            f"meter meter-1 has not stood still for 3 h in {hours // 24} d"
            + (f" {hours % 24} h" if hours % 24 else "")
            + f": by its steps of {step_l:g} L, use cannot be told from a constant flow"
        ] * is_said
    assert not HIDDEN.evaluate(home(coarse(hourly([*lively, 0.0, 0.0, 0.0, 0.0]), step_l)), NOON).impairments


def test_where_less_than_two_days_are_read_all_of_it_counts() -> None:
    brief = Policy(inactivity_hard_window_h=6.0, inactivity_window_h=6.0, inactivity_max_h=6.0, leak_h=6.0)
    lively = home(coarse(hourly([10.0, 0.0, 0.0] * 13), 10.0), policy=brief)
    assert HIDDEN.evaluate(lively, NOON).impairments
    assert not HIDDEN.evaluate(replace(lively, policy=Policy()), NOON).impairments


# --- due, and extra looks


def watched(
    rule: Rule, readings: Readings, delay: timedelta, *, dense: bool
) -> tuple[dict[datetime, datetime], set[datetime], int]:
    """Watches a home live: since -> when it was first raised; what was recorded; and the looks it took."""
    snapshot = home(meter([]), policy=Policy(leak_h=6.0, flow_h=1.0, day_max_l=800.0), looked_until=readings[0][0])
    step = readings[1][0] - readings[0][0]
    raised: dict[datetime, datetime] = {}
    recorded: set[datetime] = set()
    now, end, looks = readings[0][0], readings[-1][0] + delay + 2 * step, 0
    while now < end:
        known = [reading for reading in readings if reading[0] + delay <= now][-200:]
        device = replace(meter(known, interval_s=int(step.total_seconds())), installed_at=readings[0][0] - H)
        if known:
            device = replace(device, heard_at=known[-1][0] + delay)
        judgement = rule.evaluate(replace(snapshot, installations=(device,)), now)
        looks += 1
        for finding in judgement.findings:
            if finding.verdict is Verdict.RAISE:
                raised.setdefault(finding.since, now)
            elif finding.verdict is Verdict.RECORD:
                recorded.add(finding.since)
        ongoing = {} if judgement.ongoing_since is None else {rule.name: judgement.ongoing_since}
        snapshot = replace(
            snapshot, ongoing=ongoing, looked_until=max(filter(None, (judgement.judged_until, snapshot.looked_until)))
        )
        assert judgement.next_due > now
        # Between two arrivals nothing changes but the clock.
        arrival = min((at + delay for at, _ in readings if at + delay > now), default=end)
        now = arrival if dense else min(judgement.next_due, now + rule.max_latency)
    return raised, recorded - raised.keys(), looks


def lives(*quiet: float) -> st.SearchStrategy[list[float]]:
    return st.lists(
        st.tuples(st.sampled_from(quiet), st.integers(1, 30)).map(lambda run: [run[0]] * run[1]), min_size=3, max_size=7
    ).map(lambda runs: list(itertools.chain.from_iterable(runs)))


@settings(deadline=None, max_examples=12)
@given(uses=lives(0.0, 0.0, 3.0, 60.0), delay_min=st.integers(0, 14), make=st.sampled_from([Leak, ContinuousFlow]))
def test_looking_when_due_finds_what_looking_all_the_time_finds(
    uses: list[float], delay_min: int, make: Callable[[], Rule]
) -> None:
    """The same, each at most one reporting interval later; what was over by then is told as over."""
    rule, readings, delay = make(), quarters(uses), delay_min * MIN
    dense_raised, dense_recorded, _ = watched(rule, readings, delay, dense=True)
    sparse_raised, sparse_recorded, looks = watched(rule, readings, delay, dense=False)
    assert not dense_recorded, "nothing comes and goes between two looks that are never far apart"
    last = readings[-1][0] - QUARTER
    assert {since for since, at in dense_raised.items() if at < last} <= sparse_raised.keys() | sparse_recorded
    assert sparse_raised.keys() <= dense_raised.keys()
    for since, at in sparse_raised.items():
        if since not in sparse_recorded:
            assert at - dense_raised[since] <= 2 * QUARTER
    assert looks < len(uses) + 8


@settings(deadline=None, max_examples=12)
@given(uses=lives(0.0, 2.0, 3.0, 200.0), cuts=st.sets(st.integers(1, 300), max_size=6))
def test_extra_looks_tell_nothing_twice(uses: list[float], cuts: set[int]) -> None:
    """However often it is looked: the cases that were raised are the same, each raised from nothing once."""
    readings = hourly(uses)
    for rule, policy in ((LEAK, Policy(leak_h=8.0)), (HIGH, Policy(day_max_l=900.0))):
        seen: list[set[datetime]] = []
        some = [*sorted(cut for cut in cuts if cut < len(readings)), len(readings)]
        for stops in (list(range(2, len(readings), 3)) + some[-1:], some):
            snapshot, opened = home(meter([]), policy=policy, looked_until=readings[0][0]), list[datetime]()
            current: datetime | None = None
            for stop in stops:
                now = readings[stop - 1][0] if stop else readings[0][0]
                device: Installation = meter(readings[:stop], interval_s=3600)
                for _ in range(2):
                    judgement = rule.evaluate(replace(snapshot, installations=(device,)), now)
                    for finding in judgement.findings:
                        if finding.verdict is Verdict.RAISE and current is None:
                            opened.append(finding.since)
                        if finding.verdict is not Verdict.RECORD:
                            current = finding.since if finding.verdict is Verdict.RAISE else None
                    # A second look in which another rule has failed judges the same span anew.
                    carried = {} if judgement.ongoing_since is None else {rule.name: judgement.ongoing_since}
                    kinds = frozenset({judgement.findings[0].kind}) if current and judgement.findings else frozenset()
                    snapshot = replace(snapshot, ongoing=carried, open_kinds=kinds)
                snapshot = replace(snapshot, looked_until=judgement.judged_until or snapshot.looked_until)
            assert len(opened) == len(set(opened))
            seen.append(set(opened))
        assert seen[0] == seen[1]
