"""One link after another: opened, subscribed, and when it ends another one after a pause."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import NoReturn

import mqtt5
import structlog

from ingest.errors import ConfigurationFault, ConnectionClosed, IngestError, ProtocolViolation, SessionTakenOver
from ingest.mqtt.counters import Counters
from ingest.mqtt.link import Link
from ingest.mqtt.options import ConnectionOptions, Endpoint, backoff_s
from ingest.mqtt.subscriptions import Subscriptions
from ingest.mqtt.window import Delivery


class Links:
    """Keeps a link to one broker standing.

    Args:
        endpoint: the broker.
        options: how to behave there.
        subscriptions: brought to every link.
        counters: counted on.
        log: bound to the connection.
        begin: awaited with the number of each new link, before it is opened.
        on_delivery: called with the messages of each read.
        on_connected: called after each CONNACK, with whether the broker still had our session.
        on_lost: called with the reason when a link that stood has ended.
        may_connect: asked before every attempt.
        chance: uniform in [0, 1), for the jitter of the back-off.

    Attributes:
        link: the present one, or the last.
        generation: its number.
        session_present: whether the broker still had our session, and its queue, at the last CONNACK.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        options: ConnectionOptions,
        subscriptions: Subscriptions,
        counters: Counters,
        log: structlog.stdlib.BoundLogger,
        *,
        begin: Callable[[int], Awaitable[None]],
        on_delivery: Callable[[Delivery], None],
        on_connected: Callable[[bool], None] | None = None,
        on_lost: Callable[[IngestError], None] | None = None,
        may_connect: Callable[[], Awaitable[bool]] | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.link: Link | None = None
        self.generation = 0
        self.session_present = False
        self._endpoint = endpoint
        self._options = options
        self._subscriptions = subscriptions
        self._counters = counters
        self._log = log
        self._begin = begin
        self._on_delivery = on_delivery
        self._on_connected = on_connected
        self._on_lost = on_lost
        self._may_connect = may_connect
        self._chance = chance

    @property
    def standing(self) -> Link | None:
        """The link that a broker has accepted and that stands, as far as we know."""
        link = self.link  # once: metrics ask from another thread
        return link if link is not None and link.accepted else None

    async def keep(self) -> NoReturn:
        """Have a link standing, again and again, until cancelled; that says DISCONNECT and leaves the session in place.

        Raises:
            SessionTakenOver: another client has our session now, or `may_connect` says so.
        """
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
        generation = self.generation + 1
        link = Link(generation, self._options, self._on_delivery)
        self.generation, self.link = generation, link
        await self._begin(generation)
        try:
            connack = await link.open(self._endpoint)
        except IngestError as error:
            self._counters.failed_attempts += 1
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

    def _connected(self, link: Link, connack: mqtt5.ConnAckPacket) -> None:
        counters, session_present = self._counters, connack.session_present
        if counters.connects and not session_present:
            counters.sessions_missing += 1
            self._log.warning("mqtt_session_missing", generation=link.generation)
        counters.connects += 1
        self.session_present = session_present
        self._subscriptions.granted = False
        self._log.info("mqtt_connected", generation=link.generation, session_present=session_present)
        granted_s = connack.session_expiry_interval
        if granted_s is not None and granted_s < self._options.session_expiry_s:
            self._log.warning("mqtt_session_expiry_shortened", granted_s=granted_s)
        if self._on_connected:
            self._on_connected(session_present)

    def _lost(self, reason: IngestError) -> None:
        self._subscriptions.granted = False
        self._counters.losses += 1
        self._counters.violations += isinstance(reason, ProtocolViolation)
        level = logging.INFO if isinstance(reason, ConnectionClosed) else logging.WARNING
        self._log.log(level, "mqtt_lost", generation=self.generation, kind=type(reason).__name__, reason=str(reason))
        if self._on_lost:
            self._on_lost(reason)
