"""What providers and desks call back, over a real listener: signed calls act once, forged and stale ones never."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import httpx
import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from standardwebhooks.webhooks import Webhook

from alerts import links
from tests.alert_cases import OLD_SECRET, SECRET
from tests.reply_town import (
    DUTY,
    LINK_SECRET,
    PUBLIC,
    STRANGER,
    TOKEN,
    ReplyTown,
    listening,
    reply_town,
    web_options,
)
from tests.servers import free_port


@pytest.fixture
async def town(database: AsyncConnection[TupleRow]) -> ReplyTown:
    return await reply_town(database)


@pytest.fixture
async def web(town: ReplyTown, database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with listening(web_options(database_url, town.clock)) as client:
        yield client


@pytest.fixture
async def alert(town: ReplyTown) -> int:
    number = await town.sos()
    await town.tell("duty-1", number)
    await town.post(number)
    return number


async def sent(town: ReplyTown, alert: int, provider: str, provider_id: str) -> UUID:
    """A message that a provider has taken under this id."""
    number = await town.tell("duty-1", alert)
    await town.conn.execute("UPDATE notification SET provider = %s WHERE notification_id = %s", [provider, number])
    await town.conn.execute(
        "INSERT INTO notification_attempt (notification_id, attempt, started_at, duration_s, result, reason, provider,"
        " provider_id) VALUES (%s, 1, %s, 0.1, 'accepted', 'ok', %s, %s)",
        [number, town.clock.now, provider, provider_id],
    )
    return number


async def delivery(town: ReplyTown, number: UUID) -> str | None:
    ((known,),) = await town.rows("SELECT delivery FROM notification WHERE notification_id = %s", number)
    return None if known is None else str(known)


# ---------------------------------------------------------------- Twilio


def twilio_signature(path: str, form: dict[str, str], token: str = TOKEN) -> str:
    """As twilio.com/docs/usage/security says: the address, then names and values in order of the names; HMAC-SHA1."""
    said = PUBLIC + path + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), said.encode(), hashlib.sha1).digest()).decode()


async def twilio(web: httpx.AsyncClient, path: str, form: dict[str, str], **headers: str) -> httpx.Response:
    return await web.post(path, data=form, headers={"x-twilio-signature": twilio_signature(path, form), **headers})


async def test_twilio_reply(web: httpx.AsyncClient, town: ReplyTown, alert: int) -> None:
    form = {"MessageSid": "SM1", "From": DUTY, "To": "+15550001111", "Body": "收到"}
    for _ in range(2):
        answer = await twilio(web, "/twilio/reply?provider=twilio", form)
        assert (answer.status_code, answer.text) == (200, "<Response/>")
        assert answer.headers["content-type"].startswith("text/xml")
    assert await town.state(alert) == ("acknowledged", "duty-1")
    assert await town.replies() == [("twilio", "收到", "done")]


async def test_twilio_is_known_by_the_public_address_whatever_the_host_header_says(
    web: httpx.AsyncClient, town: ReplyTown, alert: int
) -> None:
    form = {"MessageSid": "SM1", "From": DUTY, "Body": "1"}
    answer = await twilio(web, "/twilio/reply", form, host="evil.example", **{"x-forwarded-host": "evil.example"})
    assert answer.status_code == 200
    assert (await town.state(alert))[0] == "acknowledged"


async def test_twilio_forged(web: httpx.AsyncClient, town: ReplyTown, alert: int) -> None:
    path, form = "/twilio/reply?provider=twilio", {"MessageSid": "SM1", "From": DUTY, "Body": "1"}
    good = twilio_signature(path, form)
    for signature in ("", "x", "é", twilio_signature(path, form, "other"), twilio_signature("/twilio/status", form)):
        headers = {b"x-twilio-signature": signature.encode()}
        assert (await web.post(path, data=form, headers=headers)).status_code == 403
    changed = await web.post(path, data=form | {"From": STRANGER}, headers={"x-twilio-signature": good})
    assert changed.status_code == 403
    elsewhere = await web.post("/twilio/reply?provider=other", data=form, headers={"x-twilio-signature": good})
    assert elsewhere.status_code == 404
    assert (await town.state(alert))[0] == "open"
    assert await town.replies() == []


async def test_twilio_status(web: httpx.AsyncClient, town: ReplyTown, alert: int) -> None:
    number = await sent(town, alert, "twilio", "SM7")
    path = "/twilio/status?provider=twilio"
    for status in ("delivered", "sent", "queued", "delivered"):
        answer = await twilio(web, path, {"MessageSid": "SM7", "MessageStatus": status})
        assert answer.status_code == 204
    assert await delivery(town, number) == "delivered"


async def test_a_key_pressed_in_a_twilio_call(web: httpx.AsyncClient, town: ReplyTown, alert: int) -> None:
    number = await town.tell("duty-1", alert, channel="voice")
    path = f"/twilio/voice?provider=twilio-voice&reference={number}"
    answer = await twilio(web, path, {"CallSid": "CA1", "To": DUTY, "From": "+15550001111", "Digits": "1"})
    assert answer.status_code == 200
    assert "已接警" in answer.text
    assert await town.history(alert) == [("acknowledged", "duty-1", "voice")]
    again = await twilio(web, path, {"CallSid": "CA1", "To": DUTY, "From": "+15550001111", "Digits": "1"})
    assert again.text == answer.text
    assert len(await town.history(alert)) == 1
    silent = await twilio(web, path, {"CallSid": "CA1", "To": DUTY, "From": "+15550001111"})
    assert "<Hangup/>" in silent.text


@pytest.mark.parametrize("form", [{}, {"From": DUTY, "Body": "1"}, {"MessageSid": "SM1"}])
async def test_twilio_signed_but_not_whole(web: httpx.AsyncClient, town: ReplyTown, form: dict[str, str]) -> None:
    assert (await twilio(web, "/twilio/reply", form)).status_code == 400
    assert await town.replies() == []


# ---------------------------------------------------------------- those that sign nothing


def key(kind: str) -> str:
    return links.callback_key(LINK_SECRET, kind)


async def test_aliyun(web: httpx.AsyncClient, town: ReplyTown, alert: int) -> None:
    number = await sent(town, alert, "aliyun", "900619746936498440^0")
    report = [
        {"phone_number": "13800000001", "success": True, "biz_id": "900619746936498440^0", "err_code": "DELIVERED"}
    ]
    reply = [{"phone_number": "13800000001", "content": "1", "sequence_id": 77, "send_time": "2026-11-21 20:00:00"}]
    for path, body in (("/aliyun/report", report), ("/aliyun/reply", reply), ("/aliyun/reply", reply)):
        answer = await web.post(f"{path}?key={key('aliyun')}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (200, 0)
    assert await delivery(town, number) == "delivered"
    assert await town.state(alert) == ("acknowledged", "duty-1")
    assert len(await town.replies()) == 1


async def test_a_key_pressed_in_an_aliyun_call(web: httpx.AsyncClient, town: ReplyTown, alert: int) -> None:
    number = await town.tell("duty-1", alert, channel="voice")
    report = [{"call_id": "c1", "callee": "13800000001", "dtmf": "2", "out_id": str(number), "status_code": "200000"}]
    assert (await web.post(f"/aliyun/voice?key={key('aliyun')}", json=report)).status_code == 200
    assert await town.history(alert) == [("on_the_way", "duty-1", "voice")]


async def test_tencent(web: httpx.AsyncClient, town: ReplyTown, alert: int) -> None:
    number = await sent(town, alert, "tencent", "8:abc")
    report = [{"sid": "8:abc", "report_status": "SUCCESS", "mobile": "13800000001", "errmsg": "DELIVRD"}]
    reply = {"nationcode": "86", "mobile": "13800000001", "text": "2", "sign": "x", "time": 1795262400}
    for path, body in (("/tencent/report", report), ("/tencent/reply", reply), ("/tencent/reply", reply)):
        answer = await web.post(f"{path}?key={key('tencent')}", json=body)
        assert (answer.status_code, answer.json()["result"]) == (200, 0)
    assert await delivery(town, number) == "delivered"
    assert await town.history(alert) == [("on_the_way", "duty-1", "sms")]


async def test_kannel(web: httpx.AsyncClient, town: ReplyTown, alert: int) -> None:
    number = await sent(town, alert, "kannel", "")
    await town.conn.execute("UPDATE notification_attempt SET provider_id = notification_id::text")
    receipt = await web.get("/kannel/receipt", params={"id": str(number), "state": "1", "key": key("kannel")})
    assert (receipt.status_code, receipt.text) == (200, "")
    assert await delivery(town, number) == "delivered"
    text = "收到".encode("utf-16-be")
    query = urlencode({"from": DUTY, "to": "106", "coding": "2", "id": "k1", "key": key("kannel"), "text": text})
    for _ in range(2):
        reply = await web.get(f"/kannel/reply?{query}")
        assert (reply.status_code, reply.text) == (200, "")
    assert await town.state(alert) == ("acknowledged", "duty-1")
    assert len(await town.replies()) == 1


@pytest.mark.parametrize("kind", ["aliyun", "tencent", "kannel"])
async def test_without_the_key_nothing_is_believed(
    web: httpx.AsyncClient, town: ReplyTown, alert: int, kind: str
) -> None:
    method = "GET" if kind == "kannel" else "POST"
    others = "aliyun" if kind != "aliyun" else "tencent"
    for wrong in ("", "key=", "key=x", "key=%ff", f"key={key(others)}"):
        answer = await web.request(method, f"/{kind}/reply?from=%2B8613800000001&text=1&id=1&{wrong}")
        assert answer.status_code == 403
    unknown = await web.request(method, f"/{kind}/reply?provider=other&key={key(kind)}")
    assert unknown.status_code == 404
    assert (await town.state(alert))[0] == "open"
    assert await town.replies() == []


async def test_what_is_not_of_the_documented_form(web: httpx.AsyncClient, town: ReplyTown) -> None:
    for path in ("aliyun/report", "aliyun/reply", "aliyun/voice", "tencent/report", "tencent/reply"):
        for body in (b"", b"{", b"[1]", b"\xff", b'[{"phone_number": 1}]', b"[" * 20_000):
            answer = await web.post(f"/{path}?key={key(path.split('/')[0])}", content=body)
            assert answer.status_code == 400, (path, body[:20])
    assert await town.replies() == []


# ---------------------------------------------------------------- desks


def call(alert: int, **further: Any) -> dict[str, Any]:
    return {"alert_id": alert, "action": "acknowledge", "by": "duty-1", **further}


async def desk(
    web: httpx.AsyncClient,
    town: ReplyTown,
    body: object,
    *,
    call_id: str | None = None,
    secret: str = SECRET,
    ago_s: float = 0,
) -> httpx.Response:
    """Signs as the specification says, by its own library."""
    text = json.dumps(body)
    call_id, at = call_id or f"msg_{uuid4()}", town.clock.now - timedelta(seconds=ago_s)
    headers = {
        "webhook-id": call_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": f"v1,bm9uZQ== {Webhook(secret).sign(call_id, at, text)}",
    }
    return await web.post("/webhook/callback", content=text, headers=headers)


async def test_a_desk_acknowledges(web: httpx.AsyncClient, town: ReplyTown, alert: int) -> None:
    first = await desk(web, town, call(alert), call_id="msg_1")
    again = await desk(web, town, call(alert), call_id="msg_1")
    assert [(answer.status_code, answer.json()) for answer in (first, again)] == [
        (200, {"result": "done"}),
        (200, {"result": "repeated"}),
    ]
    assert await town.state(alert) == ("acknowledged", "duty-1")
    assert await town.history(alert) == [("acknowledged", "duty-1", "webhook")]
    assert (await desk(web, town, call(alert))).json() == {"result": "already_so"}


async def test_a_desks_own_id_counts_over_that_of_the_attempt(
    web: httpx.AsyncClient, town: ReplyTown, alert: int
) -> None:
    answers = [await desk(web, town, call(alert, action="decline", id="ticket-9")) for _ in range(2)]
    assert [answer.json()["result"] for answer in answers] == ["done", "repeated"]


async def test_a_desk_with_accounts_of_its_own_comments_and_closes(
    web: httpx.AsyncClient, town: ReplyTown, alert: int
) -> None:
    for body in (
        call(alert, action="on_the_way", by="desk.wang"),
        call(alert, action="comment", by="desk.wang", comment="门锁着"),
        call(alert, action="close", by="desk.wang", outcome="false_test"),
        call(alert, action="reopen", by="desk.wang"),
        call(alert, action="close", by="desk.wang", outcome="genuine"),
    ):
        assert (await desk(web, town, body)).json() == {"result": "done"}
    history = await town.history(alert)
    assert [entry[0] for entry in history] == ["on_the_way", "commented", "closed", "reopened", "closed"]
    assert {entry[1] for entry in history} == {"desk.wang"}
    closed = await desk(web, town, call(alert))
    assert (closed.status_code, closed.json()) == (409, {"result": "not_possible"})
    unknown = await desk(web, town, call(987_654))
    assert (unknown.status_code, unknown.json()) == (404, {"result": "unknown_alert"})


async def test_a_desk_acts_on_no_alert_of_which_it_was_not_told(town: ReplyTown, database_url: str, alert: int) -> None:
    webhooks = {"default": (SECRET,), "north": (OLD_SECRET,), "south": (OLD_SECRET,)}
    await town.post(alert, "north", attempts=0)
    async with listening(web_options(database_url, town.clock, webhooks=webhooks)) as web:
        for further in (
            {},
            {"action": "decline"},
            {"action": "comment", "comment": "x"},
            {"action": "close", "outcome": "other"},
            {"action": "reopen"},
        ):
            answers = [
                await desk(web, town, call(number, id=f"7-{number}", **further), secret=OLD_SECRET)
                for number in (alert, alert, 987_654)
            ]
            assert {(answer.status_code, answer.text) for answer in answers} == {(404, '{"result":"unknown_alert"}')}
        assert await town.history(alert) == []
        # What one desk calls its calls is nothing to another.
        acted = await desk(web, town, call(alert, id=f"7-{alert}"))
        assert acted.json() == {"result": "done"}
        # As soon as one of those that sign so was sent it, it may.
        await town.post(alert, "south")
        acted = await desk(web, town, call(alert, action="on_the_way"), secret=OLD_SECRET)
        assert acted.json() == {"result": "done"}
    assert await town.history(alert) == [("acknowledged", "duty-1", "webhook"), ("on_the_way", "duty-1", "webhook")]


async def test_a_repeated_call_that_could_not_be_done_is_not_said_to_be(
    web: httpx.AsyncClient, town: ReplyTown, alert: int
) -> None:
    assert (await desk(web, town, call(alert, by="desk.wang"))).json() == {"result": "done"}
    for _ in range(2):
        refused = await desk(web, town, call(alert, by="desk.li", id="ticket-3"))
        assert (refused.status_code, refused.json()) == (409, {"result": "not_possible"})


async def test_forged_and_stale_calls_of_desks(web: httpx.AsyncClient, town: ReplyTown, alert: int) -> None:
    refused = [
        await desk(web, town, call(alert), secret=OLD_SECRET),
        await desk(web, town, call(alert), ago_s=301),
        await desk(web, town, call(alert), ago_s=-302),
        await desk(web, town, call(alert), call_id="x y"),
        await web.post("/webhook/callback", json=call(alert)),
        await web.post("/webhook/callback", content=b"\xff", headers={"webhook-id": "1", "webhook-timestamp": "1"}),
    ]
    assert {answer.status_code for answer in refused} == {403}
    assert (await town.state(alert))[0] == "open"
    assert await town.replies() == []
    assert (await desk(web, town, call(alert), ago_s=299)).status_code == 200


async def test_calls_of_desks_that_are_not_understood(web: httpx.AsyncClient, town: ReplyTown) -> None:
    bodies: list[object] = [
        [],
        {},
        {"alert_id": "x", "action": "acknowledge", "by": "a"},
        {"alert_id": 1, "action": "explode", "by": "a"},
        {"alert_id": 1, "action": "acknowledge", "by": "no blanks here"},
        {"alert_id": 1, "action": "close", "by": "a"},
        {"alert_id": 1, "action": "reopen", "by": "a", "outcome": "other"},
        {"alert_id": 1, "action": "close", "by": "a", "outcome": "resolved_by_sign_of_life"},
        {"alert_id": 1, "action": "comment", "by": "a"},
        {"alert_id": 1, "action": "comment", "by": "a", "comment": "\0"},
        {"alert_id": 1, "action": "acknowledge", "by": "a", "more": 1},
        {"alert_id": 2**63, "action": "acknowledge", "by": "a"},
    ]
    for body in bodies:
        answer = await desk(web, town, body)
        assert (answer.status_code, answer.json()["result"]) == (400, "not_understood"), body
    assert await town.replies() == []


# ---------------------------------------------------------------- the service itself


async def test_without_the_database_the_provider_is_asked_to_come_again(town: ReplyTown) -> None:
    nowhere = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    async with listening(web_options(nowhere, town.clock)) as web:
        query = {"from": DUTY, "text": "1", "id": "k1", "key": key("kannel")}
        answer = await web.get("/kannel/reply", params=query, timeout=20)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


async def test_logs_hold_no_numbers_texts_keys_or_tokens(
    web: httpx.AsyncClient,
    town: ReplyTown,
    alert: int,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    link = town.link("duty-1", alert)
    await web.get(link)
    await web.get(f"{link}x")
    for number, text in ((DUTY, "secret words 1"), (STRANGER, "收到"), (DUTY, "TD"), (DUTY, "1")):
        query = {"from": number, "text": text, "id": text, "key": key("kannel")}
        assert (await web.get("/kannel/reply", params=query)).status_code == 200
    await web.get("/kannel/reply", params={"from": DUTY, "text": "1", "id": "9", "key": "wrong-key"})
    await web.post(f"/aliyun/report?key={key('aliyun')}", content=b"{")
    await desk(web, town, call(alert, by="desk.wang"), secret=OLD_SECRET)
    captured = capsys.readouterr()
    ours = [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    logged = captured.out + captured.err + "".join(record.getMessage() for record in ours)
    for told in (
        "reply_taken",
        "reply_from_unknown",
        "reply_wants_no_more",
        "callback_refused",
        "callback_not_underst",
    ):
        assert told in logged
    for secret in (DUTY[1:], STRANGER[1:], "secret words", "收到", "wrong-key", key("kannel"), link[3:], "desk.wang"):
        assert secret not in logged


async def test_a_body_that_does_not_come_is_not_waited_for(
    web: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerts.web.limits.BODY_TIMEOUT_S", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", web.base_url.port)
    path = f"/tencent/reply?key={key('tencent')}"
    writer.write(f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{{".encode())
    answer = await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    assert b" 408 " in answer


async def test_who_is_not_in_the_settings_cannot_call(town: ReplyTown, database_url: str) -> None:
    bare = web_options(database_url, town.clock, twilio={}, unsigned={}, webhooks={})
    async with listening(bare) as web:
        assert (await twilio(web, "/twilio/reply", {"MessageSid": "1", "From": DUTY, "Body": "1"})).status_code == 404
        assert (await web.get(f"/kannel/reply?key={key('kannel')}")).status_code == 404
        assert (await desk(web, town, call(1))).status_code == 404
