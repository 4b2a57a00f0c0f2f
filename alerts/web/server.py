"""The listener itself: uvicorn inside the event loop of the alerts role, stopped together with it."""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Iterator
from typing import Final

import structlog
import uvicorn
from starlette.types import ASGIApp

log = structlog.get_logger()

_STOP_TIMEOUT_S: Final = 5
_MAX_CONNECTIONS: Final = 512


class _Server(uvicorn.Server):
    """The role has the signals, not its listener."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class WebServer:
    """Serves an app until it is told to stop.

    Args:
        app: What answers.
        address: Where to listen: an address of this machine.
        port: 0 takes a free one; `port` tells which.
        tls: What it shows who connects; None: it speaks without TLS.
    """

    def __init__(self, app: ASGIApp, address: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._app = app
        self._address = address
        self._tls = tls
        self.port = port
        self.listening = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Serves until `stop` is set, then lets requests that are under way end.

        Raises:
            OSError: The address cannot be listened on.
        """
        family = socket.AF_INET6 if ":" in self._address else socket.AF_INET
        # The protocol is named, since asyncio turns Nagle's delay off only where it knows that it speaks TCP.
        with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self._address, self.port))
            listener.listen(_MAX_CONNECTIONS)
            self.port = listener.getsockname()[1]
            server = _Server(_config(self._app, self._tls))
            async with asyncio.TaskGroup() as tasks:
                serving = tasks.create_task(server.serve(sockets=[listener]), name="web")
                watching = tasks.create_task(self._watch(server, stop), name="web-stop")
                await serving
                watching.cancel()
        log.info("web_stopped")

    async def _watch(self, server: uvicorn.Server, stop: asyncio.Event) -> None:
        while not server.started and not server.should_exit:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        if server.started:
            log.info("web_listening", address=self._address, port=self.port)
            self.listening.set()
        await stop.wait()
        server.should_exit = True


def _config(app: ASGIApp, tls: ssl.SSLContext | None) -> uvicorn.Config:
    # Not only without handlers of its own: whoever gives it one must not get keys of pages.
    logging.getLogger("uvicorn.access").disabled = True
    return uvicorn.Config(
        app,
        # The path of a page is its key: it is never written down.
        access_log=False,
        log_config=None,
        # Whose address counts behind a proxy is decided where it matters (`WebOptions.proxies`).
        proxy_headers=False,
        server_header=False,
        ws="none",
        lifespan="on",
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
        limit_concurrency=_MAX_CONNECTIONS,
        backlog=_MAX_CONNECTIONS,
        timeout_keep_alive=20,
        timeout_graceful_shutdown=_STOP_TIMEOUT_S,
    )
