"""A TCP proxy that tests put between us and a server, to cut, slow down, stall and garble what passes."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Self


class TcpProxy:
    """Listens on a port of its own on 127.0.0.1 and passes bytes to a server there.

    Attributes:
        port: where to connect.
        connections: how many have been accepted.
        step_bytes: how many bytes are passed on at once, in either direction.
        delay_s: pause before each.
        garble: what the server's bytes are turned into before they are passed on.
    """

    def __init__(self, server_port: int) -> None:
        self.port = 0
        self.connections = 0
        self.step_bytes = 65_536
        self.delay_s = 0.0
        self.garble: Callable[[bytes], bytes] = bytes
        self._server_port = server_port
        self._passing = asyncio.Event()
        self._passing.set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Cut everything and refuse new connections; `start` listens on the same port again."""
        if self._server:
            self._server.close()
            self._server = None
        await self.cut()

    async def start(self) -> None:
        """Listen again after `stop`."""
        await self.__aenter__()

    async def cut(self) -> None:
        """End all connections at once, with what is under way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def stall(self) -> None:
        """Keep the connections but pass nothing until `flow`."""
        self._passing.clear()

    def flow(self) -> None:
        """Pass bytes again."""
        self._passing.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        writers = [writer]
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
            writers.append(server_writer)
            async with asyncio.TaskGroup() as passing:
                passing.create_task(self._pass(reader, server_writer, bytes))
                passing.create_task(self._pass(server_reader, writer, lambda data: self.garble(data)))
        except (ExceptionGroup, OSError, asyncio.CancelledError):
            pass
        finally:
            for each in writers:
                each.transport.abort()
                with contextlib.suppress(OSError):
                    await each.wait_closed()
            self._tasks.discard(task)

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, change: Callable[[bytes], bytes]
    ) -> None:
        while data := await reader.read(65_536):
            data = change(data)
            while data:
                await self._passing.wait()
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                writer.write(data[: self.step_bytes])
                await writer.drain()
                data = data[self.step_bytes :]
        raise ConnectionResetError("one side has closed")
