"""The compose stack, put into operation as docs/compose.md says: its services with the very files, commands, accounts,
secrets and networks that docker-compose.yml names, as processes of this machine (tests/containers.py)."""

import asyncio
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg
import pytest
from standardwebhooks import Webhook

from alerts import links
from anju.publishing import Message, Publisher
from anju.simulate import event, stamp
from ingest.mqtt.options import Endpoint
from tests import compose
from tests.containers import Container, Stack
from tests.servers import REPOSITORY, server_folder, wait_until
from tests.stages import SECRET

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]

DUTY_PORT: Final = 8000
TOKEN: Final = "what-the-operators-expect"
ROLES: Final = ("ingest-1", "ingest-2", "rules-1", "rules-2", "alerts-1", "alerts-2", "probe", "keep")
HOMES: Final = "area,home,device,interval_s\nCity/North,1-101,b-1,900\n"
BULK_OWNER: Final = 'anju_ingest_connected{broker="broker:8885",lane="bulk"} 1.0'


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request that somebody outside got."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Site:
    """The stack in operation, and who is outside: the duty desk, the operators' pager, the monitor, a device.

    Attributes:
        calls: what those outside were told.
        password: of the device b-1 at the broker.
    """

    folder: Path
    stack: Stack
    calls: list[Call] = field(default_factory=list)
    password: str = ""

    def said(self, path: str) -> list[Call]:
        return [call for call in self.calls if call.path == path]

    def presses_told(self) -> list[dict[str, Any]]:
        """What the desk was told of presses, each with a signature that is right."""
        for call in self.said("/desk"):
            Webhook(SECRET).verify(call.body, call.headers)
        told = [json.loads(call.body)["data"] for call in self.said("/desk")]
        return [data for data in told if data["kind"] == "sos"]

    def operator(self, *arguments: str) -> str:
        """A command of the operator's, who sees what it prints."""
        container = Container(self.stack.state, "operator", arguments)
        try:
            wait_until(lambda: not container.running, 90)
        except AssertionError:
            container.end()
        assert container.process.returncode == 0, f"{arguments}: {container.log}"
        return container.log

    def rows(self, query: str) -> list[Any]:
        """What the database holds, as its owner sees it."""
        sockets = f"/proc/{self.stack.running['db'].pid}/root/run/postgresql"
        password = (self.folder / "site" / "secrets" / "db_owner").read_text().strip()
        with psycopg.connect(host=sockets, user="anju", dbname="anju", password=password) as connection:
            return connection.execute(query).fetchall()

    def publish(self, messages: list[Message]) -> None:
        """The device publishes over TLS with its own password, from outside; returns when all is acknowledged."""
        address = self.stack.state.address("broker", "edge")
        endpoint = Endpoint.parse(f"mqtts://b-1:{self.password}@{address}:8883")

        async def work() -> None:
            authority = self.folder / "site" / "authority" / "ca.crt"
            async with Publisher(endpoint, client_id="b-1", ca_file=authority) as publisher:
                for message in messages:
                    await publisher.publish(message)

        with self.stack.within(None) as outside:
            outside(lambda: asyncio.run(work()))

    def get(self, url: str, *, within: str | None = None) -> tuple[int, str]:
        """What the proxy answers to somebody outside, whom its certificate must convince."""
        context = ssl.create_default_context(cafile=self.folder / "site" / "authority" / "ca.crt")
        host, path = url.removeprefix("https://").split("/", 1)
        address = self.stack.state.address("proxy", "edge")

        def ask() -> tuple[int, str]:
            connection = http.client.HTTPSConnection(host, context=context, timeout=20)
            # 443 is published, 8443 is where the proxy listens.
            plain = socket.create_connection((address, 8443), timeout=20)
            connection.sock = context.wrap_socket(plain, server_hostname=host)
            connection.request("GET", f"/{path}", headers={"X-Forwarded-For": "203.0.113.9"})
            answer = connection.getresponse()
            found = answer.status, answer.read().decode()
            connection.close()
            return found

        with self.stack.within(within) as there:
            return there(ask)

    def ask(self, service: str, address: str) -> Any:
        """What an HTTP interface within a service says."""
        done = self.stack.running[service].run("wget", "-q", "-O", "-", address)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def owns_bulk(self, name: str) -> bool:
        """Whether an ingest process holds the bulk session."""
        if not self.stack.running[name].running:
            return False
        return (
            BULK_OWNER in self.stack.running[name].run("wget", "-q", "-O", "-", "http://127.0.0.1:9101/metrics").stdout
        )


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with server_folder() as folder:
        checkout = compose.checkout(folder / "checkout")
        project = compose.project(checkout)
        with Stack(project, folder / "stack", {}) as stack:
            edge = stack.state.address("broker", "edge")
            done = compose.prepare(checkout, "--public", compose.PUBLIC, "--broker", edge)
            assert done.returncode == 0, done.stderr
            assert (checkout / ".env").read_text() == f"ANJU_PUBLIC_URL=https://{compose.PUBLIC}\n"
            made = Site(checkout, stack)
            stack.programs = compose.programs(folder)
            stack.names = ("duty.example.org", "operators.example.org", "monitor.example.org")
            _name_receivers(checkout / "site")
            _quicken(checkout / "config" / "prometheus", checkout / "site" / "alertmanager.yml")
            with _everybody_outside(made):
                _put_into_operation(made)
                yield made


def _name_receivers(site: Path) -> None:
    """What an operator writes: whom alerts and Prometheus tell."""
    with (site / "telling.toml").open("a") as telling:
        telling.write(
            f'webhook_url = "http://duty.example.org:{DUTY_PORT}/desk"\n'
            'webhook_secrets_file = "/run/providers/webhook-secrets"\n'
            f'dead_man_url = "http://monitor.example.org:{DUTY_PORT}/ping"\n'
        )
    for name, content in (("webhook-secrets", SECRET), ("homes.csv", HOMES)):
        (site / "providers" / name).write_text(content)
        (site / "providers" / name).chmod(0o640)  # the folder gives its group
    (site / "secrets" / "operators_token").write_text(TOKEN)
    pager = site / "alertmanager.yml"
    text = pager.read_text().replace("https://operators.example.org", f"http://operators.example.org:{DUTY_PORT}")
    pager.write_text(text)


def _quicken(prometheus: Path, alertmanager: Path) -> None:
    """Prometheus looks every second and Alertmanager waits for no more to come: nobody waits a minute in a test."""
    for file, paces in (
        (prometheus / "prometheus.yml", {"15s": "1s", "10s": "1s"}),
        (prometheus / "rules" / "alerts.yml", {"for: 1m\n": "for: 2s\n"}),
        (alertmanager, {"group_wait: 10s": "group_wait: 1s"}),
    ):
        text = file.read_text()
        for written, quicker in paces.items():
            assert written in text
            text = text.replace(written, quicker)
        file.write_text(text)


class _Outside:
    """Everybody who is told something outside, at one address."""

    def __init__(self, site: Site) -> None:
        calls = site.calls

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", "0")))
                headers = {name.lower(): value for name, value in self.headers.items()}
                calls.append(Call(path=self.path, headers=headers, body=body))
                self.send_response(204)
                self.end_headers()

            do_GET = do_POST

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name is the base class's)
                pass

        with site.stack.within(None) as outside:
            self._server = outside(lambda: ThreadingHTTPServer(("0.0.0.0", DUTY_PORT), Handler))
        self._server.daemon_threads = True

    def __enter__(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _everybody_outside(site: Site) -> _Outside:
    return _Outside(site)


def _put_into_operation(site: Site) -> None:
    """The steps of docs/compose.md, in the order that `depends_on` makes."""
    stack = site.stack
    stack.start("db", "alertmanager")
    stack.await_healthy("db")
    stack.finish("migrate")
    stack.finish("roles")
    state = site.folder.parent / "state.json"
    stack.state.write(state)
    done = subprocess.run(
        [site.folder / "config" / "compose" / "accounts.sh"],
        env={
            **os.environ,
            "COMPOSE": str(compose.stand_in(state.with_name("compose"), "tests.containers", str(state))),
            "PYTHONPATH": str(REPOSITORY),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    stack.start("broker")
    stack.await_healthy("broker", "alertmanager")
    stack.start(*ROLES, "prometheus")
    site.operator("import", "/run/providers/homes.csv")
    issued = site.operator("device", "credentials", "issue", "b-1", "--json", "--out", "/etc/mosquitto/anju")
    site.password = re.findall(r'"password": "([^"]+)"', issued)[0]
    stack.running["broker"].send(signal.SIGHUP)
    stack.await_healthy(*ROLES, "prometheus")
    stack.start("proxy")
    stack.await_healthy("proxy")


def press() -> Message:
    return event("b-1", "button_press", datetime.now(UTC))


def test_every_service_runs_as_itself_with_nothing_it_could_change(site: Site) -> None:
    for name, container in site.stack.running.items():
        if name in ("migrate", "roles"):
            continue
        assert container.running, f"{name} has ended:\n{container.log}"
        user, _, group = site.stack.state.service(name)["user"].partition(":")
        first = psutil.Process(container.pid)
        assert (first.uids().effective, first.gids().effective) == (int(user), int(group)), name
        status = Path(f"/proc/{container.pid}/status").read_text()
        for said in ("CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"):
            assert said in status, name
        assert container.run("sh", "-c", ": > /usr/anything").returncode != 0, name
        secrets = {secret["target"] for secret in site.stack.state.service(name).get("secrets", [])}
        for secret in secrets:
            assert container.run("test", "-s", secret).returncode == 0, (name, secret)


def test_each_stage_is_at_the_database_with_its_own_login_over_tls(site: Site) -> None:
    found = site.rows("SELECT DISTINCT usename FROM pg_stat_activity WHERE backend_type = 'client backend'")
    stages = {name.partition("-")[0] for name in ROLES}
    assert {name for (name,) in found} == {"anju", *(f"anju_{stage}_login" for stage in stages)}
    for stage in stages:
        address = (site.folder / "site" / "secrets" / f"database_url_{stage}").read_text()
        assert "sslmode=verify-full" in address
        assert f"anju_{stage}_login:" in address


def test_a_service_reaches_only_what_is_in_its_networks(site: Site) -> None:
    def reaches(name: str, host: str, port: int) -> bool:
        try:
            with site.stack.within(name) as there:
                there(lambda: socket.create_connection((host, port), timeout=1)).close()
        except OSError:
            return False
        return True

    address = site.stack.state.address
    desk = address(None, "out")
    assert reaches("rules-1", address("db", "data"), 5432)
    assert reaches("alerts-1", desk, DUTY_PORT)
    for name in ("proxy", "broker", "prometheus"):
        assert not reaches(name, address("db", "data"), 5432), name
    assert not reaches("proxy", address("ingest-1", "watch"), 9101)
    assert not reaches("rules-1", desk, DUTY_PORT)
    # Without TLS nobody talks to the database, and its owner's password opens nothing for a stage.
    plain = "import psycopg; psycopg.connect('host=db user=anju dbname=anju password=x sslmode=disable')"
    refused = site.stack.running["keep"].run("/opt/anju/bin/python", "-c", plain)
    assert "OperationalError" in refused.stderr


def test_a_press_over_tls_reaches_the_desk_and_its_link_opens_through_the_proxy(site: Site) -> None:
    site.publish([press()])
    wait_until(lambda: site.presses_told(), 30)
    alert_id = site.presses_told()[0]["alert_id"]
    site.operator("person", "add", "duty-1", "--name", "Duty One", "--webhook", "default")
    ((person_id,),) = site.rows("SELECT person_id FROM person WHERE key = 'duty-1'")
    secret = (site.folder / "site" / "secrets" / "link_secret").read_text().strip()
    token = links.make(secret, alert_id, person_id, datetime.now(UTC) + timedelta(hours=2))
    status, page = site.get(links.address(f"https://{compose.PUBLIC}", token))
    assert status == 200, page
    assert "1-101" in page
    # The proxy's log holds nothing of the link.
    log = site.stack.running["proxy"].log
    assert " GET /a 200 " in log
    assert token not in log
    assert "203.0.113.9" not in log
    for path in ("metrics", "grafana/", "a"):
        assert site.get(f"https://{compose.PUBLIC}/{path}")[0] in (403, 404), path


def test_the_outside_monitor_is_called_while_all_is_well(site: Site) -> None:
    wait_until(lambda: site.said("/ping"), 60)
    assert site.rows("SELECT count(*) > 0 FROM probe_run WHERE dispatched_at IS NOT NULL") == [(True,)]


def test_prometheus_sees_all_and_the_second_ingest_goes_on_when_the_first_is_killed(site: Site) -> None:
    def up() -> dict[str, str]:
        targets = site.ask("prometheus", "http://127.0.0.1:9090/api/v1/targets")["data"]["activeTargets"]
        return {target["scrapeUrl"]: target["health"] for target in targets}

    wait_until(lambda: len(up()) == len(ROLES) and set(up().values()) == {"up"}, 30)
    wait_until(lambda: any(site.owns_bulk(name) for name in ("ingest-1", "ingest-2")), 30)
    owner, other = ("ingest-1", "ingest-2") if site.owns_bulk("ingest-1") else ("ingest-2", "ingest-1")
    start = datetime.now(UTC) - timedelta(days=2)
    times = [start + timedelta(minutes=15 * number) for number in range(150)]
    readings = [
        Message("anju/b-1/reading", json.dumps({"at": stamp(at), "water_total_l": 100 + number}))
        for number, at in enumerate(times)
    ]
    site.publish(readings[:50])
    site.stack.running[owner].end(signal.SIGKILL)
    site.publish(readings[50:])
    presses = "SELECT count(*) FROM event WHERE device_name = 'b-1' AND kind = 'button_press'"
    ((before,),) = site.rows(presses)
    site.publish([press()])
    # The urgent lane waits for nobody: the other process hears it as well.
    wait_until(lambda: site.rows(presses) == [(before + 1,)], 10, interval_s=0.2)
    wait_until(lambda: site.owns_bulk(other), 40, interval_s=0.5)
    stored = "SELECT count(DISTINCT measured_at) FROM reading WHERE measured_at < now() - interval '1 hour'"
    wait_until(lambda: site.rows(stored) == [(150,)], 30, interval_s=0.2)

    def called_for() -> set[tuple[str, str]]:
        calls = site.said("/anju/critical")
        assert {call.headers["authorization"] for call in calls} <= {f"Bearer {TOKEN}"}
        alerts = [alert["labels"] for call in calls for alert in json.loads(call.body)["alerts"]]
        return {(alert["alertname"], alert.get("instance", "")) for alert in alerts}

    wait_until(lambda: ("RoleDown", f"{owner}:9101") in called_for(), 40, interval_s=0.2)


def test_a_role_ends_in_order_when_it_is_told_to_and_the_proxy_takes_the_other(site: Site) -> None:
    # What runs at every `docker compose up` disturbs nobody who is at work.
    site.stack.finish("roles")
    assert site.stack.running["alerts-1"].end(signal.SIGTERM) == 0
    assert "role_stopped" in site.stack.running["alerts-1"].log
    for _ in range(2):
        assert site.get(f"https://{compose.PUBLIC}/healthz") == (200, "ok")
