"""Keeps what became of each attempt: many at a time, durably, and through outages of the database."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from psycopg import AsyncConnection

from alerts import outbox, receipts
from alerts.connection import while_connected
from alerts.outbox import Attempt

_MAX_BATCH: Final = 200


class Recorder:
    """One writer for all attempts of this process; `run` must be running for `keep` to return."""

    def __init__(self, *, database_url: str, worker: str, clock: Callable[[], datetime]) -> None:
        self._database_url = database_url
        self._worker = worker
        self._clock = clock
        self._queue: asyncio.Queue[tuple[Attempt, asyncio.Future[None]]] = asyncio.Queue()
        # Taken from the queue and not yet written: survives the loss of a connection.
        self._batch: list[tuple[Attempt, asyncio.Future[None]]] = []

    async def keep(self, attempt: Attempt) -> None:
        """Returns when the attempt is on disk."""
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((attempt, kept))
        await kept

    async def run(self) -> None:
        """Writes until cancelled."""
        await while_connected(self._database_url, "record", self._write)

    async def _write(self, conn: AsyncConnection[Any]) -> None:
        while True:
            if not self._batch:
                self._batch.append(await self._queue.get())
            while len(self._batch) < _MAX_BATCH and not self._queue.empty():
                self._batch.append(self._queue.get_nowait())
            await self._record(conn, [attempt for attempt, _ in self._batch])
            for _, kept in self._batch:
                if not kept.done():
                    kept.set_result(None)
            self._batch = []

    async def _record(self, conn: AsyncConnection[Any], attempts: Sequence[Attempt]) -> None:
        now = self._clock()
        pairs = [attempt.receipted for attempt in attempts if attempt.receipted is not None]
        if not pairs:
            await outbox.record(conn, attempts, worker=self._worker, now=now)
            return
        async with conn.transaction():
            # A receipt may come before this is committed: whichever is second applies it.
            await receipts.lock(conn, pairs)
            await outbox.record(conn, attempts, worker=self._worker, now=now)
            await receipts.catch_up(conn, pairs, now)
