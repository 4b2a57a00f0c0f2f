"""Absence use and absence check: quiet, fires, clears, cannot know."""

import itertools
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.findings import Finding, Kind, Severity, Verdict
from alerts.wording import sentence
from devices.model import EventKind
from registry.policy import Policy
from rules.library.absence_check import AbsenceCheck
from rules.library.absence_use import AbsenceUse
from rules.library.catalogue import HOME_RULES
from rules.library.inactivity import Inactivity
from rules.rule import Rule
from rules.snapshot import Absence, HomeEvent, Installation, Snapshot, instant
from rules.uses import uses
from rules.water import cover
from tests.unit.rule_worlds import MIN, NOON, H, home, hourly, meter

USE, CHECK = AbsenceUse(), AbsenceCheck()


def away(from_at: datetime, until_at: datetime, *, number: int = 12, reason: str = "travel") -> Absence:
    return Absence(absence_id=number, from_at=from_at, until_at=until_at, reason=reason)


def said(finding: Finding, language: str = "en") -> str:
    return sentence(finding.reason.id, finding.reason.values, "zh" if language == "zh" else "en")


def look(rule: Rule, snapshot: Snapshot, now: datetime = NOON) -> list[Finding]:
    return list(rule.evaluate(snapshot, now).findings)


def after(rule: Rule, snapshot: Snapshot, now: datetime = NOON, **known: object) -> Snapshot:
    """The home at the next look, as the engine would carry it on, with what has changed."""
    judgement = rule.evaluate(snapshot, now)
    ongoing = {} if judgement.ongoing_since is None else {rule.name: judgement.ongoing_since}
    facts: dict[str, object] = {"ongoing": ongoing, "looked_until": judgement.judged_until or now, **known}
    return replace(snapshot, **facts)  # type: ignore[arg-type]


def test_both_are_in_the_library() -> None:
    assert {USE.name, CHECK.name} <= {rule.name for rule in HOME_RULES}


# ---------------------------------------------------------------- water used in an absence

AWAY = away(NOON - 10 * H, NOON + 30 * H)


def test_an_empty_home_is_quiet_and_is_looked_at_hourly() -> None:
    judgement = USE.evaluate(home(meter(hourly([20] * 10 + [0] * 10)), absences=(AWAY,)), NOON)
    assert (judgement.findings, judgement.ongoing_since) == ((), None)
    assert judgement.next_due == NOON + H
    coming = away(NOON + 3 * H, NOON + 90 * H)
    assert USE.evaluate(home(meter(hourly([20] * 10)), absences=(coming,)), NOON).next_due == NOON + 5 * H
    assert not look(USE, home(meter(hourly([20] * 10))))


def test_use_in_an_absence_is_told_with_its_number_and_asks_whether_it_has_ended() -> None:
    snapshot = home(meter(hourly([20] * 10 + [0] * 5 + [0, 20, 12, 0, 0])), absences=(AWAY,))
    (finding,) = look(USE, snapshot)
    assert (finding.kind, finding.verdict, finding.severity) == (Kind.ABSENCE_USE, Verdict.RAISE, Severity.SOFT)
    assert finding.since == NOON - 4 * H
    assert said(finding) == (
        "water was used although nobody should be home: 32 L since 2026-03-28 16:00; "
        "absence 12 is noted until 2026-03-30 02:00: has it ended?"
    )
    assert "外出登记12" in said(finding, "zh")
    assert finding.evidence["absence_id"] == 12
    again = after(USE, snapshot, open_kinds=frozenset({Kind.ABSENCE_USE}))
    assert again.ongoing == {"absence_use": NOON - 4 * H}
    assert look(USE, again) == [finding]


def test_a_home_on_summer_time_reads_its_own_clock() -> None:
    # Berlin went from +01:00 to +02:00 on 2026-03-29 at 01:00 UTC.
    now = datetime(2026, 3, 29, 12, tzinfo=UTC)
    absence = away(datetime(2026, 3, 28, 18, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC))
    readings = hourly([0] * 12 + [9] + [0] * 5, ends=now)
    (finding,) = look(USE, home(meter(readings), now=now, absences=(absence,), time_zone="Europe/Berlin"), now)
    assert finding.reason.values["since"] == "2026-03-29 08:00"
    assert finding.reason.values["until"] == "2026-03-30 00:00"


@pytest.mark.parametrize(
    ("uses_l", "what"),
    [
        ([20, 20, 0, 0, 0, 0, 0, 0, 0, 0], "people leave late"),
        ([0, 0, 0, 4, 0, 0, 0, 0, 0, 0], "a few litres"),
        ([0.5] * 10, "a slow drip"),
        ([1, 0, 0, 1, 0, 0, 1, 0, 0, 1], "a drip that the register shows now and then"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_use(uses_l: list[float], what: str) -> None:
    assert not look(USE, home(meter(hourly([20] * 10 + uses_l)), absences=(AWAY,))), what


def test_a_tap_that_always_runs_is_no_use_and_one_that_begins_to_run_is() -> None:
    long = away(NOON - 40 * H, NOON + 30 * H)
    running = [6.0] * 80
    assert not look(USE, home(meter(hourly(running)), absences=(long,)))
    burst = hourly([0.0] * 70 + [6.0] * 10)
    assert [f.since for f in look(USE, home(meter(burst), absences=(long,)))] == [NOON - 10 * H]


def test_a_coarse_register_that_moves_once_proves_nothing() -> None:
    coarse = meter(hourly([0] * 14 + [10] + [0] * 5))
    known = replace(coarse, water=replace(coarse.water, step_l=10.0))
    assert not look(USE, home(known, absences=(AWAY,)))
    used = meter(hourly([0] * 14 + [10, 10] + [0] * 4))
    assert look(USE, home(replace(used, water=replace(used.water, step_l=10.0)), absences=(AWAY,)))


def test_no_data_is_no_use() -> None:
    silent = meter(hourly([20] * 8, ends=NOON - 10 * H))
    assert not look(USE, home(silent, absences=(AWAY,)))
    assert not look(USE, home(absences=(AWAY,)))
    assert USE.evaluate(home(absences=(AWAY,)), NOON).next_due == NOON + 24 * H


def test_it_clears_when_the_absence_ends_or_was_never_meant() -> None:
    raised = home(meter(hourly([20] * 10 + [0] * 5 + [30, 0, 0, 0, 0])), absences=(AWAY,))
    told = after(USE, raised, open_kinds=frozenset({Kind.ABSENCE_USE}))
    for absences in ((replace(AWAY, until_at=NOON - MIN),), ()):
        ended = replace(told, absences=absences)
        (finding,) = look(USE, ended)
        assert (finding.verdict, said(finding)) == (Verdict.CLEAR, "no absence is noted any more")
        assert USE.evaluate(ended, NOON).ongoing_since is None
    # A lookout that the rule has forgotten, but the alerts have not.
    assert [f.verdict for f in look(USE, replace(raised, open_kinds=told.open_kinds, absences=()))] == [Verdict.CLEAR]


def test_an_absence_that_is_prolonged_goes_on() -> None:
    raised = home(meter(hourly([20] * 10 + [0] * 5 + [30, 0, 0, 0, 0])), absences=(AWAY,))
    told = after(USE, raised, open_kinds=frozenset({Kind.ABSENCE_USE}))
    prolonged = replace(told, absences=(replace(AWAY, until_at=NOON), away(NOON, NOON + 90 * H, number=13)))
    (finding,) = look(USE, prolonged)
    assert (finding.verdict, finding.since) == (Verdict.RAISE, NOON - 5 * H)
    assert finding.reason.values["absence"] == 13


def test_use_found_after_the_absence_is_recorded_once() -> None:
    ended = replace(AWAY, until_at=NOON - 2 * H)
    snapshot = home(
        meter(hourly([20] * 10 + [0] * 4 + [30, 0, 0, 0, 0, 30])), absences=(ended,), looked_until=NOON - 8 * H
    )
    (finding,) = look(USE, snapshot)
    assert (finding.verdict, finding.since) == (Verdict.RECORD, NOON - 6 * H)
    assert said(finding).endswith("it is over")
    assert not look(USE, replace(snapshot, looked_until=NOON + 24 * H))
    told = replace(snapshot, ongoing={"absence_use": NOON - 6 * H})
    assert [f.verdict for f in look(USE, told)] == [Verdict.CLEAR]


def test_what_is_no_longer_read_stays_as_it_was_told() -> None:
    long = away(NOON - 200 * H, NOON + 30 * H)
    uses_l = [20.0] * 4 + [0.0] * 36
    told = home(meter(hourly(uses_l[4:])), absences=(long,), ongoing={"absence_use": NOON - 40 * H})
    assert not look(USE, told)
    assert USE.evaluate(told, NOON).ongoing_since == NOON - 40 * H
    # Somebody lives there: the looks see less and less of its beginning.
    lived = home(meter(hourly([20.0] * 48)), absences=(long,), ongoing={"absence_use": NOON - 90 * H})
    assert not look(USE, lived)
    # After a day without any, it is another visit.
    visit = replace(lived, installations=(meter(hourly([0.0] * 40 + [20.0] * 8)),))
    assert [f.since for f in look(USE, visit)] == [NOON - 8 * H]


# ---------------------------------------------------------------- nobody comes back

ENDED = away(NOON - 60 * H, NOON - 13 * H)
QUIET = [20.0] * 10 + [0.0] * 63


def test_a_check_is_raised_after_the_hours_of_the_policy_and_is_hard_after_twice_that() -> None:
    for hours, severity in ((11, None), (12, Severity.SOFT), (23, Severity.SOFT), (24, Severity.HARD)):
        absence = away(NOON - 60 * H, NOON - hours * H)
        judgement = CHECK.evaluate(home(meter(hourly(QUIET)), absences=(absence,)), NOON)
        assert [f.severity for f in judgement.findings] == ([severity] if severity else []), hours
        assert judgement.ongoing_since == absence.until_at
    (finding,) = look(CHECK, home(meter(hourly(QUIET)), absences=(ENDED,)))
    assert (finding.kind, finding.verdict, finding.since) == (Kind.ABSENCE_CHECK, Verdict.RAISE, NOON - 13 * H)
    assert said(finding) == (
        "no sign of life since the absence ended at 2026-03-28 07:00, in 13 h that the meter covers: "
        "is anybody back? meter heard 0 s ago"
    )
    lax = home(meter(hourly(QUIET)), absences=(ENDED,), policy=Policy(absence_check_h=14.0))
    assert not look(CHECK, lax)


def test_it_is_looked_at_when_it_first_could_be_raised() -> None:
    lasting = home(meter(hourly(QUIET)), absences=(away(NOON - 9 * H, NOON + 3 * H),))
    assert CHECK.evaluate(lasting, NOON).next_due == NOON + 15 * H - 5 * MIN
    over = home(meter(hourly(QUIET)), absences=(away(NOON - 60 * H, NOON - 3 * H),))
    assert CHECK.evaluate(over, NOON).next_due == NOON + 9 * H - 5 * MIN
    assert CHECK.evaluate(home(meter(hourly(QUIET)), absences=(ENDED,)), NOON).next_due <= NOON + H


def test_an_absence_to_come_is_looked_after_in_time() -> None:
    coming = home(meter(hourly(QUIET)), absences=(away(NOON + H, NOON + 2 * H),))
    assert CHECK.evaluate(coming, NOON).next_due == NOON + 14 * H - 5 * MIN


def seen(**known: object) -> Snapshot:
    snapshot = home(meter(hourly(QUIET)), absences=(ENDED,))
    device = replace(snapshot.installations[0], device="other", meters_water=False, **known)  # type: ignore[arg-type]
    return replace(snapshot, installations=(*snapshot.installations, device))


@pytest.mark.parametrize("sign", ["motion_at", "used_at", "tested_at"])
def test_movement_and_buttons_are_signs_of_life_if_they_are_of_after_the_absence(sign: str) -> None:
    assert not look(CHECK, seen(**{sign: NOON - 12 * H}))
    assert look(CHECK, seen(**{sign: NOON - 14 * H}))


@pytest.mark.parametrize(
    ("kind", "quiet"), [(EventKind.BUTTON_ACTION, True), (EventKind.TEST_PRESS, True), (EventKind.LOW_BATTERY, False)]
)
def test_a_light_switch_is_a_sign_of_life_and_a_battery_is_none(kind: EventKind, quiet: bool) -> None:
    at = NOON - 3 * H
    event = HomeEvent(event_id=1, kind=kind, device="switch", measured_at=at, received_at=at)
    snapshot = home(meter(hourly(QUIET)), absences=(ENDED,), events=(event,))
    assert bool(look(CHECK, snapshot)) is not quiet


def test_water_clears_it_and_a_drip_does_not() -> None:
    raised = home(meter(hourly(QUIET)), absences=(ENDED,))
    told = after(CHECK, raised, open_kinds=frozenset({Kind.ABSENCE_CHECK}))
    later = NOON + 4 * H
    dripping = replace(told, installations=(meter(hourly([*QUIET, 1, 0, 0, 1], ends=later)),))
    assert [f.verdict for f in look(CHECK, dripping, later)] == [Verdict.RAISE]
    used = replace(told, installations=(meter(hourly([*QUIET, 0, 2, 0, 0], ends=later)),))
    (finding,) = look(CHECK, used, later)
    assert (finding.verdict, finding.since) == (Verdict.CLEAR, NOON + H)
    assert said(finding) == "sign of life since the absence ended"
    quiet = after(CHECK, used, later, open_kinds=frozenset())
    assert CHECK.evaluate(quiet, later).ongoing_since is None


def test_another_absence_or_one_taken_back_clears_it() -> None:
    told = after(CHECK, home(meter(hourly(QUIET)), absences=(ENDED,)), open_kinds=frozenset({Kind.ABSENCE_CHECK}))
    (finding,) = look(CHECK, replace(told, absences=(ENDED, away(NOON - H, NOON + 40 * H, number=13))))
    assert (finding.verdict, said(finding)) == (Verdict.CLEAR, "nobody is expected home until 2026-03-30 12:00")
    (finding,) = look(CHECK, replace(told, absences=()))
    assert (finding.verdict, said(finding)) == (Verdict.CLEAR, "no absence is noted any more")


def test_where_the_meter_does_not_cover_nobody_knows() -> None:
    silent = meter(hourly(QUIET[:-6], ends=NOON - 6 * H))
    assert not look(CHECK, home(silent, absences=(ENDED,)))
    assert not look(CHECK, home(absences=(ENDED,)))
    broken = hourly([20.0] * 8, ends=NOON - 8 * H)
    unknown = [(NOON - 7 * H + hour * H, 3.0) for hour in range(8)]  # another register: what came between is unknown
    assert not look(CHECK, home(meter([*broken[:3], *unknown]), absences=(away(NOON - 40 * H, NOON - 12 * H),)))


def coarse(uses_l: list[float], step_l: float, *, ends: datetime = NOON) -> Installation:
    """A meter as its register in steps shows it."""
    known = meter([(at, total_l // step_l * step_l) for at, total_l in hourly(uses_l, ends=ends)])
    return replace(known, water=replace(known.water, step_l=step_l))


@pytest.mark.parametrize(
    ("step_l", "can_tell"), [(1.0, True), (2.5, True), (5.0, False), (10.0, False), (100.0, False)]
)
def test_a_register_too_coarse_to_show_a_sign_of_life_covers_nothing(step_l: float, can_tell: bool) -> None:
    lived = [6.0, 0.0, 0.0, 0.0] * 19
    assert not look(CHECK, home(coarse(lived, step_l), absences=(ENDED,)))
    still = home(coarse(QUIET, step_l), absences=(ENDED,))
    assert bool(look(CHECK, still)) is can_tell
    assert CHECK.evaluate(still, NOON).ongoing_since == ENDED.until_at
    fine = meter(hourly(QUIET), device="warm")
    assert bool(look(CHECK, home(coarse(QUIET, step_l), fine, absences=(ENDED,)))) is can_tell


def test_what_a_coarse_register_surely_shows_is_a_sign_of_life_and_its_successor_counts_anew() -> None:
    told = home(
        coarse([*QUIET[:-2], 10.0, 10.0], 10.0),
        absences=(ENDED,),
        ongoing={"absence_check": ENDED.until_at},
        open_kinds=frozenset({Kind.ABSENCE_CHECK}),
    )
    assert [finding.verdict for finding in look(CHECK, told)] == [Verdict.CLEAR]
    ended = away(NOON - 60 * H, NOON - 20 * H)
    for hours, raised in ((11, False), (12, True)):
        before = replace(coarse(QUIET, 10.0), device="old", removed_at=NOON - hours * H - MIN)
        successor = meter(hourly([0.0] * hours), installed_at=NOON - hours * H - MIN)
        found = look(CHECK, home(before, successor, absences=(ended,)))
        assert [finding.reason.values["quiet_s"] for finding in found] == [12 * 3600] * raised


def test_it_stays_told_when_the_meter_falls_silent_or_the_absence_is_no_longer_read() -> None:
    policy = Policy(absence_check_h=60.0)
    old = away(NOON - 300 * H, NOON - 70 * H)
    raised = home(
        meter(hourly([0.0] * 48)), policy=policy, ongoing={"absence_check": old.until_at}, looked_until=NOON - 15 * MIN
    )
    (finding,) = look(CHECK, raised)
    assert (finding.verdict, finding.since, finding.severity) == (Verdict.RAISE, old.until_at, Severity.SOFT)
    assert finding.reason.values["quiet_s"] == 70 * 3600
    told = frozenset({Kind.ABSENCE_CHECK})
    silent = replace(raised, installations=(meter([]),), open_kinds=told)
    judgement = CHECK.evaluate(silent, NOON)
    assert (judgement.findings, judgement.ongoing_since) == ((), old.until_at)


def test_a_quiet_return_that_is_found_afterwards_is_recorded() -> None:
    upload = [20.0] * 10 + [0.0] * 60 + [30.0] * 3
    snapshot = home(meter(hourly(upload)), absences=(away(NOON - 60 * H, NOON - 20 * H),), looked_until=NOON - 21 * H)
    (finding,) = look(CHECK, snapshot)
    assert (finding.verdict, finding.since) == (Verdict.RECORD, NOON - 20 * H)
    assert finding.reason.values["quiet_s"] == 17 * 3600
    assert not look(CHECK, replace(snapshot, absences=(away(NOON - 60 * H, NOON - 10 * H),)))


# ---------------------------------------------------------------- an absence noted afterwards


def test_an_absence_noted_afterwards_explains_the_inactivity_that_was_raised_in_it() -> None:
    dry = home(meter(hourly([20.0] * 10 + [0.0] * 16)), looked_until=NOON - H)
    (raised,) = look(Inactivity(), dry)
    assert raised.verdict is Verdict.RAISE
    told = after(Inactivity(), dry, open_kinds=frozenset({Kind.INACTIVITY}))
    noted = replace(told, absences=(away(NOON - 16 * H, NOON + 24 * H, reason="hospital"),))
    assert [f.verdict for f in look(Inactivity(), noted)] == [Verdict.CLEAR]
    assert not look(USE, noted)
    assert not look(CHECK, noted)


# ---------------------------------------------------------------- looks

Arrivals = list[tuple[datetime, datetime, float]]
BEGAN = NOON + 10 * H


def watched(
    rule: Rule, kind: Kind, arrivals: Arrivals, absences: Iterable[Absence], *, dense: bool
) -> tuple[dict[datetime, datetime], set[datetime], set[datetime]]:
    """Watches a home live: since -> when it was first raised; what was cleared when; what was recorded."""
    every = tuple(absences)
    raised: dict[datetime, datetime] = {}
    cleared: set[datetime] = set()
    recorded: set[datetime] = set()
    snapshot = home(meter([]), looked_until=NOON)
    # What is noted re-arms the home: the first look is at once.
    now, end = NOON, max(received for _, received, _ in arrivals) + 30 * H
    while now < end:
        readings = sorted((at, litres) for at, received, litres in arrivals if received <= now)[-200:]
        heard_at = max((received for _, received, _ in arrivals if received <= now), default=None)
        device = meter(readings, installed_at=NOON - H, heard_at=heard_at, interval_s=900)
        current = replace(snapshot, installations=(device,), absences=every)
        judgement = rule.evaluate(current, now)
        for finding in judgement.findings:
            if finding.verdict is Verdict.RAISE:
                raised.setdefault(finding.since, now)
                snapshot = replace(snapshot, open_kinds=frozenset({kind}))
            elif finding.verdict is Verdict.CLEAR:
                cleared.add(now)
                snapshot = replace(snapshot, open_kinds=frozenset())
            elif finding.since not in raised:
                recorded.add(finding.since)
        ongoing = {} if judgement.ongoing_since is None else {rule.name: judgement.ongoing_since}
        snapshot = replace(snapshot, looked_until=judgement.judged_until or now, ongoing=ongoing)
        assert now < judgement.next_due <= now + 24 * H
        now = now + 15 * MIN if dense else judgement.next_due
    return raised, cleared, recorded


LIVES = st.lists(st.sampled_from([0.0] * 12 + [1.0, 8.0, 30.0]), min_size=100, max_size=180)


def arriving(uses_l: list[float], delay_s: int, upload_every: int) -> Arrivals:
    found = []
    for number, total_l in enumerate(itertools.accumulate(uses_l)):
        upload = -(-(number + 1) // upload_every) * upload_every - 1
        at, received = NOON + number * 15 * MIN, NOON + upload * 15 * MIN + timedelta(seconds=delay_s)
        found.append((at, received, total_l))
    return found


@settings(deadline=None, max_examples=12)
@given(uses_l=LIVES, delay_s=st.integers(0, 800), upload_every=st.sampled_from([1, 1, 4]), hours=st.integers(3, 30))
def test_a_use_is_raised_within_an_hour_of_when_a_look_every_quarter_would(
    uses_l: list[float], delay_s: int, upload_every: int, hours: int
) -> None:
    arrivals = arriving(uses_l, delay_s, upload_every)
    absences = [away(BEGAN, BEGAN + hours * H)]
    dense, _, dense_recorded = watched(USE, Kind.ABSENCE_USE, arrivals, absences, dense=True)
    sparse, _, sparse_recorded = watched(USE, Kind.ABSENCE_USE, arrivals, absences, dense=False)
    assert dense.keys() | dense_recorded == sparse.keys() | sparse_recorded
    for since, at in sparse.items():
        assert timedelta(minutes=-15) <= at - dense[since] <= 75 * MIN


@settings(deadline=None, max_examples=12)
@given(uses_l=LIVES, delay_s=st.integers(0, 800), upload_every=st.sampled_from([1, 1, 4, 24]), hours=st.integers(1, 6))
def test_a_check_is_raised_when_a_look_every_quarter_would(
    uses_l: list[float], delay_s: int, upload_every: int, hours: int
) -> None:
    arrivals = arriving(uses_l, delay_s, upload_every)
    absences = [away(NOON + H, NOON + H + hours * H)]
    dense, _, dense_recorded = watched(CHECK, Kind.ABSENCE_CHECK, arrivals, absences, dense=True)
    sparse, _, sparse_recorded = watched(CHECK, Kind.ABSENCE_CHECK, arrivals, absences, dense=False)
    assert dense.keys() | dense_recorded == sparse.keys() | sparse_recorded
    for since, at in sparse.items():
        assert timedelta(minutes=-15) <= at - dense[since] <= 30 * MIN


@settings(deadline=None, max_examples=12)
@given(uses_l=LIVES, delays_min=st.lists(st.integers(0, 90), min_size=1, max_size=7), seed=st.randoms())
def test_the_order_in_which_readings_come_hides_no_use(
    uses_l: list[float], delays_min: list[int], seed: Random
) -> None:
    arrivals = [
        (NOON + n * 15 * MIN, NOON + n * 15 * MIN + delays_min[n % len(delays_min)] * MIN, total_l)
        for n, total_l in enumerate(itertools.accumulate(uses_l))
    ]
    committed = list(arrivals)
    seed.shuffle(committed)
    absence = away(BEGAN, BEGAN + 25 * H)
    complete = meter([(at, total_l) for at, _, total_l in arrivals], installed_at=NOON - H)
    true = [
        instant(use.seen_s)
        for use in uses(cover([complete]), least_l=5.0, pause_s=0.0)
        if absence.from_at + 2 * H <= instant(use.since_s) and instant(use.until_s) <= absence.until_at
    ]
    for dense in (True, False):
        raised, _, recorded = watched(USE, Kind.ABSENCE_USE, committed, [absence], dense=dense)
        assert bool(raised.keys() | recorded) or not true


@given(st.lists(st.floats(0.0, 40.0), min_size=1, max_size=60))
def test_uses_are_in_order_apart_and_never_more_than_was_used(amounts_l: list[float]) -> None:
    segments = cover([meter(hourly(amounts_l))])
    found = uses(segments, least_l=5.0, pause_s=5 * 3600.0)
    assert sum(use.used_l for use in found) <= sum(amounts_l) + 1e-6
    for use in found:
        assert use.since_s < use.seen_s <= use.until_s
        assert use.used_l >= 5.0 - 1e-3
    assert all(b.since_s - a.until_s >= 5 * 3600.0 for a, b in itertools.pairwise(found))
    if max(amounts_l) >= 5.01:
        assert found
