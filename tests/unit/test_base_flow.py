"""The base flow: what never stops is found and taken off, what people use is not."""

import math
from collections.abc import Sequence
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.dry import dryness
from rules.flow import SPAN_S, base_flow, hides_from_l_h, may_be_base_since, net_cover, without_base
from rules.segment import Segment
from rules.snapshot import Installation
from rules.water import stretches
from tests.unit.rule_worlds import MIN, NOON, H, hourly, meter

QUARTER = 15 * MIN
DAY_L = [0.0] * 7 + [25.0, 12.0, 0.0, 3.0, 8.0, 20.0, 0.0, 0.0, 5.0, 0.0, 9.0, 30.0, 14.0, 6.0, 0.0, 7.0, 0.0]


def dripping(use_l: Sequence[float], rate_l_h: float, *, step: timedelta = H, step_l: float = 1.0) -> Installation:
    """What a register of full steps shows of use beside a constant drip."""
    total_l, readings = 5000.4, []
    begin = NOON - len(use_l) * step
    for number in range(len(use_l) + 1):
        total_l += use_l[number - 1] if number else 0.0
        flowed_l = rate_l_h * number * (step / H)
        readings.append((begin + number * step, math.floor((total_l + flowed_l) / step_l) * step_l))
    return meter(readings, interval_s=int(step.total_seconds()), installed_at=begin - H)


def base_of(device: Installation) -> list[float]:
    (segment,) = stretches(device)
    return list(base_flow(segment))


@pytest.mark.parametrize("step", [QUARTER, H], ids=["15 min", "hourly"])
@pytest.mark.parametrize("rate_l_h", [1.0, 3.0, 20.0])
def test_a_drip_is_found_to_within_a_step_in_three_hours(step: timedelta, rate_l_h: float) -> None:
    per_hour = round(H / step)
    use_l = [litres / per_hour for litres in DAY_L * 3 for _ in range(per_hour)]
    base = base_of(dripping(use_l, rate_l_h, step=step))
    assert len(base) == len(use_l)
    assert rate_l_h - 0.4 <= min(base) <= max(base) <= rate_l_h + 1e-6


@pytest.mark.parametrize("step", [QUARTER, H], ids=["15 min", "hourly"])
def test_a_person_at_home_has_none(step: timedelta) -> None:
    per_hour = round(H / step)
    assert base_of(dripping([litres / per_hour for litres in DAY_L * 4 for _ in range(per_hour)], 0.0, step=step)) == []


def test_without_a_base_the_stretch_is_the_one_given() -> None:
    segments = stretches(meter(hourly(DAY_L * 3)))
    assert without_base(segments)[0] is segments[0]
    assert net_cover([meter([])]) == []


def test_a_register_that_trembles_shows_its_mean() -> None:
    base = base_of(meter([(NOON - (200 - n) * QUARTER, 100.0 + n // 2 + n % 2) for n in range(200)]))
    assert base
    assert max(base) == pytest.approx(2.0, abs=0.4)


def test_readings_too_far_apart_tell_nothing() -> None:
    every_six_hours = meter([(NOON - (20 - n) * 6 * H, 30.0 * n) for n in range(21)], interval_s=21_600)
    assert base_of(every_six_hours) == []


def test_a_leak_younger_than_the_span_is_not_told_from_use_yet() -> None:
    young = [0.0] * 10 + [16.0] * 29
    assert max(base_of(meter(hourly(young))), default=0.0) <= 1.0
    older = base_of(meter(hourly([*young, 16.0])))
    assert max(older[:10]) <= 1.0, "not before it began"
    assert older[10:] == [16.0] * 30, "and back to its beginning"


def test_a_gap_counts_with_its_mean_flow() -> None:
    device = dripping([2.0] * 60, 0.0)
    kept = [
        (at_s, total_l)
        for at_s, total_l in zip(device.water.measured_s, device.water.totals_l, strict=True)
        if not 30 < (at_s - device.water.measured_s[0]) / 3600 < 36
    ]
    totals_l = [total_l for _, total_l in kept]
    assert set(base_flow(Segment([at_s for at_s, _ in kept], totals_l, totals_l))) == {2.0}


@pytest.mark.parametrize("rate_l_h", [0.5, 1.0, 3.0, 20.0])
@pytest.mark.parametrize(("window_h", "begins_h"), [(12.0, 13), (24.0, 25)])
def test_a_drip_hides_no_fall(rate_l_h: float, window_h: float, begins_h: int) -> None:
    use_l = DAY_L * 3 + [15.0] + [0.0] * (begins_h - 1)
    dry = dryness(net_cover([dripping(use_l, rate_l_h)]), volume_l=10.0, window_s=window_h * 3600.0)
    assert dry.lasting is not None
    lived = dryness(net_cover([dripping(DAY_L * 4, rate_l_h)]), volume_l=10.0, window_s=window_h * 3600.0)
    assert lived.spells == ()


LIVES = st.lists(st.sampled_from([0.0, 0.0, 0.0, 1.0, 4.0, 30.0]), min_size=30, max_size=120)


@settings(deadline=None, max_examples=30)
@given(uses=LIVES, rate_l_h=st.sampled_from([0.0, 0.7, 2.0, 17.0]), step_l=st.sampled_from([0.0, 1.0]))
def test_net_totals_never_fall_and_never_exceed_what_was_shown(
    uses: list[float], rate_l_h: float, step_l: float
) -> None:
    device = dripping(uses, rate_l_h, step_l=step_l or 0.001)
    (shown,), (net,) = stretches(device), net_cover([device])
    assert list(net.low_l) == sorted(net.low_l)
    assert net.at_s == shown.at_s
    for place, total_l in enumerate(net.low_l):
        assert total_l - net.low_l[0] <= shown.low_l[place] - shown.low_l[0] + 1e-6


@settings(deadline=None, max_examples=25)
@given(
    uses=LIVES,
    rate_l_h=st.sampled_from([0.0, 2.0, 17.0]),
    more=st.integers(1, 40),
    seed=st.integers(0, 99),
    least_l_h=st.sampled_from([0.4, 3.0, 9.0]),
)
def test_more_data_only_raise_the_base_and_not_before_it_is_due(
    uses: list[float], rate_l_h: float, more: int, seed: int, least_l_h: float
) -> None:
    whole = dripping([*uses, *Random(seed).choices([0.0, 5.0], k=more)], rate_l_h)
    times_s, totals_l = whole.water.measured_s, whole.water.totals_l
    known = meter(
        [(NOON - (len(times_s) - 1 - n) * H, totals_l[n]) for n in range(len(uses) + 1)], installed_at=NOON - 999 * H
    )
    before, after = base_of(known) or [0.0] * len(uses), base_of(whole) or [0.0] * (len(times_s) - 1)
    assert all(later >= earlier - 1e-9 for earlier, later in zip(before, after, strict=False))
    open_since_s = may_be_base_since([known], least_l_h)
    assert open_since_s is not None
    due_s = open_since_s + SPAN_S
    early = [n for n in range(len(times_s)) if times_s[n] < due_s]
    if len(early) > len(uses) + 1:
        cut = meter([(NOON - (len(times_s) - 1 - n) * H, totals_l[n]) for n in early], installed_at=NOON - 999 * H)
        cut_base = base_of(cut) or [0.0] * (len(early) - 1)
        padded = [*before, *[0.0] * (len(cut_base) - len(before))]
        assert all(later == earlier or later < least_l_h for earlier, later in zip(padded, cut_base, strict=True))


def test_what_a_base_hides() -> None:
    assert 3.0 < hides_from_l_h(10.0, 0.0, 43_200.0) < 22.0
    assert hides_from_l_h(6.0, 0.0, 86_400.0) == 0.0
    assert hides_from_l_h(10.0, 10.0, 43_200.0) == 0.0, "a register of 10 L cannot tell so little apart"
