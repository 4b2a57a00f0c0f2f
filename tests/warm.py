"""Processes of Anju without the seconds that each spends on imports: one process has them and forks for each.

Run as a module it is that process: it listens on a UNIX socket until its standard input ends, and starts no thread, so
that a fork of it is whole. What it forks is a process as any other: environment, descriptors, signals and end are its
own, and it may be killed and frozen.
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

_PACKAGES: Final = ("anju", "alerts", "config", "devices", "ingest", "registry", "rules", "storage")
_FURTHER: Final = ("psycopg", "alembic.command", "httpx", "rich.table", "sqlalchemy.dialects.postgresql.psycopg")
_MOST_BYTES: Final = 1 << 20


class WarmProcess:
    """A process that was forked: much of `subprocess.Popen`."""

    def __init__(self, asked: socket.socket) -> None:
        self._asked = asked
        self.pid = int(asked.recv(64))
        self.returncode: int | None = None

    def wait(self, timeout_s: float) -> int:
        """Waits for its end and returns its exit code, negative where a signal ended it.

        Raises:
            TimeoutError: It goes on.
        """
        if self.returncode is None:
            self._asked.settimeout(timeout_s)
            self.returncode = int(self._asked.recv(64))
            self._asked.close()
        return self.returncode

    def poll(self) -> int | None:
        """Its exit code, None while it lives."""
        with contextlib.suppress(TimeoutError, BlockingIOError):
            self.wait(0)
        return self.returncode

    def send_signal(self, sign: signal.Signals) -> None:
        """Sends it a signal, if it lives."""
        if self.poll() is None:
            os.kill(self.pid, sign)

    def end(self, timeout_s: float = 20.0) -> None:
        """Kill -9, whatever state it is in. May be called twice."""
        self.send_signal(signal.SIGKILL)
        self.wait(timeout_s)


class _Warm:
    """The process that forks, from here until the end of the context."""

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="anju-warm-")
        self._path = Path(self._folder.name) / "asked"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm", str(self._path)],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        wait_until(lambda: self._path.exists() or self._process.poll() is not None, 120)
        assert self._process.poll() is None, "what all processes import cannot be imported; see standard error"
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._folder.cleanup()

    def start(self, request: Mapping[str, object], descriptors: Sequence[int]) -> WarmProcess:
        asked = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            asked.settimeout(60)
            asked.connect(str(self._path))
            attached = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
            asked.sendmsg([json.dumps(request).encode()], attached)
            return WarmProcess(asked)
        except BaseException:
            asked.close()
            raise


_started = contextlib.ExitStack()


@functools.cache
def _warm() -> _Warm:
    return _started.enter_context(_Warm())


def start(
    module: str,
    *arguments: str,
    cold: bool = False,
    source: Path = REPOSITORY,
    environment: Mapping[str, str] | None = None,
    stdin: IO[bytes] | int | None = None,
    out: IO[bytes] | None = None,
    err: IO[bytes] | None = None,
) -> WarmProcess:
    """Starts `python -m module arguments`; what is not given is nothing: no input, and no output kept.

    `cold` begins with an empty memory, as a service manager has it: for those whose memory is measured, or whose page
    of metrics is to have their own alone. Another release's `source` is never warm.
    """
    given = dict(environment or os.environ)
    request = {
        "module": module,
        "arguments": arguments,
        "environment": given,
        "cold": cold or source != REPOSITORY,
        "source": str(source),
    }
    with open(os.devnull, "r+b") as nothing:
        ends = [end if isinstance(end, int) else (end or nothing).fileno() for end in (stdin, out, err)]
        return _warm().start(request, ends)


def end_warm() -> None:
    """Ends the process that forks, if any test has needed it."""
    _started.close()
    _warm.cache_clear()


def _import_all() -> None:
    for package in _PACKAGES:
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
    """Waits for one process, itself a fork, so that many may run side by side."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    said, [(_, _, attached)], _, _ = asked.recvmsg(_MOST_BYTES, socket.CMSG_SPACE(3 * array.array("i").itemsize))
    descriptors = array.array("i", attached)
    if (pid := os.fork()) == 0:
        os.setsid()
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
            os.close(descriptor)
        request: dict[str, Any] = json.loads(said)
        return request
    for descriptor in (*descriptors, 0):  # who reads or writes at the other end must see the end of the process
        os.close(descriptor)
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
        if request["cold"]:
            os.chdir(request["source"])
            command = [sys.executable, "-m", request["module"], *request["arguments"]]
            os.execve(sys.executable, command, request["environment"])
        os.environ.clear()
        os.environ.update(request["environment"])
        time.tzset()
        sys.argv = [request["module"], *request["arguments"]]
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
