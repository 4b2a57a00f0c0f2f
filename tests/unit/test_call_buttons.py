"""Who is there to call for help, and what the urgent session hears of it; several devices in one message."""

from datetime import UTC, datetime

import pytest

from devices.model import Lane, Reason
from devices.naming import names_call_button
from devices.quantities import PULSES
from devices.registry import discover
from ingest.batch import Batch, Message
from ingest.copy_format import unpack_row
from ingest.intake import Intake, Limits

NOW = datetime(2026, 11, 21, 8, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    "name", ["sos", "SOS-12", "flat 3/sos2", "TS0601_sos", "panic.button", "求助按钮", "客厅紧急按钮"]
)
def test_a_name_that_says_so(name: str) -> None:
    assert names_call_button(name)


@pytest.mark.parametrize("name", ["", "sosnowa-5", "button-7", "cellar", "isos", "热水"])
def test_a_name_that_does_not(name: str) -> None:
    assert not names_call_button(name)


@pytest.mark.parametrize(
    ("model", "device", "heard"),
    [
        ("TS0601_sos", "button-7", True),
        ("ts0215a", "button-7", True),
        ("WXKG01LM", "button-7", False),
        ("WXKG01LM", "sos-7", True),
        (None, "sos-7", True),
        ("", "hall", False),
        ("some panic button", "hall", True),
        ("TS0601_sos", "hall/#", False),
        ("TS0601_sos", "+", False),
        ("TS0601_sos", "", False),
    ],
)
def test_the_urgent_session_hears_what_presses(model: str | None, device: str, *, heard: bool) -> None:
    filters = discover().urgent_filters("zigbee2mqtt", model, device)
    assert filters == ((f"zigbee2mqtt/{device}", f"zigbee2mqtt/{device}/action") if heard else ())


def test_prefixes_hold_for_single_devices_too() -> None:
    drivers = discover({"zigbee2mqtt": ("z2m-east", "z2m-west")})
    assert "z2m-west/sos-1/action" in drivers.urgent_filters("zigbee2mqtt", None, "sos-1")
    assert drivers.urgent_templates()["zigbee2mqtt"][0] == "z2m-east/{device}"


def test_a_family_without_shared_topics_needs_none() -> None:
    drivers = discover()
    assert drivers.urgent_filters("native", None, "sos-1") == ()
    assert drivers.urgent_filters("no such driver", None, "sos-1") == ()


def test_each_device_of_a_message_is_stored_or_quarantined_by_itself() -> None:
    ids = {"cellar": 1}
    intake = Intake(lane=Lane.BULK, drivers=discover(), device_ids=ids, limits=Limits())
    batch = Batch()
    message = Message("tele/cellar/SENSOR", b'{"COUNTER":{"C1":5,"C2":338,"C3":9}}', NOW)
    intake.sort([message], NOW, batch)
    ids["cellar/C2"] = 2
    intake.sort_unknown(batch)
    rows = [unpack_row(row) for row in batch.rows]
    assert sorted((row.device_id, row.quantity, row.value) for row in rows) == [
        (1, PULSES.code, 5.0),
        (2, PULSES.code, 338.0),
    ]
    assert [(each.device_name, each.reason) for each in batch.refused] == [("cellar/C3", Reason.DEVICE_UNKNOWN)]
    assert all(batch.owner_of(row) == message for row in range(len(rows)))


def test_a_message_that_holds_nothing_for_us_leaves_no_trace() -> None:
    intake = Intake(lane=Lane.BULK, drivers=discover(), device_ids={}, limits=Limits())
    batch = Batch()
    intake.sort([Message("zigbee2mqtt/bridge/state", b'{"state":"online"}', NOW)], NOW, batch)
    assert batch.empty
