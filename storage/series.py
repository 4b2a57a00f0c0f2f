"""What the series looks like in the database: its size and its parts, the jobs of TimescaleDB, and what was last done.

A part is a chunk of TimescaleDB or a monthly partition.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import AsyncConnection

from storage.sql import load

_Q: Final = load(__package__, "series.sql")

#: The jobs of TimescaleDB that the schema makes, by procedure and table; what an operator adds is `other`.
_JOBS: Final[Mapping[tuple[str, str | None], str]] = {
    ("policy_compression", "reading"): "columnstore",
    ("policy_compression", "register_per_hour"): "columnstore_hours",
    ("policy_refresh_continuous_aggregate", "register_per_hour"): "hours",
    ("refresh_use_history", None): "hours_history",
}
_OTHER: Final = "other"
JOBS: Final = (*_JOBS.values(), _OTHER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large things are, and how far the parts reach.

    Attributes:
        database_bytes: all of the database.
        series_bytes: the readings with their indexes.
        hours_bytes: what is kept of use per hour; 0 where that is a view.
        readings: how many there are, estimated from the planner's statistics; 0 before the first ANALYZE.
        parts: how many chunks or partitions.
        packed: how many of them are in the columnstore.
        late_unpacked: how many should be and are not.
        oldest_from: where the oldest part begins; None: there is none.
        newest_to: where the newest ends.
    """

    database_bytes: int
    series_bytes: int
    hours_bytes: int
    readings: int
    parts: int
    packed: int
    late_unpacked: int
    oldest_from: datetime | None
    newest_to: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """When a task was last done.

    Attributes:
        known_since: when it was first heard of.
        succeeded_at: None: never yet.
        failures: how often it failed.
        fault: what the last failure was, for operators.
    """

    task: str
    known_since: datetime
    succeeded_at: datetime | None
    failures: int
    fault: str


async def is_hypertable(conn: AsyncConnection[Any]) -> bool:
    """Whether the series is TimescaleDB's."""
    row = await (await conn.execute(_Q.is_hypertable)).fetchone()
    return bool(row and row[0])


async def size(conn: AsyncConnection[Any], *, pack_before: datetime) -> Size:
    """Looks at the series.

    Args:
        conn: a connection.
        pack_before: chunks that end before this should be in the columnstore.
    """
    query = _Q.size_of_hypertable if await is_hypertable(conn) else _Q.size_of_partitions
    row = await (await conn.execute(query, {"pack_before": pack_before})).fetchone()
    database, series, hours, readings, parts, packed, late, oldest, newest = row or (0, 0, 0, 0, 0, 0, 0, None, None)
    return Size(
        database_bytes=database,
        series_bytes=series,
        hours_bytes=hours,
        readings=max(0, readings),
        parts=parts,
        packed=packed,
        late_unpacked=late,
        oldest_from=oldest,
        newest_to=newest,
    )


async def fit(conn: AsyncConnection[Any], late_window: timedelta) -> bool:
    """Fits TimescaleDB's jobs to the late window: nothing is packed away that may still be written to.

    Returns:
        Whether anything had to change; False where there are no such jobs.
    """
    row = await (await conn.execute(_Q.fit, [late_window])).fetchone()
    return bool(row and row[0])


async def note_jobs(conn: AsyncConnection[Any], now: datetime) -> None:
    """Writes down what TimescaleDB says of its jobs, so that it is known like the tasks of ours."""
    if not await is_hypertable(conn):
        return
    merged: dict[str, tuple[datetime | None, int]] = {}
    for procedure, table, succeeded_at, failures in await (await conn.execute(_Q.jobs)).fetchall():
        task = _JOBS.get((procedure, table), _OTHER)
        known_at, known = merged.get(task, (succeeded_at, 0))
        # Of several others, the one that is worst off.
        worst = None if succeeded_at is None or known_at is None else min(succeeded_at, known_at)
        merged[task] = (worst, known + failures)
    for task, (succeeded_at, failures) in merged.items():
        await conn.execute(_Q.note_job, {"task": task, "now": now, "succeeded_at": succeeded_at, "failures": failures})


async def note_success(conn: AsyncConnection[Any], task: str, now: datetime) -> None:
    """A task of ours was done."""
    await conn.execute(_Q.note_success, {"task": task, "now": now})


async def note_failure(conn: AsyncConnection[Any], task: str, now: datetime, fault: str) -> None:
    """A task of ours failed."""
    await conn.execute(_Q.note_failure, {"task": task, "now": now, "fault": fault})


async def done(conn: AsyncConnection[Any]) -> list[Done]:
    """When each task was last done."""
    rows = await (await conn.execute(_Q.done)).fetchall()
    return [
        Done(task=task, known_since=known_since, succeeded_at=succeeded_at, failures=failures, fault=fault)
        for task, known_since, succeeded_at, failures, fault in rows
    ]
