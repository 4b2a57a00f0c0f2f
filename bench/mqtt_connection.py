"""What ingest's own MQTT connection costs: messages a second from a real Mosquitto, and CPU per message read and acked.

    python -m bench.mqtt_connection [messages] [--uvloop]

The publishers are another process that sends prebuilt packets over MQTT 3.1.1, so that neither they nor the codec under
test limit what is measured. The broker shares the machine.
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import mqtt5

from ingest.mqtt.connection import Connection
from ingest.mqtt.framing import FrameReader
from ingest.mqtt.options import ConnectionOptions, Endpoint, Subscription
from ingest.mqtt.packets import acks
from ingest.mqtt.window import Delivery, Window

_PAYLOAD = b'{"at": "2026-11-21T08:15:00Z", "water_total_l": 12345.0, "battery_pct": 87, "note": "' + b"x" * 100 + b'"}'
_PUBLISHERS = 4
_AT_ONCE = 500


def read_and_ack_us(messages: int = 200_000) -> float:
    """CPU of framing, window and acknowledgement alone, without a socket."""
    packets = [
        mqtt5.PublishPacket(
            f"anju/meter-{number:06}/reading", _PAYLOAD, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=number + 1
        ).write()
        for number in range(500)
    ]
    data = b"".join(packets)
    frames, window = FrameReader(1024 * 1024), Window(20_000, 32 * 1024 * 1024)
    window.begin(1)
    started = time.process_time()
    for _ in range(messages // len(packets)):
        for chunk in frames.feed(data):
            window.arrived(Delivery.of(1, datetime.now(UTC), chunk.publishes, chunk.sizes))
        for delivery in window.take(5000):
            acks(window.acknowledge(1, delivery.packet_ids))
    return (time.process_time() - started) / messages * 1e6


def publish(port: int, messages: int) -> None:
    """Publish from a few connections, each waiting for the acknowledgements of one burst before the next."""
    connect = b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04ben"
    sockets, bursts = [], []
    for number in range(_PUBLISHERS):
        peer = socket.create_connection(("127.0.0.1", port))
        peer.sendall(connect + str(number).encode())
        peer.recv(4, socket.MSG_WAITALL)
        sockets.append(peer)
        topic = f"anju/meter-{number:06}/reading".encode()
        body = len(topic).to_bytes(2, "big") + topic
        size = len(body) + 2 + len(_PAYLOAD)
        head = b"\x32" + bytes([size & 0x7F | 0x80, size >> 7]) + body
        bursts.append(b"".join(head + packet_id.to_bytes(2, "big") + _PAYLOAD for packet_id in range(1, _AT_ONCE + 1)))
    sent = 0
    while sent < messages:
        for peer, burst in zip(sockets, bursts, strict=True):
            peer.sendall(burst)
        for peer in sockets:
            peer.recv(4 * _AT_ONCE, socket.MSG_WAITALL)
        sent += _AT_ONCE * _PUBLISHERS
    for peer in sockets:
        peer.close()


@contextlib.contextmanager
def mosquitto() -> Iterator[int]:
    """A broker on a free port, set up as config/mosquitto advises."""
    program = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if program is None:
        raise SystemExit("mosquitto is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "mosquitto.conf")
        config.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nlog_dest none\n"
            "max_queued_messages 0\nmax_inflight_messages 0\n"
        )
        with subprocess.Popen([program, "-c", str(config)]) as process:
            try:
                for _ in range(100):
                    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                        break
                    time.sleep(0.05)
                yield port
            finally:
                process.terminate()


async def receive(port: int, messages: int, commit_s: float, rest_s: float) -> dict[str, float]:
    """Receive everything that a publisher process sends, and acknowledge it after a pretended commit."""
    options = ConnectionOptions(
        client_id="bench", subscriptions=(Subscription("anju/#"),), session_expiry_s=0, rest_s=rest_s
    )
    connection = Connection(Endpoint.parse(f"mqtt://127.0.0.1:{port}"), options)
    running = asyncio.create_task(connection.run())
    while not connection.subscribed:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    publisher = multiprocessing.get_context("spawn").Process(target=publish, args=(port, messages))
    publisher.start()
    received = 0
    started = used = 0.0
    while received < messages:
        deliveries = await connection.receive(5000)
        if not received:
            started, used = time.perf_counter(), time.process_time()
        if commit_s:
            await asyncio.sleep(commit_s)
        for delivery in deliveries:
            received += len(delivery.packets)
            connection.ack(delivery.generation, delivery.packet_ids)
    elapsed, used = time.perf_counter() - started, time.process_time() - used
    await connection.close()
    await running
    publisher.join()
    return {
        "messages_per_s": round(messages / elapsed),
        "cpu_us_per_message": round(used / messages * 1e6, 2),
        "messages_per_read": round(connection.counters.messages / connection.counters.reads, 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("messages", type=int, nargs="?", default=300_000)
    parser.add_argument("--uvloop", action="store_true")
    parser.add_argument("--commit-ms", type=float, default=10.0, help="how long a pretended commit takes")
    parser.add_argument("--rest-ms", type=float, default=2.0, help="ConnectionOptions.rest_s")
    arguments = parser.parse_args()
    print(f"read and ack, no socket: {read_and_ack_us():.2f} us of CPU per message")
    with mosquitto() as port:
        if arguments.uvloop:
            import uvloop

            print(uvloop.run(receive(port, arguments.messages, arguments.commit_ms / 1000, arguments.rest_ms / 1000)))
        else:
            print(asyncio.run(receive(port, arguments.messages, arguments.commit_ms / 1000, arguments.rest_ms / 1000)))


if __name__ == "__main__":
    main()
