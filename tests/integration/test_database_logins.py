"""The whole life of a call and of readings, with every stage and the operator logged in by a login of its own."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from typer.testing import CliRunner

from anju.cli import app
from storage.pool import connect
from storage.privileges import Stage as Login
from tests.servers import Mosquitto, eventually
from tests.stages import SECRET, Hook, Stage, listening, settings
from tests.traffic import BUSY_BROKER, Publisher, count, press

_HOMES: Final = """\
area,home,time_zone,resident,device,driver,model,interval_s,litres_per_pulse
City/North,1-101,Asia/Shanghai,Wang,meter-1,native,,900,
City/North,1-101,,,button-1,native,,,
City/North,1-102,Asia/Shanghai,Li,meter-2,native,,900,
"""


class Site:
    """A database with logins for all, and who uses them."""

    def __init__(self, owner_url: str, folder: Path) -> None:
        self.owner_url = owner_url
        self._folder = folder
        self._runner = CliRunner()

    def password_file(self, stage: Login) -> Path:
        return self._folder / f"db_{stage.value}"

    def url(self, stage: Login) -> str:
        password = self.password_file(stage).read_text(encoding="utf-8").strip()
        owner = urlsplit(self.owner_url)
        return owner._replace(netloc=f"{stage.login}:{password}@{owner.hostname}:{owner.port}").geturl()

    def write(self, file: Path, text: str) -> None:
        file.write_text(text, encoding="utf-8")

    def run(self, *arguments: str, login: Login | None = Login.OPERATOR, **more: str) -> str:
        """A command to its end; None: as the owner."""
        environment = {"ANJU_DATABASE_URL": self.owner_url if login is None else self.url(login), **more}
        with ThreadPoolExecutor(1) as beside:  # a command has an event loop of its own
            asked = beside.submit(self._runner.invoke, app, list(arguments), env=environment, catch_exceptions=False)
            ended = asked.result()
        assert ended.exit_code == 0, f"{arguments}: {ended.output}"
        return ended.stdout

    def asked(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json"))

    def doctors(self, mqtt_url: str) -> dict[str, dict[str, str]]:
        """What the operator's doctor says, whatever it finds."""
        environment = {"ANJU_DATABASE_URL": self.url(Login.OPERATOR), "ANJU_MQTT_URL": mqtt_url}
        with ThreadPoolExecutor(1) as beside:
            ended = beside.submit(self._runner.invoke, app, ["doctor", "--json"], env=environment).result()
        return {check["check"]: check for check in json.loads(ended.stdout)}


@pytest.fixture
def site(blank_database_url: str, tmp_path: Path) -> Site:
    """A site as its owner leaves it: migrated, with a login for every stage."""
    site = Site(blank_database_url, tmp_path)
    site.run("migrate", login=None)
    options = []
    for stage in Login:
        site.password_file(stage).write_text(f"{stage.value}-password-of-tests\n", encoding="utf-8")
        options += ["--login", f"{stage.value}={site.password_file(stage)}"]
    said = site.run("database", "roles", *options, login=None)
    assert said.startswith("every stage has its rights")
    return site


def reading(total_l: float, *, ago: timedelta = timedelta()) -> bytes:
    return json.dumps({"at": (datetime.now(UTC) - ago).isoformat(), "water_total_l": total_l}).encode()


async def test_every_stage_does_its_work_with_the_rights_that_it_has(
    mosquitto: Callable[..., Mosquitto], site: Site, folder: Path, tmp_path: Path
) -> None:
    broker = mosquitto(BUSY_BROKER)
    homes = tmp_path / "homes.csv"
    site.write(homes, _HOMES)
    assert site.run("import", str(homes)).startswith("3 added")
    site.run("keep", "--once", login=Login.KEEP)
    site.run("policy", "set", "--home", "City/North/1-101", "inactivity_window_h=10", "--by", "test")
    with Hook() as hook:

        def options(stage: Login) -> dict[str, str]:
            way_out = {"webhook_url": hook.url, "webhook_secret": SECRET} if stage is Login.ALERTS else {}
            return settings(site.url(stage), broker.url, probe_interval_s=1, **way_out)

        stages = [
            Stage("ingest", folder, options(Login.INGEST)),
            Stage("rules", folder, options(Login.RULES)),
            Stage("alerts", folder, options(Login.ALERTS)),
            Stage("probe", folder, options(Login.PROBE)),
        ]
        owner = await connect(site.owner_url, application_name="test", autocommit=True)
        async with owner, Publisher(broker.port) as publisher:
            try:
                for stage in stages:
                    stage.start()
                await listening(owner, "ingest")
                await live(owner, publisher, hook)
                told(site)
                await replayed(owner, site, homes)
                came_through = "SELECT count(*) FROM probe_run WHERE dispatched_at IS NOT NULL"
                await eventually(lambda: count(owner, came_through), 60)
                checked = site.doctors(broker.url)
                assert checked["database roles"]["state"] == "good", checked["database roles"]
                assert checked["schema"]["state"] == "good"
                await looked_at(owner)
            finally:
                logs = {stage.name: (stage.running, stage.log) for stage in stages}
                for stage in stages:
                    stage.kill()
    for name, (running, log) in logs.items():
        assert running, f"{name} has ended; it says:\n{log}"
        assert "ermission denied" not in log, log
        assert "InsufficientPrivilege" not in log, log


async def live(owner: AsyncConnection[TupleRow], publisher: Publisher, hook: Hook) -> None:
    """Readings old and new, twice and contradicting, of known and unknown devices, garbage, and a call."""
    late = reading(90, ago=timedelta(days=30))
    for payload in (late, late, reading(100), b"garbage"):
        await publisher.publish("anju/meter-1/reading", payload)
    first = reading(110)
    await publisher.publish("anju/meter-2/reading", first)
    await eventually(lambda: count(owner, "SELECT count(*) FROM reading WHERE value = 110"), 30)
    await publisher.publish("anju/meter-2/reading", first.replace(b"110", b"111"))
    await publisher.publish("anju/meter-9/reading", reading(5))
    await publisher.publish("anju/button-1/event", press())
    await eventually(lambda: any(post.message()["data"]["kind"] == "sos" for post in list(hook.posts)), 30)  # type: ignore[index,call-overload]
    await eventually(lambda: count(owner, "SELECT count(*) FROM reading_conflict"), 30)
    await eventually(lambda: count(owner, "SELECT count(*) FROM reading WHERE value = 90"), 30)
    for reason in ("payload_invalid", "device_unknown"):
        await eventually(lambda: count(owner, f"SELECT count(*) FROM quarantine WHERE reason = '{reason}'"), 30)  # noqa: B023


def told(site: Site) -> None:
    """The operator takes the case, and ends it."""
    (case,) = [each for each in site.asked("alert", "list") if each["kind"] == "sos"]
    number = str(case["alert_id"])
    site.run("alert", "ack", number, "--by", "duty-1")
    site.run("alert", "close", number, "--outcome", "genuine", "--by", "duty-1")
    assert site.asked("alert", "show", number)["state"] == "closed"


async def replayed(owner: AsyncConnection[TupleRow], site: Site, homes: Path) -> None:
    """The unknown device is installed, and what it sent is stored."""
    site.write(homes, _HOMES + "City/North,1-103,Asia/Shanghai,Zhao,meter-9,native,,900,\n")
    assert site.run("import", str(homes)).startswith("1 added")
    assert site.run("quarantine", "replay", "--reason", "device_unknown").startswith("1 replayed")
    assert await count(owner, "SELECT count(*) FROM reading WHERE value = 5") == 1


async def looked_at(owner: AsyncConnection[TupleRow]) -> None:
    """Rules have looked at every home, at the areas, and have learned of each."""
    for waiting in (
        "SELECT count(*) = 0 FROM home_watch WHERE looked_until IS NULL",
        "SELECT looked_at > '-infinity' FROM area_watch",
        "SELECT count(*) > 0 FROM home_profile",
        "SELECT count(*) = 0 FROM rearm_request",
        "SELECT count(*) > 0 FROM rule_release",
    ):
        await eventually(lambda: count(owner, waiting), 60)  # noqa: B023
