"""What rules tell from little of homes that drip, leak, are told of or come through silences: the same as asked."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from operator import add
from random import Random

import pytest

from alerts.findings import Finding, Kind, Verdict
from devices.meters import only_trembled
from registry.policy import Policy
from rules.course import Course
from rules.dry import dryness
from rules.flow import course_of, may_be_base_since
from rules.learning import counting
from rules.library.flow_running import ContinuousFlow
from rules.library.hidden_use import HiddenUse
from rules.library.high_use import HighUse
from rules.library.inactivity import Inactivity
from rules.library.leak import Leak
from rules.library.meter_fault import MeterFault
from rules.library.possible_fall import PossibleFall
from rules.library.uncovered import Uncovered
from rules.plainly import ANY_FLOW_L_H
from rules.profile import Profile
from rules.profile.local import SLOTS
from rules.quiet import Bound, Moves, Quiet
from rules.rule import Judgement, Rule, Word
from rules.segment import ROUNDING_L, Segment
from rules.silence import silences
from rules.snapshot import Hearing, Learned, Snapshot, instant, read_from
from tests.unit.rule_worlds import NOON, H, home, meter

_Life = Sequence[tuple[datetime, float]]
_LATE_WINDOW = timedelta(days=35)
_DAYS = 10


def life(seed: int, flow_l_h: Callable[[Random, int], float] = lambda *_: 0.0, missing: float = 0.05) -> _Life:
    """Hourly readings of people who sleep, go out and flush, over what flows by itself in each hour."""
    random = Random(seed)
    readings, total_l, begun = [(NOON - _DAYS * 24 * H, 1000.0)], 1000.0, _DAYS * 24
    out = False
    for hour in range(1, begun + 1):
        out = not out if random.random() < 0.06 else out
        if not out and hour % 24 > 7 and random.random() < 0.6:
            total_l += random.choice([0.4, 1.0, 3.0, 9.0, 40.0])
        total_l += flow_l_h(random, hour)
        if random.random() >= missing:
            readings.append((NOON - (begun - hour) * H, total_l))
    return readings


def learned(half_hours: int, from_at: datetime = NOON - 240 * H) -> Learned:
    """A home in which a silence of so many half hours is too long."""
    line = (half_hours,) * SLOTS
    return Learned(from_at=from_at, profile=Profile(until_s=0.0, days=60.0, lines=((line, line),) * 5))


def drips(random: Random, _: int) -> float:
    """A drip that never stops."""
    return random.uniform(4.9, 5.3)


def cistern(random: Random, hour: int) -> float:
    """A cistern that does not close for days on end."""
    return random.uniform(16.0, 17.0) if hour // 70 % 2 else 0.0


def leaks(random: Random, hour: int) -> float:
    """A leak of a day and more, again and again."""
    return random.uniform(4.9, 5.3) if hour % 40 < 30 else 0.0


def by_turns(_: Random, hour: int) -> float:
    """As much in thirty hours on end, then nothing for ten: just long enough to be told from use."""
    return 5.0 if hour % 40 < 30 else 0.0


def rises(random: Random, hour: int) -> float:
    """What flows without a stop grows until it hides what people use."""
    return random.uniform(0.98, 1.0) * min(20.0, hour / 12.0) if hour % 130 > 4 else 0.0


def trembling(readings: _Life, seed: int) -> _Life:
    """The same by a register that shows a litre less now and then, for a reading or two."""
    random, less_l, shown = Random(seed), 0.0, list[tuple[datetime, float]]()
    for at, total_l in readings:
        less_l = 0.0 if less_l and random.random() < 0.7 else 1.0 if random.random() < 0.01 else less_l
        shown.append((at, total_l - less_l))
    return shown


def word_of(course: Course, before: int, heard: int) -> Word:
    """What has come of a meter that is heard as it measures, of which so many readings were heard before."""
    at_s, totals_l = course.at_s, course.totals_l
    moved = [place for place in range(before, heard) if totals_l[place] != totals_l[place - 1]]
    shown = [(instant(at), total_l) for at, total_l in zip(at_s[:heard], totals_l[:heard], strict=True)]
    flowing_s = may_be_base_since([meter(shown, installed_at=shown[0][0])], ANY_FLOW_L_H)
    assert flowing_s is not None
    return Word(
        instant(at_s[heard - 1]),
        instant(at_s[heard - 1]),
        at_s[heard - 1],
        [at_s[place] for place in moved],
        [totals_l[place] - totals_l[place - 1] for place in moved],
        [at_s[place - 1] for place in moved],
        flowing_s,
        is_exact=True,
        surely_l=[course.surely_l[place - 1] for place in moved],
    )


def stood(
    rule: Rule, readings: _Life, seed: int, *, known: bool = True, half_hours: int = 20, anew: Learned | None = None
) -> int:
    """How often it stood; each time, what asking it anew concluded was what it said.

    Args:
        rule: which.
        readings: of the home's meter.
        seed: of what is left to chance.
        known: of all that the meter will ever show, the base flow is.
        half_hours: a silence of so many is too long.
        anew: other habits, and from when on they count.
    """
    random, count = Random(seed), 0
    at_s, totals_l = [at.timestamp() for at, _ in readings], [total_l for _, total_l in readings]
    course = course_of(at_s, totals_l)
    policy, habits = Policy(inactivity_min_h=5.0), [learned(half_hours), *([] if anew is None else [anew])]
    kind = Kind(rule.name) if rule.name in set(Kind) else None

    def seen(now: datetime, looked_until: datetime, told: Judgement | None) -> Snapshot:
        from_at = read_from(looked_until, policy, now, _LATE_WINDOW)
        shown = [reading for reading in readings if from_at <= reading[0] <= now]
        only = meter(shown, interval_s=3600, installed_at=readings[0][0])
        open_kinds = {kind} if told and kind and any(each.verdict is Verdict.RAISE for each in told.findings) else set()
        since = {} if told is None or told.ongoing_since is None else {rule.name: told.ongoing_since}
        return home(
            replace(only, water=replace(only.water, course=course if known else None)),
            policy=policy,
            profiles=counting(habits, now),
            looked_until=looked_until,
            open_kinds=frozenset(open_kinds),
            ongoing=since,
            hearing=Hearing(until=now, since=NOON - 9999 * H),
        )

    now = NOON - (_DAYS - 3) * 24 * H
    while now < NOON:
        now += timedelta(minutes=random.randrange(300, 900))
        looked_until = now - random.choice([2, 9, 20]) * H
        told = rule.evaluate(seen(now, looked_until, None), now)
        judged = rule.evaluate(seen(now, looked_until, told), now)
        was_known, records = _known(told, judged), _records(told) | _records(judged)
        before, later, profiles = bisect_right(at_s, now.timestamp()), now, counting(habits, now)
        while judged.stands is not None and (later := later + timedelta(minutes=random.randrange(20, 400))) < NOON:
            later = min(later, judged.next_due)  # a flow may be told of for less than a pause
            heard = bisect_right(at_s, later.timestamp())
            word = word_of(course, before, heard)
            if rule.name == "inactivity":
                assert judged.stands(word._replace(learned=()), later) is None
            counted, profiles = profiles, counting(habits, later)
            again = judged.stands(word if profiles == counted else word._replace(learned=profiles), later)
            if again is None:
                break
            assert again.next_due > later
            looked_later = random.choice([looked_until, again.judged_until or looked_until])
            asked = rule.evaluate(seen(later, looked_later, judged if was_known else again), later)
            assert not _news(asked, was_known)
            assert _records(asked) <= records
            assert asked.ongoing_since == again.ongoing_since
            assert asked.impairments == again.impairments
            assert asked.impairments_known == again.impairments_known
            judged, before, count = again._replace(findings=judged.findings if was_known else ()), heard, count + 1
    return count


def _known(*judged: Judgement) -> int:
    """How grave the case is that somebody has; 0: there is none."""
    if any(each.verdict is Verdict.CLEAR for each in judged[-1].findings):
        return 0
    return max((1 + f.severity.rank for each in judged for f in each.findings if f.verdict is Verdict.RAISE), default=0)


def _news(asked: Judgement, known: int) -> list[Finding]:
    return [
        each
        for each in asked.findings
        if (each.verdict is Verdict.CLEAR and known)
        or (each.verdict is Verdict.RAISE and 1 + each.severity.rank > known)
    ]


def _records(judged: Judgement) -> set[datetime]:
    """Since when what was, or was told, began."""
    return {each.since for each in judged.findings if each.verdict is not Verdict.CLEAR}


@pytest.mark.parametrize("flows", [None, drips, cistern, by_turns], ids=["none", "drips", "cistern", "by turns"])
@pytest.mark.parametrize("rule", [Inactivity(), PossibleFall(), Leak(), HighUse()], ids=lambda rule: rule.name)
def test_what_is_told_from_little_is_what_asking_would_find(
    rule: Rule, flows: Callable[[Random, int], float] | None
) -> None:
    lives = [life(seed) if flows is None else life(seed, flows) for seed in range(2)]
    assert sum(stood(rule, readings, seed, half_hours=24) for seed, readings in enumerate(lives)) > 10


def test_a_base_flow_that_leaves_room_is_no_reason_to_ask_again() -> None:
    assert sum(stood(HiddenUse(), life(seed, cistern), seed) for seed in range(2))
    readings = life(5, rises)
    assert stood(HiddenUse(), readings, 5) > stood(HiddenUse(), readings, 5, known=False)


def test_a_leak_that_is_told_goes_on_until_it_rests_and_gaps_break_a_flow() -> None:
    gaps = [life(seed, drips, missing=0.4) for seed in range(2)]
    assert sum(stood(Leak(), readings, seed) for seed, readings in enumerate(gaps)) > 20


def test_after_a_leak_it_is_not_asked_about_daily_until_that_is_forgotten() -> None:
    assert sum(stood(Leak(), life(seed, leaks), seed) for seed in range(3)) > 40


def test_a_fall_that_is_told_is_told_until_somebody_stirs() -> None:
    begun = NOON - 240 * H
    readings, total_l = [(begun, 0.0)], 0.0
    for hour in range(1, 241):
        # Last up at two in the night, then for days nobody; after that the same again, and not heard for a while.
        silent = 126 < hour < 160 or hour > 174
        total_l += 9.0 if hour % 24 in {6, 15, 22} and not silent else 0.0
        if not 186 < hour < 222:
            readings.append((begun + hour * H, total_l))
    assert stood(PossibleFall(), readings, 1, half_hours=40) > 50


@pytest.mark.parametrize("seed", range(6))
def test_no_line_is_crossed_where_the_silences_say_so(seed: int) -> None:
    random, shortest_s, volume_l = Random(seed), 4 * 3600.0, 1.0 - ROUNDING_L
    at_s, totals_l = [0.0], [0.0]
    for _ in range(200):
        at_s.append(at_s[-1] + random.choice([900.0, 3600.0, 7200.0]))
        totals_l.append(totals_l[-1] + random.choice([0.0, 0.0, 0.0, 0.3, 0.5, 2.0]))

    def limit(since_s: float) -> float:
        return ((since_s + shortest_s) // 7200.0 + 1.0) * 7200.0

    bounds = [Bound(limit, volume_l, shortest_s), Bound(partial(add, 29_700.0), volume_l, 29_700.0)]
    told = 0
    for begin in range(0, 190, 5):
        quiet, last = Quiet.since(at_s[begin], bounds, float("-inf")), begin
        for place in range(begin + 1, len(at_s)):
            if random.random() < 0.5:
                continue
            moved = [each for each in range(last + 1, place + 1) if totals_l[each] > totals_l[each - 1]]
            moved_l = [totals_l[each] - totals_l[each - 1] for each in moved]
            moves = Moves([at_s[each] for each in moved], moved_l, [at_s[each - 1] for each in moved])
            later = quiet.after(moves, at_s[place])
            if later is None:
                break
            part = slice(begin, place + 1)
            read = Segment(at_s[part], totals_l[part], totals_l[part])
            assert not silences([read], use_l=1.0, limit=limit).spells
            assert not dryness([read], volume_l=1.0, window_s=30_000.0).spells
            assert later.crosses_s() > at_s[place]
            quiet, last, told = later, place, told + 1
    assert told > 50


@pytest.mark.parametrize(
    "rule", [Inactivity(), Leak(), ContinuousFlow(), MeterFault(), Uncovered()], ids=lambda rule: rule.name
)
def test_a_register_that_trembled_is_told_of_again_when_it_goes_on(rule: Rule) -> None:
    assert sum(stood(rule, trembling(life(seed), seed), seed) for seed in range(2)) > 10


def test_a_fall_of_more_than_a_tremble_may_be_told_otherwise_later() -> None:
    assert only_trembled([5.0, 4.0, 6.0, 5.0, 6.0])
    assert not only_trembled([5.0, 4.0, 6.0, 5.0])
    assert not only_trembled([5.0, 2.5, 6.0])
    assert not only_trembled([5.0, 6000.0])


def test_a_spared_silence_is_not_asked_about_until_it_is_longer() -> None:
    readings, total_l = [(NOON - 240 * H, 0.0)], 0.0
    for hour in range(1, 241):
        # Silences of nine hours, by turns by night and by day, in a home that is told of one of six and a half.
        total_l += 5.0 if hour % 10 == 0 else 0.0
        readings.append((NOON - (240 - hour) * H, total_l))
    assert stood(Inactivity(), readings, 1, half_hours=13) > 50


def test_of_a_meter_that_is_silent_nobody_can_tell_until_it_is_heard_again() -> None:
    heard = [reading for reading in life(3) if not 24 * H < NOON - reading[0] < 120 * H]
    assert stood(Uncovered(), heard, 3) > 150


@pytest.mark.parametrize("half_hours", [12, 30])
@pytest.mark.parametrize("flows", [None, drips], ids=["none", "drips"])
def test_other_habits_count_from_a_moment_on(flows: Callable[[Random, int], float] | None, half_hours: int) -> None:
    asked = 0
    for seed in range(8):
        # Of mornings after a silence that is short by the one line and long by the other, or has just been told of.
        anew = learned(half_hours, NOON - (4 + 24 * (seed % 3)) * H)
        readings = life(seed) if flows is None else life(seed, flows)
        asked += stood(Inactivity(), readings, seed, half_hours=20, anew=anew)
    assert asked > 10
