"""Partitions of the series, made ahead of the readings that go into them.

TimescaleDB makes its own chunks; this is for plain PostgreSQL.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from psycopg import AsyncConnection

from storage.sql import load

Q = load(__package__, "partitions.sql")


async def ensure(connection: AsyncConnection[Any], *, from_: datetime, to: datetime) -> list[str]:
    """Makes the missing monthly partitions `reading_YYYYMM` (UTC) for all instants from `from_` to `to`, both included.

    Does nothing where the series is a hypertable. Safe to repeat and to run from several processes at once; readers
    and writers of the series are not held up. Needs no rights but to call the database's own function for it.

    Returns:
        The names of the partitions that it made.

    Raises:
        psycopg.Error: the database refused; what was begun is rolled back.
    """
    wanted = list(_months(from_.astimezone(UTC), to.astimezone(UTC)))
    made: list[str] = []
    async with connection.transaction():
        row = await (await connection.execute(Q.is_partitioned)).fetchone()
        if row is None or not row[0]:
            return []
        for start in await _missing(connection, wanted):
            made += [str(name) for (name,) in await (await connection.execute(Q.make, [start])).fetchall() if name]
    return made


async def _missing(connection: AsyncConnection[Any], wanted: list[datetime]) -> list[datetime]:
    present = {str(row[0]) for row in await (await connection.execute(Q.existing)).fetchall()}
    return [start for start in wanted if _name(start) not in present]


def _months(from_: datetime, to: datetime) -> Iterator[datetime]:
    start = from_.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while start <= to:
        yield start
        start = _next_month(start)


def _next_month(start: datetime) -> datetime:
    return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)


def _name(start: datetime) -> str:
    return f"reading_{start:%Y%m}"
