"""Ends a child process when its parent is gone, however the parent went: the pipe on standard input closes."""

import os
import signal
import threading
import time
from typing import Final

_STDIN: Final = 0
_GRACE_S: Final = 15.0


def hold() -> None:
    """Watches standard input from a thread; when it closes, asks this process to stop, and then makes it."""
    threading.Thread(target=_watch, name="lifeline", daemon=True).start()


def _watch() -> None:
    # The descriptor itself: a thread inside a buffered read would hold up the interpreter's end.
    while os.read(_STDIN, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_S)
    os._exit(1)
