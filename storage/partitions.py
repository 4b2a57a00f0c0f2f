"""Partitions of the series, made ahead of the readings that go into them.

TimescaleDB makes its own chunks; this is for plain PostgreSQL, and the only Python that asks which of the two it is on.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from psycopg import AsyncConnection, sql

from storage.sql import load

Q = load(__package__, "partitions.sql")

_LOCK_KEY: Final = 0x70617274  # one maker at a time; any number that nothing else uses as a lock
_NATIVELY_PARTITIONED: Final = b"p"


async def ensure(connection: AsyncConnection[Any], *, from_: datetime, to: datetime) -> list[str]:
    """Makes the missing monthly partitions `reading_YYYYMM` (UTC) for all instants from `from_` to `to`, both included.

    Does nothing where the series is a hypertable. Safe to repeat and to run from several processes at once; readers
    and writers of the series are not held up.

    Returns:
        The names of the partitions that it made.

    Raises:
        psycopg.Error: the database refused; what was begun is rolled back.
    """
    wanted = list(_months(from_.astimezone(UTC), to.astimezone(UTC)))
    async with connection.transaction():
        row = await (await connection.execute(Q.kind_of_series)).fetchone()
        if row is None or row[0] not in (_NATIVELY_PARTITIONED, _NATIVELY_PARTITIONED.decode()):
            return []
        schema = str(row[1])
        missing = await _missing(connection, wanted)
        if not missing:
            return []
        await connection.execute(Q.lock, [_LOCK_KEY])
        missing = await _missing(connection, wanted)  # somebody may have made them while we waited
        for start in missing:
            # Attached rather than made in place: that would lock out whoever reads or writes the series.
            names = {
                "series": sql.Identifier(schema, "reading"),
                "partition": sql.Identifier(schema, _name(start)),
                "from_": sql.Literal(start),
                "to": sql.Literal(_next_month(start)),
            }
            await connection.execute(sql.SQL(Q.create).format(**names))
            await connection.execute(sql.SQL(Q.attach).format(**names))
        return [_name(start) for start in missing]


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
