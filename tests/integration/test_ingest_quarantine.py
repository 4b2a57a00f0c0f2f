"""Quarantine against a real database: what is kept, what is counted, and the way back in."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from devices.model import Lane, Reason
from devices.registry import discover
from ingest import quarantine
from ingest.batch import Message, Refused
from ingest.intake import Limits
from ingest.quarantine import KEEP_FIRST, KEEP_LAST
from ingest.replay import Replayed, replay
from storage import partitions
from tests.ingest_desk import Desk
from tests.traffic import add_devices, count, press, stored

NOW = datetime.now(UTC).replace(microsecond=0)
DRIVERS = discover()
LIMITS = Limits()


@pytest.fixture
async def ready(database: AsyncConnection[TupleRow]) -> AsyncConnection[TupleRow]:
    await partitions.ensure(database, from_=NOW - timedelta(days=60), to=NOW)
    return database


def refused(
    number: int, *, device: str = "d", reason: Reason = Reason.PAYLOAD_INVALID, urgent: bool = False
) -> Refused:
    message = Message(f"anju/{device}/reading", b"%d" % number, NOW + timedelta(seconds=number))
    return Refused(message, device, reason, "because", urgent)


async def keep(connection: AsyncConnection[TupleRow], *batch: Refused) -> None:
    async with connection.transaction():
        await quarantine.store(connection, batch)


async def payloads(connection: AsyncConnection[TupleRow], where: str = "true") -> list[int]:
    cursor = await connection.execute(f"SELECT payload FROM quarantine WHERE {where} ORDER BY quarantine_id")
    return [int(row[0]) for row in await cursor.fetchall()]


@pytest.mark.parametrize("batch", [1, 7, 500])
async def test_of_each_device_and_reason_the_ends_are_kept_and_all_counted(
    database: AsyncConnection[TupleRow], batch: int
) -> None:
    numbers = range(100)
    for start in range(0, len(numbers), batch):
        part = numbers[start : start + batch]
        await keep(
            database,
            *(refused(n) for n in part),
            *(refused(n, reason=Reason.TIME_IMPLAUSIBLE) for n in part if n < 30),
            *(refused(n, device="other") for n in part if n < 41),
        )
    ends = [*numbers[:KEEP_FIRST], *numbers[-KEEP_LAST:]]
    assert await payloads(database, "device_name = 'd' AND reason = 'payload_invalid'") == ends
    assert await payloads(database, "reason = 'time_implausible'") == list(range(30))
    assert await payloads(database, "device_name = 'other'") == [n for n in range(41) if n != KEEP_FIRST]
    groups = {(g.device_name, g.reason): g for g in await quarantine.list_groups(database)}
    whole = groups["d", "payload_invalid"]
    assert (whole.messages, whole.kept) == (100, 40)
    assert (whole.first_at, whole.last_at) == (NOW, NOW + timedelta(seconds=99))
    assert groups["other", "payload_invalid"].messages == 41


async def test_urgent_messages_are_neither_thinned_out_nor_evicted(database: AsyncConnection[TupleRow]) -> None:
    await keep(database, *(refused(n, urgent=True) for n in range(100)))
    await keep(database, *(refused(1000 + n) for n in range(100)))
    assert len(await payloads(database, "urgent")) == 100
    assert len(await payloads(database, "NOT urgent")) == 40
    assert await quarantine.trim(database, 0) == 40
    assert await payloads(database) == list(range(100))


async def test_all_payloads_together_stay_below_the_limit_and_the_newest_are_kept(
    database: AsyncConnection[TupleRow],
) -> None:
    for number in range(50):
        await keep(database, refused(number, device=f"d{number}"))
    # Each counts as its payload and 200 bytes.
    assert await quarantine.trim(database, 10 * 202) == 40
    assert await payloads(database) == list(range(40, 50))
    assert await quarantine.trim(database, 10 * 202) == 0
    assert await count(database, "SELECT sum(messages) FROM quarantine_count") == 50


async def put_in(database_url: str, *messages: Message) -> None:
    async with Desk(database_url, lane=Lane.URGENT, worker="w", clock=lambda: datetime.now(UTC), limits=LIMITS) as desk:
        await desk.store(*messages)


async def again(connection: AsyncConnection[TupleRow], now: datetime = NOW) -> list[Replayed]:
    cursor = await connection.execute("SELECT quarantine_id FROM quarantine ORDER BY 1")
    ids = [row[0] for row in await cursor.fetchall()]
    return await replay(connection, ids, drivers=DRIVERS, limits=LIMITS, now=now)


async def test_replayed_readings_keep_their_time_of_receipt_and_come_once(
    database_url: str, ready: AsyncConnection[TupleRow]
) -> None:
    received_at = NOW - timedelta(days=40)
    dated = json.dumps({"at": (received_at - timedelta(days=3)).isoformat(), "water_total_l": 7}).encode()
    await put_in(
        database_url,
        Message("anju/late/reading", dated, received_at),
        Message("anju/late/reading", b'{"water_total_l": 8}', received_at),
        Message("anju/stranger/reading", b'{"water_total_l": 9}', received_at),
    )
    assert await count(ready) == 0
    assert {each.refused for each in await again(ready)} == {"device_unknown: no such device is installed"}
    await add_devices(ready, ["late"])
    outcomes = await again(ready)
    assert [(each.readings, each.refused is None) for each in outcomes] == [(1, True), (1, True), (0, False)]
    assert await stored(ready) == {("late", received_at - timedelta(days=3), 7.0), ("late", received_at, 8.0)}
    assert await count(ready, "SELECT count(DISTINCT received_at) FROM reading") == 1
    cursor = await ready.execute("SELECT DISTINCT received_at FROM reading")
    assert await cursor.fetchall() == [(received_at,)]
    assert len(await again(ready)) == 1, "what was replayed is not replayed again"
    assert await count(ready) == 2


async def test_a_replayed_press_is_stored_once_and_late(database_url: str, ready: AsyncConnection[TupleRow]) -> None:
    received_at = NOW - timedelta(days=2)
    # A press without a time, kept by the broker from nobody knows when: an operator decides.
    await put_in(database_url, Message("anju/b/event", press(), received_at, retain=True))
    assert await count(ready, "SELECT count(*) FROM event") == 0
    await ready.execute("UPDATE quarantine SET retained = false")
    assert [each.events for each in await again(ready)] == [1]
    assert await again(ready) == []
    cursor = await ready.execute("SELECT kind, measured_at, received_at FROM event")
    assert await cursor.fetchall() == [("button_press", received_at, received_at)]
    cursor = await ready.execute("SELECT created_at FROM home_wake")
    assert await cursor.fetchall() == [(NOW,)]


async def test_a_press_that_the_database_refused_is_raised_by_replay(
    database_url: str, ready: AsyncConnection[TupleRow]
) -> None:
    received_at = NOW - timedelta(hours=3)
    await ready.execute("ALTER TABLE event ADD CONSTRAINT closed CHECK (device_name <> 'b') NOT VALID")
    payload = press(at=received_at.isoformat(), id="1")
    await put_in(database_url, Message("anju/b/event", payload, received_at))
    assert await count(ready, "SELECT count(*) FROM event") == 0
    await ready.execute("ALTER TABLE event DROP CONSTRAINT closed")
    (outcome,) = await again(ready)
    assert (outcome.events, outcome.refused) == (1, None)
    cursor = await ready.execute("SELECT measured_at, received_at FROM event")
    assert await cursor.fetchall() == [(received_at, received_at)]
    # The same press once more over MQTT, as a gateway sends it again after hours: known.
    await put_in(database_url, Message("anju/b/event", payload, NOW))
    assert await count(ready, "SELECT count(*) FROM home_wake") == 1


async def test_of_an_oversized_message_the_beginning_is_kept_and_not_replayed(
    database_url: str, ready: AsyncConnection[TupleRow]
) -> None:
    await add_devices(ready, ["m"])
    beginning = b'{"readings": [{"water_total_l": 5}, '
    await put_in(database_url, Message("anju/m/reading", beginning, NOW, size_bytes=2_000_000, irregular="oversized"))
    (outcome,) = await again(ready)
    assert outcome.refused is not None
    assert outcome.refused.startswith("payload_too_large")
    cursor = await ready.execute("SELECT reason, payload_bytes, detail FROM quarantine")
    assert await cursor.fetchall() == [("payload_too_large", 2_000_000, "2000000 bytes")]
