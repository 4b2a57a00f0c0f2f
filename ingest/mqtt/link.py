"""One TCP or TLS connection to a broker, from CONNECT to its end; `connection` makes a new one after it."""

import asyncio
import ssl
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, cast

import mqtt5

from ingest.errors import (
    BrokerUnreachable,
    CertificateRefused,
    ConnectionClosed,
    ConnectionLost,
    IngestError,
    ProtocolViolation,
)
from ingest.mqtt.framing import Control, FrameReader
from ingest.mqtt.options import ConnectionOptions, Endpoint, Subscription
from ingest.mqtt.packets import acks, connect_packet, goodbye, refusal
from ingest.mqtt.requests import Requests
from ingest.mqtt.window import Delivery

_CLOSE_WITHIN_S: Final = 2.0
_SMALL_READ_BYTES: Final = 32 * 1024
_PINGREQ: Final = mqtt5.PingReqPacket().write()


class Link(asyncio.BufferedProtocol):
    """Speaks MQTT 5 on one transport.

    Args:
        generation: number of this connection, on every delivery.
        options: see there.
        on_delivery: called with the messages of each read.

    Attributes:
        lost: done when the connection is of no more use; its result says why.
        paused: whether reading is paused.
    """

    def __init__(self, generation: int, options: ConnectionOptions, on_delivery: Callable[[Delivery], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self.generation = generation
        self.lost: asyncio.Future[IngestError] = self._loop.create_future()
        self.paused = False
        self._options = options
        self._on_delivery = on_delivery
        self._frames = FrameReader(options.max_packet_bytes)
        self._requests = Requests(self._write)
        self._connack: mqtt5.ConnAckPacket | None = None
        self._answered = asyncio.Event()
        self._transport: asyncio.Transport | None = None
        self._gone = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._rest: asyncio.TimerHandle | None = None
        self._tick_s = options.keep_alive_s / 2
        self._heard = True
        self._silent_ticks = 0

    @property
    def accepted(self) -> bool:
        """Whether the broker has accepted us and the connection still stands."""
        return self._connack is not None and not self.lost.done()

    # --- opening and closing -----------------------------------------------------------------------------------------

    async def open(self, endpoint: Endpoint) -> mqtt5.ConnAckPacket:
        """Connect, and wait for the broker's CONNACK.

        Raises:
            BrokerUnreachable: nobody there, or no CONNACK in time.
            ConnectionRefused, BrokerBusy: the broker's answer.
            CertificateRefused: TLS failed on the certificate.
            ConfigurationFault: the CA file cannot be read.
            IngestError: the connection ended before the CONNACK.
        """
        options = self._options
        tls = options.tls() if endpoint.tls else None
        try:
            async with asyncio.timeout(options.connect_timeout_s):
                await self._loop.create_connection(
                    lambda: self, endpoint.host, endpoint.port, ssl=tls, server_hostname=endpoint.host if tls else None
                )
                self._write(connect_packet(endpoint, options))
                await self._answered.wait()
        except ssl.SSLCertVerificationError as error:
            self._end(CertificateRefused(f"{endpoint}: {error.verify_message}"))
        except TimeoutError:
            self._end(BrokerUnreachable(f"{endpoint}: no answer within {options.connect_timeout_s:g} s"))
        except OSError as error:
            self._end(BrokerUnreachable(f"{endpoint}: {error}"))
        except asyncio.CancelledError:
            self._end(ConnectionClosed("given up while connecting"))
            raise
        if self._connack is None:
            raise self.lost.result()
        return self._connack

    async def close(self) -> None:
        """Say DISCONNECT and let the broker close; the session stays there.

        Closing first would make the kernel answer whatever the broker still sends with a reset, upon which Mosquitto
        forgets to read our last acknowledgements: it takes one packet a turn.
        """
        if self._transport is None:
            return
        if not self.lost.done():
            self._write(mqtt5.DisconnectPacket().write())
            resting = self.paused or self._rest is not None
            self._end(ConnectionClosed("closed by its owner"), abort=False)
            if resting and not self._transport.is_closing():
                self._transport.resume_reading()
        try:
            async with asyncio.timeout(_CLOSE_WITHIN_S):
                await self._gone.wait()
        except TimeoutError:
            self._transport.abort()

    def _end(self, reason: IngestError, *, abort: bool = True) -> None:
        if not self.lost.done():
            self.lost.set_result(reason)
        self._answered.set()
        self._requests.fail(reason)
        for timer in (self._timer, self._rest):
            if timer:
                timer.cancel()
        if self._transport and abort:
            self._transport.abort()

    # --- called by the event loop ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; `open` speaks first."""
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Let the socket write where the codec will read."""
        return self._frames.room()

    def buffer_updated(self, nbytes: int) -> None:
        """Read what came in; the clock is read once for all of it."""
        if self.lost.done():
            return
        received_at = datetime.now(UTC)
        self._heard = True
        chunk = self._frames.filled(nbytes)
        fault: IngestError | None = chunk.fault
        for control in chunk.controls:
            fault = self._control(control) or fault
        if chunk.publishes and self._connack:
            self._on_delivery(Delivery.of(self.generation, received_at, chunk.publishes, chunk.sizes))
        elif chunk.publishes:
            fault = fault or ProtocolViolation("message before CONNACK")
        if fault:
            if isinstance(fault, ProtocolViolation):
                self._write(mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode.PROTOCOL_ERROR).write())
            self._end(fault)
        elif self._options.rest_s and nbytes < _SMALL_READ_BYTES and not self.paused and self._transport:
            self._transport.pause_reading()
            self._rest = self._loop.call_later(self._options.rest_s, self._rested)

    def eof_received(self) -> None:
        """The broker closed its side; the transport closes ours."""

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is gone."""
        self._end(ConnectionLost(f"connection ended: {exc or 'closed by the broker'}"))
        self._gone.set()

    def _rested(self) -> None:
        self._rest = None
        if self._transport and not self.paused and not self._transport.is_closing():
            self._transport.resume_reading()

    # --- packets -----------------------------------------------------------------------------------------------------

    def _control(self, packet: Control) -> IngestError | None:
        match packet:
            case mqtt5.PingRespPacket():
                return None
            case mqtt5.DisconnectPacket():
                return goodbye(packet)
            case mqtt5.ConnAckPacket():
                return self._connacked(packet)
            case _:
                return self._requests.answered(packet)

    def _connacked(self, packet: mqtt5.ConnAckPacket) -> IngestError | None:
        if self._connack:
            return ProtocolViolation("second CONNACK")
        if refused := refusal(packet):
            return refused
        self._connack = packet
        self._answered.set()
        keep_alive_s = packet.server_keep_alive or self._options.keep_alive_s
        self._tick_s = keep_alive_s / 2
        self._timer = self._loop.call_later(self._tick_s, self._tick, self._loop.time() + self._tick_s)
        return None

    def _tick(self, due: float) -> None:
        """Ping every half keep-alive; two silent halves after an unanswered ping end the connection.

        That is 1 to 1.5 keep-alives after the last byte. Silence is not judged while reading is paused, nor when this
        process itself was held up: then the answer may lie unread in the socket.
        """
        now = self._loop.time()
        held_up = now - due > self._tick_s / 2
        self._silent_ticks = 0 if self._heard or self.paused or held_up else self._silent_ticks + 1
        self._heard = False
        if self._silent_ticks >= 2:
            self._end(ConnectionLost(f"broker silent for {3 * self._tick_s:g} s"))
            return
        self._write(_PINGREQ)
        self._timer = self._loop.call_later(self._tick_s, self._tick, now + self._tick_s)

    def _write(self, data: bytes) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.write(data)

    # --- for the owner -----------------------------------------------------------------------------------------------

    def pause(self) -> None:
        """Stop reading the socket; pings go on."""
        if self._transport and not self.paused and not self._transport.is_closing():
            self.paused = True
            if not self._rest:
                self._transport.pause_reading()

    def resume(self) -> None:
        """Go on reading."""
        if self._transport and self.paused and not self._transport.is_closing():
            self.paused = False
            if not self._rest:
                self._transport.resume_reading()

    def ack(self, packet_ids: Iterable[int]) -> None:
        """Acknowledge messages, all in one write."""
        self._write(acks(packet_ids))

    async def publish(self, topic: str, payload: bytes, qos: int) -> None:
        """Publish and, at QoS 1 where the broker has it, wait for the acknowledgement.

        Raises:
            PublishRefused: by the broker, or its limits forbid the message.
            IngestError: no connection, or it ended before the answer.
        """
        limits = self._require_accepted()
        if qos and int(limits.max_qos):
            await self._requests.publish(topic, payload, limits)
        else:
            self._write(mqtt5.PublishPacket(topic, payload).write())

    async def subscribe(self, subscriptions: Sequence[Subscription]) -> dict[str, str]:
        """Subscribe; returns the filters that are not granted as asked, with the broker's reason.

        Raises:
            IngestError: no connection, or it ended before the answer.
        """
        self._require_accepted()
        try:
            return await self._requests.subscribe(subscriptions)
        except ProtocolViolation as violation:
            self._end(violation)
            raise

    async def unsubscribe(self, filters: Sequence[str]) -> None:
        """Unsubscribe.

        Raises:
            IngestError: no connection, or it ended before the answer.
        """
        self._require_accepted()
        await self._requests.unsubscribe(filters)

    def _require_accepted(self) -> mqtt5.ConnAckPacket:
        if self._connack is None or self.lost.done():
            raise ConnectionLost("not connected")
        return self._connack
