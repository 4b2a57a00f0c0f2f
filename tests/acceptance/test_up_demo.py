"""One command, and within a minute everything that Anju exists for; Ctrl-C, and the next start goes on from there."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest

from storage.embedded import EmbeddedPostgres
from tests.integration.cli import anju
from tests.servers import REPOSITORY, wait_until

EXPECTED = (
    re.compile(r"readings: [\d.]+/s stored; last sim-meter-\d+"),
    re.compile(r"ALERT \d+ inactivity .*no water for \d+ h"),
    re.compile(r"ALERT \d+ sos \[urgent, open\] .*was pressed"),
    re.compile(r"ALERT \d+ fall \[urgent, open\] .*fall"),
    re.compile(r"ALERT \d+ monitoring_lost .*sim-meter-00004"),
    re.compile(r"duty desk: signed webhook anju\.alert\.raised, signature verified: .*was pressed"),
)


class Up:
    """`anju up --demo` as a process, and what it has said so far."""

    def __init__(self, data_dir: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "anju", "up", "--demo", "--data-dir", str(data_dir), *arguments],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ,
        )
        self.lines: list[str] = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(line.rstrip() for line in self.process.stdout)

    @property
    def said(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, patterns: tuple[re.Pattern[str], ...], timeout_s: float) -> None:
        try:
            wait_until(lambda: all(pattern.search(self.said) for pattern in patterns), timeout_s, interval_s=0.2)
        except AssertionError:
            unseen = [pattern.pattern for pattern in patterns if not pattern.search(self.said)]
            raise AssertionError(f"not seen within {timeout_s} s: {unseen}; it said:\n{self.said}") from None

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(60)
        self.reader.join(10)
        return code


@contextmanager
def up(data_dir: Path, *arguments: str) -> Iterator[Up]:
    running = Up(data_dir, *arguments)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
            running.process.wait()
        assert running.process.stdout is not None
        running.reader.join(10)
        running.process.stdout.close()


def family(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def gone(processes: list[psutil.Process]) -> bool:
    return not psutil.wait_procs(processes, timeout=0)[1]


def alerts(data_dir: Path) -> dict[str, tuple[str, int]]:
    """The alerts in the data folder, whose server nobody runs just now: kind -> state and times raised."""
    with EmbeddedPostgres(data_dir / "postgres") as server, psycopg.connect(server.url) as conn:
        return {
            kind: (state, times) for kind, state, times in conn.execute("SELECT kind, state, times_raised FROM alert")
        }


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_demonstration_shows_everything_stops_cleanly_and_resumes(folder: Path) -> None:
    data_dir = folder / "with space 安居"
    with up(data_dir, "--homes", "8") as first:
        first.wait_for(EXPECTED, 120)
        # What quickstart.md has a newcomer type next: the broker and the database of the demonstration.
        broker = re.search(r"broker: (mqtt://\S+) ", first.said)
        database = re.search(r"database: its URL is in (.+)", first.said)
        assert broker is not None, first.said
        assert database is not None, first.said
        assert Path(database[1]).stat().st_mode & 0o077 == 0, "there is a password in it"
        named = {"ANJU_MQTT_URL": broker[1], "ANJU_DATABASE_URL_FILE": database[1]}
        assert [row["kind"] for row in anju("alert", "list", "--json", **named).json()][:1] == ["fall"]
        processes = family(first.process.pid)
        assert len([process for process in processes if "anju" in process.cmdline()]) >= 3
        second = subprocess.run(
            [sys.executable, "-m", "anju", "up", "--data-dir", str(data_dir)],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (second.returncode, "another `anju up`" in second.stderr) == (1, True)
        assert first.interrupt() == 0
        assert "Traceback" not in first.said
    wait_until(lambda: gone(processes), 10)
    stored = alerts(data_dir)
    assert {"sos", "fall", "inactivity", "monitoring_lost"} <= set(stored)
    assert stored["sos"] == ("open", 1)

    with up(data_dir, "--homes", "8") as again:
        again.wait_for((re.compile(r"ALERT \d+ sos .*raised 2 times"),), 90)
        assert again.interrupt() == 0
    assert alerts(data_dir)["sos"] == ("open", 2)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_killed_it_leaves_no_process_and_the_next_start_works(folder: Path) -> None:
    data_dir = folder / "data"
    with up(data_dir, "--homes", "4") as first:
        first.wait_for((re.compile(r"have uploaded their past day"),), 90)
        processes = family(first.process.pid)
        postgres = [process for process in processes if process.name() == "postgres"]
        assert postgres
        first.process.kill()
        first.process.wait()
        wait_until(lambda: gone(processes), 40, interval_s=0.2)
    with up(data_dir, "--homes", "4") as again:
        again.wait_for((re.compile(r"ALERT \d+ sos "),), 90)
        role = next(process for process in family(again.process.pid) if process.cmdline()[-2:-1] == ["ingest"])
        role.kill()
        again.wait_for((re.compile(r"ingest ended \(by SIGKILL\); starting it again"),), 20)
        wait_until(lambda: any(each.cmdline()[-2:-1] == ["ingest"] for each in family(again.process.pid)), 20)
        assert again.interrupt() == 0
