"""Bytes from a broker to packets (pure: no socket, no clock).

The buffer is filled in place by the socket and read in place by the codec; packets are cut out of it as long as there
are whole ones, and only the rest of the last one is moved. The codec checks lengths itself, so fixed headers are read
here only where it gives up: at a packet that is not complete yet, and at one it refuses.
"""

import struct
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import mqtt5

from ingest.errors import ProtocolViolation

CAPACITY_BYTES: Final = 128 * 1024
"""How much is read from the socket at once; enough for the longest topic beside the kept part of a payload."""
KEPT_PAYLOAD_BYTES: Final = 4096
"""How much of an irregular message's payload is kept: as much as quarantine shows."""

_PUBLISH: Final = 3
_PLAIN_QOS1: Final = 0x32
_uint16 = struct.Struct(">H").unpack_from


@dataclass(frozen=True, slots=True, kw_only=True)
class IrregularPublish:
    """A PUBLISH that the codec did not or could not read. It can be quarantined and acknowledged like any other.

    Attributes:
        topic: bytes that are not UTF-8 replaced.
        payload: the first 4 KiB at most.
        payload_bytes: size of the whole payload.
        reason: `oversized` (more than `max_packet_bytes`), or `malformed` (framed soundly, but e.g. a topic that is no
            UTF-8; some brokers pass such on, and refusing it would make them send it again for ever).
    """

    topic: str
    payload: bytes
    payload_bytes: int
    packet_id: int | None
    qos: mqtt5.QoS
    retain: bool
    duplicate: bool
    reason: Literal["oversized", "malformed"]


Publish: TypeAlias = mqtt5.PublishPacket | IrregularPublish
Control: TypeAlias = (
    mqtt5.ConnAckPacket
    | mqtt5.PubAckPacket
    | mqtt5.SubAckPacket
    | mqtt5.UnsubAckPacket
    | mqtt5.PingRespPacket
    | mqtt5.DisconnectPacket
)
_CONTROLS: Final = (
    mqtt5.ConnAckPacket,
    mqtt5.PubAckPacket,
    mqtt5.SubAckPacket,
    mqtt5.UnsubAckPacket,
    mqtt5.PingRespPacket,
    mqtt5.DisconnectPacket,
)


@dataclass(slots=True)
class Chunk:
    """What one read brought.

    Attributes:
        publishes: in order.
        sizes: bytes of each on the wire.
        controls: everything else, in order among themselves.
        fault: why nothing more can be read from this peer; what came before it is whole.
    """

    publishes: list[Publish]
    sizes: list[int]
    controls: list[Control]
    fault: ProtocolViolation | None = None


class FrameReader:
    """Cuts one connection's stream into packets.

    Args:
        max_packet_bytes: a larger PUBLISH is skipped but for its beginning, and never buffered whole.
    """

    def __init__(self, max_packet_bytes: int) -> None:
        self._max_packet_bytes = max_packet_bytes
        self._buffer = memoryview(bytearray(CAPACITY_BYTES))
        self._end = 0
        self._skip_bytes = 0
        self._skipped: tuple[IrregularPublish, int] | None = None

    @property
    def buffered_bytes(self) -> int:
        """Memory held for bytes that are no packet yet."""
        return len(self._buffer)

    def room(self) -> memoryview:
        """Where the next bytes go; never empty."""
        return self._buffer[self._end :]

    def feed(self, data: bytes) -> list[Chunk]:
        """Take bytes that were read elsewhere, as many chunks as they fill."""
        chunks = []
        while data:
            room = self.room()
            taken = min(len(room), len(data))
            room[:taken] = data[:taken]
            chunks.append(self.filled(taken))
            if chunks[-1].fault:
                break
            data = data[taken:]
        return chunks

    def filled(self, count: int) -> Chunk:
        """Read the packets that `count` further bytes in `room()` complete."""
        chunk = Chunk([], [], [])
        publishes, sizes = chunk.publishes, chunk.sizes
        read, view = mqtt5.read, self._buffer
        start, end, limit = 0, self._end + count, self._max_packet_bytes
        if self._skip_bytes:
            start = self._skip(end, chunk)
        packet: mqtt5.Packet | IrregularPublish
        try:
            while start < end:
                first = view[start]
                try:
                    packet, used = read(view[start:end])
                except IndexError:
                    if self._lacks_bytes(start, end):
                        break
                    raise ProtocolViolation("a packet's fields exceed its length") from None
                except ValueError as error:
                    packet, used = self._malformed(start, end, error)
                except BaseException as error:
                    # A string that is no UTF-8 panics in the codec; a Rust panic derives from BaseException.
                    if type(error).__name__ != "PanicException":
                        raise
                    packet, used = self._malformed(start, end, ValueError("text that is not UTF-8"))
                if first == _PLAIN_QOS1 and used <= limit:
                    publishes.append(packet)  # type: ignore[arg-type]
                    sizes.append(used)
                elif isinstance(packet, mqtt5.PublishPacket):
                    publishes.append(self._checked(packet, view[start : start + used]))
                    sizes.append(used)
                elif isinstance(packet, IrregularPublish):
                    publishes.append(packet)
                    sizes.append(used)
                elif isinstance(packet, _CONTROLS):
                    chunk.controls.append(packet)
                else:
                    raise ProtocolViolation(f"a broker never sends {type(packet).__name__} here")
                start += used
        except ProtocolViolation as fault:
            chunk.fault = fault
            self._end = 0
        else:
            self._keep(start, end)
        return chunk

    def _checked(self, packet: mqtt5.PublishPacket, frame: memoryview) -> Publish:
        if frame[0] & 0x06 > 0x02:
            raise ProtocolViolation("QoS 2 message, which was never subscribed to")
        if len(frame) > self._max_packet_bytes:
            return _irregular(frame, len(frame), "oversized")
        return packet

    def _malformed(self, start: int, end: int, error: ValueError) -> tuple[IrregularPublish, int]:
        frame_bytes = _frame_bytes(self._buffer[start:end])
        if self._buffer[start] >> 4 != _PUBLISH or not frame_bytes or frame_bytes > end - start:
            raise ProtocolViolation(f"unreadable packet: {error}") from None
        return _irregular(self._buffer[start : start + frame_bytes], frame_bytes, "malformed"), frame_bytes

    def _lacks_bytes(self, start: int, end: int) -> bool:
        """Whether the packet at `start` only waits for more bytes; makes sure that there is room for them."""
        frame = self._buffer[start:end]
        frame_bytes = _frame_bytes(frame)
        if not frame_bytes:
            return True
        if frame_bytes <= len(frame):
            return False
        if frame_bytes > self._max_packet_bytes:
            if frame[0] >> 4 != _PUBLISH:
                raise ProtocolViolation(f"control packet of {frame_bytes} bytes")
            if len(frame) >= min(CAPACITY_BYTES, frame_bytes):
                self._skipped = (_irregular(frame, frame_bytes, "oversized"), frame_bytes)
                self._skip_bytes = frame_bytes - len(frame)
        return True

    def _keep(self, start: int, end: int) -> None:
        """Move the rest to the front, into a buffer of the size it needs."""
        rest = 0 if self._skip_bytes else end - start
        frame_bytes = _frame_bytes(self._buffer[start : start + rest])
        wanted = max(CAPACITY_BYTES, frame_bytes) if frame_bytes <= self._max_packet_bytes else CAPACITY_BYTES
        if wanted != len(self._buffer):
            buffer = memoryview(bytearray(wanted))
            buffer[:rest] = self._buffer[start : start + rest]
            self._buffer = buffer
        elif start and rest:
            self._buffer[:rest] = self._buffer[start : start + rest]
        self._end = rest

    def _skip(self, end: int, chunk: Chunk) -> int:
        skipped = min(self._skip_bytes, end)
        self._skip_bytes -= skipped
        if not self._skip_bytes and self._skipped:
            chunk.publishes.append(self._skipped[0])
            chunk.sizes.append(KEPT_PAYLOAD_BYTES)
            self._skipped = None
        return skipped


def _frame_bytes(data: memoryview) -> int:
    """Length of the packet that starts here, 0 while its fixed header is not complete (MQTT 5, 2.1.4)."""
    length = 0
    for index in range(1, min(len(data), 5)):
        length |= (data[index] & 0x7F) << 7 * (index - 1)
        if data[index] < 0x80:
            return 1 + index + length
    return 0


def _irregular(frame: memoryview, frame_bytes: int, reason: Literal["oversized", "malformed"]) -> IrregularPublish:
    """Read a PUBLISH by hand, as far as its beginning is here.

    Raises:
        ProtocolViolation: its fields do not add up, so no packet id in it can be trusted.
    """
    flags = frame[0]
    qos = flags >> 1 & 3
    try:
        at = 2
        while frame[at - 1] >= 0x80:
            at += 1
        topic_bytes = _uint16(frame, at)[0]
        topic = bytes(frame[at + 2 : at + 2 + topic_bytes])
        at += 2 + topic_bytes
        packet_id = None
        if qos:
            packet_id = _uint16(frame, at)[0]
            at += 2
        if qos > 1 or packet_id == 0 or not topic:
            raise ProtocolViolation("PUBLISH with an impossible QoS, packet id or topic")
        properties_bytes = 0
        for shift in (0, 7, 14, 21):
            byte = frame[at]
            at += 1
            properties_bytes |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
        else:
            raise ProtocolViolation("PUBLISH with an impossible property length")
        at += properties_bytes
    except (IndexError, struct.error):
        raise ProtocolViolation("PUBLISH whose fields exceed its length") from None
    if at > frame_bytes:
        raise ProtocolViolation("PUBLISH whose properties exceed its length")
    return IrregularPublish(
        topic=topic.decode(errors="replace"),
        payload=bytes(frame[at : at + KEPT_PAYLOAD_BYTES]),
        payload_bytes=frame_bytes - at,
        packet_id=packet_id,
        qos=mqtt5.QoS(qos),
        retain=bool(flags & 1),
        duplicate=bool(flags & 8),
        reason=reason,
    )
