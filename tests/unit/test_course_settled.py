"""What a disturbed register truly showed: worked out of all of it, the same as of a part of its readings."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

import pytest

from devices.meters import runs
from rules.course import Course
from rules.flow import base_flow, course_of
from rules.segment import Segment
from rules.snapshot import WaterSeries
from rules.water import stretches
from tests.unit.rule_worlds import NOON, H, meter

_HOURS = 800
_Fault = Callable[[Random, list[float], int], None]
_PARTS = 15


def trembles(random: Random, totals_l: list[float], place: int) -> None:
    """A litre less now and then, from a reading on."""
    for each in range(place, place + random.randrange(1, 6)):
        totals_l[each] -= random.choice([0.0, 1.0, 2.0])


def peaks(random: Random, totals_l: list[float], place: int) -> None:
    """A few values that are too high."""
    for each in range(place, place + random.randrange(1, 4)):
        totals_l[each] += random.choice([90.0, 700.0, 9_000.0])


def dips(random: Random, totals_l: list[float], place: int) -> None:
    """A few values that are too low."""
    for each in range(place, place + random.randrange(1, 60)):
        totals_l[each] -= random.choice([30.0, 400.0])


def runs_back(random: Random, totals_l: list[float], place: int) -> None:
    """Some litres run back, for good."""
    back_l = random.choice([3.0, 11.0, 19.0])
    totals_l[place:] = [total_l - back_l for total_l in totals_l[place:]]


def begins_anew(random: Random, totals_l: list[float], place: int) -> None:
    """Another register."""
    before_l = totals_l[place]
    totals_l[place:] = [total_l - before_l for total_l in totals_l[place:]]


def rolls_over(random: Random, totals_l: list[float], place: int) -> None:
    """After its last digit it begins at zero."""
    totals_l[:] = [(total_l - totals_l[place] - 0.5) % 1e6 for total_l in totals_l]


def shown(random: Random, faults: Sequence[_Fault]) -> tuple[list[float], list[float]]:
    """Hourly readings of a home that drips for days on end, with faults."""
    totals_l = [1000.0]
    for hour in range(1, _HOURS):
        used_l = random.choice([0.0, 0.0, 1.0, 5.0, 40.0]) if hour % 24 > 6 else 0.0
        totals_l.append(totals_l[-1] + used_l + (3.0 if hour % 300 > 200 else 0.0))
    for fault in faults:
        fault(random, totals_l, random.randrange(100, _HOURS - 100))
    return [NOON.timestamp() + 3600.0 * hour for hour in range(_HOURS)], totals_l


def agreed(course: Course, random: Random) -> int:
    """How many parts were told out of the whole; what any of them is told to be, it is by itself."""
    count = 0
    for _ in range(_PARTS):
        low = random.randrange(_HOURS - 150)
        high = random.randrange(low + 2, _HOURS)
        at_s, totals_l = course.at_s[low:high], course.totals_l[low:high]
        only = meter([(NOON, 0.0)], installed_at=NOON - H)
        found = stretches(replace(only, water=WaterSeries(measured_s=at_s, totals_l=totals_l, course=course)))
        alone = runs(at_s, totals_l)
        assert [(list(each.at_s), list(each.low_l)) for each in found] == [(list(a), list(b)) for a, b in alone]
        for each in found if course.settled else ():
            base = base_flow(Segment(each.at_s, each.low_l, each.high_l))
            assert list(base_flow(each)) == pytest.approx(list(base))
        count += course.settled is not None and [each.course for each in found] == [course.settled.course]
    return count


@pytest.mark.parametrize("fault", [trembles, peaks, dips, runs_back], ids=lambda fault: fault.__name__)
def test_a_part_is_told_out_of_the_whole_as_it_is_by_itself(fault: _Fault) -> None:
    random, count = Random(7), 0
    for _ in range(8):
        count += agreed(course_of(*shown(random, [fault] * random.randrange(1, 4))), random)
    assert count > 10


def test_of_faults_of_all_kinds_no_part_is_told_otherwise() -> None:
    random = Random(8)
    for _ in range(8):
        faults = random.choices([trembles, peaks, dips, runs_back], k=3)
        agreed(course_of(*shown(random, faults)), random)


@pytest.mark.parametrize("fault", [begins_anew, rolls_over], ids=lambda fault: fault.__name__)
def test_nothing_is_told_of_a_register_that_does_not_go_on_from_where_it_was(fault: _Fault) -> None:
    random = Random(9)
    course = course_of(*shown(random, [fault, trembles]))
    assert course.unsteady
    assert course.settled is None
    agreed(course, random)
