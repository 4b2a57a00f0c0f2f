"""When a home is learned, from what, and from when on it counts."""

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.findings import Severity
from registry.policy import Policy
from rules.habits import learned_limit
from rules.learning import (
    COUNTS_AFTER,
    LOOKED_BACK,
    PERIOD,
    TRIED_AGAIN,
    History,
    epoch,
    from_stored,
    learned,
    learned_next,
    next_change,
    to_stored,
)
from rules.snapshot import Installation, Learned
from tests.unit.rule_worlds import NOON, H, home, meter

SHANGHAI = ZoneInfo("Asia/Shanghai")
AT = epoch(7, NOON)
DAY = 24 * H


def regular(days: int, *, seed: int = 1, ends: datetime = NOON) -> Installation:
    """A home in which water runs in most hours of the day and in none of the night."""
    random, total_l, readings = Random(seed), 1000.0, []
    for hours in range(days * 24, -1, -1):
        at = ends - hours * H
        if 7 <= at.astimezone(SHANGHAI).hour <= 22 and random.random() < 0.8:
            total_l += random.randint(1, 30)
        readings.append((at, total_l))
    return meter(readings, interval_s=3600, installed_at=ends - 300 * 24 * H)


def history(*meters: Installation, **known: object) -> History:
    facts: dict[str, object] = {
        "home_id": 7,
        "time_zone": "Asia/Shanghai",
        "policy": Policy(),
        "not_lived": (),
        "epoch_at": AT,
    }
    return History(**{**facts, "installations": meters, **known})  # type: ignore[arg-type]


@given(home_id=st.integers(1, 2**31 - 1), now=st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)))
def test_every_home_has_one_epoch_a_week(home_id: int, now: datetime) -> None:
    at = now.replace(tzinfo=SHANGHAI)
    found = epoch(home_id, at)
    assert timedelta() <= at - found < PERIOD
    assert epoch(home_id, found) == found
    assert epoch(home_id, found - timedelta(microseconds=1)) == found - PERIOD
    assert found.microsecond == 0


def test_the_homes_of_a_city_are_learned_all_through_the_week() -> None:
    hours = [0] * 168
    for home_id in range(1, 16_801):
        hours[int((NOON - epoch(home_id, NOON)) / H)] += 1
    assert min(hours) > 50
    assert max(hours) < 170


def test_two_profiles_are_made_and_what_is_known_is_kept() -> None:
    both = learned(history(regular(150)))
    assert [each.from_at for each in both] == [AT - PERIOD + COUNTS_AFTER, AT + COUNTS_AFTER]
    assert all(each.profile is not None for each in both)
    marked = Learned(from_at=both[0].from_at, profile=None)
    assert learned(history(regular(150), known=(marked,))) == (marked, both[1])
    stale = Learned(from_at=both[0].from_at - PERIOD, profile=None)
    assert learned(history(regular(150), known=(stale,))) == both
    kept = from_stored(to_stored(both))
    assert [each.from_at for each in kept] == [each.from_at for each in both]
    assert [each.profile and each.profile.lines for each in kept] == [
        each.profile and each.profile.lines for each in both
    ]


def test_a_line_is_the_same_whether_or_not_the_others_are_asked_for() -> None:
    whole = learned(history(regular(150)))[1].profile
    assert whole is not None
    for strictness, pair in enumerate(whole.lines):
        alone = learned(history(regular(150), strictness=strictness))[1].profile
        lines = tuple(pair if each == strictness else None for each in range(len(whole.lines)))
        assert alone == replace(whole, lines=lines)


def test_a_fortnight_must_be_known() -> None:
    assert [each.profile is None for each in learned(history(regular(17)))] == [True, False] or AT > NOON - 3 * 24 * H
    assert [each.profile for each in learned(history(regular(10)))] == [None, None]
    assert [each.profile for each in learned(history())] == [None, None]


def test_what_nobody_lived_through_is_not_learned() -> None:
    whole = regular(60)
    gone = (NOON - 60 * 24 * H, NOON - 20 * 24 * H)
    assert learned(history(whole, not_lived=(gone,)))[1].profile != learned(history(whole))[1].profile
    assert learned(history(whole, not_lived=((NOON - 60 * 24 * H, NOON),)))[1].profile is None


def test_what_came_after_the_epoch_changes_nothing() -> None:
    whole = regular(150)
    cut = sum(at_s < AT.timestamp() - 3600.0 for at_s in whole.water.measured_s)
    series = whole.water
    early = replace(whole, water=replace(series, measured_s=series.measured_s[:cut], totals_l=series.totals_l[:cut]))
    assert learned(history(early)) == learned(history(whole))


def test_readings_received_late_are_not_known_before_they_came() -> None:
    whole = regular(150)
    series = whole.water
    # What was measured in the last ten days before the epoch came five days after it.
    received_s = [
        at_s if at_s < (AT - 10 * 24 * H).timestamp() else max(at_s, (AT + 5 * 24 * H).timestamp())
        for at_s in series.measured_s
    ]
    late = replace(whole, water=replace(series, received_s=received_s))
    missing = sum(at_s < (AT - 10 * 24 * H).timestamp() for at_s in series.measured_s)
    without = replace(
        whole, water=replace(series, measured_s=series.measured_s[:missing], totals_l=series.totals_l[:missing])
    )
    assert learned(history(late))[1] == learned(history(without))[1]


@settings(deadline=None, max_examples=30)
@given(hours=st.lists(st.integers(-400, 40), min_size=2, max_size=12), seed=st.integers(1, 3))
def test_the_limit_never_falls_across_the_change_of_profiles(hours: list[int], seed: int) -> None:
    before, now = learned(history(regular(150, seed=seed)))
    other = learned(history(regular(150, seed=seed + 7)))[0]
    for profiles in ((before, now), (other, now)):
        limit = learned_limit(home(profiles=profiles), Severity.SOFT)
        assert limit is not None
        begins = sorted(now.from_at.timestamp() + each * 1800.0 for each in hours)
        ends = [limit(since_s) for since_s in begins]
        assert ends == sorted(ends)
        assert all(7.9 * 3600.0 <= end_s - since_s <= 24 * 3600.0 for since_s, end_s in zip(begins, ends, strict=True))


def test_a_silence_is_judged_by_the_profile_that_counts_when_it_is_too_long() -> None:
    strict, mild = learned(history(regular(150, seed=3)))
    counts_from_s = mild.from_at.timestamp()
    both = learned_limit(home(profiles=(strict, mild)), Severity.SOFT)
    first = learned_limit(home(profiles=(strict,)), Severity.SOFT)
    assert both is not None
    assert first is not None
    for since_s in (counts_from_s - 40 * 3600.0, counts_from_s - 26 * 3600.0):
        assert both(since_s) == first(since_s)


def test_no_profile_no_line() -> None:
    nothing = Learned(from_at=AT, profile=None)
    known = learned(history(regular(150)))
    assert learned_limit(home(), Severity.SOFT) is None
    assert learned_limit(home(profiles=(known[0], nothing)), Severity.SOFT) is None
    assert learned_limit(home(profiles=known, policy=Policy(inactivity_learned=False)), Severity.SOFT) is None
    assert learned_limit(home(profiles=(nothing, known[1])), Severity.SOFT) is not None
    assert timedelta(days=120) < LOOKED_BACK


def test_a_home_is_learned_again_each_day_until_a_fortnight_is_known() -> None:
    """From the first day on which that is enough, for the rest of the week; then weekly."""
    young = regular(17, ends=AT + 6 * DAY + 12 * H)  # a fortnight of it is over three and a half days after the epoch
    found = [learned(history(young, epoch_at=AT + day * DAY)) for day in range(7)]
    assert [profiles[-1].profile is not None for profiles in found] == [False] * 4 + [True] * 3
    line = found[-1][-1]
    assert line.from_at == AT + 4 * DAY + COUNTS_AFTER
    assert all(profiles[-1] == line for profiles in found[4:])
    assert learned_next(7, AT + 4 * DAY, found[4]) == AT + PERIOD
    assert learned_next(7, AT, found[0]) == AT + TRIED_AGAIN
    # Next week what counted in this one is still known, whether or not it was stored.
    stored = learned(history(young, epoch_at=AT + PERIOD, known=found[-1]))
    assert stored[0] == line
    assert learned(history(young, epoch_at=AT + PERIOD)) == stored


def test_looks_are_asked_for_when_a_line_may_begin_to_count() -> None:
    nothing, line = Learned(from_at=AT, profile=None), learned(history(regular(150)))[1]
    now = AT + 2 * DAY + 5 * H
    assert next_change(7, now, (nothing,)) == AT + 3 * DAY
    assert next_change(7, now, (nothing, line)) == next_change(7, now, ()) == AT + PERIOD + COUNTS_AFTER
