"""Where a rule tells from little that its judgement stands, asking it would conclude the same."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random

import pytest

from alerts.findings import Finding, Kind, Verdict
from rules.library.inactivity import Inactivity
from rules.library.monitoring_lost import MonitoringLost
from rules.profile import Profile
from rules.profile.local import SLOTS
from rules.rule import Judgement, Rule, Word
from rules.snapshot import Hearing, Learned, Snapshot
from tests.unit.rule_worlds import MIN, NOON, H, home, meter

_Readings = Sequence[tuple[datetime, float]]
LINE = (20,) * SLOTS
LEARNED = (Learned(from_at=NOON - 240 * H, profile=Profile(until_s=0.0, days=60.0, lines=((LINE, LINE),) * 5)),)


def life(seed: int) -> list[tuple[datetime, float]]:
    """Ten days of hourly readings: nights, days away, hours that are missing."""
    random = Random(seed)
    readings, total_l = [(NOON - 240 * H, 1000.0)], 1000.0
    away = False
    for hour in range(1, 241):
        if random.random() < 0.02:
            away = not away
        if not away and hour % 24 > 6 and random.random() < 0.5:
            total_l += random.choice([0.4, 1.0, 4.0, 12.0, 60.0])
        if random.random() > 0.05:
            readings.append((NOON - (240 - hour) * H, total_l))
    return readings


def begun_anew(readings: _Readings) -> list[tuple[datetime, float]]:
    """The same life, by a meter that was exchanged halfway for one that begins at nothing."""
    half = len(readings) // 2
    return [*readings[:half], *((at, total_l - readings[half][1]) for at, total_l in readings[half:])]


def seen(snapshot: Snapshot, readings: _Readings, now: datetime, **known: object) -> Snapshot:
    """The home as a look would read it."""
    heard = [reading for reading in readings if reading[0] <= now]
    return replace(
        snapshot,
        installations=(meter(heard, interval_s=3600, installed_at=readings[0][0]),),
        hearing=Hearing(until=now, since=NOON - 9999 * H),
        **known,  # type: ignore[arg-type]
    )


def word(readings: _Readings, judged_at: datetime, now: datetime) -> Word:
    """What has come between two looks."""
    steps = [
        (at.timestamp(), total_l - before_l)
        for (_, before_l), (at, total_l) in pairwise(readings)
        if judged_at < at <= now and total_l != before_l
    ]
    newest = max(at for at, _ in readings if at <= now)
    return Word(newest, newest.timestamp(), [at_s for at_s, _ in steps], [used_l for _, used_l in steps])


def news(asked: Judgement, judged: Judgement) -> list[Finding]:
    """What they do not know who have the case already: that it is over, or graver."""
    known = max((each.severity.rank for each in judged.findings if each.verdict is Verdict.RAISE), default=-1)
    return [
        each
        for each in asked.findings
        if each.verdict is Verdict.CLEAR or (each.verdict is Verdict.RAISE and each.severity.rank > known)
    ]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("exchanged", [False, True])
@pytest.mark.parametrize(("rule", "kind"), [(Inactivity(), Kind.INACTIVITY), (MonitoringLost(), Kind.MONITORING_LOST)])
def test_a_judgement_that_stands_is_the_one_that_would_be_made(
    rule: Rule, kind: Kind, exchanged: bool, seed: int
) -> None:
    readings, stood = begun_anew(life(seed)) if exchanged else life(seed), 0
    snapshot = home(policy=replace(home().policy, inactivity_min_h=5.0), profiles=LEARNED, looked_until=None)
    now = NOON - 200 * H
    while now < NOON:
        now += 3 * H + 7 * MIN
        judged = rule.evaluate(seen(snapshot, readings, now), now)
        raised = any(each.verdict is Verdict.RAISE for each in judged.findings)
        known = {
            "open_kinds": frozenset({kind}) if raised else frozenset(),
            "ongoing": {} if judged.ongoing_since is None else {rule.name: judged.ongoing_since},
        }
        for ahead in range(1, 40):
            later = now + ahead * timedelta(minutes=47)
            if judged.stands is None or later >= NOON:
                break
            if (again := judged.stands(word(readings, now, later), later)) is None:
                break
            assert again > later
            asked = rule.evaluate(seen(snapshot, readings, later, **known), later)
            assert not news(asked, judged)
            assert asked.ongoing_since == judged.ongoing_since
            stood += 1
    assert stood
