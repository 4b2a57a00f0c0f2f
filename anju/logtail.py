"""Follows the log file of a child process and passes on what a person should see: warnings, and what is no log line."""

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

_LOUD: Final = frozenset({"warning", "error", "critical"})
_EVERY_S: Final = 0.3
_QUIET_KEYS: Final = frozenset({"event", "level", "timestamp", "logger", "role", "exception", "stack"})
_LINES_AT_ONCE: Final = 12


class LogTail:
    """Reads a growing file from a position on."""

    def __init__(self, path: Path, *, position: int, name: str, tell: Callable[[str], None]) -> None:
        self._path = path
        self._position = position
        self._name = name
        self._tell = tell

    async def follow(self) -> None:
        """Looks for new lines until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_S)
            self.catch_up()

    def catch_up(self) -> None:
        """Passes on the whole lines written since the last look; of a flood only its beginning."""
        with self._path.open("rb") as log:
            log.seek(self._position)
            data = log.read()
        end = data.rfind(b"\n") + 1
        self._position += end
        shown = list(loud(data[:end].decode(errors="replace").splitlines()))
        for said in shown[:_LINES_AT_ONCE]:
            self._tell(f"{self._name}: {said}")
        if len(shown) > _LINES_AT_ONCE:
            self._tell(f"{self._name}: {len(shown) - _LINES_AT_ONCE} more warnings; see {self._path}")


def loud(lines: Iterable[str]) -> Iterator[str]:
    """What of a log belongs on the terminal; of a run of lines that are no log lines, such as a traceback, the last."""
    stray = ""
    for line in lines:
        entry = _entry(line)
        if entry is None:
            stray = line.strip(" |+-\t") or stray
            continue
        if stray:
            yield stray
            stray = ""
        if entry.get("level") in _LOUD:
            details = " ".join(f"{key}={value}" for key, value in entry.items() if key not in _QUIET_KEYS)
            yield f"{entry['level']}: {entry.get('event', '')} {details}".strip()
    if stray:
        yield stray


def _entry(line: str) -> dict[str, object] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None
