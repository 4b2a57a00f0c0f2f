"""ingest.intake: which message becomes what."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.model import EventKind, Lane, Reason
from devices.registry import discover
from ingest.batch import Batch, Message
from ingest.beacon import Beacon
from ingest.copy_format import Row, microseconds, pack_row, unpack_row
from ingest.intake import Intake, Limits

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LIMITS = Limits()
DRIVERS = discover()


def message(topic: str, *, at: datetime = NOW, retain: bool = False, duplicate: bool = False, **fields: Any) -> Message:
    return Message(topic, json.dumps(fields).encode(), at, retain=retain, duplicate=duplicate)


def sort(*messages: Message, known: dict[str, int] | None = None, lane: Lane = Lane.BULK) -> Batch:
    intake = Intake(lane=lane, drivers=DRIVERS, device_ids=known or {"m": 7}, limits=LIMITS)
    batch = Batch()
    intake.sort(messages, NOW, batch)
    return batch


def rows(batch: Batch) -> list[Row]:
    return [unpack_row(row) for row in batch.rows]


def reasons(batch: Batch) -> list[Reason]:
    return [refused.reason for refused in batch.refused]


@given(
    st.integers(0, 2**31 - 1),
    st.integers(0, 2**15 - 1),
    st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    st.floats(allow_nan=False),
)
def test_a_packed_row_is_the_reading(device_id: int, quantity: int, at: datetime, value: float) -> None:
    row = unpack_row(pack_row(device_id, quantity, microseconds(at), microseconds(NOW), value))
    assert (row.device_id, row.quantity, row.value) == (device_id, quantity, value)
    assert (row.measured_at, row.received_at) == (at, NOW)


def test_a_good_reading_is_a_row_and_nothing_else() -> None:
    batch = sort(message("anju/m/reading", at_=1, water_total_l=5))
    assert rows(batch) == [Row(7, 1, NOW, NOW, 5.0)]
    assert not (batch.refused)
    assert not (batch.happenings)
    assert not (batch.unknown)


@pytest.mark.parametrize(
    ("age", "stored"),
    [
        (timedelta(days=35), True),
        (timedelta(days=35, seconds=1), False),
        (timedelta(minutes=-10), True),
        (timedelta(minutes=-10, seconds=-1), False),
        (timedelta(days=20_000), False),
    ],
)
def test_readings_outside_the_plausible_times_are_quarantined(age: timedelta, *, stored: bool) -> None:
    batch = sort(
        Message("anju/m/reading", json.dumps({"at": (NOW - age).isoformat(), "water_total_l": 5}).encode(), NOW)
    )
    assert len(batch.rows) == stored
    assert reasons(batch) == ([] if stored else [Reason.TIME_IMPLAUSIBLE])


def test_of_a_day_at_once_only_the_implausible_instants_are_refused() -> None:
    entries = [{"at": (NOW - timedelta(days=d)).isoformat(), "water_total_l": d} for d in (1, 40, 2)]
    batch = sort(message("anju/m/reading", readings=entries))
    assert [row.value for row in rows(batch)] == [1.0, 2.0]
    assert reasons(batch) == [Reason.TIME_IMPLAUSIBLE]


def test_readings_of_an_unknown_device_wait_for_a_look_into_the_database() -> None:
    intake = Intake(lane=Lane.BULK, drivers=DRIVERS, device_ids=(known := {"m": 7}), limits=LIMITS)
    batch = Batch()
    intake.sort([message("anju/n/reading", water_total_l=1), message("anju/o/reading", water_total_l=2)], NOW, batch)
    assert [name for name, _ in batch.unknown] == ["n", "o"]
    known["n"] = 8
    intake.sort_unknown(batch)
    assert rows(batch) == [Row(8, 1, NOW, NOW, 1.0)]
    assert [(r.device_name, r.reason) for r in batch.refused] == [("o", Reason.DEVICE_UNKNOWN)]


def test_a_press_of_an_unknown_device_is_an_event_at_once() -> None:
    batch = sort(message("anju/nobody/event", event="button_press"), lane=Lane.URGENT)
    assert [(h.device_name, h.kind, h.measured_at) for h in batch.happenings] == [
        ("nobody", EventKind.BUTTON_PRESS, NOW)
    ]


@pytest.mark.parametrize("at", ["1970-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "gibberish", 0])
def test_a_press_with_a_wrong_clock_counts_from_its_receipt(at: object) -> None:
    batch = sort(Message("anju/b/event", json.dumps({"at": at, "event": "button_press"}).encode(), NOW))
    assert [h.measured_at for h in batch.happenings] == [NOW]


def test_a_late_press_keeps_its_time() -> None:
    at = NOW - timedelta(hours=5)
    batch = sort(Message("anju/b/event", json.dumps({"at": at.isoformat(), "event": "button_press"}).encode(), NOW))
    assert [(h.measured_at, h.received_at) for h in batch.happenings] == [(at, NOW)]


def test_a_press_with_a_bad_battery_raises_and_the_battery_is_refused() -> None:
    batch = sort(message("anju/m/event", event="button_press", battery_pct=400))
    assert len(batch.happenings) == 1
    assert not batch.rows
    assert [(r.reason, r.urgent) for r in batch.refused] == [(Reason.VALUE_IMPOSSIBLE, True)]


def test_a_retained_press_counts_by_its_own_time_or_not_at_all() -> None:
    dated = {"at": (NOW - timedelta(minutes=3)).isoformat(), "event": "button_press"}
    assert len(sort(Message("anju/b/event", json.dumps(dated).encode(), NOW, retain=True)).happenings) == 1
    batch = sort(message("anju/b/event", retain=True, event="button_press"))
    assert not batch.happenings
    assert reasons(batch) == [Reason.RETAINED_EVENT]


def test_a_retained_reading_without_a_time_is_of_unknown_age() -> None:
    batch = sort(message("anju/m/reading", retain=True, water_total_l=3))
    assert not batch.rows
    assert reasons(batch) == [Reason.TIME_INVALID]


@pytest.mark.parametrize("name", ["", "x" * 300, "tab\there"])
def test_odd_device_names_hold_up_no_alarm(name: str) -> None:
    batch = sort(message(f"anju/{name}/event", event="fall"), message(f"anju/{name}/reading", water_total_l=1))
    assert [h.kind for h in batch.happenings] == [EventKind.FALL]
    assert 0 < len(batch.happenings[0].device_name) <= 128
    assert batch.happenings[0].device_name.isprintable()
    assert reasons(batch) == [Reason.DEVICE_NAME_INVALID] * 2
    assert not batch.rows


def test_the_owner_of_a_row_is_its_message() -> None:
    batch = sort(
        message("anju/m/reading", water_total_l=1, battery_pct=2),
        message("anju/m/reading", readings=[{"water_total_l": 3}, {"water_total_l": 4}]),
        message("anju/m/reading", water_total_l=5),
    )
    owners = [batch.owner_of(i).payload for i in range(len(batch.rows))]
    first, second, third = dict.fromkeys(owners)
    assert owners == [first, first, second, second, third]


def test_only_the_sessions_own_beacon_counts() -> None:
    beacon = Beacon("anju-bulk")
    intake = Intake(lane=Lane.BULK, drivers=DRIVERS, device_ids={}, limits=LIMITS, beacon=beacon)
    forged = Message(beacon.topic, b"0000000000000000 99999999999.0", NOW)
    garbled = Message(beacon.topic, b"\xff\xff", NOW)
    batch = Batch()
    intake.sort([forged, garbled], NOW, batch)
    assert batch.heard_until is None
    intake.sort([Message(beacon.topic, beacon.write(NOW), NOW)], NOW, batch)
    assert batch.heard_until == NOW
    assert not batch.refused


def test_a_message_that_says_nothing_is_counted_and_not_quarantined() -> None:
    batch = sort(Message("zigbee2mqtt/sos-1", b'{"action": "", "linkquality": null}', NOW))
    assert batch.understood_nothing == 1
    assert not batch.refused
