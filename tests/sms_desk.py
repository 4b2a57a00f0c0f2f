"""A desk that tells by SMS: messages in a real outbox, providers that answer as they are told, and a dispatcher."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self
from uuid import UUID, uuid4

import pytest
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from alerts import receipts
from alerts.caps import Caps
from alerts.channels.results import Accepted, Result
from alerts.channels.sms import Route, SmsChannel
from alerts.channels.sms_provider import Sms
from alerts.dispatch import Dispatcher
from alerts.templates import sms as sms_texts
from alerts.templates.facts import TextOptions
from tests.alert_cases import Clock, press, register_homes, report_now, soon

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
            await soon(has, 15)
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

        await soon(recorded, 15)

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


async def opened_desk(database: AsyncConnection[Any], database_url: str) -> Desk:
    """A desk with an alert in each of six homes, of which nothing is told yet."""
    homes = await register_homes(database, 6)
    clock = Clock()
    await report_now(database, *(press(home, home_id=home) for home in homes), now=clock.now)
    await database.execute("DELETE FROM notification")
    cursor = await database.execute("SELECT alert_id FROM alert ORDER BY alert_id")
    return Desk(conn=database, url=database_url, clock=clock, alerts=[row[0] for row in await cursor.fetchall()])
