"""The real servers under the bench, Mosquitto and PostgreSQL."""

import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil
import psycopg
from psycopg import sql

from bench import packets
from bench.children import ROOT, BenchError
from bench.costs import free_port
from storage.embedded import EmbeddedPostgres

SHIPPED_CONFIG: Final = ROOT / "config" / "mosquitto" / "local.conf"
_START_TIMEOUT_S: Final = 20.0
_OURS: Final = frozenset(
    {
        "listener", "port", "bind_address", "socket_domain", "protocol", "per_listener_settings", "include_dir",
        "persistence_location", "persistence_file", "pid_file", "log_dest", "log_type", "sys_interval", "user",
        "allow_anonymous", "password_file", "acl_file", "cafile", "capath", "certfile", "keyfile",
        "require_certificate",
    }
)  # fmt: skip
_FALLBACK: Final = (
    "persistence true",
    "autosave_interval 1800",
    "max_queued_messages 0",
    "max_queued_bytes 0",
    "max_inflight_messages 0",
    "max_inflight_bytes 0",
    "persistent_client_expiration 30d",
    "set_tcp_nodelay true",
)


class Mosquitto:
    """A real broker on a free loopback port, with the shipped settings and a persistence folder of its own."""

    def __init__(self, folder: Path, *, overrides: Iterable[str] = ()) -> None:
        self._folder = folder
        self._overrides = tuple(overrides)
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @staticmethod
    def binary() -> str:
        """The broker's program.

        Raises:
            BenchError: it is not installed.
        """
        found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
        if found is None:
            raise BenchError("mosquitto is not installed (Debian: apt-get install mosquitto)")
        return found

    @classmethod
    def version(cls) -> str:
        """The broker's version, as its help says it."""
        text = subprocess.run([cls.binary(), "-h"], capture_output=True, text=True, check=False).stdout
        return text.split("\n", 1)[0].removeprefix("mosquitto version ").strip()

    @staticmethod
    def settings(overrides: Iterable[str] = ()) -> tuple[str, ...]:
        """The settings in force: the shipped file without what ties it to a place, then the overrides."""
        lines = SHIPPED_CONFIG.read_text().splitlines() if SHIPPED_CONFIG.exists() else _FALLBACK
        chosen = {
            line.split()[0]: line.strip()
            for line in lines
            if line.strip() and not line.lstrip().startswith("#") and line.split()[0] not in _OURS
        }
        chosen.update({line.split()[0]: line for line in overrides})
        return tuple(chosen.values())

    @property
    def pid(self) -> int:
        """The broker's process id."""
        if self._process is None:
            raise BenchError("the broker is not running")
        return self._process.pid

    def start(self) -> None:
        """Starts the broker with an empty store and waits until it accepts a connection."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        self.port = free_port()
        config = self._folder / "mosquitto.conf"
        config.write_text(
            "\n".join(
                (
                    *self.settings(self._overrides),
                    f"listener {self.port} 127.0.0.1",
                    "allow_anonymous true",
                    f"persistence_location {self._folder}/",
                    f"log_dest file {self._folder / 'mosquitto.log'}",
                    "log_type error",
                    "log_type warning",
                    "sys_interval 1",
                    "user root",
                    "",
                )
            )
        )
        self._process = subprocess.Popen(
            [self.binary(), "-c", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                packets.connect(self.port, "bench-probe").sock.close()
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise BenchError(f"mosquitto did not start: {self.log()}") from None
                time.sleep(0.05)
            else:
                return

    def stored_messages(self, timeout_s: float = 5.0) -> int:
        """How many messages the broker still holds for anybody, its own $SYS ones included."""
        session = packets.connect(self.port, "bench-sys")
        session.sock.settimeout(timeout_s)
        try:
            packets.subscribe(session.sock, "$SYS/broker/store/messages/count")
            packet = packets.read_packet(session.sock)
            # The first is the retained value, up to a second old; the next is fresh when it has changed.
            value = int(getattr(packet, "payload", b"-1"))
            session.sock.settimeout(1.5)
            with suppress(TimeoutError):
                value = int(getattr(packets.read_packet(session.sock), "payload", b"-1"))
            return value
        finally:
            session.sock.close()

    def log(self) -> str:
        """The broker's warnings and errors."""
        path = self._folder / "mosquitto.log"
        return path.read_text(errors="replace")[-2000:] if path.exists() else ""

    def stop(self) -> None:
        """Stops the broker and throws its store away; a queue of millions is not written out first."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        shutil.rmtree(self._folder, ignore_errors=True)


@contextmanager
def mosquitto(folder: Path, *, overrides: Iterable[str] = ()) -> Iterator[Mosquitto]:
    """A broker for one run."""
    broker = Mosquitto(folder, overrides=overrides)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


class Postgres:
    """The embedded wheel's PostgreSQL, its data on disk, fsync and synchronous_commit on (checked)."""

    TEMPLATE: Final = "bench_template"

    def __init__(self, folder: Path) -> None:
        self._server = EmbeddedPostgres(folder)
        self._url = ""
        self._counter = 0
        self.settings: dict[str, str] = {}
        self.pid = 0

    def start(self) -> None:
        """Starts the server.

        Raises:
            BenchError: it does not write durably.
        """
        self._url = str(self._server.start())
        with psycopg.connect(self._url, autocommit=True) as connection:
            for name in ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers",
                         "max_wal_size", "wal_level", "data_checksums"):  # fmt: skip
                row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
                self.settings[name] = str(row[0]) if row else ""
            row = connection.execute("SELECT pg_backend_pid()").fetchone()
            parent = psutil.Process(int(row[0]) if row else 0).parent()
            if parent is None:
                raise BenchError("the database server's process was not found")
            self.pid = parent.pid
        if self.settings["fsync"] != "on" or self.settings["synchronous_commit"] != "on":
            raise BenchError("the database does not run with fsync and synchronous_commit on")

    def stop(self) -> None:
        """Stops the server."""
        self._server.stop()

    def url(self, database: str) -> str:
        """The address of one database."""
        head, _, options = self._url.partition("?")
        return head.rsplit("/", 1)[0] + f"/{database}" + (f"?{options}" if options else "")

    def create(self, name: str, *, template: str = "template1") -> str:
        """Creates a database and returns its address."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
            )
        return self.url(name)

    @contextmanager
    def database(self, *, template: str = "template1") -> Iterator[str]:
        """A fresh database for one run, dropped after it; a checkpoint first, so that all runs begin alike."""
        self._counter += 1
        name = f"bench_{self._counter}"
        url = self.create(name, template=template)
        try:
            with psycopg.connect(self._url, autocommit=True) as connection:
                connection.execute("CHECKPOINT")
            yield url
        finally:
            with psycopg.connect(self._url, autocommit=True) as connection:
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
