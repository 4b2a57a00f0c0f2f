"""MQTT 5 bytes for the bench: packets built before the clock starts, and the least parsing that counts honestly."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import mqtt5

MAX_PACKET_ID: Final = 65_535
_READ_TIMEOUT_S: Final = 20.0
_MARK: Final = b"\x00PAYLOAD\x00"
_MARK_ID: Final = 0x4B4C
_GRANTED: Final = (
    mqtt5.SubAckReasonCode.GRANTED_QOS_AT_MOST_ONCE,
    mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """The packets of one publisher, end to end in one buffer, all of one size."""

    data: bytes
    packet_bytes: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A connected socket and what the broker said on connecting."""

    sock: socket.socket
    receive_max: int
    session_present: bool


def _frame(topic: str, payload_bytes: int) -> tuple[bytes, bytes]:
    """Splits a QoS 1 PUBLISH of the codec around its packet id and its payload."""
    payload = _MARK + b" " * (payload_bytes - len(_MARK))
    packet = mqtt5.PublishPacket(topic, payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=_MARK_ID).write()
    head, _ = packet.split(_MARK)
    before_id, after_id = head.rsplit(_MARK_ID.to_bytes(2, "big"), 1)
    return before_id, after_id


def meter_streams(
    devices: Sequence[str], *, messages_per_device: int, last_at: datetime, step: timedelta
) -> list[Stream]:
    """Builds every message of every meter: its own time, a growing counter, and the usual extra fields.

    Message ``i`` of all meters shares its body, so only the topic and the serial differ: a join builds a whole stream.
    """
    first_at = last_at - step * (messages_per_device - 1)
    bodies = []
    for i in range(messages_per_device):
        at = (first_at + step * i).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        bodies.append(
            f'{{"at":"{at}","water_total_l":{100_000 + i / 2:.1f},"battery_pct":{90 - i % 8},'
            f'"flow_lph":{i % 9 / 10:.1f},"temp_c":{10 + i % 90 / 10:.1f},"rssi":-{60 + i % 39},"snr_db":7.5,'
            f'"fw":"2.4.1","ok":true,"tamper":false,'.encode()
        )
    if len({len(body) for body in bodies}) != 1:
        raise AssertionError("all bodies must be of one length: the stream is cut by position")
    streams = []
    for device in devices:
        tail = f'"meter":"{device}"}}'.encode()
        before_id, after_id = _frame(f"anju/{device}/reading", len(bodies[0]) + len(tail))
        middles = [(i % MAX_PACKET_ID + 1).to_bytes(2, "big") + after_id + body for i, body in enumerate(bodies)]
        data = before_id + (tail + before_id).join(middles) + tail
        streams.append(Stream(data=data, packet_bytes=len(data) // len(bodies), count=len(bodies)))
    return streams


def payload_bytes(device: str, stream: Stream) -> int:
    """The size of the JSON in each packet of a stream."""
    packet = stream.data[: stream.packet_bytes]
    start = packet.index(b"{")
    if not packet.endswith(f'"{device}"}}'.encode()):
        raise AssertionError("the stream is not cut where its packets end")
    return len(packet) - start


def publish(topic: str, payload: bytes, packet_id: int) -> bytes:
    """One QoS 1 PUBLISH."""
    return mqtt5.PublishPacket(topic, payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=packet_id).write()


def read_packet(sock: socket.socket) -> mqtt5.Packet:
    """Reads exactly one packet from a blocking socket."""
    head = _read_exactly(sock, 2)
    while head[-1] & 0x80:
        head += _read_exactly(sock, 1)
    remaining = sum((byte & 0x7F) << (7 * i) for i, byte in enumerate(head[1:]))
    packet, _ = mqtt5.read(memoryview(head + _read_exactly(sock, remaining)))
    return packet


def _read_exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = sock.recv(count - len(data))
        if not part:
            raise ConnectionResetError("the broker closed the connection")
        data += part
    return data


def connect(
    port: int, client_id: str, *, clean_start: bool = True, session_expiry_s: int = 0, receive_max: int = MAX_PACKET_ID
) -> Session:
    """Connects a blocking socket to the broker on the loopback address.

    Raises:
        ConnectionError: the broker refused or went away.
    """
    sock = socket.create_connection(("127.0.0.1", port), timeout=_READ_TIMEOUT_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(
        mqtt5.ConnectPacket(
            client_id,
            clean_start=clean_start,
            session_expiry_interval=session_expiry_s,
            receive_max=receive_max,
            keep_alive=0,
        ).write()
    )
    answer = read_packet(sock)
    if not isinstance(answer, mqtt5.ConnAckPacket) or answer.reason_code is not mqtt5.ConnAckReasonCode.SUCCESS:
        raise ConnectionRefusedError(f"the broker refused {client_id}: {answer!r}")
    return Session(sock=sock, receive_max=answer.receive_max, session_present=answer.session_present)


def subscribe(sock: socket.socket, pattern: str, *, max_qos: mqtt5.QoS = mqtt5.QoS.AT_LEAST_ONCE) -> None:
    """Subscribes a freshly connected socket and waits for the SUBACK."""
    topic_filter = mqtt5.TopicFilter(pattern, max_qos=max_qos, retain_handling=mqtt5.RetainHandling.SEND_ALWAYS)
    sock.sendall(mqtt5.SubscribePacket(1, [topic_filter]).write())
    answer = read_packet(sock)
    if not isinstance(answer, mqtt5.SubAckPacket) or any(code not in _GRANTED for code in answer.reason_codes):
        raise ConnectionRefusedError(f"the broker refused the subscription to {pattern}: {answer!r}")


def count_pubacks(data: bytes) -> tuple[int, int, bytes]:
    """Counts the PUBACKs in what a publisher read.

    Returns:
        The count, how many of them carry a failure, and the bytes of a packet not yet complete.
    """
    count = len(data) // 4
    if len(data) % 4 == 0 and data[::4].count(0x40) == count and data[1::4].count(2) == count:
        return count, 0, b""
    count = failed = position = 0
    end = len(data)
    while position + 2 <= end:
        size = 2 + data[position + 1]
        if position + size > end:
            break
        if data[position] == 0x40:
            count += 1
            if size > 4 and data[position + 4] >= 0x80:
                failed += 1
        position += size
    return count, failed, data[position:]
