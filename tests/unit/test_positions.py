"""Where a device is: kept with a call where the site allows it, and nowhere else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.errors import Rejected
from devices.model import Decoded, EventKind, Reason
from devices.positions import Position, position_of
from devices.registry import discover

WITHOUT, KEEPING = discover(), discover(keep_positions=True)
IMEI = "865067123456789"
# The example of github.com/TELY01-DEV/stardust-my-firstcare-com docs/KATI_WATCH_MQTT_PAYLOAD.md.
PLACE = {"GPS": {"latitude": 22.5678, "longitude": 112.3456}}


def told(decoded: Decoded) -> list[tuple[EventKind, Any]]:
    return [(event.kind, dict(event.detail)) for event in decoded.events]


def message(status: str | None = None, place: object = PLACE, **fields: object) -> bytes:
    said = {} if status is None else {"status": status}
    return json.dumps({"IMEI": IMEI, "location": place, **said, **fields}).encode()


def test_a_call_keeps_where_it_came_from_only_where_that_is_allowed() -> None:
    kept = {"position": {"latitude": 22.5678, "longitude": 112.3456}}
    for topic, status, kind in (
        ("sos", "SOS", EventKind.BUTTON_PRESS),
        ("fallDown", "FALL DOWN", EventKind.FALL),
    ):
        assert told(KEEPING.decode(f"iMEDE_watch/{topic}", message(status))) == [(kind, kept)]
        assert told(WITHOUT.decode(f"iMEDE_watch/{topic}", message(status))) == [(kind, {})]


def test_no_other_event_and_no_reading_has_a_position() -> None:
    for topic, payload in (("VitalSign", message(battery=12)), ("location", message()), ("hb", message(battery=67))):
        assert KEEPING.decode(f"iMEDE_watch/{topic}", payload) == WITHOUT.decode(f"iMEDE_watch/{topic}", payload)
    both = KEEPING.decode("iMEDE_watch/sos", message("SOS", battery=12))
    assert [sorted(detail) for _, detail in told(both)] == [["position"], []]


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ({"GPS": {"latitude": 122.5, "longitude": 112.3}}, Reason.VALUE_IMPOSSIBLE),
        ({"GPS": {"latitude": "north", "longitude": 112.3}}, Reason.FIELD_INVALID),
        ({"GPS": {"latitude": 22.5}}, Reason.FIELD_INVALID),
        ({"GPS": {"latitude": "nan", "longitude": "nan"}}, Reason.VALUE_IMPOSSIBLE),
        ({"GPS": {"latitude": 0, "longitude": 0.0}}, None),
        ({"GPS": None}, None),
        ({"GPS": {}}, None),
        ([22.5, 112.3], None),
        (None, None),
    ],
)
def test_a_position_that_cannot_be_is_refused_alone(place: object, reason: Reason | None) -> None:
    payload = message("SOS", place)
    decoded = KEEPING.decode("iMEDE_watch/sos", payload)
    assert told(decoded) == [(EventKind.BUTTON_PRESS, {})]
    assert [refusal.reason for refusal in decoded.refusals] == ([] if reason is None else [reason])
    assert "22.5" not in str(decoded)
    assert WITHOUT.decode("iMEDE_watch/sos", payload).refusals == []


def test_a_call_cut_off_is_still_a_call() -> None:
    payload = message("SOS")
    for end in range(1, len(payload)):
        assert told(KEEPING.decode("iMEDE_watch/sos", payload[:end])) == [(EventKind.BUTTON_PRESS, {})]


@pytest.mark.parametrize(
    ("said", "place"),
    [
        (
            {"sosFlag": 1, "messageType": "POSITION_MESSAGE", "gpsLatitude": 48.9208064, "gpsLongitude": 2.3082752},
            (48.9208064, 2.3082752),
        ),
        (
            {"pack_type": "fix_success", "idle_state": "1", "lat": "30.458075", "lon": "114.4692816"},
            (30.458075, 114.4692816),
        ),
        ({"header": {"sos": True}, "position": {"gnssFix": {"latitude": 43.6, "longitude": 7.07}}}, (43.6, 7.07)),
        ({"inTrip": True, "manDown": True, "cached": {"latitudeDeg": -33.9, "longitudeDeg": 18.8}}, None),
        ({"press": "short"}, None),
    ],
)
def test_a_tracker_behind_a_network_server_is_told_alike(
    said: dict[str, object], place: tuple[float, float] | None
) -> None:
    heard = {"rssi": -80, "location": {"latitude": 52.1, "longitude": 4.9}}  # where the gateway is
    for topic, message in (
        ("application/1/device/24e124535b316056/event/up", {"object": said, "rxInfo": [heard]}),
        ("v3/app/devices/tracker/up", {"uplink_message": {"decoded_payload": said, "rx_metadata": [heard]}}),
    ):
        payload = json.dumps(message).encode()
        (event,) = KEEPING.decode(topic, payload).events
        kept = event.detail.get("position")
        assert kept == (None if place is None else {"latitude": place[0], "longitude": place[1]})
        (event,) = WITHOUT.decode(topic, payload).events
        assert "position" not in event.detail


@given(st.one_of(st.none(), st.floats(), st.integers(), st.text()), st.one_of(st.none(), st.floats(), st.text()))
def test_what_is_kept_is_on_earth(latitude: Any, longitude: Any) -> None:
    try:
        found = position_of(latitude, longitude)
    except Rejected as rejected:
        assert rejected.reason in (Reason.FIELD_INVALID, Reason.VALUE_IMPOSSIBLE)
    else:
        assert found is None or (abs(found.latitude) <= 90 and abs(found.longitude) <= 180)


def test_a_position_is_two_numbers_or_texts_of_them() -> None:
    assert position_of("30.458075", 114) == Position(30.458075, 114.0)
