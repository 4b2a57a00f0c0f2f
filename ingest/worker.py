"""The ingest role: for each broker an urgent session of our own, and the bulk session if we hold its lease."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog
from prometheus_client import REGISTRY

from devices.model import Lane
from devices.registry import Drivers, discover
from ingest import housekeeping
from ingest.emergency import EmergencyWebhook
from ingest.errors import SessionTakenOver
from ingest.intake import Limits
from ingest.metrics import IngestMetrics
from ingest.mqtt.options import ConnectionOptions, Endpoint
from ingest.options import SessionOptions
from ingest.ownership import RENEW_EVERY_S, BulkLease
from ingest.rates import RateLimit
from ingest.session import Session
from ingest.stopping import give_up
from ingest.subscriptions import CallButtons
from ingest.twins import Twin
from ingest.writer import Writer

_log = structlog.get_logger()

_TAKEN_OVER_WAIT_S: Final = 10.0
_URGENT_BATCH: Final = 50
_URGENT_OUTSTANDING: Final = 5_000
# At 20,000 messages a second this makes batches of hundreds instead of tens, which halves the load on the machine; for
# a press that is worth 5 ms, and no reading is in a hurry of 20.
_BULK_REST_S: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestOptions:
    """What the ingest role needs to know.

    Attributes:
        database_url: where to store.
        brokers: where to listen.
        worker_id: stable and unique among the workers: names the urgent session's queue at the broker.
        client_id_prefix: of all client ids; sites that share a broker need different ones.
        drivers: who decodes what.
        ca_file: PEM file of the authorities trusted for `mqtts`.
        limits: which times are plausible.
        rate: what one device may send on the bulk lane; None: whatever it likes. The urgent lane has no limit.
        max_batch: messages per bulk transaction at most.
        max_outstanding: unacknowledged bulk messages at most.
        session_expiry_s: how long the broker keeps a session's queue while nobody is connected.
        quarantine_max_bytes: the most that all messages in quarantine take.
        emergency_webhook_url: told of presses when the database is gone.
        emergency_webhook_secret: signs those posts.
    """

    database_url: str = field(repr=False)
    brokers: tuple[Endpoint, ...]
    worker_id: str
    client_id_prefix: str = "anju"
    drivers: Drivers = field(default_factory=discover, repr=False)
    ca_file: Path | None = None
    limits: Limits = field(default_factory=Limits)
    rate: RateLimit | None = None
    max_batch: int = 5_000
    max_outstanding: int = 20_000
    session_expiry_s: int = 7 * 24 * 3600
    quarantine_max_bytes: int = 256 * 1024 * 1024
    emergency_webhook_url: str | None = field(default=None, repr=False)
    emergency_webhook_secret: str | None = field(default=None, repr=False)


async def run(
    options: IngestOptions,
    *,
    stop: asyncio.Event,
    database_ready: asyncio.Event | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:
    """Runs the role until `stop` is set.

    Args:
        options: see `IngestOptions`.
        stop: ends it.
        database_ready: nothing is stored before it is set; presses are heard meanwhile, for the emergency webhook.
            None: the database is known to be ready.
        clock: tells the time.
    """
    if database_ready is None:
        database_ready = asyncio.Event()
        database_ready.set()
    worker = _Worker(options, database_ready, clock)
    REGISTRY.register(worker.metrics)
    try:
        async with asyncio.TaskGroup() as beneath:
            upkeep = [beneath.create_task(each) for each in worker.upkeep()]
            async with asyncio.TaskGroup() as group:
                sessions = [group.create_task(each) for each in worker.sessions()]
                await stop.wait()
                for session in sessions:
                    session.cancel()
            await give_up(*upkeep)
    finally:
        REGISTRY.unregister(worker.metrics)
        await worker.emergency.close()


class _Worker:
    def __init__(self, options: IngestOptions, database_ready: asyncio.Event, clock: Callable[[], datetime]) -> None:
        self.emergency = EmergencyWebhook(options.emergency_webhook_url, options.emergency_webhook_secret)
        self.metrics = IngestMetrics(clock)
        self._options = options
        self._clock = clock
        self._drivers = options.drivers
        self._call_buttons = CallButtons(options.database_url, options.drivers, clock=clock)
        self._database_ready = database_ready
        self._readings_ready = asyncio.Event()
        self._leases = [
            BulkLease(options.database_url, broker=str(endpoint), worker=options.worker_id, clock=clock)
            for endpoint in options.brokers
        ]
        self._urgent_sessions = [self._session(endpoint, Lane.URGENT) for endpoint in options.brokers]

    def upkeep(self) -> Iterator[Coroutine[Any, Any, None]]:
        """What outlives the sessions. A lease given back before would let a standby cut off their last answers."""
        yield self._when_ready(
            housekeeping.keep(
                self._options.database_url,
                late_window=self._options.limits.late_window,
                quarantine_max_bytes=self._options.quarantine_max_bytes,
                readings_ready=self._readings_ready,
                clock=self._clock,
            )
        )
        yield self._when_ready(self._call_buttons.keep([session.connection for session in self._urgent_sessions]))
        for lease in self._leases:
            yield self._when_ready(lease.keep())

    def sessions(self) -> Iterator[Coroutine[Any, Any, None]]:
        """All that is connected to a broker."""
        for endpoint, lease, urgent in zip(self._options.brokers, self._leases, self._urgent_sessions, strict=True):
            yield self._urgent(urgent)
            yield self._bulk(endpoint, lease, urgent)

    def _session(
        self,
        endpoint: Endpoint,
        lane: Lane,
        may_connect: Callable[[], Awaitable[bool]] | None = None,
        twin: Twin | None = None,
    ) -> Session:
        options = self._options
        urgent = lane is Lane.URGENT
        writer = Writer(
            options.database_url,
            application_name=f"anju ingest {lane.value}",
            lane=lane,
            broker=str(endpoint),
            worker=options.worker_id if urgent else "",
            database_ready=self._database_ready,
            readings_ready=self._readings_ready,
            clock=self._clock,
            # A press must not hang on a silent database: then it is time for the emergency webhook.
            statement_timeout_s=5.0 if urgent else 60.0,
        )
        session_options = SessionOptions(
            lane=lane,
            worker=options.worker_id,
            client_id=f"{options.client_id_prefix}-{'urgent-' + options.worker_id if urgent else 'bulk'}",
            max_batch=_URGENT_BATCH if urgent else options.max_batch,
            max_outstanding=_URGENT_OUTSTANDING if urgent else options.max_outstanding,
            session_expiry_s=options.session_expiry_s,
            rest_s=0.0 if urgent else _BULK_REST_S,
            limits=options.limits,
            rate=None if urgent else options.rate,
        )
        return Session(
            endpoint,
            session_options,
            connection_options=partial(ConnectionOptions, ca_file=options.ca_file),
            drivers=self._drivers,
            writer=writer,
            emergency=self.emergency,
            may_connect=may_connect,
            twin=twin,
            clock=self._clock,
        )

    async def _when_ready(self, job: Coroutine[Any, Any, None]) -> None:
        try:
            await self._database_ready.wait()
        except asyncio.CancelledError:
            job.close()
            raise
        await job

    async def _urgent(self, session: Session) -> None:
        with self.metrics.watching(session):
            while True:
                try:
                    await session.run()
                except SessionTakenOver:
                    # Two workers with one id would take the session from each other for ever.
                    _log.error("worker_id_in_use", broker=session.broker, worker=session.options.worker)
                await asyncio.sleep(_TAKEN_OVER_WAIT_S)

    async def _bulk(self, endpoint: Endpoint, lease: BulkLease, urgent: Session) -> None:
        while True:
            await lease.wait(held=True)
            session = self._session(endpoint, Lane.BULK, lease.may_connect, Twin(urgent, self._call_buttons))
            with self.metrics.watching(session):
                running = asyncio.create_task(session.run())
                lost = asyncio.create_task(lease.wait(held=False))
                try:
                    await asyncio.wait({running, lost}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    lost.cancel()
                    running.cancel()
                    await asyncio.wait({running, lost})
            if running.cancelled():
                continue
            if not isinstance(running.exception(), SessionTakenOver):
                running.result()
            _log.warning("bulk_session_taken_over", broker=session.broker)
            await asyncio.sleep(RENEW_EVERY_S)
