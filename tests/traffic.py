"""What tests publish, encoded here and not by the code under test, and the readings they expect to find."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from devices.quantities import WATER_TOTAL
from devices.registry import discover
from ingest.beacon import BEACON_PREFIX
from registry.applying import apply
from registry.importing import read_rows

Stored = set[tuple[str, datetime, float]]
"""Device, its time, litres: what a reading is known by."""

BUSY_BROKER: Final = "max_inflight_messages 0\nautosave_on_changes false\nautosave_interval 300"
"""For Mosquitto under load. Saving the queue after every message, as our tests do else, takes ever longer."""

_CONNACK, _PUBLISH, _PUBACK = 0x20, 0x30, 0x40
_PACKET_IDS: Final = 65_535


class Publisher:
    """Publishes at QoS 1 over MQTT 3.1.1, and again over the next connection until it is acknowledged.

    Args:
        port: of the broker on this machine.
        in_flight: messages sent and not acknowledged at most.
    """

    def __init__(self, port: int, *, in_flight: int = 1000) -> None:
        self.acknowledged = 0
        self.connections = 0
        self._port = port
        self._in_flight = in_flight
        self._ids = itertools.cycle(range(1, _PACKET_IDS + 1))
        self._unacked: dict[int, bytes] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._room = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._keep_connected())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Hands a message over; it is on its way as soon as this returns and a connection stands."""
        if len(self._unacked) >= self._in_flight:
            async with self._room:
                await self._room.wait_for(lambda: len(self._unacked) < self._in_flight)
        packet_id = next(each for each in self._ids if each not in self._unacked)
        packet = _publish(topic, payload, packet_id, retain=retain)
        self._unacked[packet_id] = packet
        if self._writer is not None:
            self._writer.write(packet)

    async def drain(self, timeout_s: float = 60.0) -> None:
        """Waits until the broker has acknowledged everything."""
        async with asyncio.timeout(timeout_s), self._room:
            await self._room.wait_for(lambda: not self._unacked)

    async def _keep_connected(self) -> None:
        while True:
            try:
                reader, writer = await _connect(self._port, f"test-{id(self)}", clean=True)
            except (OSError, EOFError):
                await asyncio.sleep(0.05)
                continue
            self.connections += 1
            try:
                for packet in list(self._unacked.values()):
                    writer.write(bytes([packet[0] | (0x08 if self.connections > 1 else 0)]) + packet[1:])
                self._writer = writer
                await self._read_acks(reader)
            except (OSError, EOFError):
                await asyncio.sleep(0.05)
            finally:
                self._writer = None
                writer.close()

    async def _read_acks(self, reader: asyncio.StreamReader) -> None:
        while True:
            kind, body = await _packet(reader)
            if kind & 0xF0 == _PUBACK and self._unacked.pop(int.from_bytes(body, "big"), None) is not None:
                self.acknowledged += 1
                if len(self._unacked) in (0, self._in_flight - 1):
                    async with self._room:
                        self._room.notify_all()


class Meters:
    """Meters that publish readings, each with a time of its own, and what must be in the table for it.

    Args:
        count: how many.
        start: the time of the first reading.
        prefix: of the devices' names.
    """

    def __init__(self, count: int, *, start: datetime | None = None, prefix: str = "meter") -> None:
        self.names = [f"{prefix}-{number}" for number in range(count)]
        self.published: Stored = set()
        self._start = start or datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
        self._numbers = itertools.count()

    def next(self) -> tuple[str, bytes]:
        """Topic and payload of one more reading."""
        number = next(self._numbers)
        name = self.names[number % len(self.names)]
        at = self._start + timedelta(milliseconds=number)
        self.published.add((name, at, float(number)))
        stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return f"anju/{name}/reading", f'{{"at":"{stamp}","water_total_l":{number}}}'.encode()

    async def flood(self, publisher: Publisher, *, per_s: float, stop: asyncio.Event) -> None:
        """Publishes at a rate until `stop` is set; falls behind while the broker is away."""
        loop = asyncio.get_running_loop()
        while not stop.is_set():
            until = loop.time() + 0.01
            for _ in range(max(1, round(per_s * 0.01))):
                await publisher.publish(*self.next())
            await asyncio.sleep(max(0.0, until - loop.time()))

    async def publish(self, publisher: Publisher, count: int) -> None:
        """Publishes a number of readings as fast as the broker takes them."""
        for _ in range(count):
            await publisher.publish(*self.next())


@contextlib.asynccontextmanager
async def flooding(meters: Meters, publisher: Publisher, *, per_s: float) -> AsyncIterator[None]:
    """Inside, the meters publish; when it is left, the broker has acknowledged all they published."""
    stop = asyncio.Event()
    task = asyncio.create_task(meters.flood(publisher, per_s=per_s, stop=stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 60)
    await publisher.drain()


async def add_devices(database: AsyncConnection[TupleRow], names: Iterable[str]) -> None:
    """Writes devices that no home has."""
    async with database.cursor() as cursor:
        await cursor.executemany("INSERT INTO device (name, driver) VALUES (%s, 'native')", [(name,) for name in names])


async def stored(database: AsyncConnection[TupleRow]) -> Stored:
    """Every water reading in the table. The key makes sure that there are no two of one instant."""
    cursor = await database.execute(
        "SELECT d.name, r.measured_at, r.value FROM reading r JOIN device d USING (device_id) WHERE r.quantity = %s",
        [WATER_TOTAL.code],
    )
    return {(name, at, value) for name, at, value in await cursor.fetchall()}


async def count(database: AsyncConnection[TupleRow], query: str = "SELECT count(*) FROM reading") -> int:
    """What a query counts."""
    row = await (await database.execute(query)).fetchone()
    assert row is not None
    return int(row[0])


def assert_stored(found: Stored, published: Stored) -> None:
    """Exactly the published readings are stored; says what is missing or too much without printing thousands."""
    missing, surplus = published - found, found - published
    assert not missing, f"{len(missing)} of {len(published)} missing, e.g. {sorted(missing)[:3]}"
    assert not surplus, f"{len(surplus)} too many, e.g. {sorted(surplus)[:3]}"


def press(event: str = "button_press", **fields: object) -> bytes:
    """The payload of an event."""
    return json.dumps({"event": event, **fields}).encode()


async def left_in_session(port: int, client_id: str, sentinel_topic: str) -> list[str]:
    """Topics of what the broker still holds for a session whose owner is gone: what comes before a sentinel does.

    A beacon of its own that was on its way when it stopped is none of it: nobody misses that.

    Args:
        port: of the broker on this machine.
        client_id: of the session; the probe takes it over and leaves it empty.
        sentinel_topic: one that the session subscribes to.
    """
    marker = f"sentinel {client_id}".encode()
    reader, writer = await _connect(port, client_id, clean=False)
    async with Publisher(port) as publisher:
        await publisher.publish(sentinel_topic, marker)
        left: list[str] = []
        try:
            async with asyncio.timeout(20):
                while True:
                    kind, body = await _packet(reader)
                    if kind & 0xF0 != _PUBLISH:
                        continue
                    topic_end = 2 + int.from_bytes(body[:2], "big")
                    topic, rest = body[2:topic_end].decode(), body[topic_end:]
                    if kind & 0x06:
                        writer.write(bytes([_PUBACK, 2]) + rest[:2])
                        rest = rest[2:]
                    if rest == marker:
                        return left
                    if not topic.startswith(BEACON_PREFIX):
                        left.append(topic)
        finally:
            with contextlib.suppress(OSError):
                await writer.drain()
            writer.close()


async def listen(port: int, topic_filter: str, heard: Callable[[str, bytes], Awaitable[None] | None]) -> None:
    """Calls `heard` with what is published under a filter, until it is cancelled."""
    reader, writer = await _connect(port, f"test-listener-{id(heard)}", clean=True)
    try:
        name = topic_filter.encode()
        body = b"\0\1" + len(name).to_bytes(2, "big") + name + b"\0"
        writer.write(b"\x82" + _length(len(body)) + body)
        while True:
            kind, packet = await _packet(reader)
            if kind & 0xF0 == _PUBLISH:
                end = 2 + int.from_bytes(packet[:2], "big")
                answer = heard(packet[2:end].decode(), packet[end:])
                if answer is not None:
                    await answer
    finally:
        writer.close()


async def _connect(port: int, client_id: str, *, clean: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    name = client_id.encode()
    body = b"\0\4MQTT\4" + (b"\2" if clean else b"\0") + b"\0\0" + len(name).to_bytes(2, "big") + name
    with contextlib.ExitStack() as unless_connected:
        unless_connected.callback(writer.close)
        writer.write(b"\x10" + _length(len(body)) + body)
        kind, answer = await _packet(reader)
        if kind != _CONNACK or answer[1]:
            raise OSError(f"refused: {answer!r}")
        unless_connected.pop_all()
    return reader, writer


def _publish(topic: str, payload: bytes, packet_id: int, *, retain: bool = False) -> bytes:
    name = topic.encode()
    body = len(name).to_bytes(2, "big") + name + packet_id.to_bytes(2, "big") + payload
    return bytes([0x33 if retain else 0x32]) + _length(len(body)) + body


def _length(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes([*encoded, value])


async def _packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    kind = (await reader.readexactly(1))[0]
    length, shift = 0, 0
    while True:
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return kind, await reader.readexactly(length)


async def install(
    database: AsyncConnection[TupleRow],
    devices: Iterable[str],
    *,
    interval_s: int = 0,
    installed_at: datetime | None = None,
    area: str = "City/District/Street/Community",
) -> None:
    """Imports devices, each into a home of its own named after it.

    Args:
        database: where to.
        devices: their names.
        interval_s: how often they report; 0: only when something happens.
        installed_at: since when they serve their homes; None: from now on.
        area: of the homes.
    """
    lines = [f"{area},home of {name},{name},{interval_s}" for name in devices]
    content = "\n".join(["area,home,device,interval_s", *lines, ""]).encode()
    rows = read_rows(content, drivers=discover().by_name)
    await apply(database, rows, now=datetime.now(UTC), installed_at=installed_at)
