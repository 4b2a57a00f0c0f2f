"""Short messages between the outbox and providers: turns, caps, bundles. The providers are objects that keep
what they are given and answer as they are told; what is between them and the outbox is the real thing.
"""

from datetime import timedelta
from typing import Any

import pytest
from psycopg import AsyncConnection

from alerts.caps import Cap, Caps
from alerts.channels.results import Accepted, Fault, GiveUp, TryAgain
from alerts.channels.sms import Route
from tests.sms_desk import NUMBER, Desk, Operator, opened_desk, routes


@pytest.fixture
async def desk(database: AsyncConnection[Any], database_url: str) -> Desk:
    return await opened_desk(database, database_url)


async def test_goes_to_the_first_provider_and_is_recorded_with_it(desk: Desk) -> None:
    first, second = Operator("first"), Operator("second")
    told = await desk.tell()
    async with desk.dispatching(*routes(first, second)):
        await desk.becomes(told, state="accepted", provider="first")
    (sms,) = first.got
    assert (sms.to, sms.reference, sms.template, sms.language) == (NUMBER, told, "raised", "en")
    assert second.got == []
    assert await desk.attempts(told) == [("first", "accepted", "ok")]


@pytest.mark.parametrize("priority", [0, 1])
async def test_the_next_provider_is_asked_at_once(desk: Desk, priority: int) -> None:
    first = Operator("first", [TryAgain(fault=Fault.SERVER_FAULT, provider="first")])
    second = Operator("second")
    told = await desk.tell(priority=priority)
    async with desk.dispatching(*routes(first, second)):
        await desk.becomes(told, state="accepted", provider="second")  # the clock stands still: there was no waiting
    assert await desk.attempts(told) == [("first", "try_again", "server_fault"), ("second", "accepted", "ok")]
    assert first.got[0].text == second.got[0].text


async def test_after_a_round_without_success_there_is_a_wait_and_then_another_round(desk: Desk) -> None:
    first = Operator("first", [TryAgain(fault=Fault.BUSY, provider="first"), Accepted(provider="first")])
    second = Operator("second", [TryAgain(fault=Fault.BUSY, provider="second")])
    told = await desk.tell(priority=0)
    async with desk.dispatching(*routes(first, second)):
        await desk.tried(told, 2)
        assert (await desk.row(told))["next_attempt_at"] > desk.clock.now
        desk.clock.forward(seconds=5)
        await desk.becomes(told, state="accepted", provider="first")
    assert len(first.got) == 2
    assert len(second.got) == 1


async def test_a_bad_number_is_asked_of_each_provider_once_then_given_up_and_the_next_step_comes_at_once(
    desk: Desk,
) -> None:
    first = Operator("first", [GiveUp(fault=Fault.BAD_NUMBER, provider="first")])
    second = Operator("second", [GiveUp(fault=Fault.BAD_NUMBER, provider="second")])
    later = desk.clock.now + timedelta(minutes=1)
    await desk.conn.execute(
        "UPDATE escalation SET phase = 'telling', run = 1, round = 0, step = 1, due_at = %s", [later]
    )
    told = await desk.tell(run=1)
    async with desk.dispatching(*routes(first, second)):
        await desk.becomes(told, state="given_up")
    assert [len(first.got), len(second.got)] == [1, 1]
    (entry,) = await desk.entries("message_given_up")
    assert entry["reason"] == "bad_number"
    cursor = await desk.conn.execute("SELECT alert_id, due_at < %s FROM escalation ORDER BY alert_id", [later])
    hurried = dict(await cursor.fetchall())
    assert [alert for alert, soon_due in hurried.items() if soon_due] == [desk.alerts[0]]


async def test_a_provider_that_is_down_is_asked_last_for_a_while(desk: Desk) -> None:
    first = Operator("first", [TryAgain(fault=Fault.UNREACHABLE, provider="first")])
    second = Operator("second")
    async with desk.dispatching(*routes(first, second)):
        for alert in range(5):
            told = await desk.tell(alert)
            await desk.becomes(told, state="accepted", provider="second")
        assert len(first.got) == 3
        first.answers = []
        desk.clock.forward(seconds=20)
        told = await desk.tell(5)
        await desk.becomes(told, state="accepted", provider="first")


async def test_caps_are_kept_and_messages_wait_until_there_is_room(desk: Desk) -> None:
    caps = Caps(limits=(Cap(most=2, window=timedelta(hours=1)),))
    first = Operator("first")
    async with desk.dispatching(*routes(first, caps=caps)):
        for alert in range(2):
            await desk.becomes(await desk.tell(alert), state="accepted")
        began = desk.clock.now
        held = await desk.tell(2)
        await desk.tried(held)
        row = await desk.row(held)
        assert timedelta(minutes=59) < row["next_attempt_at"] - began < timedelta(minutes=61)
        # A call for help is not held: it tries the provider all the same.
        urgent = await desk.tell(3, priority=0)
        await desk.becomes(urgent, state="accepted")
        desk.clock.forward(hours=1, seconds=10)
        await desk.becomes(held, state="accepted")
    assert len(first.got) == 4
    assert (await desk.attempts(held))[0] == (None, "try_again", "cap_reached")


async def test_a_full_provider_leaves_the_message_to_the_next(desk: Desk) -> None:
    first, second = Operator("first"), Operator("second")
    full = Route(provider=first, caps=Caps(limits=(Cap(most=1, window=timedelta(hours=1)),)))
    async with desk.dispatching(full, Route(provider=second)):
        await desk.becomes(await desk.tell(0), provider="first")
        await desk.becomes(await desk.tell(1), provider="second")
        await desk.becomes(await desk.tell(2, to="+8613800000002"), provider="first")  # a cap is of one number


async def test_what_a_day_leaves_is_kept_back_for_calls_for_help(desk: Desk) -> None:
    caps = Caps(limits=(Cap(most=5, window=timedelta(hours=24)),))
    first = Operator("first")
    async with desk.dispatching(*routes(first, caps=caps)):
        for alert in range(4):
            await desk.becomes(await desk.tell(alert), state="accepted")
        held = await desk.tell(4)
        await desk.tried(held)
        await desk.becomes(await desk.tell(5, priority=0), state="accepted")
    assert len(first.got) == 5


async def test_what_is_due_to_one_person_goes_out_as_one_message_with_a_count(desk: Desk) -> None:
    told = [await desk.tell(alert, priority=2 if alert else 1) for alert in range(5)]
    other = await desk.tell(5, to="+8613800000002")
    first = Operator("first")
    async with desk.dispatching(*routes(first)):
        for notification_id in [*told, other]:
            await desk.becomes(notification_id, state="accepted", provider="first")
    assert sorted((sms.to, "And 4 more" in sms.text) for sms in first.got) == [
        (NUMBER, True),
        ("+8613800000002", False),
    ]
    assert [(await desk.row(one))["bundled_into"] for one in told] == [None, *[told[0]] * 4]
    assert await desk.attempts(told[1]) == []


async def test_calls_for_help_are_never_bundled(desk: Desk) -> None:
    told = [await desk.tell(alert, priority=0) for alert in range(4)]
    first = Operator("first")
    async with desk.dispatching(*routes(first)):
        for notification_id in told:
            await desk.becomes(notification_id, state="accepted", bundled_into=None)
    assert len(first.got) == 4


async def test_a_bundle_that_fails_comes_again_whole_and_takes_in_what_is_due_meanwhile(desk: Desk) -> None:
    told = [await desk.tell(alert) for alert in range(3)]
    first = Operator("first", [TryAgain(fault=Fault.BUSY, provider="first"), Accepted(provider="first")])
    async with desk.dispatching(*routes(first)):
        await desk.tried(told[0])
        await desk.becomes(told[1], bundled_into=told[0], state="pending", attempts=0)
        more_urgent = await desk.tell(3, priority=1, after_s=60)
        desk.clock.forward(seconds=90)
        for notification_id in [*told, more_urgent]:
            await desk.becomes(notification_id, state="accepted")
    assert ["And 2 more" in first.got[0].text, "And 3 more" in first.got[1].text] == [True, True]
    assert {(await desk.row(one))["bundled_into"] for one in [*told[1:], more_urgent]} == {told[0]}


async def test_what_was_bundled_into_a_withdrawn_message_is_told_on_its_own(desk: Desk) -> None:
    told = [await desk.tell(alert) for alert in range(2)]
    first = Operator("first", [TryAgain(fault=Fault.BUSY, provider="first"), Accepted(provider="first")])
    async with desk.dispatching(*routes(first)):
        await desk.becomes(told[1], bundled_into=told[0])
        await desk.tried(told[0])
        await desk.conn.execute("UPDATE notification SET state = 'withdrawn' WHERE notification_id = %s", [told[0]])
        await desk.becomes(told[1], state="accepted", bundled_into=None)
        desk.clock.forward(minutes=10)
        await desk.wake()
    assert [sms.reference for sms in first.got] == told  # the withdrawn one never again


async def test_a_bundle_to_a_bad_number_is_given_up_whole(desk: Desk) -> None:
    told = [await desk.tell(alert) for alert in range(3)]
    first = Operator("first", [GiveUp(fault=Fault.BLOCKED, provider="first")])
    async with desk.dispatching(*routes(first)):
        for notification_id in told:
            await desk.becomes(notification_id, state="given_up")
    assert len(first.got) == 1
    assert len(await desk.entries("message_given_up")) == 3


async def test_only_the_newest_news_of_a_case_are_told(desk: Desk) -> None:
    old = await desk.tell(0, type_="acknowledged", priority=4)
    other = await desk.tell(1, type_="acknowledged", priority=4)
    new = await desk.tell(0, type_="closed", priority=4)
    first = Operator("first")
    async with desk.dispatching(*routes(first)):
        await desk.becomes(old, state="withdrawn")
        await desk.becomes(new, state="accepted")
        await desk.becomes(other, state="accepted")
    assert len(first.got) == 1


async def test_two_dispatchers_never_send_a_message_of_a_bundle_twice(desk: Desk) -> None:
    told = [await desk.tell(alert % 6, to=f"+861380000{alert % 7:04d}") for alert in range(60)]
    first = Operator("first")
    async with desk.dispatching(*routes(first)), desk.dispatching(*routes(first)):
        for notification_id in told:
            await desk.becomes(notification_id, state="accepted")
    sent = [sms.reference for sms in first.got]
    assert len(sent) == len(set(sent))
    heads = [one for one in told if (await desk.row(one))["bundled_into"] is None]
    assert sorted(sent) == sorted(heads)
