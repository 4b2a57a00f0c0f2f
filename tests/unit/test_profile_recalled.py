"""What was lived through in a part of a register is the same, cut by itself or recalled from the whole."""

from datetime import UTC, date, datetime
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rules.course import Course
from rules.flow import course_of, without_base
from rules.profile.lived import Past, past_of
from rules.profile.local import clock
from rules.profile.recalled import recalled
from rules.segment import Segment

HOUR = 3600.0
DAY = 24 * HOUR
BEGINS_S = datetime(2024, 9, 20, tzinfo=UTC).timestamp()
DAYS = 50


def is_workday(day: date) -> bool:
    return day.weekday() < 5


CLOCK = clock(ZoneInfo("Europe/Berlin"), is_workday)


def course(seed: int) -> Course:
    """Hourly readings, not all of them there, across the end of summer time.

    A cistern may run for days, steadily or not; nobody may be there for days; the register may be changed for another.
    """
    random = Random(seed)
    drip_l_h = [0.0] * DAYS
    while random.random() < 0.8:
        begin = random.randrange(DAYS)
        for day in range(begin, min(DAYS, begin + random.randint(1, 15))):
            drip_l_h[day] = random.choice((0.3, 1.0, 2.5, 16.0))
    away = {
        day for begin in range(DAYS) if random.random() < 0.05 for day in range(begin, begin + random.randint(1, 9))
    }
    fine_l, lost, shaky = random.choice((0.0, 0.1)), random.choice((0.0, 0.1)), random.choice((0.0, 0.04))
    changed = random.choice((None, random.randrange(DAYS * 24)))
    at_s, totals_l, total_l = list[float](), list[float](), 1000.0
    for hour in range(DAYS * 24):
        day, clock_h = divmod(hour, 24)
        if hour == changed:
            total_l -= 500.0
        total_l += drip_l_h[day] * (1.0 + shaky * random.uniform(-1.0, 1.0))
        if day not in away and clock_h >= 6 and random.random() < 0.4:
            total_l += random.choice((fine_l, 0.6, 1.0, 8.0))
        if random.random() >= lost:
            at_s.append(BEGINS_S + hour * HOUR)
            totals_l.append(total_l)
    return course_of(at_s, totals_l)


class Told(NamedTuple):
    """What a past comes to, however it is cut up."""

    silences: list[tuple[int, float]]
    long: list[tuple[int, int, float]]
    steps_s: list[float]


def told(past: Past) -> Told:
    return Told(
        [row for each in past.lived for row in zip(each.cells, each.at_risk_h, strict=True)],
        [
            (each.cells[nth], length, weight)
            for each in past.lived
            for nth, length, weight in zip(each.long, each.half_hours, each.weights, strict=True)
        ],
        list(past.steps_s),
    )


def recall(of: Course, begin: int, end: int, since_s: float) -> Past | None:
    return recalled(of, begin, end, since_s=since_s, until_s=of.at_s[end - 1] + 1.0, clock=CLOCK)


def by_itself(of: Course, begin: int, end: int, since_s: float) -> Past:
    part = Segment(of.at_s[begin:end], of.totals_l[begin:end], of.totals_l[begin:end])
    return past_of(without_base([part]), since_s, part.at_s[-1] + 1.0, CLOCK)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    first=st.floats(0.0, 0.9),
    share=st.floats(0.05, 1.0),
    unread_days=st.one_of(st.just(0.0), st.floats(0.0, 20.0)),
)
def test_a_part_is_recalled_as_it_is_by_itself(seed: int, first: float, share: float, unread_days: float) -> None:
    of = course(seed)
    begin = int(first * len(of.at_s))
    end = begin + int(share * (len(of.at_s) - begin))
    assume(end > begin and of.is_steady(of.at_s[begin:end]))
    since_s = of.at_s[begin] + unread_days * DAY
    past = recall(of, begin, end, since_s)
    if past is not None:
        alone = by_itself(of, begin, end, since_s)
        assert told(past) == told(alone)
        assert past.covered_s == alone.covered_s


def test_most_parts_are_recalled() -> None:
    """Only where the water never pauses, or never runs, is there nothing to go by."""
    tried = found = 0
    for seed in range(12):
        of = course(seed)
        for end in range(30 * 24, len(of.at_s), 7 * 24):
            begin = end - 30 * 24
            if of.is_steady(of.at_s[begin:end]):
                tried += 1
                found += recall(of, begin, end, of.at_s[begin] + 6 * DAY) is not None
    assert found >= 0.8 * tried > 0


def test_readings_before_they_count_tell_of_base_flow_all_the_same() -> None:
    """Without them the first day of four that the cistern runs would look like one of use."""
    hours = range(40 * 24)
    totals_l, total_l = list[float](), 0.0
    for hour in hours:
        day, clock_h = divmod(hour, 24)
        total_l += (2.0 if 18 <= day < 22 else 0.0) + (10.0 if clock_h in (7, 20) else 0.0)
        totals_l.append(total_l)
    of = course_of([BEGINS_S + hour * HOUR for hour in hours], totals_l)
    past = recall(of, 0, len(totals_l), BEGINS_S + 20 * DAY)
    assert past is not None
    assert told(past) == told(by_itself(of, 0, len(totals_l), BEGINS_S + 20 * DAY))
    assert len(told(past).silences) == 2 * 20
