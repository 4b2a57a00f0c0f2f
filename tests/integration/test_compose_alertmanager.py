"""config/alertmanager: whom Prometheus calls, judged by Alertmanager's own tool."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.servers import REPOSITORY, free_port, missing, wait_until

CONFIG: Final = REPOSITORY / "config" / "alertmanager" / "alertmanager.yml"
RULES: Final = REPOSITORY / "config" / "prometheus" / "rules"


def amtool(*arguments: str) -> str:
    program = shutil.which("amtool")
    if program is None:
        missing("amtool is not installed (Debian's package prometheus-alertmanager)")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def receivers(**labels: str) -> list[str]:
    named = [f"{name}={value}" for name, value in labels.items()]
    said = amtool("config", "routes", "test", f"--config.file={CONFIG}", *named).splitlines()
    return [line for line in said if not line.startswith("Warning")]


def alerts() -> dict[str, str]:
    """Every alert of ours, and its severity."""
    text = "".join(file.read_text(encoding="utf-8") for file in sorted(RULES.glob("*.yml")))
    found = re.findall(r"- alert: (\w+)\n.*?labels: \{severity: (\w+)\}", text, re.DOTALL)
    assert len(found) == text.count("- alert: ")
    return dict(found)


def test_the_configuration_is_whole() -> None:
    assert "SUCCESS" in amtool("check-config", str(CONFIG))


@pytest.mark.parametrize(
    ("severity", "receiver"),
    [("critical", "operators_at_once"), ("warning", "operators_by_day"), ("unheard-of", "operators_at_once")],
)
def test_the_severity_decides_who_is_told(severity: str, receiver: str) -> None:
    assert receivers(alertname="Anything", severity=severity) == [receiver]


def test_every_alert_has_a_severity_that_is_routed_and_every_inhibition_names_alerts_that_there_are() -> None:
    known = alerts()
    assert set(known.values()) == {"critical", "warning"}
    text = CONFIG.read_text(encoding="utf-8")
    named = {name for group in re.findall(r"alertname =~? \"([\w|]+)\"", text) for name in group.split("|")}
    assert named
    assert named <= known.keys()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Alertmanager with the configuration; nobody answers where it would call."""
    program = shutil.which("prometheus-alertmanager")
    if program is None:
        missing("Alertmanager is not installed (Debian's package prometheus-alertmanager)")
    folder, port = tmp_path_factory.mktemp("alertmanager"), free_port()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={CONFIG}",
                f"--storage.path={folder}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
            stdout=log,
            stderr=log,
        )

    def is_ready() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/-/ready", trust_env=False).is_success
        except httpx.HTTPError:
            return False

    try:
        wait_until(is_ready, 30)
        yield f"http://127.0.0.1:{port}/api/v2/alerts"
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("source", "follower", "is_held_back"),
    [
        ("RoleDown role=rules instance=a:1", "LoopStandsStill role=rules instance=a:1", True),
        ("RoleDown role=rules instance=a:2", "LoopStandsStill role=rules instance=b:2", False),
        ("IngestDeaf broker=one:1", "IngestBehind broker=one:1", True),
        ("IngestDeaf broker=one:2", "IngestBehind broker=two:2", False),
        ("MessagesOverdue test=1", "DeadManSilent test=1", True),
        ("HearingLost test=2", "RulesFaults loop=engine", False),
    ],
)
def test_what_only_follows_from_another_alert_is_held_back(
    running: str, source: str, follower: str, is_held_back: bool
) -> None:
    severities = alerts()

    def labels(text: str) -> dict[str, str]:
        name, *pairs = text.split()
        return {"alertname": name, "severity": severities[name], **dict(pair.split("=") for pair in pairs)}

    posted = [{"labels": labels(text)} for text in (source, follower)]
    assert httpx.post(running, json=posted, trust_env=False).is_success

    def state() -> str:
        answer = httpx.get(running, trust_env=False).json()
        (found,) = [alert for alert in answer if alert["labels"] == labels(follower)]
        return str(found["status"]["state"])

    expected = "suppressed" if is_held_back else "active"
    wait_until(lambda: state() == expected, 15, interval_s=0.1)


def test_no_secret_stands_in_the_configuration() -> None:
    text = CONFIG.read_text(encoding="utf-8")
    assert text.count("credentials_file: /run/secrets/operators_token") == 2
    assert not re.search(r"^\s*(auth_password|credentials|password|api_key):", text, re.MULTILINE)


def test_a_missing_file_of_the_site_is_seen_before_it_counts(tmp_path: Path) -> None:
    broken = tmp_path / "alertmanager.yml"
    broken.write_text(CONFIG.read_text(encoding="utf-8").replace("receiver: operators_by_day", "receiver: nobody"))
    with pytest.raises(AssertionError, match="nobody"):
        amtool("check-config", str(broken))
