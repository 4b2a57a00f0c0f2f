"""Presses and falls: what raises, what it says, and what raises nothing."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from alerts.findings import Finding, Kind, Reason, Severity, Verdict
from alerts.wording import text_of
from devices.model import WAKING, EventKind
from rules.library.fall_followup import followed, next_look
from rules.snapshot import Absence, HomeEvent, Installation
from rules.wake import JUDGES, judge
from rules.woken import Answer, Event, Motion, Told, Woken
from tests.unit.rule_worlds import MIN, NOON, H, home, meter

SECOND = timedelta(seconds=1)


def woken(kind: str, *, age: timedelta = SECOND, late: timedelta = timedelta(), **known: Any) -> Woken:
    """An event of `age` that came `late`."""
    facts: dict[str, Any] = {"home_id": 7, **known}
    return Woken(
        kind=kind,
        device="dev-1",
        event=Event(event_id=41, measured_at=NOON - age, received_at=NOON - age + late),
        area_id=None if facts["home_id"] else 3,
        **facts,
    )


def said(event: Woken, now: datetime = NOON) -> list[Finding]:
    return list(judge(event, now).findings)


def english(finding: Finding) -> str:
    assert text_of(finding.reason, "zh")
    return text_of(finding.reason, "en")


@pytest.mark.parametrize(
    ("kind", "home_id", "age", "expected", "text"),
    [
        ("button_press", 7, SECOND, Kind.SOS, "SOS button dev-1 was pressed"),
        ("button_press", 7, 61 * MIN, Kind.SOS, "SOS button dev-1 was pressed 1 h 01 min ago; the message came late"),
        (
            "button_press",
            None,
            SECOND,
            Kind.SOS_UNKNOWN_DEVICE,
            "SOS button dev-1 was pressed; it is not installed in any home",
        ),
        ("fall", 7, SECOND, Kind.FALL, "dev-1 detected a fall"),
        ("fall", None, SECOND, Kind.FALL_UNKNOWN_DEVICE, "dev-1 detected a fall; it is not installed in any home"),
    ],
)
def test_a_call_raises_at_once(kind: str, home_id: int | None, age: timedelta, expected: Kind, text: str) -> None:
    (finding,) = said(woken(kind, age=age, home_id=home_id))
    assert (finding.kind, finding.verdict, finding.severity) == (expected, Verdict.RAISE, Severity.URGENT)
    assert (finding.event_id, finding.since) == (41, NOON - age)
    assert finding.subject.key == ("home/7" if home_id else "device/dev-1")
    assert finding.subject.area_id == (None if home_id else 3)
    assert english(finding) == text


def test_a_press_dated_ahead_is_not_late() -> None:
    (finding,) = said(woken("button_press", age=-5 * MIN))
    assert finding.reason.id == "sos_pressed"


@pytest.mark.parametrize("kind", ["test_press", "tamper", "a_kind_of_a_later_release"])
def test_nothing_else_raises(kind: str) -> None:
    assert judge(woken(kind), NOON) == Answer()


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("hospital", "the home is marked as absent until 2026-03-30 18:00: hospital"),
        ("a_reason_of_a_later_release", "the home is marked as absent until 2026-03-30 18:00"),
    ],
)
@pytest.mark.parametrize("kind", ["button_press", "fall"])
def test_a_call_in_an_absence_raises_and_says_so(kind: str, reason: str, text: str) -> None:
    away = Absence(absence_id=5, from_at=NOON - 24 * H, until_at=NOON + 46 * H, reason=reason)
    (finding,) = said(woken(kind, away=away, time_zone="Asia/Shanghai"))
    assert (finding.verdict, finding.severity) == (Verdict.RAISE, Severity.URGENT)
    assert english(finding).endswith(f"; {text}")
    assert finding.evidence["absence_id"] == 5


@pytest.mark.parametrize("time_zone", ["", "Mars/Olympus", "../etc"])
def test_a_time_zone_that_is_none_holds_no_call_back(time_zone: str) -> None:
    away = Absence(absence_id=5, from_at=NOON - 24 * H, until_at=NOON + 46 * H, reason="travel")
    (finding,) = said(woken("button_press", away=away, time_zone=time_zone))
    assert english(finding).endswith("until 2026-03-30 10:00: travel")


def test_a_fall_waits_for_its_cancellation_and_then_raises() -> None:
    fall = woken("fall", cancel_s=30.0)
    assert judge(fall, NOON) == Answer(again_at=NOON + 29 * SECOND)
    answer = judge(fall, NOON + 29 * SECOND)
    (finding,) = answer.findings
    assert (finding.verdict, finding.since, finding.event_id) == (Verdict.RAISE, NOON - SECOND, 41)
    assert english(finding) == "dev-1 detected a fall"
    assert answer.again_at == NOON - SECOND + 2 * MIN


@pytest.mark.parametrize(
    "known",
    [
        {"cancel_s": 0.0},
        {"cancel_s": 300.0, "waited_s": 15.0},  # its device has waited itself
        {"cancel_s": 30.0, "age": 31 * SECOND, "late": 30 * SECOND},
        {"cancel_s": 30.0, "age": 48 * H, "late": 48 * H},
    ],
)
def test_a_fall_raises_at_once(known: dict[str, Any]) -> None:
    (finding,) = said(woken("fall", **known))
    assert (finding.verdict, finding.severity) == (Verdict.RAISE, Severity.URGENT)


def test_a_fall_that_waited_is_not_called_late_for_that() -> None:
    fall = woken("fall", cancel_s=300.0)
    assert said(fall, NOON + 300 * SECOND)[0].reason.id == "fall_detected"
    assert said(fall, NOON + 365 * SECOND)[0].reason.id == "fall_detected_late"


@pytest.mark.parametrize("home_id", [7, None])
def test_a_fall_cancelled_in_time_is_recorded_and_nobody_is_told(home_id: int | None) -> None:
    fall = Event(event_id=40, measured_at=NOON - 22 * SECOND, received_at=NOON - 21 * SECOND)
    by_cancel = judge(woken("fall_cancelled", age=10 * SECOND, fall=fall, cancel_s=30.0, home_id=home_id), NOON)
    by_fall = judge(
        Woken(
            kind="fall",
            device="dev-1",
            event=fall,
            home_id=home_id,
            area_id=None if home_id else 3,
            cancelled_at=NOON - 10 * SECOND,
            cancel_s=30.0,
        ),
        NOON,
    )
    assert by_cancel == by_fall, "whichever is judged first"
    (finding,) = by_cancel.findings
    assert by_cancel.again_at is None
    assert (finding.verdict, finding.since, finding.event_id) == (Verdict.RECORD, fall.measured_at, None)
    assert english(finding) == "dev-1 detected a fall; it was cancelled on the device 12 s later"


@pytest.mark.parametrize("known", [{"cancel_s": 10.0}, {"cancel_s": 30.0, "waited_s": 30.0}, {}])
def test_a_fall_cancelled_too_late_stays_and_says_so(known: dict[str, Any]) -> None:
    fall = Event(event_id=40, measured_at=NOON - 30 * SECOND, received_at=NOON - 29 * SECOND)
    call, reworded = said(woken("fall_cancelled", age=10 * SECOND, fall=fall, **known))
    assert (call.event_id, reworded.event_id) == (40, None)
    assert {call.since, reworded.since} == {fall.measured_at}
    assert all(f.verdict is Verdict.RAISE for f in (call, reworded))
    assert english(reworded) == "dev-1 detected a fall; it was cancelled on the device 20 s later"
    (late,) = said(woken("fall", cancelled_at=NOON + 20 * SECOND, **known))
    assert late.reason.id == "fall_cancelled"


def test_a_cancellation_without_a_fall_raises_nothing() -> None:
    assert judge(woken("fall_cancelled"), NOON) == Answer()


def test_every_waking_kind_has_a_judge() -> None:
    assert set(JUDGES) == {str(kind) for kind in WAKING} == {EventKind(kind) for kind in JUDGES}


CASE = Told(
    is_open=True,
    is_newest=True,
    since=NOON - 3 * MIN,
    reason=Reason(
        id="fall_detected", values={"device": "dev-1", "also": [{"id": "call_number", "values": {"times": 2}}]}
    ),
    evidence={"device": "dev-1"},
)
NOTHING = Reason(id="followed_by_nothing", values={"silent_s": 120})


def test_a_cancellation_after_the_raise_changes_the_reason_of_its_case_alone() -> None:
    fall = Event(event_id=40, measured_at=NOON - 30 * SECOND, received_at=NOON - 29 * SECOND)
    cancelled = woken("fall_cancelled", age=10 * SECOND, fall=fall, cancel_s=30.0, told=CASE)
    (finding,) = said(cancelled)
    assert (finding.verdict, finding.event_id, finding.since) == (Verdict.RAISE, None, CASE.since)
    assert english(finding) == (
        "dev-1 detected a fall; it was cancelled on the device 20 s later; call number 2 in this case"
    )
    assert judge(replace(cancelled, told=replace(CASE, is_open=False)), NOON) == Answer()


def test_what_followed_a_fall_is_said_of_it_and_the_rest_stays() -> None:
    fall = woken("fall", age=2 * MIN, told=CASE, followed=(NOTHING,))
    answer = judge(fall, NOON)
    (finding,) = answer.findings
    assert (finding.verdict, finding.severity, finding.event_id) == (Verdict.RAISE, Severity.URGENT, None)
    assert (finding.since, finding.evidence) == (CASE.since, CASE.evidence)
    assert english(finding) == ("dev-1 detected a fall; call number 2 in this case; no sign of life in the 2 min since")
    assert answer.again_at == NOON + 3 * MIN
    water = Reason(id="followed_by_water", values={"after_s": 360})
    again = said(replace(fall, told=replace(CASE, reason=finding.reason), followed=(water,)))
    assert english(again[0]) == "dev-1 detected a fall; call number 2 in this case; water ran 6 min later"
    assert said(replace(fall, told=replace(CASE, reason=again[0].reason), followed=(water,))) == again
    missed = said(replace(fall, cancelled_at=NOON))
    assert missed[0].reason.id == "fall_cancelled"


@pytest.mark.parametrize("over", [{"is_open": False}, {"is_newest": False}])
def test_a_case_that_is_closed_or_has_a_newer_fall_is_left_alone(over: dict[str, Any]) -> None:
    assert judge(woken("fall", age=2 * MIN, told=replace(CASE, **over), followed=(NOTHING,)), NOON) == Answer()


def test_a_fall_is_looked_at_again_four_times() -> None:
    event = Event(event_id=1, measured_at=NOON - H, received_at=NOON)
    looks, at = [], NOON
    while (following := next_look(event, at)) is not None:
        looks.append(following - NOON)
        at = following
    assert looks == [2 * MIN, 5 * MIN, 15 * MIN, 60 * MIN]


def test_what_followed_is_read_from_the_home() -> None:
    water = meter([(NOON - 10 * MIN, 100), (NOON + 5 * MIN, 140), (NOON + 20 * MIN, 140.5), (NOON + 35 * MIN, 160)])
    quiet = home(water)
    assert followed(quiet, NOON, NOON + 21 * MIN) == (Reason(id="followed_by_water", values={"after_s": 2100}),)
    still = home(replace(water, water=replace(water.water, measured_s=water.water.measured_s[:3])))
    assert followed(still, NOON, NOON + 15 * MIN) == (Reason(id="followed_by_nothing", values={"silent_s": 900}),)
    pir = Installation(device="pir", installed_at=NOON - H, motion_at=NOON + MIN)
    events = tuple(
        HomeEvent(event_id=n, kind=kind, device="btn", measured_at=NOON + n * MIN, received_at=NOON + n * MIN)
        for n, kind in ((-1, "button_press"), (1, "tamper"), (2, "button_action"), (3, "button_press"))
    )
    assert followed(home(water, pir, events=events), NOON, NOON + H) == (
        Reason(id="followed_by_motion", values={"after_s": 60}),
        Reason(id="followed_by_press", values={"after_s": 120}),
        Reason(id="followed_by_water", values={"after_s": 2100}),
    )


FALLEN = Motion(is_fall=True, said=Reason(id="call_number", values={"times": 9}))
STEADY = Motion(is_fall=False, said=Reason(id="call_number", values={"times": 8}))


def test_a_burst_raises_only_where_it_looks_like_a_fall() -> None:
    burst = woken("acceleration_burst", motion=FALLEN, cancel_s=30.0)
    assert judge(burst, NOON) == Answer(again_at=NOON + 29 * SECOND)
    (finding,) = said(burst, NOON + 29 * SECOND)
    assert (finding.kind, finding.verdict, finding.event_id) == (Kind.FALL, Verdict.RAISE, 41)
    assert english(finding) == "the movement of dev-1 looks like a fall; call number 9 in this case"
    for nothing in (STEADY, None):
        assert judge(replace(burst, motion=nothing), NOON + MIN) == Answer()


@pytest.mark.parametrize("motion", [FALLEN, STEADY])
def test_a_burst_after_a_fall_adds_to_its_reason(motion: Motion) -> None:
    fall = Event(event_id=40, measured_at=NOON - 30 * SECOND, received_at=NOON - 29 * SECOND)
    case = replace(CASE, reason=Reason(id="fall_detected", values={"device": "dev-1"}))
    burst = woken("acceleration_burst", motion=motion, fall=fall, told=case)
    (finding,) = said(burst)
    assert finding.event_id is None
    assert english(finding).startswith("dev-1 detected a fall; call number ")
    assert judge(replace(burst, told=None), NOON) == Answer(), "who judges the fall will say it"
    (own,) = said(woken("fall", motion=motion))
    assert english(own) == english(finding)
