"""How what waits for a silent server is made to end."""

import asyncio
from typing import Any, Final

_HEED_WITHIN_S: Final = 1.0


async def give_up(*tasks: "asyncio.Task[Any]") -> None:
    """Cancels tasks, and once more those that go on: a second later most have ended, and the others are about to.

    A database driver that is cancelled asks the server to cancel, too, and waits up to ten seconds for its answer.
    Cancelled again, it hangs up.
    """
    for _ in range(2):
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=_HEED_WITHIN_S)
