"""One round: the tasks that are due, each on its own; what became of them is written down and shown."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import psycopg
import structlog
from psycopg import AsyncConnection

from anju.keeping import metrics
from anju.keeping.tasks import ALL, Work
from storage import series
from storage.sql import load

log = structlog.get_logger()

_Q: Final = load(__package__, "keeping.sql")
# One keeper works at a time; any number that nothing else uses as a lock.
_LOCK_KEY: Final = 0x6B656570


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a task did, or why it could not."""

    task: str
    text: str
    failed: bool = False


async def take_turn(conn: AsyncConnection[Any]) -> bool:
    """Whether this connection is the one keeper's, from now on until it closes."""
    row = await (await conn.execute(_Q.take_turn, [_LOCK_KEY])).fetchone()
    return bool(row and row[0])


async def do(work: Work, names: Iterable[str]) -> list[Report]:
    """Does tasks, by their names; one that fails does not keep the others from being done.

    Raises:
        psycopg.Error: the connection is lost.
    """
    reports = []
    for name in names:
        try:
            text = await ALL[name].do(work)
        except psycopg.Error as error:
            if work.conn.closed:
                raise
            fault = error.sqlstate or type(error).__name__
            log.warning("keep_task_failed", task=name, sqlstate=fault)
            await series.note_failure(work.conn, name, work.now, fault)
            reports.append(Report(task=name, text=f"failed ({fault}): {error.diag.message_primary}", failed=True))
        else:
            await series.note_success(work.conn, name, work.now)
            reports.append(Report(task=name, text=text))
    return reports


async def show(conn: AsyncConnection[Any]) -> None:
    """Puts into the metrics when every task and every job of TimescaleDB was last done."""
    for task in await series.done(conn):
        if task.task in ALL or task.task in series.JOBS:
            metrics.LAST_SUCCESS.labels(task.task).set((task.succeeded_at or task.known_since).timestamp())
            metrics.FAILURES.labels(task.task).set(task.failures)
