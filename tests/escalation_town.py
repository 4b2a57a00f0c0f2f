"""A home with people around it: rosters, escalator and dispatcher on a clock moved by hand, and the SMS operator."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import AsyncConnection

from alerts.channels.results import Accepted, Outgoing, Result
from alerts.dispatch import Dispatcher
from alerts.escalation.escalator import Escalator
from alerts.findings import Finding
from alerts.life import commands
from alerts.life.commands import By
from alerts.roster import storing
from alerts.roster.model import Role, read
from tests.alert_cases import Clock, report_now, soon

SINCE: Final = "2026-01-01T00:00:00+00:00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A message as it left."""

    channel: str
    to: str
    type: str
    at: datetime
    message: Outgoing


@dataclass(slots=True, eq=False)
class Edge:
    """One way out of the world: keeps what is handed over, and answers as it is told."""

    name: str
    sent: list[Sent]
    answer: Result = field(default_factory=lambda: Accepted(provider_id="1", provider="edge"))

    async def send(self, message: Outgoing, now: datetime) -> Result:
        """Takes a message over."""
        kind = str(message.body["type"]).removeprefix("anju.alert.")
        self.sent.append(Sent(channel=self.name, to=message.recipient, type=kind, at=now, message=message))
        return self.answer


async def enrol(conn: AsyncConnection[Any], people: Mapping[str, Sequence[str]]) -> None:
    """People by key, with their channels; the address is `channel:key`, but a number for SMS and voice."""
    for key, channels in people.items():
        row = await (
            await conn.execute(
                "INSERT INTO person (key, name, language) VALUES (%s, 'Name of ' || %s, 'en') RETURNING person_id",
                [key, key],
            )
        ).fetchone()
        assert row is not None
        for channel in channels:
            await conn.execute(
                "INSERT INTO person_address (person_id, channel, address) VALUES (%s, %s, %s)", [row[0], channel, key]
            )


async def on_roster(
    conn: AsyncConnection[Any], role: str, *people: str, area: str | None = "City/District/Street/Lane"
) -> None:
    """These are on duty at all times."""
    row = await (await conn.execute("SELECT area_id FROM area WHERE path = %s", [area])).fetchone()
    area_id = None if row is None else row[0]
    roster = read({"time_zone": "Asia/Shanghai", "always": list(people)})
    await storing.write(conn, area_id, Role(role), roster, now=datetime.fromisoformat(SINCE), by="test")


async def contact(conn: AsyncConnection[Any], home_id: int, key: str, relation: str, position: int = 1) -> None:
    """Somebody who is called about a home."""
    await conn.execute(
        "INSERT INTO contact (home_id, person_id, relation, position)"
        " SELECT %s, person_id, %s, %s FROM person WHERE key = %s",
        [home_id, relation, position, key],
    )


@dataclass(slots=True, kw_only=True, eq=False)
class Town:
    """One home, those around it, and the time. Addresses are the keys of people."""

    conn: AsyncConnection[Any]
    clock: Clock
    edges: Mapping[str, Edge]
    out: list[Sent]
    taken: int = 0

    async def report(self, *findings: Finding) -> None:
        """What rules have found."""
        await report_now(self.conn, *findings, now=self.clock.now)

    async def forward(self, **span: float) -> datetime:
        """Moves the clock on, step by step as far as anything is due meanwhile, and lets it be done."""
        end = self.clock.now + timedelta(**span)
        while True:
            await self.settled()
            row = await (
                await self.conn.execute(
                    "SELECT min(at) FROM (SELECT due_at AS at FROM escalation UNION ALL"
                    " SELECT next_attempt_at FROM notification WHERE state = 'pending') due WHERE at > %s",
                    [self.clock.now],
                )
            ).fetchone()
            upcoming = row[0] if row is not None else None
            if upcoming is None or upcoming > end:
                break
            self.clock.now = upcoming
            await self.wake()
        self.clock.now = end
        await self.wake()
        await self.settled()
        return end

    async def wake(self) -> None:
        """The time has moved."""
        await self.conn.execute("SELECT pg_notify('anju_escalation', ''), pg_notify('anju_notification', '')")

    async def settled(self) -> None:
        """Nothing is due now."""

        async def none_due() -> bool:
            cursor = await self.conn.execute(
                "SELECT (SELECT count(*) FROM escalation WHERE due_at <= %(now)s)"
                " + (SELECT count(*) FROM notification WHERE state = 'pending' AND next_attempt_at <= %(now)s)",
                {"now": self.clock.now},
            )
            return await cursor.fetchone() == (0,)

        await soon(none_due)

    def sent(self) -> list[Sent]:
        """What has left since the last look, in order."""
        fresh = self.out[self.taken :]
        self.taken += len(fresh)
        return fresh

    async def expect(self, *told: tuple[str, str, str]) -> list[Sent]:
        """These have left (channel, to, type), in any order, and none besides."""
        await self.settled()
        fresh = self.sent()
        left = sorted((sent.channel, sent.to, sent.type) for sent in fresh)
        assert left == sorted(told), f"left: {left}"
        return fresh

    async def expect_sms(self, *, to: str, containing: str) -> Sent:
        """One SMS has left, and nothing besides but what the duty desk hears."""
        await self.settled()
        (sent,) = (sent for sent in self.sent() if sent.channel != "webhook")
        assert (sent.channel, sent.to) == ("sms", to)
        assert containing in str(sent.message.body)
        return sent

    def by(self, actor: str) -> By:
        """Somebody who acts now."""
        return By(actor=actor, source="sms", now=self.clock.now)

    async def alert(self) -> int:
        """The only alert."""
        (alert,) = await commands.list_alerts(self.conn)
        return alert.alert_id

    async def history(self, *actions: str) -> list[dict[str, Any]]:
        """The details of entries of these actions, oldest first."""
        cursor = await self.conn.execute(
            "SELECT detail FROM alert_entry WHERE action = ANY (%s) ORDER BY entry_id", [list(actions)]
        )
        return [row[0] for row in await cursor.fetchall()]


@contextlib.asynccontextmanager
async def town(
    conn: AsyncConnection[Any],
    database_url: str,
    *,
    channels: Sequence[str] = ("sms", "voice", "webhook"),
    clock: Clock | None = None,
) -> AsyncIterator[Town]:
    """The alerts role around a town; at its end any message that nobody expected fails the test."""
    clock, stop = clock or Clock(), asyncio.Event()
    out: list[Sent] = []
    edges = {name: Edge(name, out) for name in channels}
    async with asyncio.TaskGroup() as group:
        dispatcher = Dispatcher(
            database_url=database_url, channels=list(edges.values()), worker="test", clock=clock, lease_s=5.0
        )
        escalator = Escalator(database_url=database_url, worker="test", clock=clock, channels=frozenset(channels))
        tasks = [group.create_task(dispatcher.run(stop)), group.create_task(escalator.run(stop))]
        place = Town(conn=conn, clock=clock, edges=edges, out=out)
        try:
            yield place
            await place.settled()
            left = [(sent.channel, sent.to, sent.type) for sent in place.sent()]
            assert left == [], "messages that nobody expected"
            assert not any(task.done() for task in tasks)
        finally:
            stop.set()
