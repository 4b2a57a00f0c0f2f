"""From nothing but a settings file, a database and a real Kannel: told by SMS, answered by SMS and by link."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from psycopg import AsyncConnection

from tests.alert_cases import press, register_homes, report_now
from tests.integration.cli import anju
from tests.kannel import PASSWORD, SENDER, USER, Kannel
from tests.servers import eventually, free_port
from tests.stages import Stage

pytestmark = pytest.mark.slow

LANE: Final = "City/District/Street/Lane"
DUTY, SECOND = "+8613800000001", "+8613800000002"
SETTINGS: Final = """
database_url = "{database_url}"
public_url = "http://127.0.0.1:{port}"
link_secret = "a link secret of tests, long enough for anybody"
alerts_http_port = {port}

[[sms]]
provider = "kannel"
url = "{gateway_url}"
username = "{user}"
password_file = "{password_file}"
from = "{sender}"
"""
POLICY: Final = """
[[ladder]]
name = "calls"
severities = ["urgent"]
repeat_s = 3600
[[ladder.step]]
after_s = 0
tell = [{ who = "duty", by = ["sms"] }]
"""


@dataclass(slots=True, kw_only=True, eq=False)
class Site:
    """An installation: its database, its gateway, the alerts role, and what telephones have."""

    conn: AsyncConnection[Any]
    gateway: Kannel
    role: Stage
    file: Path
    taken: int = 0

    async def sos(self) -> int:
        """Somebody presses a button."""
        now = datetime.now(UTC)
        await report_now(self.conn, press(1, since=now), now=now)
        ((alert_id,),) = await self.rows("SELECT alert_id FROM alert")
        return int(alert_id)

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the database has."""
        return list(await (await self.conn.execute(query)).fetchall())

    async def comes(self, *numbers: str) -> dict[str, str]:
        """One more SMS arrives at each of these telephones, and none besides; what they say."""
        await self.until(lambda: len(self.gateway.arrived) >= self.taken + len(numbers))
        fresh = self.gateway.arrived[self.taken :]
        self.taken += len(fresh)
        assert sorted(number for _, number, _ in fresh) == sorted(numbers)
        assert {sender for sender, _, _ in fresh} == {SENDER}
        return {number: text for _, number, text in fresh}

    async def holds(self, query: str, *rows: tuple[Any, ...]) -> None:
        """Waits until the database has these rows."""

        async def there() -> bool:
            return await self.rows(query) == list(rows)

        try:
            await eventually(there, 20)
        except AssertionError:
            pytest.fail(f"the database has {await self.rows(query)}; the role says:\n{self.role.log[-3_000:]}")

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits, as long as the role lives."""

        try:
            await eventually(lambda: condition() or not self.role.running, 20)
            assert condition()
        except AssertionError:
            pytest.fail(f"arrived: {self.gateway.arrived}; the role says:\n{self.role.log[-3_000:]}")

    async def command(self, *arguments: str) -> str:
        """A command of the operator's, with the settings file."""
        ended = await asyncio.to_thread(anju, "--config", str(self.file), *arguments)
        assert ended.code == 0, ended.err
        return ended.out


def write_settings(file: Path, database_url: str, port: int, gateway_url: str) -> None:
    password = file.with_name("kannel-password")
    password.write_text(f"{PASSWORD}\n", encoding="utf-8")
    file.write_text(
        SETTINGS.format(
            database_url=database_url,
            port=port,
            gateway_url=gateway_url,
            user=USER,
            password_file=password,
            sender=SENDER,
        ),
        encoding="utf-8",
    )


@contextlib.asynccontextmanager
async def installed(conn: AsyncConnection[Any], database_url: str, folder: Path) -> AsyncIterator[Site]:
    """What an operator does, in this order."""
    await register_homes(conn)
    file, port = folder / "site.toml", free_port()
    # What Kannel must call is known before Kannel is: it depends on the table's name alone.
    write_settings(file, database_url, port, "http://127.0.0.1:9/cgi-bin/sendsms")
    ended = await asyncio.to_thread(anju, "--config", str(file), "channel", "callbacks", "--json")
    (callback,) = ended.json()
    assert (callback["provider"], callback["brings"], callback["keyed"]) == ("kannel", "answers", True)
    assert "password" in ended.err
    gateway = Kannel(folder, reply_url=callback["address"])
    write_settings(file, database_url, port, gateway.url)
    role = Stage("alerts", folder, {"ANJU_CONFIG": str(file)})
    site = Site(conn=conn, gateway=gateway, role=role, file=file)
    policy, roster = folder / "policy.toml", folder / "roster.toml"
    policy.write_text(POLICY, encoding="utf-8")
    roster.write_text('time_zone = "Asia/Shanghai"\nalways = ["duty-1", "duty-2"]\n', encoding="utf-8")
    for key, language, number in (("duty-1", "zh", DUTY), ("duty-2", "en", SECOND)):
        await site.command("person", "add", key, "--name", "Somebody", "--language", language, "--sms", number)
    await site.command("roster", "set", "--role", "duty", "--area", LANE, str(roster))
    await site.command("escalation", "set", "--site", str(policy))
    with gateway, role:
        await site.until(lambda: "web_listening" in role.log)
        yield site
        assert role.stop() == 0
    assert "+86" not in role.log
    assert "Traceback" not in role.log


@pytest.fixture
async def site(database: AsyncConnection[Any], database_url: str, folder: Path) -> AsyncIterator[Site]:
    async with installed(database, database_url, folder) as place:
        yield place


async def test_an_sms_is_delivered_and_its_answer_takes_the_alert(site: Site) -> None:
    said = await site.command("channel", "try", "sms", "--to", DUTY, "--provider", "kannel")
    assert "kannel accepted it" in said
    assert "测试" in (await site.comes(DUTY))[DUTY]
    assert await site.rows("SELECT count(*) FROM notification") == [(0,)]

    alert = await site.sos()
    told = await site.comes(DUTY, SECOND)
    assert told[DUTY].startswith(f"紧急呼叫#{alert:03d} ")
    assert "Door 1" in told[SECOND]
    await site.holds(
        "SELECT recipient, state, provider, delivery FROM notification WHERE channel = 'sms' ORDER BY recipient",
        (DUTY, "accepted", "kannel", "delivered"),
        (SECOND, "accepted", "kannel", "delivered"),
    )

    await asyncio.to_thread(site.gateway.telephone_sends, DUTY, "1")
    await site.holds("SELECT state, acknowledged_by FROM alert", ("acknowledged", "duty-1"))
    news = await site.comes(SECOND)
    assert "duty-1 took it" in news[SECOND]
    assert await site.rows("SELECT provider, person_id, alert_id, result FROM reply") == [("kannel", 1, alert, "done")]

    shown = json.loads(await site.command("alert", "show", str(alert), "--json"))
    assert [entry["source"] for entry in shown["entries"] if entry["action"] == "acknowledged"] == ["sms"]
    checks = {check["check"]: check for check in json.loads(await examined(site))}
    assert [checks[name]["state"] for name in ("channels", "listener", "addresses", "duty rosters", "escalation")] == [
        "good"
    ] * 5
    assert checks["given up"]["state"] == "good"
    # What is meant for the duty desk waits for a webhook.
    assert checks["notifications"]["found"].startswith("0 waiting to be sent now, 0 for their time, 2 for ")


async def test_a_link_shows_the_case_when_it_is_opened_and_acts_when_it_is_pressed(site: Site) -> None:
    alert = await site.sos()
    told = await site.comes(DUTY, SECOND)
    link = re.search(r"http://\S+/a/\S+", told[SECOND])
    assert link is not None, told[SECOND]
    async with httpx.AsyncClient(trust_env=False) as browser:
        for _ in range(2):
            page = await browser.get(link[0])
            assert page.status_code == 200
        assert await site.rows("SELECT state FROM alert") == [("open",)]
        assert await site.rows("SELECT count(*) FROM reply") == [(0,)]

        once = re.search(r'name="once" value="([^"]+)"', page.text)
        assert once is not None
        pressed = await browser.post(link[0], data={"once": once[1], "do": "acknowledge"}, follow_redirects=True)
        assert "You have taken it" in pressed.text
    await site.holds("SELECT state, acknowledged_by FROM alert", ("acknowledged", "duty-2"))
    news = await site.comes(DUTY)
    assert f"#{alert:03d}" in news[DUTY]
    assert "duty-2已接警" in news[DUTY]


async def examined(site: Site) -> str:
    """What doctor says; here it always finds a fault, since there is no broker."""
    ended = await asyncio.to_thread(anju, "--config", str(site.file), "doctor", "--json")
    assert ended.code == 1
    return ended.out
