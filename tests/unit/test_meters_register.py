"""Registers as they are: what a series of totals truly says, whatever the meter did."""

import csv
import gzip
import itertools
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from devices.meters import Run, common_step, runs, step_of
from tests.servers import SHARED, missing

QUARTER_S = 900.0
GLITCH_L = 3.1e9  # 3.1 million cubic metres
START_L = 63_359.0

USES = st.lists(st.sampled_from([0.0, 0.0, 0.0, 1.0, 2.0, 6.0, 48.0, 170.0]), min_size=8, max_size=60)


def at(count: int) -> list[float]:
    return [1.77e9 + number * QUARTER_S for number in range(count)]


def read(totals: Sequence[float], **known: float) -> list[Run]:
    return runs(at(len(totals)), totals, **known)  # type: ignore[arg-type]


def totals_of(totals: Sequence[float], **known: float) -> list[list[float]]:
    return [list(run.totals_l) for run in read(totals, **known)]


def counted(found: Sequence[Run]) -> float:
    return sum(run.totals_l[-1] - run.totals_l[0] for run in found)


def rising(uses: Sequence[float], start_l: float = START_L) -> list[float]:
    return list(itertools.accumulate(uses, initial=start_l))


@given(uses=USES)
def test_a_register_that_only_rises_is_taken_as_it_is(uses: list[float]) -> None:
    totals = rising(uses)
    assert read(totals) == [Run(at(len(totals)), totals)]
    assert read([]) == []


@pytest.mark.parametrize(
    ("totals", "trusted"),
    [
        pytest.param([500, 501, GLITCH_L, 501, 509], [[500, 501, 501, 509]], id="one absurd value"),
        pytest.param([500, 501, GLITCH_L, 1.2e9, 502], [[500, 501, 502]], id="two, different"),
        pytest.param([500, 501, GLITCH_L, GLITCH_L + 400, 502], [[500, 501, 502]], id="two, as if used"),
        pytest.param([9500, 9501, 0, 9502], [[9500, 9501, 9502]], id="zero and back"),
        pytest.param([9500, 9501, 0, 12, 9502], [[9500, 9501, 9502]], id="twice near zero and back"),
        pytest.param([9500, 0, GLITCH_L, 9501, 9502], [[9500, 9501, 9502]], id="zero, then absurd"),
        pytest.param([500, 501, 2301, 502, 503], [[500, 501, 502, 503]], id="no more than a pipe carries, and back"),
        pytest.param([500, 501, 516, 502, 503], [[500, 501, 502, 503]], id="little, and back"),
        pytest.param([500, 501, 486, 502, 503], [[500, 501, 502, 503]], id="a little less, and back"),
        pytest.param([GLITCH_L, 500, 501, 502], [[GLITCH_L], [500, 501, 502]], id="absurd first"),
        pytest.param([GLITCH_L, 1.2e9, 500, 501, 502], [[GLITCH_L], [1.2e9], [500, 501, 502]], id="absurd first two"),
        pytest.param([0, 30_500, 30_501, 30_502], [[0], [30_500, 30_501, 30_502]], id="zero first"),
        pytest.param([500, 501, 502, GLITCH_L], [[500, 501, 502]], id="absurd last"),
        pytest.param([500, 501, GLITCH_L, GLITCH_L + 400], [[500, 501]], id="absurd last two"),
        pytest.param([9500, 9501, 0], [[9500, 9501]], id="zero last"),
        pytest.param([GLITCH_L], [[GLITCH_L]], id="nothing else"),
    ],
)
def test_absurd_values_are_no_use_and_break_nothing(totals: list[float], trusted: list[list[float]]) -> None:
    assert totals_of(totals) == trusted


@given(uses=USES, data=st.data())
def test_wherever_absurd_values_stand_the_rest_counts_as_without_them(uses: list[float], data: st.DataObject) -> None:
    totals = rising(uses)
    place = data.draw(st.integers(1, len(totals) - 1))
    absurd = data.draw(st.lists(st.floats(1e6, 1e12), min_size=1, max_size=2))
    (found,) = read([*totals[:place], *absurd, *totals[place:]])
    assert found.totals_l == totals
    at_the_end = read([*totals, *absurd])
    assert [run.totals_l for run in at_the_end] == [totals]
    at_the_start = read([*absurd, *totals])
    assert at_the_start[-1].totals_l == totals
    assert counted(at_the_start) == counted([found]) or absurd == sorted(absurd)


@given(uses=USES, trembling=st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=61, max_size=61))
def test_trembling_by_a_litre_does_not_add_up(uses: list[float], trembling: list[float]) -> None:
    true = rising(uses)
    (found,) = read([total + by for total, by in zip(true, trembling, strict=False)])
    assert list(found.totals_l) == sorted(found.totals_l)
    shown = dict(zip(*found, strict=True))
    for (a_s, a_l), (b_s, b_l) in itertools.combinations(zip(at(len(true)), true, strict=True), 2):
        if a_s in shown and b_s in shown:
            assert abs((shown[b_s] - shown[a_s]) - (b_l - a_l)) <= 2.0
    for days in (1, 7):
        (still,) = read([START_L + by for by in trembling * days])
        assert counted([still]) <= 2.0


def test_water_that_flows_back_is_neither_a_break_nor_use() -> None:
    # A real night (D07): 11 L back within hours, and on from there.
    totals = [63806, 63816, 63822, 63823, 63821, 63813, 63813, 63812, 63812, 63812, 63814, 63815]
    (shown,) = totals_of(totals)
    assert (shown[0], shown[-1]) == (63806, 63815)
    assert shown[-5:] == [63812, 63812, 63812, 63814, 63815], "what flows from there on counts"


def test_water_that_flows_back_is_believed_once_it_stays() -> None:
    before = [500.0, 530.0, 560.0]
    assert totals_of([*before, 548.0]) == [before]
    assert totals_of([*before, 548.0, 548.0]) == [before]
    assert totals_of([*before, 548.0, 548.0, 549.0]) == [[500.0, 530.0, 548.0, 548.0, 548.0, 549.0]]


@pytest.mark.parametrize(
    ("whole", "known"),
    [
        pytest.param(1e8, {}, id="99,999 m³"),
        pytest.param(1e7, {}, id="9,999 m³"),
        pytest.param(2.0**32, {}, id="32 bits of litres"),
        pytest.param(2.0**16, {"pulse_l": 1.0}, id="16 bits of pulses"),
        pytest.param(2.0**16 * 10, {"pulse_l": 10.0, "step_l": 10.0}, id="16 bits of pulses of 10 L"),
        pytest.param(2.0**32 * 0.5, {"pulse_l": 0.5}, id="32 bits of pulses of half a litre"),
    ],
)
@given(uses=USES, place=st.floats(0.0, 1.0))
def test_a_register_that_rolls_over_goes_on(
    whole: float, known: dict[str, float], uses: list[float], place: float
) -> None:
    pulse_l = known.get("step_l", 1.0)
    true = rising([used * pulse_l for used in uses], 0.0)
    start = whole - pulse_l - round(true[-1] * place / pulse_l) * pulse_l
    (found,) = read([(start + total) % whole for total in true], **known)
    assert [total - found.totals_l[0] for total in found.totals_l] == true


def test_a_glitch_near_the_last_digit_is_no_roll_over() -> None:
    totals = [65_500.0, 65_520.0, 0.0, 65_521.0, 65_530.0]
    assert totals_of(totals, pulse_l=1.0) == [[65_500.0, 65_520.0, 65_521.0, 65_530.0]]


def test_a_reset_or_another_meter_splits_and_counts_for_its_own_time() -> None:
    old = [15_000.0, 15_040.0, 15_041.0]
    assert totals_of([*old, 0.0, 20.0]) == [old, [0.0, 20.0]]
    assert totals_of([*old, 0.0]) == [old], "one low value may be a glitch"
    # A used one, with a higher register: three readings bear it out.
    assert totals_of([*old, 90_000.0, 90_001.0]) == [old]
    assert totals_of([*old, 90_000.0, 90_001.0, 90_030.0]) == [old, [90_000.0, 90_001.0, 90_030.0]]


def test_a_reset_that_climbs_past_the_old_total_is_no_glitch() -> None:
    old = rising([20.0] * 5, 100.0)
    new = rising([20.0] * 12, 0.0)
    assert totals_of([*old, *new]) == [old, new]


@given(uses=USES, after=USES, start_l=st.floats(0.0, 30.0))
def test_a_reset_is_never_use(uses: list[float], after: list[float], start_l: float) -> None:
    before, behind = rising(uses), rising(after, start_l)
    found = read([*before, *behind])
    assert counted(found) == pytest.approx(sum(uses) + sum(after))
    assert len(found) == 2


def test_a_meter_that_runs_backwards_all_day_is_not_trusted_for_long() -> None:
    totals = [9000.0 - 2.0 * number for number in range(60)]
    found = read(totals)
    assert len(found) > 4
    assert counted(found) == 0.0


def test_a_gap_is_caught_up_at_once() -> None:
    # A real one (D09): fifty hours without a word, then all that was used in them.
    times = [0.0, 3600.0, 3600.0 * 51, 3600.0 * 52]
    assert runs(times, [12_884.0, 12_890.0, 13_502.0, 13_510.0]) == [
        Run(times, [12_884.0, 12_890.0, 13_502.0, 13_510.0])
    ]
    long_away = [0.0, 3600.0 * 24 * 20]
    assert len(runs(long_away, [12_884.0, 22_884.0])) == 1


@settings(max_examples=60)
@given(totals=st.lists(st.one_of(st.floats(0.0, 1e12), st.sampled_from([0.0, 1.0, 65_535.0, 1e8])), max_size=150))
def test_whatever_comes_totals_never_fall_and_times_are_kept(totals: list[float]) -> None:
    found = read(totals)
    for run in found:
        assert list(run.totals_l) == sorted(run.totals_l)
    times = [at_s for run in found for at_s in run.times_s]
    assert times == sorted(set(times))
    assert set(times) <= set(at(len(totals)))
    assert bool(found) == bool(totals)


@given(uses=USES, behind_h=st.integers(2, 200), place=st.integers(3, 60), late_s=st.floats(0.0, 300.0))
def test_a_clock_set_right_splits(uses: list[float], behind_h: int, place: int, late_s: float) -> None:
    """The hours that a clock makes up for when it is set right were never lived through."""
    totals = rising(uses)
    assume(place < len(totals))
    lived_s = at(len(totals))
    received_s = [at_s + late_s for at_s in lived_s]
    measured_s = [at_s - behind_h * 3600.0 if number < place else at_s for number, at_s in enumerate(lived_s)]
    found = runs(measured_s, totals, received_s=received_s)
    assert [list(run.totals_l) for run in found] == [totals[:place], totals[place:]]
    steadily_behind = [at_s - behind_h * 3600.0 for at_s in lived_s]
    assert len(runs(steadily_behind, totals, received_s=received_s)) == 1


@pytest.mark.parametrize("every", [4, 24, 96], ids=["hourly", "four times a day", "daily"])
def test_intervals_uploaded_together_are_no_wrong_clock(every: int) -> None:
    totals = rising([3.0] * 300)
    times = at(len(totals))
    received = [times[min(len(times) - 1, -(-(n + 1) // every) * every - 1)] + 20.0 for n in range(len(times))]
    assert len(runs(times, totals, received_s=received)) == 1
    trickled = [max(at_s, times[200]) + (60.0 * n if n < 200 else 12_000.0) for n, at_s in enumerate(times)]
    assert len(runs(times, totals, received_s=trickled)) == 1, "a backlog sent bit by bit"


@pytest.mark.parametrize(
    ("totals", "step_l"),
    [
        ([64_021.0] * 40, 0.0),
        ([12_340.0, 12_341.0, 12_360.0], 0.0),
        ([12.34 * 1000, 12.35 * 1000, 8.29 * 1000, 4.35 * 1000], 10.0),
        ([12_300.0, 12_400.0, 12_400.0, 12_600.0], 100.0),
        ([12_300.0] * 40, 100.0),
        ([12_000.0, 13_000.0], 1000.0),
        ([12_340.0] * 40, 0.0),  # one value in ten
        ([12_000.0] * 40, 1000.0),
        ([0.0] * 40, 0.0),  # where every register begins
        ([0.0, 0.0, 10.0, 40.0], 10.0),
        ([], 0.0),
    ],
)
def test_the_step_is_told_from_what_was_shown(totals: list[float], step_l: float) -> None:
    assert step_of(totals) == step_l


@given(uses=st.lists(st.integers(0, 400), min_size=30, max_size=90), start=st.integers(0, 10**8), seed=st.randoms())
def test_a_register_is_not_taken_for_a_coarser_or_a_finer_one(uses: list[int], start: int, seed: Random) -> None:
    true = rising([float(used) for used in uses], float(start))
    seed.shuffle(true)
    if len(set(true) - {0.0}) >= 4:
        assert step_of(true) == common_step(true)
    for digit_l in (10.0, 100.0, 1000.0):
        shown = [total // digit_l * digit_l for total in true]
        if len(set(shown) - {0.0}) >= 4:
            assert step_of(shown) >= digit_l
            assert step_of([*shown, digit_l + 1.0]) == 0.0


def recorded() -> dict[str, tuple[list[float], list[float]]]:
    file = SHARED / "data" / "water" / "homes_hourly.csv.gz"
    if not file.exists():
        missing("../shared/data/water is not there")
    series: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            series[row["meter_id"]].append(
                (datetime.fromisoformat(row["measured_at"]).timestamp(), float(row["total_l"]))
            )
    return {meter: ([a for a, _ in sorted(r)], [b for _, b in sorted(r)]) for meter, r in series.items()}


def test_real_meters_are_trusted_from_end_to_end() -> None:
    """Twelve real ones over 14 months, with gaps, catch-up jumps, trembling and water that flowed back."""
    for meter, (times, totals) in recorded().items():
        (found,) = runs(times, totals)
        assert counted([found]) == totals[-1] - totals[0], meter
        assert len(found.times_s) >= len(times) - 8, meter
        assert step_of(totals) == 0.0


def test_a_glitch_in_a_real_series_changes_nothing() -> None:
    times, totals = recorded()["D05"]
    random = Random(5)
    for _ in range(20):
        place, length = random.randrange(200, len(totals) - 200), random.randint(1, 3)
        span = slice(place - 150, place + 150)
        hurt = [*totals]
        hurt[place : place + length] = [GLITCH_L + random.randint(0, 500) for _ in range(length)]
        (sound,), (found,) = runs(times[span], totals[span]), runs(times[span], hurt[span])
        assert set(zip(*found, strict=True)) == {
            reading for reading in zip(*sound, strict=True) if reading[0] not in times[place : place + length]
        }
