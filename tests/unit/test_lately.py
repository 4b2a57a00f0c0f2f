"""What a home has come through lately is no news: that quiets, hides nothing, is forgotten, and must be known."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.findings import Finding, Severity, Verdict
from registry.policy import Policy
from rules.first_line import line_of
from rules.lately import LATELY_S, MOST_S, Ended, spared_until
from rules.library.inactivity import Inactivity
from rules.profile import STRICTNESS_H, Profile
from rules.segment import Segment
from rules.silence import silences
from rules.snapshot import Learned, Snapshot, read_from
from tests.unit.rule_worlds import NOON, H, home, hourly, meter

RULE = Inactivity()
LINE_H = 9
HOUR_S = 3600.0
POLICY = Policy(holidays="")


def lived(uses_l: Sequence[float], **facts: object) -> Snapshot:
    """A home whose own line is at nine hours all day, by hourly readings up to noon."""
    line = (2 * LINE_H,) * 48
    profile = Profile(until_s=0.0, days=60.0, lines=((line, line),) * len(STRICTNESS_H), wait_h=0.5)
    known = Learned(from_at=NOON - 1000 * H, profile=profile)
    snapshot = home(meter(hourly(uses_l), installed_at=NOON - 2000 * H), looked_until=NOON - H, policy=POLICY)
    return replace(snapshot, profiles=(known,), **facts)  # type: ignore[arg-type]


def judged(snapshot: Snapshot, now: datetime = NOON) -> list[Finding]:
    return [finding for finding in RULE.evaluate(snapshot, now).findings if finding.verdict is Verdict.RAISE]


def busy(hours: int) -> list[float]:
    """Hours of a home in which somebody is, with pauses: what never stops would be a drip."""
    return [(30.0, 10.0, 0.0, 0.0, 0.0)[hour % 5] for hour in range(hours)]


def dry(hours: int) -> list[float]:
    """A use, and so many hours without."""
    return [30.0, *[0.0] * hours]


@pytest.mark.parametrize(("yesterday_h", "today_h", "fires"), [(14, 14, False), (14, 15, True), (8, 10, True)])
def test_a_silence_is_told_once_it_is_longer_than_the_one_before(yesterday_h: int, today_h: int, fires: bool) -> None:
    assert bool(judged(lived(busy(40) + dry(yesterday_h) + busy(8) + dry(today_h)))) is fires


@pytest.mark.parametrize(("step_l", "fires"), [(1.0, True), (10.0, True), (100.0, False)])
def test_the_silences_of_a_register_too_coarse_to_show_use_are_none(step_l: float, fires: bool) -> None:
    """It stands still for a day in which 90 L are used."""
    known = lived([200.0] * 40 + [0.0] * 30)
    (installed,) = known.installations
    coarse = replace(installed, water=replace(installed.water, step_l=step_l))
    for first_use in ("", "09:00"):
        policy = replace(known.policy, inactivity_first_use_by=first_use)
        assert bool(judged(replace(known, installations=(coarse,), policy=policy))) is fires


def test_a_fine_meter_is_judged_although_it_was_a_coarse_one_before() -> None:
    known = lived(busy(40) + dry(10))
    (fine,) = known.installations
    changed_at = NOON - 30 * H
    before = meter(hourly([200.0] * 10, ends=changed_at), device="before", installed_at=NOON - 2000 * H)
    before = replace(before, removed_at=changed_at, water=replace(before.water, step_l=100.0))
    assert judged(replace(known, installations=(before, replace(fine, installed_at=changed_at))))


def test_what_was_too_long_is_forgotten_after_two_days() -> None:
    before = busy(40) + dry(14)
    assert not judged(lived(before + busy(46) + dry(12)))
    assert judged(lived(before + busy(49) + dry(12)))


def test_an_emergency_spares_nothing() -> None:
    uses = busy(40) + dry(14) + busy(8) + dry(12)
    assert not judged(lived(uses))
    in_need = (NOON - 24 * H, NOON - 20 * H)  # the silence before ended 21 h ago
    assert judged(lived(uses, emergencies=(in_need,)))
    assert not judged(lived(uses, emergencies=((NOON - 60 * H, NOON - 50 * H),)))


def test_somebody_is_asked_after_twenty_hours_and_goes_as_ever() -> None:
    away = busy(40) + dry(40) + busy(3)
    assert not judged(lived(away + dry(19)))
    (asked,) = judged(lived(away + dry(20)))
    (sent,) = judged(lived(away + dry(24)))
    assert (asked.severity, sent.severity) == (Severity.SOFT, Severity.HARD)


def test_a_silence_that_never_ended_spares_nothing() -> None:
    """The meter was exchanged while nobody used water: whoever lay there before still does."""
    hours = [hour * HOUR_S for hour in range(60)]
    silent = Segment(hours[:30], [0.0] * 5 + [9.0] * 25, [0.0] * 5 + [9.0] * 25)
    exchanged = Segment(hours[31:], [0.0] * 29, [0.0] * 29)
    found = silences([silent, exchanged], use_l=1.0, limit=lambda s: s + LINE_H * HOUR_S, emergencies=())
    assert len(found.spells) == 2


def test_without_learned_habits_nothing_is_spared() -> None:
    uses = busy(40) + dry(14) + busy(8) + dry(12)
    assert not judged(lived(uses))
    assert judged(replace(lived(uses), profiles=()))


def test_by_when_a_fall_is_noticed_counts_with_it() -> None:
    quiet = lived(busy(40) + dry(14) + busy(8))
    assert line_of(quiet, Severity.SOFT)(NOON) > NOON + 14 * H
    assert line_of(quiet, Severity.HARD)(NOON) <= NOON + 24 * H
    # The one that lasts would spare the next, were water used now.
    assert line_of(lived(busy(40) + dry(11)), Severity.SOFT)(NOON + H) > NOON + 12 * H
    assert line_of(lived(busy(60)), Severity.SOFT)(NOON) <= NOON + LINE_H * H


@given(
    ended=st.lists(st.tuples(st.floats(-200, 0), st.floats(8, 60)).map(lambda e: Ended(e[0] * HOUR_S, e[1] * HOUR_S))),
    since_h=st.floats(-48, 48),
)
def test_it_never_spares_beyond_its_bounds(ended: list[Ended], since_h: float) -> None:
    since_s = since_h * HOUR_S
    spared_s = spared_until(ended, since_s) - since_s
    assert 0.0 <= spared_s <= MOST_S
    if not any(since_s - LATELY_S <= each.until_s < since_s for each in ended):
        assert spared_s == 0.0


@settings(deadline=None, max_examples=60)
@given(
    days=st.lists(st.tuples(st.integers(1, 12), st.integers(0, 26)), min_size=8, max_size=14),
    looked_h=st.integers(0, 30),
)
def test_a_look_that_reads_less_far_back_finds_the_same(days: list[tuple[int, int]], looked_h: int) -> None:
    uses = busy(150) + [litres for used_h, dry_h in days for litres in busy(used_h) + [0.0] * dry_h]
    whole = replace(lived(uses), looked_until=NOON - looked_h * H)
    from_s = read_from(whole.looked_until, POLICY, NOON, timedelta(days=35)).timestamp()
    (device,) = whole.installations
    cut = max(0, sum(at_s < from_s for at_s in device.water.measured_s) - 1)
    water = replace(device.water, measured_s=device.water.measured_s[cut:], totals_l=device.water.totals_l[cut:])
    part = replace(whole, installations=(replace(device, water=water),))
    assert judged(part) == judged(whole)
