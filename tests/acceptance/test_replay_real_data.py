"""Real meters replayed through broker, ingest and database: every reading arrives, and what it implies is raised.

What is expected is worked out here from the file alone, by trying every window: none of the rules' own code is used.
"""

import asyncio
import csv
import gzip
import json
import os
import sys
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from pathlib import Path

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from tests.servers import REPOSITORY, SHARED, Mosquitto, eventually, missing
from tests.stages import Stage, listening, settings
from tests.traffic import BUSY_BROKER, Stored, assert_stored, count, left_in_session, stored

FILE = SHARED / "data" / "water" / "homes_hourly.csv.gz"
FULL = os.environ.get("ANJU_TEST_FULL") == "1"
# Years were shifted by whole weeks of 52: so many days later, each meter's last year ends when the last one's does.
YEAR = timedelta(days=364)
PART = timedelta(days=40)
LATE = timedelta(days=35)
# A window may be short by five minutes: meters do not read to the second.
DAY, WINDOW, VOLUME_L = timedelta(hours=24), timedelta(hours=12) - timedelta(minutes=5), 10.0
# What is closer than this to a limit may fall to either side of it while the test runs.
SLACK = timedelta(minutes=6)

Series = Sequence[tuple[datetime, float]]


def recorded(file: Path) -> dict[str, list[tuple[datetime, float]]]:
    """Each meter's readings in the order of time."""
    if not file.exists():
        missing("../shared/data/water is not there")
    series: dict[str, list[tuple[datetime, float]]] = defaultdict(list)
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            series[row["meter_id"]].append((datetime.fromisoformat(row["measured_at"]), float(row["total_l"])))
    return {meter: sorted(readings) for meter, readings in sorted(series.items())}


def last_days_together(whole: Mapping[str, Series]) -> dict[str, list[tuple[datetime, float]]]:
    """The last days of every meter, as if all had been recorded at the same time."""
    end = max(readings[-1][0] for readings in whole.values())
    part: dict[str, list[tuple[datetime, float]]] = {}
    for meter, readings in whole.items():
        years = (end - readings[-1][0] + DAY) // YEAR
        part[meter] = [(at + years * YEAR, total) for at, total in readings if at + years * YEAR > end - PART]
    return part


def write(file: Path, series: Mapping[str, Series]) -> None:
    with file.open("w", encoding="utf-8", newline="") as lines:
        rows = csv.writer(lines)
        rows.writerow(["meter_id", "measured_at", "total_l"])
        rows.writerows((meter, at.isoformat(), total) for meter, readings in series.items() for at, total in readings)


@dataclass(frozen=True)
class Dry:
    """A run of readings before each of which less than the volume was used in a whole window."""

    first: datetime
    last: datetime
    since: datetime
    lasts: bool


def _lately(series: Series, now: datetime) -> Series:
    return [reading for reading in series if reading[0] > now - PART]


def dry_runs(series: Series) -> list[Dry]:
    """By brute force: each reading against the latest one that is at least a window older."""
    times, totals = [at for at, _ in series], [total for _, total in series]
    assert all(a <= b for a, b in pairwise(totals)), "a meter that runs backwards needs more thought than this"
    judged = [
        (index, totals[index] - totals[opening] < VOLUME_L)
        for index, at in enumerate(times)
        if (opening := bisect_right(times, at - WINDOW) - 1) >= 0
    ]
    runs = []
    for is_dry, group in groupby(judged, key=lambda each: each[1]):
        indices = [index for index, _ in group]
        if is_dry:
            first, last = indices[0], indices[-1]
            since = min(k for k in range(first + 1) if totals[first] - totals[k] < VOLUME_L)
            runs.append(Dry(times[first], times[last], times[since], last == len(times) - 1))
    return runs


async def replay(file: Path, environment: Mapping[str, str]) -> dict[str, int]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "anju", "replay", str(file), "--register", "--json"),
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    outcome: dict[str, int] = json.loads(output)
    return outcome


@pytest.mark.slow
@pytest.mark.timeout(900 if FULL else 180)
async def test_real_meters(
    mosquitto: Callable[..., Mosquitto], database_url: str, database: AsyncConnection[TupleRow], folder: Path
) -> None:
    whole = recorded(FILE)
    series: Mapping[str, Series] = whole if FULL else last_days_together(whole)
    file = FILE
    if not FULL:
        file = folder / "last days.csv"
        write(file, series)
    total = sum(map(len, series.values()))
    late_window = timedelta(days=1400) if FULL else LATE
    broker = mosquitto(BUSY_BROKER)
    options = settings(database_url, broker.url, late_window_days=late_window.days)
    with Stage("ingest", folder, options) as ingest, Stage("rules", folder, options) as rules:
        await listening(database, "ingest")
        rules.stop()
        began = datetime.now(UTC)
        assert await replay(file, options) == {"published": total, "rows": total, "bad_rows": 0}

        async def all_here() -> bool:
            taken = await count(database, "SELECT coalesce(sum(messages), 0)::bigint FROM quarantine_count")
            return await count(database) + taken >= total

        await eventually(all_here, 120, interval_s=0.2)
        ended = datetime.now(UTC)
        found = await stored(database)
        # The newest reading was taken "now": by that, the whole recording moved.
        shift = max(at for _, at, _ in found) - max(at for readings in series.values() for at, _ in readings)
        assert began <= max(at for _, at, _ in found) <= ended
        moved = {meter: [(at + shift, litres) for at, litres in readings] for meter, readings in series.items()}
        published: Stored = {(meter, at, litres) for meter, readings in moved.items() for at, litres in readings}
        certain = {each for each in published if each[1] >= ended - late_window}
        assert_stored(found, certain | {each for each in found & published if began - late_window <= each[1]})
        assert len(found) > (100_000 if FULL else 8_000)
        cursor = await database.execute("SELECT reason, sum(messages)::bigint FROM quarantine_count GROUP BY reason")
        assert dict(await cursor.fetchall()) == ({} if FULL else {"time_implausible": total - len(found)})
        assert await count(database, "SELECT count(*) FROM reading_conflict") == 0

        rules.start()

        async def all_judged() -> bool:
            query = "SELECT count(*) FROM home_watch WHERE due_at > now() AND looked_until IS NOT NULL"
            return await count(database, query) == len(series)

        await eventually(all_judged, 60, interval_s=0.2)
        now = datetime.now(UTC)
        assert rules.stop() == 0
        assert ingest.stop() == 0
    assert await left_in_session(broker.port, "anju-bulk", "anju/sentinel/reading") == []
    runs = {meter: dry_runs(_lately(readings, now)) for meter, readings in moved.items()}
    await _check_alerts(database, runs, moved, now)


async def _check_alerts(
    database: AsyncConnection[TupleRow], runs: Mapping[str, Sequence[Dry]], moved: Mapping[str, Series], now: datetime
) -> None:
    cursor = await database.execute(
        "SELECT h.name, a.state, a.since FROM alert a JOIN home h USING (home_id) WHERE a.kind = 'inactivity'"
    )
    alerts = [(name.removeprefix("Home of "), state, since) for name, state, since in await cursor.fetchall()]
    # What ended long ago is no news, and of what nobody heard for a day nobody knows.
    fresh = [meter for meter, readings in moved.items() if readings[-1][0] > now - DAY]
    lasting = {meter: run for meter in fresh for run in runs[meter] if run.lasts}
    over = [(meter, run) for meter in moved for run in runs[meter] if not run.lasts and run.first > now - DAY + SLACK]
    border = [
        (meter, run) for meter in moved for run in runs[meter] if not run.lasts and abs(run.first - now + DAY) <= SLACK
    ]
    print(f"{len(fresh)} homes heard of today; inactive now: {sorted(lasting)}; were: {sorted(m for m, _ in over)}")
    assert {meter for meter, state, _ in alerts if state == "open"} == set(lasting)
    assert lasting, "the vacant home, at least"
    for meter, state, since in alerts:
        if state == "open" and lasting[meter].since > now - timedelta(days=6):
            assert since == lasting[meter].since, meter
    closed = sorted(meter for meter, state, _ in alerts if state == "closed")
    expected = sorted(meter for meter, _ in over)
    assert [meter for meter in closed if meter not in {m for m, _ in border}] == [
        meter for meter in expected if meter not in {m for m, _ in border}
    ]
    assert set(expected) <= set(closed)
