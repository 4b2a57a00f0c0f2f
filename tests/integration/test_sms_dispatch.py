"""Short messages between the outbox and providers: turns, caps, bundles, receipts. The providers are objects that keep
what they are given and answer as they are told; what is between them and the outbox is the real thing.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self
from uuid import UUID, uuid4

import pytest
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from alerts import outbox, receipts
from alerts.caps import Cap, Caps
from alerts.channels.results import Accepted, Fault, GiveUp, Result, TryAgain
from alerts.channels.sms import Route, SmsChannel
from alerts.channels.sms_provider import Sms
from alerts.dispatch import Dispatcher
from alerts.templates import sms as sms_texts
from alerts.templates.facts import TextOptions
from storage.pool import connect
from tests.alert_cases import NOON, Clock, entries, press, register_homes, report_now, soon

NUMBER = "+8613800000001"
FACTS = {
    "home": "3-201",
    "area": "City/District/Street/Lane",
    "kind": "inactivity",
    "severity": "hard",
    "times_raised": 1,
    "reason": {"id": "sign_of_life", "values": {}, "text": {"en": "x", "zh": "x"}},
}


@dataclass(slots=True, eq=False)
class Operator:
    """A provider: keeps what it gets; each answer is used once, the last for ever."""

    name: str
    answers: list[Result] = field(default_factory=list)
    got: list[Sms] = field(default_factory=list)
    hold: asyncio.Event | None = None

    async def send(self, sms: Sms, now: datetime) -> Result:
        self.got.append(sms)
        number = len(self.got)
        if self.hold is not None:
            await self.hold.wait()
        if not self.answers:
            return Accepted(provider=self.name, provider_id=f"{self.name}-{number}")
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


@dataclass(slots=True, kw_only=True, eq=False)
class Desk:
    """Alerts with messages to people, and the time."""

    conn: AsyncConnection[Any]
    url: str
    clock: Clock
    alerts: list[int]

    async def tell(
        self,
        alert: int = 0,
        *,
        type_: str = "raised",
        priority: int = 1,
        to: str = NUMBER,
        after_s: float = 0,
        run: int = 0,
    ) -> UUID:
        """Writes a message, as the escalation does."""
        notification_id = uuid4()
        self.clock.forward(milliseconds=1)
        await self.conn.execute(
            "INSERT INTO notification (notification_id, alert_id, channel, recipient, priority, body, state,"
            " created_at, next_attempt_at, give_up_at, run)"
            " VALUES (%s, %s, 'sms', %s, %s, %s, 'pending', %s, %s, %s, %s)",
            [
                notification_id,
                self.alerts[alert],
                to,
                priority,
                Jsonb({"type": f"anju.alert.{type_}", "data": FACTS, "audience": "staff"}),
                self.clock.now,
                self.clock.now + timedelta(seconds=after_s),
                self.clock.now + timedelta(hours=6),
                run,
            ],
        )
        return notification_id

    async def wake(self) -> None:
        await self.conn.execute("SELECT pg_notify('anju_notification', '')")

    async def row(self, notification_id: UUID) -> dict[str, Any]:
        cursor = await self.conn.execute(
            "SELECT state, provider, delivery, bundled_into, next_attempt_at, attempts FROM notification"
            " WHERE notification_id = %s",
            [notification_id],
        )
        row = await cursor.fetchone()
        assert row is not None
        assert cursor.description is not None
        return {column.name: value for column, value in zip(cursor.description, row, strict=True)}

    async def becomes(self, notification_id: UUID, **expected: object) -> None:
        """Waits until the message's row has these values."""

        async def has() -> bool:
            await self.wake()
            row = await self.row(notification_id)
            return all(row[name] == value for name, value in expected.items())

        try:
            await soon(has, 5)
        except TimeoutError:
            pytest.fail(f"not {expected} but {await self.row(notification_id)}")

    async def attempts(self, notification_id: UUID) -> list[tuple[str | None, str, str]]:
        cursor = await self.conn.execute(
            "SELECT provider, result, reason FROM notification_attempt WHERE notification_id = %s ORDER BY attempt",
            [notification_id],
        )
        return await cursor.fetchall()

    async def tried(self, notification_id: UUID, times: int = 1) -> None:
        """Waits until so many attempts are recorded: the clock must not move while one is on its way."""

        async def recorded() -> bool:
            await self.wake()
            return len(await self.attempts(notification_id)) == times

        await soon(recorded, 5)

    async def entries(self, action: str) -> list[dict[str, Any]]:
        cursor = await self.conn.execute("SELECT detail FROM alert_entry WHERE action = %s ORDER BY entry_id", [action])
        return [row[0] for row in await cursor.fetchall()]

    async def receipt(self, provider: str, provider_id: str, delivery: str) -> bool:
        return await receipts.record_receipt(self.conn, provider, provider_id, delivery, "", self.clock.now)

    @contextlib.asynccontextmanager
    async def dispatching(self, *routes: Route) -> AsyncIterator[None]:
        stop = asyncio.Event()
        options = TextOptions()
        async with (
            SmsChannel(routes, lambda message: sms_texts.write(message, options)) as channel,
            asyncio.TaskGroup() as group,
        ):
            dispatcher = Dispatcher(
                database_url=self.url, channels=[channel], worker="test", clock=self.clock, language="en"
            )
            group.create_task(dispatcher.run(stop))
            try:
                yield
            finally:
                stop.set()


def routes(*operators: Operator, caps: Caps | None = None) -> Sequence[Route]:
    return [Route(provider=operator, caps=caps or Caps()) for operator in operators]


@pytest.fixture
async def desk(database: AsyncConnection[Any], database_url: str) -> Desk:
    homes = await register_homes(database, 6)
    clock = Clock()
    await report_now(database, *(press(home, home_id=home) for home in homes), now=clock.now)
    await database.execute("DELETE FROM notification")
    cursor = await database.execute("SELECT alert_id FROM alert ORDER BY alert_id")
    return Desk(conn=database, url=database_url, clock=clock, alerts=[row[0] for row in await cursor.fetchall()])


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


# ---------------------------------------------------------------------------------------------- receipts


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
