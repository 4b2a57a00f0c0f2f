"""Who answers: found by number, by the call it was pressed in, or by key; what they are to a home, and were told of."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection

from alerts.channels.inbound_values import InboundReply
from alerts.life.commands import By
from alerts.replies.meaning import ToldOf
from registry.people import person_by_address
from storage import sql

_Q = sql.load(__package__, "replies.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Somebody on record, not retired; their row is locked."""

    person_id: int
    key: str
    language: str


async def sender_of(conn: AsyncConnection[Any], reply: InboundReply) -> tuple[int | None, int | None]:
    """The alert that it is about, where that is known, and the person."""
    if reply.reference is not None:
        row = await (await conn.execute(_Q.of_notification, {"notification_id": reply.reference})).fetchone()
        return (None, None) if row is None else (row[0], row[1])
    person = await person_by_address(conn, "sms", storable(reply.from_))
    return None, None if person is None else person.person_id


async def by_key(conn: AsyncConnection[Any], key: str) -> Sender | None:
    """The person of this key; None where it is an account of somebody else's, or they are retired."""
    found = await (await conn.execute(_Q.by_key, {"key": key})).fetchone()
    return None if found is None else await lock(conn, found[0])


async def lock(conn: AsyncConnection[Any], person_id: int) -> Sender | None:
    """The person, whose answers wait for each other until the transaction ends; None: there is none, or retired."""
    row = await (await conn.execute(_Q.lock_person, {"person_id": person_id})).fetchone()
    return None if row is None else Sender(person_id=row[0], key=row[1], language=row[2])


async def told_of(conn: AsyncConnection[Any], sender: Sender, about: int | None) -> list[ToldOf]:
    """The alerts, not closed, that the person was told of, the newest first; or the one it is known to be about."""
    if about is not None:
        cursor = await conn.execute(_Q.is_open, {"alert_id": about})
        return [] if await cursor.fetchone() is None else [ToldOf(alert_id=about)]
    cursor = await conn.execute(_Q.told_of, {"person_id": sender.person_id})
    return [ToldOf(alert_id=row[0]) for row in await cursor.fetchall()]


async def was_sent(conn: AsyncConnection[Any], alert_id: int, desks: frozenset[str]) -> bool:
    """Whether one of these receivers was sent the alert, be it that nobody has seen what it answered."""
    cursor = await conn.execute(_Q.was_sent, {"alert_id": alert_id, "desks": sorted(desks)})
    return await cursor.fetchone() is not None


async def relation_to(conn: AsyncConnection[Any], person_id: int, alert_id: int) -> str | None:
    """What the person is to the alert's home; None: staff."""
    cursor = await conn.execute(_Q.relation, {"alert_id": alert_id, "person_id": person_id})
    row = await cursor.fetchone()
    return None if row is None else row[0]


async def acting(conn: AsyncConnection[Any], sender: Sender, alert_id: int, source: str, now: datetime) -> By:
    """As whom the person acts: a relative's answer is one, and the history says so."""
    return By(actor=sender.key, source=source, now=now, role=await relation_to(conn, sender.person_id, alert_id))


def storable(text: str) -> str:
    """What PostgreSQL takes: no NUL, no half of a surrogate pair."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()
