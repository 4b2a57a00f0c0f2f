"""Where a rule tells from little what it would say again, asking it would conclude the same."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from operator import ge
from random import Random

import pytest

from alerts.findings import Finding, Kind, Verdict
from devices import meters
from rules.backtest.words import Words
from rules.course import Course
from rules.flow import base_flow, course_of, may_be_base_since, without_base
from rules.learning import counting
from rules.library.catalogue import HOME_RULES
from rules.library.inactivity import Inactivity
from rules.library.monitoring_lost import MonitoringLost
from rules.profile import Profile
from rules.profile.local import SLOTS
from rules.rule import Judgement, Rule
from rules.segment import Segment
from rules.snapshot import Hearing, Learned, Snapshot
from tests.unit.rule_worlds import MIN, NOON, H, home, meter

_Readings = Sequence[tuple[datetime, float]]
LATE_WINDOW = timedelta(days=35)
LINE = (20,) * SLOTS
LEARNED = (Learned(from_at=NOON - 240 * H, profile=Profile(until_s=0.0, days=60.0, lines=((LINE, LINE),) * 5)),)
_RULES = [rule for rule in HOME_RULES if rule.name not in {"test_overdue", "check_overdue"}]


def life(seed: int) -> list[tuple[datetime, float]]:
    """Ten days of hourly readings: nights, days away, hours that are missing, and in some homes a drip."""
    random = Random(seed)
    readings, total_l = [(NOON - 240 * H, 1000.0)], 1000.0
    away = False
    for hour in range(1, 241):
        if random.random() < 0.02:
            away = not away
        if not away and hour % 24 > 6 and random.random() < 0.5:
            total_l += random.choice([0.4, 1.0, 4.0, 12.0, 60.0])
        if seed % 3 == 2 and 60 < hour < 120:
            total_l += 1.0
        if random.random() > 0.05:
            readings.append((NOON - (240 - hour) * H, total_l))
    return readings


def begun_anew(readings: _Readings) -> list[tuple[datetime, float]]:
    """The same life, by a meter that was exchanged halfway for one that begins at nothing."""
    half = len(readings) // 2
    return [*readings[:half], *((at, total_l - readings[half][1]) for at, total_l in readings[half:])]


def dripping(seed: int) -> list[tuple[datetime, float]]:
    """The same life with a drip that never stops, a little more and a little less."""
    random, dripped_l, readings = Random(seed), 0.0, list[tuple[datetime, float]]()
    for at, total_l in life(seed):
        readings.append((at, total_l + dripped_l))
        dripped_l += random.uniform(4.9, 5.3)
    return readings


def whole(readings: _Readings) -> Course:
    """All that the meter will ever have shown."""
    return course_of([at.timestamp() for at, _ in readings], [total_l for _, total_l in readings])


def seen(
    snapshot: Snapshot, readings: _Readings, now: datetime, course: Course | None = None, **known: object
) -> Snapshot:
    """The home as a look would read it."""
    only = meter([reading for reading in readings if reading[0] <= now], interval_s=3600, installed_at=readings[0][0])
    return replace(
        snapshot,
        installations=(replace(only, water=replace(only.water, course=course)),),
        hearing=Hearing(until=now, since=NOON - 9999 * H),
        **known,  # type: ignore[arg-type]
    )


def words_of(readings: _Readings) -> Words:
    """What a back-test tells of a meter that is heard as it measures."""
    times_s = [at.timestamp() for at, _ in readings]
    return Words(times_s, [total_l for _, total_l in readings], times_s, whole(readings).surely_l, LATE_WINDOW)


def news(asked: Judgement, *, told: int) -> list[Finding]:
    """What they do not know who were told something as grave as this: that it is over, or graver."""
    return [
        each
        for each in asked.findings
        if each.verdict is Verdict.CLEAR or (each.verdict is Verdict.RAISE and each.severity.rank > told)
    ]


def told_by(judgement: Judgement, *, told: int) -> int:
    """How grave what they are told of is then; -1 if it is nothing."""
    for each in judgement.findings:
        if each.verdict is not Verdict.RECORD:
            told = -1 if each.verdict is Verdict.CLEAR else max(told, each.severity.rank)
    return told


@pytest.mark.parametrize("exchanged", [False, True])
@pytest.mark.parametrize("rule", _RULES, ids=lambda rule: rule.name)
def test_a_judgement_that_stands_is_the_one_that_would_be_made(rule: Rule, exchanged: bool) -> None:
    stood = sum(_stood(rule, begun_anew(life(seed)) if exchanged else life(seed)) for seed in range(4))
    assert stood


@pytest.mark.parametrize("rule", _RULES, ids=lambda rule: rule.name)
def test_no_judgement_that_went_by_habits_stands_where_others_count(rule: Rule) -> None:
    """As told, asking it by other habits would conclude something else only where it does not stand."""
    readings, snapshot = life(1), home(profiles=LEARNED)
    words, now = words_of(readings), NOON - 20 * H
    later = now + timedelta(minutes=1)
    judged = rule.evaluate(seen(snapshot, readings, now), now)
    heard = words.heard(sum(at <= later for at, _ in readings))
    again = judged.stands and judged.stands(words.since(heard.moves, heard)._replace(learned=()), later)
    others = [rule.evaluate(seen(replace(snapshot, profiles=anew), readings, later), later) for anew in (LEARNED, ())]
    goes_by_habits = others[0]._replace(stands=None) != others[1]._replace(stands=None)
    assert not (goes_by_habits and again)


@pytest.mark.parametrize("seed", [3, 10])
def test_of_a_home_in_which_water_never_pauses_use_is_told_from_what_is_surely_no_base_flow(seed: int) -> None:
    readings = dripping(seed)
    assert _stood(Inactivity(), readings, whole(readings)) > _stood(Inactivity(), readings)


def test_of_a_meter_that_is_often_unheard_it_is_told_by_the_habits_that_count() -> None:
    stood, random = 0, Random(5)
    for seed in range(6):
        readings = [reading for reading in life(seed) if random.random() < 0.25]
        # Told of after nine hours by the one, after four by the other.
        apart_h = (8.0, 3.0) if seed % 2 else (3.0, 8.0)
        habits = [
            replace(each, from_at=from_at, profile=replace(each.profile, apart_h=hours))
            for each, from_at, hours in zip(LEARNED * 2, (NOON - 240 * H, NOON - (60 + seed) * H), apart_h, strict=True)
            if each.profile is not None
        ]
        stood += _stood(MonitoringLost(), readings, habits=habits)
    assert stood > 200


def _stood(rule: Rule, readings: _Readings, course: Course | None = None, habits: Sequence[Learned] = LEARNED) -> int:
    """How often it stood, and each time what asking it anew concluded was the same."""
    stood, words = 0, words_of(readings)
    snapshot = home(policy=replace(home().policy, inactivity_min_h=5.0), looked_until=None)
    kind = Kind(rule.name) if rule.name in set(Kind) else None
    now = NOON - 200 * H
    while now < NOON:
        now += 9 * H + 7 * MIN
        counted = counting(habits, now)
        judged = rule.evaluate(seen(snapshot, readings, now, course, profiles=counted), now)
        told, before = told_by(judged, told=-1), words.moves(sum(at <= now for at, _ in readings))
        for ahead in range(1, 40, 2):
            later = now + ahead * timedelta(minutes=47)
            if judged.stands is None or later >= NOON:
                break
            known = {
                "open_kinds": frozenset({kind}) if told >= 0 else frozenset(),
                "ongoing": {} if judged.ongoing_since is None else {rule.name: judged.ongoing_since},
            }
            heard, learned = words.heard(sum(at <= later for at, _ in readings)), counting(habits, later)
            word = words.since(before, heard)
            again = judged.stands(word if learned == counted else word._replace(learned=learned), later)
            if again is None:
                break
            assert again.next_due > later
            counted = learned
            asked = rule.evaluate(seen(snapshot, readings, later, None, profiles=counted, **known), later)
            assert news(asked, told=told) == news(again, told=told)
            assert asked.ongoing_since == again.ongoing_since
            assert not asked.impairments
            assert again.judged_until is None or again.judged_until == asked.judged_until
            assert asked.stands is None or again.heard_within == asked.heard_within
            told, judged, before = told_by(again, told=told), again, heard.moves
            stood += 1
    return stood


@pytest.mark.parametrize("seed", range(4))
def test_since_when_it_may_be_flowing_is_told_of_a_back_test_as_of_a_look(seed: int) -> None:
    readings = life(seed)
    words = words_of(readings)
    for heard in range(10, len(readings), 7):
        begin = readings[0][0].timestamp()
        flowing_s = may_be_base_since([meter(readings[:heard], interval_s=3600, installed_at=readings[0][0])], 1e-9)
        assert max(words.flowing_s(words.moves(heard), heard), begin) == flowing_s


@pytest.mark.parametrize("exchanged", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_the_base_flow_of_a_part_is_the_same_out_of_the_whole_course(seed: int, exchanged: bool) -> None:
    random, readings = Random(seed), begun_anew(life(seed)) if exchanged else life(seed)
    # A drip for most of the time, as a cistern does that does not close.
    at_s = [at.timestamp() for at, _ in readings]
    totals_l = [total_l + max(0, place - 40) * 0.7 * (seed % 2) for place, (_, total_l) in enumerate(readings)]
    course, found = course_of(at_s, totals_l), 0
    for _ in range(60):
        begin = random.randrange(len(at_s) - 2)
        part = slice(begin, random.randint(begin + 1, len(at_s)))
        shown = Segment(at_s[part], totals_l[part], totals_l[part])
        steps_l = [after_l - before_l for before_l, after_l in pairwise(shown.low_l)]
        steady = all(0.0 <= step_l <= meters.ABSURD_AT_ONCE_L for step_l in steps_l)
        assert course.is_steady(shown.at_s) == steady
        if steady:
            alone = base_flow(shown)
            found += any(alone)
            assert list(base_flow(shown._replace(course=course))) == list(alone)
    assert found or not seed % 2


@pytest.mark.parametrize("seed", range(4))
def test_no_part_of_a_course_shows_less_beyond_its_base_flow_than_is_sure(seed: int) -> None:
    random, readings = Random(seed), begun_anew(dripping(seed)) if seed % 2 else dripping(seed)
    course, sure_l = whole(readings), 0.0
    for _ in range(60):
        begin = random.randrange(len(readings) - 2)
        part = slice(begin, random.randint(begin + 1, len(readings)))
        shown = Segment(course.at_s[part], course.totals_l[part], course.totals_l[part])
        if course.is_steady(shown.at_s):
            (net,) = without_base([shown])
            used_l = [after_l - before_l for before_l, after_l in pairwise(net.low_l)]
            surely_l = course.surely_l[begin : begin + len(used_l)]
            assert all(map(ge, used_l, surely_l))
            sure_l += sum(surely_l)
    assert sure_l > 0.0


def test_a_step_that_no_more_than_a_total_or_two_could_show_leaves_nothing_proven() -> None:
    at_s = [NOON.timestamp() + 3600.0 * hour for hour in range(5)]

    def words(totals_l: Sequence[float]) -> Words:
        return Words(at_s, totals_l, at_s, (), LATE_WINDOW)

    assert words([1003.0, 1004.0, 1007.0, 1007.0, 1007.0]).is_exact(2, 5)
    assert not words([1000.0, 1000.0, 1100.0, 1100.0, 1100.0]).is_exact(1, 5)
    assert words([1000.0, 1099.0, 1100.0, 1100.0, 1100.0]).is_exact(2, 5)
