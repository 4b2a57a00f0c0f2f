"""What the roles answer on their metrics ports, and what a real Prometheus with our own configuration makes of it."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from anju.health import DatabaseReady
from tests.dashboards import grafana
from tests.prometheus import CONFIG, files, program, promtool
from tests.servers import Mosquitto, Postgres, free_port, wait_until
from tests.stages import SECRET, Hook, Role, Stage, settings

ROLES: Final[tuple[Role, ...]] = ("ingest", "rules", "alerts", "probe", "keep")


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """All roles, each with a metrics port of its own."""

    stages: Mapping[str, Stage]
    ports: Mapping[str, int]

    def ask(self, role: str, path: str) -> tuple[int, str]:
        """What a role answers; (0, "") where it does not."""
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.ports[role]}{path}", timeout=10, trust_env=False)
        except httpx.HTTPError:
            return 0, ""
        return answer.status_code, answer.text

    def await_ready(self, *roles: str, timeout_s: float = 40.0) -> None:
        """Waits until each says that it does its work."""
        for role in roles:
            last: tuple[int, str] = (0, "")
            deadline = time.monotonic() + timeout_s
            while (last := self.ask(role, "/readyz"))[0] != 200:
                assert time.monotonic() < deadline, f"{role} is not ready: {last}\n{self.stages[role].log[-3000:]}"
                time.sleep(0.1)

    def await_fault(self, role: str, fault: str, timeout_s: float = 40.0) -> None:
        """Waits until it says what is missing; it lives all the while."""
        wait_until(lambda: self.ask(role, "/readyz")[0] == 503 and fault in self.ask(role, "/readyz")[1], timeout_s)
        assert self.ask(role, "/healthz") == (200, "ok\n")


@contextmanager
def all_roles(database_url: str, broker: Mosquitto, folder: Path, **more: object) -> Iterator[Roles]:
    ports: dict[str, int] = {role: free_port() for role in ROLES}
    with ExitStack() as stack:
        hook = stack.enter_context(Hook())
        environment = settings(
            database_url,
            broker.url,
            webhook_url=hook.url,
            webhook_secret=SECRET,
            **{f"metrics_port_{role}": port for role, port in ports.items()},
            **more,
        )
        # Cold: a warm process has imported all, and its page shows the metrics of every role.
        stages: dict[str, Stage] = {
            role: stack.enter_context(Stage(role, folder, environment, cold=True)) for role in ROLES
        }
        yield Roles(stages=stages, ports=ports)


def test_readiness_follows_database_and_broker(
    durable_postgres: Postgres, mosquitto: Callable[..., Mosquitto], folder: Path
) -> None:
    broker = mosquitto()
    with all_roles(durable_postgres.url, broker, folder) as roles:
        roles.await_ready(*ROLES)
        for role in ROLES:
            assert roles.ask(role, "/healthz") == (200, "ok\n")
            assert f"anju_{role}_" in roles.ask(role, "/metrics")[1]
        durable_postgres.stop()
        for role in ROLES:
            roles.await_fault(role, "database: it does not answer")
        durable_postgres.start()
        roles.await_ready(*ROLES)
        with durable_postgres.frozen():
            roles.await_fault("rules", "database: it does not answer")
        broker.stop()
        roles.await_fault("ingest", "broker 1: no session")
        assert roles.ask("rules", "/readyz")[0] == 200
        broker.start()
        roles.await_ready(*ROLES)


def test_a_database_without_our_schema_makes_nobody_ready(
    blank_database_url: str, mosquitto: Callable[..., Mosquitto], folder: Path
) -> None:
    port = free_port()
    environment = settings(blank_database_url, mosquitto().url, metrics_port_rules=port)
    # The role itself ends then: it is for an operator to migrate.
    assert DatabaseReady(blank_database_url)() == "database: it has no schema"
    with Stage("rules", folder, environment) as rules:
        wait_until(lambda: not rules.running, 20)
        assert "anju migrate" in rules.log


def test_alerts_without_a_way_out_are_not_ready(
    database_url: str, mosquitto: Callable[..., Mosquitto], folder: Path
) -> None:
    port = free_port()
    environment = settings(database_url, mosquitto().url, metrics_port_alerts=port)
    with Stage("alerts", folder, environment) as alerts:
        roles = Roles(stages={"alerts": alerts}, ports={"alerts": port})
        wait_until(lambda: roles.ask("alerts", "/readyz")[1] == "channels: none is set, so nobody can be told\n", 20)


def test_promtool_is_content_with_configuration_and_rules() -> None:
    promtool("check", "config", "prometheus.yml")
    promtool("check", "rules", *files("rules"))


def test_every_alert_fires_and_stays_quiet_as_its_tests_say() -> None:
    assert "FAILED" not in promtool("test", "rules", *files("tests"))


class Prometheus:
    """A real Prometheus with the configuration of the repository, but for the targets and the pace."""

    def __init__(self, folder: Path, roles: Roles) -> None:
        self._folder = folder / "prometheus"
        shutil.copytree(CONFIG, self._folder)
        own = self._folder / "prometheus.yml"
        text = own.read_text(encoding="utf-8")
        own.write_text(text.replace("15s", "1s").replace("10s", "1s"), encoding="utf-8")
        targets = [
            f'- labels: {{role: {role}}}\n  targets: ["127.0.0.1:{port}"]\n' for role, port in roles.ports.items()
        ]
        (self._folder / "targets" / "roles.yml").write_text("".join(targets), encoding="utf-8")
        (self._folder / "targets" / "alertmanager.yml").write_text("[]\n", encoding="utf-8")
        self.port = free_port()

    @contextmanager
    def running(self) -> Iterator[None]:
        with (self._folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [
                    program("prometheus"),
                    f"--config.file={self._folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self._folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )
        try:
            wait_until(self._ready, 30)
            yield
        finally:
            process.terminate()
            process.wait(20)

    def _ready(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/-/ready", trust_env=False).is_success
        except httpx.HTTPError:
            return False

    def api(self, path: str, **asked: str) -> Any:
        answer = httpx.get(f"http://127.0.0.1:{self.port}/api/v1/{path}", params=asked, trust_env=False).json()
        assert answer["status"] == "success"
        return answer["data"]

    def values(self, query: str, label: str) -> dict[str, float]:
        return {
            sample["metric"].get(label, ""): float(sample["value"][1])
            for sample in self.api("query", query=query)["result"]
        }


@pytest.mark.slow
def test_a_real_prometheus_scrapes_all_roles_and_watches_them(
    database_url: str, mosquitto: Callable[..., Mosquitto], folder: Path
) -> None:
    program("prometheus")
    with all_roles(database_url, mosquitto(), folder, probe_interval_s=10) as roles:
        roles.await_ready(*ROLES)
        prometheus = Prometheus(folder, roles)
        with prometheus.running():
            wait_until(lambda: prometheus.values('up{job="anju"}', "role") == dict.fromkeys(ROLES, 1.0), 30)
            wait_until(lambda: prometheus.values("anju_probe_gap", "work").keys() >= {"presses", "looks"}, 30)
            wait_until(lambda: prometheus.values("anju_probe_last_through_timestamp_seconds", "")[""] > 0, 40)
            recorded = "broker_lane:anju_ingest_hearing_lag_seconds:min"
            wait_until(lambda: prometheus.values(recorded, "lane").keys() == {"urgent", "bulk"}, 30)
            wait_until(
                lambda: (
                    prometheus.values("anju_rules_loop_turned_timestamp_seconds", "loop").keys()
                    >= {"wake", "engine", "hearing"}
                )
            )

            groups = prometheus.api("rules")["groups"]
            known = {rule["name"]: rule for group in groups for rule in group["rules"]}
            assert {"RoleDown", "ProbeLost", "IngestDeaf", recorded} <= known.keys()
            wait_until(lambda: all_judged(prometheus), 20)
            wait_until(lambda: prometheus.api("alerts")["alerts"] == [], 20)
            wait_until(lambda: unanswered(prometheus) <= QUIET_PANELS, 20)

            roles.stages["rules"].kill()
            wait_until(lambda: prometheus.values('up{job="anju"} == 0', "role") == {"rules": 0.0}, 20)
            wait_until(
                lambda: [a["labels"]["alertname"] for a in prometheus.api("alerts")["alerts"]] == ["RoleDown"], 20
            )
            (alert,) = prometheus.api("alerts")["alerts"]
            assert (alert["labels"]["role"], alert["state"]) == ("rules", "pending")
            assert alert["annotations"]["runbook_url"] == "docs/runbooks.md#roledown"


def all_judged(prometheus: Prometheus) -> bool:
    """Whether each rule was judged, without an error."""
    return all(rule["health"] == "ok" for group in prometheus.api("rules")["groups"] for rule in group["rules"])


#: What dashboards show only when something is wrong or somebody has called.
QUIET_PANELS: Final = {
    "pipeline: 停用的服务商 · Providers left alone A",
    "pipeline: 正在报警 · Firing A",
    "service-quality: 接警用时（实时） · Taken within, live A",
    "service-quality: 未结束的警情 · Alerts not over A",
}


def unanswered(prometheus: Prometheus) -> set[str]:
    """The dashboards' queries to which there is no answer; each is understood."""
    seen = grafana.view(datetime.now(UTC))
    asked = [query for file in grafana.FILES for query in grafana.queries(file) if query.source == "prometheus"]
    assert asked
    return {
        str(query) for query in asked if not prometheus.api("query", query=grafana.promql(query.text, seen))["result"]
    }
