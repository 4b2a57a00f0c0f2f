"""One session: a lane's connection to one broker, from received messages to acknowledged ones.

Two tasks work hand in hand, so that the next batch is decoded while the database stores the last one: `_sort_loop` and
`_store_loop`. A batch that cannot be stored for a passing fault is tried again until it can; meanwhile nothing is
acknowledged, the connection stops reading at its bound, and the broker keeps the rest.

A session that is cancelled ends from above: first it takes no more, then the commit that runs is brought to its end and
acknowledged, then the connection says goodbye. Whoever cancels waits for that, for some seconds at most.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import psycopg
import structlog

from devices.model import Lane
from devices.registry import Drivers
from ingest.batch import Batch, Happening
from ingest.beacon import INTERVAL_S, Beacon
from ingest.emergency import EmergencyWebhook
from ingest.errors import ConnectionClosed, IngestError
from ingest.intake import Intake
from ingest.mqtt.connection import Connection
from ingest.mqtt.options import ConnectionOptions, Endpoint, Subscription
from ingest.mqtt.window import Delivery
from ingest.options import SessionOptions
from ingest.rates import DeviceRates, unlimited
from ingest.stopping import give_up
from ingest.twins import Twin
from ingest.writer import Writer
from storage.pool import is_passing_fault

_log = structlog.get_logger()

_RETRY_FIRST_S: Final = 0.1
_RETRY_MOST_S: Final = 2.0
_EMERGENCY_CHECK_S: Final = 1.0
# So many messages are decoded between two looks at the sockets, under a millisecond: the way of a press through this
# process has some five steps, and each would wait for a whole batch otherwise.
_SLICE: Final = 100
# What is committed and not acknowledged comes again. A commit that takes longer is stuck, and no reason to stay.
_FINISH_WITHIN_S: Final = 5.0


@dataclass(slots=True)
class _Work:
    batch: Batch
    deliveries: list[Delivery]
    happenings: list[Happening] = field(default_factory=list)


class Session:
    """Runs one session until it is cancelled or its connection is taken over.

    Args:
        endpoint: the broker.
        options: see `SessionOptions`.
        connection_options: of the transport (CA file and the like); client id, bounds and subscriptions are set here.
        drivers: who decodes what.
        writer: stores the batches.
        emergency: told of presses that cannot be stored.
        may_connect: asked before each connection attempt; False ends the session as taken over.
        twin: of a bulk session: the urgent session beside it.
        clock: tells the time.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        options: SessionOptions,
        *,
        connection_options: Callable[..., ConnectionOptions],
        drivers: Drivers,
        writer: Writer,
        emergency: EmergencyWebhook,
        may_connect: Callable[[], Awaitable[bool]] | None = None,
        twin: Twin | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.options = options
        self._twin = twin
        self.broker = str(endpoint)
        self.writer = writer
        self._beacon = Beacon(options.client_id)
        self._intake = Intake(
            lane=options.lane,
            drivers=drivers,
            device_ids=writer.device_ids,
            limits=options.limits,
            beacon=self._beacon,
            rates=unlimited() if options.rate is None else DeviceRates(limit=options.rate),
        )
        self._emergency = emergency
        self._clock = clock
        self._beacon_now = asyncio.Event()
        self._sorted = asyncio.Event()
        self._stored = asyncio.Event()
        # Held from the first write of a batch until it is acknowledged.
        self._committing = asyncio.Lock()
        self.connection = Connection(
            endpoint,
            connection_options(
                client_id=options.client_id,
                subscriptions=tuple(
                    Subscription(name) for name in (*drivers.filters(options.lane), self._beacon.topic)
                ),
                session_expiry_s=options.session_expiry_s,
                max_outstanding_messages=options.max_outstanding,
                receive_maximum=min(options.max_outstanding, 65_534),
                rest_s=options.rest_s,
            ),
            on_connected=lambda _present: self._beacon_now.set(),
            may_connect=may_connect,
        )
        # In order, the first one being stored. The urgent lane must see every press even while one cannot be stored;
        # the connection's bound limits it. The bulk lane keeps one batch ready, and one more once it is sorted.
        self._waiting: list[_Work] = []
        self._most_waiting = float("inf") if options.lane is Lane.URGENT else 2
        self.retries = 0
        self.batches = 0
        self._log = _log.bind(lane=options.lane.value, broker=self.broker)

    @property
    def unstored_since(self) -> datetime | None:
        """When the oldest message came that is not stored yet, and so not acknowledged; None: there is none."""
        oldest = self._waiting[:1]  # one step: metrics read it from another thread
        return oldest[0].deliveries[0].received_at if oldest and oldest[0].deliveries else None

    async def run(self) -> None:
        """Receives, stores and acknowledges. May be run again; what was not stored before is then stored first.

        Raises:
            SessionTakenOver: another client connected under this session's client id.
        """
        self._committing = asyncio.Lock()
        try:
            async with asyncio.TaskGroup() as beneath:
                beneath.create_task(self.connection.run())
                storing = beneath.create_task(self._store_loop())
                try:
                    async with asyncio.TaskGroup() as group:
                        group.create_task(self._sort_loop())
                        group.create_task(self._beacon_loop())
                        group.create_task(self._emergency_loop())
                finally:
                    await self._finish(storing)
        except* IngestError as group_of_errors:
            # One reason at most ends a session; its siblings are cancelled, not failed.
            raise group_of_errors.exceptions[0] from None
        finally:
            await self.writer.disconnect()

    async def _finish(self, storing: "asyncio.Task[None]") -> None:
        """Waits until what is being committed is acknowledged, and lets no further commit begin."""
        try:
            async with asyncio.timeout(_FINISH_WITHIN_S):
                await self._committing.acquire()
        except TimeoutError:
            self._log.warning("commit_given_up", after_s=_FINISH_WITHIN_S)
            await give_up(storing)

    async def _sort_loop(self) -> None:
        while True:
            try:
                deliveries = await self.connection.receive(self.options.max_batch)
            except ConnectionClosed:
                return  # the connection itself says why
            batch = Batch()
            for delivery in deliveries:
                for start in range(0, len(delivery.packets), _SLICE):
                    self._intake.sort(delivery.packets[start : start + _SLICE], delivery.received_at, batch)
                    await asyncio.sleep(0)
            self._waiting.append(_Work(batch, deliveries, list(batch.happenings)))
            self._sorted.set()
            while len(self._waiting) > self._most_waiting:
                self._stored.clear()
                await self._stored.wait()

    async def _store_loop(self) -> None:
        while True:
            while not self._waiting:
                self._sorted.clear()
                await self._sorted.wait()
            await self._store(self._waiting[0])

    async def _store(self, work: _Work) -> None:
        delay_s = _RETRY_FIRST_S
        while True:
            try:
                await self.writer.ready()
                if self._twin is not None:
                    hearing = self.writer.hearing
                    heard_until = None if hearing is None else hearing.until
                    await self._twin.look(work.batch, heard_until=heard_until, now=self._clock())
                async with self._committing:
                    await self.writer.store(work.batch, self._intake)
                    self._acknowledge(work)
                return
            except (psycopg.Error, OSError, TimeoutError) as error:
                if not is_passing_fault(error):
                    raise
                self.retries += 1
                self._log.warning("store_postponed", reason=type(error).__name__, retry_in_s=delay_s)
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, _RETRY_MOST_S)

    def _acknowledge(self, work: _Work) -> None:
        self.batches += 1
        self._waiting.remove(work)
        self._stored.set()
        for delivery in work.deliveries:
            self.connection.ack(delivery.generation, delivery.packet_ids)

    async def heard(self, until: datetime, *, within_s: float) -> bool:
        """Whether this session has committed all that the broker got until an instant; a beacon tells."""
        if not self.connection.subscribed:
            return False
        self._beacon_now.set()
        try:
            async with asyncio.timeout(within_s):
                while self.writer.hearing is None or self.writer.hearing.until < until:
                    self._stored.clear()
                    await self._stored.wait()
        except TimeoutError:
            return False
        return True

    async def _beacon_loop(self) -> None:
        while True:
            self._beacon_now.clear()
            if self.connection.subscribed:
                with contextlib.suppress(IngestError, TimeoutError):
                    async with asyncio.timeout(INTERVAL_S):
                        await self.connection.publish(self._beacon.topic, self._beacon.write(self._clock()))
                wait_s = INTERVAL_S
            else:
                wait_s = 0.2
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._beacon_now.wait(), wait_s)

    async def _emergency_loop(self) -> None:
        while True:
            await asyncio.sleep(_EMERGENCY_CHECK_S)
            waiting = [each for work in self._waiting if work.batch.happenings for each in work.happenings]
            if waiting:
                await self._emergency.tell(waiting, self._clock())
