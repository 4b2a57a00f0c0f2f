"""Stops the embedded PostgreSQL when `anju up` was killed and could not: `python -m anju.guard DATA_FOLDER`.

PostgreSQL watches no parent. This small process does, by the pipe on its standard input, and otherwise sleeps.
"""

import signal
import sys
from pathlib import Path


def main() -> None:
    """Waits for the end of standard input; a byte `q` before it means that all is well."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if sys.stdin.buffer.read().endswith(b"q"):
        return
    from storage.embedded import stop_leftover

    stop_leftover(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
