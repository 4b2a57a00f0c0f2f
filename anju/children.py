"""Child processes that `anju up` looks after: started again with back-off when they end, and stopped in order."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from anju.logtail import LogTail
from config.settings import overridden

_STOP_LIMIT_S: Final = 15.0
_BACKOFF_MAX_S: Final = 30.0
_STEADY_AFTER_S: Final = 60.0
_LOG_MAX_BYTES: Final = 10_000_000


def backoff_s(failures: int) -> float:
    """How long to wait before a child that ended so often in a row is started again."""
    return float(min(_BACKOFF_MAX_S, 0.5 * 2 ** min(failures - 1, 16)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildOptions:
    """How a child is started.

    Attributes:
        name: what it is called in messages and the name of its log file.
        arguments: what follows `python -m anju`.
        environment: its whole environment.
        log_folder: where its output goes.
    """

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    log_folder: Path


class Child:
    """One child process; `run` keeps it alive until `stop`.

    Args:
        options: how it is started.
        tell: takes a line for the terminal: warnings from its log, and when it ended by itself.
    """

    def __init__(self, options: ChildOptions, *, tell: Callable[[str], None]) -> None:
        self.options = options
        self._tell = tell
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process; None when it is not running."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    def start(self) -> None:
        """Starts it and keeps it running from here on."""
        self._task = asyncio.create_task(self._run(), name=self.options.name)

    async def stop(self) -> None:
        """Asks it to end, insists after a while, and returns when it has gone."""
        self._stopping.set()
        if self._task is None:
            return
        self._signal(signal.SIGTERM)
        done, _ = await asyncio.wait([self._task], timeout=_STOP_LIMIT_S)
        if not done:
            self._tell(f"{self.options.name} does not end; killing it")
            self.kill()
            await asyncio.wait([self._task])

    def kill(self) -> None:
        """Ends it at once, and for good."""
        self._stopping.set()
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self.pid is not None and self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _run(self) -> None:
        failures = 0
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            started = loop.time()
            code = await self._once()
            if self._stopping.is_set():
                return
            failures = 1 if loop.time() - started > _STEADY_AFTER_S else failures + 1
            wait_s = backoff_s(failures)
            log = self.options.log_folder / f"{self.options.name}.log"
            self._tell(f"{self.options.name} ended ({_how(code)}); starting it again in {wait_s:g} s; its log is {log}")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait_s)

    async def _once(self) -> int:
        path = self.options.log_folder / f"{self.options.name}.log"
        if path.exists() and path.stat().st_size > _LOG_MAX_BYTES:
            path.replace(path.with_suffix(".log.1"))
        with path.open("ab") as log:
            tail = LogTail(path, position=log.tell(), name=self.options.name, tell=self._tell)
            # Its output goes to the file and not through us: it can write to the end even when we are killed.
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "anju",
                *self.options.arguments,
                "--stop-with-stdin",
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=dict(self.options.environment),
                start_new_session=True,
            )
        if self._stopping.is_set():
            self._signal(signal.SIGTERM)
        watching = asyncio.create_task(tail.follow())
        try:
            return await self._process.wait()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            tail.catch_up()


def child_environment(overrides: Mapping[str, str]) -> dict[str, str]:
    """Our own environment with some settings put over it; the packages are found however we were started ourselves."""
    path = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return overridden(os.environ, {**path, **overrides})


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"by {signal.Signals(-code).name}"
