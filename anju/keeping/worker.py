"""The keep role's loop: takes its turn or stands by, does what is due, and survives the database going away."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final

import psycopg
import structlog
from psycopg import AsyncConnection

from anju.keeping import metrics
from anju.keeping.options import KeepOptions
from anju.keeping.round import do, show, take_turn
from anju.keeping.tasks import ALL, Work
from storage.pool import connect, is_passing_fault

log = structlog.get_logger()

_TURN_EVERY_S: Final = 15.0
_RETRY_S: Final = 2.0
# Retention rests after so long in a round, so that the loop is seen to turn.
_LONGEST_ROUND_S: Final = 20.0


def utc_now() -> datetime:
    """The time; the one place of this role that reads the clock."""
    return datetime.now(UTC)


async def run(
    options: KeepOptions,
    *,
    stop: asyncio.Event,
    clock: Callable[[], datetime] = utc_now,
    turn_every_s: float = _TURN_EVERY_S,
) -> None:
    """Keeps the series until `stop` is set; while another process does, it stands by.

    Raises:
        psycopg.Error: the database refuses what this role is built on: for an operator to mend.
    """
    metrics.ACTIVE.set(0)
    while not stop.is_set():
        try:
            async with await connected(options) as conn:
                await _keep(conn, options, stop, clock, turn_every_s)
        except (psycopg.Error, OSError) as error:
            if isinstance(error, psycopg.Error) and not is_passing_fault(error):
                raise
            log.warning("keep_interrupted", fault=type(error).__name__)
        metrics.ACTIVE.set(0)
        await _wait(stop, _RETRY_S)


async def connected(options: KeepOptions) -> AsyncConnection[Any]:
    """A connection for keeping; its time limits keep others from waiting for it."""
    return await connect(
        options.database_url,
        application_name="anju-keep",
        autocommit=True,
        statement_timeout_s=60.0,
        lock_timeout_s=2.0,
        idle_in_transaction_timeout_s=10.0,
    )


async def _keep(
    conn: AsyncConnection[Any],
    options: KeepOptions,
    stop: asyncio.Event,
    clock: Callable[[], datetime],
    turn_every_s: float,
) -> None:
    holds = False
    next_device: dict[int, int] = {}
    due_at = dict.fromkeys(ALL, clock())
    while not stop.is_set():
        holds = holds or await take_turn(conn)
        metrics.ACTIVE.set(holds)
        if holds:
            now = clock()
            due = [name for name, at in due_at.items() if at <= now]
            work = Work(
                conn=conn, options=options, now=now, until_s=monotonic() + _LONGEST_ROUND_S, next_device=next_device
            )
            reports = await do(work, due)
            failed = {report.task for report in reports if report.failed}
            # What failed, or has not come to its end, goes on in the next round.
            due_at |= {name: now + ALL[name].every for name in due if name not in failed}
            if any(next_device.values()):
                due_at["retention"] = now
        await show(conn)
        metrics.LOOP_TURNED.labels("keep").set(clock().timestamp())
        await _wait(stop, turn_every_s)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
