"""Monitoring lost and impaired: counted by receipt, up to where we have heard, never from our own deafness."""

import itertools
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.findings import Kind, Severity, Verdict
from alerts.wording import sentence
from rules.hearing import Ear, assess, heard
from rules.library.monitoring_lost import MonitoringLost
from rules.library.uncovered import Uncovered
from rules.snapshot import Hearing, Installation
from tests.unit.rule_worlds import MIN, NOON, H, home, hourly, meter

LOST = MonitoringLost()
UNCOVERED = Uncovered()
SETTLE = 2 * MIN
LONG_AGO = NOON - 30 * 24 * H


def button(heard_at: datetime | None, **known: object) -> Installation:
    facts: dict[str, object] = {"device": "btn-1", "installed_at": LONG_AGO, "interval_s": 900, "heard_at": heard_at}
    return Installation(**{**facts, **known})  # type: ignore[arg-type]


def test_heard_in_time_is_quiet_and_looked_at_when_it_could_be_lost() -> None:
    judgement = LOST.evaluate(home(button(NOON - 10 * MIN)), NOON)
    assert not judgement.findings
    assert judgement.next_due == NOON + 50 * MIN + timedelta(seconds=15)


def test_silent_for_three_intervals_but_at_least_an_hour() -> None:
    assert not LOST.evaluate(home(button(NOON - 60 * MIN)), NOON).findings
    (finding,) = LOST.evaluate(home(button(NOON - 63 * MIN)), NOON).findings
    assert (finding.kind, finding.verdict, finding.severity) == (
        Kind.MONITORING_LOST,
        Verdict.RAISE,
        Severity.TECHNICAL,
    )
    assert finding.since == NOON - 63 * MIN
    assert (
        sentence(finding.reason.id, finding.reason.values, "en") == "nothing heard from btn-1 for 1 h 03 min; limit 1 h"
    )
    assert not LOST.evaluate(home(button(NOON - 3 * H, interval_s=3600)), NOON).findings
    assert LOST.evaluate(home(button(NOON - 3 * H - 3 * MIN, interval_s=3600)), NOON).findings


def test_never_heard_counts_from_the_installation() -> None:
    (finding,) = LOST.evaluate(home(button(None, installed_at=NOON - 2 * H)), NOON).findings
    assert finding.reason.id == "monitoring_never_heard"
    assert sentence(finding.reason.id, finding.reason.values, "zh")
    assert not LOST.evaluate(home(button(None, installed_at=NOON - 50 * MIN)), NOON).findings


def test_only_installed_devices_with_an_interval() -> None:
    gone = button(NOON - 9 * H, removed_at=NOON - 8 * H)
    silent_by_nature = button(NOON - 9 * H, interval_s=None)
    assert not LOST.evaluate(home(gone, silent_by_nature), NOON).findings


def test_silence_is_judged_up_to_where_we_have_heard() -> None:
    behind = home(button(NOON - 3 * H), hearing=Hearing(until=NOON - 2 * H - MIN, since=LONG_AGO))
    assert not LOST.evaluate(behind, NOON).findings
    assert not LOST.evaluate(home(button(NOON - 3 * H), hearing=None), NOON).findings


def test_after_an_outage_of_ours_silence_counts_from_its_end() -> None:
    back = Hearing(until=NOON, since=NOON - 30 * MIN)
    told = home(button(NOON - 5 * H), hearing=back, open_kinds=frozenset({Kind.MONITORING_LOST}))
    judgement = LOST.evaluate(told, NOON)
    assert not judgement.findings, "neither raised by our own deafness nor cleared by it"
    assert judgement.next_due <= NOON + 15 * MIN
    later = NOON + 31 * MIN
    assert LOST.evaluate(replace(told, hearing=Hearing(until=later, since=back.since)), later).findings


def test_heard_again_clears() -> None:
    told = home(button(NOON - MIN), ongoing={"monitoring_lost": NOON - 4 * H})
    (finding,) = LOST.evaluate(told, NOON).findings
    assert (finding.verdict, finding.since) == (Verdict.CLEAR, NOON - MIN)
    assert not LOST.evaluate(home(button(NOON - MIN)), NOON).findings


def test_heard_and_silent_again_between_two_looks_is_another_silence() -> None:
    told: dict[str, Any] = {
        "ongoing": {"monitoring_lost": NOON - 9 * H},
        "open_kinds": frozenset({Kind.MONITORING_LOST}),
    }
    cleared, raised = LOST.evaluate(home(button(NOON - 2 * H), **told), NOON).findings
    assert (cleared.verdict, cleared.since) == (Verdict.CLEAR, NOON - 2 * H)
    assert (raised.verdict, raised.since) == (Verdict.RAISE, NOON - 2 * H)
    held = LOST.evaluate(home(button(NOON - 61 * MIN), **told), NOON)
    assert [finding.verdict for finding in held.findings] == [Verdict.CLEAR]
    assert held.next_due <= NOON + 2 * MIN
    other = button(NOON - 30 * MIN, device="btn-2")
    both = LOST.evaluate(home(button(NOON - 2 * H), other, **told), NOON)
    assert [finding.verdict for finding in both.findings] == [Verdict.RAISE], "it may have been silent until then"
    known = {**told, "ongoing": {"monitoring_lost": NOON - 2 * H}}
    assert len(LOST.evaluate(home(button(NOON - 2 * H), **known), NOON).findings) == 1


def test_what_is_silent_is_looked_for_ever_less_often() -> None:
    for silent_h, within in ((2, 0.5 * H), (30, 3 * H), (500, 3 * H)):
        assert LOST.evaluate(home(button(NOON - silent_h * H)), NOON).next_due <= NOON + within
    assert LOST.evaluate(home(button(NOON - 30 * H)), NOON).next_due > NOON + 20 * MIN


def test_one_alert_for_all_silent_devices_of_a_home() -> None:
    snapshot = home(button(NOON - 2 * H), button(NOON - 5 * H, device="btn-2"), button(NOON - MIN, device="btn-3"))
    (finding,) = LOST.evaluate(snapshot, NOON).findings
    assert finding.since == NOON - 5 * H
    assert set(finding.evidence["silent"]) == {"btn-1", "btn-2"}  # type: ignore[arg-type]


def test_a_meter_that_is_heard_but_covers_nothing_is_impaired() -> None:
    readings = hourly([20] * 5, ends=NOON - 25 * H)
    (impairment,) = UNCOVERED.evaluate(home(meter(readings, heard_at=NOON - MIN)), NOON).impairments
    assert impairment.since == NOON - 25 * H
    assert sentence(impairment.reason.id, impairment.reason.values, "en")
    silent = UNCOVERED.evaluate(home(meter(readings, heard_at=NOON - 25 * H)), NOON)
    assert not silent.impairments
    assert not silent.impairments_known
    quiet = UNCOVERED.evaluate(home(meter(hourly([20] * 5, ends=NOON - 20 * H), heard_at=NOON)), NOON)
    assert not quiet.impairments
    assert quiet.next_due == NOON + 4 * H


def ear(until: datetime, *, lane: str = "bulk", broker: str = "b1", since: datetime = LONG_AGO) -> Ear:
    return Ear(lane=lane, broker=broker, until=until, since=since)


def test_the_least_heard_lane_limits_what_is_heard() -> None:
    ears = [ear(NOON), ear(NOON - 3 * MIN, broker="b2"), ear(NOON, lane="urgent")]
    assert heard(ears, timedelta()) == Hearing(until=NOON - 3 * MIN, since=LONG_AGO)
    assert heard([], timedelta()) is None
    assert heard([ear(NOON, lane="urgent")], timedelta()) is None


def test_a_lane_is_heard_as_long_as_one_worker_hears_it() -> None:
    gone = ear(NOON - 9 * H, lane="urgent")
    present = ear(NOON, lane="urgent", since=NOON - 9 * H)
    assert heard([ear(NOON), gone, present], timedelta()) == Hearing(until=NOON, since=NOON - 9 * H)


def test_clocks_that_differ_stop_the_judging_of_silence() -> None:
    assert heard([ear(NOON)], timedelta(seconds=6)) is None
    assert heard([ear(NOON)], timedelta(seconds=-6)) is None
    assert heard([ear(NOON)], timedelta(seconds=5)) is not None
    finding = assess([ear(NOON)], timedelta(seconds=-6), NOON, never_since=LONG_AGO, told_since=None)
    assert finding.verdict is Verdict.RAISE
    assert sentence(finding.reason.id, finding.reason.values, "en").startswith("the clocks")


@given(lag_s=st.integers(0, 4000))
def test_operators_are_told_after_two_minutes_and_homes_unprotected_after_fifteen(lag_s: int) -> None:
    finding = assess([ear(NOON - timedelta(seconds=lag_s))], timedelta(), NOON, never_since=LONG_AGO, told_since=None)
    assert finding.subject.key == "site"
    assert (finding.verdict is Verdict.RAISE) == (lag_s > 120)
    if lag_s > 120:
        assert finding.severity is (Severity.HARD if lag_s > 900 else Severity.TECHNICAL)
        assert sentence(finding.reason.id, finding.reason.values, "en")


def test_catching_up_does_not_move_the_beginning_that_was_told() -> None:
    finding = assess([ear(NOON - 5 * MIN)], timedelta(), NOON, never_since=LONG_AGO, told_since=NOON - 20 * MIN)
    assert finding.since == NOON - 20 * MIN


def test_nothing_ever_heard_counts_from_the_start() -> None:
    finding = assess([], timedelta(), NOON, never_since=NOON - 3 * MIN, told_since=None)
    assert (finding.verdict, finding.since) == (Verdict.RAISE, NOON - 3 * MIN)


@settings(deadline=None, max_examples=60)
@given(gaps_min=st.lists(st.integers(1, 200), min_size=1, max_size=25), interval_min=st.sampled_from([5, 15, 60]))
def test_looking_when_due_finds_every_silence(gaps_min: list[int], interval_min: int) -> None:
    """Looked at only when due: each silence is raised within an interval of its limit, and nothing else is."""
    times = [NOON + minutes * MIN for minutes in itertools.accumulate(gaps_min, initial=0)]
    end = times[-1] + 5 * H
    limit, interval = max(3 * interval_min * MIN, H), interval_min * MIN
    raised: dict[datetime, datetime] = {}
    now, ongoing, looks = NOON, dict[str, datetime](), 0
    while now < end:
        last = max(at for at in times if at <= now)
        hearing = Hearing(until=now - timedelta(seconds=8), since=LONG_AGO)
        snapshot = home(button(last, interval_s=interval_min * 60), hearing=hearing, ongoing=ongoing)
        judgement = LOST.evaluate(snapshot, now)
        for finding in judgement.findings:
            if finding.verdict is Verdict.RAISE:
                raised.setdefault(finding.since, now)
            elif raised:  # one that was heard again before it was told is cleared, too
                assert last > max(raised)
        ongoing = {} if judgement.ongoing_since is None else {"monitoring_lost": judgement.ongoing_since}
        assert judgement.next_due > now
        now, looks = judgement.next_due, looks + 1
    for heard_at, again_at in zip(times, [*times[1:], end], strict=True):
        if again_at - heard_at > limit + interval + SETTLE + MIN:
            assert heard_at in raised, "a silence was missed"
        if heard_at in raised:
            assert timedelta() < raised[heard_at] - heard_at - limit <= interval + SETTLE + MIN
    assert raised.keys() <= set(times)
    assert looks <= (end - NOON) / (limit - interval if limit > interval else limit) + (end - NOON) / interval
