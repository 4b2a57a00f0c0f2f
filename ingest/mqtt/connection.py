"""A connection that comes back: what the lanes of ingest read from, and acknowledge to."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

import mqtt5
import structlog

from ingest.errors import (
    ConfigurationFault,
    ConnectionClosed,
    ConnectionLost,
    IngestError,
    ProtocolViolation,
    SessionTakenOver,
)
from ingest.mqtt.link import Link
from ingest.mqtt.options import ConnectionOptions, Endpoint, Subscription, backoff_s
from ingest.mqtt.subscriptions import Subscriptions
from ingest.mqtt.window import Delivery, Window

_log = structlog.get_logger()


@dataclass(slots=True)
class Counters:
    """What a connection has counted since it was made."""

    connects: int = 0
    losses: int = 0
    failed_attempts: int = 0
    violations: int = 0
    sessions_missing: int = 0
    reads: int = 0
    messages: int = 0
    message_bytes: int = 0
    acks: int = 0
    acks_dropped: int = 0
    pauses: int = 0


class Connection:
    """Receives at least once: a message that is never acknowledged comes again on the next connection.

    The owner runs `run()` as a task and reads with `receive()`:

        for delivery in await connection.receive(5000):
            ...  # commit delivery.packets
            connection.ack(delivery.generation, delivery.packet_ids)

    Everything belongs to one event loop (asyncio's or uvloop's).

    Args:
        endpoint: the broker.
        options: how to behave there.
        on_connected: called after each CONNACK, with whether the broker still had our session.
        may_connect: asked before every attempt; False ends `run()` with `SessionTakenOver`. Of the brokers at hand,
            Mosquitto 2.0.11 and the embedded one do not tell a client that its session was taken over: to it, that is
            a lost connection like any other, and without this question it would take the session back.
        on_lost: called with the reason when a connection that stood has ended.
        chance: uniform in [0, 1), for the jitter of the back-off.

    Attributes:
        counters: for the owner's metrics.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        options: ConnectionOptions,
        *,
        on_connected: Callable[[bool], None] | None = None,
        on_lost: Callable[[IngestError], None] | None = None,
        may_connect: Callable[[], Awaitable[bool]] | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.counters = Counters()
        self._endpoint = endpoint
        self._options = options
        self._on_connected = on_connected
        self._on_lost = on_lost
        self._may_connect = may_connect
        self._chance = chance
        self._log = _log.bind(broker=str(endpoint), client_id=options.client_id)
        self._subscriptions = Subscriptions(options.subscriptions, options.refused_retry_s, self._log)
        self._window = Window(options.max_outstanding_messages, options.max_outstanding_bytes)
        self._link: Link | None = None
        self._generation = 0
        self._session_present = False
        self._readable = asyncio.Event()
        self._drained = asyncio.Event()
        self._closing = asyncio.Event()
        self._stopped = asyncio.Event()
        self._stopped.set()
        self._ended = False

    @property
    def connected(self) -> bool:
        """Whether a broker has accepted us and the connection stands, as far as we know."""
        return self._link is not None and self._link.accepted

    @property
    def subscribed(self) -> bool:
        """Whether, besides, every filter is granted: messages published from now on will reach us."""
        return self.connected and self._subscriptions.granted

    @property
    def refused(self) -> Mapping[str, str]:
        """Topic filters that the broker does not grant us at present, with its reason."""
        return self._subscriptions.refused

    @property
    def paused(self) -> bool:
        """Whether the socket is not read, because too much is outstanding."""
        return self._link is not None and self._link.accepted and self._link.paused

    @property
    def generation(self) -> int:
        """Number of the present connection, or of the last."""
        return self._generation

    @property
    def session_present(self) -> bool:
        """Whether the broker still had our session, and its queue, at the last CONNACK."""
        return self._session_present

    @property
    def outstanding_messages(self) -> int:
        """Messages read and not given back."""
        return self._window.messages

    @property
    def outstanding_bytes(self) -> int:
        """Their bytes, as on the wire."""
        return self._window.bytes

    async def run(self) -> None:
        """Stay connected until `close()` or cancellation; either says DISCONNECT and leaves the session in place.

        Raises:
            SessionTakenOver: another client has our session now, or `may_connect` says so. The owner decides whether
                to run again; what was read stays readable.
        """
        if not self._stopped.is_set():
            raise RuntimeError("this connection is running already")
        self._stopped.clear()
        self._ended = False
        keeping = asyncio.create_task(self._keep_connected(), name=f"mqtt {self._options.client_id}")
        closing = asyncio.create_task(self._closing.wait())
        try:
            await asyncio.wait({keeping, closing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            closing.cancel()
            keeping.cancel()
            await asyncio.wait({keeping, closing})
            self._ended = True
            self._readable.set()
            self._stopped.set()
            failure = None if keeping.cancelled() else keeping.exception()
        if failure:
            raise failure

    async def close(self) -> None:
        """Disconnect and end `run()` for good. The session, and what is not acknowledged, stay at the broker."""
        self._closing.set()
        await self._stopped.wait()

    async def receive(self, max_messages: int) -> list[Delivery]:
        """Wait until there is something; then everything read so far, in order. Never waits for more.

        Cancelling it loses nothing. Messages of a connection that has ended meanwhile are still handed out, since they
        may be urgent; the broker will send them again.

        Raises:
            ConnectionClosed: `run()` has ended and everything is taken.
        """
        while not self._window.queued:
            if self._ended:
                raise ConnectionClosed("the connection was closed or taken over")
            self._readable.clear()
            await self._readable.wait()
        taken = self._window.take(max_messages)
        self._relax()
        return taken

    def ack(self, generation: int, packet_ids: Iterable[int]) -> int:
        """Acknowledge messages whose rows are committed, all in one write.

        Acknowledgements for a connection that has ended, and repeated ones, are counted and dropped.

        Returns:
            How many went to the broker.
        """
        link = self._link
        packet_ids = list(packet_ids)
        ids: list[int] = []
        if link is not None and link.accepted and link.generation == generation:
            ids = self._window.acknowledge(generation, packet_ids)
        self.counters.acks_dropped += len(packet_ids) - len(ids)
        if ids and link is not None:
            link.ack(ids)
            self.counters.acks += len(ids)
            self._relax()
        return len(ids)

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1) -> None:
        """Publish and, at QoS 1, wait for the broker's acknowledgement. Nothing is kept for a later connection.

        While reading is paused the acknowledgement cannot be seen: set a time limit.

        Raises:
            ConnectionLost, ConnectionClosed, SessionTakenOver: not connected, or it ended before the acknowledgement.
            PublishRefused: by the broker, or its limits forbid the message.
        """
        if self._link is None:
            raise ConnectionLost("not connected")
        await self._link.publish(topic, payload, qos)

    async def subscribe(self, *subscriptions: Subscription) -> None:
        """Subscribe now, if connected, and after every reconnect.

        Raises:
            SubscriptionRefused: some filters were refused; they are tried again on the next connection.
        """
        await self._subscriptions.add(self._standing, subscriptions)

    async def unsubscribe(self, *filters: str) -> None:
        """Unsubscribe now, or on the next connection: the session remembers subscriptions while we are away."""
        await self._subscriptions.remove(self._standing, filters)

    async def _keep_connected(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            if self._may_connect and not await self._may_connect():
                raise SessionTakenOver("the session is no longer ours to connect to")
            started = loop.time()
            reason = await self._connect_once()
            if isinstance(reason, SessionTakenOver):
                raise reason
            lasted = loop.time() - started >= self._options.backoff_max_s
            failures = 1 if lasted and not isinstance(reason, ConfigurationFault) else failures + 1
            delay_s = backoff_s(failures, self._chance(), self._options)
            if isinstance(reason, ConfigurationFault):
                delay_s = self._options.refused_retry_s
            await asyncio.sleep(delay_s)

    async def _connect_once(self) -> IngestError:
        """One connection, from opening to its end; returns why it ended."""
        generation = self._generation + 1
        link = Link(generation, self._options, self._arrived)
        self._window.begin(generation)
        self._generation, self._link = generation, link
        if self._window.full:
            # Every connection may bring a chunk more before it can be paused: a flapping broker would fill the memory.
            self._drained.clear()
            await self._drained.wait()
        try:
            connack = await link.open(self._endpoint)
        except IngestError as error:
            self.counters.failed_attempts += 1
            refused = isinstance(error, ConfigurationFault)
            self._log.log(
                logging.ERROR if refused else logging.WARNING, "mqtt_connect_failed", refused=refused, reason=str(error)
            )
            return error
        finally:
            if not link.accepted:
                await link.close()
        subscribing = asyncio.create_task(self._subscriptions.restore(link))
        try:
            self._connected(link, connack)
            await asyncio.wait({link.lost})
        finally:
            subscribing.cancel()
            await asyncio.wait({subscribing})
            await link.close()
            self._lost(link.lost.result())
        return link.lost.result()

    @property
    def _standing(self) -> Link | None:
        return self._link if self.connected else None

    def _connected(self, link: Link, connack: mqtt5.ConnAckPacket) -> None:
        counters, session_present = self.counters, connack.session_present
        if counters.connects and not session_present:
            counters.sessions_missing += 1
            self._log.warning("mqtt_session_missing", generation=link.generation)
        counters.connects += 1
        self._session_present = session_present
        self._subscriptions.granted = False
        self._log.info("mqtt_connected", generation=link.generation, session_present=session_present)
        granted_s = connack.session_expiry_interval
        if granted_s is not None and granted_s < self._options.session_expiry_s:
            self._log.warning("mqtt_session_expiry_shortened", granted_s=granted_s)
        if self._on_connected:
            self._on_connected(session_present)

    def _lost(self, reason: IngestError) -> None:
        self._subscriptions.granted = False
        self.counters.losses += 1
        self.counters.violations += isinstance(reason, ProtocolViolation)
        level = logging.INFO if isinstance(reason, ConnectionClosed) else logging.WARNING
        self._log.log(level, "mqtt_lost", generation=self._generation, kind=type(reason).__name__, reason=str(reason))
        if self._on_lost:
            self._on_lost(reason)

    def _arrived(self, delivery: Delivery) -> None:
        counters = self.counters
        counters.reads += 1
        counters.messages += len(delivery.packets)
        counters.message_bytes += sum(delivery.sizes)
        self._window.arrived(delivery)
        self._readable.set()
        if self._window.full and self._link is not None and not self._link.paused:
            counters.pauses += 1
            self._link.pause()

    def _relax(self) -> None:
        if self._window.slack:
            self._drained.set()
            if self._link is not None:
                self._link.resume()
