"""A zigbee2mqtt button without `last_seen`, and a bulk lane that is far behind: its copies bear neither time nor id.

The times of the rules are made shorter here; a copy that comes after a second is as late as one that comes after half a
minute in service.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta

import pytest

from ingest import listening, repetition, session, subscriptions, worker
from ingest.mqtt.options import Endpoint
from tests.lanes import EVENTS, Database, bulk_heard_until, bulk_lane_held, events_number, install
from tests.servers import Mosquitto, eventually
from tests.traffic import Publisher, add_devices, count

BUTTON, METER = "hall/sos", "leak-1"
PRESSED = json.dumps({"action": "emergency", "battery": 100, "linkquality": 60}).encode()
LATE_S = 0.4
StartMosquitto = Callable[..., Mosquitto]


@pytest.fixture
async def hearing(
    mosquitto: StartMosquitto, database_url: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Mosquitto]:
    """An ingest that has heard the button on both lanes for a while."""
    for module, name, value in (
        (listening, "MARGIN", timedelta(0)),
        (repetition, "MARGIN", timedelta(0)),
        (repetition, "SAME_PAYLOAD_WITHIN", timedelta(seconds=LATE_S)),
        (session, "INTERVAL_S", 0.2),
        (subscriptions, "_LOOK_EVERY_S", 0.1),
    ):
        monkeypatch.setattr(module, name, value)
    broker = mosquitto()
    await install(database, BUTTON, "TS0215A", "zigbee2mqtt")
    await add_devices(database, [METER])
    stop = asyncio.Event()
    options = worker.IngestOptions(
        database_url=database_url, brokers=(Endpoint(host="127.0.0.1", port=broker.port),), worker_id="late"
    )
    running = asyncio.create_task(worker.run(options, stop=stop))
    async with Publisher(broker.port) as publisher:

        async def both_lanes_hear() -> bool:
            await publisher.publish(f"zigbee2mqtt/{BUTTON}", PRESSED)
            await asyncio.sleep(2 * LATE_S)
            return await count(database, "SELECT count(*) FROM hearing") == 2 and await count(database, EVENTS) > 0

        await eventually(both_lanes_hear, 30)
        await heard_by_bulk(publisher, database)
    yield broker
    stop.set()
    await running


async def heard_by_bulk(publisher: Publisher, database: Database) -> None:
    """Waits until the bulk lane has stored all that was published so far, and heard a beacon since."""
    readings = await count(database, "SELECT count(*) FROM reading JOIN device USING (device_id) WHERE name = 'leak-1'")
    await publisher.publish(f"zigbee2mqtt/{METER}", json.dumps({"linkquality": readings + 1}).encode())
    await publisher.drain()

    async def stored() -> bool:
        query = "SELECT count(*) FROM reading JOIN device USING (device_id) WHERE name = 'leak-1'"
        return await count(database, query) > readings

    await eventually(stored, 30)
    before = await bulk_heard_until(database)

    async def beacon() -> bool:
        now: datetime = await bulk_heard_until(database)
        return now > before

    await eventually(beacon, 15)


@contextlib.asynccontextmanager
async def backlog(database: Database, broker: Mosquitto, publisher: Publisher) -> AsyncIterator[None]:
    """Inside, the bulk lane stands still; presses wait in its queue. Outside it has caught up."""
    async with bulk_lane_held(database, broker):

        async def still() -> bool:
            before = await bulk_heard_until(database)
            await asyncio.sleep(1.0)
            return await bulk_heard_until(database) == before

        await eventually(still, 20)
        yield
    await heard_by_bulk(publisher, database)


async def press(publisher: Publisher) -> None:
    await publisher.publish(f"zigbee2mqtt/{BUTTON}", PRESSED)
    await publisher.publish(f"zigbee2mqtt/{BUTTON}/action", b"emergency")
    await publisher.drain()


async def test_copies_out_of_a_backlog_raise_nothing_again(hearing: Mosquitto, database: Database) -> None:
    async with Publisher(hearing.port) as publisher:
        before = await count(database, EVENTS)
        async with backlog(database, hearing, publisher):
            for number in range(1, 4):
                await press(publisher)
                await events_number(database, before + number)
                await asyncio.sleep(2 * LATE_S)
        assert await count(database, EVENTS) == before + 3, "three presses, and nine copies"
        await press(publisher)
        await events_number(database, before + 4)


async def test_after_a_break_of_the_urgent_session_its_presses_are_told_again(
    hearing: Mosquitto, database: Database
) -> None:
    async with Publisher(hearing.port) as publisher:
        before = await count(database, EVENTS)
        async with backlog(database, hearing, publisher):
            await press(publisher)
            await events_number(database, before + 1)
            await asyncio.to_thread(hearing.restart)
            await asyncio.sleep(2 * LATE_S)
        assert await count(database, EVENTS) == before + 2, "for all we know the session missed one"
