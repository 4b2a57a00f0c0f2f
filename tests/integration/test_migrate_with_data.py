"""Every earlier schema, with rows in every table, comes to this one with nothing lost, and this release works on it."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from alerts.life import commands
from alerts.life.acting import By
from anju import schema
from ingest.batch import Message
from rules.engine import Engine
from rules.wake import Waker
from storage import migrate, partitions
from storage.pool import connect
from tests import schemas
from tests.ingest_desk import Desk
from tests.schemas import NOW, STRONG_LOCKS


@pytest.mark.parametrize("revision", schemas.revisions())
async def test_upgrade_keeps_every_row_and_this_release_works_on(
    revision: str, blank_database_url: str, tmp_path: Path
) -> None:
    url = blank_database_url
    await asyncio.to_thread(schemas.migrate_to, url, revision, tmp_path)
    await asyncio.to_thread(schemas.fill, url, to=revision)
    await kept_over_upgrade(url)
    await ingest_stores(url)
    await rules_judge_and_a_person_answers(url)


def test_every_column_of_every_table_is_filled(blank_database_url: str) -> None:
    migrate.upgrade(blank_database_url)
    schemas.fill(blank_database_url, to=migrate.head())
    empty = schemas.never_filled(blank_database_url)
    assert empty == [], "give them values in tests/schemas/NNNN.sql, NNNN being the revision that made them"


async def test_on_timescale_from_the_first_schema_by_way_of_the_previous_one(
    blank_timescale_url: str, tmp_path: Path
) -> None:
    url, before = blank_timescale_url, ""
    for revision in ("0001", schemas.PREVIOUS_REVISION):
        await asyncio.to_thread(schemas.migrate_to, url, revision, tmp_path)
        await asyncio.to_thread(schemas.fill, url, after=before, to=revision)
        before = revision
    # 0007 makes aggregates and the columnstore: a moment in which nobody reads or writes the series, and no more.
    assert await asyncio.to_thread(strongly_locked, url, after=before) == {"reading"}
    await kept_over_upgrade(url)
    async with await connect(url, application_name="test", autocommit=True) as connection:
        found = await connection.execute("SELECT hypertable_name FROM timescaledb_information.hypertables")
        assert ("reading",) in await found.fetchall()
        at = datetime(2031, 5, 5, tzinfo=UTC)
        await partitions.ensure(connection, from_=at, to=at)  # does nothing, and nothing is needed
        insert = "INSERT INTO reading VALUES (1, 1, %s, %s, 5) ON CONFLICT DO NOTHING"
        assert (await connection.execute(insert, [at, at])).rowcount == 1
        assert (await connection.execute(insert, [at, at])).rowcount == 0
        read = await connection.execute("SELECT measured_at FROM reading WHERE measured_at >= %s", [at])
        assert await read.fetchall() == [(at,)]
    # Rules and alerts wait in the middle of a pipeline, which the socket in front of this TimescaleDB cannot.
    await ingest_stores(url)


def strongly_locked(url: str, *, after: str) -> set[str]:
    """Our tables that the later steps keep from being written to; taken back. The server has this one session."""
    with psycopg.connect(url) as connection:
        ours = [
            row[0] for row in connection.execute("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")
        ]
        for file in sorted((migrate._MIGRATIONS / "versions").glob("*.sql")):
            if file.name.partition("_")[0] > after:
                connection.execute(file.read_bytes())
        query = "SELECT relation::regclass::text FROM pg_locks WHERE mode = ANY(%s)"
        locked = {row[0] for row in connection.execute(query, [list(STRONG_LOCKS)])}
        connection.rollback()
    return locked & set(ours)


async def kept_over_upgrade(url: str) -> None:
    """Upgrades, and finds every row as it was in the columns that there were."""
    columns = await asyncio.to_thread(schemas.columns, url)
    before = await asyncio.to_thread(schemas.rows, url, columns)
    assert len(before["reading"]) > 2000
    assert [table for table, rows in before.items() if not rows] == []
    await asyncio.to_thread(migrate.upgrade, url)
    after = await asyncio.to_thread(schemas.rows, url, columns)
    for table, rows in before.items():
        assert after[table] == rows, table
    await asyncio.to_thread(schema.upgrade, url)
    await asyncio.to_thread(migrate.check, url)
    await asyncio.to_thread(schemas.read_every_view, url)


async def ingest_stores(url: str) -> None:
    """A reading and a press, as ingest does."""
    at = NOW.isoformat().replace("+00:00", "Z")
    reading = Message("anju/m-1/reading", f'{{"at":"{at}","water_total_l":9000}}'.encode(), NOW)
    press = Message("anju/btn-1/event", b'{"event":"button_press","id":"18"}', NOW)
    async with Desk(url, clock=lambda: NOW) as desk:
        await desk.store_together(NOW, reading, press)
    assert (desk.writer.totals.readings, desk.writer.totals.events) == (1, 1)


async def rules_judge_and_a_person_answers(url: str) -> None:
    """The press becomes an alert, due homes are looked at, and somebody takes the alert."""
    async with await connect(url, application_name="test", autocommit=True) as connection:
        await Waker(clock=lambda: NOW).drain(connection)
        found = await connection.execute(
            "SELECT alert_id FROM alert WHERE subject = 'home/1' AND kind = 'sos' AND state = 'open'"
        )
        ((alert,),) = await found.fetchall()
        await commands.acknowledge(connection, alert, By(actor="duty-1", source="cli", now=NOW))
        found = await connection.execute("SELECT state FROM alert WHERE alert_id = %s", [alert])
        assert await found.fetchone() == ("acknowledged",)
        later = NOW + timedelta(minutes=10)  # all homes are due by then
        assert await Engine(clock=lambda: later, compares_clocks=False).look(connection) >= 5
        found = await connection.execute("SELECT failures FROM home_watch WHERE failures <> '{}'")
        assert await found.fetchall() == []
