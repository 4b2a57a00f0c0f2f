"""Re-arms many homes at a time, in small transactions, and no faster than they are looked at.

After a change to an area or a new release of a rule; and homes nobody watches. Whoever comes due by itself meanwhile
must not wait behind a whole city.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from psycopg import AsyncConnection

from rules import metrics
from rules.rule import Rule
from storage.sql import load

_SQL = load(__package__, "sweep.sql")
_HOMES_PER_STEP: Final = 500
_WAITING_AT_MOST: Final = 500  # with a step more, two seconds of looks of one process


async def note_releases(conn: AsyncConnection[Any], rules: Sequence[Rule], now: datetime) -> bool:
    """Asks for every home to be looked at anew if a rule is newer than the database has seen; returns whether it did.

    Several processes may start at once: one of them asks. An older process that starts beside a newer one asks for
    nothing.
    """
    async with conn.transaction():
        cursor = await conn.execute(
            _SQL.note_releases, {"rules": [rule.name for rule in rules], "releases": [rule.release for rule in rules]}
        )
        changed = bool(await cursor.fetchall())
        if changed:
            await conn.execute(_SQL.request_all, {"now": now})
    return changed


async def has_room(conn: AsyncConnection[Any], now: datetime, *, waiting: int = _WAITING_AT_MOST) -> bool:
    """Whether fewer homes than that wait to be looked at."""
    row = await (await conn.execute(_SQL.waiting, {"now": now, "most": waiting})).fetchone()
    return row is not None and row[0] < waiting


async def sweep_step(conn: AsyncConnection[Any], now: datetime, *, homes: int = _HOMES_PER_STEP) -> bool:
    """Re-arms the next homes of the oldest request; returns whether there was anything to do."""
    async with conn.transaction():
        request = await (await conn.execute(_SQL.take_request)).fetchone()
        if request is None:
            return False
        rearm_id, area_id, swept_to = request
        query = _SQL.rearm_site if area_id is None else _SQL.rearm_area
        cursor = await conn.execute(query, {"area": area_id, "swept_to": swept_to, "homes": homes, "now": now})
        swept = [row[0] for row in await cursor.fetchall()]
        if len(swept) < homes:
            await conn.execute(_SQL.finish, {"rearm": rearm_id})
        else:
            await conn.execute(_SQL.swept, {"rearm": rearm_id, "swept_to": max(swept)})
    metrics.REARMED.inc(len(swept))
    return True


async def watch_new_homes(conn: AsyncConnection[Any], now: datetime, *, homes: int = _HOMES_PER_STEP) -> int:
    """Gives homes that nobody watches a row of their own, due now; returns how many it found."""
    cursor = await conn.execute(_SQL.watch_new, {"now": now, "homes": homes})
    return len(await cursor.fetchall())
