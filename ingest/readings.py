"""Writes packed readings into the series.

They take one of two ways. New ones go straight in by binary COPY. Where one of them is stored already the database
refuses the whole COPY; then they go by way of a temporary table and INSERT ... ON CONFLICT DO NOTHING, which takes
repetitions but costs the database twice as much for each row.
"""

from collections.abc import Sequence
from typing import Any, Final

from psycopg import AsyncConnection

from ingest.copy_format import HEADER, TRAILER
from storage.sql import load

_Q: Final = load(__package__, "ingest.sql")


async def create_stage(connection: AsyncConnection[Any]) -> None:
    """Makes the temporary table that `append` needs; lasts as long as the connection."""
    await connection.execute(_Q.create_stage)


async def find_devices(connection: AsyncConnection[Any], names: Sequence[str]) -> list[tuple[str, int]]:
    """Name and id of those devices that are known."""
    cursor = await connection.execute(_Q.find_devices, {"names": list(names)})
    return await cursor.fetchall()


async def append_new(connection: AsyncConnection[Any], rows: Sequence[bytes]) -> tuple[int, int]:
    """Appends packed rows of which none is stored yet; returns what `append` would.

    Raises:
        psycopg.errors.UniqueViolation: one was stored already, or is in `rows` twice.
    """
    async with connection.cursor() as cursor, cursor.copy(_Q.copy_readings) as copy:
        await copy.write(b"".join((HEADER, *rows, TRAILER)))
    return len(rows), 0


async def append(connection: AsyncConnection[Any], rows: Sequence[bytes]) -> tuple[int, int]:
    """Appends packed rows; returns how many were new, and how many had another value for a known instant."""
    async with connection.cursor() as cursor:
        async with cursor.copy(_Q.copy_stage) as copy:
            await copy.write(b"".join((HEADER, *rows, TRAILER)))
        await cursor.execute(_Q.append_readings)
        inserted = cursor.rowcount
        if inserted == len(rows):
            return inserted, 0
        await cursor.execute(_Q.keep_conflicts)
        return inserted, cursor.rowcount
