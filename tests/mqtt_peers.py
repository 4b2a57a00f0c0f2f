"""What our MQTT connection is tested against beside real brokers: a publisher in plain bytes, a broker that lies."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from typing import Self

import mqtt5

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def publish_all(port: int, messages: Iterable[tuple[str, bytes]], *, at_once: int = 500) -> None:
    """Publish over MQTT 3.1.1 at QoS 1, in plain bytes, and wait until the broker has acknowledged all."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x00\x00\x04test")
    assert (await reader.readexactly(4))[3] == 0
    burst: list[bytes] = []

    async def flush() -> None:
        writer.write(b"".join(burst))
        await reader.readexactly(4 * len(burst))
        burst.clear()

    for topic, payload in messages:
        name = topic.encode()
        body = len(name).to_bytes(2, "big") + name + (len(burst) + 1).to_bytes(2, "big") + payload
        burst.append(b"\x32" + _length(len(body)) + body)
        if len(burst) == at_once:
            await flush()
    if burst:
        await flush()
    writer.write(b"\xe0\x00")
    writer.close()
    await writer.wait_closed()


def _length(value: int) -> bytes:
    encoded = bytearray()
    while True:
        value, digit = value >> 7, value & 0x7F
        encoded.append(digit | 0x80 if value else digit)
        if not value:
            return bytes(encoded)


class FakeBroker:
    """Accepts connections and plays a script on each; the last script goes on for ever.

    Attributes:
        port: where to connect.
        connections: how many there were.
    """

    def __init__(self, *scripts: Script) -> None:
        self.port = 0
        self.connections = 0
        self._scripts = list(scripts)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        script = self._scripts[min(self.connections, len(self._scripts) - 1)]
        self.connections += 1
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await script(reader, writer)
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            self._tasks.discard(task)


async def next_packet(reader: asyncio.StreamReader) -> mqtt5.Packet:
    """The next whole packet that a client sent."""
    data = bytearray()
    while True:
        data += await reader.readexactly(1)
        try:
            return mqtt5.read(memoryview(bytes(data)))[0]
        except IndexError:
            continue


async def until_disconnect(reader: asyncio.StreamReader) -> None:
    """Read on in silence until the client says goodbye."""
    while not isinstance(await next_packet(reader), mqtt5.DisconnectPacket):
        pass
