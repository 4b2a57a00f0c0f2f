"""docker-compose.yml, as `docker-compose config` reads it: what an operator may rely on of every service."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from typer.main import get_command

from anju.cli import app
from config.settings import Settings, variable_of
from tests import compose
from tests.prometheus import promtool
from tests.servers import REPOSITORY

ONE_SHOTS: Final = frozenset({"migrate", "roles", "operator"})
PUBLISHED: Final = {("broker", "8883", 8883), ("broker", "8884", 8884), ("proxy", "443", 8443)}
#: Made by prepare.sh and accounts.sh; everything else that is mounted is in the repository.
SITE: Final = REPOSITORY / "site"
SECRET_WORDS: Final = re.compile(r"password|secret|token|key|_url|credential", re.IGNORECASE)


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return compose.project()


@pytest.fixture(scope="module")
def services(project: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = project["services"]
    assert len(found) == 18
    return found


def test_the_services_are_those_of_the_plan(services: dict[str, dict[str, Any]]) -> None:
    always = {name for name, service in services.items() if not service.get("profiles")}
    assert always == {
        *("broker", "db", "migrate", "roles", "ingest-1", "ingest-2", "rules-1", "rules-2", "alerts-1", "alerts-2"),
        *("probe", "keep", "proxy", "prometheus", "alertmanager", "grafana"),
    }
    assert {name: service["profiles"] for name, service in services.items() if name not in always} == {
        "operator": ["operator"],
        "db-standby": ["standby"],
    }


def test_each_is_pinned_bounded_and_can_change_nothing(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        image, _, tag = service["image"].partition(":")
        assert image, name
        assert re.fullmatch(r"v?\d+\.\d+\.\d+[a-z0-9.-]*", tag), (name, tag)
        user, _, group = service["user"].partition(":")
        assert user.isdecimal(), name
        assert int(user) > 0, name
        assert group.isdecimal(), name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert not service.get("privileged"), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["group_add"] == ["10001"], name
        limits = service["deploy"]["resources"]["limits"]
        assert 0 < float(limits["cpus"]) <= 2, name
        assert 0 < int(limits["memory"]) <= 4 * 2**30, name
        assert 0 < limits["pids"] <= 500, name
        assert {"max-size", "max-file"} <= service["logging"]["options"].keys(), name
        assert service["restart"] == ("no" if name in ONE_SHOTS else "unless-stopped"), name


def test_each_that_stays_is_asked_how_it_is_and_waited_for(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        if name not in ONE_SHOTS:
            kind, *command = service["healthcheck"]["test"]
            assert kind in {"CMD", "CMD-SHELL"}, name
            assert command, name
        for needed, how in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if needed in ONE_SHOTS else "service_healthy"
            assert how["condition"] == expected, (name, needed)
    for name in set(services) - {"db", "db-standby", "broker", "proxy", "prometheus", "alertmanager", "migrate"}:
        assert "roles" in services[name]["depends_on"] or name == "roles", name


def test_no_secret_stands_in_the_environment(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        for variable, value in (service.get("environment") or {}).items():
            if SECRET_WORDS.search(variable) and variable not in {"ANJU_PUBLIC_URL", "DASHBOARDS_ROOT_URL"}:
                assert variable.endswith("_FILE") or variable == "DASHBOARDS_PROMETHEUS_URL", (name, variable)
            if variable.endswith("_FILE"):
                targets = {secret["target"] for secret in service["secrets"]}
                assert value in targets, (name, variable, value)


def test_only_broker_and_proxy_can_be_reached_from_outside(project: dict[str, Any]) -> None:
    services = project["services"]
    published = {
        (name, port["published"], port["target"])
        for name, service in services.items()
        for port in service.get("ports", [])
    }
    assert published == PUBLISHED
    open_networks = {name for name, network in project["networks"].items() if not network.get("internal")}
    assert open_networks == {"edge", "out"}
    assert {name for name, service in services.items() if "edge" in service["networks"]} == {"broker", "proxy"}
    # Whoever can be reached from outside reaches neither the database nor the metrics.
    for name in ("broker", "proxy"):
        assert not {"data", "watch", "out"} & services[name]["networks"].keys()
    for name in ("db", "db-standby"):
        assert list(services[name]["networks"]) == ["data"]


def test_each_stage_holds_its_own_secrets_alone(services: dict[str, dict[str, Any]]) -> None:
    holders: dict[str, set[str]] = {}
    for name, service in services.items():
        for secret in service.get("secrets", []):
            holders.setdefault(secret["source"], set()).add(name)
    for stage, own in {
        "ingest": {"ingest-1", "ingest-2"},
        "rules": {"rules-1", "rules-2"},
        "alerts": {"alerts-1", "alerts-2"},
        "probe": {"probe"},
        "keep": {"keep"},
        "operator": {"operator"},
        "owner": {"migrate", "roles"},
    }.items():
        assert holders[f"database_url_{stage}"] == own
    assert holders["mqtt_url_ingest"] == {"ingest-1", "ingest-2"}
    assert holders["proxy_key"] == {"proxy"}
    assert holders["broker_key"] == {"broker"}
    assert holders["link_secret"] == {"alerts-1", "alerts-2", "operator"}
    assert holders["db_owner"] == {"db"}


def _mounted(project: dict[str, Any]) -> Iterator[Path]:
    for service in project["services"].values():
        for volume in service.get("volumes", []):
            if volume["type"] == "bind":
                yield Path(volume["source"])
            else:
                assert volume["source"] in project["volumes"]
    for kind in ("configs", "secrets"):
        for each in project[kind].values():
            yield Path(each["file"])


def test_whatever_is_mounted_is_in_the_repository_or_made_for_the_site(project: dict[str, Any]) -> None:
    mounted = set(_mounted(project))
    ours = {path for path in mounted if not path.is_relative_to(SITE)}
    assert {path.relative_to(REPOSITORY).parts[0] for path in ours} == {"config"}
    assert [path for path in ours if not path.exists()] == []
    used = {
        (kind, each["source"])
        for kind in ("configs", "secrets")
        for service in project["services"].values()
        for each in service.get(kind) or []
    }
    assert used == {(kind, name) for kind in ("configs", "secrets") for name in project[kind]}


def test_every_command_and_setting_is_one_that_there_is(services: dict[str, dict[str, Any]]) -> None:
    variables = {variable_of(key) for key in Settings.model_fields} | {"ANJU_CONFIG"}
    known = variables | {f"{variable}_FILE" for variable in variables}
    for name, service in services.items():
        assert {v for v in service.get("environment") or {} if v.startswith("ANJU_")} <= known, name
        if not service["image"].startswith("anju:"):
            continue
        _parses(service["command"])
        if name not in ONE_SHOTS:
            program, *asked = service["healthcheck"]["test"][1:]
            assert program == "anju"
            _parses(asked)
            role = service["command"][0]
            assert asked == ["health", role]
            assert f"ANJU_METRICS_PORT_{role.upper()}" in service["environment"]


def _parses(arguments: list[str]) -> None:
    """That the real command line takes it, without doing it."""
    command: Any = get_command(app)
    rest = list(arguments)
    while hasattr(command, "commands"):
        command = command.commands[rest.pop(0)]
    command.make_context("anju", rest)


def test_prometheus_asks_every_role_at_its_port(services: dict[str, dict[str, Any]]) -> None:
    text = (REPOSITORY / "config" / "prometheus" / "targets" / "roles.yml").read_text()
    asked = set(re.findall(r'"([a-z0-9-]+:\d+)"', text))
    there = {
        f"{name}:{value}"
        for name, service in services.items()
        for variable, value in (service.get("environment") or {}).items()
        if variable.startswith("ANJU_METRICS_PORT_")
    }
    assert asked == there
    promtool("check", "config", "prometheus.yml")


def test_the_proxy_has_the_addresses_that_alerts_and_nginx_count_on(project: dict[str, Any]) -> None:
    services = project["services"]
    proxy = services["proxy"]["networks"]["answers"]["ipv4_address"]
    assert services["alerts-1"]["environment"]["ANJU_ALERTS_HTTP_PROXIES"] == proxy
    known = dict(entry.split("=") for entry in services["proxy"]["extra_hosts"])
    text = (REPOSITORY / "config" / "proxy" / "nginx.conf").read_text()
    for name in ("alerts-1", "alerts-2", "grafana"):
        assert known[name] == services[name]["networks"]["answers"]["ipv4_address"]
        assert name in text
    assert "alerts-1:8088" in text
    assert services["alerts-1"]["environment"]["ANJU_ALERTS_HTTP_PORT"] == "8088"


def test_without_the_site_s_variables_compose_says_which_are_missing() -> None:
    with pytest.raises(AssertionError, match=r"prepare\.sh"):
        compose.project(environ={})


def test_prepare_makes_all_that_is_mounted_once_and_for_nobody_else(tmp_path: Path) -> None:
    folder = compose.checkout(tmp_path / "anju")
    done = compose.prepare(folder, "--public", "anju.example.org", "--broker", "mqtt.example.org")
    if "run it as root" in done.stderr:
        pytest.skip("prepare.sh gives files to other accounts, and we are not root")
    assert done.returncode == 0, done.stderr
    by_accounts = {"mqtt_url_ingest", "mqtt_url_probe"}
    missing = {path.name for path in _mounted(compose.project(folder, environ={})) if not path.exists()}
    assert missing == by_accounts
    contents = {}
    for file in (folder / "site").rglob("*"):
        mode, owner = file.stat().st_mode & 0o777, file.stat()
        if file.name == "ca.crt":
            continue
        assert mode & 0o007 == 0, file
        if file.is_file():
            contents[file] = file.read_bytes()
            assert (owner.st_uid, owner.st_gid) == (0, 0 if file.name == "ca.key" else 10001), file
    assert len({content for file, content in contents.items() if file.parent.name == "secrets"}) == 20
    again = compose.prepare(folder, "--public", "other.example.org", "--broker", "x")
    assert (again.returncode, again.stdout) == (0, "")
    assert {file: file.read_bytes() for file in contents} == contents
    for wrong in (["--public", "a b", "--broker", "x"], ["--broker", "x"], ["--public"], ["--help"]):
        assert compose.prepare(folder, *wrong).returncode == 2


def test_the_scripts_are_plain_shell() -> None:
    for script in (REPOSITORY / "config").rglob("*.sh"):
        assert script.stat().st_mode & 0o111, script
        subprocess.run(["sh", "-n", script], check=True)
        checker = shutil.which("shellcheck")
        if checker is not None:
            subprocess.run([checker, "--shell=sh", script], check=True)
