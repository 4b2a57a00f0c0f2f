"""Writes batches.

Events come first, in a transaction of their own. Then, in another: readings, quarantine, and last the session's
hearing. The caller acknowledges to the broker when `store` has returned, never before. What the database refuses is
taken apart.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import psycopg
import structlog
from psycopg import AsyncConnection, errors

from devices.model import Lane, Reason
from ingest import events, quarantine, readings
from ingest.batch import Batch, Happening, Refused
from ingest.beacon import Hearing, advance
from ingest.bisection import take_apart, why
from ingest.intake import Intake
from storage.pool import connect, is_passing_fault
from storage.sql import load

_Q: Final = load(__package__, "ingest.sql")
_log = structlog.get_logger()

# More names than this are forgotten together: a bound for sites that see ever new devices.
_MAX_KNOWN_DEVICES: Final = 500_000
# Repetitions come in runs: after a reconnect, or from meters that upload a day again and again.
_CAREFUL_FOR: Final = timedelta(seconds=30)


@dataclass(slots=True)
class Totals:
    """What a writer has stored since it was made; the lane turns it into metrics."""

    readings: int = 0
    repeated_readings: int = 0
    conflicts: int = 0
    events: int = 0
    repeated_events: int = 0
    quarantined: dict[Reason, int] = field(default_factory=dict)
    bisections: int = 0
    understood_nothing: int = 0


class Writer:
    """Stores the batches of one session over one connection of its own.

    Args:
        database_url: where to.
        application_name: shown by the database's own monitoring.
        lane: of the session.
        broker: of the session, as `host:port`.
        worker: of the session; empty for the bulk lane, which one worker owns at a time.
        clock: tells the time.
        database_ready: set when the database has the schema that this release needs; None: it has.
        readings_ready: set when the series has room (partitions) for every plausible reading; events do not wait.
        statement_timeout_s: a statement that takes longer is a passing fault.
    """

    def __init__(
        self,
        database_url: str,
        *,
        application_name: str,
        lane: Lane,
        broker: str,
        worker: str,
        readings_ready: asyncio.Event,
        database_ready: asyncio.Event | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        statement_timeout_s: float = 60.0,
    ) -> None:
        self.device_ids: dict[str, int] = {}
        self.totals = Totals()
        self.hearing: Hearing | None = None
        self._url = database_url
        self._application_name = application_name
        self._lane = lane
        self._session = {"lane": lane.value, "broker": broker, "worker": worker}
        self._clock = clock
        self._database_ready = database_ready
        self._readings_ready = readings_ready
        # A frozen process must not keep others from a device's lock; a batch's pauses are longer than a press's.
        self._idle_timeout_s = 0.5 if lane is Lane.URGENT else 5.0
        self._statement_timeout_s = statement_timeout_s
        self._connection: AsyncConnection[Any] | None = None
        self._careful_until = datetime.min.replace(tzinfo=UTC)

    async def store(self, batch: Batch, intake: Intake) -> None:
        """Commits a batch.

        Raises:
            psycopg.Error, OSError, TimeoutError: a passing fault (`storage.pool.is_passing_fault`). A part of the batch
                may be committed; storing it again is right, because every write is idempotent.
        """
        try:
            connection = await self._connected()
            if batch.happenings:
                await self._store_events(connection, batch)
            await self._readings_ready.wait()
            if batch.unknown:
                await self._look_up(connection, batch, intake)
            try:
                await self._commit_rows(connection, batch.rows, batch.refused, batch.heard_until)
            except psycopg.Error as error:
                if is_passing_fault(error):
                    raise
                await self._take_apart(connection, batch, error)
            self.totals.understood_nothing += batch.understood_nothing
        except (psycopg.Error, OSError, TimeoutError):
            await self.disconnect()
            raise

    async def ready(self) -> None:
        """Waits until the database has our schema, and connects; from then on `hearing` is what was committed last.

        Raises:
            psycopg.Error, OSError, TimeoutError: a passing fault.
        """
        try:
            await self._connected()
        except (psycopg.Error, OSError, TimeoutError):
            await self.disconnect()
            raise

    async def disconnect(self) -> None:
        """Gives the connection up; the next `store` makes a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _connected(self) -> AsyncConnection[Any]:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        if self._database_ready is not None:
            await self._database_ready.wait()
        self._connection = connection = await connect(
            self._url,
            application_name=self._application_name,
            autocommit=True,
            connect_timeout_s=5.0,
            idle_in_transaction_timeout_s=self._idle_timeout_s,
            statement_timeout_s=self._statement_timeout_s,
        )
        await readings.create_stage(connection)
        cursor = await connection.execute(_Q.read_hearing, self._session)
        row = await cursor.fetchone()
        if row is not None and self.hearing is None:
            self.hearing = Hearing(since=row[0], until=row[1])
        return connection

    async def _look_up(self, connection: AsyncConnection[Any], batch: Batch, intake: Intake) -> None:
        if len(self.device_ids) > _MAX_KNOWN_DEVICES:
            self.device_ids.clear()
        names = list(dict.fromkeys(name for name, _ in batch.unknown))
        self.device_ids.update(await readings.find_devices(connection, names))
        intake.sort_unknown(batch)

    async def _store_events(self, connection: AsyncConnection[Any], batch: Batch) -> None:
        """Events all together; if the database refuses one of them, one by one, so that it cannot hold up the rest."""
        try:
            await self._commit_events(connection, batch.happenings)
        except psycopg.Error as error:
            if is_passing_fault(error):
                raise
            for each in batch.happenings:
                try:
                    await self._commit_events(connection, [each])
                except psycopg.Error as its_error:
                    if is_passing_fault(its_error):
                        raise
                    _log.error("event_refused", sqlstate=its_error.sqlstate, kind=each.kind.value)
                    batch.refused.append(
                        Refused(each.message, each.device_name, Reason.STORAGE_REFUSED, why(its_error), urgent=True)
                    )
        batch.happenings = []

    async def _commit_events(self, connection: AsyncConnection[Any], happenings: Sequence[Happening]) -> None:
        heard_until = self.hearing.until if self.hearing else None
        async with connection.pipeline(), connection.transaction():
            new = await events.append(connection, happenings, now=self._clock(), heard_until=heard_until)
        self.totals.events += new
        self.totals.repeated_events += len(happenings) - new

    async def _commit_rows(
        self,
        connection: AsyncConnection[Any],
        rows: Sequence[bytes],
        refused: Sequence[Refused] = (),
        heard_until: datetime | None = None,
    ) -> None:
        if not (rows or refused or heard_until):
            return
        now = self._clock()
        if rows and now >= self._careful_until:
            try:
                await self._commit_rows_by(readings.append_new, connection, rows, refused, heard_until)
                return
            except errors.UniqueViolation:
                self._careful_until = now + _CAREFUL_FOR
        await self._commit_rows_by(readings.append, connection, rows, refused, heard_until)

    async def _commit_rows_by(
        self,
        append: Callable[[AsyncConnection[Any], Sequence[bytes]], Awaitable[tuple[int, int]]],
        connection: AsyncConnection[Any],
        rows: Sequence[bytes],
        refused: Sequence[Refused],
        heard_until: datetime | None,
    ) -> None:
        hearing = advance(self.hearing, heard_until) if heard_until is not None else None
        inserted = conflicts = 0
        async with connection.transaction():
            if rows:
                inserted, conflicts = await append(connection, rows)
            await quarantine.store(connection, refused, may_be_copies=self._lane is Lane.URGENT)
            if hearing is not None:
                await connection.execute(
                    _Q.write_hearing, {**self._session, "since": hearing.since, "until": hearing.until}
                )
        self.hearing = hearing or self.hearing
        totals = self.totals
        totals.readings += inserted
        totals.repeated_readings += len(rows) - inserted - conflicts
        totals.conflicts += conflicts
        for each in refused:
            totals.quarantined[each.reason] = totals.quarantined.get(each.reason, 0) + 1

    async def _take_apart(self, connection: AsyncConnection[Any], batch: Batch, error: psycopg.Error) -> None:
        _log.warning("batch_refused", sqlstate=error.sqlstate, rows=len(batch.rows))
        self.totals.bisections += 1
        await take_apart(batch, partial(self._commit_rows, connection))
        await self._commit_rows(connection, (), (), batch.heard_until)
