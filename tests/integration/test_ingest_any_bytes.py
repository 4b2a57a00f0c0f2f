"""Any bytes on any topic: nothing raises; each message ends as row, event or quarantine, an alarm always as event."""

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mqtt5
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as budget
from hypothesis import strategies as st
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from devices.model import EventKind, Lane, Reason
from devices.registry import discover
from ingest.batch import Batch, Message, Packet
from ingest.intake import Intake, Limits
from ingest.mqtt.framing import FrameReader
from ingest.writer import Writer
from storage import partitions
from tests.servers import Mosquitto, eventually
from tests.stages import Stage, listening, settings
from tests.traffic import BUSY_BROKER, Publisher, add_devices, count, left_in_session, press

NOW = datetime.now(UTC).replace(microsecond=0)
DRIVERS = discover()
ALARMS = {EventKind.BUTTON_PRESS, EventKind.FALL}

_ODD_TEXT = st.text() | st.sampled_from(
    ["", " ", "é" * 200, "x" * 300, "\x01", "..", "$SYS", "\u202e", "\ufffd", "+", "#", "'", '"', "\\"]
)
_LEVEL = st.sampled_from(["reading", "event", "motion", "status", "state", "", "Event"]) | _ODD_TEXT
TOPICS = st.one_of(
    st.tuples(_ODD_TEXT, _LEVEL).map(lambda parts: f"anju/{parts[0]}/{parts[1]}"),
    st.tuples(st.sampled_from(["m", "b"]), _LEVEL).map(lambda parts: f"anju/{parts[0]}/{parts[1]}"),
    st.lists(_ODD_TEXT, max_size=5).map("/".join),
)
_FIELDS = st.sampled_from(
    ["at", "event", "id", "water_total_l", "battery_pct", "readings", "status", "hz", "g", "motion", "rssi_dbm"]
)
_ODD_VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        -0.0,
        1e308,
        -1e308,
        10**400,
        -(10**30),
        2**63,
        "",
        "\0",
        "1e999",
        "nan",
        "9" * 5000,
        "2026-11-21T08:15:00Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "button_press",
        "fall",
        "Button Press",
        "online",
        [[0.1, 0.2, 1.0]],
        [],
        {},
    ]
)
_JSON: st.SearchStrategy[Any] = st.recursive(
    _ODD_VALUES | st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_FIELDS | st.text(max_size=5), inner, max_size=6),
    max_leaves=20,
)
_MESSAGES = st.dictionaries(_FIELDS, _JSON, max_size=7).map(lambda fields: json.dumps(fields).encode())
PAYLOADS = st.one_of(
    st.binary(max_size=200),
    _MESSAGES,
    _JSON.map(lambda value: json.dumps(value).encode()),
    st.tuples(_MESSAGES, st.integers(0, 60)).map(lambda cut: cut[0][: cut[1]]),
    _MESSAGES.map(lambda text: text.decode().encode("utf-16")),
)
NASTY: dict[str, bytes] = {
    "empty": b"",
    "nul text": rb'{"event": "button_press", "id": "a\u0000b"}',
    "lone surrogate": rb'{"event": "button_press", "id": "\ud800"}',
    "raw surrogate": b'{"event": "fall", "id": "\xed\xa0\x80"}',
    "not a number": b'{"at": NaN, "event": "button_press", "battery_pct": Infinity}',
    "huge numbers": b'{"at": 1' + b"0" * 400 + b', "event": "fall", "id": 9' + b"9" * 400 + b', "battery_pct": 1e999}',
    "huge digits": b'{"event": "button_press", "battery_pct": ' + b"9" * 100_000 + b"}",
    "deep": b"[" * 100_000,
    "deep in a press": b'{"event": "button_press", "x": ' + b'{"a":' * 5_000 + b"1" + b"}" * 5_001,
    "deep and open": b'{"event": "button_press", "x": ' + b"[" * 100_000,
    "a mebibyte": b'{"event": "fall", "x": "' + b"x" * (1024 * 1024) + b'"}',
    "many keys": b'{"event": "fall",' + b",".join(b'"k%d": %d' % (n, n) for n in range(50_000)) + b"}",
    "byte order mark": b'\xef\xbb\xbf{"event": "button_press"}',
    "utf-16": '{"event": "button_press"}'.encode("utf-16"),
    "a wrong comma": b'{"event": "button_press",}',
    "cut": b'{"at": "2026-11-21T08:15:00Z", "event": "button_press", "batt',
    "twice": b'{"event": "tamper", "event": "button_press"}',
}


def with_entries(number: int) -> bytes:
    return json.dumps({"readings": [{"at": NOW.timestamp() - n, "water_total_l": n} for n in range(number)]}).encode()


def is_alarm(payload: bytes) -> bool:
    text = payload.replace(b"\0", b"")
    return b"button_press" in text or b"fall" in text


def _publishable(topic: str) -> str:
    return topic.translate(dict.fromkeys(map(ord, "+#\0"))) or "/"


def sort(messages: Sequence[Packet], lane: Lane, known: dict[str, int]) -> tuple[Intake, Batch]:
    intake, batch = Intake(lane=lane, drivers=DRIVERS, device_ids=known, limits=Limits()), Batch()
    intake.sort(messages, NOW, batch)
    return intake, batch


def ends(batch: Batch) -> int:
    return len(batch.row_messages) + len(batch.happenings) + len(batch.refused) + len(batch.unknown)


@given(TOPICS, PAYLOADS, st.booleans(), st.sampled_from(Lane))
def test_every_message_ends_somewhere(topic: str, payload: bytes, retain: bool, lane: Lane) -> None:
    intake, batch = sort([Message(topic, payload, NOW, retain=retain)], lane, {"m": 1})
    assert ends(batch) >= 1
    intake.sort_unknown(batch)
    assert not batch.unknown
    assert ends(batch) >= 1
    for each in batch.happenings:
        assert each.device_name.isprintable()
        assert 0 < len(each.device_name) <= 128


@given(st.binary(max_size=300), st.integers(1, 40))
def test_no_bytes_from_a_broker_raise(data: bytes, step: int) -> None:
    frames = FrameReader(1000)
    for start in range(0, len(data), step):
        if any(chunk.fault for chunk in frames.feed(data[start : start + step])):
            break
    # Framed soundly, whatever is inside is a message or a fault.
    publish = b"\x30" + bytes([len(data) & 0x7F]) + data[: len(data) & 0x7F]
    for chunk in FrameReader(1000).feed(publish):
        sort([Message.of(packet, NOW) for packet in chunk.publishes], Lane.URGENT, {})


@pytest.mark.parametrize(
    "level",
    [
        "event",
        "reading",
        "status",
        "motion",
    ],
)
@pytest.mark.parametrize("name", NASTY)
def test_a_recognisable_alarm_is_always_an_event(name: str, level: str) -> None:
    payload = NASTY[name]
    for device in ("b", "", "n" * 300, "\x07bell", "漢字", "a b+#'\"\\"):
        _, batch = sort([Message(f"anju/{device}/{level}", payload, NOW)], Lane.URGENT, {"b": 1})
        assert ends(batch) >= 1
        if is_alarm(payload):
            assert [each.kind in ALARMS for each in batch.happenings] == [True]
            assert batch.happenings[0].measured_at == NOW


@pytest.mark.parametrize(("number", "stored"), [(1, 1), (1000, 1000), (1001, 0)])
def test_a_thousand_entries_are_the_most(number: int, stored: int) -> None:
    _, batch = sort([Message("anju/m/reading", with_entries(number), NOW)], Lane.BULK, {"m": 1})
    assert len(batch.rows) == stored
    assert len(batch.refused) == (0 if stored else 1)


async def test_the_database_takes_whatever_comes(database_url: str, database: AsyncConnection[TupleRow]) -> None:
    await partitions.ensure(database, from_=NOW - Limits().late_window, to=NOW)
    await add_devices(database, ["m", "b"])
    ready = asyncio.Event()
    ready.set()
    loop = asyncio.get_running_loop()
    writers = {
        lane: Writer(database_url, application_name="test", lane=lane, broker="b", worker="", readings_ready=ready)
        for lane in Lane
    }

    async def store(lane: Lane, messages: Sequence[Packet]) -> None:
        writer = writers[lane]
        intake, batch = sort(messages, lane, writer.device_ids)
        await writer.store(batch, intake)

    @budget(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.sampled_from(Lane), st.lists(st.tuples(TOPICS, PAYLOADS), min_size=1, max_size=8))
    def any_bytes(lane: Lane, content: list[tuple[str, bytes]]) -> None:
        messages = [mqtt5.PublishPacket(_publishable(topic), payload) for topic, payload in content]
        asyncio.run_coroutine_threadsafe(store(lane, messages), loop).result(20)

    await asyncio.to_thread(any_bytes)
    for device in ("b", "", "n" * 300, "\x07bell\0", "漢字"):
        for level in ("event", "reading", "status", "motion", "other"):
            topic = _publishable(f"anju/{device}/{level}")
            await store(Lane.URGENT, [mqtt5.PublishPacket(topic, each) for each in NASTY.values()])
    for writer in writers.values():
        assert not writer.totals.quarantined.get(Reason.STORAGE_REFUSED)
        await writer.disconnect()
    assert await count(database, "SELECT count(*) FROM quarantine WHERE reason = 'storage_refused'") == 0


async def test_ingest_survives_what_a_broker_lets_through(
    mosquitto: Callable[..., Mosquitto], database_url: str, database: AsyncConnection[TupleRow], folder: Path
) -> None:
    broker = mosquitto(BUSY_BROKER)
    await add_devices(database, ["m"])
    names = [f"n{number}" for number in range(len(NASTY))]
    with Stage("ingest", folder, settings(database_url, broker.url)) as ingest:
        await listening(database, "ingest")
        async with Publisher(broker.port) as publisher:
            for name, payload in zip(names, NASTY.values(), strict=True):
                for level in ("event", "reading", "status", "motion"):
                    await publisher.publish(f"anju/{name}/{level}", payload)
            for topic in ("anju//event", f"anju/{'n' * 300}/event", "anju/\u202e/event", "anju/ /event"):
                await publisher.publish(topic, press(at=NOW.timestamp(), id=len(topic)))
            await publisher.publish("anju/m/reading", with_entries(1000))
            await publisher.publish("anju/m/reading", with_entries(1001))
            await publisher.publish("anju/m/reading", b"x" * (3 * 1024 * 1024))
            await publisher.publish("anju/m/reading", b'{"water_total_l": 424242}')
            await publisher.drain(30)

        async def got_through() -> bool:
            return await count(database) == 1001

        await eventually(got_through, 30)

        async def odd_presses() -> bool:
            query = "SELECT count(*) FROM event WHERE kind = 'button_press' AND device_name !~ '^n[0-9]+$'"
            return await count(database, query) == 4

        await eventually(odd_presses, 10)
        async with Publisher(broker.port) as publisher:
            await publisher.publish("anju/last/event", press("tamper"))
            await publisher.drain()

        async def last() -> bool:
            return await count(database, "SELECT count(*) FROM event WHERE device_name = 'last'") == 1

        await eventually(last, 10)
        assert ingest.running
        assert ingest.stop() == 0
    assert await left_in_session(broker.port, "anju-bulk", "anju/sentinel/reading") == []
    # It was seen in the table; its acknowledgement may not have been on its way yet.
    assert set(await left_in_session(broker.port, "anju-urgent-ingest", "anju/sentinel/event")) <= {"anju/last/event"}
    expected = {name for name, payload in zip(names, NASTY.values(), strict=True) if is_alarm(payload)}
    cursor = await database.execute("SELECT DISTINCT device_name FROM event WHERE kind IN ('button_press', 'fall')")
    assert expected <= {row[0] for row in await cursor.fetchall()}
    assert await count(database, "SELECT count(*) FROM quarantine WHERE payload_bytes > 1000000") >= 1
