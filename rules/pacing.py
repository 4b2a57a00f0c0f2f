"""Long work in small slices, so that a press never waits for the processor longer than one of them."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

_SLICE_S: Final = 0.002
_WAIT_S: Final = 0.05  # what goes first may itself wait for the database: the others go on, slowly
_ASK_EVERY_S: Final = 0.001


@dataclass(slots=True)
class _First:
    count: int = 0


_first = _First()


@contextmanager
def going_first() -> Iterator[None]:
    """What is done in this goes first in this process: at the end of each slice, all others wait for it."""
    _first.count += 1
    try:
        yield
    finally:
        _first.count -= 1


def _end() -> float:
    return time.perf_counter() + _SLICE_S


@dataclass(slots=True)
class Slices:
    """Where one is over, whoever waits for the processor goes first."""

    _ends_at_s: float = field(default_factory=_end)

    async def give_way(self) -> None:
        """Does nothing until the slice is over; then lets the others run, and what goes first for 50 ms at most."""
        if (now_s := time.perf_counter()) <= self._ends_at_s:
            return
        await asyncio.sleep(0)
        # Asked in turns: an Event would have to be made anew for each event loop.
        while _first.count and time.perf_counter() < now_s + _WAIT_S:  # noqa: ASYNC110
            await asyncio.sleep(_ASK_EVERY_S)
        self._ends_at_s = _end()
