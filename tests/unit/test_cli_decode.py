"""`anju decode`: what ingest would store of a message, line by line; and `anju drivers`."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import devices.drivers
from anju.cli import app, guarded
from anju.decoding import MAX_BYTES, Case, decode
from devices.registry import discover

ROOT = Path(__file__).resolve().parents[2]
DRIVERS = discover()
AT = "2026-11-21T08:15:00Z"
RECEIVED = "2026-11-21T08:15:07Z"


class Ended:
    """How `anju decode` ended: its code, and what it printed."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.lines: list[dict[str, Any]] = [json.loads(line) for line in out.splitlines()]
        self.err = err


class Decode:
    """Runs the command in this process."""

    def __init__(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._file = file
        self._capsys = capsys

    def __call__(self, topic: str, payload: object, *options: str) -> Ended:
        self._file.write_bytes(payload if isinstance(payload, bytes) else json.dumps(payload).encode())
        command = get_command(app)
        code = guarded(lambda: command.main(["decode", "--topic", topic, *options, str(self._file)], "anju"))
        said = self._capsys.readouterr()
        return Ended(code, said.out, said.err)


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Decode:
    return Decode(tmp_path / "payload", capsys)


def test_a_line_for_each_reading(run: Decode) -> None:
    ended = run("anju/m-1/reading", {"at": AT, "water_total_l": 12345.5, "battery_pct": 87})
    assert ended.code == 0
    common = {"device": "m-1", "measured_at": AT, "urgent": False}
    assert ended.lines == [
        {"quantity": "water_total", "unit": "L", "value": 12345.5, **common},
        {"quantity": "battery", "unit": "%", "value": 87.0, **common},
    ]


def test_a_press_is_urgent_and_so_is_all_that_comes_with_it(run: Decode) -> None:
    ended = run("anju/b-1/event", {"at": AT, "event": "button_press", "id": "7", "battery_pct": 20})
    assert (ended.code, [line["urgent"] for line in ended.lines]) == (0, [True, True])
    assert ended.lines[1] == {
        "device": "b-1",
        "event": "button_press",
        "measured_at": AT,
        "urgent": True,
        "source_id": "7",
    }
    on_a_shared_topic = run("zigbee2mqtt/0xa4c1", {"action": "emergency", "battery": 100})
    assert [line["urgent"] for line in on_a_shared_topic.lines] == [True, True]
    assert on_a_shared_topic.lines[1]["detail"] == {"action": "emergency"}
    let_go = run("zigbee2mqtt/0xa4c1", {"action": "", "battery": 100})
    assert [(line["quantity"], line["urgent"]) for line in let_go.lines] == [("battery", False)]


def test_what_has_no_time_is_of_when_it_was_received(run: Decode) -> None:
    (line,) = run("anju/m-1/reading", {"battery_pct": 87}, "--received-at", "2026-11-21T16:15:07+08:00").lines
    assert line["measured_at"] == RECEIVED
    before = datetime.now(UTC)
    (line,) = run("anju/m-1/reading", {"battery_pct": 87}).lines
    assert before <= datetime.fromisoformat(line["measured_at"]) <= datetime.now(UTC)


@pytest.mark.parametrize("at", ["1970-01-01T00:00:00Z", "2099-01-01T00:00:00Z"])
def test_a_wrong_clock_costs_a_reading_its_place_but_never_a_press(run: Decode, at: str) -> None:
    ended = run("anju/m-1/reading", {"at": at, "water_total_l": 5}, "--received-at", RECEIVED)
    assert (ended.code, ended.lines[0]["rejected"], len(ended.lines)) == (3, "time_implausible", 1)
    ended = run("anju/b-1/event", {"at": at, "event": "button_press"}, "--received-at", RECEIVED)
    assert ended.code == 0
    assert ended.lines == [
        {"device": "b-1", "event": "button_press", "measured_at": RECEIVED, "urgent": True, "own_time": at}
    ]


def test_a_message_saved_long_ago_is_decoded_unless_it_is_said_when_it_came(run: Decode) -> None:
    old = {"at": "2019-05-04T07:28:35Z", "water_total_l": 5}
    assert run("anju/m-1/reading", old).lines[0]["measured_at"] == "2019-05-04T07:28:35Z"
    assert run("anju/m-1/reading", old, "--received-at", "2019-05-05T00:00:00Z").code == 0
    assert run("anju/m-1/reading", old, "--received-at", "2019-07-05T00:00:00Z").code == 3
    ahead = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert run("anju/m-1/reading", {"at": ahead, "water_total_l": 5}).lines[0]["rejected"] == "time_implausible"


def test_pulses_come_with_their_litres_when_asked(run: Decode) -> None:
    message = {"at": AT, "pulses": 7}
    assert [line["quantity"] for line in run("anju/p-1/reading", message).lines] == ["pulses"]
    pulses, total = run("anju/p-1/reading", message, "--litres-per-pulse", "0.5").lines
    assert (pulses["quantity"], pulses["unit"], pulses["value"]) == ("pulses", "1", 7.0)
    assert (total["quantity"], total["unit"], total["value"], total["measured_at"]) == ("water_total", "L", 3.5, AT)


def test_a_refused_part_is_a_line_beside_what_was_decoded(run: Decode) -> None:
    ended = run("anju/m-1/reading", {"at": AT, "water_total_l": 5, "battery_pct": 300})
    assert ended.code == 0
    assert [line.get("quantity", line.get("refused")) for line in ended.lines] == ["water_total", "value_impossible"]
    assert ended.lines[1]["device"] == "m-1"


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("nowhere/m-1", b"{}", "topic_unknown"),
        ("anju/m-1/reading", b"no JSON", "payload_invalid"),
        ("anju/m-1/reading", {"at": AT, "battery_pct": 300}, "value_impossible"),
        ("anju/m-1/reading", b" " * (MAX_BYTES + 1), "payload_too_large"),
        ("anju//reading", {"battery_pct": 5}, "device_name_invalid"),
        ("anju/m-1/reading", b"", "payload_invalid"),
    ],
)
def test_a_rejection_is_one_line_with_its_reason_and_code_3(
    run: Decode, topic: str, payload: object, reason: str
) -> None:
    ended = run(topic, payload)
    assert ended.code == 3
    (line,) = ended.lines
    assert line["rejected"] == reason
    assert set(line) == {"rejected", "detail"}
    assert line["detail"]


def test_what_holds_nothing_for_us_is_understood(run: Decode) -> None:
    ended = run("zigbee2mqtt/bridge/info", {"version": "2"})
    assert (ended.code, ended.lines, ended.err) == (0, [], "understood; there is nothing in it to store\n")


def test_several_meters_in_one_message_are_told_apart(run: Decode) -> None:
    vectors = json.loads((Path(devices.drivers.__file__).parent / "cjt188.vectors.json").read_text(encoding="utf-8"))
    vector = next(vector for vector in vectors if vector.get("others"))
    payload = vector["payload"]
    content, options = (payload.encode(), []) if isinstance(payload, str) else (payload["hex"].encode(), ["--hex"])
    ended = run(vector["topic"], content, *options)
    assert {line["device"] for line in ended.lines} == {
        vector["device"],
        *(other["device"] for other in vector["others"]),
    }


def test_a_payload_in_hex(run: Decode) -> None:
    text = json.dumps({"at": AT, "battery_pct": 87}).encode().hex(" ")
    assert run("anju/m-1/reading", f"{text}\n".encode(), "--hex").lines[0]["value"] == 87.0
    assert run("anju/m-1/reading", f"0x{text.replace(' ', '').upper()}".encode(), "--hex").code == 0
    for wrong in (b"123", b"xy", b"\xff"):
        ended = run("anju/m-1/reading", wrong, "--hex")
        assert (ended.code, ended.lines[0]["rejected"]) == (3, "payload_invalid")


def test_the_payload_may_come_from_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(b'{"battery_pct": 5}')))
    command = get_command(app)
    assert guarded(lambda: command.main(["decode", "--topic", "anju/m/reading", "-"], "anju")) == 0
    assert json.loads(capsys.readouterr().out)["value"] == 5.0


@pytest.mark.parametrize("topic", ["house-7/kitchen/sos", "kitchen/sos", "zigbee2mqtt/kitchen/sos"])
def test_a_family_can_be_named_for_a_topic_that_begins_otherwise(run: Decode, topic: str) -> None:
    ended = run(topic, {"battery": 5}, "--driver", "zigbee2mqtt")
    assert (ended.code, ended.lines[0]["quantity"]) == (0, "battery")


def test_a_topic_without_any_prefix_is_tried_as_it_stands(run: Decode) -> None:
    (line,) = run("kitchen/sensor/water_total_l/state", b"12.5", "--driver", "esphome").lines
    assert (line["device"], line["value"]) == ("kitchen", 12.5)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--driver", "zigbe2mqtt"], "did you mean zigbee2mqtt?"),
        (["--received-at", "yesterday"], "--received-at: 'yesterday' is not a time"),
        (["--received-at", "2026-11-21T08:15:00"], "has no offset; right would be 2026-11-21T08:15:00+08:00"),
        (["--received-at", "2026-11-21"], "has no offset; right would be 2026-11-21T00:00:00+08:00"),
        (["--received-at", "0001-01-01T00:00:00Z"], "--received-at lies before"),
        (["--litres-per-pulse", "0"], "--litres-per-pulse"),
    ],
)
def test_wrong_usage_says_what_would_be_right(run: Decode, options: list[str], said: str) -> None:
    ended = run("anju/m-1/reading", b"{}", *options)
    assert (ended.code, ended.lines) == (2, [])
    assert said in ended.err


def test_a_file_that_is_not_there_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = get_command(app)
    arguments = ["decode", "--topic", "anju/m/reading", str(tmp_path / "none")]
    assert guarded(lambda: command.main(arguments, "anju")) == 2
    assert "cannot be read" in capsys.readouterr().err


VECTORS = [
    pytest.param(vector, id=f"{path.name.partition('.')[0]}: {vector['name']}")
    for path in sorted(Path(devices.drivers.__file__).parent.glob("*.vectors.json"))
    for vector in json.loads(path.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize("vector", VECTORS)
def test_every_vector_comes_out_as_it_promises(vector: dict[str, Any]) -> None:
    match vector["payload"]:
        case str(text):
            payload = text.encode()
        case {"json": message}:
            payload = json.dumps(message).encode()
        case {"hex": digits}:
            payload = bytes.fromhex(digits)
    now = datetime(2030, 1, 1, tzinfo=UTC)
    outcome = decode(DRIVERS, Case(topic=vector["topic"], payload=payload, received_at=None, now=now))
    lines: list[dict[str, Any]] = list(outcome.lines)
    if "rejected" in vector:
        assert [line["rejected"] for line in lines] == [vector["rejected"]]
        return
    parts = [vector, *vector.get("others", [])]
    read = [(line["device"], line["quantity"], round(line["value"], 5)) for line in lines if "quantity" in line]
    happened = [(line["device"], line["event"]) for line in lines if "event" in line]
    assert sorted(read) == sorted(
        (part["device"], each["quantity"], round(each["value"], 5))
        for part in parts
        for each in part.get("readings", [])
    )
    assert sorted(happened) == sorted(
        (part["device"] or "(unnamed)", each["kind"]) for part in parts for each in part.get("events", [])
    )


def test_decoding_needs_no_database_driver(tmp_path: Path) -> None:
    (tmp_path / "payload").write_bytes(b'{"battery_pct": 5}')
    program = (
        "import sys\n"
        "from typer.main import get_command\n"
        "from anju.cli import app, guarded\n"
        "arguments = ['decode', '--topic', 'anju/m/reading', sys.argv[1]]\n"
        "code = guarded(lambda: get_command(app).main(arguments, 'anju'))\n"
        "heavy = {'psycopg', 'sqlalchemy', 'alembic', 'httpx', 'aiohttp', 'config', 'storage', 'rich'}\n"
        "heavy &= set(sys.modules)\n"
        "sys.exit(f'{code} {heavy}' if code or heavy else 0)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "payload")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout)["value"] == 5.0


def test_families_are_listed_with_topics_lanes_and_models(capsys: pytest.CaptureFixture[str]) -> None:
    command = get_command(app)
    assert guarded(lambda: command.main(["drivers", "--json"], "anju")) == 0
    families = {family["family"]: family for family in json.loads(capsys.readouterr().out)}
    assert set(families) == set(DRIVERS.by_name)
    assert {"topic": "anju/+/event", "lane": "urgent"} in families["native"]["topics"]
    assert "application/+/device/{device}/event/up" in families["chirpstack"]["urgent_for_call_buttons"]
    assert all(model["yields"] for family in families.values() for model in family["models"])
    assert guarded(lambda: command.main(["drivers"], "anju")) == 0
    listed = capsys.readouterr().out
    assert all(model["model"] in listed for family in families.values() for model in family["models"])
