"""The roles as processes, started as an operator does, to be stopped, killed and frozen; and whom they tell."""

import base64
import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final, Literal, Self

import psutil
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from pydantic import JsonValue
from standardwebhooks import Webhook

from tests import warm
from tests.servers import REPOSITORY, eventually
from tests.warm import WarmProcess

SECRET: Final = "whsec_" + base64.b64encode(b"what tests sign their hooks with").decode()
Role = Literal["ingest", "rules", "alerts", "probe", "keep"]


class Stage:
    """One role as a process. It ends when this process does, however that ends.

    Args:
        role: which.
        folder: for its log.
        environment: `ANJU_*` settings.
        name: of the log, where several of a role run; also the worker's id.
        cold: whether its memory has nothing but what it asks for itself.
        source: the folder of the release that it is.
    """

    def __init__(
        self,
        role: Role,
        folder: Path,
        environment: Mapping[str, str],
        *,
        name: str | None = None,
        cold: bool = False,
        source: Path = REPOSITORY,
    ) -> None:
        self.role = role
        self._cold = cold
        self._source = source
        self.name = name or role
        self._log = folder / f"{self.name}.log"
        self._environment = {**os.environ, "ANJU_WORKER_ID": self.name, "ANJU_LOG_FORMAT": "json", **environment}
        self._process: WarmProcess | None = None
        self._lifeline: int | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def rss_bytes(self) -> int:
        """Its resident memory."""
        assert self._process is not None, "not running"
        return int(psutil.Process(self._process.pid).memory_info().rss)

    def start(self) -> None:
        """Starts it; does not wait until it works."""
        assert not self.running, f"{self.name} runs already"
        with self._log.open("ab") as output:
            stdin, self._lifeline = os.pipe()
            try:
                self._process = warm.start(
                    *("anju", self.role, "--stop-with-stdin"),
                    cold=self._cold,
                    source=self._source,
                    environment=self._environment,
                    stdin=stdin,
                    out=output,
                    err=output,
                )
            finally:
                os.close(stdin)

    def stop(self) -> int:
        """SIGTERM, as a service manager does; returns the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill -9."""
        self._end(signal.SIGKILL)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Inside, it does nothing, but all it holds stays held (SIGSTOP)."""
        assert self._process is not None, "not running"
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def _end(self, sign: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(sign)
        try:
            return process.wait(20)
        except TimeoutError:
            process.end()
            raise AssertionError(f"{self.name} did not end within 20 s of {sign.name}; it says:\n{self.log}") from None
        finally:
            if self._lifeline is not None:
                os.close(self._lifeline)
                self._lifeline = None


def settings(database_url: str, mqtt_url: str, **more: object) -> dict[str, str]:
    """Settings as environment; `late_window_days=5` becomes ANJU_LATE_WINDOW_DAYS."""
    named = {f"ANJU_{name.upper()}": str(value) for name, value in more.items()}
    return {"ANJU_DATABASE_URL": database_url, "ANJU_MQTT_URL": mqtt_url, **named}


async def listening(database: AsyncConnection[TupleRow], *workers: str, timeout_s: float = 30.0) -> None:
    """Waits until the urgent session of each worker, and the bulk session, have heard themselves."""

    async def all_heard() -> bool:
        cursor = await database.execute("SELECT lane, worker FROM hearing")
        heard = set(await cursor.fetchall())
        return {("bulk", ""), *(("urgent", worker) for worker in workers)} <= heard

    await eventually(all_heard, timeout_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One request that a hook received."""

    at: float
    headers: dict[str, str]
    body: bytes

    def message(self) -> dict[str, JsonValue]:
        """Its content, once its signature is found right."""
        Webhook(SECRET).verify(self.body, self.headers)
        content: dict[str, JsonValue] = json.loads(self.body)
        return content


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One message about an alert, as it was received; `home` is that of `tests.traffic.install`, by its device."""

    home: str
    kind: str
    message_id: str
    at: float


@dataclass(slots=True)
class Hook:
    """A receiver of webhooks on a port of its own; 0: any that is free."""

    posts: list[Post] = field(default_factory=list)
    port: int = 0
    _server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        posts = self.posts

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", "0")))
                headers = {name.lower(): value for name, value in self.headers.items()}
                posts.append(Post(at=time.monotonic(), headers=headers, body=body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name is the base class's)
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    def told(self, kind: str | None = None) -> list[Told]:
        """What was received about alerts, of one kind or of all, in order; each must be signed."""
        found = []
        for post in list(self.posts):
            data = post.message()["data"]
            assert isinstance(data, dict)
            home = str(data["home"]).removeprefix("home of ")
            found.append(Told(home=home, kind=str(data["kind"]), message_id=post.headers["webhook-id"], at=post.at))
        return [each for each in found if kind in (None, each.kind)]

    def homes_told(self, kind: str = "sos") -> set[str]:
        """The homes with an alert of a kind that was received."""
        return {each.home for each in self.told(kind)}

    @property
    def url(self) -> str:
        """Where it listens, or will."""
        assert self.port, "neither entered nor given a port"
        return f"http://127.0.0.1:{self.port}/hook"
