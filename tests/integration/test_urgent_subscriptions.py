"""ingest.subscriptions: a ChirpStack button is heard on the urgent lane, its copy on the other lane changes nothing."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from devices.registry import discover
from ingest import subscriptions
from ingest.mqtt.connection import Connection
from ingest.mqtt.options import ConnectionOptions, Endpoint
from ingest.subscriptions import CallButtons
from tests.lanes import Database, bulk_heard_until, bulk_lane_held, events_number, install
from tests.servers import Mosquitto, eventually
from tests.stages import Stage, listening, settings
from tests.traffic import Publisher, count

BUTTON, LATER, METER = "24e124535b316056", "24e124535b316057", "24e124136c216ac4"
StartMosquitto = Callable[..., Mosquitto]


def topic(eui: str) -> str:
    return f"application/17c82e96-be03-4f38-aef3-f83d48582d97/device/{eui}/event/up"


def uplink(eui: str, deduplication_id: str, **found: Any) -> bytes:
    return json.dumps(
        {
            "deduplicationId": deduplication_id,
            "time": datetime.now(UTC).isoformat(),
            "deviceInfo": {"deviceProfileName": "homes", "devEui": eui, "tags": {}},
            "object": found,
            "rxInfo": [{"gatewayId": "a", "rssi": -101}, {"gatewayId": "b", "rssi": -60}],
        }
    ).encode()


def pressed(eui: str, deduplication_id: str) -> bytes:
    return uplink(eui, deduplication_id, battery=90, button_event={"status": "short press"})


async def events(database: Database) -> list[tuple[str, str, str]]:
    cursor = await database.execute("SELECT device_name, kind, source_id FROM event ORDER BY event_id")
    return [(device, kind, source_id) for device, kind, source_id in await cursor.fetchall()]


async def test_a_press_is_heard_at_once_and_its_late_copy_changes_nothing(
    mosquitto: StartMosquitto, database_url: str, database: Database, folder: Path
) -> None:
    broker = mosquitto()
    await install(database, BUTTON, "Milesight WS101")
    await install(database, METER, "EM300-DI")
    ingest = Stage("ingest", folder, settings(database_url, broker.url))
    with ingest:
        await listening(database, "ingest")
        await eventually(lambda: "call_buttons_changed" in ingest.log, 15)
        assert ingest.stop() == 0
    heard_before = await bulk_heard_until(database)
    async with Publisher(broker.port) as publisher, bulk_lane_held(database, broker):
        with ingest:
            # Not even started when it was pressed: the broker kept it for the urgent session, button and all.
            await publisher.publish(topic(BUTTON), pressed(BUTTON, "first"))
            await events_number(database, 1)
            await publisher.publish(topic(METER), uplink(METER, "a", battery=92, pulse=256))
            await publisher.publish(topic(BUTTON), pressed(BUTTON, "second"))
            await events_number(database, 2)
            assert await bulk_heard_until(database) == heard_before, "the bulk lane is held"
            pulses = "SELECT count(*) FROM reading WHERE quantity = 8"
            assert await count(database, pulses) == 0
            readings = await count(database)
            async with asyncio.timeout(30):
                await database.execute("DELETE FROM bulk_lease")

                async def meter_stored() -> bool:
                    return await count(database, pulses) == 1

                await eventually(meter_stored, 30)
                # Behind the meter's reading and the copies of both presses in the bulk session's queue.
                await publisher.publish(topic(METER), uplink(METER, "b", pulse=257, battery=91))

                async def last_stored() -> bool:
                    return await count(database, pulses) == 2

                await eventually(last_stored, 30)
            assert ingest.stop() == 0
    assert await events(database) == [(BUTTON, "button_press", "first"), (BUTTON, "button_press", "second")]
    assert await count(database, "SELECT count(*) FROM home_wake") == 2
    assert await count(database) == readings + 4, "the copies' battery readings are repetitions"
    assert await count(database, "SELECT count(*) FROM reading_conflict") == 0
    assert await count(database, "SELECT count(*) FROM quarantine_count") == 0


async def test_a_button_installed_later_is_subscribed_to_within_seconds(
    mosquitto: StartMosquitto, database_url: str, database: Database, folder: Path
) -> None:
    broker = mosquitto()
    async with Publisher(broker.port) as publisher, bulk_lane_held(database, broker):
        with Stage("ingest", folder, settings(database_url, broker.url)) as ingest:

            async def urgent_heard() -> bool:
                return await count(database, "SELECT count(*) FROM hearing WHERE lane = 'urgent'") == 1

            await eventually(urgent_heard, 30)
            await install(database, LATER, "ws101")
            await eventually(lambda: "call_buttons_changed" in ingest.log, 10)
            await publisher.publish(topic(LATER), pressed(LATER, "first"))
            await events_number(database, 1)
            await asyncio.to_thread(broker.restart)  # and afterwards still
            await publisher.publish(topic(LATER), pressed(LATER, "second"))
            await events_number(database, 2, 30)
            assert ingest.stop() == 0
    assert await events(database) == [(LATER, "button_press", "first"), (LATER, "button_press", "second")]


@pytest.fixture
async def following(
    mosquitto: StartMosquitto, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Connection, Mosquitto]]:
    """A connection that `CallButtons` keeps subscribed, looking far more often than it does in service."""
    monkeypatch.setattr(subscriptions, "_LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(subscriptions, "_READ_ALL_EVERY_S", 0.2)
    broker = mosquitto()
    connection = Connection(Endpoint(host="127.0.0.1", port=broker.port), ConnectionOptions(client_id="urgent"))
    tasks = [
        asyncio.create_task(connection.run()),
        asyncio.create_task(CallButtons(database_url, discover()).keep([connection])),
    ]
    await eventually(lambda: connection.subscribed)
    yield connection, broker
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def heard(connection: Connection, publisher: Publisher, name: str) -> bool:
    """Whether a message published now comes in."""
    await publisher.publish(name, b"{}")
    await publisher.drain()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.3):
            for delivery in await connection.receive(100):
                connection.ack(delivery.generation, delivery.packet_ids)
            return True
    return False


async def test_a_removed_button_is_unsubscribed_from(
    following: tuple[Connection, Mosquitto], database: Database
) -> None:
    connection, broker = following
    async with Publisher(broker.port) as publisher:

        async def is_heard() -> bool:
            return await heard(connection, publisher, topic(BUTTON))

        assert not await is_heard()
        await install(database, BUTTON, "WS101")
        await eventually(is_heard, 10)
        await database.execute("UPDATE installation SET removed_at = %s", [datetime.now(UTC)])

        async def is_not_heard() -> bool:
            return not await is_heard()

        await eventually(is_not_heard, 10)


async def test_a_device_of_unknown_model_is_subscribed_to_once_it_has_called(
    following: tuple[Connection, Mosquitto], database: Database
) -> None:
    connection, broker = following
    await install(database, BUTTON, None)
    await install(database, METER, None)
    async with Publisher(broker.port) as publisher:
        assert not await heard(connection, publisher, topic(BUTTON))
        now = datetime.now(UTC)
        await database.execute(
            "INSERT INTO event (device_name, device_id, kind, dedup_key, payload_hash, measured_at, received_at)"
            " SELECT name, device_id, 'button_press', 'k', '', %(now)s, %(now)s FROM device WHERE name = %(name)s",
            {"now": now, "name": BUTTON},
        )

        async def is_heard() -> bool:
            return await heard(connection, publisher, topic(BUTTON))

        await eventually(is_heard, 10)
        assert not await heard(connection, publisher, topic(METER))
