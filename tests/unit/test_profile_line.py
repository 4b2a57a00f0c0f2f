"""What a stored profile says: never before, never after, never falling, and the same after storage."""

import json
from datetime import UTC, date, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.profile import STRICTNESS_H, Profile
from rules.profile.line import never_falling
from rules.profile.local import SLOTS, Clock, DayKind
from rules.profile.pricing import LEAST, MOST

ZONES = ("UTC", "Asia/Shanghai", "Asia/Kathmandu", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns")
HOUR = 3600.0

lengths = st.lists(st.integers(LEAST, MOST), min_size=SLOTS, max_size=SLOTS)
pairs = st.tuples(lengths, lengths).map(lambda pair: never_falling(*pair))
zones = st.sampled_from(ZONES).map(ZoneInfo)
# Around the ends of summer time, and anywhere.
instants_s = st.one_of(
    st.floats(datetime(2024, 10, 26, tzinfo=UTC).timestamp(), datetime(2024, 10, 28, tzinfo=UTC).timestamp()),
    st.floats(datetime(2024, 3, 30, tzinfo=UTC).timestamp(), datetime(2024, 4, 8, tzinfo=UTC).timestamp()),
    st.floats(datetime(2020, 1, 1, tzinfo=UTC).timestamp(), datetime(2030, 1, 1, tzinfo=UTC).timestamp()),
)


def is_workday(day: date) -> bool:
    return day.weekday() < 5


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    pair = draw(pairs)
    wait_h, apart_h = (draw(st.floats(0.0, 30.0).map(lambda hours: round(hours, 2))) for _ in range(2))
    lines = (pair,) * len(STRICTNESS_H)
    return Profile(until_s=draw(st.floats(0, 2e9)), days=30.0, lines=lines, wait_h=wait_h, apart_h=apart_h)


@given(profile=profiles(), zone=zones, since_s=instants_s)
def test_a_silence_is_too_long_within_its_bounds(profile: Profile, zone: ZoneInfo, since_s: float) -> None:
    for min_h, max_h in ((8.0, 24.0), (10.0, 16.0), (12.0, 12.0)):
        soft_s, hard_s = (
            line_at(since_s, zone=zone, is_workday=is_workday, min_h=min_h, max_h=max_h)
            for line_at in (profile.too_long_at, profile.hard_at)
        )
        assert min_h * HOUR - 300.0 - 1e-3 <= soft_s - since_s <= max_h * HOUR
        assert soft_s <= hard_s <= since_s + max_h * HOUR


@given(profile=profiles(), zone=zones, since_s=instants_s, later_s=st.floats(0.0, 2 * HOUR))
def test_who_is_silent_for_longer_is_not_judged_more_mildly(
    profile: Profile, zone: ZoneInfo, since_s: float, later_s: float
) -> None:
    for line_at in (profile.too_long_at, profile.hard_at):
        first, second = (line_at(at_s, zone=zone, is_workday=is_workday) for at_s in (since_s, since_s + later_s))
        assert first <= second


def test_somebody_goes_the_sooner_the_longer_the_meter_lets_wait() -> None:
    line = (LEAST,) * SLOTS
    hours = [
        (profile.hard_at(0.0, zone=ZoneInfo("UTC"), is_workday=is_workday) + 300.0) / HOUR
        for profile in (
            Profile(until_s=1.0, days=20.0, lines=((line, line),) * len(STRICTNESS_H), wait_h=wait_h)
            for wait_h in (0.25, 0.5, 3.0, 20.0, float("inf"))
        )
    ]
    assert hours == [23.75, 23.5, 21.0, 20.0, 20.0]


@given(pair=pairs)
def test_no_line_falls_from_one_half_hour_to_the_next_nor_to_the_next_day(
    pair: tuple[tuple[int, ...], tuple[int, ...]],
) -> None:
    for line in pair:
        ends = [slot + length for slot, length in enumerate(line)]
        assert ends == sorted(ends)
        assert all(ends[-1] <= SLOTS + other[0] for other in pair)
        assert min(line) >= LEAST


@given(profile=profiles())
def test_it_comes_back_from_storage_as_it_was(profile: Profile) -> None:
    stored = json.dumps(profile.to_json())
    assert len(stored) < 2048
    assert Profile.from_json(json.loads(stored)) == profile


def test_a_line_that_nobody_asked_for_is_neither_gone_by_nor_stored() -> None:
    line = (LEAST,) * SLOTS
    profile = Profile(until_s=1.0, days=20.0, lines=(None, (line, line), None, None, None))
    hard_at = partial(profile.hard_at, 0.0, zone=ZoneInfo("UTC"), is_workday=is_workday)
    assert hard_at(strictness=1) > 0.0
    with pytest.raises(ValueError, match="strictness 2"):
        hard_at(strictness=2)
    with pytest.raises(ValueError, match="all its lines"):
        profile.to_json()


def test_what_another_release_wrote_or_is_not_whole_is_no_profile() -> None:
    line = (LEAST,) * SLOTS
    whole = Profile(until_s=1.0, days=20.0, lines=((line, line),) * len(STRICTNESS_H)).to_json()
    assert Profile.from_json(whole) is not None
    lines = whole["lines"]
    assert isinstance(lines, list)
    for broken in (
        {},
        {**whole, "release": 0},
        {**whole, "lines": lines[1:]},
        {**whole, "lines": [["@", "@"], *lines[1:]]},
        {**whole, "lines": [[lines[0][0], "~" * SLOTS], *lines[1:]]},
        {**whole, "lines": [lines[0][:1], *lines[1:]]},
        {**whole, "days": "many"},
        {**whole, "wait_h": None},
        {**whole, "apart_h": "often"},
        {**whole, "apart_h": float("nan")},
        {**whole, "apart_h": -1.0},
    ):
        assert Profile.from_json(broken) is None
    # Written before it was known how far apart the readings lie.
    older = Profile.from_json({name: value for name, value in whole.items() if name != "apart_h"})
    assert older is not None
    assert older.apart_h == 0.0


@given(zone=zones, at_s=instants_s)
def test_the_clock_is_the_zones(zone: ZoneInfo, at_s: float) -> None:
    clock = Clock(zone, is_workday)
    at_s = round(at_s, 3)  # datetimes round to the microsecond, over midnight too
    local = datetime.fromtimestamp(at_s, zone)
    wall_s = clock.wall_s(at_s)
    shown = datetime(1970, 1, 1) + timedelta(seconds=wall_s)
    assert abs((shown - local.replace(tzinfo=None)).total_seconds()) < 1e-3
    assert clock.kind(wall_s) is (DayKind.WORKDAY if is_workday(shown.date()) else DayKind.FREE)


@given(zone=zones, begin_s=instants_s, steps_s=st.lists(st.floats(0.0, 5 * HOUR), max_size=30))
def test_a_day_read_once_is_what_each_of_its_instants_shows(
    zone: ZoneInfo, begin_s: float, steps_s: list[float]
) -> None:
    clock, plain, at_s, day_ends_s = Clock(zone, is_workday), Clock(zone, is_workday), begin_s, float("-inf")
    midnight_s, kind = 0.0, DayKind.FREE
    for step_s in (0.0, *steps_s):
        at_s += step_s
        if at_s >= day_ends_s:
            day_ends_s, midnight_s, kind = clock.day(at_s)
        wall_s = plain.wall_s(at_s)
        assert at_s - midnight_s == wall_s % 86_400.0
        assert kind is plain.kind(wall_s)
