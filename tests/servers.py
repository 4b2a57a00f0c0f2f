"""Real servers for tests: each on its own port and folder, none left behind."""

import asyncio
import contextlib
import inspect
import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NoReturn, Self

import psutil
import psycopg
import pytest
from psycopg import sql

from storage.embedded import EmbeddedPostgres, processes_on
from storage.embedded_binaries import Binaries, server_account

REPOSITORY: Final = Path(__file__).resolve().parent.parent
SHARED: Final = REPOSITORY.parent / "shared"
#: Every process that a test starts inherits it; see `processes_of_this_run`.
RUN_MARK: Final = "ANJU_TEST_RUN"


def missing(reason: str) -> NoReturn:
    """Skips the test for want of a server; fails it where ANJU_TEST_REQUIRE_SERVERS=1 says that all must be there."""
    if os.environ.get("ANJU_TEST_REQUIRE_SERVERS") == "1":
        pytest.fail(f"a server is required but missing: {reason}")
    pytest.skip(reason)


def _candidates() -> Iterator[int]:
    """Ports below those that systems give to outgoing connections; each worker of a run has a range of its own."""
    width = 2_000
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 10
    start = random.SystemRandom().randrange(width)  # another run on this machine begins elsewhere
    return itertools.cycle(10_000 + worker * width + (start + step) % width for step in range(width))


_ports: Final = _candidates()


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on right now, and that this run does not give out again soon."""
    for port in _ports:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("unreachable: the ports go round")


def listens(port: int) -> bool:
    """Whether something takes connections on 127.0.0.1:port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.5):
        return True
    return False


async def eventually(predicate: Callable[[], Any], timeout_s: float = 5.0, *, interval_s: float = 0.02) -> Any:
    """Waits until a condition (plain or async) returns something true, and returns that.

    Raises:
        AssertionError: it still did not at the deadline; the text has what it returned last.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        answer = predicate()
        value = await answer if inspect.isawaitable(answer) else answer
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {inspect.getsource(predicate).strip()} (last: {value!r})")
        await asyncio.sleep(interval_s)


def wait_until(predicate: Callable[[], object], timeout_s: float = 5.0, *, interval_s: float = 0.02) -> None:
    """`eventually` for code without an event loop."""
    deadline = time.monotonic() + timeout_s
    while not predicate():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s")
        time.sleep(interval_s)


@contextlib.contextmanager
def server_folder() -> Iterator[Path]:
    """A folder that the account of a server may enter, unlike pytest's own `tmp_path` when we are root."""
    folder = Path(tempfile.mkdtemp(prefix="anju-test-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_program(beside: Path, program: str, *arguments: str) -> str:
    """Runs a program of the embedded PostgreSQL (`pg_dump`, ...) as its account; returns what it said."""
    account = server_account(beside)
    return Binaries.reachable_by(account, copy_beside=beside).run(account, program, *arguments)


def make_room(room: Path) -> Path:
    """A folder that the account of the embedded PostgreSQL may write to."""
    room.mkdir(mode=0o700)
    server_account(room).own(room)
    return room


class Postgres(EmbeddedPostgres):
    """The embedded PostgreSQL, with the cruelties that tests need. Its port stays the same over restarts."""

    def __init__(
        self,
        data_dir: Path,
        *,
        durable: bool,
        settings: Mapping[str, str] = MappingProxyType({}),
        port: int | None = None,
    ) -> None:
        careless = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        super().__init__(
            data_dir,
            port=port or free_port(),
            settings={"max_connections": "100"} | ({} if durable else careless) | dict(settings),
        )

    def run_program(self, program: str, *arguments: str) -> str:
        """Runs one that came with the server as its account; returns what it said."""
        return run_program(self.data_dir, program, *arguments)

    def make_room(self, name: str) -> Path:
        """A folder beside the data that the server's account may write to."""
        return make_room(self.data_dir.with_name(name))

    def crash(self) -> None:
        """Kill -9 of the server and all its processes, as a power cut does it."""
        victims = list(processes_on(self.data_dir))
        for victim in victims:
            # Stopped first, so that the main process does not tidy up after the first victim.
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.suspend()
        for victim in victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.kill()
        psutil.wait_procs(victims, timeout=10)
        self.stop()

    async def restart(self, after_s: float = 0.0) -> None:
        """Starts the server again on the same port, after a while."""
        await asyncio.sleep(after_s)
        await asyncio.to_thread(self.start)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Inside, the server answers nothing but its connections stay open (SIGSTOP)."""
        victims = list(processes_on(self.data_dir))
        for victim in victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.suspend()
        try:
            yield
        finally:
            for victim in victims:
                with contextlib.suppress(psutil.NoSuchProcess):
                    victim.resume()

    def create_database(self, name: str | None = None, *, template: str | None = None) -> str:
        """Makes a database and returns its URL."""
        name = name or f"test_{uuid.uuid4().hex[:16]}"
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
            sql.Identifier(name), sql.Identifier(template or "template0")
        )
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)
        return self.url_of(name)

    def drop_database(self, name: str) -> None:
        """Drops a database, whoever is still connected."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def url_of(self, name: str) -> str:
        """The URL of a database of this server."""
        return f"{self.url.rpartition('/')[0]}/{name}"


class Mosquitto:
    """A real Mosquitto with a persistence folder and a port of its own, the same over restarts.

    Args:
        folder: holds configuration, persistence and log.
        config: further lines for mosquitto.conf.
        default: whether the lines come on top of our test defaults (anonymous access, unbounded queues, persistence
            saved after every change); without, `config` must hold everything but the listener.
    """

    def __init__(self, folder: Path, config: str = "", *, default: bool = True) -> None:
        program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
        if program is None:
            missing("Mosquitto is not installed")
        self.program = program
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        lines = [f"listener {self.port} 127.0.0.1"]
        if os.geteuid() == 0:
            lines.append("user root")  # else it becomes another account, which cannot write to the folder
        if default:
            lines += [
                "allow_anonymous true",
                "max_queued_messages 0",
                "max_queued_bytes 0",
                "persistence true",
                f"persistence_location {folder}/",
                "autosave_on_changes true",
                "autosave_interval 1",
                "set_tcp_nodelay true",
                "log_type error",
                "log_type warning",
            ]
        (folder / "mosquitto.conf").write_text("\n".join([*lines, config, ""]), encoding="utf-8")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None, "not running"
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has written so far."""
        return (self.folder / "mosquitto.log").read_text(encoding="utf-8", errors="replace")

    def start(self) -> str:
        """Starts it and waits until it listens."""
        assert self._process is None, "already running"
        with (self.folder / "mosquitto.log").open("ab") as output:
            self._process = subprocess.Popen(
                [self.program, "-c", str(self.folder / "mosquitto.conf")],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + 20
        while not listens(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"Mosquitto does not listen; it says:\n{self.log}")
            time.sleep(0.02)
        return self.url

    def stop(self) -> None:
        """An orderly stop: what is queued is written to the persistence folder. May be called twice."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill -9: what was not yet written is lost."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """An orderly stop, and a start on the same port."""
        self.stop()
        self.start()

    def save(self) -> None:
        """Asks it to write its persistence file now (SIGUSR1)."""
        os.kill(self.pid, signal.SIGUSR1)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Inside, it answers nothing but its connections stay open (SIGSTOP)."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def _end(self, sign: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        process.send_signal(sign)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def processes_of_this_run() -> list[psutil.Process]:
    """Processes that tests started and that still live: our descendants, and those that outlived their parent."""
    mark, temporary = os.environ[RUN_MARK], os.environ["TMPDIR"]
    ours = set(psutil.Process().children(recursive=True))
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            is_marked = process.environ().get(RUN_MARK) == mark and process.pid != os.getpid()
            # PostgreSQL gets an environment of its own, but works in a folder of this run.
            if is_marked or (process.name() == "postgres" and Path(process.cwd()).is_relative_to(temporary)):
                ours.add(process)
    return [process for process in ours if process.status() != psutil.STATUS_ZOMBIE]
