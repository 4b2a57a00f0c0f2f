"""A task of the alerts role and its database connection: kept through outages, given up for nothing that passes."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final

import psycopg
import structlog
from psycopg import AsyncConnection

from storage.pool import connect, is_passing_fault

log = structlog.get_logger()

_FIRST_RETRY_S: Final = 0.1
_LONGEST_RETRY_S: Final = 5.0
_random = random.SystemRandom()


async def while_connected(url: str, task: str, work: Callable[[AsyncConnection[Any]], Awaitable[None]]) -> None:
    """Runs `work` on a connection (autocommit) until it returns; after a passing fault again, on a new connection.

    Raises:
        psycopg.Error: A fault that would not pass.
    """
    retry_s = _FIRST_RETRY_S
    while True:
        try:
            async with await connect(
                url,
                application_name=f"anju-alerts-{task}",
                autocommit=True,
                idle_in_transaction_timeout_s=0.5,
                statement_timeout_s=10.0,
            ) as conn:
                retry_s = _FIRST_RETRY_S
                await work(conn)
                return
        except (psycopg.Error, OSError) as error:
            if not is_passing_fault(error):
                raise
            log.warning("database_lost", task=task, fault=type(error).__name__, retry_s=retry_s)
        await asyncio.sleep(retry_s * (0.5 + _random.random()))
        retry_s = min(retry_s * 2, _LONGEST_RETRY_S)
