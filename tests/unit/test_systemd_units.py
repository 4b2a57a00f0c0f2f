"""The units for plain servers: known to systemd, shut in, and in words that Anju understands."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command

from anju.cli import app
from config.settings import Settings, variable_of

UNITS = Path(__file__).resolve().parents[2] / "config" / "systemd"
FILES = sorted(path for path in UNITS.rglob("*") if path.is_file())
SERVICES = [path for path in FILES if path.suffix == ".service"]


def test_they_are_all_there() -> None:
    assert {path.name for path in SERVICES} == {"anju@.service", "anju-migrate.service", "anju-backup.service"}
    assert {path.parent.name for path in FILES if path.suffix == ".conf"} == {
        f"anju@{role}.service.d" for role in ("ingest", "alerts", "probe")
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(UNITS)))
def test_their_variables_are_settings(path: Path) -> None:
    known = {variable_of(key) for key in Settings.model_fields} | {"ANJU_CONFIG"}
    named = set(re.findall(r"\b(ANJU_[A-Z_]+)=", path.read_text(encoding="utf-8")))
    assert {name.removesuffix("_FILE") for name in named} <= known


def test_their_commands_are_commands() -> None:
    commands = set(get_command(app).commands)  # type: ignore[attr-defined]
    started = [
        shlex.split(line.partition("=")[2])
        for path in SERVICES
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith("ExecStart=/opt/anju/bin/anju ")
    ]
    assert started == [["/opt/anju/bin/anju", "migrate"], ["/opt/anju/bin/anju", "%i"]]
    assert {"migrate", "ingest", "rules", "alerts", "probe", "keep"} <= commands


def test_no_secret_is_in_the_environment() -> None:
    for path in FILES:
        for line in path.read_text(encoding="utf-8").splitlines():
            assert not re.search(r"^Environment=.*(PASSWORD|SECRET|TOKEN|_URL)=", line), f"{path.name}: {line}"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_understands_them(tmp_path: Path) -> None:
    folder = tmp_path / "units"
    shutil.copytree(UNITS, folder)
    for path in folder.rglob("*.service"):
        # The program is not installed here; one that is stands in its place.
        path.write_text(path.read_text(encoding="utf-8").replace("/opt/anju/bin/anju", "/bin/true"), encoding="utf-8")
    whole = [
        folder / name for name in ("anju.target", "anju-migrate.service", "anju-backup.service", "anju-backup.timer")
    ]
    roles = [folder / "anju@.service"]
    said = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, whole + roles)], capture_output=True, text=True, check=False
    )
    about_ours = [line for line in said.stderr.splitlines() if "anju" in line]
    assert about_ours == []
    assert said.returncode == 0, said.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize(
    ("unit", "tenths"), [("anju@.service", 20), ("anju-migrate.service", 40), ("anju-backup.service", 40)]
)
def test_they_are_shut_in(unit: str, tenths: int) -> None:
    said = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", f"--threshold={tenths}", str(UNITS / unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stdout.splitlines()[-1:]
