"""`anju channel`, and doctor's checks of telling, on real servers."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg import AsyncConnection
from standardwebhooks.webhooks import Webhook

from alerts.channels.results import Accepted, Fault, TryAgain
from anju import telling_checks, trial
from anju.checks import Check, State
from anju.errors import NotPossible, Usage
from config.settings import Settings, load
from tests.alert_cases import SECRET, press, receiver, register_homes, report_now, status
from tests.escalation_town import on_roster
from tests.integration.cli import anju
from tests.servers import free_port

NUMBER = "+8613800000001"
NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)


def city(port: int, name: str = "city") -> dict[str, object]:
    return {
        "provider": "http",
        "name": name,
        "url": f"http://127.0.0.1:{port}/send",
        "json": {"to": "{to}", "text": "{text}"},
        "id_path": "id",
    }


def settings(**given: object) -> Settings:
    return load(None, {f"ANJU_{key.upper()}": x if isinstance(x, str) else json.dumps(x) for key, x in given.items()})


async def test_a_test_message_goes_by_the_provider_that_is_named_and_by_no_other(tmp_path: Path) -> None:
    async with receiver(status(500)) as first, receiver(status(200, body=b'{"id": "m-7"}')) as second:
        tables = json.dumps([city(first.port, "first"), city(second.port, "second")])
        ask = ("channel", "try", "sms", "--to", NUMBER, "--language", "en")

        done = await asyncio.to_thread(anju, *ask, "--provider", "second", ANJU_SMS=tables)
        assert (done.code, done.out) == (0, "second accepted it, as m-7\n")
        (sent,) = second.events
        assert sent["to"] == NUMBER
        assert sent["text"].startswith("TEST of Anju: no alert")
        assert first.received == []

        # Without a name it is the first, and never another one when that fails.
        done = await asyncio.to_thread(anju, *ask, "--json", ANJU_SMS=tables)
        assert done.code == 1
        said = json.loads(done.out)
        assert (said["accepted"], said["provider"], said["fault"]) == (False, "first", "server_fault")
        assert said["advice"]
        assert (len(first.received), len(second.received)) == (1, 1)


async def test_test_messages_by_template_call_webhook_and_chat() -> None:
    async with receiver(status(200, body=b'{"Code": "OK", "BizId": "b", "CallId": "c"}')) as desk:
        url = f"http://127.0.0.1:{desk.port}"
        aliyun = {
            "provider": "aliyun",
            "access_key_id": "LTAI",
            "access_key_secret": "x",
            "templates": {"raised": "SMS_1"},
            "endpoint": url,
        }
        loaded = settings(
            sms=[{**aliyun, "sign_name": "安居"}],
            voice=[aliyun],
            webhook=[{"name": "recorder", "url": f"{url}/r", "secrets": [SECRET]}],
            chat=[{"name": "night", "url": f"json://127.0.0.1:{desk.port}/chat"}],
        )

        async def tried(channel: str, to: str) -> Accepted:
            _, result = await trial.send(loaded, channel, to, provider=None, language="zh", now=datetime.now(UTC))
            assert isinstance(result, Accepted), (channel, result)
            return result

        assert (await tried("sms", NUMBER)).provider_id == "b"
        assert (await tried("voice", NUMBER)).provider_id == "c"
        sms, call = desk.received
        assert "SMS_1" in sms.path
        assert "%22kind%22%3A%22%E6%B5%8B%E8%AF%95%22" in sms.path.replace("%20", "")
        assert "token" not in sms.path
        assert "SMS_1" in call.path

        await tried("webhook", "recorder")
        hook = desk.received[-1]
        Webhook(SECRET).verify(hook.body, hook.headers)
        assert (hook.event["type"], hook.event["subject"]) == ("anju.test", "alert/0")
        await tried("chat", "night")
        assert "测试" in str(desk.received[-1].event)


async def test_a_test_message_without_template_or_table_or_with_a_wrong_address() -> None:
    bare = {
        "provider": "aliyun",
        "access_key_id": "LTAI",
        "access_key_secret": "x",
        "sign_name": "安居",
        "templates": {"closed": "SMS_2"},
        "endpoint": f"http://127.0.0.1:{free_port()}",
    }
    loaded = settings(sms=[bare])
    name, result = await trial.send(loaded, "sms", NUMBER, provider=None, language="zh", now=NOW)
    assert (name, result) == ("aliyun", TryAgain(fault=Fault.TEMPLATE_REFUSED, provider="aliyun"))
    for channel, to, provider, fault in (
        ("sms", "13800000001", None, Usage),
        ("sms", NUMBER, "kannel", NotPossible),
        ("voice", NUMBER, None, NotPossible),
        ("chat", "nobody", None, NotPossible),
        ("webhook", "default", None, NotPossible),
        ("chat", "one", "two", Usage),
    ):
        with pytest.raises(fault):
            await trial.send(loaded, channel, to, provider=provider, language="zh", now=NOW)


def test_the_list_and_the_addresses() -> None:
    kannel = {"provider": "kannel", "url": "http://127.0.0.1:9/x", "username": "anju", "password": "p"}
    tables = json.dumps([kannel, city(9)])
    deaf = anju("channel", "list", ANJU_SMS=tables)
    assert [line.split("\t")[2] for line in deaf.out.splitlines()] == ["name", "kannel", "city"]
    assert "nothing listens" in deaf.err
    back = {
        "ANJU_SMS": tables,
        "ANJU_PUBLIC_URL": "https://a.cn",
        "ANJU_LINK_SECRET": "x" * 32,
        "ANJU_ALERTS_HTTP_PORT": "1",
    }
    assert [way["receipts"] for way in anju("channel", "list", "--json", **back).json()] == ["by itself", "no"]
    shown = anju("channel", "callbacks", **back)
    assert "    https://a.cn/kannel/reply?provider=kannel&key=" in shown.out
    assert "password" in shown.err
    missing = anju("channel", "callbacks", ANJU_SMS=tables)
    assert (missing.code, "ANJU_PUBLIC_URL" in missing.err) == (2, True)


async def examined(conn: AsyncConnection[Any], loaded: Settings) -> dict[str, Check]:
    return {check.name: check for check in await telling_checks.of_database(conn, loaded, NOW)}


async def test_doctor_looks_at_people_rosters_messages_and_the_probe(database: AsyncConnection[Any]) -> None:
    await register_homes(database, 2)
    await database.execute("INSERT INTO area (name, path) VALUES ('Empty', 'Empty')")
    await database.execute("INSERT INTO person (key, name, language) VALUES ('duty-1', 'X', 'zh')")
    for channel, address in (("sms", NUMBER), ("voice", NUMBER), ("chat", "night"), ("chat", "gone")):
        await database.execute(
            "INSERT INTO person_address (person_id, channel, address) VALUES (1, %s, %s)", [channel, address]
        )
    loaded = settings(sms=[city(9)], chat=[{"name": "night", "url": "json://127.0.0.1:9/"}])
    found = await examined(database, loaded)
    assert {name: check.state for name, check in found.items()} == {
        "addresses": State.WARNING,
        "duty rosters": State.FAULT,
        "notifications": State.GOOD,
        "escalation": State.GOOD,
        "given up": State.GOOD,
        "proof of life": State.WARNING,
    }
    assert found["addresses"].found.endswith(": chat 1, voice 1")
    assert found["duty rosters"].found.endswith(": City/District/Street/Lane")
    assert NUMBER not in repr(found)

    await on_roster(database, "backup", "duty-1", area=None)
    assert (await examined(database, loaded))["duty rosters"].state is State.FAULT
    await on_roster(database, "duty", "duty-1", area=None)
    await database.execute("UPDATE person SET active = false")
    await report_now(database, press(1, since=NOW - timedelta(minutes=3)), now=NOW - timedelta(minutes=3))
    await database.execute(
        "INSERT INTO probe_run (source_id, through, pressed_at, dispatched_at) VALUES ('1', 'dispatch', %s, %s)",
        [NOW, NOW],
    )
    found = await examined(database, loaded)
    assert {name for name, check in found.items() if check.state is State.GOOD} == {
        "addresses",
        "duty rosters",
        "given up",
        "proof of life",
    }
    assert "overdue by 180 s" in found["escalation"].found
    # There is no webhook here, so what is meant for the duty desk waits for the settings, not for the role.
    assert found["notifications"].state is State.WARNING
    assert ", 1 for a channel" in found["notifications"].found
    desk = settings(webhook_url="http://127.0.0.1:9/x", webhook_secret=SECRET)
    assert "1 overdue" in (await examined(database, desk))["notifications"].found

    await database.execute("UPDATE notification SET state = 'given_up', attempts = 1")
    await database.execute(
        "INSERT INTO notification_attempt (notification_id, attempt, started_at, duration_s, result, reason)"
        " SELECT notification_id, 1, created_at, 0.1, 'try_again', 'no_credit' FROM notification"
    )
    lost = (await examined(database, desk))["given up"]
    assert (lost.state, "webhook 1; most often by webhook: no_credit" in lost.found) == (State.FAULT, True)


async def test_doctor_asks_the_listener_by_its_public_address() -> None:
    async def state(port: int, code: int | None = None) -> tuple[State, str]:
        loaded = settings(public_url=f"http://127.0.0.1:{port}/anju/", link_secret="x" * 32, alerts_http_port=str(port))
        (check,) = await telling_checks.of_listener(loaded)
        return check.state, check.advice

    async with receiver(status(200)) as proxy:
        assert await state(proxy.port) == (State.GOOD, "")
        assert [(request.method, request.path) for request in proxy.received] == [("GET", "/anju/healthz")]
    assert (await state(free_port()))[0] is State.WARNING
    for code in (302, 404, 503):
        async with receiver(status(code, "location: /")) as proxy:
            found = await state(proxy.port)
            assert found[0] is State.FAULT
            assert found[1]
    assert await telling_checks.of_listener(settings()) == []
