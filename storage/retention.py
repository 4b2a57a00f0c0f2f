"""How long readings are kept, and how what is older goes: whole parts where all is past, else a few devices at a time.

A part is a chunk of TimescaleDB or a monthly partition. Reckoning is pure; the rest runs on an autocommit connection,
so that each statement is a transaction of its own and none holds a lock for long.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection

from storage.sql import load

_Q: Final = load(__package__, "retention.sql")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Chunks of the usual length begin on whole weeks since then: of the columnstore whole chunks are deleted.
_GRAIN: Final = timedelta(days=7)
_DEVICES_AT_ONCE: Final = 50
_ROWS_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """For how long readings are kept; None: for ever.

    Attributes:
        of: by quantity.
        others: of every other quantity.
    """

    of: Mapping[int, timedelta | None]
    others: timedelta | None

    def drop_before(self, now: datetime) -> datetime | None:
        """Nothing measured before this is to be kept, whatever it is; None: some of it is kept for ever."""
        longest = timedelta()
        for kept in (*self.of.values(), self.others):
            if kept is None:
                return None
            longest = max(longest, kept)
        return now - longest

    def delete_before(self, quantities: Iterable[int], now: datetime) -> dict[int, datetime]:
        """Before when readings are to be deleted one by one, of those quantities that are not kept longest of all.

        The instants are whole weeks: a reading goes up to a week later than it may.
        """
        whole = self.drop_before(now)
        found = {}
        for quantity in quantities:
            kept = self.of.get(quantity, self.others)
            if kept is not None and (whole is None or now - kept > whole):
                past = now - kept
                found[quantity] = past - (past - _EPOCH) % _GRAIN
        return found


async def drop_parts(conn: AsyncConnection[Any], before: datetime) -> list[str]:
    """Drops the parts of the series that end before an instant; returns their names.

    Raises:
        psycopg.errors.LockNotAvailable: others were at work for a second on end; what was dropped stays dropped.
    """
    dropped: list[str] = []
    while names := [str(name) for (name,) in await (await conn.execute(_Q.drop_parts, [before])).fetchall()]:
        dropped += names
    return dropped


async def due(conn: AsyncConnection[Any], wanted: Mapping[int, datetime]) -> dict[int, datetime]:
    """What of `Retention.delete_before` has not been done yet."""
    done = dict(await (await conn.execute(_Q.deleted_to)).fetchall())
    return {quantity: before for quantity, before in wanted.items() if quantity not in done or done[quantity] < before}


async def delete_some(
    conn: AsyncConnection[Any], quantity: int, before: datetime, *, after_device: int
) -> tuple[int, int | None]:
    """Deletes what is past of a quantity, of the next devices; notes it when no device is left.

    Args:
        conn: in autocommit.
        quantity: its code.
        before: readings measured before this go.
        after_device: those up to this id were seen to already; 0 to begin.

    Returns:
        How many readings went, and the device to go on after; None: all is done.
    """
    rows = await (await conn.execute(_Q.next_devices, {"after": after_device, "devices": _DEVICES_AT_ONCE})).fetchall()
    if not rows:
        await conn.execute(_Q.note_deleted, {"quantity": quantity, "before": before})
        return 0, None
    devices = [row[0] for row in rows]
    async with conn.transaction():
        # TimescaleDB else refuses to unpack more than 100,000 rows for one statement; elsewhere it means nothing.
        await conn.execute(_Q.unpack_all)
        cursor = await conn.execute(_Q.delete, {"devices": devices, "quantity": quantity, "before": before})
    return cursor.rowcount, devices[-1]


async def delete_conflicts(conn: AsyncConnection[Any], before: datetime) -> int:
    """Deletes second values that were kept aside for instants before `before`; returns how many."""
    return await _repeat(conn, _Q.delete_conflicts, before)


async def blank_replies(conn: AsyncConnection[Any], before: datetime) -> int:
    """Takes the words out of replies that came before an instant; what they did stays. Returns how many."""
    return await _repeat(conn, _Q.blank_replies, before)


async def _repeat(conn: AsyncConnection[Any], query: LiteralString, before: datetime) -> int:
    total = 0
    while gone := (await conn.execute(query, {"before": before, "rows": _ROWS_AT_ONCE})).rowcount:
        total += gone
    return total
