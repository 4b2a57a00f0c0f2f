"""Database work of one request, tried again where that may help: not every provider repeats a call that failed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from storage.pool import is_passing_fault

log = structlog.get_logger()

Pool = AsyncConnectionPool[AsyncConnection[TupleRow]]
T = TypeVar("T")

_TRIES: Final = 3
_PAUSE_S: Final = 0.1


async def run(pool: Pool, work: Callable[[AsyncConnection[Any]], Awaitable[T]]) -> T:
    """Does the work on a connection in autocommit; whoever lost a deadlock, or their connection, does it once more.

    The work must be whole transactions that change nothing when they are repeated.

    Raises:
        psycopg.Error: It failed for good, or again and again, or there is no connection to be had.
    """
    for attempt in range(1, _TRIES + 1):
        try:
            async with pool.connection() as conn:
                return await work(conn)
        except PoolTimeout:
            raise
        except psycopg.Error as fault:
            if attempt == _TRIES or not is_passing_fault(fault):
                raise
            log.info("web_tries_again", fault=type(fault).__name__, sqlstate=fault.sqlstate)
        await asyncio.sleep(_PAUSE_S * attempt)
    raise AssertionError("the last attempt returns or raises")
