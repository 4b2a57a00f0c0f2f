"""Who owns a broker's bulk session: one worker at a time, by a lease in the database.

All workers know the bulk session's client id. The one with the lease connects; a standby that gets the lease connects
under the same client id and so takes over the session with its queue. A lease, unlike a database lock, also passes on
when its holder is frozen. Without the database nobody can take it, and the holder simply stays connected.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg
import structlog

from storage.pool import connect, is_passing_fault
from storage.sql import load

_Q: Final = load(__package__, "ingest.sql")
_log = structlog.get_logger()

LEASE: Final = timedelta(seconds=10)
RENEW_EVERY_S: Final = 2.0


class BulkLease:
    """One worker's claim to one broker's bulk session.

    Args:
        database_url: where the lease is kept.
        broker: `host:port` of the broker.
        worker: the claimant.
        clock: tells the time.
    """

    def __init__(
        self,
        database_url: str,
        *,
        broker: str,
        worker: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.held = False
        self._url = database_url
        self._broker = broker
        self._worker = worker
        self._clock = clock
        self._changed = asyncio.Condition()

    async def keep(self) -> None:
        """Asks for the lease, or renews it, every two seconds until cancelled; then gives it back."""
        try:
            while True:
                try:
                    await self._keep_connected()
                except (psycopg.Error, OSError, TimeoutError) as error:
                    if not is_passing_fault(error):
                        raise
                    _log.warning("bulk_lease_postponed", broker=self._broker, reason=type(error).__name__)
                await asyncio.sleep(RENEW_EVERY_S)
        finally:
            if self.held:
                await self._give_back()

    async def wait(self, *, held: bool) -> None:
        """Waits until the lease is held, or is not."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.held is held)

    async def may_connect(self) -> bool:
        """Whether the session is ours to connect to: some brokers do not say that they gave it to somebody else."""
        return self.held

    async def _keep_connected(self) -> None:
        connection = await connect(
            self._url,
            application_name="anju ingest lease",
            autocommit=True,
            connect_timeout_s=5.0,
            statement_timeout_s=5.0,
        )
        async with connection:
            while True:
                now = self._clock()
                cursor = await connection.execute(
                    _Q.take_bulk_lease,
                    {"broker": self._broker, "worker": self._worker, "now": now, "until": now + LEASE},
                )
                await self._set(held=await cursor.fetchone() is not None)
                await asyncio.sleep(RENEW_EVERY_S)

    async def _set(self, *, held: bool) -> None:
        if held is self.held:
            return
        _log.info("bulk_lease_taken" if held else "bulk_lease_lost", broker=self._broker, worker=self._worker)
        async with self._changed:
            self.held = held
            self._changed.notify_all()

    async def _give_back(self) -> None:
        self.held = False
        try:
            async with await connect(
                self._url,
                application_name="anju ingest lease",
                autocommit=True,
                connect_timeout_s=2.0,
                statement_timeout_s=2.0,
            ) as connection:
                await connection.execute(_Q.drop_bulk_lease, {"broker": self._broker, "worker": self._worker})
        except (psycopg.Error, OSError, TimeoutError) as error:
            _log.info("bulk_lease_not_given_back", broker=self._broker, reason=type(error).__name__)
