"""A real TimescaleDB for tests, where no server is installed."""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

import psycopg

from tests import npm
from tests.servers import SHARED, free_port, listens, missing


class Timescale:
    """A real TimescaleDB: PGlite behind a socket, from `../shared/tools/timescale`. One session, one database."""

    def __init__(self, *, data_dir: str = "memory://") -> None:
        self.port = free_port()
        self._data_dir = data_dir
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where to connect."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres?sslmode=disable"

    def start(self) -> str:
        """Starts it and waits until it listens, 2 to 6 s."""
        node = shutil.which("node")
        if node is None:
            missing("Node.js is not installed")
        tool = _timescale_tool()
        with tempfile.TemporaryFile() as output:
            self._process = subprocess.Popen(
                [node, "pgl_server.mjs", self._data_dir, str(self.port)],
                cwd=tool,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            deadline = time.monotonic() + 90
            while not listens(self.port):
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    output.seek(0)
                    raise AssertionError(f"TimescaleDB does not listen; it says:\n{output.read().decode()}")
                time.sleep(0.05)
        with psycopg.connect(self.url, autocommit=True) as connection:
            # PGlite starts from an image in which its cache does not know where its own database's row is: until that
            # is written once, GRANT ON DATABASE ends with "tuple concurrently deleted".
            connection.execute("ALTER DATABASE template1 CONNECTION LIMIT -1")
        return self.url

    def stop(self) -> None:
        """Ends it, with its data when they were in memory. May be called twice."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()


def _timescale_tool() -> Path:
    """A copy of the tool with its npm packages installed."""
    source = SHARED / "tools" / "timescale"
    if not source.is_dir():
        missing("../shared/tools/timescale is not there")
    return npm.installed(
        "timescale", [source / name for name in ("package.json", "package-lock.json", "pgl_server.mjs")]
    )
