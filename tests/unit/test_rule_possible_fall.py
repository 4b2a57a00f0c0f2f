"""A possible fall, inferred from water at night: quiet, fires, clears, cannot know."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from alerts.findings import Finding, Kind, Severity, Verdict
from alerts.wording import text_of
from registry.policy import Policy
from rules.library.possible_fall import PossibleFall
from rules.nights import nights_of
from rules.rule import Judgement
from rules.snapshot import Absence, HomeEvent, Installation, Snapshot
from tests.unit.rule_worlds import MIN, H, home, meter

RULE = PossibleFall()
MIDNIGHT = datetime(2026, 3, 28, tzinfo=UTC)  # in a home on Greenwich time
RISE = nights_of(home(time_zone="UTC")).next_rise(MIDNIGHT)
QUARTER = 15 * MIN


def quarters(uses_l: dict[datetime, float], *, until: datetime, begins: datetime | None = None) -> Installation:
    """A meter read every quarter of an hour; a use is what the quarter that ends then shows."""
    at, total_l, readings = begins or MIDNIGHT - 30 * H, 1000.0, []
    while at <= until:
        total_l += uses_l.get(at, 0.0)
        readings.append((at, total_l))
        at += QUARTER
    return meter(readings)


def evening(*hours: float, litres: float = 30.0) -> dict[datetime, float]:
    """A use at each hour, counted from midnight."""
    return {MIDNIGHT + hour * H: litres for hour in hours}


VISIT = evening(-4, -3, 3.25)


def at(now: datetime, *installations: Installation, **known: object) -> Snapshot:
    return home(*installations, now=now, **{"time_zone": "UTC", **known})


def judged(now: datetime, *installations: Installation, **known: object) -> Judgement:
    return RULE.evaluate(at(now, *installations, **known), now)


def one(judgement: Judgement) -> Finding:
    (finding,) = judgement.findings
    assert finding.kind is Kind.POSSIBLE_FALL
    return finding


def test_a_visit_at_night_and_nothing_by_the_end_of_the_morning() -> None:
    now = RISE + QUARTER
    judgement = judged(now, quarters(VISIT, until=now))
    finding = one(judgement)
    assert (finding.verdict, finding.severity) == (Verdict.RAISE, Severity.SOFT)
    assert finding.since == judgement.ongoing_since == MIDNIGHT + 3.25 * H
    assert text_of(finding.reason, "en").startswith("up at 03:15 in the night, and no sign of life by 12:")
    assert text_of(finding.reason, "zh").startswith("夜间03:15起身用水后")
    assert judgement.next_due <= now + QUARTER + MIN
    assert one(judged(now + 2 * H, quarters(VISIT, until=now + 2 * H))).severity is Severity.HARD


@pytest.mark.parametrize(
    ("uses_l", "until"),
    [
        (VISIT, RISE - QUARTER),  # the morning is not over
        (VISIT | evening(8), RISE + H),  # up
        (evening(-4, -0.5), RISE + H),  # gone to bed before midnight
        (evening(-4, 1, 2), RISE + H),  # awake for long
        (evening(-4, 6.5), RISE + H),  # no night any more
        (evening(-4, 3, litres=0.4), RISE + H),
        ({}, RISE + H),
        ({MIDNIGHT - 30 * H + n * QUARTER: 0.3 for n in range(200)}, RISE + H),  # a drip
    ],
)
def test_an_ordinary_night_says_nothing(uses_l: dict[datetime, float], until: datetime) -> None:
    assert judged(until, quarters(uses_l, until=until)) == judged(until, quarters(uses_l, until=until))._replace(
        findings=(), ongoing_since=None
    )


def test_a_home_without_a_meter_is_not_judged() -> None:
    assert judged(RISE + H, Installation(device="btn", installed_at=MIDNIGHT)).findings == ()


def test_a_drip_hides_no_visit() -> None:
    now = RISE + H
    drip = {MIDNIGHT - 48 * H + n * QUARTER: 2.0 for n in range(400)}
    uses_l = {when: drip[when] + VISIT.get(when, 0.0) for when in drip}
    assert one(judged(now, quarters(uses_l, until=now, begins=MIDNIGHT - 48 * H))).reason.id == "possible_fall_visit"


@pytest.mark.parametrize("sign", ["motion", "button_press", "test_press", "button_action"])
def test_whoever_moves_or_presses_has_not_fallen(sign: str) -> None:
    now, seen_at = RISE + H, MIDNIGHT + 7 * H
    button = Installation(device="b", installed_at=MIDNIGHT - H, motion_at=seen_at if sign == "motion" else None)
    event = HomeEvent(event_id=1, kind=sign, device="b", measured_at=seen_at, received_at=seen_at)
    known = {"events": () if sign == "motion" else (event,)}
    assert judged(now, quarters(VISIT, until=now), button, **known).findings == ()
    told = {"open_kinds": frozenset({Kind.POSSIBLE_FALL}), "ongoing": {RULE.name: MIDNIGHT + 3.25 * H}}
    assert one(judged(now, quarters(VISIT, until=now), button, **known, **told)).verdict is Verdict.CLEAR


TOLD = {"open_kinds": frozenset({Kind.POSSIBLE_FALL}), "ongoing": {RULE.name: MIDNIGHT + 3.25 * H}}


def test_it_clears_with_a_use_and_stays_without_data() -> None:
    now = RISE + 2 * H
    up = VISIT | {now - 30 * MIN - (now - MIDNIGHT) % QUARTER: 5.0}
    cleared = judged(now, quarters(up, until=now), **TOLD)
    assert (one(cleared).verdict, cleared.ongoing_since) == (Verdict.CLEAR, None)
    for silent in (
        judged(now + 30 * H, quarters(VISIT, until=now), **TOLD),
        judged(now, quarters({}, until=now, begins=now - H), **TOLD),  # a new register
        judged(now, **TOLD),
        judged(now, quarters(VISIT, until=now), incidents=frozenset({"water_off"}), **TOLD),
        judged(now, replace(quarters(VISIT, until=now), valve_shut=True), **TOLD),
    ):
        assert silent.findings == ()
        assert silent.ongoing_since == MIDNIGHT + 3.25 * H


def test_an_absence_is_no_fall_and_ends_what_was_told() -> None:
    now = RISE + 2 * H
    away = Absence(absence_id=1, from_at=MIDNIGHT + 4 * H, until_at=now + 48 * H, reason="hospital")
    assert judged(now, quarters(VISIT, until=now), absences=(away,)).findings == ()
    finding = one(judged(now, quarters(VISIT, until=now), absences=(away,), **TOLD))
    assert (finding.verdict, finding.reason.id) == (Verdict.CLEAR, "possible_fall_away")


def flow(begins: datetime, quarters_long: int, *, litres: float = 60.0) -> dict[datetime, float]:
    return evening(-4) | {begins + (n + 1) * QUARTER: litres for n in range(quarters_long)}


def test_water_that_runs_on_from_an_instant_in_the_night() -> None:
    begins = MIDNIGHT + 2 * H
    for long, severity in ((2, Severity.SOFT), (3, Severity.SOFT), (4, Severity.HARD), (40, Severity.HARD)):
        now = begins + long * QUARTER
        finding = one(judged(now, quarters(flow(begins, long), until=now)))
        assert (finding.severity, finding.since) == (severity, begins)
    now = begins + 3 * QUARTER
    text = text_of(one(judged(now, quarters(flow(begins, 3), until=now))).reason, "en")
    assert text == "water has run for 45 min (180 L) since 02:00 in the night"


@pytest.mark.parametrize(
    ("uses_l", "until"),
    [
        (flow(MIDNIGHT + 2 * H, 1), MIDNIGHT + 2.25 * H),  # too short yet
        (flow(MIDNIGHT + 2 * H, 2, litres=20.0), MIDNIGHT + 2.5 * H),  # no running tap
        (flow(MIDNIGHT + 7 * H, 4), MIDNIGHT + 8 * H),  # no night
        (flow(MIDNIGHT + 2 * H, 4), MIDNIGHT + 3.25 * H),  # shut again
    ],
)
def test_water_that_runs_as_it_may(uses_l: dict[datetime, float], until: datetime) -> None:
    assert judged(until, quarters(uses_l, until=until)).findings == ()


def test_a_flow_that_stopped_clears_and_one_not_heard_of_stays() -> None:
    begins = MIDNIGHT + 2 * H
    told = {"open_kinds": frozenset({Kind.POSSIBLE_FALL}), "ongoing": {RULE.name: begins}}
    stopped = judged(begins + 1.25 * H, quarters(flow(begins, 4), until=begins + 1.25 * H), **told)
    assert one(stopped).verdict is Verdict.CLEAR
    unheard = judged(begins + 4 * H, quarters(flow(begins, 4), until=begins + H), **told)
    assert (unheard.findings, unheard.ongoing_since) == ((), begins)


def test_an_hourly_meter_cannot_tell_a_flow_but_a_visit() -> None:
    now = MIDNIGHT + 5 * H
    hours = meter([(MIDNIGHT + n * H, 1000 + max(0, n - 1) * 200) for n in range(-10, 6)], interval_s=3600)
    judgement = judged(now, hours)
    assert judgement.findings == ()
    assert judgement.next_due == RISE + H
    visited = meter([(MIDNIGHT + n * H, 1000.0 if n < 4 else 1010.0) for n in range(-10, 15)], interval_s=3600)
    assert one(judged(MIDNIGHT + 14 * H, visited)).since == MIDNIGHT + 4 * H


def in_steps(installed: Installation, step_l: float) -> Installation:
    """The same meter with a register that moves in such steps."""
    totals_l = [total_l // step_l * step_l for total_l in installed.water.totals_l]
    return replace(installed, water=replace(installed.water, totals_l=totals_l, step_l=step_l))


@pytest.mark.parametrize(("step_l", "fires"), [(1.0, True), (2.5, True), (10.0, False), (100.0, False)])
def test_a_visit_needs_a_register_that_would_show_a_flush(step_l: float, fires: bool) -> None:
    """Whoever is up in the morning may use less than a coarse one shows."""
    now = RISE + QUARTER
    visited = in_steps(quarters(evening(-4, -3, 3.25, litres=200.0), until=now), step_l)
    assert bool(judged(now, visited).findings) is fires


@pytest.mark.parametrize(("step_l", "fires"), [(10.0, True), (25.0, True), (100.0, False)])
def test_a_flow_needs_a_register_that_surely_shows_it(step_l: float, fires: bool) -> None:
    """Four steps of 25 L in a quarter of an hour are more than 75 L, one of 100 L may be next to nothing."""
    begins = MIDNIGHT + 2 * H
    now = begins + 3 * QUARTER
    running = in_steps(quarters(flow(begins, 3, litres=100.0), until=now), step_l)
    assert bool(judged(now, running).findings) is fires


@pytest.mark.parametrize("day", [datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)])
def test_the_night_has_the_homes_own_clock_on_days_of_23_and_25_hours(day: datetime) -> None:
    nights = nights_of(home(time_zone="Europe/Madrid"))
    rise = nights.next_rise(day)
    assert rise.astimezone(nights.local).replace(tzinfo=None) - day.replace(tzinfo=None) < 13 * H
    assert nights.is_night(day + 3 * H)
    assert not nights.is_night(rise)
    assert nights.next_begin(rise).astimezone(nights.local).hour == 22


def test_a_night_may_begin_after_midnight() -> None:
    nights = nights_of(home(time_zone="UTC", policy=replace(Policy(), night_from="00:30", night_until="05:00")))
    assert [nights.is_night(MIDNIGHT + hour * H) for hour in (0, 0.5, 4.9, 5, 23)] == [False, True, True, False, False]


def told_by(looks: Iterable[datetime], installed: Installation, *, always: bool) -> list[tuple[Verdict, datetime]]:
    """What is said over a time: at each of the looks, or only when the rule asked for one."""
    said: list[tuple[Verdict, datetime]] = []
    ongoing: dict[str, datetime] = {}
    due, open_kinds = MIDNIGHT - 4 * H, frozenset[Kind]()
    for now in looks:
        if not always and now < due:
            continue
        water = installed.water
        heard = sum(1 for measured_s in water.measured_s if measured_s <= now.timestamp())
        seen = replace(
            installed,
            heard_at=datetime.fromtimestamp(water.measured_s[heard - 1], UTC),
            water=replace(water, measured_s=water.measured_s[:heard], totals_l=water.totals_l[:heard]),
        )
        judgement = judged(now, seen, ongoing=ongoing, open_kinds=open_kinds)
        due = judgement.next_due
        assert due > now
        ongoing = {} if judgement.ongoing_since is None else {RULE.name: judgement.ongoing_since}
        for finding in judgement.findings:
            open_kinds = frozenset({Kind.POSSIBLE_FALL} if finding.verdict is Verdict.RAISE else ())
            if not said or said[-1] != (finding.verdict, finding.since):
                said.append((finding.verdict, finding.since if finding.verdict is Verdict.RAISE else now))
    return said


@pytest.mark.parametrize("seed", range(8))
def test_the_looks_it_asks_for_find_what_a_look_every_minute_finds(seed: int) -> None:
    random = Random(seed)
    uses_l = evening(-6, -5, -4, random.choice([1.0, 3.25, 4.5]))
    if random.random() < 0.5:
        begins = MIDNIGHT + random.randrange(0, 20) * QUARTER
        uses_l |= flow(begins, random.randrange(12, 30))
    if random.random() < 0.5:
        uses_l |= evening(random.uniform(14, 18) // 0.25 * 0.25)
    installed = quarters(uses_l, until=MIDNIGHT + 24 * H)
    minutes = [MIDNIGHT - 4 * H + n * MIN for n in range(28 * 60)]
    every, asked = (told_by(minutes, installed, always=always) for always in (True, False))
    raised = [[since for verdict, since in said if verdict is Verdict.RAISE] for said in (every, asked)]
    assert raised[0] == raised[1]
    assert len(every) == len(asked)


@pytest.mark.parametrize("hourly", [True, False])
def test_a_quiet_home_costs_few_looks(hourly: bool) -> None:
    uses_l = evening(*(hour / 4 for hour in range(-120, 96) if 7 <= (hour / 4) % 24 <= 21))
    installed = quarters(uses_l, until=MIDNIGHT + 24 * H)
    if hourly:
        installed = replace(installed, interval_s=3600)
    now, looks = MIDNIGHT, 0
    while now < MIDNIGHT + 24 * H:
        heard = sum(1 for measured_s in installed.water.measured_s if measured_s <= now.timestamp())
        water = replace(
            installed.water,
            measured_s=installed.water.measured_s[:heard],
            totals_l=installed.water.totals_l[:heard],
        )
        judgement = judged(now, replace(installed, water=water, heard_at=now))
        assert judgement.findings == ()
        now, looks = judgement.next_due, looks + 1
    assert looks <= (2 if hourly else 12)


def test_a_moment_of_measuring_ahead_asks_for_no_look_in_the_past() -> None:
    now = MIDNIGHT + 2 * H
    assert judged(now, quarters(VISIT, until=now + timedelta(minutes=9))).next_due > now
