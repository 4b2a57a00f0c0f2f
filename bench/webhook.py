"""The receiver of a webhook, or of a provider: notes when each request has arrived whole, answers 204, judges nothing.

A process of its own (``python -m bench.webhook PORT``). Its clock is CLOCK_MONOTONIC, which all
processes of a machine share.
"""

import asyncio
import json
import re
import sys
import time
from typing import Final

from bench.children import say

_LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length:[ \t]*(\d+)")
_ANSWER: Final = b"HTTP/1.1 204 No Content\r\n\r\n"


class _Receiver(asyncio.Protocol):
    def __init__(self, calls: list[tuple[float, str]], answer_after_s: float) -> None:
        self._calls = calls
        self._answer_after_s = answer_after_s
        self._buffer = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.WriteTransport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (head_end := self._buffer.find(b"\r\n\r\n")) >= 0:
            found = _LENGTH.search(self._buffer, 0, head_end + 2)
            end = head_end + 4 + (int(found[1]) if found else 0)
            if len(self._buffer) < end:
                return
            if not self._calls:
                say({"kind": "first"})
            self._calls.append((time.monotonic(), self._buffer[head_end + 4 : end].decode(errors="replace")))
            self._buffer = self._buffer[end:]
            if self._answer_after_s:
                asyncio.get_running_loop().call_later(self._answer_after_s, self._answer)
            else:
                self._answer()

    def _answer(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(_ANSWER)


async def serve(port: int, answer_after_s: float) -> None:
    """Receives until the standard input ends; any line on it asks for all calls so far."""
    calls: list[tuple[float, str]] = []
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def asked() -> None:
        if sys.stdin.readline():
            say({"kind": "calls", "calls": calls})
        else:
            ended.set()

    server = await loop.create_server(lambda: _Receiver(calls, answer_after_s), "127.0.0.1", port)
    loop.add_reader(sys.stdin.fileno(), asked)
    say({"kind": "ready"})
    async with server:
        await ended.wait()


def main() -> None:
    """Entry point of the process."""
    order = json.loads(sys.argv[1])
    asyncio.run(serve(int(order["port"]), float(order.get("answer_after_s", 0.0))))


if __name__ == "__main__":
    main()
