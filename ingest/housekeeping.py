"""Makes room for readings ahead of time, and keeps the quarantine within its limits."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
import structlog
from psycopg import AsyncConnection

from ingest import quarantine
from storage import partitions
from storage.pool import connect, is_passing_fault

_log = structlog.get_logger()

_EVERY_S: Final = 60.0
_PARTITIONS_AHEAD: Final = timedelta(days=62)


async def keep(
    database_url: str,
    *,
    late_window: timedelta,
    quarantine_max_bytes: int,
    readings_ready: asyncio.Event,
    clock: Callable[[], datetime],
) -> None:
    """Keeps house every minute until it is cancelled.

    Args:
        database_url: where.
        late_window: a reading may be this much older than its receipt.
        quarantine_max_bytes: the most that all messages in quarantine take.
        readings_ready: set once there is room for every plausible reading.
        clock: tells the time.
    """
    while True:
        try:
            connection = await connect(database_url, application_name="anju ingest housekeeping", autocommit=True)
            async with connection:
                while True:
                    now = clock()
                    await partitions.ensure(
                        connection, from_=now - late_window - timedelta(days=1), to=now + _PARTITIONS_AHEAD
                    )
                    readings_ready.set()
                    await _trim(connection, quarantine_max_bytes)
                    await asyncio.sleep(_EVERY_S)
        except (psycopg.Error, OSError, TimeoutError) as error:
            if not is_passing_fault(error):
                raise
            _log.warning("housekeeping_postponed", reason=type(error).__name__)
        await asyncio.sleep(1.0)


async def _trim(connection: AsyncConnection[Any], max_bytes: int) -> None:
    evicted = await quarantine.trim(connection, max_bytes)
    if evicted:
        _log.warning("quarantine_trimmed", evicted=evicted)
