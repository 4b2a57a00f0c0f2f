"""The yardstick's subscriber: takes every message at QoS 1, acknowledges it, counts, and does nothing else.

A process of its own (``python -m bench.counter``). What it reaches is what the broker can give to one subscriber.
"""

import json
import resource
import sys
import time
from dataclasses import dataclass
from typing import Final

import mqtt5

from bench import packets
from bench.children import hear, say

CLIENT_ID: Final = "bench-counter"
REST_S: Final = 0.002
PINGRESP: Final = b"\xd0\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to count."""

    port: int
    messages: int
    pattern: str = "anju/+/reading"
    rest_s: float = REST_S
    """Rest after a small read: reading one message a time would take the CPU that the broker needs."""
    batch: int = 500
    receive_max: int = packets.MAX_PACKET_ID
    persistent: bool = False
    """Keep the session after leaving, so that the broker queues for it."""
    register_only: bool = False
    """Subscribe and leave at once: the backlog is queued for whoever returns."""


def take(data: bytearray) -> tuple[int, bytes, int]:
    """Walks over the whole packets in ``data``.

    Returns:
        How many PUBLISH packets there were, their PUBACKs, and how many bytes were taken.
    """
    acks = bytearray()
    position = 0
    end = len(data)
    while position + 5 <= end:
        remaining = data[position + 1]
        head = 2
        if remaining & 0x80:
            remaining = remaining & 0x7F | (data[position + 2] & 0x7F) << 7
            head = 3
            if data[position + 2] & 0x80:
                raise ValueError("a packet larger than 16 KiB is none of the bench's")
        after = position + head + remaining
        if after > end:
            break
        if data[position] >> 4 == 3:
            id_at = position + head + 2 + (data[position + head] << 8 | data[position + head + 1])
            acks += b"\x40\x02"
            acks += data[id_at : id_at + 2]
        position = after
    return len(acks) // 4, bytes(acks), position


def run(order: Order) -> None:
    """Connects, counts until all messages have come, reports."""
    session = packets.connect(
        order.port,
        CLIENT_ID,
        clean_start=not order.persistent,
        session_expiry_s=3600 if order.persistent else 0,
        receive_max=order.receive_max,
    )
    if not session.session_present:
        packets.subscribe(session.sock, order.pattern)
    say({"kind": "ready", "session_present": session.session_present})
    if order.register_only:
        session.sock.sendall(b"\xe0\x00")
        session.sock.close()
        return
    session.sock.settimeout(None)
    buffer = bytearray()
    count = first_count = 0
    first_s = cpu_before_s = 0.0
    while count < order.messages:
        part = session.sock.recv(262_144)
        if not part:
            raise ConnectionResetError("the broker closed the subscriber's connection")
        buffer += part
        got, acks, taken = take(buffer)
        del buffer[:taken]
        session.sock.sendall(acks)
        count += got
        if got < order.batch:
            time.sleep(order.rest_s)
        if not first_s:
            first_s, first_count = time.monotonic(), count
            usage = resource.getrusage(resource.RUSAGE_SELF)
            cpu_before_s = usage.ru_utime + usage.ru_stime
    # The broker answers in order: its PINGRESP says that it has taken every PUBACK.
    session.sock.sendall(mqtt5.PingReqPacket().write())
    while PINGRESP not in buffer:
        buffer += session.sock.recv(65_536)
    last_s = time.monotonic()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    say(
        {
            "kind": "done",
            "count": count,
            "first_s": first_s,
            "first_count": first_count,
            "last_s": last_s,
            "cpu_s": usage.ru_utime + usage.ru_stime - cpu_before_s,
        }
    )
    hear()


def main() -> None:
    """Entry point of the process: the order is its only argument."""
    run(Order(**json.loads(sys.argv[1])))


if __name__ == "__main__":
    main()
