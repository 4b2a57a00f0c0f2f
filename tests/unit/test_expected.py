"""When a device is looked for: when its word is due, and then at moments that no look out of turn moves."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.expected import next_word
from rules.snapshot import Installation
from tests.unit.rule_worlds import MIN, NOON, H

INTERVALS_S = (60, 300, 900, 1800, 3600, 6 * 3600, 24 * 3600)


def device(interval_s: int, heard_at: datetime | None = NOON) -> Installation:
    return Installation(device="m-1", installed_at=NOON - 9 * H, interval_s=interval_s, heard_at=heard_at)


def test_a_word_is_expected_an_interval_after_the_last_one_and_a_little() -> None:
    assert next_word([device(900)], NOON + MIN) == NOON + 15 * MIN + timedelta(seconds=45)
    assert next_word([device(900), device(300)], NOON) == NOON + 5 * MIN + timedelta(seconds=15)
    never = device(900, heard_at=None)
    assert next_word([never], never.installed_at) == never.installed_at + 15 * MIN + timedelta(seconds=45)


@given(interval_s=st.sampled_from(INTERVALS_S), now_s=st.integers(0, 5 * 86_400), between=st.floats(0, 1))
def test_a_look_out_of_turn_moves_no_later_one(interval_s: int, now_s: int, between: float) -> None:
    now = NOON + timedelta(seconds=now_s)
    due = next_word([device(interval_s)], now)
    assert due > now
    meanwhile = now + between * (due - now)
    assert next_word([device(interval_s)], meanwhile) == due or meanwhile == due


@given(interval_s=st.sampled_from(INTERVALS_S), now_s=st.integers(0, 5 * 86_400))
def test_it_is_found_within_a_quarter_of_the_time_it_is_overdue_and_three_hours(interval_s: int, now_s: int) -> None:
    now = NOON + timedelta(seconds=now_s)
    expected = next_word([device(interval_s)], NOON)
    steps = max(
        timedelta(seconds=interval_s / 6), MIN, min((now - expected) / 4, max(H, timedelta(seconds=interval_s)))
    )
    assert next_word([device(interval_s)], now) <= max(now + steps, expected)


@pytest.mark.parametrize("interval_s", INTERVALS_S)
def test_a_meter_that_is_overdue_costs_few_looks(interval_s: int) -> None:
    expected = at = next_word([device(interval_s)], NOON)
    looks = []
    for day in range(1, 4):
        looks.append(0)
        while (at := next_word([device(interval_s)], at)) <= expected + day * 24 * H:
            looks[-1] += 1
    assert looks[0] <= 45
    assert max(looks[1:]) <= 24
