"""The budget of visits shared out over homes, and what lines would have come to on what homes lived through."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.policy import DEFAULTS, Policy
from rules.candidates import NotTried, tried
from rules.past import Past
from rules.propose import Option, Setting, allocate, current, settings
from rules.snapshot import Installation, WaterSeries, instant
from tests.unit.backtest_worlds import AWAY, HOME, record

DAY = timedelta(days=1)


def option(value: float, alarms: float, delay_h: float) -> Option:
    return Option(setting=Setting("inactivity_window_h", value), alarms_per_week=alarms, delay_h=delay_h)


rates = st.floats(0, 3).map(lambda rate: round(rate, 3))
options = st.lists(
    st.builds(option, st.just(1.0), rates, st.floats(1, 30).map(lambda hours: round(hours, 2))), min_size=1, max_size=6
)
towns = st.lists(options, max_size=8)
budgets = st.floats(0, 20)


@given(towns, budgets)
def test_the_budget_is_kept_unless_the_bounds_force_more(homes: list[list[Option]], budget: float) -> None:
    least = sum(min(each.alarms_per_week for each in home) for home in homes)
    allocation = allocate(homes, budget)
    assert len(allocation.chosen) == len(homes)
    assert all(chosen in home for chosen, home in zip(allocation.chosen, homes, strict=True))
    assert allocation.alarms_per_week <= max(budget, least) + 1e-6
    assert allocation.is_over == (least > budget + 1e-9)


@given(towns, budgets, budgets)
def test_more_visits_never_make_a_line_later(homes: list[list[Option]], one: float, other: float) -> None:
    fewer, more = (allocate(homes, budget).chosen for budget in sorted((one, other)))
    assert all(b.delay_h <= a.delay_h for a, b in zip(fewer, more, strict=True))


@given(towns)
def test_with_visits_enough_each_home_has_its_soonest_line(homes: list[list[Option]]) -> None:
    chosen = allocate(homes, 1e6).chosen
    assert [each.delay_h for each in chosen] == [min(each.delay_h for each in home) for home in homes]


@given(towns, budgets)
def test_no_other_choice_at_that_many_alarms_is_sooner(homes: list[list[Option]], budget: float) -> None:
    """The greedy choice is the best one for the alarms that it spends: of any two homes' lines, no swap does better."""
    chosen = allocate(homes, budget).chosen
    for (a, of_a), (b, of_b) in pairwise(zip(chosen, homes, strict=True)):
        for x in of_a:
            for y in of_b:
                if x.alarms_per_week + y.alarms_per_week <= a.alarms_per_week + b.alarms_per_week:
                    assert x.delay_h + y.delay_h >= a.delay_h + b.delay_h - 1e-6


def test_the_hours_are_bought_where_they_cost_least() -> None:
    quiet = [option(12, 0.1, 14), option(8, 0.2, 9)]
    restless = [option(12, 0.1, 14), option(8, 1.1, 9)]
    assert [each.setting.value for each in allocate([restless, quiet], 0.5).chosen] == [12, 8]
    assert [each.setting.value for each in allocate([restless, quiet], 0.25).chosen] == [12, 12]
    assert [each.setting.value for each in allocate([restless, quiet], 1.3).chosen] == [8, 8]


def test_only_lines_within_the_bounds_are_proposed() -> None:
    plain = Policy(inactivity_learned=False, inactivity_min_h=10.0, inactivity_max_h=16.0, inactivity_window_h=13.0)
    assert [value for _, value in settings(plain)] == [10.0, 12.0, 13.0, 14.0, 16.0]
    outside = replace(plain, inactivity_window_h=20.0)
    assert [value for _, value in settings(outside)] == [10.0, 12.0, 14.0, 16.0]
    assert current(outside) == ("inactivity_window_h", 20.0)
    narrow = replace(plain, inactivity_hard_window_h=9.0, inactivity_window_h=9.0)
    assert settings(narrow) == (("inactivity_window_h", 9.0),)
    assert [value for _, value in settings(DEFAULTS)] == [0, 1, 2, 3, 4]


def past(days: list[list[int]], *, away: tuple[int, int] | None = None, learned: bool = False, meters: int = 1) -> Past:
    """An hourly meter; `away` are the days, first and last, in which nobody was home."""
    known = record([litres for day in days for litres in day])
    begins = instant(known.measured_s[0])
    meter = Installation(
        device="m",
        installed_at=begins,
        interval_s=3600,
        meters_water=True,
        water=WaterSeries(measured_s=known.measured_s, totals_l=known.totals_l),
    )
    return Past(
        home_id=1,
        time_zone="UTC",
        policy=Policy(inactivity_learned=learned, holidays=""),
        meters=(meter,) * meters,
        not_lived=() if away is None else ((begins + away[0] * DAY, begins + away[1] * DAY),),
    )


DRY_DAY = [*HOME[:8], *AWAY[8:]]
"""After breakfast nothing more: 22 h without use up to the next morning."""
WITH_DRY_DAYS = [DRY_DAY if day in {20, 27, 34} else HOME for day in range(45)]


def test_a_later_window_speaks_less_often_and_later() -> None:
    lived = past(WITH_DRY_DAYS)
    found = tried(lived, instant(lived.meters[0].water.measured_s[-1]))
    assert [each.setting.value for each in found.options] == [8.0, 10.0, 12.0, 14.0, 16.0, 20.0, 24.0]
    rates = [each.alarms_per_week for each in found.options]
    delays = [each.delay_h for each in found.options]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == 0.0
    assert found.now.alarms_per_week == pytest.approx(3 / (31 / 7), rel=0.05)
    assert delays == sorted(delays)
    assert delays[0] < delays[-1] - 8


def test_alarms_of_a_time_that_was_not_lived_are_not_counted() -> None:
    lived = past([AWAY if 20 <= day < 23 else HOME for day in range(45)])
    now = instant(lived.meters[0].water.measured_s[-1])
    assert tried(lived, now).now.alarms_per_week > 0.0
    noted = past([AWAY if 20 <= day < 23 else HOME for day in range(45)], away=(20, 24))
    assert tried(noted, now).now.alarms_per_week == 0.0


def test_a_learned_line_is_tried_at_every_strictness() -> None:
    lived = past(WITH_DRY_DAYS, learned=True)
    found = tried(lived, instant(lived.meters[0].water.measured_s[-1]))
    assert [each.setting.value for each in found.options] == [0, 1, 2, 3, 4]
    assert found.now == found.options[DEFAULTS.inactivity_strictness]
    assert found.options[0].delay_h <= found.options[4].delay_h


@pytest.mark.parametrize(
    ("lived", "why"),
    [
        (past([HOME] * 45, meters=0), "no water meter"),
        (past([HOME] * 45, meters=2), "more than one"),
        (past([HOME] * 25), "less than four weeks"),
        (past([AWAY] * 45), "no water was used"),
        (past([]), "never heard"),
    ],
)
def test_of_some_homes_nothing_can_be_said(lived: Past, why: str) -> None:
    with pytest.raises(NotTried, match=why):
        tried(lived, instant(record([0] * 24 * 45).measured_s[-1]))
