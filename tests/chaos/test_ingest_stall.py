"""A database that takes nothing for a long time: bounded memory, nothing lost, nobody called silent or inactive."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from rules.engine import Engine
from storage.pool import connect
from tests.servers import Mosquitto, eventually
from tests.stages import Stage, listening, settings
from tests.traffic import (
    BUSY_BROKER,
    Meters,
    Publisher,
    assert_stored,
    count,
    flooding,
    install,
    left_in_session,
    listen,
    stored,
)

BURST = 120_000
OUTSTANDING = 20_000
RSS_BYTES = 120 * 1024 * 1024
LONG = timedelta(hours=2)  # twice what a meter may be silent
TOLD = "SELECT count(*) FROM alert WHERE kind IN ('inactivity', 'monitoring_lost')"


async def look_at_every_home(database: AsyncConnection[TupleRow], *, later: timedelta) -> None:
    """Rules, with a clock that is ahead."""
    now = datetime.now(UTC) + later
    await database.execute("UPDATE home_watch SET due_at = %s, lease_until = NULL", [now])
    engine = Engine(clock=lambda: now, compares_clocks=False)
    assert await engine.look(database) == await count(database, "SELECT count(*) FROM home_watch")


async def bulk_hearing(database: AsyncConnection[TupleRow]) -> tuple[datetime, datetime]:
    cursor = await database.execute("SELECT heard_since, heard_until FROM hearing WHERE lane = 'bulk'")
    (row,) = await cursor.fetchall()
    return row[0], row[1]


@contextlib.asynccontextmanager
async def watching_memory(stage: Stage, samples: list[int]) -> AsyncIterator[None]:
    async def sample() -> None:
        while True:
            samples.append(stage.rss_bytes)
            await asyncio.sleep(0.1)

    task = asyncio.create_task(sample())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.mark.slow
async def test_a_database_that_stands_still(
    mosquitto: Callable[..., Mosquitto], database_url: str, database: AsyncConnection[TupleRow], folder: Path
) -> None:
    """What a long stall brings: six times the messages that ingest may hold, and looks at homes unheard for hours."""
    broker = mosquitto(BUSY_BROKER)
    meters = Meters(50)
    await install(database, meters.names, interval_s=900, installed_at=datetime.now(UTC) - timedelta(hours=3))
    samples: list[int] = []
    options = settings(database_url, broker.url, max_outstanding=OUTSTANDING)
    with Stage("ingest", folder, options, cold=True) as ingest:
        await listening(database, "ingest")
        async with (
            watching_memory(ingest, samples),
            await connect(database_url, application_name="test", autocommit=True) as blocker,
            Publisher(broker.port, in_flight=3000) as publisher,
        ):
            async with flooding(meters, publisher, per_s=500):

                async def each_heard() -> bool:
                    return await count(database) >= len(meters.names)

                await eventually(each_heard, 20)
                async with blocker.transaction():
                    await blocker.execute("LOCK TABLE reading IN EXCLUSIVE MODE")  # writers wait, rules can read
                    before, rows_before = await bulk_hearing(database), await count(database)
                    await meters.publish(publisher, BURST)
                    beacon_due = before[1] + timedelta(seconds=15)
                    await eventually(lambda: datetime.now(UTC) > beacon_due, 20)
                    assert await bulk_hearing(database) == before
                    assert await count(database) == rows_before
                    assert len(meters.published) - rows_before > 5 * OUTSTANDING
                    await look_at_every_home(database, later=LONG)
                    assert await count(database, TOLD) == 0
            # The flood is over; what the broker kept comes in.

            async def all_stored() -> bool:
                return await count(database) >= len(meters.published)

            try:
                await eventually(all_stored, 60, interval_s=0.2)
            finally:
                assert_stored(await stored(database), meters.published)

            async def heard_again() -> bool:
                return (await bulk_hearing(database))[1] > beacon_due

            await eventually(heard_again, 20)
            assert (await bulk_hearing(database))[0] == before[0], "a stall is no gap in what was heard"
            await look_at_every_home(database, later=LONG)
            assert await count(database, TOLD) == 0
            print(f"ingest took {max(samples) / 2**20:.0f} MB at most")
            assert max(samples) < RSS_BYTES
        assert ingest.stop() == 0
    assert await left_in_session(broker.port, "anju-bulk", "anju/sentinel/reading") == []
    # And that was not for want of looking: had ingest heard all that time, each of them would be told of.
    await database.execute("UPDATE hearing SET heard_until = heard_until + %s", [LONG])
    await look_at_every_home(database, later=LONG)
    # The made-up meters run fast: what they used is not what this is about.
    cursor = await database.execute("SELECT kind, count(*) FROM alert WHERE kind <> 'high_use' GROUP BY kind")
    assert await cursor.fetchall() == [("monitoring_lost", len(meters.names))]


async def test_a_forged_beacon_moves_nothing(
    mosquitto: Callable[..., Mosquitto], database_url: str, database: AsyncConnection[TupleRow], folder: Path
) -> None:
    broker = mosquitto(BUSY_BROKER)
    topics: dict[str, bytes] = {}
    listener = asyncio.create_task(listen(broker.port, "anju/_beacon/#", topics.__setitem__))
    try:
        with Stage("ingest", folder, settings(database_url, broker.url)) as ingest:
            await listening(database, "ingest")
            await eventually(lambda: len(topics) == 2, 15)
            _, until = await bulk_hearing(database)
            (topic,) = [each for each in topics if "bulk" in each]
            ahead = time.time() + 3600
            async with Publisher(broker.port) as publisher:
                for forged in (f"{'0' * 16} {ahead}", f"{ahead}", "", "\0" * 40, f"{'0' * 16} nan"):
                    await publisher.publish(topic, forged.encode())
                await publisher.publish(topic, b"\xff" * 1000)
                await publisher.drain()

            async def moved() -> bool:
                return (await bulk_hearing(database))[1] > until

            await eventually(moved, 15)
            assert (await bulk_hearing(database))[1] < datetime.now(UTC)
            assert ingest.running
    finally:
        listener.cancel()
        await asyncio.wait({listener})
