"""An area without water, told by its meters before its homes cross their lines: and a quiet night that is none."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from rules.areas import Together
from rules.shut_off import Metered, at_least, shut_off, still_off, usual_share
from tests.unit.water_worlds import DAWN_S, DAY_S, H_S, QUARTER_S, community

DAY_9 = DAWN_S + 9 * DAY_S
LEAST = 5.0


def judged(homes: list[Metered], now_s: float) -> Together | None:
    return shut_off(homes, least_homes=LEAST, zone=UTC, now_s=now_s)


def recognised_after_s(size: int, cut_hour: float, **world: float) -> float | None:
    cut_s = DAY_9 + cut_hour * H_S
    for quarters in range(1, 60):
        now_s = cut_s + quarters * QUARTER_S
        together = judged(community(size, now_s=now_s, cut_s=cut_s, **world), now_s)  # type: ignore[arg-type]
        if together is not None and together.opens:
            assert together.since_s <= cut_s + QUARTER_S
            return now_s - cut_s
    return None


@pytest.mark.parametrize("size", [5, 8, 15, 30, 60])
def test_no_hour_of_an_ordinary_week_is_an_incident(size: int) -> None:
    for quarter in range(0, 96, 2):
        now_s = DAY_9 + quarter * QUARTER_S
        together = judged(community(size, now_s=now_s), now_s)
        assert together is None or not together.opens


@pytest.mark.parametrize(
    ("size", "cut_hour", "within_h"), [(30, 9.0, 2.5), (60, 9.0, 2.5), (200, 9.0, 2.5), (12, 9.0, 5), (60, 1.0, 6)]
)
def test_a_main_that_is_cut_is_recognised_within_hours(size: int, cut_hour: float, within_h: float) -> None:
    after_s = recognised_after_s(size, cut_hour)
    assert after_s is not None
    assert 2 * H_S <= after_s <= within_h * H_S


def test_a_few_who_have_another_source_and_homes_without_people_change_little() -> None:
    cut_s = DAY_9 + 9 * H_S
    now_s = cut_s + 3 * H_S
    homes = community(60, now_s=now_s, cut_s=cut_s, away=6)
    homes[10] = homes[10]._replace(used_s=community(60, now_s=now_s)[10].used_s)
    together = judged(homes, now_s)
    assert together is not None
    assert together.opens
    assert 10 not in together.homes
    assert (len(together.homes), together.watched) == (59, 60)


def test_dry_among_the_lively_is_nothing() -> None:
    now_s = DAY_9 + 18 * H_S
    assert judged(community(30, now_s=now_s, away=5), now_s) is None


def test_before_two_hours_have_passed_it_is_a_suspicion() -> None:
    cut_s = DAY_9 + 9 * H_S
    for minutes, opens in ((30, None), (75, False), (105, False), (150, True)):
        now_s = cut_s + minutes * 60
        together = judged(community(200, now_s=now_s, cut_s=cut_s), now_s)
        assert (None if together is None else together.opens) is opens


def test_too_few_homes_are_no_incident() -> None:
    assert recognised_after_s(4, 9.0) is None


def test_meters_that_are_not_heard_tell_nothing() -> None:
    cut_s = DAY_9 + 9 * H_S
    homes = community(30, now_s=cut_s)  # all silent from the cut on
    assert judged(homes, cut_s + 6 * H_S) is None


def test_without_three_days_to_compare_with_nothing_is_improbable() -> None:
    assert recognised_after_s(60, 9.0, days=2) is None
    assert recognised_after_s(60, 9.0, days=5) is not None


def test_of_what_is_usual_the_worst_day_but_one_counts() -> None:
    since_s, until_s = DAY_9 + 9 * H_S, DAY_9 + 12 * H_S
    homes = community(60, now_s=until_s)
    usual = usual_share(homes, since_s, until_s, UTC)
    cut_yesterday = community(60, now_s=until_s, cut_s=since_s - DAY_S, back_s=until_s - DAY_S)
    cut_for_days = community(60, now_s=until_s, cut_s=since_s - 2 * DAY_S, back_s=until_s - DAY_S)
    assert usual is not None
    assert usual < 0.25
    once, often = (usual_share(each, since_s, until_s, UTC) for each in (cut_yesterday, cut_for_days))
    assert once is not None
    assert often is not None
    assert usual <= once < 0.25
    assert often > 0.8


def test_the_same_time_is_the_same_on_the_clock_of_the_place() -> None:
    """On 2026-03-29 Berlin goes to summer time: nine o'clock is 7 h UTC, the day before 8 h."""
    at_s = datetime(2026, 3, 29, 9, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
    used = [at_s + H_S / 2 - day * DAY_S + H_S for day in range(1, 6)]
    homes = [Metered(home, 1, [(at_s - 9 * DAY_S, at_s + DAY_S)], sorted(used)) for home in range(8)]
    share = usual_share(homes, at_s, at_s + H_S, ZoneInfo("Europe/Berlin"))
    in_utc = usual_share(homes, at_s, at_s + H_S, UTC)
    assert share is not None
    assert share == in_utc == pytest.approx(8.5 / 9), "two of seven days are without use; the second worst counts"
    used += [at_s + H_S / 2 - day * DAY_S + H_S for day in (6, 7)]
    homes = [home._replace(used_s=sorted(used)) for home in homes]
    assert usual_share(homes, at_s, at_s + H_S, ZoneInfo("Europe/Berlin")) == pytest.approx(0.5 / 9)
    assert usual_share(homes, at_s, at_s + H_S, UTC) == pytest.approx(8.5 / 9)


def test_it_lasts_until_most_have_used_water_again() -> None:
    cut_s = DAY_9 + 9 * H_S + 10 * 60
    back_s = cut_s + 20 * H_S  # ten past five in the morning

    def left(hour: float) -> int:
        now_s = DAY_9 + DAY_S + hour * H_S
        homes = community(60, now_s=now_s, cut_s=cut_s, back_s=back_s, away=15)
        together = still_off(homes, cut_s + QUARTER_S, least_homes=LEAST, share=0.3)
        return 0 if together is None else len(together.homes)

    assert left(5.0) == 45, "who was away before is none of them"
    assert left(5.5) > 40
    assert 0 < left(7.0) < 30
    assert left(9.0) == 0


def test_the_tail_of_a_binomial_distribution() -> None:
    assert at_least(3, 3, 0.1) == pytest.approx(1e-3)
    assert at_least(0, 7, 0.3) == pytest.approx(1.0)
    assert at_least(2, 3, 0.5) == pytest.approx(0.5)
