"""How long a back-test takes: the real command on 1,000 home-months of hourly readings, in a process of its own."""

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import recording
from bench.children import ROOT, BenchError
from bench.costs import peak_rss_bytes
from bench.stage import Bench

Values = dict[str, float]

RECORDING: Final = ROOT.parent / "shared" / "data" / "water" / "homes_hourly.csv.gz"
"""The development homes; they are no part of Anju."""
TIME_ZONE: Final = "Europe/Madrid"
"""Of the development homes."""
_ASK_EVERY_S: Final = 0.1
_SHOWN_OF_LOG: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The recording that is repeated, and the zone of its homes."""

    file: Path = RECORDING
    time_zone: str = TIME_ZONE


_DEVELOPMENT: Final = Source()


def water(bench: Bench, source: Source = _DEVELOPMENT) -> Values:
    """Writes the recording and runs `anju backtest water` on it, as a user would.

    Raises:
        BenchError: the source cannot be read, or the command failed.
    """
    folder = bench.folder / "backtest"
    folder.mkdir(exist_ok=True)
    city = folder / "city.csv.gz"
    written = recording.write(source.file, city, home_months=bench.size.home_months)
    spent = _spent(
        [sys.executable, "-m", "anju", "backtest", "water", str(city), "--tz", source.time_zone, "--json"],
        folder,
        timeout_s=bench.size.backtest_timeout_s,
    )
    found = json.loads((folder / "out").read_text(encoding="utf-8"))
    if (found["homes"], found["rows"]) != written or found["home_months"] < bench.size.home_months:
        raise BenchError(f"of {written.homes} homes and {written.rows} readings only a part was tested")
    return {**spent, "home_months": found["home_months"], "s_per_1000": spent["cpu_s"] / found["home_months"] * 1_000}


def _spent(command: list[str], folder: Path, *, timeout_s: float) -> Values:
    """Runs a command to its end; the kernel says what it cost, its start and the reading of its modules included."""
    log = folder / "log"
    with (folder / "out").open("wb") as out, log.open("wb") as err:
        started_s = time.monotonic()
        child = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
        )
    peak_bytes = 0
    try:
        while True:
            # Of its own memory: what `ru_maxrss` says begins with that of the process which has forked it.
            with suppress(BenchError):
                peak_bytes = max(peak_bytes, peak_rss_bytes(child.pid))
            pid, status, used = os.wait4(child.pid, os.WNOHANG)
            if pid:
                child.returncode = os.waitstatus_to_exitcode(status)
                break
            if time.monotonic() - started_s > timeout_s:
                raise BenchError(f"the back-test was not done within {timeout_s:.0f} s")
            time.sleep(_ASK_EVERY_S)
    finally:
        if child.returncode is None:
            child.kill()
            child.wait()
    wall_s = time.monotonic() - started_s
    if child.returncode:
        raise BenchError(
            f"the back-test ended with {child.returncode}\n{log.read_text(errors='replace')[-_SHOWN_OF_LOG:]}"
        )
    return {"cpu_s": used.ru_utime + used.ru_stime, "wall_s": wall_s, "peak_rss_mb": peak_bytes / 1e6}
