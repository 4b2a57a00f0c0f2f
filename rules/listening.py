"""Reads how far ingest has heard its brokers, and by how much the database's clock differs from ours."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import AsyncConnection

from alerts import findings
from alerts.findings import Kind, Subject
from rules.hearing import Ear, assess
from storage.sql import load

_SQL = load(__package__, "hearing.sql")

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What is known of ingest's hearing.

    Attributes:
        clock_difference: the database's clock minus ours.
    """

    ears: tuple[Ear, ...]
    clock_difference: timedelta


async def read(conn: AsyncConnection[Any], clock: Clock) -> Heard:
    """Reads every session of ingest."""
    asked_at = clock()
    rows = await (await conn.execute(_SQL.ears)).fetchall()
    answered_at = clock()
    there = rows[0][0]
    # Their clock was read somewhere between the two: a slow answer alone is no difference.
    difference = max(there - answered_at, min(timedelta(), there - asked_at))
    ears = tuple(Ear(lane=row[1], broker=row[2], until=row[3], since=row[4]) for row in rows if row[1] is not None)
    return Heard(ears=ears, clock_difference=difference)


async def tell(conn: AsyncConnection[Any], clock: Clock, *, started_at: datetime) -> Heard:
    """Reads the hearing and tells the operators where it has stopped, is late, or cannot be judged."""
    heard = await read(conn, clock)
    now = clock()
    async with conn.transaction():
        cursor = await conn.execute(_SQL.told_since, {"subject": Subject().key, "kind": Kind.HEARING_LOST})
        row = await cursor.fetchone()
        finding = assess(
            heard.ears,
            heard.clock_difference,
            now,
            never_since=started_at,
            told_since=row[0] if row is not None else None,
        )
        await findings.report(conn, [finding], now)
    return heard
