"""What of a packet is read by hand where the codec gives up: its length, and what a PUBLISH is about (pure)."""

import struct
from dataclasses import dataclass
from typing import Final, Literal

import mqtt5

from ingest.errors import ProtocolViolation

KEPT_PAYLOAD_BYTES: Final = 4096
"""How much of an irregular message's payload is kept: as much as quarantine shows."""
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


def packet_bytes(data: memoryview) -> int:
    """Length of the packet that starts here, 0 while its fixed header is not complete (MQTT 5, 2.1.4)."""
    length = 0
    for index in range(1, min(len(data), 5)):
        length |= (data[index] & 0x7F) << 7 * (index - 1)
        if data[index] < 0x80:
            return 1 + index + length
    return 0


def read_by_hand(frame: memoryview, frame_bytes: int, reason: Literal["oversized", "malformed"]) -> IrregularPublish:
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
