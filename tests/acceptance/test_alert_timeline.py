"""Cases as timelines, from finding to duty desk, on a clock moved by hand. Any message not expected fails."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from psycopg import AsyncConnection
from standardwebhooks.webhooks import Webhook

from alerts.channels.webhook import WebhookChannel
from alerts.dispatch import Dispatcher
from alerts.findings import Finding, Verdict
from alerts.life import commands
from alerts.life.commands import By
from alerts.messages import AlertEvent
from alerts.model import Outcome
from tests.alert_cases import SECRET, Clock, Receiver, dry, press, receiver, register_homes, report_now, soon, status


@dataclass(slots=True, kw_only=True, eq=False)
class Town:
    """One home, its duty desk, and the time."""

    conn: AsyncConnection[Any]
    desk: Receiver
    clock: Clock
    read: int = 0

    async def report(self, *findings: Finding) -> None:
        await report_now(self.conn, *findings, now=self.clock.now)

    async def forward(self, **span: float) -> datetime:
        return self.clock.forward(**span)

    async def expect(self, *types: str) -> list[AlertEvent]:
        """These messages come, in any order, and none besides."""

        async def all_came() -> bool:
            return len(self.desk.received) - self.read >= len(types)

        await soon(all_came)
        await self.settled()
        fresh = self.desk.received[self.read :]
        self.read += len(fresh)
        for request in fresh:
            at = datetime.fromtimestamp(int(request.headers["webhook-timestamp"]), self.clock.now.tzinfo)
            signed = Webhook(SECRET).sign(request.headers["webhook-id"], at, request.body.decode())
            assert request.headers["webhook-signature"] == signed
        events = [AlertEvent.model_validate_json(request.body) for request in fresh]
        assert sorted(event.type.removeprefix("anju.alert.") for event in events) == sorted(types)
        return events

    async def settled(self) -> None:
        """Nothing is waiting to be sent now."""

        async def none_due() -> bool:
            cursor = await self.conn.execute(
                "SELECT count(*) FROM notification WHERE state = 'pending' AND next_attempt_at <= %s", [self.clock.now]
            )
            return await cursor.fetchone() == (0,)

        await soon(none_due)

    async def only_alert(self) -> int:
        (alert,) = await commands.list_alerts(self.conn)
        return alert.alert_id

    def by(self, actor: str) -> By:
        return By(actor=actor, source="page", now=self.clock.now)


@pytest.fixture
async def town(database: AsyncConnection[Any], database_url: str) -> AsyncIterator[Town]:
    await register_homes(database)
    clock, stop = Clock(), asyncio.Event()
    async with (
        receiver() as desk,
        WebhookChannel(url=desk.url, secrets=[SECRET], source="anju") as webhook,
        asyncio.TaskGroup() as group,
    ):
        dispatcher = Dispatcher(database_url=database_url, channels=[webhook], worker="test", clock=clock)
        group.create_task(dispatcher.run(stop))
        place = Town(conn=database, desk=desk, clock=clock)
        yield place
        await place.expect()  # any further message fails the test
        stop.set()


async def test_press_acknowledged_pressed_again_closed(town: Town) -> None:
    await town.report(press(1))
    (event,) = await town.expect("raised")
    assert event.data.reason.text.en == "SOS button btn-1 was pressed"
    await town.forward(minutes=2)
    await commands.acknowledge(town.conn, await town.only_alert(), town.by("duty-1"))
    await town.expect("acknowledged")
    await town.forward(minutes=5)
    await town.report(press(2, since=town.clock.now), press(1))
    (event,) = await town.expect("raised_again")
    assert (event.data.state, event.data.times_raised) == ("acknowledged", 2)
    await town.forward(minutes=30)
    await commands.close(town.conn, await town.only_alert(), Outcome.GENUINE, town.by("duty-1"))
    (event,) = await town.expect("closed")
    assert event.data.outcome == "genuine"
    await town.forward(hours=1)
    await town.report(press(1), press(2))


async def test_dry_home_that_uses_water_again(town: Town) -> None:
    since = town.clock.now
    for _ in range(4):
        await town.forward(minutes=15)
        await town.report(dry(Verdict.CLEAR, since=town.clock.now))
    await town.forward(hours=12)
    await town.report(dry(since=since))
    await town.expect("raised")
    for quarter in range(8):
        await town.forward(minutes=15)
        await town.report(dry(since=since, dry_s=46_800 + 900 * quarter))
    await town.report(dry(Verdict.CLEAR, since=town.clock.now))
    (event,) = await town.expect("cleared")
    assert (event.data.state, event.data.outcome) == ("closed", "resolved_by_sign_of_life")
    assert event.data.reason.text.en == "sign of life: water was used again"
    await town.report(dry(Verdict.CLEAR, since=town.clock.now))


async def test_dry_home_closed_by_a_person_stays_closed_until_a_new_episode(town: Town) -> None:
    since = town.clock.now
    await town.forward(hours=13)
    await town.report(dry(since=since))
    await town.expect("raised")
    await commands.close(town.conn, await town.only_alert(), Outcome.FALSE_AT_FAMILY, town.by("duty-1"))
    await town.expect("closed")
    for _ in range(3):
        await town.forward(hours=24)
        await town.report(dry(since=since))
    await town.report(dry(Verdict.CLEAR, since=town.clock.now))
    back = await town.forward(hours=1)
    await town.forward(hours=13)
    await town.report(dry(since=back))
    await town.expect("raised")


async def test_desk_out_of_order_for_an_hour(town: Town) -> None:
    town.desk.answer = status(503)
    await town.report(press(1))
    await town.expect("raised")
    first = town.desk.received[0]
    for _ in range(10):
        await town.forward(minutes=6)
        await town.expect("raised")
    town.desk.answer = status(204)
    await town.forward(minutes=1)
    await town.expect("raised")
    assert {request.headers["webhook-id"] for request in town.desk.received} == {first.headers["webhook-id"]}
    await town.forward(hours=1)
