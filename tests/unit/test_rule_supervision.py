"""Supervision: batteries, tampering, clocks, meters, buttons nobody tries. Quiet, fires, clears, cannot know."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.findings import Finding, Kind, Severity, Verdict
from alerts.wording import sentence
from devices.meters import breaks
from devices.model import EventKind
from registry.policy import Policy
from rules.evaluate import evaluate
from rules.library.battery import BatteryLow
from rules.library.clock import ClockWrong
from rules.library.meter_fault import MeterFault
from rules.library.tamper import Tamper
from rules.library.tests_due import CHECK_OVERDUE, TEST_OVERDUE
from rules.rule import Judgement, Rule
from rules.snapshot import Absence, Battery, Hearing, Installation, OwnTime, Said
from tests.unit.rule_worlds import MIN, NOON, H, home, hourly, meter

D: Final = 24 * H
RULES: Final[tuple[Rule, ...]] = (BatteryLow(), Tamper(), ClockWrong(), MeterFault(), TEST_OVERDUE, CHECK_OVERDUE)


def device(name: str = "btn-1", **known: object) -> Installation:
    facts: dict[str, object] = {"device": name, "installed_at": NOON - 20 * D, "heard_at": NOON - H}
    return Installation(**{**facts, **known})  # type: ignore[arg-type]


def said(kind: EventKind, at: datetime) -> dict[str, Said]:
    return {kind.value: Said(measured_at=at, received_at=at)}


def words(judgement: Judgement) -> str:
    (finding,) = judgement.findings
    assert finding.severity is Severity.TECHNICAL
    assert sentence(finding.reason.id, finding.reason.values, "zh")
    return sentence(finding.reason.id, finding.reason.values, "en")


def verdicts(judgement: Judgement) -> list[Verdict]:
    return [finding.verdict for finding in judgement.findings]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_home_of_which_nothing_is_known_is_quiet(rule: Rule) -> None:
    for snapshot in (home(), home(device()), home(meter(hourly([20] * 48))), home(device(removed_at=NOON - H))):
        judgement = rule.evaluate(snapshot, NOON)
        assert not judgement.findings
        assert judgement.ongoing_since is None
        assert judgement.next_due == NOON + D


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_nothing_that_was_told_ends_because_the_service_is_deaf(rule: Rule) -> None:
    button = device(calls=True, heard_at=None)
    deaf = home(button, hearing=None, ongoing={rule.name: NOON - D}, policy=Policy(test_days=1, check_days=1))
    assert not rule.evaluate(deaf, NOON).findings


# ---------------------------------------------------------------- batteries


@pytest.mark.parametrize(("pct", "fires"), [(15.0, True), (15.5, False)])
def test_a_battery_at_the_limit_is_low(pct: float, fires: bool) -> None:
    judgement = BatteryLow().evaluate(home(device(battery=Battery(pct=pct, measured_at=NOON - H))), NOON)
    assert bool(judgement.findings) is fires


def test_one_case_names_all_low_batteries() -> None:
    judgement = BatteryLow().evaluate(
        home(
            device("btn-1", battery=Battery(pct=12.0, measured_at=NOON - 2 * H)),
            device("meter-1", said=said(EventKind.LOW_BATTERY, NOON - 5 * H)),
            device("door-1", battery=Battery(pct=90.0, measured_at=NOON)),
        ),
        NOON,
    )
    assert words(judgement) == "battery low: meter-1, btn-1 (12 %)"
    assert judgement.findings[0].since == judgement.ongoing_since == NOON - 5 * H


def test_a_figure_as_new_as_the_word_for_it_decides() -> None:
    low = said(EventKind.LOW_BATTERY, NOON - 5 * H)
    older, newer = (Battery(pct=80.0, measured_at=NOON - age * H) for age in (6, 5))
    assert verdicts(BatteryLow().evaluate(home(device(said=low, battery=older)), NOON)) == [Verdict.RAISE]
    assert not BatteryLow().evaluate(home(device(said=low, battery=newer)), NOON).findings


def test_a_battery_must_be_well_above_the_limit_to_end_the_case() -> None:
    told: dict[str, Any] = {"ongoing": {"battery_low": NOON - D}}
    for pct, expected in ((15.0, [Verdict.RAISE]), (20.0, []), (20.5, [Verdict.CLEAR])):
        judgement = BatteryLow().evaluate(home(device(battery=Battery(pct=pct, measured_at=NOON)), **told), NOON)
        assert verdicts(judgement) == expected
        assert (judgement.ongoing_since == NOON - D) is (expected != [Verdict.CLEAR])


def test_what_a_device_said_of_its_battery_is_over_when_it_would_have_said_it_again() -> None:
    low = said(EventKind.LOW_BATTERY, NOON - 50 * H)
    told: dict[str, Any] = {"ongoing": {"battery_low": NOON - 50 * H}}
    assert verdicts(BatteryLow().evaluate(home(device(said=low), **told), NOON)) == [Verdict.RAISE]
    heard = device(said=low, heard_at=NOON)
    assert verdicts(BatteryLow().evaluate(home(heard, **told), NOON)) == [Verdict.CLEAR]


def test_a_device_that_fell_silent_keeps_its_low_battery() -> None:
    silent = device(heard_at=NOON - 40 * D, installed_at=NOON - 90 * D)
    judgement = BatteryLow().evaluate(home(silent, ongoing={"battery_low": NOON - 40 * D}), NOON)
    assert not judgement.findings
    assert judgement.ongoing_since == NOON - 40 * D


def test_a_new_device_in_its_place_ends_the_case() -> None:
    removed = device(battery=Battery(pct=3.0, measured_at=NOON - D), removed_at=NOON - H)
    new = device("btn-2", installed_at=NOON - H, heard_at=None)
    judgement = BatteryLow().evaluate(home(removed, new, ongoing={"battery_low": NOON - 2 * D}), NOON)
    assert verdicts(judgement) == [Verdict.CLEAR]


# ---------------------------------------------------------------- tampering


def test_tampering_is_raised_once_and_ended_by_a_person() -> None:
    box = device("door-1", said=said(EventKind.TAMPER, NOON - 2 * H))
    judgement = Tamper().evaluate(home(box), NOON)
    assert words(judgement) == "tampered with: door-1"
    assert judgement.ongoing_since == NOON - 2 * H
    # Said again two days later: still the same.
    later = replace(box, said=said(EventKind.TAMPER, NOON + 46 * H), heard_at=NOON + 46 * H)
    told: dict[str, Any] = {"ongoing": {"tamper": NOON - 2 * H}, "open_kinds": frozenset({Kind.TAMPER})}
    again = Tamper().evaluate(home(later, **told), NOON + 46 * H)
    assert again.findings[0].since == NOON - 2 * H
    over = replace(box, heard_at=NOON + 60 * H)
    assert Tamper().evaluate(home(over, **told), NOON + 60 * H) == Judgement(next_due=NOON + 84 * H)


# ---------------------------------------------------------------- clocks


def test_readings_refused_for_their_times_tell_of_a_clock() -> None:
    broken = meter([], heard_at=None, installed_at=NOON - 9 * H)
    fires = ClockWrong().evaluate(home(replace(broken, refused_at=NOON - MIN)), NOON)
    assert words(fires).startswith("for 8 h 59 min all readings of meter-1 have been refused")
    assert fires.ongoing_since == NOON - 9 * H
    # It has just started, or readings that could be kept came after them.
    assert not ClockWrong().evaluate(home(replace(broken, refused_at=NOON - 8 * H - 30 * MIN)), NOON).findings
    assert not ClockWrong().evaluate(home(replace(broken, refused_at=NOON - MIN, read_at=NOON)), NOON).findings


def test_a_refusal_before_what_is_read_says_nothing() -> None:
    sparse = meter([], heard_at=None, installed_at=NOON - 20 * D)
    old = replace(sparse, refused_at=NOON - 3 * D)
    assert not ClockWrong().evaluate(home(old), NOON).findings


@pytest.mark.parametrize(
    ("off", "text"),
    [
        (timedelta(hours=8), "the clock of btn-1 is 8 h ahead"),
        (timedelta(minutes=9), None),
        (-timedelta(days=3), None),  # it may have come late
        (-timedelta(days=400), "the clock of btn-1 is 400 d behind"),
    ],
)
def test_the_time_of_an_event_tells_of_a_clock(off: timedelta, text: str | None) -> None:
    button = device(own_time=OwnTime(said=NOON - H + off, received_at=NOON - H))
    judgement = ClockWrong().evaluate(home(button), NOON)
    assert (words(judgement) if judgement.findings else None) == text


def test_a_clock_is_right_again_with_a_time_that_can_be() -> None:
    told: dict[str, Any] = {"ongoing": {"clock_wrong": NOON - D}}
    right = device(own_time=OwnTime(said=NOON - H, received_at=NOON - H))
    assert verdicts(ClockWrong().evaluate(home(right, **told), NOON)) == [Verdict.CLEAR]
    unknown = ClockWrong().evaluate(home(device(), **told), NOON)
    assert not unknown.findings
    assert unknown.ongoing_since == NOON - D
    assert verdicts(ClockWrong().evaluate(home(device(installed_at=NOON - H), **told), NOON)) == [Verdict.CLEAR]


@pytest.mark.parametrize(
    ("lags_h", "fires"),
    [
        ([8.0] * 12, True),
        ([8.0 + 0.01 * n for n in range(12)], True),
        ([8.0 + 0.5 * n for n in range(12)], False),  # a backlog
        ([12.0 - n for n in range(12)], False),  # a day at once
        ([0.1] * 12, False),
        ([8.0] * 11 + [0.0], False),  # set right
    ],
)
def test_readings_that_come_steadily_late_tell_of_a_clock(lags_h: list[float], fires: bool) -> None:
    late = meter(hourly([10] * 11))
    times_s = late.water.measured_s
    received_s = [at_s + lag_h * 3600.0 for at_s, lag_h in zip(times_s, lags_h, strict=True)]
    water = replace(late.water, received_s=received_s)
    judgement = ClockWrong().evaluate(home(replace(late, water=water)), NOON)
    assert bool(judgement.findings) is fires
    if fires:
        assert words(judgement).startswith("the clock of meter-1 is 8 h")


# ---------------------------------------------------------------- meters


def test_a_register_that_starts_anew_is_a_fault_and_each_time_a_new_one() -> None:
    start, reset = hourly([20] * 10, ends=NOON - 10 * H, start_l=90_000), hourly([20] * 9, ends=NOON, start_l=0)
    judgement = MeterFault().evaluate(home(meter([*start, *reset])), NOON)
    assert words(judgement).startswith("meter meter-1 fell from 90200 L to 0 L")
    assert judgement.findings[0].since == NOON - 9 * H
    carried = home(meter([*start, *reset]), ongoing={"meter_fault": NOON - 20 * D})
    assert MeterFault().evaluate(carried, NOON).findings[0].since == NOON - 9 * H
    assert not MeterFault().evaluate(home(meter([*start, *reset[:1]])), NOON).findings  # nothing bears it out yet


def test_a_register_that_leaps_ahead_is_a_fault() -> None:
    readings = [*hourly([20] * 10, ends=NOON - 10 * H), *hourly([20] * 9, ends=NOON, start_l=500_000)]
    assert words(MeterFault().evaluate(home(meter(readings)), NOON)).startswith("meter meter-1 leapt from 1200 L")


def test_a_register_exchanged_by_the_book_is_none() -> None:
    old = meter(hourly([20] * 10, ends=NOON - 10 * H, start_l=90_000), device="old", removed_at=NOON - 9 * H)
    new = meter(hourly([20] * 9, ends=NOON, start_l=0), device="new", installed_at=NOON - 9 * H)
    assert not MeterFault().evaluate(home(old, new), NOON).findings


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (EventKind.BACKFLOW, "meter meter-1 says that water runs through it backwards"),
        (EventKind.DRY, "meter meter-1 says that there is air in it"),
        (EventKind.FAULT, "meter-1 says that it is out of order"),
    ],
)
def test_what_a_meter_says_of_itself_is_one_episode_while_it_lasts(kind: EventKind, text: str) -> None:
    faulty = replace(meter(hourly([20] * 30)), said=said(kind, NOON - 3 * H))
    judgement = MeterFault().evaluate(home(faulty), NOON)
    assert words(judgement) == text
    carried = home(faulty, ongoing={"meter_fault": NOON - 30 * H})
    assert MeterFault().evaluate(carried, NOON).findings[0].since == NOON - 30 * H
    over = replace(faulty, heard_at=NOON + 3 * D)
    assert not MeterFault().evaluate(home(over), NOON + 3 * D).findings


def test_a_clock_set_right_is_no_break_of_the_register() -> None:
    times_s = [h * 3600.0 for h in range(12)] + [(h + 8) * 3600.0 for h in range(12, 24)]
    received_s = [(h + 8) * 3600.0 for h in range(24)]
    totals_l = [100.0 * h for h in range(24)]
    assert breaks(times_s, totals_l, received_s=received_s) == []
    (found,) = breaks(times_s, [*totals_l[:6], *range(18)], received_s=received_s)
    assert (found.at_s, found.before_l, found.after_l) == (6 * 3600.0, 500.0, 0.0)


def test_a_senseless_value_where_the_span_that_is_read_begins_is_no_break() -> None:
    readings = hourly([20.0] * 60)
    for place in (0, 1):
        odd = [*readings]
        odd[place] = (odd[place][0], odd[place][1] + 40_000.0)
        assert not MeterFault().evaluate(home(meter(odd, interval_s=3600)), NOON).findings
    broken = [*readings[:50], *((at, total_l - readings[50][1]) for at, total_l in readings[50:])]
    (finding,) = MeterFault().evaluate(home(meter(broken, interval_s=3600)), NOON).findings
    assert finding.since == readings[50][0]


# ---------------------------------------------------------------- tests and checks


def test_a_button_nobody_has_tested_is_overdue() -> None:
    untested = device(calls=True, installed_at=NOON - 36 * D)
    judgement = TEST_OVERDUE.evaluate(home(untested), NOON)
    assert words(judgement) == "btn-1 was installed 36 d ago and never tested; a test is asked for every 35 d"
    assert judgement.findings[0].since == NOON - D
    tested = replace(untested, tested_at=NOON - 35 * D - H)
    assert words(TEST_OVERDUE.evaluate(home(tested), NOON)) == (
        "btn-1 was last tested 35 d 1 h ago; a test is asked for every 35 d"
    )
    quiet = TEST_OVERDUE.evaluate(home(replace(untested, tested_at=NOON - 34 * D)), NOON)
    assert not quiet.findings
    assert NOON + D <= quiet.next_due <= NOON + D + MIN


def test_a_press_is_a_check_and_no_test() -> None:
    asked = Policy(check_days=7)
    pressed = device(calls=True, installed_at=NOON - 90 * D, used_at=NOON - D)
    assert not CHECK_OVERDUE.evaluate(home(pressed, policy=asked), NOON).findings
    assert TEST_OVERDUE.evaluate(home(pressed, policy=asked), NOON).findings
    unused = home(replace(pressed, used_at=NOON - 8 * D), policy=asked)
    assert words(CHECK_OVERDUE.evaluate(unused, NOON)) == (
        "btn-1 was last used 8 d ago; a check is asked for every 7 d"
    )


def test_a_test_ends_the_case_and_so_does_no_longer_asking() -> None:
    told: dict[str, Any] = {"ongoing": {"test_overdue": NOON - D}, "open_kinds": frozenset({Kind.TEST_OVERDUE})}
    tested = device(calls=True, installed_at=NOON - 90 * D, tested_at=NOON - H)
    (cleared,) = TEST_OVERDUE.evaluate(home(tested, **told), NOON).findings
    assert (cleared.verdict, cleared.since) == (Verdict.CLEAR, NOON - H)
    untested = replace(tested, tested_at=None)
    for not_asked in (home(untested, policy=Policy(test_days=0), **told), home(device(), **told)):
        assert verdicts(TEST_OVERDUE.evaluate(not_asked, NOON)) == [Verdict.CLEAR]
    assert not TEST_OVERDUE.evaluate(home(untested, policy=Policy(test_days=0)), NOON).findings


def test_nothing_is_asked_of_a_button_while_its_owner_is_away_or_we_have_not_heard() -> None:
    untested = device(calls=True, installed_at=NOON - 36 * D)
    away = Absence(absence_id=1, from_at=NOON - 5 * D, until_at=NOON + 2 * D, reason="hospital")
    judgement = TEST_OVERDUE.evaluate(home(untested, absences=(away,)), NOON)
    assert not judgement.findings
    assert judgement.next_due == NOON + 2 * D
    assert TEST_OVERDUE.evaluate(home(untested, absences=(away,)), NOON + 2 * D).findings
    behind = home(untested, hearing=Hearing(until=NOON - 30 * H, since=NOON - 90 * D))
    assert not TEST_OVERDUE.evaluate(behind, NOON).findings


@settings(max_examples=30, deadline=None)
@given(
    tests=st.lists(st.integers(0, 20 * 60), max_size=6),
    days=st.sampled_from([0.05, 0.1, 0.3]),
    lag_s=st.integers(0, 120),
)
def test_looks_when_due_see_what_looks_every_quarter_minute_see(tests: list[int], days: float, lag_s: int) -> None:
    """The first moment of each episode, by looks when due only; a test that ends one is seen within `max_latency`."""
    begin, policy = NOON, Policy(test_days=days)

    def at(now: datetime, ongoing: datetime | None) -> Judgement:
        heard = now - timedelta(seconds=lag_s)
        done = [begin + minute * MIN for minute in tests if begin + minute * MIN <= heard]
        button = device(calls=True, installed_at=begin, tested_at=max(done, default=None))
        known = {} if ongoing is None else {TEST_OVERDUE.name: ongoing}
        snapshot = home(button, policy=policy, hearing=Hearing(until=heard, since=begin - D), ongoing=known)
        return TEST_OVERDUE.evaluate(snapshot, now)

    def first_raise(times: "list[datetime] | None") -> tuple[datetime, datetime] | None:
        ongoing, now = None, begin
        for _ in range(8000):
            judgement = at(now, ongoing)
            for finding in judgement.findings:
                if finding.verdict is Verdict.RAISE:
                    return finding.since, now
            ongoing = judgement.ongoing_since
            now = now + MIN / 4 if times is None else judgement.next_due
            if now > begin + 30 * H:
                return None
        raise AssertionError("it never ends")

    every_quarter, when_due = first_raise(None), first_raise([])
    assert (every_quarter is None) == (when_due is None)
    if every_quarter is not None and when_due is not None:
        assert every_quarter[0] == when_due[0]
        assert when_due[1] - every_quarter[1] <= timedelta(seconds=15)


def facts(name: str) -> st.SearchStrategy[Installation]:
    hours = st.integers(-200, 0).map(lambda h: NOON + h * H)
    battery = st.builds(Battery, pct=st.floats(0, 100), measured_at=hours)
    saying = st.dictionaries(
        st.sampled_from(["low_battery", "tamper", "fault", "dry", "backflow"]),
        st.builds(lambda at: Said(measured_at=at, received_at=at), hours),
    )
    return st.builds(
        lambda **known: device(name, **known),
        heard_at=st.none() | hours,
        battery=st.none() | battery,
        said=saying,
        own_time=st.none() | st.builds(OwnTime, said=hours, received_at=hours),
        # Not where the first look still asks for it and the second no longer does.
        refused_at=st.none() | hours.filter(lambda at: not NOON - 26 * H < at <= NOON - 24 * H),
        read_at=st.none() | hours,
        calls=st.booleans(),
        tested_at=st.none() | hours,
        used_at=st.none() | hours,
    )


@settings(max_examples=150, deadline=None)
@given(facts("a"), facts("b"))
def test_a_second_look_at_the_same_facts_says_the_same(one: Installation, other: Installation) -> None:
    rules = (*RULES,)
    policy = Policy(test_days=2, check_days=1)
    first = evaluate(home(one, other, policy=policy), NOON, rules)
    assert not first.errors

    def told(findings: tuple[Finding, ...]) -> list[tuple[Kind, Verdict, datetime]]:
        return [(finding.kind, finding.verdict, finding.since) for finding in findings]

    raised = frozenset(finding.kind for finding in first.findings if finding.verdict is Verdict.RAISE)
    second = evaluate(
        home(other, one, policy=policy, ongoing=first.ongoing, open_kinds=raised, looked_until=first.looked_until),
        NOON,
        rules,
    )
    assert told(second.findings) == told(first.findings)
    assert second.ongoing == first.ongoing
