"""Under load, ingest, the database or the broker goes away again and again: every reading is stored exactly once."""

import asyncio
import random
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from storage.pool import connect
from tests.servers import Mosquitto, Postgres, eventually
from tests.stages import Stage, listening, settings
from tests.traffic import (
    BUSY_BROKER,
    Meters,
    Publisher,
    add_devices,
    assert_stored,
    count,
    flooding,
    left_in_session,
    press,
    stored,
)

RATE_PER_S = 3000
StartMosquitto = Callable[..., Mosquitto]


async def _presses(publisher: Publisher, numbers: range, every_s: float) -> None:
    for number in numbers:
        await publisher.publish(f"anju/button-{number}/event", press(id=f"p{number}"))
        await asyncio.sleep(every_s)


async def _all_stored(database: AsyncConnection[TupleRow], meters: Meters, timeout_s: float = 60.0) -> None:
    expected = len(meters.published)

    async def as_many() -> bool:
        return await count(database) >= expected

    try:
        await eventually(as_many, timeout_s, interval_s=0.2)
    finally:
        assert_stored(await stored(database), meters.published)


async def _nothing_else(database: AsyncConnection[TupleRow], events: int) -> None:
    assert await count(database, "SELECT count(*) FROM quarantine_count") == 0
    assert await count(database, "SELECT count(*) FROM reading_conflict") == 0
    assert await count(database, "SELECT count(DISTINCT device_name) FROM event") == events
    assert await count(database, "SELECT count(*) FROM event") == events
    assert await count(database, "SELECT count(*) FROM home_wake") == events


async def _nothing_left(broker: Mosquitto, worker: str) -> None:
    assert await left_in_session(broker.port, "anju-bulk", "anju/sentinel/reading") == []
    assert await left_in_session(broker.port, f"anju-urgent-{worker}", "anju/sentinel/event") == []


async def test_ingest_killed_again_and_again(
    mosquitto: StartMosquitto, database_url: str, database: AsyncConnection[TupleRow], folder: Path
) -> None:
    broker = mosquitto(BUSY_BROKER)
    meters = Meters(60)
    await add_devices(database, meters.names)
    ingest = Stage("ingest", folder, settings(database_url, broker.url))
    with ingest:
        await listening(database, "ingest")
        async with Publisher(broker.port) as publisher, flooding(meters, publisher, per_s=RATE_PER_S):
            presses = asyncio.create_task(_presses(publisher, range(40), 0.2))
            for _ in range(5):
                seen = await count(database)

                async def at_work(before: int = seen) -> bool:
                    return await count(database) > before

                await eventually(at_work, 30)
                await asyncio.sleep(random.uniform(0.0, 1.0))
                ingest.kill()
                await asyncio.sleep(random.uniform(0.0, 0.5))
                ingest.start()
            await presses
        await _all_stored(database, meters)

        async def all_pressed() -> bool:
            return await count(database, "SELECT count(*) FROM event") >= 40

        await eventually(all_pressed, 20)
        assert ingest.stop() == 0
    assert len(meters.published) > 10_000
    await _nothing_else(database, events=40)
    await _nothing_left(broker, "ingest")


def _stop_as(server: Postgres, how: str) -> None:
    if how == "crash":
        server.crash()
        return
    assert server.pid is not None
    main = psutil.Process(server.pid)
    main.send_signal({"fast": signal.SIGINT, "immediate": signal.SIGQUIT}[how])
    main.wait(30)
    server.stop()


@pytest.mark.slow
async def test_database_gone_again_and_again(
    mosquitto: StartMosquitto, durable_postgres: Postgres, folder: Path
) -> None:
    broker = mosquitto(BUSY_BROKER)
    meters = Meters(60)
    async with await connect(durable_postgres.url, application_name="test", autocommit=True) as database:
        await add_devices(database, meters.names)
    with Stage("ingest", folder, settings(durable_postgres.url, broker.url)) as ingest:
        async with await connect(durable_postgres.url, application_name="test", autocommit=True) as database:
            await listening(database, "ingest")
        async with Publisher(broker.port) as publisher, flooding(meters, publisher, per_s=RATE_PER_S):
            presses = asyncio.create_task(_presses(publisher, range(40), 0.7))
            for how, away_s in (("fast", 20.0), ("crash", 2.0), ("immediate", 2.0), ("crash", 0.0)):
                async with await connect(durable_postgres.url, application_name="test", autocommit=True) as database:
                    seen = await count(database)

                    async def at_work(before: int = seen, database: AsyncConnection[TupleRow] = database) -> bool:
                        return await count(database) > before

                    await eventually(at_work, 30)
                await asyncio.to_thread(_stop_as, durable_postgres, how)
                await durable_postgres.restart(away_s)
            await presses
        async with await connect(durable_postgres.url, application_name="test", autocommit=True) as database:
            await _all_stored(database, meters, 90)

            async def all_pressed() -> bool:
                return await count(database, "SELECT count(*) FROM event") >= 40

            await eventually(all_pressed, 20)
            assert ingest.running, "a database that comes back is no reason to end"
            assert ingest.stop() == 0
            await _nothing_else(database, events=40)
    assert len(meters.published) > 30_000
    await _nothing_left(broker, "ingest")


async def test_broker_restarted_again_and_again(
    mosquitto: StartMosquitto, database_url: str, database: AsyncConnection[TupleRow], folder: Path
) -> None:
    broker = mosquitto(BUSY_BROKER)
    meters = Meters(60)
    await add_devices(database, meters.names)
    with Stage("ingest", folder, settings(database_url, broker.url)) as ingest:
        await listening(database, "ingest")
        async with Publisher(broker.port) as publisher, flooding(meters, publisher, per_s=RATE_PER_S):
            presses = asyncio.create_task(_presses(publisher, range(40), 0.2))
            for _ in range(4):
                seen = await count(database)

                async def at_work(before: int = seen) -> bool:
                    return await count(database) > before

                await eventually(at_work, 30)
                await asyncio.sleep(random.uniform(0.0, 1.0))
                await asyncio.to_thread(broker.restart)
            await presses
        assert publisher.connections == 5
        await _all_stored(database, meters)

        async def all_pressed() -> bool:
            return await count(database, "SELECT count(*) FROM event") >= 40

        await eventually(all_pressed, 20)
        assert ingest.stop() == 0
    assert len(meters.published) > 10_000
    await _nothing_else(database, events=40)
    await _nothing_left(broker, "ingest")
