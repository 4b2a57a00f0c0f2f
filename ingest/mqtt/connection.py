"""A connection that comes back: what the lanes of ingest read from, and acknowledge to."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping

import structlog

from ingest.errors import ConnectionClosed, ConnectionLost, IngestError
from ingest.mqtt.counters import Counters
from ingest.mqtt.links import Links
from ingest.mqtt.options import ConnectionOptions, Endpoint, Subscription
from ingest.mqtt.subscriptions import Subscriptions
from ingest.mqtt.window import Delivery, Window

_log = structlog.get_logger()


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
        self._name = f"mqtt {options.client_id}"
        log = _log.bind(broker=str(endpoint), client_id=options.client_id)
        self._subscriptions = Subscriptions(options.subscriptions, options.refused_retry_s, log)
        self._window = Window(options.max_outstanding_messages, options.max_outstanding_bytes)
        self._links = Links(
            endpoint,
            options,
            self._subscriptions,
            self.counters,
            log,
            begin=self._begin,
            on_delivery=self._arrived,
            on_connected=on_connected,
            on_lost=on_lost,
            may_connect=may_connect,
            chance=chance,
        )
        self._readable = asyncio.Event()
        self._drained = asyncio.Event()
        self._closing = asyncio.Event()
        self._stopped = asyncio.Event()
        self._stopped.set()
        self._ended = False

    @property
    def connected(self) -> bool:
        """Whether a broker has accepted us and the connection stands, as far as we know."""
        return self._links.standing is not None

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
        link = self._links.standing
        return link is not None and link.paused

    @property
    def generation(self) -> int:
        """Number of the present connection, or of the last."""
        return self._links.generation

    @property
    def session_present(self) -> bool:
        """Whether the broker still had our session, and its queue, at the last CONNACK."""
        return self._links.session_present

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
        keeping = asyncio.create_task(self._links.keep(), name=self._name)
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
        link = self._links.standing
        packet_ids = list(packet_ids)
        ids: list[int] = []
        if link is not None and link.generation == generation:
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
        link = self._links.standing
        if link is None:
            raise ConnectionLost("not connected")
        await link.publish(topic, payload, qos)

    async def subscribe(self, *subscriptions: Subscription) -> None:
        """Subscribe now, if connected, and after every reconnect.

        Raises:
            SubscriptionRefused: some filters were refused; they are tried again on the next connection.
        """
        await self._subscriptions.add(self._links.standing, subscriptions)

    async def unsubscribe(self, *filters: str) -> None:
        """Unsubscribe now, or on the next connection: the session remembers subscriptions while we are away."""
        await self._subscriptions.remove(self._links.standing, filters)

    async def _begin(self, generation: int) -> None:
        self._window.begin(generation)
        if self._window.full:
            # Every connection may bring a chunk more before it can be paused: a flapping broker would fill the memory.
            self._drained.clear()
            await self._drained.wait()

    def _arrived(self, delivery: Delivery) -> None:
        counters = self.counters
        counters.reads += 1
        counters.messages += len(delivery.packets)
        counters.message_bytes += sum(delivery.sizes)
        self._window.arrived(delivery)
        self._readable.set()
        link = self._links.link
        if self._window.full and link is not None and not link.paused:
            counters.pauses += 1
            link.pause()

    def _relax(self) -> None:
        if self._window.slack:
            self._drained.set()
            if self._links.link is not None:
                self._links.link.resume()
