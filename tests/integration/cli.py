"""Runs the command line as its users do: as a process."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.servers import REPOSITORY
from tests.warm import start


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """What it printed."""
        assert self.code == 0, self.err
        return json.loads(self.out)


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Ours, with settings put over it."""
    return {**os.environ, **settings}


def anju(*arguments: str, **settings: str) -> Ended:
    """Runs a command to its end, as a process that has its imports behind it; settings as `ANJU_DATABASE_URL="..."`."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = start("anju", *arguments, environment=environment(settings), out=out, err=err)
        try:
            code = process.wait(120)
        finally:
            process.end()
        for output in (out, err):
            output.seek(0)
        return _ended(code, out.read().decode(), err.read().decode())


def anju_from_cold(*arguments: str, **settings: str) -> Ended:
    """The same as `python -m anju` is started by hand, imports and all."""
    ended = subprocess.run(
        [sys.executable, "-m", "anju", *arguments],
        cwd=REPOSITORY,
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return _ended(ended.returncode, ended.stdout, ended.stderr)


def _ended(code: int, out: str, err: str) -> Ended:
    assert "Traceback" not in err, err
    return Ended(code, out, err)
