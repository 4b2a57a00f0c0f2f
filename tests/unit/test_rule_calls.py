"""Presses and falls: what raises, what it says, and what raises nothing."""

from datetime import timedelta

import pytest

from alerts.findings import Kind, Severity, Verdict
from alerts.wording import sentence
from devices.model import WAKING, EventKind
from rules.wake import JUDGES, judge
from rules.woken import Event, Woken
from tests.unit.rule_worlds import MIN, NOON

SECOND = timedelta(seconds=1)


def woken(
    kind: str, *, age: timedelta = SECOND, home_id: int | None = 7, fall: Event | None = None, cancelled: bool = False
) -> Woken:
    return Woken(
        kind=kind,
        device="dev-1",
        event=Event(event_id=41, measured_at=NOON - age, received_at=NOON - SECOND),
        home_id=home_id,
        area_id=None if home_id else 3,
        fall=fall,
        cancelled_at=NOON - age + 20 * SECOND if cancelled else None,
    )


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
    (finding,) = judge(woken(kind, age=age, home_id=home_id), NOON)
    assert (finding.kind, finding.verdict, finding.severity) == (expected, Verdict.RAISE, Severity.URGENT)
    assert (finding.event_id, finding.since) == (41, NOON - age)
    assert finding.subject.key == ("home/7" if home_id else "device/dev-1")
    assert finding.subject.area_id == (None if home_id else 3)
    assert sentence(finding.reason.id, finding.reason.values, "en") == text
    assert sentence(finding.reason.id, finding.reason.values, "zh")


def test_a_press_dated_ahead_is_not_late() -> None:
    (finding,) = judge(woken("button_press", age=-5 * MIN), NOON)
    assert finding.reason.id == "sos_pressed"


@pytest.mark.parametrize("kind", ["test_press", "tamper", "a_kind_of_a_later_release"])
def test_nothing_else_raises(kind: str) -> None:
    assert judge(woken(kind), NOON) == ()


def test_a_cancelled_fall_stays_and_says_so() -> None:
    fall = Event(event_id=40, measured_at=NOON - 30 * SECOND, received_at=NOON - 29 * SECOND)
    call, reworded = judge(woken("fall_cancelled", age=10 * SECOND, fall=fall), NOON)
    assert (call.event_id, reworded.event_id) == (40, None)
    assert {call.since, reworded.since} == {fall.measured_at}
    assert all(f.verdict is Verdict.RAISE for f in (call, reworded))
    text = "dev-1 detected a fall; it was cancelled on the device 20 s later"
    assert sentence(reworded.reason.id, reworded.reason.values, "en") == text
    (late,) = judge(woken("fall", cancelled=True), NOON)
    assert late.reason.id == "fall_cancelled"


def test_a_cancellation_without_a_fall_raises_nothing() -> None:
    assert judge(woken("fall_cancelled"), NOON) == ()


def test_every_waking_kind_has_a_judge() -> None:
    assert set(JUDGES) == {str(kind) for kind in WAKING} == {EventKind(kind) for kind in JUDGES}
