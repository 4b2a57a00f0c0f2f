"""A device that floods: the others are stored, it gets what it may, and what was kept can be replayed."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from devices.model import Reason
from ingest import quarantine
from ingest.batch import Message
from ingest.intake import Limits
from ingest.rates import DeviceRates, RateLimit
from ingest.replay import replay
from storage import partitions
from tests.ingest_desk import DRIVERS, Desk
from tests.servers import Mosquitto, eventually
from tests.stages import Stage, listening, settings
from tests.traffic import BUSY_BROKER, Meters, Publisher, add_devices, count, press

NOW: Final = datetime(2026, 11, 20, 8, tzinfo=UTC)
BURST: Final = 500


def reading(device: str, number: int) -> Message:
    at = NOW - timedelta(seconds=number)
    body = {"at": at.isoformat(), "water_total_l": 1_000_000 - number}
    return Message(f"anju/{device}/reading", json.dumps(body).encode(), NOW)


async def test_a_flood_is_stored_to_its_limit_kept_in_part_and_counted_whole(
    database_url: str, database: AsyncConnection[TupleRow]
) -> None:
    await partitions.ensure(database, from_=NOW - timedelta(days=40), to=NOW)
    await add_devices(database, ["flooding", "quiet"])
    seconds = iter(range(1_000))
    async with Desk(
        database_url,
        clock=lambda: NOW,
        rates=DeviceRates(limit=RateLimit(per_s=1, burst=BURST)),
        monotonic=lambda: float(next(seconds)),
    ) as desk:
        await desk.store_together(NOW, reading("flooding", 0), reading("quiet", 0))
        for second in range(1, 31):
            flood = [reading("flooding", 100 * second + each) for each in range(100)]
            call = Message("anju/flooding/event", press(id=second), NOW)
            await desk.store_together(NOW, *flood, call, reading("quiet", second))
    sent = 30 * 100 + 1

    async def stored(device: str) -> int:
        cursor = await database.execute(
            "SELECT count(*) FROM reading JOIN device USING (device_id) WHERE name = %s", [device]
        )
        row = await cursor.fetchone()
        assert row is not None
        return int(row[0])

    taken = await stored("flooding")
    assert BURST <= taken <= BURST + 900  # the hundred of the second in which it is noticed, counted eightfold
    assert await stored("quiet") == 31
    cursor = await database.execute("SELECT count(*) FROM event WHERE kind = 'button_press'")
    assert await cursor.fetchone() == (30,)
    (group,) = await quarantine.list_groups(database)
    assert (group.device_name, group.reason) == ("flooding", "rate_exceeded")
    assert (group.messages, group.kept) == (sent - taken, 40)
    assert desk.writer.totals.quarantined == {Reason.RATE_EXCEEDED: sent - taken}

    ids = await quarantine.choose(database, reason=Reason.RATE_EXCEEDED)
    outcomes = await replay(database, ids, drivers=DRIVERS, limits=Limits(), now=NOW)
    assert [outcome.refused for outcome in outcomes] == [None] * 40
    assert await stored("flooding") == taken + 40


async def test_the_settings_reach_the_bulk_lane_and_no_call_is_lost(
    mosquitto: Callable[..., Mosquitto], database_url: str, database: AsyncConnection[TupleRow], folder: Path
) -> None:
    broker = mosquitto(BUSY_BROKER)
    meters = Meters(1)
    await add_devices(database, meters.names)
    limits = {"device_readings_per_s": 1, "device_readings_burst": 1_000}
    with Stage("ingest", folder, settings(database_url, broker.url, **limits)):
        await listening(database, "ingest")
        async with Publisher(broker.port) as publisher:
            for number in range(5):
                await meters.publish(publisher, 1_000)
                await publisher.publish(f"anju/{meters.names[0]}/event", press(id=number))
                await publisher.drain()
                await asyncio.sleep(0.5)  # a flood goes on; what is counted is settled once a second

        async def all_arrived() -> bool:
            counted = await count(database, "SELECT coalesce(sum(messages), 0) FROM quarantine_count")
            return await count(database) + counted >= 5_000

        await eventually(all_arrived, 30)
    refused = "SELECT messages FROM quarantine_count WHERE reason = 'rate_exceeded'"
    assert 0 < await count(database, refused) < 4_500
    assert await count(database) + await count(database, refused) == 5_000
    assert await count(database, "SELECT count(*) FROM event WHERE kind = 'button_press'") == 5
