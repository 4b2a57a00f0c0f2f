"""The real messages of ../shared/data/vectors as they are, against what their collectors say that they mean."""

import json
from datetime import datetime
from typing import Any

import pytest

from devices.errors import Rejected
from devices.model import Decoded
from devices.quantities import BATTERY, PULSES, WATER_TOTAL
from devices.registry import discover
from devices.times import parse_time
from tests.servers import SHARED, missing

DRIVERS = discover()


def messages(name: str) -> list[dict[str, Any]]:
    path = SHARED / "data" / "vectors" / name
    if not path.exists():
        missing(f"no {name} in ../shared/data/vectors")
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return found


def value(decoded: Decoded, quantity: int) -> float | None:
    return next((found for code, _, found in decoded.readings if code == quantity), None)


def test_every_telegram_of_a_water_meter_gives_its_total() -> None:
    for entry in messages("wmbus_water.json"):
        said = entry["expected"]
        decoded = DRIVERS.decode(f"wmbusmeters/{said['name']}", json.dumps(said).encode())
        total = None if "total_m3" not in said else pytest.approx(said["total_m3"] * 1000)
        assert value(decoded, WATER_TOTAL.code) == total, entry["source_path"]
        assert not decoded.refusals, entry["source_path"]
        assert {event.kind.value for event in decoded.events} <= {"dry", "fault", "tamper"}


def test_every_frame_is_read_or_its_fault_named() -> None:
    for entry in messages("cjt188.json"):
        said, frame = entry["expected"], entry["input"]["payload"]
        for payload in (frame.encode(), bytes.fromhex(frame)):
            if said["checksum_ok"] and said["end_ok"] and "current_total_m3" in said:
                decoded = DRIVERS.decode("cjt188/g", payload)
                assert decoded.device == said["address"]
                assert value(decoded, WATER_TOTAL.code) == said["current_total_m3"] * 1000
            else:
                with pytest.raises(Rejected):
                    DRIVERS.decode("cjt188/g", payload)


_TOPICS = {"<friendly_name>": "valve", "<device>": "cellar", "<name>": "apator"}


def test_the_messages_of_gateways() -> None:
    read = 0
    for entry in messages("mqtt_json_misc.json"):
        topic, said = entry["input"]["topic"], entry["expected"]
        for placeholder, name in _TOPICS.items():
            topic = topic.replace(placeholder, name)
        topic = "homewizard/cellar/data" if "HWE-WTR" in entry["device"] else topic
        if topic.split("/")[0] not in DRIVERS.by_prefix or entry["source_repo"].startswith("brocaar/"):
            continue
        payload = entry["input"]["payload"].encode()
        read += 1
        if said.get("parse_error"):
            with pytest.raises(Rejected):
                DRIVERS.decode(topic, payload)
            continue
        decoded = DRIVERS.decode(topic, payload)
        kinds = {event.kind.value for event in decoded.events}
        assert bool(kinds & {"button_press", "fall"}) is bool(said.get("alarm"))
        assert value(decoded, BATTERY.code) == said.get("battery_pct")
        if "index_m3" in said:
            assert value(decoded, WATER_TOTAL.code) == pytest.approx(said["index_m3"] * 1000)
        if "pulses" in said:
            parts = (decoded, *decoded.others)
            assert [value(part, PULSES.code) for part in parts] == list(said["pulses"].values())
        if "observed_at" in said:
            assert {str(at) for _, at, _ in decoded.readings} == {str(_instant(said["observed_at"]))}
    assert read >= 20


def _instant(text: str) -> datetime:
    return parse_time(text)
