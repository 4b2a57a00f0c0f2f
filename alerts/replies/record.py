"""Answers as they are kept: each once, by its provider and the provider's id, with what became of it."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from psycopg import AsyncConnection
from psycopg.rows import class_row

from alerts.replies.deeds import Result
from alerts.replies.respondents import Sender, storable
from storage import sql

_Q = sql.load(__package__, "replies.sql")
_MAX_SAID: Final = 500
_MAX_ID: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """One answer, as it is kept."""

    provider: str
    provider_id: str
    said: str = field(repr=False)


async def keep(
    conn: AsyncConnection[Any], arrived: Arrived, sender: Sender | None, alert_id: int | None, now: datetime
) -> int | None:
    """Keeps an answer, and returns its number; None: it is known already. One that is being taken is waited for."""
    cursor = await conn.execute(
        _Q.keep,
        {
            "provider": arrived.provider,
            "provider_id": storable(arrived.provider_id)[:_MAX_ID],
            "now": now,
            "person_id": None if sender is None else sender.person_id,
            "alert_id": alert_id,
            "said": storable(arrived.said)[:_MAX_SAID],
        },
    )
    row = await cursor.fetchone()
    return None if row is None else row[0]


async def earlier(conn: AsyncConnection[Any], arrived: Arrived) -> Result:
    """What had become of an answer that is known already."""
    named = {"provider": arrived.provider, "provider_id": storable(arrived.provider_id)[:_MAX_ID]}
    row = await (await conn.execute(_Q.kept, named)).fetchone()
    return Result.REPEATED if row is None else Result(row[0])


async def settle(conn: AsyncConnection[Any], reply_id: int, result: Result, alert_id: int | None) -> None:
    """Enters what became of an answer, and of which alert."""
    # An alert that there is not cannot be referred to.
    known = None if result is Result.UNKNOWN_ALERT else alert_id
    await conn.execute(_Q.settle, {"reply_id": reply_id, "alert_id": known, "result": str(result)})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyRow:
    """One answer as a list shows it; `person` is the key of who gave it, None: nobody we know."""

    reply_id: int
    received_at: datetime
    provider: str
    person: str | None
    alert_id: int | None
    said: str
    result: Result


async def newest(conn: AsyncConnection[Any], *, undone: bool = False, limit: int = 100) -> list[ReplyRow]:
    """The newest answers first; `undone`: only those that changed nothing."""
    holds = [str(result) for result in Result if result.holds]
    async with conn.cursor(row_factory=class_row(ReplyRow)) as cursor:
        await cursor.execute(_Q.newest, {"undone": undone, "holds": holds, "limit": limit})
        rows = await cursor.fetchall()
    return [replace(row, result=Result(row.result)) for row in rows]
