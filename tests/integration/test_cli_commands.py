"""The commands as processes, against real servers: what they print, and how they end."""

import json
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from anju import schema
from anju.embedded_broker import EmbeddedBroker
from tests.integration.cli import anju, anju_from_cold
from tests.servers import free_port

COMMANDS = (
    "up", "ingest", "rules", "alerts", "migrate", "import", "simulate", "replay", "doctor", "schema",
    "alert list", "alert show", "alert ack", "alert close", "quarantine list", "quarantine show", "quarantine replay",
    "device add", "device list", "device move", "device retire", "device show", "device unknown",
    "decode", "drivers", "broker list", "broker forget",
)  # fmt: skip

FILE = "area,home,resident,device\nCity/North,1-101,P. One,m-1\nCity/North,1-102,P. Two,m-2\n"


def test_every_command_explains_itself() -> None:
    top = anju_from_cold("--help")
    assert top.code == 0
    assert "Exit codes" in top.out
    for command in COMMANDS:
        ended = anju(*command.split(), "--help")
        assert ended.code == 0
        assert "Usage" in ended.out
    assert anju_from_cold("--version").out.startswith("anju ")


@pytest.mark.parametrize(
    ("arguments", "settings", "code", "said"),
    [
        (["frobnicate"], {}, 2, "No such command"),
        (["alert", "list"], {}, 2, "ANJU_DATABASE_URL"),
        (["alert", "list"], {"ANJU_DATABASE_URL": "mysql://x"}, 2, "postgresql://"),
        (["alert", "list"], {"ANJU_DATABASE_URI": "x"}, 2, "did you mean ANJU_DATABASE_URL"),
        (["--config", "/nowhere.toml", "alert", "list"], {}, 2, "/nowhere.toml"),
        (["import", "/nowhere.csv"], {}, 2, "does not exist"),
        (["up", "--homes", "5"], {}, 2, "--demo"),
        (["quarantine", "replay"], {}, 2, "which messages"),
        (["alert", "close", "1", "--outcome", "genuin"], {}, 2, "did you mean genuine"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_would_be_right(
    arguments: list[str], settings: dict[str, str], code: int, said: str
) -> None:
    ended = anju(*arguments, **settings)
    assert ended.code == code
    assert said in ended.err.replace("\n", " ")


def test_servers_out_of_reach_end_with_4(tmp_path: Path) -> None:
    nowhere = f"postgresql://anju:s3cret@127.0.0.1:{free_port()}/anju"
    ended = anju("device", "list", ANJU_DATABASE_URL=nowhere)
    assert ended.code == 4
    assert "cannot reach the database" in ended.err
    ended = anju("simulate", "--seconds", "1", ANJU_MQTT_URL=f"mqtt://127.0.0.1:{free_port()}")
    assert ended.code == 4
    assert "no connection to the broker" in ended.err


def test_migrate_import_and_list(blank_database_url: str, tmp_path: Path) -> None:
    settings = {"ANJU_DATABASE_URL": blank_database_url}
    ended = anju_from_cold("device", "list", **settings)
    assert (ended.code, "anju migrate" in ended.err) == (1, True)
    assert anju_from_cold("migrate", "--json", **settings).json()["before"] is None
    again = anju("migrate", "--json", **settings).json()
    assert again["before"] == again["after"]
    with psycopg.connect(blank_database_url) as conn:
        assert ("water_total", "L") in conn.execute("SELECT name, unit FROM quantity").fetchall()
    file = tmp_path / "homes.csv"
    file.write_text(FILE)
    assert anju_from_cold("import", str(file), **settings).out.startswith("2 added, 0 changed, 0 unchanged")
    assert anju_from_cold("import", str(file), **settings).out.startswith("0 added, 0 changed, 2 unchanged")
    devices = anju("device", "list", "--json", **settings).json()
    assert [(device["device"], device["heard_at"]) for device in devices] == [("m-1", None), ("m-2", None)]
    assert len(anju("device", "list", "--area", "City", "--json", **settings).json()) == 2
    assert anju("device", "list", "--area", "City/South", **settings).code == 5
    file.write_text(FILE + "City/North,,,m-3\n")
    ended = anju("import", str(file), **settings)
    assert ended.code == 3
    assert ended.err == "line 4, home: is empty\nanju: 1 fault found, nothing was imported\n"


def test_alerts_are_listed_shown_acknowledged_and_closed(database_url: str) -> None:
    settings = {"ANJU_DATABASE_URL": database_url}
    schema.upgrade(database_url)
    assert anju("alert", "list", **settings).out == "no alert is open\n"
    at = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
    with psycopg.connect(database_url, autocommit=True) as conn:
        values = json.dumps({"device": "btn-7"})
        (alert_id,) = conn.execute(
            "INSERT INTO alert (subject, device_name, kind, severity, state, since, raised_at, updated_at, reason_id,"
            " reason_values, reason, evidence) VALUES ('device/btn-7', 'btn-7', 'sos_unknown_device', 'urgent', 'open',"
            " %s, %s, %s, 'sos_unknown_device', %s, 'text', '{}') RETURNING alert_id",
            [at, at, at, values],
        ).fetchone() or (0,)
    number = str(alert_id)
    (listed,) = anju("alert", "list", "--json", **settings).json()
    assert (listed["alert_id"], listed["state"], listed["device"]) == (alert_id, "open", "btn-7")
    assert "btn-7" in listed["text"]
    assert anju("alert", "ack", number, "--by", "duty-1", **settings).code == 0
    refused = anju("alert", "ack", number, **settings)
    assert refused.code == 5
    ended = anju("alert", "close", number, "--outcome", "false_test", "--comment", "drill", **settings)
    assert ended.code == 0
    shown = anju("alert", "show", number, "--json", **settings).json()
    assert (shown["state"], shown["outcome"]) == ("closed", "false_test")
    assert (shown["entries"][0]["actor"], shown["entries"][0]["source"]) == ("duty-1", "cli")
    assert "drill" in anju("alert", "show", number, **settings).out
    assert anju("alert", "show", "999", **settings).code == 5
    assert anju("alert", "list", "--json", **settings).json() == []
    assert len(anju("alert", "list", "--all", "--json", **settings).json()) == 1


def test_quarantine_is_listed_shown_and_replayed(database_url: str, tmp_path: Path) -> None:
    settings = {"ANJU_DATABASE_URL": database_url}
    at = datetime.now(UTC)
    payload = json.dumps({"at": at.isoformat(), "water_total_l": 7.0}).encode()
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO quarantine (device_name, topic, payload, payload_bytes, reason, urgent, received_at)"
            " VALUES ('m-1', 'anju/m-1/reading', %s, %s, 'device_unknown', false, %s)",
            [payload, len(payload), at],
        )
        conn.execute("INSERT INTO quarantine_count VALUES ('m-1', 'device_unknown', 1, %s, %s)", [at, at])
    (group,) = anju("quarantine", "list", "--json", **settings).json()
    assert (group["device_name"], group["reason"], group["messages"]) == ("m-1", "device_unknown", 1)
    (unknown,) = anju("device", "unknown", "--json", **settings).json()
    assert unknown["device"] == "m-1"
    number = str(group["last_id"])
    assert "water_total_l" in anju("quarantine", "show", number, **settings).out
    assert anju("quarantine", "show", "999", **settings).code == 5
    assert anju("quarantine", "replay", number, **settings).code == 5  # still unknown
    file = tmp_path / "homes.csv"
    file.write_text(FILE)
    anju("import", str(file), "--installed-at", "2026-01-01T00:00:00Z", **settings)
    month = at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(f"CREATE TABLE IF NOT EXISTS reading_{month:%Y%m} PARTITION OF reading DEFAULT")
    (replayed,) = anju("quarantine", "replay", "--device", "m-1", "--json", **settings).json()
    assert (replayed["readings"], replayed["refused"]) == (1, None)
    assert anju("quarantine", "replay", number, **settings).code == 5  # once only
    assert anju("quarantine", "replay", "--all", **settings).out.startswith("0 replayed")
    (device,) = [d for d in anju("device", "list", "--json", **settings).json() if d["device"] == "m-1"]
    assert device["heard_at"] is not None


def test_doctor_names_each_fault_and_what_to_do(
    database_url: str, blank_database_url: str, broker: EmbeddedBroker
) -> None:
    def examined(**settings: str) -> tuple[int, dict[str, tuple[str, str]]]:
        ended = anju("doctor", "--json", **settings)
        checks = json.loads(ended.out)
        return ended.code, {check["check"].split()[0]: (check["state"], check["advice"]) for check in checks}

    code, checks = examined()
    assert code == 1
    assert checks["database"][0] == checks["broker"][0] == "fault"
    assert "ANJU_DATABASE_URL" in checks["database"][1]

    code, checks = examined(ANJU_DATABASE_URL="nonsense")
    assert (code, checks["settings"][0]) == (1, "fault")

    code, checks = examined(ANJU_DATABASE_URL=blank_database_url, ANJU_MQTT_URL=f"mqtt://127.0.0.1:{free_port()}")
    assert (code, checks["schema"][0], checks["broker"][0]) == (1, "fault", "fault")

    code, checks = examined(ANJU_DATABASE_URL=database_url, ANJU_MQTT_URL=broker.url)
    states = {name: state for name, (state, _) in checks.items()}
    assert states["schema"] == states["broker"] == states["clocks"] == "good"
    assert states["hearing"] == "warning"  # ingest has never run here
    assert states["durability"] == "fault"  # the tests' own server runs without fsync
    assert code == 1


def test_the_contract_is_printed_as_json_schema() -> None:
    assert set(anju("schema").json()) == {"reading", "event", "motion", "status"}
    assert "water_total_l" in json.dumps(anju("schema", "reading").json())
