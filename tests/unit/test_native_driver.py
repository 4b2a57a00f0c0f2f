"""devices.drivers.native: the contract, and what is kept of messages that break it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from devices import quantities
from devices.contract import MAX_ENTRIES, Entry
from devices.drivers import native
from devices.errors import DriverConflict, Rejected
from devices.model import Decoded, Event, EventKind, Lane, Reading, Reason
from devices.registry import Driver, collect, discover

AT = datetime(2026, 11, 21, 8, 15, tzinfo=UTC)
WATER, BATTERY = quantities.WATER_TOTAL.code, quantities.BATTERY.code


def decode(topic: str, payload: bytes) -> Decoded:
    return discover().decode(topic, payload)


def body(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def only_event(topic: str, payload: bytes) -> Event:
    decoded = decode(topic, payload)
    assert len(decoded.events) == 1
    return decoded.events[0]


def test_a_reading_with_two_quantities() -> None:
    decoded = decode("anju/m-1/reading", body(at="2026-11-21T08:15:00Z", water_total_l=12345.0, battery_pct=87, seq=4))
    assert decoded.device == "m-1"
    assert decoded.readings == [Reading(WATER, AT, 12345.0), Reading(BATTERY, AT, 87.0)]
    assert not decoded.events
    assert not decoded.refusals


def test_without_a_time_the_receipt_counts() -> None:
    assert decode("anju/m/reading", body(water_total_l=1)).readings == [Reading(WATER, None, 1.0)]
    assert decode("anju/m/reading", body(at=None, water_total_l=1)).readings == [Reading(WATER, None, 1.0)]


def test_a_day_at_once() -> None:
    entries = [{"at": (AT + timedelta(hours=h)).isoformat(), "water_total_l": h} for h in range(24)]
    decoded = decode("anju/m/reading", body(readings=entries, battery_pct=50))
    assert decoded.readings[0] == Reading(BATTERY, None, 50.0)
    assert decoded.readings[1:] == [Reading(WATER, AT + timedelta(hours=h), float(h)) for h in range(24)]


def test_the_number_of_entries_is_bounded() -> None:
    entries = [{"at": 1763712900 + i, "water_total_l": i} for i in range(MAX_ENTRIES + 1)]
    assert len(decode("anju/m/reading", body(readings=entries[:-1])).readings) == MAX_ENTRIES
    decoded = decode("anju/m/reading", body(readings=entries))
    assert not decoded.readings
    assert [refusal.reason for refusal in decoded.refusals] == [Reason.PAYLOAD_TOO_LARGE]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"battery_pct": 101}, Reason.VALUE_IMPOSSIBLE),
        ({"battery_pct": -1}, Reason.VALUE_IMPOSSIBLE),
        ({"battery_pct": "87"}, Reason.FIELD_INVALID),
        ({"battery_pct": True}, Reason.FIELD_INVALID),
        ({"battery_pct": None}, Reason.FIELD_INVALID),
        ({"battery_pct": {"now": 5}}, Reason.FIELD_INVALID),
    ],
)
def test_an_impossible_field_is_refused_alone(fields: dict[str, Any], reason: Reason) -> None:
    decoded = decode("anju/m/reading", body(water_total_l=7, at=AT.isoformat(), **fields))
    assert decoded.readings == [Reading(WATER, AT, 7.0)]
    assert [refusal.reason for refusal in decoded.refusals] == [reason]


def test_values_without_a_readable_time_are_refused() -> None:
    decoded = decode("anju/m/reading", body(at="half past eight", water_total_l=7))
    assert not decoded.readings
    assert decoded.refusals[0].reason is Reason.TIME_INVALID


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("anju/m/reading", b"", Reason.PAYLOAD_INVALID),
        ("anju/m/reading", b"{", Reason.PAYLOAD_INVALID),
        ("anju/m/reading", b"[1]", Reason.PAYLOAD_INVALID),
        ("anju/m/reading", b"NaN", Reason.PAYLOAD_INVALID),
        ("anju/m/reading", body(flow=3), Reason.PAYLOAD_INVALID),
        ("anju/m/reading", b"\xff\xfe", Reason.PAYLOAD_INVALID),
        ("anju/m/event", body(event="door_open"), Reason.EVENT_UNKNOWN),
        ("anju/m/event", body(event=["fall"]), Reason.EVENT_UNKNOWN),
        ("anju/m/event", body(), Reason.EVENT_UNKNOWN),
        ("anju/m/event", body(event="acceleration_burst"), Reason.EVENT_UNKNOWN),
        ("anju/m/status", b"asleep", Reason.PAYLOAD_INVALID),
        ("anju/m/motion", body(hz=50), Reason.PAYLOAD_INVALID),
        ("anju/m/motion", body(hz=50, g=[[1, 2]]), Reason.PAYLOAD_INVALID),
        ("anju/m", b"", Reason.TOPIC_UNKNOWN),
        ("anju/m/reading/more", b"", Reason.TOPIC_UNKNOWN),
        ("anju/m/readings", b"", Reason.TOPIC_UNKNOWN),
    ],
)
def test_what_is_no_message_is_rejected_with_its_reason(topic: str, payload: bytes, reason: Reason) -> None:
    with pytest.raises(Rejected) as rejected:
        decode(topic, payload)
    assert rejected.value.reason is reason
    assert rejected.value.detail


def test_a_press_with_its_id_and_battery() -> None:
    decoded = decode("anju/b/event", body(at=AT.isoformat(), event="button_press", id="p-9", battery_pct=90))
    assert decoded.events == [Event(kind=EventKind.BUTTON_PRESS, measured_at=AT, source_id="p-9")]
    assert decoded.readings == [Reading(BATTERY, AT, 90.0)]


@pytest.mark.parametrize(
    "payload",
    [
        body(event="button_press"),
        body(event=" Button-Press "),
        body(event="BUTTON PRESS", at="never"),
        body(event="button_press", battery_pct="full"),
        body(event="button_press", id={"a": 1}),
        body(event="button_press", id=""),
        body(event="button_press", id="x" * 500),
        body(event="button_press", id="a\0b"),
        b'{"event":"button_press","battery_pct":}',
        b'{"battery_pct":,"event" : "button_press"',
        b'\xff\xfe{"event":"button_press"}',
        '{"event":"button_press"}'.encode("utf-16-le"),
        b'[{"event":"button_press"}]',
    ],
)
@pytest.mark.parametrize("topic", ["anju/b/event", "anju/b/reading", "anju/b/status", "anju/b/motion"])
def test_a_press_that_can_be_made_out_is_a_press(topic: str, payload: bytes) -> None:
    assert only_event(topic, payload).kind is EventKind.BUTTON_PRESS


def test_a_fall_in_a_broken_message() -> None:
    assert only_event("anju/b/event", b'{"event":"fall",').kind is EventKind.FALL
    assert only_event("anju/b/event", b'{"event":"fall","at":12e999}').kind is EventKind.FALL


def test_a_test_press_is_none_and_not_recognised_by_guessing() -> None:
    assert only_event("anju/b/event", body(event="test_press")).kind is EventKind.TEST_PRESS
    with pytest.raises(Rejected):
        decode("anju/b/event", b'{"event":"test_press",')
    with pytest.raises(Rejected):
        decode("anju/b/event", b'{"event":"fall_cancelled",')


def test_status_in_words_and_in_json() -> None:
    assert only_event("anju/b/status", b"online").kind is EventKind.ONLINE
    assert only_event("anju/b/status", b" Offline\n").kind is EventKind.OFFLINE
    event = only_event("anju/b/status", body(status="offline", at=AT.isoformat()))
    assert (event.kind, event.measured_at) == (EventKind.OFFLINE, AT)


def test_a_burst_of_acceleration() -> None:
    event = only_event("anju/p/motion", body(at=AT.isoformat(), hz=50, g=[[0, 0, 1], [0.1, 0, 0.98]]))
    assert event.kind is EventKind.ACCELERATION_BURST
    assert event.detail == {"hz": 50.0, "g": [[0.0, 0.0, 1.0], [0.1, 0.0, 0.98]]}


def test_contract_and_quantities_have_the_same_fields() -> None:
    assert set(Entry.__annotations__) - {"at"} == set(quantities.by_field)


def test_codes_are_unique_and_never_change() -> None:
    assert {q.name: q.code for q in quantities.ALL} == {
        "water_total": 1,
        "battery": 2,
        "battery_voltage": 3,
        "link_rssi": 4,
        "motion": 5,
        "temperature": 6,
        "water_temperature": 7,
        "pulses": 8,
        "water_flow": 9,
        "water_leak": 10,
        "link_quality": 11,
        "valve_open": 12,
        "water_target": 13,
    }


def test_presses_take_the_urgent_lane_and_readings_the_other() -> None:
    drivers = discover()
    assert "anju/+/event" in drivers.filters(Lane.URGENT)
    assert "anju/+/reading" in drivers.filters(Lane.BULK)
    assert not set(drivers.filters(Lane.URGENT)) & set(drivers.filters(Lane.BULK))


def test_two_drivers_of_one_name_stop_the_start() -> None:
    driver: Driver = native
    with pytest.raises(DriverConflict, match="two drivers are named 'native'"):
        collect([driver, driver])


def test_prefixes_can_be_others_but_not_shared() -> None:
    drivers = collect([native], {"native": ("anju-east", "anju-west")})
    assert "anju-west/+/event" in drivers.filters(Lane.URGENT)
    assert drivers.decode("anju-east/m/status", b"online").device == "m"
    with pytest.raises(DriverConflict, match="no driver is named 'natve'"):
        collect([native], {"natve": ("x",)})


def test_a_topic_of_no_driver_is_rejected() -> None:
    with pytest.raises(Rejected) as rejected:
        discover().decode("weather/today", b"{}")
    assert rejected.value.reason is Reason.TOPIC_UNKNOWN


_fields = st.fixed_dictionaries(
    {}, optional={q.field: st.floats(q.minimum, q.maximum, allow_nan=False) for q in quantities.ALL}
)


@given(_fields, st.one_of(st.none(), st.datetimes(min_value=datetime(1971, 1, 1), timezones=st.just(UTC))))
def test_the_careful_way_agrees_with_the_fast_one(fields: dict[str, float], at: datetime | None) -> None:
    assume(fields)
    message = {"at": at.isoformat() if at else None, **fields}
    fast = decode("anju/m/reading", json.dumps(message).encode())
    careful = decode("anju/m/reading", json.dumps({**message, "readings": []}).encode())
    assert set(fast.readings) == set(careful.readings)
    assert (fast.device, list(fast.events), list(fast.refusals)) == (careful.device, [], [])
    assert not careful.events
    assert not careful.refusals


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
_names = st.sampled_from(["at", "event", "id", "readings", "hz", "g", "status", *quantities.by_field])
_topics = st.sampled_from(["anju/d/reading", "anju/d/event", "anju/d/motion", "anju/d/status", "anju/d", "x", ""])


@given(
    _topics, st.one_of(st.binary(max_size=200), st.dictionaries(_names, _json).map(lambda m: json.dumps(m).encode()))
)
def test_any_bytes_are_decoded_or_rejected(topic: str, payload: bytes) -> None:
    try:
        decoded = discover().decode(topic, payload)
    except Rejected as rejected:
        assert rejected.reason in Reason
        return
    assert decoded.readings or decoded.events or decoded.refusals
    for code, _, value in decoded.readings:
        quantity = quantities.by_code[code]
        assert quantity.minimum <= value <= quantity.maximum


@given(st.binary(max_size=60), st.binary(max_size=60), st.sampled_from(["button_press", "fall"]))
def test_an_alarm_survives_any_garbage_around_it(before: bytes, after: bytes, event: str) -> None:
    payload = before + b'"event":"' + event.encode() + b'"' + after
    kinds = {each.kind.value for each in decode("anju/d/event", payload).events}
    assert kinds & {"button_press", "fall"}
