"""Commands as processes without the second that each spends on imports: one process has them and forks for each.

Run as a module it is that process: it listens on a UNIX socket until its standard input ends, and starts no thread, so
that a fork of it is whole. What it forks is a process as any other: an environment, descriptors and an end of its own.
"""

import array
import contextlib
import functools
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final, Self

from tests.servers import REPOSITORY, wait_until

PACKAGES: Final = ("anju", "alerts", "config", "devices", "ingest", "registry", "rules", "storage")
_FURTHER: Final = ("psycopg", "alembic.command", "rich.table", "sqlalchemy.dialects.postgresql.psycopg")
_MOST_BYTES: Final = 1 << 20


class WarmCommands:
    """The process that forks, from here until the end of the context."""

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="anju-warm-")
        self._path = Path(self._folder.name) / "asked"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm_commands", str(self._path)],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        wait_until(lambda: self._path.exists() or self._process.poll() is not None, 60)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._folder.cleanup()

    def run(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        out: IO[bytes],
        err: IO[bytes],
        timeout_s: float,
    ) -> int:
        """Runs `anju` to its end and returns its exit code, negative where a signal ended it.

        Raises:
            TimeoutError: It took longer, and is killed.
        """
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asked:
            asked.settimeout(timeout_s)
            asked.connect(str(self._path))
            request = json.dumps({"arguments": list(arguments), "environment": dict(environment)}).encode()
            descriptors = array.array("i", [out.fileno(), err.fileno()])
            asked.sendmsg([request], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
            pid = int(asked.recv(64))
            try:
                return int(asked.recv(64))
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise


_started = contextlib.ExitStack()


@functools.cache
def warm_commands() -> WarmCommands:
    """The one that all tests share, started with the first command."""
    return _started.enter_context(WarmCommands())


def end_warm_commands() -> None:
    """Ends it, if any test has started it."""
    _started.close()
    warm_commands.cache_clear()


def _import_all() -> None:
    for package in PACKAGES:
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if not module.name.endswith("__main__") and ".migrations" not in module.name:
                importlib.import_module(module.name)
    for name in _FURTHER:
        importlib.import_module(name)
    assert threading.active_count() == 1, "a fork would lack the other threads"


def _serve(path: str) -> dict[str, Any] | None:
    """Forks for every request. Returns the request in the forked process, None in this one at its end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(f"{path}.new")
        listener.listen(64)
        Path(f"{path}.new").rename(path)  # who sees it can connect
        while sys.stdin not in (ready := select.select([listener, sys.stdin], [], [])[0]):
            if listener in ready:
                asked, _ = listener.accept()
                with asked:
                    if os.fork() == 0:
                        listener.close()
                        return _attend(asked)
        return None


def _attend(asked: socket.socket) -> dict[str, Any] | None:
    """Waits for one command, itself a fork, so that commands may run side by side."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    said, [(_, _, attached)], _, _ = asked.recvmsg(_MOST_BYTES, socket.CMSG_SPACE(2 * array.array("i").itemsize))
    if (pid := os.fork()) == 0:
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, descriptor in enumerate((nothing, *array.array("i", attached))):
            os.dup2(descriptor, number)
            os.close(descriptor)
        request: dict[str, Any] = json.loads(said)
        return request
    asked.send(str(pid).encode())
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with contextlib.suppress(OSError):  # who asked waits no longer
        asked.send(str(code).encode())
    os._exit(0)


if __name__ == "__main__":
    _import_all()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that attend
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if (request := _serve(sys.argv[1])) is not None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.environ.clear()
        os.environ.update(request["environment"])
        time.tzset()
        sys.argv = ["anju", *request["arguments"]]
        runpy.run_module("anju", run_name="__main__", alter_sys=True)
