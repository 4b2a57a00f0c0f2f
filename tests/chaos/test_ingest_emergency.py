"""A press while the database is gone: told straight to the emergency webhook, and stored when the database is back."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from storage.pool import connect
from tests.servers import Mosquitto, Postgres, eventually
from tests.stages import SECRET, Hook, Stage, listening, settings
from tests.traffic import Publisher, count, left_in_session, press

StartMosquitto = Callable[..., Mosquitto]


async def test_without_a_database_each_press_is_told_to_the_emergency_webhook_once(
    mosquitto: StartMosquitto, durable_postgres: Postgres, folder: Path
) -> None:
    broker = mosquitto()
    with Hook() as hook:
        options = settings(
            durable_postgres.url, broker.url, emergency_webhook_url=hook.url, emergency_webhook_secret=SECRET
        )
        with Stage("ingest", folder, options) as ingest:
            async with await connect(durable_postgres.url, application_name="test", autocommit=True) as database:
                await listening(database, "ingest")
            async with Publisher(broker.port) as publisher:
                # The same bytes from two buttons are two people.
                await publisher.publish("anju/before/event", press())
                async with await connect(durable_postgres.url, application_name="test", autocommit=True) as database:

                    async def committed() -> bool:
                        return await count(database, "SELECT count(*) FROM event") == 1

                    await eventually(committed, 10)
                await asyncio.to_thread(durable_postgres.stop)
                pressed_at = time.monotonic()
                for name in ("red", "blue"):
                    await publisher.publish(f"anju/{name}/event", press())
                await publisher.publish("anju/red/event", press("tamper"))
                await publisher.drain()
                await eventually(lambda: len(hook.posts) >= 2, 30)
                assert hook.posts[0].at - pressed_at >= 9.5
                # Cut off, the broker sends the presses again: they are known.
                await asyncio.to_thread(broker.restart)
                await eventually(lambda: ingest.log.count("mqtt_connected") >= 4, 15)
                await publisher.publish("anju/green/event", press("fall"))
                await eventually(lambda: len(hook.posts) >= 3, 30)
            messages = [post.message() for post in hook.posts]
            assert [(each["device"], each["event"]) for each in messages] == [
                ("red", "button_press"),
                ("blue", "button_press"),
                ("green", "fall"),
            ]
            assert len({post.headers["webhook-id"] for post in hook.posts}) == 3
            # Nothing was acknowledged: whoever takes the session now gets all of it.
            ingest.kill()
            await asyncio.to_thread(durable_postgres.start)
            ingest.start()
            async with await connect(durable_postgres.url, application_name="test", autocommit=True) as database:

                async def all_stored() -> bool:
                    return await count(database, "SELECT count(*) FROM event") >= 5

                await eventually(all_stored, 30)
                assert ingest.stop() == 0
                cursor = await database.execute("SELECT device_name, kind FROM event ORDER BY 1, 2")
                assert await cursor.fetchall() == [
                    ("before", "button_press"),
                    ("blue", "button_press"),
                    ("green", "fall"),
                    ("red", "button_press"),
                    ("red", "tamper"),
                ]
                assert await count(database, "SELECT count(*) FROM home_wake") == 4
        assert len(hook.posts) == 3
    assert await left_in_session(broker.port, "anju-urgent-ingest", "anju/sentinel/event") == []
