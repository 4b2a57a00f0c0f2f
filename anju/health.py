"""What a role answers on its metrics port: `/metrics`, `/healthz` (its event loop turns), `/readyz` (it does its work).

What readiness asks of a role's loops is what they say of themselves in metrics: there is no second account of it.
The answers are given from threads of their own, so that a loop that stands still can be told from a process that is
gone.
"""

import asyncio
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import psycopg
from prometheus_client import REGISTRY, make_wsgi_app

from storage import migrate
from storage.pool import conninfo

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

#: Says what is missing, for operators: no secrets, no addresses. None: nothing is.
Condition = Callable[[], str | None]

BEAT_EVERY_S: Final = 1.0
#: A loop that stands still for longer is not alive. A whole batch takes a tenth of it.
BEAT_LOST_AFTER_S: Final = 15.0
#: The slowest loop that is asked turns every 10 s, and waits 60 s for a statement before it gives up.
TURN_LOST_AFTER_S: Final = 90.0
#: Ingest commits a beacon every 10 s.
HEARING_LOST_AFTER_S: Final = 60.0
_DATABASE_WITHIN_S: Final = 2.0
_SLOW_CLIENT_S: Final = 10.0
_TEXT: Final = [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")]


class Heartbeat:
    """Whether an event loop turns."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last_s = clock()

    async def keep(self) -> None:
        """Beats until cancelled; run it as a task of the loop."""
        while True:
            self._last_s = self._clock()
            await asyncio.sleep(BEAT_EVERY_S)

    def lost(self) -> str | None:
        """What is wrong; None: the loop turns."""
        still_s = self._clock() - self._last_s
        return f"the event loop stands still for {still_s:.0f} s" if still_s > BEAT_LOST_AFTER_S else None


class DatabaseReady:
    """Whether the database answers and has the schema of this release, or of a later one during an upgrade."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._asked = threading.Lock()

    def __call__(self) -> str | None:
        """Asks; one caller at a time, so that nobody can open connections at will."""
        with self._asked:
            try:
                found = self._revision()
            except psycopg.errors.UndefinedTable:
                return "database: it has no schema"
            except psycopg.Error as error:
                return f"database: it does not answer ({type(error).__name__})"
        needed = migrate.head()
        if found is None or found < needed:
            return f"database: it is at revision {found}, this release needs {needed}"
        return None

    def _revision(self) -> str | None:
        asked = conninfo(
            self._url,
            application_name="anju health",
            connect_timeout_s=_DATABASE_WITHIN_S,
            statement_timeout_s=_DATABASE_WITHIN_S,
        )
        with psycopg.connect(asked) as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return None if row is None else str(row[0])


def loops_turn(metric: str, loops: Sequence[str], clock: Callable[[], float] = time.time) -> Condition:
    """That each loop has finished a turn of late, by its `..._loop_turned_timestamp_seconds`."""

    def missing() -> str | None:
        turned = {labels["loop"]: at for labels, at in _values(metric)}
        late = [loop for loop in loops if clock() - turned.get(loop, 0.0) > TURN_LOST_AFTER_S]
        return f"loops: {', '.join(late)} did not turn for {TURN_LOST_AFTER_S:.0f} s" if late else None

    return missing


def brokers_heard(brokers: Sequence[str]) -> Condition:
    """That the urgent session of each broker has every topic, and that what it hears is being stored."""

    def missing() -> str | None:
        subscribed = {labels["broker"]: yes for labels, yes in _urgent("anju_ingest_subscribed")}
        lag_s = {labels["broker"]: lag for labels, lag in _urgent("anju_ingest_hearing_lag_seconds")}
        for number, broker in enumerate(brokers, 1):
            if not subscribed.get(broker):
                return f"broker {number}: no session with all its topics"
            if broker not in lag_s or lag_s[broker] > HEARING_LOST_AFTER_S:
                return f"broker {number}: what it sends is not stored"
        return None

    return missing


def channels_there(channels: Sequence[str]) -> Condition:
    """That there is a way out to people."""
    return lambda: None if channels else "channels: none is set, so nobody can be told"


def _urgent(metric: str) -> Iterable[tuple[dict[str, str], float]]:
    return [(labels, value) for labels, value in _values(metric) if labels["lane"] == "urgent"]


def _values(metric: str) -> Iterable[tuple[dict[str, str], float]]:
    for family in REGISTRY.collect():
        if family.name == metric:
            yield from ((sample.labels, sample.value) for sample in family.samples)


def make_app(heartbeat: Heartbeat, conditions: Sequence[Condition]) -> "WSGIApplication":
    """The three answers as a WSGI application."""
    metrics = make_wsgi_app()

    def faults_of(asked: Iterable[Condition]) -> list[str]:
        return [fault for condition in asked if (fault := condition()) is not None]

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
            return _said(start_response, "405 Method Not Allowed", "GET or HEAD")
        match environ["PATH_INFO"]:
            case "/metrics":
                found: Iterable[bytes] = metrics(environ, start_response)
                return found
            case "/healthz":
                faults = faults_of([heartbeat.lost])
            case "/readyz":
                faults = faults_of([heartbeat.lost, *conditions])
            case _:
                return _said(start_response, "404 Not Found", "/metrics, /healthz, /readyz")
        if faults:
            return _said(start_response, "503 Service Unavailable", "\n".join(faults))
        return _said(start_response, "200 OK", "ok")

    return answer


def _said(start_response: "StartResponse", status: str, text: str) -> list[bytes]:
    body = f"{text}\n".encode()
    start_response(status, [*_TEXT, ("Content-Length", str(len(body)))])
    return [body]


class _Handler(WSGIRequestHandler):
    timeout = _SLOW_CLIENT_S

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name is the base class's)
        """Says nothing: somebody asks every few seconds."""


def serve(address: str, port: int, app: "WSGIApplication", tls: ssl.SSLContext | None = None) -> WSGIServer:
    """Answers from a thread of its own until the process ends or the server is shut down.

    Args:
        address: where to listen.
        port: 0 takes a free one.
        app: what answers.
        tls: what it shows who connects; None: it speaks without TLS.

    Raises:
        OSError: the address cannot be listened on.
    """

    class Server(ThreadingMixIn, WSGIServer):
        address_family = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            # Who hangs up, or speaks no TLS where it is asked for, is no fault of this process.
            if not isinstance(sys.exc_info()[1], OSError):
                super().handle_error(request, client_address)  # type: ignore[arg-type]

    server = make_server(address, port, app, server_class=Server, handler_class=_Handler)
    if tls is not None:
        # Hands are shaken in the thread of the connection, within its time: who stays silent keeps nobody else waiting.
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server
