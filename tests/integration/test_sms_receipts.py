"""What providers report of SMS and calls, on a real PostgreSQL: receipts, and what is not delivered."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg import AsyncConnection

from alerts import outbox, receipts
from storage.pool import connect
from tests.alert_cases import NOON, entries, press, register_homes, report_now, soon
from tests.sms_desk import Desk, Operator, opened_desk, routes


@pytest.fixture
async def desk(database: AsyncConnection[Any], database_url: str) -> Desk:
    return await opened_desk(database, database_url)


async def test_receipts_in_whatever_order_end_in_the_same_and_repeated_ones_change_nothing(desk: Desk) -> None:
    first = Operator("first")
    told = await desk.tell()
    async with desk.dispatching(*routes(first)):
        await desk.becomes(told, state="accepted")
        assert await desk.receipt("first", "first-1", "delivered")
        await desk.becomes(told, delivery="delivered")
        assert await desk.receipt("first", "first-1", "sent")
        assert await desk.receipt("first", "first-1", "undelivered")
        assert not await desk.receipt("first", "first-1", "delivered")
        assert (await desk.row(told))["delivery"] == "delivered"
        assert await desk.receipt("first", "first-1", "read")
        assert (await desk.row(told))["delivery"] == "read"
    assert len(first.got) == 1


async def test_a_receipt_of_nobody_knows_what_is_kept(desk: Desk) -> None:
    assert await desk.receipt("first", "nobody-knows", "delivered")
    cursor = await desk.conn.execute("SELECT provider, provider_id, delivery FROM delivery_receipt")
    assert await cursor.fetchall() == [("first", "nobody-knows", "delivered")]


async def test_a_receipt_that_overtakes_the_answer_is_applied_when_the_attempt_is_recorded(desk: Desk) -> None:
    first = Operator("first", hold=asyncio.Event())
    told = await desk.tell()
    async with desk.dispatching(*routes(first)):
        await soon(lambda: _true(lambda: len(first.got) == 1))
        assert await desk.receipt("first", "first-1", "delivered")
        assert (await desk.row(told))["delivery"] is None
        assert first.hold is not None
        first.hold.set()
        await desk.becomes(told, state="accepted", delivery="delivered")


async def _true(check: Callable[[], bool]) -> bool:
    return check()


async def test_recording_and_receipt_at_the_same_time_never_miss_each_other(desk: Desk) -> None:
    first = Operator("first", hold=asyncio.Event())
    assert first.hold is not None
    told = [await desk.tell(alert % 6, priority=0) for alert in range(24)]
    async with desk.dispatching(*routes(first)), await connect(desk.url, application_name="test") as other:
        await soon(lambda: _true(lambda: len(first.got) == 24))
        first.hold.set()
        for number in range(1, 25):  # while the recorder writes
            async with other.transaction():
                await receipts.record_receipt(other, "first", f"first-{number}", "delivered", "", desk.clock.now)
        for notification_id in told:
            await desk.becomes(notification_id, state="accepted", delivery="delivered")


async def test_what_was_not_delivered_goes_to_the_next_provider_at_once(desk: Desk) -> None:
    first, second = Operator("first"), Operator("second")
    told = await desk.tell()
    async with desk.dispatching(*routes(first, second)):
        await desk.becomes(told, state="accepted", provider="first")
        await desk.receipt("first", "first-1", "undelivered")
        await desk.becomes(told, state="accepted", provider="second", delivery=None)
        await desk.receipt("second", "second-1", "delivered")
        await desk.becomes(told, delivery="delivered")
    (entry,) = await desk.entries("message_undelivered")
    assert entry == {"notification_id": str(told), "provider": "first"}


async def test_what_no_provider_delivers_is_entered_and_the_next_step_comes_at_once(desk: Desk) -> None:
    first = Operator("first")
    later = desk.clock.now + timedelta(minutes=5)
    await desk.conn.execute(
        "UPDATE escalation SET phase = 'telling', run = 1, round = 0, step = 1, due_at = %s", [later]
    )
    told = await desk.tell(run=1)
    async with desk.dispatching(*routes(first)):
        await desk.becomes(told, state="accepted")
        await desk.receipt("first", "first-1", "undelivered")
        await desk.becomes(told, state="given_up")
    assert len(first.got) == 1
    (entry,) = await desk.entries("message_given_up")
    assert entry["reason"] == "undelivered"
    cursor = await desk.conn.execute("SELECT due_at < %s FROM escalation WHERE alert_id = %s", [later, desk.alerts[0]])
    assert await cursor.fetchone() == (True,)


async def test_it_has_come_after_all_while_it_waited_to_be_sent_again(desk: Desk) -> None:
    first = Operator("first")
    told = await desk.tell()
    async with desk.dispatching(*routes(first)):
        await desk.becomes(told, state="accepted")
    await desk.receipt("first", "first-1", "undelivered")
    await desk.becomes(told, state="pending")
    await desk.receipt("first", "first-1", "delivered")
    await desk.becomes(told, state="accepted", delivery="delivered")


@pytest.mark.parametrize(("type_", "priority", "state"), [("closed", 4, "open"), ("raised", 1, "acknowledged")])
async def test_what_needs_no_answer_any_more_is_not_sent_again(
    desk: Desk, type_: str, priority: int, state: str
) -> None:
    first = Operator("first")
    told = await desk.tell(type_=type_, priority=priority)
    async with desk.dispatching(*routes(first)):
        await desk.becomes(told, state="accepted")
        await desk.conn.execute("UPDATE alert SET state = %s, acknowledged_at = %s", [state, datetime.now(UTC)])
        await desk.receipt("first", "first-1", "undelivered")
        await desk.becomes(told, state="accepted", delivery="undelivered")
    assert len(first.got) == 1
    assert await desk.entries("message_undelivered") == []


async def test_what_was_bundled_into_an_undelivered_message_is_sent_again_with_it(desk: Desk) -> None:
    first, second = Operator("first"), Operator("second")
    told = [await desk.tell(alert) for alert in range(3)]
    async with desk.dispatching(*routes(first, second)):
        for notification_id in told:
            await desk.becomes(notification_id, state="accepted", provider="first")
        await desk.receipt("first", "first-1", "undelivered")
        for notification_id in told:
            await desk.becomes(notification_id, state="accepted", provider="second")
        await desk.receipt("second", "second-1", "delivered")
        for notification_id in told:
            await desk.becomes(notification_id, delivery="delivered")
    assert [len(first.got), len(second.got)] == [1, 1]


@pytest.mark.parametrize(("round_", "hurried"), [(0, True), (1, False)])
async def test_a_call_that_nobody_takes_is_not_repeated_but_the_next_step_comes_at_once(
    desk: Desk, round_: int, hurried: bool
) -> None:
    later = desk.clock.now + timedelta(minutes=5)
    await desk.conn.execute(
        "UPDATE escalation SET phase = 'telling', run = 1, round = %s, step = 1, due_at = %s", [round_, later]
    )
    told = await desk.tell(run=1)
    await desk.conn.execute("UPDATE notification SET channel = 'voice', state = 'accepted', attempts = 1")
    await desk.conn.execute(
        "INSERT INTO notification_attempt (notification_id, attempt, started_at, duration_s, result, reason, provider,"
        " provider_id) VALUES (%s, 1, %s, 0.1, 'accepted', 'ok', 'caller', 'call-1')",
        [told, desk.clock.now],
    )
    await desk.receipt("caller", "call-1", "undelivered")
    row = await desk.row(told)
    assert (row["state"], row["delivery"]) == ("accepted", "undelivered")
    assert len(await desk.entries("message_undelivered")) == 1
    cursor = await desk.conn.execute("SELECT due_at < %s FROM escalation WHERE alert_id = %s", [later, desk.alerts[0]])
    assert await cursor.fetchone() == (hurried,)


async def test_what_no_worker_can_send_is_given_up_a_week_after_its_time(database: AsyncConnection[Any]) -> None:
    await register_homes(database)
    await report_now(database, press(1), now=NOON)
    await outbox.give_up_unserved(database, ["sms"], NOON + timedelta(days=7, hours=23))
    assert await told_states(database) == ["pending"]
    await outbox.give_up_unserved(database, ["sms", "webhook"], NOON + timedelta(days=7, hours=25))
    assert await told_states(database) == ["pending"]  # somebody may still send it
    for _ in range(2):
        await outbox.give_up_unserved(database, ["sms"], NOON + timedelta(days=7, hours=25))
    assert await told_states(database) == ["given_up"]
    assert (await entries(database)).count("message_given_up") == 1


async def told_states(conn: AsyncConnection[Any]) -> list[str]:
    cursor = await conn.execute("SELECT state FROM notification WHERE channel = 'webhook'")
    return [row[0] for row in await cursor.fetchall()]
