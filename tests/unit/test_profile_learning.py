"""What a home's own line is learned from, and what it must not learn."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from rules.profile import HISTORY, USUAL, Profile, learn
from rules.profile.history import LONGEST_WAIT_S, Silence, covered_s, often_apart_s, silences, wait_s
from rules.profile.pricing import EVERY, LEAST, MOST, STRICTNESS_H, best
from rules.segment import Segment

ZONE = ZoneInfo("Europe/Berlin")
UNTIL = datetime(2024, 6, 3, tzinfo=UTC)
HOUR = 3600.0
DAY = timedelta(days=1)
STAYS = USUAL.stays


def is_workday(day: date) -> bool:
    return day.weekday() < 5


def always_home(day: date) -> list[int]:
    """Up at seven, to bed at eleven, water every two hours."""
    return list(range(7, 24, 2))


def lived(days: int, hours: Callable[[date], list[int]], *, until: datetime = UNTIL) -> Segment:
    """Hourly readings of a home in which 5 L are used by each full hour named, by the local clock."""
    begin = until - days * DAY
    used = {
        datetime.combine(day, time(hour), tzinfo=ZONE).timestamp()
        for number in range(-1, days + 2)
        for day in [(begin + number * DAY).astimezone(ZONE).date()]
        for hour in hours(day)
    }
    at_s = [begin.timestamp() + number * HOUR for number in range(days * 24)]
    total_l, totals_l = 0.0, []
    for each in at_s:
        total_l += 5.0 * (each in used)
        totals_l.append(total_l)
    return Segment(at_s, totals_l, totals_l)


def learned(segment: Segment, until: datetime = UNTIL) -> Profile:
    profile = learn([segment], until=until, zone=ZONE, is_workday=is_workday)
    assert profile is not None
    return profile


def allowed_h(profile: Profile, day: date, hour: int, strictness: int = 2) -> float:
    since_s = datetime.combine(day, time(hour), tzinfo=ZONE).timestamp()
    return (profile.too_long_at(since_s, zone=ZONE, is_workday=is_workday, strictness=strictness) - since_s) / HOUR


MONDAY, FRIDAY, SATURDAY = date(2024, 6, 3), date(2024, 6, 7), date(2024, 6, 8)


def test_nothing_is_learned_from_less_than_14_days() -> None:
    assert learn([lived(13, always_home)], until=UNTIL, zone=ZONE, is_workday=is_workday) is None
    assert learn([], until=UNTIL, zone=ZONE, is_workday=is_workday) is None
    assert learn([lived(15, always_home)], until=UNTIL, zone=ZONE, is_workday=is_workday) is not None


def test_nothing_is_learned_from_a_meter_that_reads_once_a_day() -> None:
    hourly = lived(120, always_home)
    daily = Segment(hourly.at_s[::24], hourly.low_l[::24], hourly.high_l[::24])
    assert learn([daily], until=UNTIL, zone=ZONE, is_workday=is_workday) is None


def test_the_night_is_learned_across_midnight_and_the_day_is_short() -> None:
    def sleeper(day: date) -> list[int]:
        return list(range(9, 22, 2))

    profile = learned(lived(90, sleeper))
    assert 12.0 <= allowed_h(profile, MONDAY, 21) <= 15.0
    assert allowed_h(profile, MONDAY, 11) < 8.5


def test_days_out_at_work_are_expected_on_workdays_alone() -> None:
    def worker(day: date) -> list[int]:
        return [7, 8, 18, 20, 22, 23] if is_workday(day) else always_home(day)

    profile = learned(lived(120, worker))
    assert allowed_h(profile, FRIDAY, 8) > 9.5
    assert allowed_h(profile, SATURDAY, 8) <= allowed_h(profile, FRIDAY, 8)
    lazy = learned(lived(120, lambda day: [11, 14, 17, 20, 22] if not is_workday(day) else always_home(day)))
    assert allowed_h(lazy, FRIDAY, 22) >= 10.0


def test_one_absence_that_nobody_recorded_does_not_lift_the_line() -> None:
    away = {date(2024, 4, 20) + number * DAY for number in range(4)}
    plain, broken = (
        learned(lived(120, hours)) for hours in (always_home, lambda day: [] if day in away else always_home(day))
    )
    for hour in range(24):
        assert allowed_h(broken, MONDAY, hour) - allowed_h(plain, MONDAY, hour) <= 1.0


def test_habits_go_by_the_clock_on_the_wall() -> None:
    """A profile of winter serves in summer: the clock that people get up by has been put forward."""
    until = datetime(2024, 3, 29, tzinfo=UTC)
    profile = learned(lived(90, always_home, until=until), until)
    winter, summer = date(2024, 3, 28), date(2024, 4, 2)
    for hour in (7, 13, 23):
        assert allowed_h(profile, winter, hour) == allowed_h(profile, summer, hour)


def test_a_life_that_changes_is_followed() -> None:
    change = date(2024, 4, 20)

    def changing(day: date) -> list[int]:
        return [6, *always_home(day)] if day < change else [10, *range(12, 24, 2), 23]

    late_riser = learned(lived(120, changing))
    assert allowed_h(late_riser, MONDAY, 23) >= 11.0


def test_what_is_measured_later_or_long_ago_changes_nothing() -> None:
    whole = lived(200, always_home, until=UNTIL + 30 * DAY)
    begin_s, end_s = (UNTIL - HISTORY).timestamp(), UNTIL.timestamp()
    kept = [place for place, at_s in enumerate(whole.at_s) if begin_s <= at_s < end_s]
    part = slice(kept[0], kept[-1] + 1)
    cut = Segment(whole.at_s[part], whole.low_l[part], whole.high_l[part])
    assert learned(whole) == learned(cut)


def test_a_vacant_home_gives_a_line_and_no_error() -> None:
    profile = learned(lived(60, lambda day: []))
    assert allowed_h(profile, MONDAY, 12) > 23.9


def test_silences_begin_with_the_reading_that_shows_use_and_end_before_the_next() -> None:
    at_s = [HOUR * hour for hour in range(8)]
    totals_l = [0.0, 0.4, 2.0, 2.6, 2.9, 2.9, 3.0, 3.0]
    assert silences([Segment(at_s, totals_l, totals_l)]) == [
        Silence(2 * HOUR, 5 * HOUR, 6 * HOUR),
        Silence(6 * HOUR, 7 * HOUR, 7 * HOUR),
    ]


def test_where_meters_disagree_when_use_is_sure_decides() -> None:
    at_s = [0.0, HOUR, 2 * HOUR]
    assert silences([Segment(at_s, [0.0, 0.0, 3.0], [0.0, 3.0, 3.0])]) == [
        Silence(HOUR, HOUR, 2 * HOUR),
        Silence(2 * HOUR, 2 * HOUR, 2 * HOUR),
    ]


def test_a_long_gap_is_no_history() -> None:
    at_s = [0.0, HOUR, 2 * HOUR, 26 * HOUR, 27 * HOUR]
    assert covered_s([Segment(at_s, at_s, at_s)]) == 3 * HOUR


def bests(ended: list[float], at_risk_h: float, stays: float = STAYS) -> list[int]:
    """Of the weight of the silences that ended after so many half hours, up to `MOST`."""
    late = sum(weight * stays ** (LEAST - length - 0.5) for length, weight in enumerate(ended[:LEAST]))
    return [best(late, ended[LEAST:MOST], at_risk_h, stays, strictness) for strictness in EVERY]


def test_the_dearer_an_alarm_the_longer_the_wait() -> None:
    ended = [0.0] * (MOST + 1)
    ended[17], ended[19], ended[24], ended[33] = 8.0, 4.0, 2.0, 0.5
    found = bests(ended, at_risk_h=500.0)
    assert found == sorted(found)
    assert found[0] >= LEAST
    assert found[-1] > found[0]
    assert bests(ended, at_risk_h=0.0) == [MOST] * len(STRICTNESS_H)


def test_the_best_is_the_least_cost_of_all() -> None:
    ended = [float((length * 7919) % 5) for length in range(MOST + 1)]
    for at_risk_h in (50.0, 2000.0, 1e6):
        for price_h, length in zip(STRICTNESS_H, bests(ended, at_risk_h, stays=0.0), strict=True):
            costs = {tried: tried * 0.5 + price_h / at_risk_h * sum(ended[tried:]) for tried in range(LEAST, MOST + 1)}
            assert costs[length] <= min(costs.values()) + 1e-6


@given(
    ended=st.lists(st.sampled_from((0.0, 0.0, 0.0, 0.3, 1.0, 2.7)), min_size=MOST + 1, max_size=MOST + 1),
    at_risk_h=st.floats(1.0, 1e6),
)
def test_no_other_length_costs_less(ended: list[float], at_risk_h: float) -> None:
    late, alarms = 0.0, list[float]()
    for length, weight in enumerate(ended):
        alarms.append(sum(ended[length:]) + late)
        late = late * STAYS + weight * STAYS**0.5
    for price_h, length in zip(STRICTNESS_H, bests(ended, at_risk_h), strict=True):
        costs_h = {tried: tried * 0.5 + price_h / at_risk_h * alarms[tried] for tried in range(LEAST, MOST + 1)}
        assert costs_h[length] <= min(costs_h.values()) * (1.0 + 1e-9)


def test_how_long_a_reading_is_waited_for() -> None:
    assert wait_s([]) == LONGEST_WAIT_S
    assert wait_s([HOUR] * 48) == 1800.0
    # Every other one lost: an hour. Hours lost now and then weigh with their square; a week counts as a day.
    assert wait_s([2 * HOUR] * 24) == 3600.0
    assert wait_s([HOUR] * 43 + [5 * HOUR]) == (43 + 25) / 48 / 2 * 3600.0
    assert wait_s([7 * 86_400.0]) == 12 * 3600.0


def test_how_the_meters_are_heard_goes_by_the_last_four_weeks() -> None:
    hourly = lived(90, always_home)
    kept = [place for place in range(90 * 24) if place >= 62 * 24 or place % 6 == 0]
    at_s, totals_l = ([of[place] for place in kept] for of in (hourly.at_s, hourly.low_l))
    profile = learned(Segment(at_s, totals_l, totals_l))
    assert profile.wait_h == learned(hourly).wait_h == 0.5
    assert profile.apart_h == learned(hourly).apart_h == 1.0


def test_what_came_twice_is_no_habit_of_a_meter() -> None:
    assert often_apart_s([]) == often_apart_s([9 * HOUR] * 2) == 0.0
    assert often_apart_s([HOUR] * 40 + [9 * HOUR] * 2) == HOUR
    assert often_apart_s([HOUR] * 40 + [9 * HOUR, 7 * HOUR, 30 * HOUR]) == 7 * HOUR
