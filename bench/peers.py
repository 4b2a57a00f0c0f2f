"""The peers: what else one would take to bring MQTT readings into PostgreSQL, on the same servers in the same run.

Each is installed at bench time into a folder of the bench, never into the project. One that cannot be had is left out,
and the table says why.
"""

import json
import os
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import psycopg

from bench.children import BenchError, Child
from bench.costs import free_port
from bench.servers import Mosquitto

_TOPIC: Final = "anju/+/reading"
_INSTALL_TIMEOUT_S: Final = 600
_NARROW: Final = """
CREATE TABLE bench_reading (
    device text NOT NULL, quantity smallint NOT NULL, measured_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(), value double precision NOT NULL,
    PRIMARY KEY (device, quantity, measured_at)
)"""
_BY_QUANTITY: Final = """ PARTITION BY LIST (quantity);
CREATE TABLE bench_reading_water PARTITION OF bench_reading (quantity DEFAULT 1) FOR VALUES IN (1);
CREATE TABLE bench_reading_battery PARTITION OF bench_reading (quantity DEFAULT 2) FOR VALUES IN (2)
"""
_WIDE: Final = """
CREATE TABLE bench_reading (
    device text NOT NULL, measured_at timestamptz NOT NULL, received_at timestamptz NOT NULL DEFAULT now(),
    water_total_l double precision NOT NULL, battery_pct double precision NOT NULL,
    PRIMARY KEY (device, measured_at)
)"""


class PeerMissing(BenchError):
    """A peer cannot be had here; the text says why."""


class Peer(ABC):
    """One way to bring the same readings into an equivalent table."""

    name: str
    title: str
    schema: str
    rows_per_message: int
    note: str

    @abstractmethod
    def install(self, folder: Path) -> str:
        """Installs it into the folder unless it is there, and returns its version.

        Raises:
            PeerMissing: it cannot be had.
        """

    @abstractmethod
    def start(self, folder: Path, *, broker: Mosquitto, database_url: str, run_folder: Path) -> Child:
        """Starts it; readiness is seen from outside, by a message that arrives."""

    def create_table(self, database_url: str) -> None:
        """Makes the table that it writes to."""
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(self.schema.encode())


def _install(command: list[str], *, cwd: Path, what: str) -> None:
    try:
        done = subprocess.run(
            command, cwd=cwd, capture_output=True, text=True, timeout=_INSTALL_TIMEOUT_S, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerMissing(f"{what} could not be installed ({type(error).__name__})") from None
    if done.returncode:
        raise PeerMissing(f"{what} could not be installed (exit code {done.returncode})")


class MqBridge(Peer):
    """PyPI ``mq-bridge``: Rust, COPY without ON CONFLICT, acknowledges after the commit."""

    def __init__(self, *, wide: bool) -> None:
        self._wide = wide
        self.name = "mq_bridge_wide" if wide else "mq_bridge"
        self.title = "mq-bridge, COPY, one wide row" if wide else "mq-bridge, COPY, two rows"
        self.schema = _WIDE if wide else _NARROW + _BY_QUANTITY
        self.rows_per_message = 1 if wide else 2
        self.note = (
            "one row a message, not two; no validation; no ON CONFLICT: a redelivered message fails its batch"
            if wide
            else "two COPYs, not one transaction; no validation; no ON CONFLICT: a redelivered message fails its batch"
        )

    def install(self, folder: Path) -> str:
        """Takes the wheel, without touching the environment that runs the bench."""
        target = folder / "mq-bridge"
        if not (target / "mq_bridge").is_dir():
            target.mkdir(parents=True, exist_ok=True)
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            _install(
                [*pip, "--only-binary", ":all:", "--target", str(target), "mq-bridge"], cwd=target, what="mq-bridge"
            )
        found = next(iter(sorted(target.glob("mq_bridge-*.dist-info"))), None)
        if found is None:
            raise PeerMissing("mq-bridge was installed without its version")
        return found.name.removeprefix("mq_bridge-").removesuffix(".dist-info")

    def _sink(
        self, database_url: str, table: str, columns: tuple[str, ...], fields: tuple[str, ...]
    ) -> dict[str, object]:
        values = ", ".join(f"${{payload:{field}}}" for field in fields)
        return {
            "sqlx": {
                "url": database_url,
                "table": table,
                "insert_query": f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values})",
                "bulk_copy": True,
            }
        }

    def start(self, folder: Path, *, broker: Mosquitto, database_url: str, run_folder: Path) -> Child:
        """Starts a route with two batches under way and the broker's window wide open."""
        output: dict[str, object]
        if self._wide:
            fields = ("meter", "at", "water_total_l", "battery_pct")
            all_columns = ("device", "measured_at", "water_total_l", "battery_pct")
            output = self._sink(database_url, "bench_reading", all_columns, fields)
        else:
            columns = ("device", "measured_at", "value")
            output = {
                "fanout": [
                    self._sink(database_url, "bench_reading_water", columns, ("meter", "at", "water_total_l")),
                    self._sink(database_url, "bench_reading_battery", columns, ("meter", "at", "battery_pct")),
                ]
            }
        route = {
            "input": {
                "mqtt": {
                    "url": f"tcp://127.0.0.1:{broker.port}",
                    "topic": _TOPIC,
                    "client_id": "bench-peer",
                    "qos": 1,
                    "session_expiry_interval": 3600,
                    "queue_capacity": 20_000,
                    "max_inflight": 60_000,
                }
            },
            "output": output,
            "batch_size": 5_000,
            "concurrency": 2,
        }
        program = "import json, sys, mq_bridge; mq_bridge.Route.from_config(json.loads(sys.argv[1])).run()"
        return Child(
            [sys.executable, "-c", program, json.dumps(route)],
            log=run_folder / f"{self.name}.log",
            environ={"PYTHONPATH": str(folder / "mq-bridge")},
            talks=False,
        )


_SETTINGS_JS: Final = """
module.exports = {
    uiHost: "127.0.0.1", uiPort: %(port)d, httpAdminRoot: false, httpNodeRoot: false, flowFile: "flows.json",
    disableEditor: true, functionGlobalContext: { pg: require("pg") },
    logging: { console: { level: "warn", metrics: false, audit: false } },
    telemetry: { enabled: false }
};
"""
_SET_UP_JS: Final = """
const { Pool } = global.get("pg");
context.set("pool", new Pool({ connectionString: %(url)s, max: 1 }));
context.set("waiting", []);
context.set("busy", false);
"""
_COLLECT_JS: Final = """
const reading = JSON.parse(msg.payload);
const device = msg.topic.split("/")[1];
const waiting = context.get("waiting");
waiting.push([device, reading.at, reading.water_total_l, reading.battery_pct]);
const flush = () => {
    if (context.get("busy") || waiting.length === 0) return;
    context.set("busy", true);
    const batch = waiting.splice(0, 5000);
    const devices = [], quantities = [], instants = [], values = [];
    for (const [name, at, litres, percent] of batch) {
        devices.push(name, name); quantities.push(1, 2); instants.push(at, at); values.push(litres, percent);
    }
    context.get("pool").query({
        name: "store",
        text: "INSERT INTO bench_reading (device, quantity, measured_at, value) " +
              "SELECT * FROM unnest($1::text[], $2::smallint[], $3::timestamptz[], $4::float8[]) " +
              "ON CONFLICT DO NOTHING",
        values: [devices, quantities, instants, values],
    }).then(() => { context.set("busy", false); flush(); },
            (error) => { node.error(error.message); context.set("busy", false); });
};
if (!context.get("busy")) setTimeout(flush, 0);
return null;
"""


class NodeRed(Peer):
    """npm ``node-red``: a function node that batches, one multi-row INSERT at a time."""

    name = "node_red"
    title = "Node-RED, batched INSERT, two rows"
    schema = _NARROW
    rows_per_message = 2
    note = "acknowledges on receipt: what waits in its memory dies with it, and that memory is not bounded"

    def install(self, folder: Path) -> str:
        """Takes Node-RED and ``pg`` with npm."""
        npm = shutil.which("npm")
        if npm is None or shutil.which("node") is None:
            raise PeerMissing("npm is not installed")
        target = folder / "node-red"
        package = target / "node_modules" / "node-red" / "package.json"
        if not package.is_file():
            target.mkdir(parents=True, exist_ok=True)
            (target / "package.json").write_text('{"name": "bench-node-red", "private": true}')
            _install([npm, "install", "--no-audit", "--no-fund", "node-red", "pg"], cwd=target, what="node-red")
        return str(json.loads(package.read_text())["version"])

    def start(self, folder: Path, *, broker: Mosquitto, database_url: str, run_folder: Path) -> Child:
        """Starts a Node-RED of its own user folder, without editor."""
        target = folder / "node-red"
        user_folder = run_folder / "node-red"
        user_folder.mkdir()
        (user_folder / "settings.js").write_text(_SETTINGS_JS % {"port": free_port()})
        (user_folder / "flows.json").write_text(json.dumps(self._flow(broker, database_url)))
        return Child(
            [str(shutil.which("node")), str(target / "node_modules/node-red/red.js"), "--userDir", str(user_folder)],
            log=run_folder / "node_red.log",
            environ={"NODE_PATH": str(target / "node_modules"), "HOME": str(user_folder)},
            talks=False,
        )

    @staticmethod
    def _flow(broker: Mosquitto, database_url: str) -> list[Mapping[str, object]]:
        return [
            {"id": "flow", "type": "tab", "label": "bench"},
            {
                "id": "broker", "type": "mqtt-broker", "broker": "127.0.0.1", "port": str(broker.port),
                "clientid": "bench-peer", "autoConnect": True, "usetls": False, "protocolVersion": "5",
                "keepalive": "60", "cleansession": False, "sessionExpiry": "3600", "autoUnsubscribe": False,
            },
            {
                "id": "in", "type": "mqtt in", "z": "flow", "topic": _TOPIC, "qos": "1", "datatype": "utf8",
                "broker": "broker", "nl": False, "rap": False, "rh": 0, "inputs": 0, "wires": [["store"]],
            },
            {
                "id": "store", "type": "function", "z": "flow", "func": _COLLECT_JS, "outputs": 0, "noerr": 0,
                "initialize": _SET_UP_JS % {"url": json.dumps(database_url)}, "finalize": "", "libs": [], "wires": [],
            },
        ]  # fmt: skip


def default_folder() -> Path:
    """Where peers are kept between runs of the bench."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "anju-bench"


ALL: Final[tuple[Peer, ...]] = (MqBridge(wide=False), MqBridge(wide=True), NodeRed())
