"""From a button's message to the duty desk's webhook, each role a process of its own, while things go wrong."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from tests.chaos.presses import BACKLOG, environment, homes_told, judged_and_told, ready, told
from tests.servers import Mosquitto, eventually
from tests.stages import Hook, Stage
from tests.traffic import (
    BUSY_BROKER,
    Meters,
    Publisher,
    assert_stored,
    count,
    flooding,
    install,
    left_in_session,
    press,
    stored,
)

StartMosquitto = Callable[..., Mosquitto]


@pytest.mark.alone
async def test_a_press_reaches_the_desk_before_a_backlog_is_worked_off(
    mosquitto: StartMosquitto, database_url: str, database: AsyncConnection[TupleRow], folder: Path
) -> None:
    broker = mosquitto(BUSY_BROKER)
    meters = Meters(200)
    await install(database, [*meters.names, "probe", "button"])
    with Hook() as hook:
        options = environment(database_url, broker, hook)
        ingest = Stage("ingest", folder, options)
        async with judged_and_told(folder, options), Publisher(broker.port, in_flight=5000) as publisher:
            with ingest:
                await ready(database, publisher, hook, "ingest")
                assert ingest.stop() == 0
            await meters.publish(publisher, BACKLOG)
            await publisher.drain(120)
            with ingest:

                async def draining() -> bool:
                    return await count(database) > 0

                await eventually(draining, 30, interval_s=0.005)
                pressed_at = time.monotonic()
                await publisher.publish("anju/button/event", press(id="1"))
                await eventually(lambda: "button" in homes_told(hook), 20, interval_s=0.005)
                to_go = BACKLOG - await count(database)
                (took_s,) = [at - pressed_at for home, _, at in told(hook) if home == "home of button"]
                print(f"press told after {took_s * 1000:.0f} ms, with {to_go} readings to go")
                assert to_go > 50_000
                assert took_s < 2

                async def drained() -> bool:
                    return await count(database) >= BACKLOG

                await eventually(drained, 60, interval_s=0.2)
    assert_stored(await stored(database), meters.published)


@pytest.mark.alone
async def test_twenty_presses_while_one_of_two_workers_is_killed(
    mosquitto: StartMosquitto, database_url: str, database: AsyncConnection[TupleRow], folder: Path
) -> None:
    broker = mosquitto(BUSY_BROKER)
    meters = Meters(60)
    buttons = [f"button-{number}" for number in range(20)]
    await install(database, [*meters.names, *buttons, "probe"])
    pressed_at: dict[str, float] = {}
    with Hook() as hook:
        options = environment(database_url, broker, hook)
        with (
            Stage("ingest", folder, options, name="first") as first,
            Stage("ingest", folder, options, name="second") as second,
        ):
            async with judged_and_told(folder, options), Publisher(broker.port) as publisher:
                await ready(database, publisher, hook, "first", "second")
                cursor = await database.execute("SELECT worker FROM bulk_lease")
                killed, survivor = (first, second) if await cursor.fetchall() == [("first",)] else (second, first)
                async with flooding(meters, publisher, per_s=1500):
                    for number, name in enumerate(buttons):
                        fields = {"id": number} if number % 2 else {"at": time.time()}
                        pressed_at[name] = time.monotonic()
                        await publisher.publish(f"anju/{name}/event", press(**fields))
                        if number == 8:
                            killed.kill()
                        await asyncio.sleep(0.2)
                    await eventually(lambda: set(buttons) <= homes_told(hook), 10)

                    async def taken_over() -> bool:
                        cursor = await database.execute("SELECT worker FROM bulk_lease")
                        return await cursor.fetchall() == [(survivor.name,)]

                    await eventually(taken_over, 30)

                async def all_stored() -> bool:
                    return await count(database) >= len(meters.published)

                await eventually(all_stored, 60, interval_s=0.2)
                assert_stored(await stored(database), meters.published)
                assert survivor.stop() == 0
        calls = Counter(home for home, _, _ in told(hook))
        told_at = {home.removeprefix("home of "): at for home, _, at in told(hook)}
        slowest_s = max(told_at[name] - at for name, at in pressed_at.items())
    print(f"slowest press told after {slowest_s * 1000:.0f} ms")
    assert slowest_s < 2
    assert calls == Counter(f"home of {name}" for name in [*buttons, "probe"])
    assert await count(database, "SELECT count(*) FROM alert WHERE kind = 'sos'") == 21
    assert await count(database, "SELECT count(*) FROM alert_entry WHERE event_id IS NOT NULL") == 21
    assert await left_in_session(broker.port, "anju-bulk", "anju/sentinel/reading") == []


async def test_presses_while_every_stage_is_killed_in_turn(
    mosquitto: StartMosquitto, database_url: str, database: AsyncConnection[TupleRow], folder: Path
) -> None:
    """Each press is entered once and told, whoever dies with it in hand; a message may come twice, with one id."""
    broker = mosquitto(BUSY_BROKER)
    buttons = [f"button-{number}" for number in range(60)]
    await install(database, [*buttons, "probe"])
    with Hook() as hook:
        options = environment(database_url, broker, hook)
        with Stage("ingest", folder, options) as ingest:
            async with judged_and_told(folder, options) as (rules, alerts), Publisher(broker.port) as publisher:
                await ready(database, publisher, hook, "ingest")
                stages = [ingest, rules, alerts]
                for number, name in enumerate(buttons):
                    await publisher.publish(f"anju/{name}/event", press(id=number))
                    await asyncio.sleep(random.uniform(0.0, 0.1))
                    if number % 6 == 3:
                        stage = stages[number // 6 % 3]
                        stage.kill()
                        stage.start()
                await publisher.drain()
                await eventually(lambda: set(buttons) <= homes_told(hook), 60)

                async def settled() -> bool:
                    return await count(database, "SELECT count(*) FROM notification WHERE state = 'pending'") == 0

                await eventually(settled, 60)
                assert [stage.stop() for stage in stages] == [0, 0, 0]
        messages = {(home, message_id) for home, message_id, _ in told(hook)}
    assert sorted(home for home, _ in messages) == sorted(f"home of {name}" for name in [*buttons, "probe"])
    assert await count(database, "SELECT count(*) FROM event") == 61
    assert await count(database, "SELECT count(*) FROM home_wake") == 0
    assert await count(database, "SELECT count(*) FROM alert_entry WHERE event_id IS NOT NULL") == 61
    assert await count(database, "SELECT count(*) FROM notification WHERE state <> 'accepted'") == 0
