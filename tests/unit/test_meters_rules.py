"""What rules conclude from meters that glitch, tremble, count coarsely, roll over, are reset, or have wrong clocks."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.findings import Kind, Verdict
from alerts.wording import sentence
from devices.meters import step_of
from registry.policy import Policy
from rules.dry import dryness
from rules.library.inactivity import Inactivity
from rules.library.uncovered import Uncovered
from rules.rule import Impairment
from rules.snapshot import Installation, Snapshot, judged_by_from, read_from
from rules.water import cover
from tests.unit.rule_worlds import MIN, NOON, H, home, hourly, meter

INACTIVITY, UNCOVERED = Inactivity(), Uncovered()
GLITCH_L = 3.1e9
TOLD = frozenset({Kind.INACTIVITY})

Readings = list[tuple[datetime, float]]


def verdicts(snapshot: Snapshot, now: datetime = NOON) -> list[Verdict]:
    return [finding.verdict for finding in INACTIVITY.evaluate(snapshot, now).findings]


def impairments(snapshot: Snapshot, now: datetime = NOON) -> tuple[Impairment, ...]:
    judgement = UNCOVERED.evaluate(snapshot, now)
    assert judgement.next_due > now
    for impairment in judgement.impairments:
        assert sentence(impairment.reason.id, impairment.reason.values, "zh")
    return judgement.impairments


def counting(installed: Installation, step_l: float) -> Installation:
    return replace(installed, water=replace(installed.water, step_l=step_l))


def test_an_absurd_value_does_not_end_a_dry_spell() -> None:
    dry = hourly([30] * 6 + [0] * 14)
    told = home(open_kinds=TOLD, ongoing={"inactivity": NOON - 14 * H})
    for glitches in (1, 2):
        last = [*dry[:-glitches], *((at, GLITCH_L + 300 * n) for n, (at, _) in enumerate(dry[-glitches:]))]
        assert verdicts(replace(told, installations=(meter(last),))) == [Verdict.RAISE]
        amid = [
            *dry[:-5],
            *((at, GLITCH_L + 300 * n) for n, (at, _) in enumerate(dry[-5 : glitches - 5])),
            *dry[glitches - 5 :],
        ]
        assert verdicts(replace(told, installations=(meter(amid),))) == [Verdict.RAISE]
        first = [*((at, GLITCH_L + 300 * n) for n, (at, _) in enumerate(dry[:glitches])), *dry[glitches:]]
        assert verdicts(replace(told, installations=(meter(first),))) == [Verdict.RAISE]


def raised(readings: Readings) -> dict[datetime, datetime]:
    """Watched live, looked at only when due: since when, and when it was raised."""
    snapshot = home(meter([]), looked_until=readings[0][0])
    found: dict[datetime, datetime] = {}
    now = readings[0][0]
    while now < readings[-1][0] + H:
        known = meter([reading for reading in readings if now - 72 * H <= reading[0] <= now], interval_s=3600)
        judgement = INACTIVITY.evaluate(replace(snapshot, installations=(known,)), now)
        for finding in judgement.findings:
            if finding.verdict is Verdict.RAISE:
                found.setdefault(finding.since, now)
        ongoing = {} if judgement.ongoing_since is None else {"inactivity": judgement.ongoing_since}
        snapshot = replace(snapshot, looked_until=judgement.judged_until, ongoing=ongoing)
        assert judgement.next_due > now
        now = judgement.next_due
    return found


DAYS = st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.0, 0.0, 3.0, 40.0]), min_size=30, max_size=70)


LIVELY_DAYS = st.lists(st.sampled_from([0.0, 0.0, 0.0, 3.0, 6.0, 40.0]), min_size=30, max_size=70)


@settings(deadline=None, max_examples=40)
@given(uses=DAYS, place=st.integers(1, 69), absurd_l=st.sampled_from([0.0, GLITCH_L, 1e9]), length=st.integers(1, 2))
def test_a_glitch_neither_raises_nor_hides_nor_delays(
    uses: list[float], place: int, absurd_l: float, length: int
) -> None:
    """Looked at when due: as if nothing had been received instead, but for when an overdue reading is looked for."""
    sound = hourly(uses, start_l=40_000.0)
    place = min(place, len(sound) - 1 - length)
    hurt = [
        (at, absurd_l + number) if place <= number < place + length else (at, total_l)
        for number, (at, total_l) in enumerate(sound)
    ]
    with_it, without = raised(hurt), raised([*sound[:place], *sound[place + length :]])
    assert with_it.keys() == without.keys()
    assert all(abs(with_it[since] - without[since]) <= H / 2 for since in with_it)


def test_trembling_is_no_sign_of_life() -> None:
    trembling = [(at, total_l + n % 3 - 1) for n, (at, total_l) in enumerate(hourly([30] * 6 + [0] * 30))]
    assert verdicts(home(meter(trembling), open_kinds=TOLD)) == [Verdict.RAISE]
    (segment,) = cover([meter(trembling)])
    assert segment.high_l[-1] - segment.low_l[8] <= 2


@pytest.mark.parametrize(
    ("step_l", "volume_l", "used_l", "fires"),
    [
        (10.0, 10.0, 0.0, True),  # it has not moved: certainly less than 10 L
        (10.0, 10.0, 10.0, False),  # anything up to 20 L
        (10.0, 25.0, 10.0, True),
        (10.0, 25.0, 20.0, False),
        (4.0, 10.0, 4.0, True),
        (4.0, 10.0, 8.0, False),
        (100.0, 10.0, 0.0, False),
        (1.0, 10.0, 9.0, True),
        (1.0, 10.0, 10.0, False),
    ],
)
def test_dry_means_certainly_less(step_l: float, volume_l: float, used_l: float, fires: bool) -> None:
    readings = hourly([200] * 5 + [0] * 12 + [used_l])
    known = home(counting(meter(readings), step_l), policy=Policy(inactivity_volume_l=volume_l))
    assert (verdicts(known) == [Verdict.RAISE]) is fires
    told = replace(known, open_kinds=TOLD, ongoing={"inactivity": NOON - 13 * H})
    if step_l > volume_l:
        assert verdicts(told) == [], "neither dry nor a sign of life"
        assert INACTIVITY.evaluate(told, NOON).ongoing_since == NOON - 13 * H
        (impairment,) = impairments(known)
        assert sentence(impairment.reason.id, impairment.reason.values, "en") == (
            "meter meter-1 moves in steps of 100 L: less than 10 L cannot be told by it"
        )
    else:
        assert not impairments(known)


@given(uses=st.lists(st.floats(0.0, 60.0), min_size=15, max_size=60), step_l=st.sampled_from([1.0, 2.5, 10.0, 100.0]))
def test_a_coarse_register_never_says_dry_where_there_was_use(uses: list[float], step_l: float) -> None:
    true = hourly(uses)
    shown = [(at, total_l // step_l * step_l) for at, total_l in true]
    judged = dryness(cover([counting(meter(shown), step_l)]), volume_l=10.0, window_s=12 * 3600.0)
    for spell in judged.spells:
        for end, (at, total_l) in enumerate(true):
            if spell.fired_s <= at.timestamp() <= spell.until_s:
                assert total_l - true[end - 12][1] < 10.0 + 1e-6
    assert step_l <= 10.0 or not judged.spells


def test_a_coarse_meter_beside_a_fine_one() -> None:
    cold, warm = meter(hourly([30] * 6 + [0] * 14)), meter(hourly([0] * 20), device="warm")
    assert verdicts(home(cold, warm)) == [Verdict.RAISE]
    assert verdicts(home(cold, counting(warm, 10.0))) == [Verdict.RAISE]
    cold_drips = meter(hourly([30] * 6 + [0.5] * 14))
    assert verdicts(home(cold_drips, warm)) == [Verdict.RAISE]
    assert verdicts(home(cold_drips, counting(warm, 10.0))) == []
    coarse = home(cold, counting(warm, 100.0))
    assert verdicts(coarse) == []
    assert [impairment.about for impairment in impairments(coarse)] == ["warm"]


def reading(*totals_l: float, step_l: float, since: datetime) -> Snapshot:
    """A new meter that has shown these totals by noon, and the step that was told from them."""
    every = (NOON - since) / max(1, len(totals_l) - 1)
    readings = [(since + number * every, total_l) for number, total_l in enumerate(totals_l)]
    return home(counting(meter(readings, installed_at=since), step_l), looked_until=since)


@pytest.mark.parametrize(
    ("totals_l", "hours", "said"),
    [
        ([99_000.0], 0, False),
        ([500.0, 600.0], 1, False),  # 1 in 10,000 registers that show litres
        ([500.0, 600.0, 800.0], 1, True),
        ([99_000.0, 99_000.0], 11, False),
        ([99_000.0, 99_000.0], 12, True),  # by now something could have been said of the home, and was not
    ],
)
def test_a_round_total_or_two_are_no_coarse_register(totals_l: list[float], hours: int, said: bool) -> None:
    since = NOON - hours * H
    known = reading(*totals_l, step_l=step_of(totals_l), since=since)
    assert verdicts(known) == [], "nor is anybody inactive by what may be a coarse one"
    words = "moves in steps of 100 L: less than 10 L cannot be told by it"
    if len(set(totals_l)) < 3:
        words = "has lately shown nothing but multiples of 1000 L: while it does, less than 10 L cannot be told by it"
    assert [sentence(found.reason.id, found.reason.values, "en") for found in impairments(known)] == (
        [f"meter meter-1 {words}"] if said else []
    )
    judged = UNCOVERED.evaluate(known, NOON)
    if len(set(totals_l)) < 3:
        assert judged.next_due == (NOON + 3 * H if said else since + 12 * H)
    assert not impairments(reading(*totals_l, totals_l[-1] + 7.0, step_l=0.0, since=since))


def test_the_step_that_an_installation_or_a_pulse_says_is_said_at_once() -> None:
    assert impairments(reading(99_070.0, step_l=100.0, since=NOON))
    known = reading(99_000.0, step_l=100.0, since=NOON)
    (counter,) = known.installations
    assert impairments(replace(known, installations=(replace(counter, water=replace(counter.water, pulse_l=100.0)),)))


def test_pulses_of_unknown_worth_are_heard_but_cover_nothing() -> None:
    counter = replace(meter([], device="em300", heard_at=NOON - MIN), pulses_unknown=True)
    (impairment,) = impairments(home(counter))
    assert impairment.reason.id == "monitoring_pulses_unknown"
    assert sentence(impairment.reason.id, impairment.reason.values, "en") == (
        "meter em300 counts pulses, and the litres per pulse of its installation are missing: use is not judged"
    )
    fine = meter(hourly([30] * 6 + [0] * 14))
    assert verdicts(home(fine)) == [Verdict.RAISE]
    assert verdicts(home(fine, counter)) == [], "all meters of a home must cover"


def test_a_roll_over_is_neither_a_break_nor_a_flood() -> None:
    dry = [(at, total_l % 1e8) for at, total_l in hourly([30] * 6 + [0] * 8 + [2] + [0] * 5, start_l=1e8 - 181)]
    assert dry[-1][1] == 1
    (finding,) = INACTIVITY.evaluate(home(meter(dry)), NOON).findings
    assert (finding.verdict, finding.since) == (Verdict.RAISE, NOON - 14 * H)
    assert finding.reason.values["used_l"] == 2
    used = [(at, total_l % 1e8) for at, total_l in hourly([30] * 6 + [0] * 13 + [25], start_l=1e8 - 181)]
    assert verdicts(home(meter(used), open_kinds=TOLD)) == [Verdict.CLEAR, Verdict.RECORD] or verdicts(
        home(meter(used), open_kinds=TOLD)
    ) == [Verdict.RECORD, Verdict.CLEAR]


def test_a_meter_that_keeps_being_reset_is_impaired() -> None:
    """Heard all the time, yet no window is ever covered: neither silence nor calm."""
    resets = [(NOON - n * 15 * MIN, 40.0 - (n % 12) * 2) for n in reversed(range(4 * 36))]
    known = home(meter(resets))
    assert verdicts(known) == []
    (impairment,) = impairments(known)
    assert impairment.since == resets[0][0]
    later = replace(known, ongoing={"monitoring_impaired": NOON - 90 * H})
    assert impairments(later)[0].since == NOON - 90 * H
    once = [*hourly([20] * 24, ends=NOON - 5 * H, start_l=9_000.0), *((NOON - n * H, 4.0) for n in (4, 3, 2, 1, 0))]
    assert not impairments(home(meter(once)))
    two_days = Policy(inactivity_window_h=48.0)
    assert NOON - judged_by_from(NOON, two_days, NOON) == 96 * H
    assert NOON - read_from(NOON, replace(two_days, inactivity_learned=False), NOON, 35 * 24 * H) == 96 * H
    assert NOON - read_from(NOON, two_days, NOON, 35 * 24 * H) == (96 + 48 + 48) * H


def test_absurd_values_alone_cover_nothing() -> None:
    sound = hourly([20] * 20, ends=NOON - 30 * H)
    absurd = [(NOON - n * H, GLITCH_L / (n + 1)) for n in reversed(range(30))]
    (impairment,) = impairments(home(meter([*sound, *absurd])))
    assert impairment.reason.id == "monitoring_no_water_reading"


def doubled(readings: Sequence[tuple[datetime, float]]) -> Readings:
    return sorted([*readings, *((at + timedelta(seconds=1), total_l) for at, total_l in readings)])


@given(uses=DAYS)
def test_a_second_gateway_changes_nothing(uses: list[float]) -> None:
    """One telegram, heard twice a second apart."""
    limits = {"volume_l": 10.0, "window_s": 12 * 3600.0}
    once = dryness(cover([meter(hourly(uses))]), **limits)
    twice = dryness(cover([meter(doubled(hourly(uses)))]), **limits)
    assert [(s.since_s, s.fired_s, s.used_l, s.lasts) for s in once.spells] == [
        (s.since_s, s.fired_s, s.used_l, s.lasts) for s in twice.spells
    ]
    assert (once.decided, once.tail_since_s) == (twice.decided, twice.tail_since_s)


def late(readings: Sequence[tuple[datetime, float]], received: Sequence[datetime]) -> Installation:
    known = meter(readings)
    return replace(known, water=replace(known.water, received_s=[at.timestamp() for at in received]))


@settings(deadline=None)
@given(uses=DAYS, behind_h=st.integers(2, 30), right_at=st.integers(3, 69))
def test_a_wrong_clock_makes_nobody_inactive(uses: list[float], behind_h: int, right_at: int) -> None:
    """A clock hours behind, then set right: only who was really dry for a window is inactive."""
    lived = hourly(uses)
    measured = [(at - behind_h * H if n < right_at else at, total_l) for n, (at, total_l) in enumerate(lived)]
    received = [at + MIN for at, _ in lived]
    stretches = cover([late(measured, received)])
    known = dryness(stretches, volume_l=10.0, window_s=12 * 3600.0)
    real_at = dict(zip([at.timestamp() for at, _ in measured], lived, strict=True))
    for spell in known.spells:
        (begun_at, begun_l), (fired_at, fired_l) = real_at[spell.since_s], real_at[spell.fired_s]
        assert fired_at - begun_at >= 12 * H
        assert fired_l - begun_l < 10.0


@settings(deadline=None)
@given(uses=LIVELY_DAYS, behind_h=st.integers(2, 30), wrong_at=st.integers(3, 69))
def test_a_clock_that_falls_behind_makes_nobody_inactive(uses: list[float], behind_h: int, wrong_at: int) -> None:
    """What is measured after the change is dated among what was measured before it."""
    lived = hourly(uses)
    behind = behind_h * H + 30 * MIN
    real = {(at - behind if n >= wrong_at else at).timestamp(): (at, litres) for n, (at, litres) in enumerate(lived)}
    measured = [(datetime.fromtimestamp(at_s, NOON.tzinfo), real[at_s][1]) for at_s in sorted(real)]
    known = late(measured, [real[at_s][0] + MIN for at_s in sorted(real)])
    limits = {"volume_l": 10.0, "window_s": 12 * 3600.0}
    if dryness(cover([known]), **limits).spells:
        assert dryness(cover([meter(lived)]), **limits).spells
