"""Processes of the bench and their talk: one JSON object a line, over standard input and output."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Final, Self

ROOT: Final = Path(__file__).resolve().parent.parent
_STOP_TIMEOUT_S: Final = 15.0

Message = dict[str, object]


class BenchError(Exception):
    """A measurement could not be made; the reason is for the person who runs the bench."""


class Interrupted(BaseException):
    """The bench was asked to stop; everything it started is taken down on the way out."""


def stop_on_signals() -> None:
    """Turns SIGINT and SIGTERM into ``Interrupted``, once: a second one must not cut the clean-up short."""

    def raise_interrupted(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Interrupted

    signal.signal(signal.SIGINT, raise_interrupted)
    signal.signal(signal.SIGTERM, raise_interrupted)


def say(message: Mapping[str, object]) -> None:
    """What a child process reports to the bench."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def hear() -> Message:
    """What the bench tells a child process; an end of input means: stop."""
    line = sys.stdin.readline()
    if not line:
        raise SystemExit(0)
    message = json.loads(line)
    if not isinstance(message, dict):
        raise SystemExit(2)
    return message


class Child:
    """A process of its own session, so that Ctrl-C in the terminal reaches it through us alone.

    Args:
        arguments: the command.
        log: the file that takes its standard error, and its output when it does not talk.
        environ: changes to our environment; an empty value removes the variable.
        talks: whether it speaks JSON lines with us.
    """

    def __init__(
        self, arguments: Sequence[str], *, log: Path, environ: Mapping[str, str] | None = None, talks: bool = True
    ) -> None:
        self._log = log
        self._buffer = b""
        overrides = {**os.environ, **(environ or {})}
        with log.open("wb") as sink:
            self.process = subprocess.Popen(
                list(arguments),
                cwd=ROOT,
                env={name: value for name, value in overrides.items() if value},
                stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
                stdout=subprocess.PIPE if talks else sink,
                stderr=sink,
                start_new_session=True,
            )

    @classmethod
    def module(cls, module: str, *arguments: str, log: Path) -> Self:
        """Starts ``python -m module`` with the interpreter that runs the bench."""
        return cls([sys.executable, "-m", module, *arguments], log=log)

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self.process.pid

    def tell(self, message: Mapping[str, object]) -> None:
        """Sends one object to the child."""
        stdin = self.process.stdin
        if stdin is None:
            raise BenchError("the child has no input")
        try:
            stdin.write(json.dumps(message).encode() + b"\n")
            stdin.flush()
        except BrokenPipeError:
            raise BenchError(f"a process of the bench ended early:\n{self.tail()}") from None

    def wait_for(self, kind: str, timeout_s: float, *, meanwhile: Callable[[], None] | None = None) -> Message:
        """Waits for the object whose ``kind`` is the one asked for; others are passed over.

        Raises:
            BenchError: the child ended, or said nothing in time.
        """
        stdout = self.process.stdout
        if stdout is None:
            raise BenchError("the child has no output")
        deadline = time.monotonic() + timeout_s
        while True:
            while b"\n" in self._buffer:
                line, _, self._buffer = self._buffer.partition(b"\n")
                message = json.loads(line)
                if isinstance(message, dict) and message.get("kind") == kind:
                    return message
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise BenchError(f"no {kind!r} within {timeout_s:.0f} s:\n{self.tail()}")
            if select.select([stdout], [], [], min(left_s, 0.2))[0]:
                part = os.read(stdout.fileno(), 1 << 20)
                if not part:
                    raise BenchError(f"a process of the bench ended before {kind!r}:\n{self.tail()}")
                self._buffer += part
            elif meanwhile is not None:
                meanwhile()

    def tail(self, lines: int = 12) -> str:
        """The last lines of the child's log."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self) -> int:
        """Ends the child: SIGTERM, and SIGKILL where that is not enough. Returns its exit code."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        return self.process.returncode

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()
