"""Runs the command line as its users do: as a process."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.servers import REPOSITORY


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
    """Runs a command to its end; settings as `ANJU_DATABASE_URL="..."`."""
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
    assert "Traceback" not in ended.stderr, ended.stderr
    return Ended(ended.returncode, ended.stdout, ended.stderr)
