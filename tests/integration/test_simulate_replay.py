"""Simulator and replay over a real broker, through ingest, into the database: everything once."""

import asyncio
import csv
import gzip
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from anju.embedded_broker import EmbeddedBroker
from anju.publishing import Message, Publisher
from ingest.mqtt.options import Endpoint
from tests.integration.cli import anju
from tests.servers import REPOSITORY, SHARED, free_port, missing, wait_until


@contextmanager
def ingest(settings: dict[str, str], log: Path) -> Iterator[None]:
    """The ingest role as a process, listening on both lanes."""
    with log.open("ab") as output:
        role = subprocess.Popen(
            [sys.executable, "-m", "anju", "ingest"],
            cwd=REPOSITORY,
            env={**os.environ, **settings},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        wait_until(lambda: _one(settings, "SELECT count(DISTINCT lane) FROM hearing") == 2, 30, interval_s=0.1)
        yield
    finally:
        role.terminate()
        assert role.wait(30) == 0, log.read_text()


def _one(settings: dict[str, str], query: str) -> object:
    with psycopg.connect(settings["ANJU_DATABASE_URL"]) as conn:
        row = conn.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


@pytest.fixture
def settings(database_url: str, broker: EmbeddedBroker) -> dict[str, str]:
    return {"ANJU_DATABASE_URL": database_url, "ANJU_MQTT_URL": broker.url}


def test_a_simulated_neighbourhood_arrives_at_the_chosen_rate(settings: dict[str, str], tmp_path: Path) -> None:
    with ingest(settings, tmp_path / "log"):
        ended = anju("simulate", "--homes", "20", "--rate", "100", "--seconds", "2", "--register", **settings)
        assert ended.code == 0, ended.err
        published = int(ended.out.splitlines()[-1].split()[0])
        assert 150 <= published <= 201
        stored = "SELECT count(*) FROM reading WHERE quantity = 1"
        wait_until(lambda: _one(settings, stored) == published, 20, interval_s=0.1)
    assert _one(settings, "SELECT count(*) FROM quarantine_count") == 0


def test_a_real_recording_is_stored_reading_by_reading(settings: dict[str, str], tmp_path: Path) -> None:
    source = SHARED / "data" / "water" / "homes_hourly.csv.gz"
    if not source.exists():
        missing("../shared/data/water is not there")
    with gzip.open(source, "rt", encoding="utf-8") as text:
        rows = [row for row in csv.DictReader(text) if row["meter_id"] in ("D01", "D03")]
    last = max(datetime.fromisoformat(row["measured_at"]) for row in rows)
    part = [row for row in rows if last - datetime.fromisoformat(row["measured_at"]) < timedelta(days=30)]
    expected = {(row["meter_id"], row["measured_at"]): float(row["total_l"]) for row in part}
    file = tmp_path / "part.csv"
    with file.open("w", newline="") as text:
        writer = csv.DictWriter(text, ["meter_id", "measured_at", "total_l"])
        writer.writeheader()
        writer.writerows(part)
    with ingest(settings, tmp_path / "log"):
        for _ in range(2):  # the second one ends at a later now: other readings, none of them twice
            report = anju("replay", str(file), "--register", "--json", **settings).json()
            assert report == {"published": len(part), "rows": len(part), "bad_rows": 0}
        stored = "SELECT count(*) FROM reading WHERE quantity = 1"
        wait_until(lambda: _one(settings, stored) == 2 * len(expected), 30, interval_s=0.1)
    assert _one(settings, "SELECT count(*) FROM quarantine_count") == 0
    with psycopg.connect(settings["ANJU_DATABASE_URL"]) as conn:
        values = conn.execute("SELECT name, value FROM reading JOIN device USING (device_id)").fetchall()
        newest = conn.execute("SELECT max(measured_at) FROM reading").fetchone()
    twice = [(meter, total) for (meter, _), total in expected.items()] * 2
    assert sorted(values) == sorted(twice)
    assert newest is not None
    assert timedelta() <= datetime.now(UTC) - newest[0] < timedelta(minutes=2)


def test_bad_rows_and_late_readings_are_told(settings: dict[str, str], tmp_path: Path) -> None:
    text = io.StringIO()
    text.write("meter_id,measured_at,total_l\n")
    text.write("m,2020-01-01T00:00:00Z,1\nm,yesterday,2\nm,2020-06-01T00:00:00Z,3\n")
    file = tmp_path / "r.csv"
    file.write_text(text.getvalue())
    ended = anju("replay", str(file), **settings)
    assert ended.code == 3
    assert "line 3: measured_at 'yesterday' is not a time with an offset" in ended.err
    assert "1 of 2 readings lie before the late window of 35 days" in ended.err
    assert "ANJU_LATE_WINDOW_DAYS=154" in ended.err
    assert ended.out == "2 of 2 readings published, 1 bad rows left out\n"


async def test_messages_survive_a_restart_of_the_broker() -> None:
    port, port_v311 = free_port(), free_port()
    broker = EmbeddedBroker(port=port, port_v311=port_v311)
    await asyncio.to_thread(broker.start)
    try:
        async with Publisher(Endpoint.parse(broker.url), client_id="test") as publisher:
            for number in range(500):
                await publisher.submit(Message("anju/m/reading", str(number)))
                if number == 250:
                    await asyncio.to_thread(broker.stop)
                    await asyncio.to_thread(broker.start)
            await publisher.drain()
            assert publisher.acknowledged == 500
    finally:
        await asyncio.to_thread(broker.stop)
