"""Bytes from a broker to packets (pure: no socket, no clock).

The buffer is filled in place by the socket and read in place by the codec; packets are cut out of it as long as there
are whole ones, and only the rest of the last one is moved. The codec checks lengths itself, so headers are read by hand
(`irregular`) only where it gives up: at a packet that is not complete yet, and at one it refuses.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

import mqtt5

from ingest.errors import ProtocolViolation
from ingest.mqtt.irregular import KEPT_PAYLOAD_BYTES, IrregularPublish, packet_bytes, read_by_hand

CAPACITY_BYTES: Final = 128 * 1024
"""How much is read from the socket at once; enough for the longest topic beside the kept part of a payload."""

_PUBLISH: Final = 3
_PLAIN_QOS1: Final = 0x32

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
            return read_by_hand(frame, len(frame), "oversized")
        return packet

    def _malformed(self, start: int, end: int, error: ValueError) -> tuple[IrregularPublish, int]:
        frame_bytes = packet_bytes(self._buffer[start:end])
        if self._buffer[start] >> 4 != _PUBLISH or not frame_bytes or frame_bytes > end - start:
            raise ProtocolViolation(f"unreadable packet: {error}") from None
        return read_by_hand(self._buffer[start : start + frame_bytes], frame_bytes, "malformed"), frame_bytes

    def _lacks_bytes(self, start: int, end: int) -> bool:
        """Whether the packet at `start` only waits for more bytes; makes sure that there is room for them."""
        frame = self._buffer[start:end]
        frame_bytes = packet_bytes(frame)
        if not frame_bytes:
            return True
        if frame_bytes <= len(frame):
            return False
        if frame_bytes > self._max_packet_bytes:
            if frame[0] >> 4 != _PUBLISH:
                raise ProtocolViolation(f"control packet of {frame_bytes} bytes")
            if len(frame) >= min(CAPACITY_BYTES, frame_bytes):
                self._skipped = (read_by_hand(frame, frame_bytes, "oversized"), frame_bytes)
                self._skip_bytes = frame_bytes - len(frame)
        return True

    def _keep(self, start: int, end: int) -> None:
        """Move the rest to the front, into a buffer of the size it needs."""
        rest = 0 if self._skip_bytes else end - start
        frame_bytes = packet_bytes(self._buffer[start : start + rest])
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
