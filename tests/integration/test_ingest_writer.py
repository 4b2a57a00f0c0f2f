"""What the database refuses, repeats or contradicts: the writer against a real one, and ingest as a whole."""

import asyncio
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from devices.model import EventKind, Lane, Reason
from devices.registry import discover
from ingest import events
from ingest.batch import Batch, Happening, Message
from storage import partitions
from storage.pool import connect
from tests.ingest_desk import NOW, Desk, reading
from tests.servers import Mosquitto, Postgres, eventually
from tests.stages import Stage, listening, settings
from tests.traffic import (
    BUSY_BROKER,
    Meters,
    Publisher,
    add_devices,
    assert_stored,
    count,
    left_in_session,
    press,
    stored,
)

DRIVERS = discover()
SECOND = timedelta(seconds=1)


async def ready_for_readings(url: str) -> None:
    async with await connect(url, application_name="test", autocommit=True) as connection:
        await partitions.ensure(connection, from_=NOW - timedelta(days=40), to=NOW + timedelta(days=40))


async def rows(database: AsyncConnection[TupleRow], query: str) -> list[TupleRow]:
    return await (await database.execute(query)).fetchall()


async def test_a_poison_row_among_five_thousand(
    mosquitto: Callable[..., Mosquitto], database_url: str, database: AsyncConnection[TupleRow], folder: Path
) -> None:
    broker = mosquitto(BUSY_BROKER)
    meters = Meters(50)
    await add_devices(database, meters.names)
    await database.execute("ALTER TABLE reading ADD CONSTRAINT no_poison CHECK (value <> 2500)")
    ingest = Stage("ingest", folder, settings(database_url, broker.url))
    with ingest:
        await listening(database, "ingest")
        assert ingest.stop() == 0
    async with Publisher(broker.port) as publisher:
        await meters.publish(publisher, 5000)
        await publisher.drain()
    (poison,) = [each for each in meters.published if each[2] == 2500]
    with ingest:

        async def settled() -> bool:
            return await count(database) + await count(database, "SELECT count(*) FROM quarantine") >= 5000

        await eventually(settled, 30)
        assert ingest.stop() == 0
    assert_stored(await stored(database), meters.published - {poison})
    (kept,) = await rows(database, "SELECT device_name, topic, reason, payload, urgent FROM quarantine")
    assert kept[:3] == (poison[0], f"anju/{poison[0]}/reading", "storage_refused")
    assert json.loads(kept[3])["water_total_l"] == 2500
    assert await rows(database, "SELECT messages FROM quarantine_count") == [(1,)]
    assert await left_in_session(broker.port, "anju-bulk", "anju/sentinel/reading") == []


async def test_many_poison_rows_of_one_message_do_not_hold_up_its_good_ones(
    database_url: str, database: AsyncConnection[TupleRow]
) -> None:
    await ready_for_readings(database_url)
    await add_devices(database, ["m", "n"])
    await database.execute("ALTER TABLE reading ADD CONSTRAINT odd CHECK (value::int % 2 = 1)")
    day = [{"at": (NOW - n * SECOND).isoformat(), "water_total_l": n} for n in range(100)]
    async with Desk(database_url) as desk:
        upload = Message("anju/m/reading", json.dumps({"readings": day}).encode(), NOW)
        await desk.store(upload, reading("n", NOW, 7))
        assert desk.writer.totals.bisections == 1
    assert {value for _, _, value in await stored(database)} == {float(n) for n in range(1, 100, 2)}
    assert await count(database, "SELECT count(*) FROM reading") == 51
    assert set(await rows(database, "SELECT device_name, reason, payload FROM quarantine")) == {
        ("m", "storage_refused", upload.payload)
    }


async def test_repeated_and_conflicting_readings_out_of_order(
    database_url: str, database: AsyncConnection[TupleRow]
) -> None:
    await ready_for_readings(database_url)
    await add_devices(database, ["m"])
    earlier, later = NOW - 60 * SECOND, NOW - 30 * SECOND
    async with Desk(database_url) as desk:
        await desk.store(reading("m", later, 20), reading("m", earlier, 10), reading("m", later, 20))
        await desk.store(reading("m", later, 20), reading("m", earlier, 11), reading("m", earlier, 11))
        await desk.store(reading("m", earlier, 12), reading("m", earlier, 11))
        await desk.store(reading("m", NOW, 30), reading("m", NOW, 31))
        totals = desk.writer.totals
    assert await stored(database) == {("m", earlier, 10.0), ("m", later, 20.0), ("m", NOW, 30.0)}
    kept = await rows(database, "SELECT measured_at, value, stored_value FROM reading_conflict ORDER BY 1, 2")
    assert kept == [(earlier, 11.0, 10.0), (earlier, 12.0, 10.0), (NOW, 31.0, 30.0)]
    assert (totals.readings, totals.conflicts, totals.repeated_readings) == (3, 3, 4)


def happening(
    after_s: float,
    *,
    device: str = "b",
    payload: bytes = b"same",
    source_id: str | None = None,
    own_time: datetime | None = None,
    duplicate: bool = False,
    kind: EventKind = EventKind.BUTTON_PRESS,
) -> Happening:
    at = NOW + after_s * SECOND
    return Happening(
        device_name=device,
        kind=kind,
        source_id=source_id,
        payload_hash=payload,
        own_time=own_time,
        measured_at=at,
        received_at=at,
        duplicate=duplicate,
        detail={},
        message=Message(f"anju/{device}/event", payload, at),
    )


async def append(connection: AsyncConnection[Any], *new: Happening, heard_until: datetime | None = None) -> int:
    async with connection.transaction():
        return await events.append(connection, new, now=NOW, heard_until=heard_until)


async def test_a_clock_stuck_at_one_instant_swallows_no_press(database: AsyncConnection[TupleRow]) -> None:
    stuck = NOW - timedelta(days=9)
    for after_s in (0.0, 10.5, 3600.0, 90_000.0):
        heard_until = NOW + (after_s - 3) * SECOND
        assert await append(database, happening(after_s, own_time=stuck), heard_until=heard_until) == 1
        # Sent again after a cut: the same press.
        again = happening(after_s + 40, own_time=stuck, duplicate=True)
        assert await append(database, again, heard_until=heard_until) == 0
    assert await count(database, "SELECT count(*) FROM event") == 4
    assert await count(database, "SELECT count(*) FROM home_wake") == 4


async def test_raw_acceleration_wakes_behind_the_calls(database: AsyncConnection[TupleRow]) -> None:
    kinds = (EventKind.ACCELERATION_BURST, EventKind.FALL, EventKind.BUTTON_PRESS, EventKind.TEST_PRESS)
    assert await append(database, *(happening(0, kind=kind) for kind in kinds)) == 4
    cursor = await database.execute("SELECT kind, judge_at FROM home_wake JOIN event USING (event_id) ORDER BY wake_id")
    assert await cursor.fetchall() == [("acceleration_burst", NOW), ("fall", None), ("button_press", None)]


@pytest.mark.parametrize("days", [1, 3, 300])
async def test_an_id_used_again_after_long_is_a_press_of_its_own(
    database: AsyncConnection[TupleRow], days: int
) -> None:
    """A button that counts from one after each change of its battery."""
    assert await append(database, happening(0, source_id="1", own_time=NOW)) == 1
    later = NOW + timedelta(days=days)
    again = happening(days * 86_400.0, source_id="1", own_time=later, payload=b"other")
    assert await append(database, again) == 1
    assert await append(database, again) == 0
    assert await count(database, "SELECT count(*) FROM event") == 2
    assert await count(database, "SELECT count(*) FROM home_wake") == 2


async def test_two_presses_of_one_read_with_a_used_id_are_two(database: AsyncConnection[TupleRow]) -> None:
    assert await append(database, happening(-3600, source_id="1", own_time=NOW - 3600 * SECOND)) == 1
    two = [
        happening(0, source_id="1", own_time=NOW - 1200 * SECOND, payload=b"first"),
        happening(0, source_id="1", own_time=NOW - 600 * SECOND, payload=b"second"),
    ]
    assert await append(database, *two) == 2
    assert await count(database, "SELECT count(*) FROM home_wake") == 3


async def test_workers_that_hear_one_press_at_once_store_one_event(
    database_url: str, database: AsyncConnection[TupleRow]
) -> None:
    workers = [await connect(database_url, application_name="test", autocommit=True) for _ in range(6)]
    try:
        for number in range(25):
            heard = [
                [
                    happening(number * 60 + 0.01 * worker, device=device, payload=b"%d" % number)
                    for device in (("a", "b", "c") if worker % 2 else ("c", "b", "a"))
                ]
                for worker in range(len(workers))
            ]
            new = await asyncio.gather(
                *(append(worker, *presses) for worker, presses in zip(workers, heard, strict=True))
            )
            assert sum(new) == 3
    finally:
        for worker in workers:
            await worker.close()
    assert await count(database, "SELECT count(*) FROM event") == 75
    assert await count(database, "SELECT count(*) FROM home_wake") == 75


async def test_a_copy_of_a_press_is_not_answered_before_the_standby_has_the_first(durable_postgres: Postgres) -> None:
    url = durable_postgres.url
    pressed = happening(0)

    async def waits_for_the_standby() -> bool:
        async with await connect(url, application_name="test", autocommit=True) as watching:
            return await rows(watching, "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'") == [(1,)]

    async def store() -> int:
        async with await connect(url, application_name="ingest", autocommit=True) as connection:
            return await append(connection, pressed)

    def stand_by(name: str) -> None:
        with psycopg.connect(url, autocommit=True) as operator:
            operator.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
            operator.execute("SELECT pg_reload_conf()")

    await asyncio.to_thread(stand_by, "away")
    first = asyncio.create_task(store())
    await eventually(waits_for_the_standby, 10)
    await asyncio.to_thread(durable_postgres.crash)
    with pytest.raises(psycopg.OperationalError):
        await first
    await asyncio.to_thread(durable_postgres.start)
    async with await connect(url, application_name="test", autocommit=True) as database:
        assert await rows(database, "SELECT count(*) FROM event") == [(1,)], "the press is on this server's disk"
    copy = asyncio.create_task(store())
    await eventually(lambda: copy.done() or waits_for_the_standby(), 10)
    assert not copy.done(), "answered while one disk alone has the press"
    await asyncio.to_thread(stand_by, "")
    assert await asyncio.wait_for(copy, 10) == 0


async def test_an_event_the_database_refuses_holds_up_no_other(
    database_url: str, database: AsyncConnection[TupleRow]
) -> None:
    await database.execute("ALTER TABLE event ADD CONSTRAINT poison CHECK (device_name <> 'poison')")
    async with Desk(database_url, lane=Lane.URGENT, worker="w") as desk:
        names = ["a", "poison", "b"]
        await desk.store(*(Message(f"anju/{name}/event", press(), NOW) for name in names))
        await desk.store(Message("anju/c/event", press(), NOW))
    assert {row[0] for row in await rows(database, "SELECT device_name FROM event")} == {"a", "b", "c"}
    assert await rows(database, "SELECT device_name, reason, urgent FROM quarantine") == [
        ("poison", Reason.STORAGE_REFUSED.value, True)
    ]


async def test_hearing_moves_with_beacons_and_starts_anew_after_a_gap(
    database_url: str, database: AsyncConnection[TupleRow]
) -> None:
    async def hearing() -> list[TupleRow]:
        return await rows(database, "SELECT lane, worker, heard_since, heard_until FROM hearing")

    async def beacon(desk: Desk, after_s: float) -> None:
        await desk.writer.store(Batch(heard_until=NOW + after_s * SECOND), desk.intake)

    async with Desk(database_url) as desk:
        await beacon(desk, 0)
        await beacon(desk, 50)
        await beacon(desk, 20)
        assert await hearing() == [("bulk", "", NOW, NOW + 50 * SECOND)]
    async with Desk(database_url) as restarted:
        await beacon(restarted, 105)
        assert await hearing() == [("bulk", "", NOW, NOW + 105 * SECOND)]
        await beacon(restarted, 166)
        assert await hearing() == [("bulk", "", NOW + 166 * SECOND, NOW + 166 * SECOND)]


async def test_timescale_takes_readings_conflicts_and_events(timescale_url: str) -> None:
    """One session, no time limits there: what is written ends before somebody looks."""
    async with await connect(timescale_url, application_name="test", autocommit=True) as database:
        await add_devices(database, ["m"])
    async with Desk(timescale_url) as desk:
        old = NOW - timedelta(days=30)
        await desk.store(reading("m", old, 1), reading("m", NOW, 2), reading("m", NOW, 2))
        await desk.store(reading("m", NOW, 3), reading("unknown", NOW, 3), Message("anju/m/reading", b"{", NOW))
        await desk.store(Message("anju/b/event", press(), NOW), Message("anju/b/event", press(), NOW + 5 * SECOND))
        await desk.store(Message("anju/b/event", press(), NOW + 16 * SECOND))
        await desk.writer.store(Batch(heard_until=NOW), desk.intake)
        totals = desk.writer.totals
    async with await connect(timescale_url, application_name="test", autocommit=True) as database:
        assert await stored(database) == {("m", old, 1.0), ("m", NOW, 2.0)}
        assert await rows(database, "SELECT value, stored_value FROM reading_conflict") == [(3.0, 2.0)]
        assert await count(database, "SELECT count(*) FROM event") == 2
        assert {row[0] for row in await rows(database, "SELECT reason FROM quarantine")} == {
            "device_unknown",
            "payload_invalid",
        }
        chunks = "SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_name = 'reading'"
        assert await count(database, chunks) == 2
        assert await count(database, "SELECT count(*) FROM hearing") == 1
    assert (totals.readings, totals.conflicts, totals.repeated_readings) == (2, 1, 1)


async def test_an_event_that_the_database_refuses_holds_up_no_other(
    database: AsyncConnection[TupleRow], database_url: str
) -> None:
    await database.execute("ALTER TABLE event ADD CHECK (device_name <> 'cursed')")
    messages = [Message(f"anju/{device}/event", b'{"event": "button_press"}', NOW) for device in ("b1", "cursed", "b2")]
    async with Desk(database_url, lane=Lane.URGENT, worker="w") as desk:
        await desk.store_together(NOW, *messages)
    cursor = await database.execute("SELECT device_name FROM event ORDER BY device_name")
    assert await cursor.fetchall() == [("b1",), ("b2",)]
    cursor = await database.execute("SELECT device_name, reason, urgent FROM quarantine")
    assert await cursor.fetchall() == [("cursed", "storage_refused", True)]
    cursor = await database.execute("SELECT count(*) FROM home_wake")
    assert await cursor.fetchone() == (2,)
