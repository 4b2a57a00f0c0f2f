"""A real Kannel: an alert leaves as an SMS, the operator's reports and a telephone's answer come back over HTTP."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID, uuid4

from psycopg import AsyncConnection

from alerts import links
from alerts.channels import kannel
from alerts.channels.kannel import KannelOptions
from alerts.channels.results import Accepted, Fault, GiveUp, TryAgain
from alerts.channels.sms import Route, SmsChannel
from alerts.channels.sms_provider import Sms
from alerts.templates import sms as sms_texts
from alerts.templates.facts import TextOptions
from alerts.templates.segments import length
from alerts.web.options import WebOptions
from alerts.worker import AlertsOptions, run
from tests.alert_cases import NOON, press, register_homes, report_now, soon
from tests.escalation_town import enrol, on_roster
from tests.kannel import PASSWORD, SENDER, USER, Kannel
from tests.servers import eventually, free_port, listens

NUMBER = "+8613800000001"
SECRET = "s" * 32


def options(gateway: Kannel, **settings: Any) -> KannelOptions:
    known: dict[str, Any] = {"url": gateway.url, "username": USER, "password": PASSWORD} | settings
    return KannelOptions(**known)


def sms(text: str, *, to: str = NUMBER) -> Sms:
    return Sms(reference=uuid4(), to=to, text=text, template="raised")


async def arrives(gateway: Kannel, count: int = 1) -> list[tuple[str, str, str]]:
    async def came() -> bool:
        return len(gateway.arrived) >= count

    await soon(came)
    return gateway.arrived


async def test_an_alert_leaves_as_an_sms_and_the_reports_and_the_answer_come_back(
    database: AsyncConnection[Any], database_url: str, folder: Path
) -> None:
    """The whole role: from the finding by the escalation to Kannel, and from a telephone back to the alert."""
    await register_homes(database)
    await enrol(database, {"duty-1": ["sms"]})
    await database.execute("UPDATE person_address SET address = %s", [NUMBER])
    await database.execute("UPDATE person SET language = 'zh'")
    await on_roster(database, "duty", "duty-1")
    port, stop = free_port(), asyncio.Event()
    public = f"http://127.0.0.1:{port}"
    key = links.callback_key(SECRET, "kannel")
    reply_url = f"{public}/kannel/reply?provider=kannel&key={key}&from=%p&to=%P&text=%b&coding=%c&id=%I"
    with Kannel(folder, reply_url=reply_url) as gateway:
        provider = kannel.Kannel(options(gateway, receipt_url=f"{public}/kannel/receipt?provider=kannel&key={key}"))
        texts = TextOptions(public_url=public, link_secret=SECRET)
        role = AlertsOptions(
            database_url=database_url,
            worker="test",
            channels=[SmsChannel([Route(provider=provider)], lambda message: sms_texts.write(message, texts))],
            web=WebOptions(
                database_url=database_url,
                public_url=public,
                link_secret=SECRET,
                unsigned={"kannel": frozenset({"kannel"})},
            ),
            web_port=port,
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(run(role, stop=stop))
            await eventually(lambda: listens(port), 10)
            now = datetime.now(UTC)
            await report_now(database, press(1, since=now), now=now)

            ((sender, number, text),) = await arrives(gateway)
            assert (sender, number) == (SENDER, NUMBER)
            assert text.startswith("紧急呼叫#001 ")
            assert f"{public}/a/" in text
            assert length(text).segments == 1

            async def delivered() -> bool:
                cursor = await database.execute(
                    "SELECT n.state, n.provider, n.delivery, t.provider_id = n.notification_id::text"
                    " FROM notification n JOIN notification_attempt t USING (notification_id) WHERE n.channel = 'sms'"
                )
                return await cursor.fetchall() == [("accepted", "kannel", "delivered", True)]

            await soon(delivered)
            await asyncio.to_thread(gateway.telephone_sends, NUMBER, "收到")

            async def taken() -> bool:
                cursor = await database.execute("SELECT state, acknowledged_by FROM alert")
                return await cursor.fetchall() == [("acknowledged", "duty-1")]

            await soon(taken)
            await asyncio.to_thread(gateway.telephone_sends, NUMBER, "2")

            async def goes() -> bool:
                cursor = await database.execute("SELECT state FROM alert WHERE on_the_way_at IS NOT NULL")
                return await cursor.fetchall() == [("attending",)]

            await soon(goes)
            stop.set()
    cursor = await database.execute("SELECT delivery FROM delivery_receipt ORDER BY delivery")
    assert {row[0] for row in await cursor.fetchall()} == {"sent", "delivered"}


async def test_every_sign_arrives_as_it_was_written(folder: Path) -> None:
    texts = ["SOS @Door_12 {x} [y] €5 ~ é Ü ñ \\ |", "紧急呼叫#017 3-201 😀", "x" * 150]
    with Kannel(folder) as gateway:
        async with kannel.Kannel(options(gateway, sender="10691")) as provider:
            for text in texts:
                assert isinstance(await provider.send(sms(text), NOON), Accepted)
        assert sorted(await arrives(gateway, 3)) == sorted(("10691", NUMBER, text) for text in texts)


async def test_what_is_handed_over_while_the_operator_is_away_arrives_later(folder: Path) -> None:
    with Kannel(folder) as gateway:
        gateway.operator_goes()
        async with kannel.Kannel(options(gateway)) as provider:
            assert isinstance(await provider.send(sms("1"), NOON), Accepted)
        gateway.operator_comes()
        assert [text for _, _, text in await arrives(gateway)] == ["1"]


async def test_what_kannel_refuses(folder: Path) -> None:
    with Kannel(folder) as gateway:
        known = options(gateway)
        async with kannel.Kannel(replace(known, password="wrong")) as provider:
            assert await provider.send(sms("1"), NOON) == TryAgain(fault=Fault.UNAUTHORIZED, provider="kannel")
        async with kannel.Kannel(known) as provider:
            assert await provider.send(sms("1", to="abc"), NOON) == GiveUp(fault=Fault.BLOCKED, provider="kannel")
            assert await provider.send(sms("1", to=""), NOON) == GiveUp(fault=Fault.BAD_NUMBER, provider="kannel")
        url = gateway.url
    async with kannel.Kannel(replace(known, url=url)) as provider:
        assert await provider.send(sms("1"), NOON) == TryAgain(fault=Fault.UNREACHABLE, provider="kannel")


def test_the_request_holds_its_secrets_in_no_address() -> None:
    known = KannelOptions(
        url="http://127.0.0.1:13013/cgi-bin/sendsms",
        username="anju",
        password="of-the-gateway",
        smsc="modem",
        account="care",
        receipt_url="https://a.cn/kannel/receipt?key=k",
    )
    message = Sms(reference=UUID(int=7), to=NUMBER, text="收到", template="raised")
    headers, content = kannel.request(known, message)
    assert content == "收到".encode("utf-16-be")
    assert (headers["X-Kannel-Coding"], headers["Content-Type"]) == ("2", "text/plain; charset=UTF-16BE")
    assert (headers["X-Kannel-SMSC"], headers["X-Kannel-Account"]) == ("modem", "care")
    assert headers["X-Kannel-DLR-Mask"] == "27"
    assert dict(parse_qsl(urlsplit(headers["X-Kannel-DLR-Url"].replace("%d", "1").replace("%i", "s")).query)) == {
        "key": "k",
        "id": str(UUID(int=7)),
        "state": "1",
        "smsc": "s",
    }
    assert "of-the-gateway" not in repr(known)
    plain_headers, plain = kannel.request(known, Sms(reference=UUID(int=7), to=NUMBER, text="ok", template="raised"))
    assert (plain, plain_headers["X-Kannel-Coding"]) == (b"ok", "0")
