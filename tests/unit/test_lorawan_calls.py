"""devices.lorawan: calls in objects of any model; no call where there is none; clocks of meters; two gateways."""

import json
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.errors import Rejected
from devices.lorawan.calls import call_in
from devices.model import WAKING, Decoded, EventKind, JsonValue, Lane
from devices.quantities import WATER_TOTAL
from devices.registry import discover
from ingest.batch import Batch, Message
from ingest.intake import Intake, Limits
from ingest.repetition import Earlier, repeats
from ingest.subscriptions import Installed, urgent_filters
from tests.servers import SHARED

DRIVERS: Final = discover()
EUI: Final = "24e124535b316056"
TOPIC: Final = f"application/17c82e96/device/{EUI}/event/up"
AT: Final = datetime(2025, 3, 2, 8, 15, 30, tzinfo=UTC)
VECTORS: Final = SHARED / "data" / "vectors"


def uplink(found: object, *, at: str = AT.isoformat(), profile: str = "homes", **more: object) -> bytes:
    info = {"deviceProfileName": profile, "devEui": EUI}
    return json.dumps({"deduplicationId": "d1", "time": at, "deviceInfo": info, "object": found, **more}).encode()


def decode(found: object, **more: Any) -> Decoded:
    return DRIVERS.decode(TOPIC, uplink(found, **more))


def kinds(decoded: Decoded) -> set[EventKind]:
    return {event.kind for event in decoded.events}


@pytest.mark.parametrize(
    "found",
    [
        {"sos": True},
        {"SOS": 1.0},
        {"sos_alarm": "true"},
        {"button": 1},
        {"button": "pressed"},
        {"buttonEvent": 1},
        {"button_event": "SHORT_PRESS"},
        {"panic": 1, "battery": 3.1},
        {"alarm": "sos"},
        {"event": "button_press"},
        {"eventType": "EMERGENCY"},
        {"emergency_button": "active"},
        {"button_event": {"status": "long press"}, "mystery": 3},
    ],
)
def test_a_press_is_made_out_in_the_object_of_any_model(found: dict[str, JsonValue]) -> None:
    assert kinds(decode(found)) == {EventKind.BUTTON_PRESS}


def test_what_is_kept_of_a_call_can_be_stored() -> None:
    for found in ({"so\0s": True}, {"button": "pres\0sed"}, {"sos": 10**300}):
        (event,) = decode(found).events
        assert "\\u0000" not in json.dumps(event.detail)


@pytest.mark.parametrize("found", [{"fall": True}, {"manDown": 1}, {"fall_detected": "yes"}, {"alarm": "man_down"}])
def test_a_fall_is_made_out_in_the_object_of_any_model(found: dict[str, JsonValue]) -> None:
    assert kinds(decode(found)) == {EventKind.FALL}


@pytest.mark.parametrize(
    "found",
    [
        {"alarm": 2},
        {"alarm": True},
        {"alarm": "leak"},
        {"event": 1},
        {"status": "ok"},
        {"button": 0},
        {"button": None},
        {"button": ""},
        {"button": "released"},
        {"sos": "none"},
        {"sos": float("nan")},
        {"button_count": 17},
        {"pressure": 10},
        {"press": "no"},
        {"fall": 0},
        {"type": "press"},
        {"waterfall": 1},
        {"action": "open"},
    ],
)
def test_what_meters_and_sensors_write_is_no_call(found: dict[str, JsonValue]) -> None:
    assert [call_in(name, value) for name, value in found.items()] == [None]


@given(
    st.text(max_size=50), st.none() | st.booleans() | st.floats() | st.text() | st.dictionaries(st.text(), st.text())
)
def test_any_field_is_a_call_or_none(name: str, value: Any) -> None:
    assert call_in(name, value) in (None, EventKind.BUTTON_PRESS, EventKind.FALL)


# What the sources themselves call a press, a man-down or a doorbell.
_CALLS: Final = {
    "milesight-iot/ws101",
    "Milesight WS101",
    "milesight/WS101",
    "netvox/r312",
    "ascoel/PB868LR",
    "mclimate/button",
    "oxon/buttonboard",
    "moko/LW001-BG-PRO",
    "digitalMatter/guppy",
    "swisscom/multisense",
    "the-things-industries/generic-node-sensor-edition",
}


def shared_objects() -> list[Any]:
    """Every decoded object of the LoRaWAN vectors, as a network server would hand it on."""
    found: list[Any] = []
    for name in ("lorawan_ttn_water", "lorawan_ttn_button_wearable", "lorawan_akenza", "milesight_lorawan"):
        path = VECTORS / f"{name}.json"
        for number, entry in enumerate(json.loads(path.read_text(encoding="utf-8")) if path.exists() else []):
            decoded = entry.get("vendor_decoder_output") or entry["expected"]
            emits = decoded.get("emits", [{"type": "sample", "data": decoded}])
            merged = {key: value for each in emits if each["type"] == "sample" for key, value in each["data"].items()}
            found.append(pytest.param(entry["device"], merged, id=f"{name} {number} {entry['device']}"))
    return found or [pytest.param("", {}, marks=pytest.mark.skip(reason="../shared/data is not there"))]


@pytest.mark.parametrize(("device", "found"), shared_objects())
def test_only_buttons_and_wearables_call(device: str, found: dict[str, Any]) -> None:
    try:
        called = kinds(decode(found)) & WAKING
    except Rejected:
        called = set()
    assert not called or device in _CALLS, f"{device} calls with {found}"


def times(decoded: Decoded) -> list[str]:
    return [f"{at:%d %H:%M}" for quantity, at, _ in decoded.readings if quantity == WATER_TOTAL.code]


@pytest.mark.parametrize(
    ("meter_at", "uplink_at", "stored"),
    [
        ("2024-07-24T19:00:00.000", "2024-07-24T17:10:05Z", "24 17:00"),  # its clock is two hours ahead of UTC
        ("2024-07-24T19:00:00.000", "2024-07-24T11:05:00Z", "24 11:00"),  # eight
        ("2024-07-24T19:00:00.000", "2024-07-24T19:20:00Z", "24 19:00"),  # UTC
        ("2024-07-24T19:00:00.000", "2024-07-24T18:52:00Z", "24 19:00"),  # UTC, a little fast
        ("2024-07-24T19:00:00.000", "2024-07-25T03:00:00Z", "24 19:00"),  # uploaded late
        ("2031-07-24T19:00:00.000", "2024-07-24T19:00:00Z", "24 19:00"),  # wrong by years, which ingest refuses
        ("2024-07-24T19:00:00+02:00", "2024-07-24T17:10:05Z", "24 17:00"),
    ],
)
def test_a_meter_on_local_time_is_brought_back_to_utc(meter_at: str, uplink_at: str, stored: str) -> None:
    values = [{"Type": "Volume", "Value": 1.5, "Unit": "m3", "Timestamp": meter_at}]
    assert times(decode({"values": values}, at=uplink_at)) == [stored]


def test_a_list_that_is_too_long_is_refused_and_the_rest_is_kept() -> None:
    decoded = decode({"pulse": 5, "battery": 80, "history": [{"timestamp": 1, "pulse": 1}] * 1001})
    assert len(decoded.readings) == 2
    assert len(decoded.refusals) == 1


def test_one_telegram_heard_by_two_gateways_is_one_press_and_the_next_is_another() -> None:
    gateways = [{"gatewayId": name, "rssi": rssi} for name, rssi in (("a", -101), ("b", -57))]
    intake = Intake(lane=Lane.URGENT, drivers=DRIVERS, device_ids={EUI: 1}, limits=Limits())
    batch = Batch()
    press = {"press": "short"}
    late = datetime(2025, 3, 3, 20, 0, tzinfo=UTC)
    intake.sort([Message(TOPIC, uplink(press, rxInfo=gateways), AT)], AT, batch)
    intake.sort([Message(TOPIC, uplink(press, rxInfo=gateways), late)], late, batch)
    intake.sort([Message(TOPIC, uplink(press).replace(b"d1", b"d2"), late)], late, batch)
    first, copy, second = batch.happenings
    known = [Earlier(first.source_id, first.payload_hash, first.own_time, first.received_at)]
    assert repeats(copy, known, heard_until=None), "the copy from the bulk lane, 36 h behind"
    assert not repeats(second, known, heard_until=None)


def test_a_rejected_message_is_filed_under_its_device_and_not_under_its_application() -> None:
    batch = Batch()
    intake = Intake(lane=Lane.BULK, drivers=DRIVERS, device_ids={}, limits=Limits())
    things = "v3/homes@community/devices/eui-1/up"
    intake.sort([Message(TOPIC, b"{", AT), Message(things, b"{}", AT)], AT, batch)
    assert [each.device_name for each in batch.refused] == [EUI, "eui-1"]


def test_the_urgent_session_hears_the_call_buttons_and_nobody_else() -> None:
    installed = [
        Installed(EUI, "chirpstack", "WS101"),
        Installed("24e1000000000001", "chirpstack", "milesight ws101"),
        Installed("24e1000000000002", "chirpstack", "Milesight EM300-DI"),
        Installed("24e1000000000003", "chirpstack", None),
        Installed("24e1000000000004", "chirpstack", None),
        Installed("eui-24e1000000000005", "things_stack", "Tektelic SEAL"),
        Installed("sos-7", "things_stack", None),
        Installed("+", "chirpstack", "WS101"),
        Installed("a/#", "chirpstack", "WS101"),
        Installed("b", "native", None),
        Installed("c", "no such driver", "WS101"),
    ]
    assert urgent_filters(installed, {"24e1000000000004"}, DRIVERS) == {
        f"application/+/device/{EUI}/event/up",
        "application/+/device/24e1000000000001/event/up",
        "application/+/device/24e1000000000004/event/up",
        "v3/+/devices/eui-24e1000000000005/up",
        "v3/+/devices/sos-7/up",
    }
