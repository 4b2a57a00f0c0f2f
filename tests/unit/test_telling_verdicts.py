"""What doctor makes of telling: messages, escalations, rosters, addresses, the probe, the settings alone."""

from datetime import UTC, datetime, timedelta

import pytest

from anju import telling_checks
from anju.checks import Check, State
from anju.telling_verdicts import (
    Area,
    Lost,
    Waiting,
    addresses_check,
    duty_check,
    given_up_check,
    messages_check,
    proof_check,
    telling_check,
    without_duty,
)
from config.settings import load

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOOK = {"ANJU_WEBHOOK_URL": "https://desk.example.org/x", "ANJU_WEBHOOK_SECRET": f"whsec_{'A' * 32}"}
CHAT = '[{"name": "desk", "url": "json://127.0.0.1:9/"}]'
BACK = {"ANJU_PUBLIC_URL": "https://a.cn", "ANJU_LINK_SECRET": "x" * 32, "ANJU_ALERTS_HTTP_PORT": "8443"}


def test_messages_that_wait_for_their_time_are_no_fault() -> None:
    def state(later: int = 0, due: int = 0, overdue: int = 0, unserved: int = 0) -> State:
        return messages_check(Waiting(later=later, due=due, overdue=overdue, unserved=unserved)).state

    assert state() is state(later=40) is State.GOOD
    assert state(due=1) is state(unserved=2) is State.WARNING
    assert state(due=1, overdue=1, unserved=2) is State.FAULT


def test_a_step_that_is_overdue_is_a_fault() -> None:
    assert telling_check(None, NOW).state is State.GOOD
    late = telling_check(NOW - 2 * MINUTE, NOW)
    assert (late.state, "120 s" in late.found) == (State.FAULT, True)


def test_what_was_given_up_says_what_to_do_by_its_most_frequent_reason() -> None:
    assert given_up_check([]).state is State.GOOD
    check = given_up_check([Lost("sms", "no_credit", 12), Lost("sms", "", 1), Lost("chat", "unreachable", 3)])
    assert check.state is State.FAULT
    assert "chat 3, sms 13; most often by sms: no_credit" in check.found
    assert "top it up" in check.advice
    assert "anju alerts" in given_up_check([Lost("voice", "", 2), Lost("sms", "busy", 1)]).advice
    # A reason of a later release.
    assert given_up_check([Lost("sms", "of_tomorrow", 2)]).state is State.FAULT


@pytest.mark.parametrize(
    ("every", "pressed", "through", "state", "said"),
    [
        (MINUTE, 0, 0, State.GOOD, "0 s ago"),
        (MINUTE, 1, 3, State.GOOD, "180 s ago"),
        (MINUTE, 1, 4, State.FAULT, "get lost"),
        (MINUTE, 4, 4, State.FAULT, "start it"),
        (MINUTE, 1, None, State.FAULT, "get lost"),
        (MINUTE, 9, None, State.FAULT, "start it"),
        (MINUTE, None, None, State.WARNING, "anju probe"),
        (timedelta(), 1, 1, State.WARNING, "ANJU_PROBE_INTERVAL_S"),
    ],
)
def test_proof_of_life(every: timedelta, pressed: int | None, through: int | None, state: State, said: str) -> None:
    at = [None if minutes is None else NOW - minutes * MINUTE for minutes in (pressed, through)]
    check = proof_check(every, at[0], at[1], NOW)
    assert check.state is state
    assert said in f"{check.found} {check.advice}"


def test_areas_are_staffed_by_themselves_or_from_above() -> None:
    city, north, lane, south = (
        Area(1, None, "City", False),
        Area(2, 1, "City/North", False),
        Area(3, 2, "City/North/Lane", True),
        Area(4, 1, "City/South", True),
    )
    areas = [city, north, lane, south]
    assert without_duty(areas, set()) == ["City/North/Lane", "City/South"]
    assert without_duty(areas, {3}) == ["City/South"]
    assert without_duty(areas, {2}) == ["City/South"]
    assert without_duty(areas, {1}) == without_duty(areas, {None}) == []
    assert without_duty([city, north], set()) == []


def test_nobody_on_duty_is_a_fault_where_no_desk_hears_of_alerts() -> None:
    assert duty_check([], desk=False).state is State.GOOD
    assert duty_check(["City"], desk=True).state is State.WARNING
    check = duty_check([f"City/{number}" for number in range(8)], desk=False)
    assert check.state is State.FAULT
    assert "8 areas" in check.found
    assert "City/4 and 3 more" in check.found


def test_addresses_are_counted_and_never_shown() -> None:
    assert addresses_check({}).state is State.GOOD
    check = addresses_check({"sms": 3, "voice": 12})
    assert (check.state, "sms 3, voice 12" in check.found) == (State.WARNING, True)


def checks(**environ: str) -> dict[str, Check]:
    return {check.name: check for check in telling_checks.of_settings(load(None, environ))}


def test_settings_that_tell_nobody() -> None:
    found = checks()
    assert {name: check.state for name, check in found.items()} == {
        "webhook": State.WARNING,
        "channels": State.WARNING,
        "dead-man signal": State.WARNING,
    }
    assert "nobody is told" in found["webhook"].advice


def test_settings_that_tell_people_and_hear_them() -> None:
    found = checks(**HOOK, **BACK, ANJU_CHAT=CHAT, ANJU_DEAD_MAN_URL="https://monitor.example.org/1")
    assert {check.state for check in found.values()} == {State.GOOD}
    assert found["channels"].found == "chat by desk"
    deaf = checks(**HOOK, ANJU_CHAT=CHAT)
    assert (deaf["channels"].state, "ANJU_PUBLIC_URL" in deaf["channels"].advice) == (State.WARNING, True)


@pytest.mark.parametrize(
    ("environ", "name", "said"),
    [
        ({"ANJU_WEBHOOK_URL": HOOK["ANJU_WEBHOOK_URL"]}, "webhook", "ANJU_WEBHOOK_SECRET"),
        ({"ANJU_CHAT": CHAT.replace("json:", "nosuch:")}, "channels", "chat desk"),
        ({"ANJU_ALERTS_HTTP_PORT": "1"}, "channels", "ANJU_PUBLIC_URL"),
    ],
)
def test_settings_with_which_alerts_does_not_start(environ: dict[str, str], name: str, said: str) -> None:
    check = checks(**environ)[name]
    assert check.state is State.FAULT
    assert said in f"{check.found} {check.advice}"


def test_what_settings_leave_open_is_a_warning_with_advice() -> None:
    found = checks(**{**BACK, "ANJU_PUBLIC_URL": "http://a.cn"}, ANJU_CHAT=CHAT)
    assert found["public url without tls"].state is State.WARNING
    assert all(check.advice for check in found.values() if check.state is not State.GOOD)
