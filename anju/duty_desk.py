"""A small stand-in for a duty desk: takes the webhooks of the demo, checks their signatures, and says what came."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

_HEAD_MAX: Final = 16_384
_BODY_MAX: Final = 1_000_000
_READ_LIMIT_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One webhook that came in.

    Attributes:
        genuine: its signature was made with our secret.
        kind: the type of the message, such as `anju.alert.raised`.
        body: the message.
    """

    genuine: bool
    kind: str
    body: dict[str, object]


class DutyDesk:
    """An HTTP receiver on 127.0.0.1, open as long as the context."""

    def __init__(self, secret: str, *, received: Callable[[Received], None]) -> None:
        self._webhook = Webhook(secret)
        self._received = received
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_HEAD_MAX)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/alerts"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
            for writer in list(self._connections):
                writer.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while await self._answer(reader, writer):
                await writer.drain()
        except (OSError, EOFError, ValueError, TimeoutError, asyncio.LimitOverrunError):
            pass  # the caller hung up or spoke no HTTP
        finally:
            self._connections.discard(writer)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        lines = head.split("\r\n")
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
        }
        length = int(headers.get("content-length", "0"))
        if not lines[0].startswith("POST ") or not 0 <= length <= _BODY_MAX:
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return False
        async with asyncio.timeout(_READ_LIMIT_S):
            body = await reader.readexactly(length)
        found = self._read(body, headers)
        self._received(found)
        status = "204 No Content" if found.genuine else "401 Unauthorized"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        return True

    def _read(self, body: bytes, headers: dict[str, str]) -> Received:
        try:
            self._webhook.verify(body, headers)
        except WebhookVerificationError:
            return Received(genuine=False, kind="", body={})
        message = json.loads(body)
        if not isinstance(message, dict):
            raise ValueError("a webhook's body is an object")
        return Received(genuine=True, kind=str(message.get("type", "")), body=message)
