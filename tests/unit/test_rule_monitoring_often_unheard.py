"""Monitoring lost of a meter whose readings are often lost: silent all the same, but told of only after longer."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from alerts.findings import Kind, Verdict
from registry.policy import Policy
from rules.areas import Cause
from rules.learning import COUNTS_AFTER, next_change
from rules.library.monitoring_lost import MonitoringLost
from rules.profile import Profile
from rules.profile.local import SLOTS
from rules.rule import Judgement
from rules.snapshot import Hearing, Installation, Learned, Snapshot, Trouble
from tests.unit.rule_worlds import MIN, NOON, H, home, hourly, meter

LOST = MonitoringLost()
SLACK = timedelta(seconds=15)
LINE = (48,) * SLOTS


def learned(apart_h: float, from_at: datetime = NOON - 100 * H) -> Learned:
    """A meter of which two readings often lie so many hours apart."""
    until_s = (from_at - COUNTS_AFTER).timestamp()
    profile = Profile(until_s=until_s, days=60.0, lines=((LINE, LINE),) * 5, apart_h=apart_h)
    return Learned(from_at=from_at, profile=profile)


def silent(hours: float, device: str = "meter-1") -> Installation:
    """A meter of which nothing was heard for so many hours."""
    return meter(hourly([9] * 70, ends=NOON - hours * H), interval_s=3600, device=device)


def raised(*devices: Installation, apart_h: float = 8.0, policy: Policy | None = None) -> list[int]:
    """What is said: after how many seconds it was to be."""
    snapshot = home(*devices, policy=policy or Policy(), profiles=(learned(apart_h),))
    judgement = LOST.evaluate(snapshot, NOON)
    assert judgement.ongoing_since is not None, "silent it is from its limit on"
    return [int(str(finding.reason.values["limit_s"])) for finding in judgement.findings]


def test_it_is_told_of_an_interval_after_what_it_often_is() -> None:
    assert raised(silent(8.9)) == []
    assert raised(silent(9.1)) == [9 * 3600]
    assert raised(silent(3.1), apart_h=0.0) == raised(silent(3.1), apart_h=2.0) == [3 * 3600]


def test_for_no_longer_than_the_policy_says_and_never_sooner_than_its_limit() -> None:
    assert raised(silent(23.9), apart_h=60.0) == []
    assert raised(silent(24.1), apart_h=60.0) == [24 * 3600]
    assert raised(silent(6.1), policy=Policy(silence_max_h=6.0)) == [6 * 3600]
    assert raised(silent(3.1), policy=Policy(silence_max_h=0.0)) == [3 * 3600]
    assert raised(silent(5.1), policy=Policy(silence_max_h=4.0, silence_intervals=5.0)) == [5 * 3600]


def test_until_its_home_is_known_it_has_its_limit() -> None:
    for profiles in ((), (Learned(from_at=NOON - 9 * H, profile=None),)):
        (finding,) = LOST.evaluate(home(silent(3.1), profiles=profiles), NOON).findings
        assert finding.verdict is Verdict.RAISE


def test_what_the_readings_do_not_tell_of_has_its_limit() -> None:
    button = Installation(
        device="btn-1", installed_at=NOON - 100 * H, interval_s=3600, heard_at=NOON - 3.1 * H, calls=True
    )
    assert raised(silent(0.5), button) == [3 * 3600], "a button"
    assert raised(silent(3.1), silent(0.5, device="meter-2")) == [3 * 3600], "one of two meters"


def test_a_new_meter_does_not_have_the_habits_of_the_one_before() -> None:
    silent_new = replace(silent(0.0), installed_at=NOON - 3.1 * H, heard_at=None)
    assert raised(silent_new, apart_h=20.0) == [3 * 3600]


def test_our_own_outages_do_not_put_it_off_for_longer_than_the_policy_says() -> None:
    """Deaf for a moment every few hours, we would never have listened for as long as it often is."""
    for deaf_h, silent_h, told in ((4, 24.1, [21 * 3600]), (4, 23.9, []), (2, 40.0, []), (22, 24.0, [21 * 3600])):
        hearing = Hearing(until=NOON, since=NOON - deaf_h * H)
        judgement = LOST.evaluate(home(silent(silent_h), hearing=hearing, profiles=(learned(20.0),)), NOON)
        assert [finding.reason.values["limit_s"] for finding in judgement.findings] == told, (deaf_h, silent_h)


def test_a_silence_is_told_by_the_habits_that_count_when_it_is_too_long_whenever_anybody_looks() -> None:
    for before_h, now_h, silent_h, told in (
        (8.0, 20.0, 9.1, [9 * 3600]),  # it was too long before the others counted
        (8.0, 20.0, 9.0, []),
        (20.0, 8.0, 15.0, [9 * 3600]),  # it is from then on that they count
        (20.0, 2.0, 3.05, [3 * 3600]),
    ):
        habits = (learned(before_h), learned(now_h, NOON - 3 * MIN))
        judgement = LOST.evaluate(home(silent(silent_h), profiles=habits), NOON)
        assert [finding.reason.values["limit_s"] for finding in judgement.findings] == told


def test_what_is_said_of_one_that_is_waited_for_beside_a_button_that_is_lost_is_its_limit() -> None:
    button = Installation(device="btn-1", installed_at=NOON - 100 * H, interval_s=3600, heard_at=NOON - 4 * H)
    (finding,) = LOST.evaluate(home(silent(5), button, profiles=(learned(8.0),)), NOON).findings
    said = finding.reason.values
    assert (said["device"], said["silent_s"], said["limit_s"]) == ("meter-1", 5 * 3600, 3 * 3600)


def test_habits_beyond_all_reason_are_as_good_as_the_longest() -> None:
    assert raised(silent(24.1), apart_h=1e300) == raised(silent(24.1), apart_h=float("inf")) == [24 * 3600]


def test_a_silence_that_is_not_told_yet_is_part_of_an_incident_of_its_area() -> None:
    trouble = Trouble(cause=Cause.SILENT, since=NOON - 5 * H, opened_at=NOON - H)
    judgement = LOST.evaluate(home(silent(5), profiles=(learned(8.0),), troubles=(trouble,)), NOON)
    assert judgement.ongoing_since == NOON - 5 * H
    assert not judgement.findings


def test_what_was_told_stays_told_where_it_turns_out_to_be_often_so() -> None:
    snapshot = home(silent(4), profiles=(learned(8.0),), ongoing={LOST.name: NOON - 4 * H})
    judgement = LOST.evaluate(replace(snapshot, open_kinds=frozenset({Kind.MONITORING_LOST})), NOON)
    assert [finding.verdict for finding in judgement.findings] == [Verdict.RAISE]


def test_it_is_asked_again_when_other_habits_may_count() -> None:
    now = next_change(7, NOON, [learned(8.0)]) - 5 * MIN
    judgement = LOST.evaluate(
        home(replace(silent(0.0), heard_at=now - 8.5 * H), now=now, profiles=(learned(8.0),)), now
    )
    assert not judgement.findings
    assert judgement.next_due <= now + 5 * MIN


@given(
    gaps_h=st.lists(st.integers(1, 30), min_size=1, max_size=12),
    apart_h=st.tuples(st.integers(0, 26), st.integers(0, 26)),
    changes_h=st.integers(1, 60),
    seed=st.integers(0, 9),
)
def test_extra_looks_change_nothing(gaps_h: Sequence[int], apart_h: tuple[int, int], changes_h: int, seed: int) -> None:
    """Each silence that is longer than it often is then is told of once, and no other."""
    begin = next_change(7, NOON, [learned(0.0)]) - changes_h * H
    habits = [learned(apart_h[0]), learned(apart_h[1], begin + changes_h * H)]
    times = [begin + hours * H for hours in itertools.accumulate(gaps_h, initial=0)]
    found = [_told(begin, times, habits, extra) for extra in (None, Random(seed))]
    assert [since for since, _ in found[0]] == [since for since, _ in found[1]]
    for (_, plainly), (_, busily) in zip(*found, strict=True):
        assert timedelta() <= plainly - busily <= SLACK
    for heard_at, again_at in itertools.pairwise(times):
        lasted_h = (again_at - heard_at) / H
        limits_h = {max(3.0, min(24.0, 1.0 + hours)) for hours in apart_h}
        told = heard_at in dict(found[0])
        assert told or lasted_h <= max(limits_h) + 0.1
        assert not told or lasted_h > min(limits_h)


def _told(
    begin: datetime, times: Sequence[datetime], habits: Sequence[Learned], extra: Random | None
) -> list[tuple[datetime, datetime]]:
    """Since when it was silent and when that was told, looked at when due and (with `extra`) at other times too."""
    told, now, before, is_open = list[tuple[datetime, datetime]](), begin, Judgement(begin), False
    while now < times[-1] + 30 * H:
        before = LOST.evaluate(_seen(now, times, habits, before, is_open), now)
        for finding in before.findings:
            if finding.verdict is Verdict.CLEAR:
                is_open = False
            elif not is_open:
                is_open = True
                told.append((finding.since, now))
        assert before.next_due > now
        # A reading brings a look.
        heard = [at for at in times if at > now]
        due = min([before.next_due, *heard[:1]])
        now = due if extra is None else now + (due - now) * extra.choice([0.2, 0.7, 1.0])
    return told


def _seen(
    now: datetime, times: Sequence[datetime], habits: Sequence[Learned], before: Judgement, is_open: bool
) -> Snapshot:
    shown = silent(0.0)
    heard_at = max(at for at in times if at <= now)
    return home(
        replace(shown, heard_at=heard_at, installed_at=times[0] - 900 * H),
        now=now,
        hearing=Hearing(until=now, since=NOON - 9999 * H),
        profiles=tuple(each for each in habits if each.from_at <= now),
        open_kinds=frozenset({Kind.MONITORING_LOST} if is_open else ()),
        ongoing={} if before.ongoing_since is None else {LOST.name: before.ongoing_since},
    )
