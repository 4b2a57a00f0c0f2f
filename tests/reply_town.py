"""What tests of replies share: a home with alerts, people who were told of them, and the listener on loopback."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

import httpx
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from alerts import links
from alerts.web.app import make_app
from alerts.web.options import WebOptions
from alerts.web.server import WebServer
from tests.alert_cases import SECRET, Clock, press, register_homes, report_now

LINK_SECRET: Final = "a link secret of tests, long enough for anybody"
PUBLIC: Final = "https://anju.example.org"
TOKEN: Final = "12345"
DUTY: Final = "+8613800000001"
BACKUP: Final = "+8613800000002"
DAUGHTER: Final = "+8613800000003"
STRANGER: Final = "+8613899999999"


@dataclass(slots=True, kw_only=True, eq=False)
class ReplyTown:
    """Homes, a duty worker, a backup, a daughter, and the time."""

    conn: AsyncConnection[Any]
    clock: Clock
    homes: list[int]
    people: dict[str, int]
    events: int = 0

    async def sos(self, home: int = 0) -> int:
        """Somebody calls for help; returns the alert's number."""
        self.events += 1
        await report_now(
            self.conn, press(self.events, home_id=self.homes[home], since=self.clock.now), now=self.clock.now
        )
        cursor = await self.conn.execute("SELECT max(alert_id) FROM alert WHERE home_id = %s", [self.homes[home]])
        row = await cursor.fetchone()
        assert row is not None
        return int(row[0])

    async def tell(
        self, key: str, alert_id: int, *, channel: str = "sms", state: str = "accepted", audience: str = "staff"
    ) -> UUID:
        """As the escalation and the dispatcher do: the person was sent a message about the alert."""
        number = uuid4()
        await self.conn.execute(
            "INSERT INTO notification (notification_id, alert_id, channel, recipient, person_id, priority, body, state,"
            " created_at, next_attempt_at, give_up_at, attempts, run)"
            " SELECT %s, %s, %s, address, person_id, 0, %s, %s, %s, %s, %s, %s, 1"
            " FROM person_address WHERE person_id = %s AND channel = 'sms'",
            [
                number,
                alert_id,
                channel,
                Jsonb({"type": "anju.alert.raised", "data": {"home": "Door 1"}, "audience": audience}),
                state,
                *[self.clock.now] * 3,
                0 if state == "pending" else 1,
                self.people[key],
            ],
        )
        return number

    async def post(self, alert_id: int, receiver: str = "default", *, attempts: int = 1) -> None:
        """As the dispatcher does: a desk was sent the alert by webhook."""
        await self.conn.execute(
            "INSERT INTO notification (notification_id, alert_id, channel, recipient, priority, body, state,"
            " created_at, next_attempt_at, give_up_at, attempts)"
            " VALUES (%s, %s, 'webhook', %s, 0, %s, 'pending', %s, %s, %s, %s)",
            [uuid4(), alert_id, receiver, Jsonb({"type": "anju.alert.raised"}), *[self.clock.now] * 3, attempts],
        )

    async def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What the database has."""
        return list(await (await self.conn.execute(query, list(values))).fetchall())

    async def state(self, alert_id: int) -> tuple[str, str | None]:
        """The alert's state, and who has it."""
        ((state, who),) = await self.rows("SELECT state, assigned_to FROM alert WHERE alert_id = %s", alert_id)
        return state, who

    async def history(self, alert_id: int) -> list[tuple[str, str, str]]:
        """What was done after it was raised: action, actor, source."""
        return await self.rows(
            "SELECT action, actor, source FROM alert_entry WHERE alert_id = %s AND action NOT LIKE 'raised%%'"
            " ORDER BY entry_id",
            alert_id,
        )

    async def replies(self) -> list[tuple[str, str, str]]:
        """What was answered: provider, what was said, what became of it."""
        return await self.rows("SELECT provider, said, result FROM reply ORDER BY reply_id")

    async def said_to(self, number: str) -> list[str]:
        """The answers that go to a number, oldest first."""
        rows = await self.rows(
            "SELECT body ->> 'text' FROM notification WHERE recipient = %s AND body ->> 'type' = 'anju.alert.answer'"
            " ORDER BY created_at",
            number,
        )
        return [row[0] for row in rows]

    def link(self, key: str, alert_id: int, *, until: datetime | None = None) -> str:
        """The path of a person's link."""
        ends = until or self.clock.now + links.LIFETIME
        return f"/a/{links.make(LINK_SECRET, alert_id, self.people[key], ends)}"


async def reply_town(conn: AsyncConnection[Any]) -> ReplyTown:
    """Two homes; the daughter is a contact of the first."""
    homes = await register_homes(conn, 2)
    people: dict[str, int] = {}
    for key, number, language in (("duty-1", DUTY, "zh"), ("backup-1", BACKUP, "en"), ("daughter-1", DAUGHTER, "zh")):
        cursor = await conn.execute(
            "INSERT INTO person (key, name, language) VALUES (%s, 'X', %s) RETURNING person_id", [key, language]
        )
        row = await cursor.fetchone()
        assert row is not None
        people[key] = row[0]
        await conn.execute(
            "INSERT INTO person_address (person_id, channel, address) VALUES (%s, 'sms', %s)", [row[0], number]
        )
    await conn.execute(
        "INSERT INTO contact (home_id, person_id, relation, position) VALUES (%s, %s, 'family', 1)",
        [homes[0], people["daughter-1"]],
    )
    return ReplyTown(conn=conn, clock=Clock(), homes=homes, people=people)


def web_options(database_url: str, clock: Clock, **further: Any) -> WebOptions:
    """A listener that every provider may call."""
    return WebOptions(
        database_url=database_url,
        **{
            "public_url": PUBLIC,
            "link_secret": LINK_SECRET,
            "twilio": {"twilio": TOKEN, "twilio-voice": TOKEN},
            "unsigned": {kind: frozenset({kind}) for kind in ("aliyun", "tencent", "kannel")},
            "webhooks": {"default": (SECRET,)},
            "clock": clock,
            **further,
        },
    )


@contextlib.asynccontextmanager
async def listening(options: WebOptions) -> AsyncIterator[httpx.AsyncClient]:
    """A real listener, and a client that talks to it and follows no redirect."""
    stop = asyncio.Event()
    server = WebServer(make_app(options), "127.0.0.1", 0)
    task = asyncio.create_task(server.run(stop))
    try:
        async with asyncio.timeout(10):
            await server.listening.wait()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client:
            yield client
    finally:
        stop.set()
        async with asyncio.timeout(15):
            await task
