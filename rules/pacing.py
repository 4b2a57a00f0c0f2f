"""Long work in small slices, so that a press never waits for the processor longer than one of them."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Final

_SLICE_S: Final = 0.002


def _end() -> float:
    return time.perf_counter() + _SLICE_S


@dataclass(slots=True)
class Slices:
    """Where one is over, whoever waits for the processor goes first."""

    _ends_at_s: float = field(default_factory=_end)

    async def give_way(self) -> None:
        """Does nothing until the slice is over."""
        if time.perf_counter() > self._ends_at_s:
            await asyncio.sleep(0)
            self._ends_at_s = _end()
