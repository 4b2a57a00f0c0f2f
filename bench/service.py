"""The service under test, started as an operator would: one process a role, configured by environment."""

import base64
import csv
import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

import psycopg

from bench import packets
from bench.buttons import button_name, home_name
from bench.children import BenchError, Child
from bench.costs import Usage, free_port, peak_rss_bytes, usage
from bench.load import METERS, meter_names
from bench.servers import Mosquitto, Postgres

ROLES: Final = ("ingest", "rules", "alerts")
PROBE_METER: Final = "bench-probe"
_PROBE_BUTTONS: Final = 60
_PROBE_GAP_S: Final = 1.0
_READY_TIMEOUT_S: Final = 60.0
_COLUMNS: Final = (
    "area", "home", "resident", "time_zone", "device", "driver", "model", "interval_s", "litres_per_pulse",
)  # fmt: skip


def write_devices(path: Path, *, buttons: int) -> None:
    """Writes the CSV of all homes of the bench: one per meter, one per press, and those that probe."""
    meters = [*meter_names(METERS), PROBE_METER]
    with path.open("w", newline="") as file:
        rows = csv.DictWriter(file, _COLUMNS, restval="")
        rows.writeheader()
        for name in meters:
            rows.writerow(_row(home=f"home of {name}", device=name, interval_s="900"))
        for number in range(buttons + _PROBE_BUTTONS):
            rows.writerow(_row(home=home_name(number), device=button_name(number)))


def _row(**values: str) -> dict[str, str]:
    return {"area": "Bench/North/Long Street/One", "time_zone": "Asia/Shanghai", **values}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """CPU of each role so far."""

    roles: dict[str, Usage]

    def since(self, earlier: "Cost") -> dict[str, float]:
        """CPU seconds of each role between two readings."""
        return {role: use.since(earlier.roles[role]) for role, use in self.roles.items()}


class Service:
    """All roles against one broker and one database, with the webhook's receiver."""

    def __init__(self, *, folder: Path, broker: Mosquitto, database_url: str, buttons: int) -> None:
        self._folder = folder
        self._buttons = buttons
        self.broker = broker
        self.database_url = database_url
        self._hook_port = free_port()
        self._secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        self._children: dict[str, Child] = {}
        self._stack = ExitStack()
        self._receiver: Child | None = None

    def environ(self) -> dict[str, str]:
        """What an operator would set."""
        return environ(self.database_url) | {
            "ANJU_MQTT_URL": f"mqtt://127.0.0.1:{self.broker.port}",
            "ANJU_WEBHOOK_URL": f"http://127.0.0.1:{self._hook_port}/hook",
            "ANJU_WEBHOOK_SECRET": self._secret,
            "ANJU_WORKER_ID": "bench",
        }

    def __enter__(self) -> Self:
        receiver = Child.module("bench.webhook", f'{{"port":{self._hook_port}}}', log=self._folder / "webhook.log")
        self._receiver = self._stack.enter_context(receiver)
        try:
            receiver.wait_for("ready", _READY_TIMEOUT_S)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._stack.close()

    @property
    def receiver(self) -> Child:
        """The webhook's receiver."""
        if self._receiver is None:
            raise BenchError("the webhook's receiver has not been started")
        return self._receiver

    def start(self, roles: tuple[str, ...] = ROLES) -> None:
        """Starts the roles; does not wait until they work."""
        for role in roles:
            self._children[role] = Child(
                python_anju(role), log=self._folder / f"{role}.log", environ=self.environ(), talks=False
            )

    def stop(self) -> None:
        """Stops the roles, as Ctrl-C or a service manager would: SIGTERM."""
        for child in reversed(self._children.values()):
            child.stop()
        self._children.clear()

    def check(self) -> None:
        """Every role must still run.

        Raises:
            BenchError: one has ended.
        """
        for role, child in self._children.items():
            if child.process.poll() is not None:
                raise BenchError(f"{role} ended with {child.process.returncode}:\n{child.tail()}")

    def await_ready(self) -> None:
        """Waits until a reading reaches the table and a press reaches the webhook."""
        deadline = time.monotonic() + _READY_TIMEOUT_S
        stored = heard = False
        presses = 0
        session = packets.connect(self.broker.port, "bench-readiness")
        with session.sock, psycopg.connect(self.database_url, autocommit=True) as database:
            for packet_id in range(1, packets.MAX_PACKET_ID, 2):
                at = datetime.now(UTC).isoformat()
                if not stored:
                    body = f'{{"at":"{at}","water_total_l":{packet_id}.0}}'.encode()
                    session.sock.sendall(packets.publish(f"anju/{PROBE_METER}/reading", body, packet_id))
                if not heard and presses < _PROBE_BUTTONS:
                    body = f'{{"at":"{at}","event":"button_press","id":"probe-{presses}"}}'.encode()
                    button = button_name(self._buttons + presses)
                    session.sock.sendall(packets.publish(f"anju/{button}/event", body, packet_id + 1))
                    presses += 1
                try:
                    if heard:
                        time.sleep(_PROBE_GAP_S)
                    else:
                        self.receiver.wait_for("first", _PROBE_GAP_S)
                        heard = True
                except BenchError:
                    self.check()
                row = database.execute("SELECT EXISTS (SELECT FROM reading)").fetchone()
                stored = bool(row and row[0])
                if stored and heard:
                    self._await_first_looks(database, deadline)
                    return
                if time.monotonic() > deadline:
                    break
        raise BenchError(
            f"the service was not ready in {_READY_TIMEOUT_S:.0f} s (reading stored: {stored}, press heard: {heard})\n"
            + "\n".join(child.tail(4) for child in self._children.values())
        )

    def _await_first_looks(self, database: psycopg.Connection, deadline: float) -> None:
        """Homes just imported are all looked at at once; what is measured is the steady state after that."""
        while time.monotonic() < deadline:
            row = database.execute(
                "SELECT EXISTS (SELECT FROM home_watch WHERE due_at <= %s)", [datetime.now(UTC)]
            ).fetchone()
            if row is not None and not row[0]:
                return
            time.sleep(0.2)
        raise BenchError(f"the first looks at the homes were not over in {_READY_TIMEOUT_S:.0f} s")

    def cost(self) -> Cost:
        """CPU used so far."""
        return Cost(roles={role: usage(child.pid) for role, child in self._children.items()})

    def ingest_peak_rss_bytes(self) -> int:
        """The highest resident memory of ingest since its start."""
        return peak_rss_bytes(self._children["ingest"].pid)

    def calls(self) -> list[tuple[float, str]]:
        """All webhook requests so far: arrival (monotonic seconds) and body."""
        self.receiver.tell({"want": "calls"})
        calls = self.receiver.wait_for("calls", 30)["calls"]
        if not isinstance(calls, list):
            raise BenchError("the receiver reported no list")
        return [(float(arrived_s), str(body)) for arrived_s, body in calls]


def environ(database_url: str) -> dict[str, str]:
    """The settings that every command needs; the rest of our own environment's are cleared."""
    return {name: "" for name in os.environ if name.startswith("ANJU_")} | {"ANJU_DATABASE_URL": database_url}


def python_anju(*arguments: str) -> list[str]:
    """The command line of the service with this interpreter."""
    return [sys.executable, "-m", "anju", *arguments]


def prepare_template(postgres: Postgres, folder: Path, *, buttons: int) -> None:
    """Makes the template of all runs: migrated, with every device installed."""
    url = postgres.create(Postgres.TEMPLATE)
    devices = folder / "devices.csv"
    write_devices(devices, buttons=buttons)
    for arguments in (("migrate",), ("import", str(devices))):
        child = Child(python_anju(*arguments), log=folder / "prepare.log", environ=environ(url), talks=False)
        code = child.process.wait(300)
        if code:
            raise BenchError(f"anju {arguments[0]} ended with {code}:\n{child.tail()}")


@contextmanager
def service(*, folder: Path, broker: Mosquitto, database_url: str, buttons: int) -> Iterator[Service]:
    """A service for one run, ready to be measured."""
    with Service(folder=folder, broker=broker, database_url=database_url, buttons=buttons) as running:
        running.start()
        running.await_ready()
        yield running
