"""Calls by Twilio and Aliyun, and chats, against local servers."""

import asyncio
import json
import logging
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, parse_qsl, urlsplit
from uuid import UUID, uuid4

import pytest
from pydantic import JsonValue

from alerts.caps import Cap, Caps
from alerts.channels import inbound
from alerts.channels.aliyun import AliyunKeys
from alerts.channels.chat import ChatChannel, ChatOptions, ChatText
from alerts.channels.results import Accepted, Fault, GiveUp, Outgoing, Result, Submission, Tried, TryAgain
from alerts.channels.twilio import TwilioAccount, signature_of, verify_signature
from alerts.channels.voice import KNOWN, Caller, VoiceChannel
from alerts.channels.voice_aliyun import AliyunVoice, AliyunVoiceOptions
from alerts.channels.voice_provider import Call
from alerts.channels.voice_twilio import TwilioVoice, TwilioVoiceOptions, saying
from alerts.errors import BadProvider
from tests.alert_cases import NOON, Received, receiver, status
from tests.provider_desks import (
    ACCOUNT_SID,
    SECRET,
    checking,
    form_of,
    query_of,
    wrong_with_aliyun,
    wrong_with_twilio,
)
from tests.provider_desks import (
    saying as answering,
)
from tests.servers import free_port

# apprise loads a module of the standard library that newer Pythons do without.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

NUMBER = "+8613812345678"
REFERENCE = UUID("0190c1a4-0000-7000-8000-000000000001")
TEXT = '您好,12号<老宅>按下求助键 & "急"。接警请按1。'


def call(*, text: str = TEXT, language: str = "zh") -> Call:
    return Call(
        reference=REFERENCE,
        to=NUMBER,
        text=text,
        template="raised",
        parameters={"kind": "紧急呼叫", "place": "12号"},
        language=language,
    )


def message(*, recipient: str = NUMBER, priority: int = 0, tried: tuple[Tried, ...] = ()) -> Outgoing:
    return Outgoing(
        notification_id=REFERENCE,
        alert_id=17,
        priority=priority,
        body={"type": "anju.alert.raised", "data": {"kind": "sos"}},
        created_at=NOON,
        give_up_at=NOON + timedelta(days=1),
        attempt=1,
        recipient=recipient,
        tried=tried,
    )


def twilio(
    port: int, *, public_url: str | None = "https://anju.example.org", name: str = "twilio-voice"
) -> TwilioVoice:
    account = TwilioAccount(
        account_sid=ACCOUNT_SID,
        auth_token="token",
        api_key="SK1",
        api_secret=SECRET,
        api_url=f"http://127.0.0.1:{port}",
    )
    return TwilioVoice(
        TwilioVoiceOptions(account=account, from_="+12025550100", public_url=public_url, name=name, timeout_s=5)
    )


def aliyun(port: int, *, keys: bool = True) -> AliyunVoice:
    return AliyunVoice(
        AliyunVoiceOptions(
            keys=AliyunKeys(access_key_id="LTAI1", access_key_secret=SECRET),
            templates={"raised": "TTS_1"},
            show_number="05710000" if keys else None,
            thanks_template="TTS_9" if keys else None,
            endpoint=f"http://127.0.0.1:{port}",
            timeout_s=5,
        )
    )


async def test_a_twilio_call_speaks_and_a_signed_key_comes_back() -> None:
    answer = checking(wrong_with_twilio, 400, {"sid": "CA1"}, {"code": 20003})
    async with receiver(answer) as desk, twilio(desk.port) as provider:
        assert await provider.call(call(), datetime.now(UTC)) == Accepted(provider_id="CA1", provider="twilio-voice")
        (request,) = desk.received
    assert request.path == f"/2010-04-01/Accounts/{ACCOUNT_SID}/Calls.json"
    form = form_of(request)
    assert (form["To"], form["From"], form["Timeout"]) == (NUMBER, "+12025550100", "30")
    events = [value for name, value in parse_qsl(request.body.decode()) if name == "StatusCallbackEvent"]
    assert events == ["ringing", "answered", "completed"]
    assert form["StatusCallback"] == "https://anju.example.org/twilio/status?provider=twilio-voice"
    document = ET.fromstring(form["Twiml"])
    gathers = document.findall("Gather")
    assert len(gathers) == 3
    assert {(gather.get("numDigits"), gather.get("method")) for gather in gathers} == {("1", "POST")}
    spoken = gathers[0].find("Say")
    assert spoken is not None
    assert (spoken.text, spoken.get("language"), spoken.get("voice")) == (TEXT, "cmn-CN", "Polly.Zhiyu")
    # Twilio posts the key to that address, signed.
    action = gathers[0].get("action") or ""
    pressed = {"CallSid": "CA1", "From": "+12025550100", "To": NUMBER, "Digits": "1", "CallStatus": "in-progress"}
    signature = signature_of("token", action, list(pressed.items()))
    assert verify_signature("token", action, pressed, signature)
    query = parse_qs(urlsplit(action).query)
    key = inbound.twilio_key(query["provider"][0], pressed, query["reference"][0])
    assert key is not None
    assert (key.provider, key.from_, key.text, key.reference) == ("twilio-voice", NUMBER, "1", REFERENCE)


async def test_without_a_public_address_a_twilio_call_only_speaks() -> None:
    async with receiver(answering(201, {"sid": "CA1"})) as desk, twilio(desk.port, public_url=None) as provider:
        await provider.call(call(text="It is urgent\x00\x1b", language="en"), datetime.now(UTC))
        form = form_of(desk.received[0])
    assert "StatusCallback" not in form
    document = ET.fromstring(form["Twiml"])
    assert document.find("Gather") is None
    assert [(say.text, say.get("language")) for say in document.findall("Say")] == [("It is urgent  ", "en-GB")] * 2


async def test_a_twilio_text_that_is_too_long_is_given_up() -> None:
    async with receiver() as desk, twilio(desk.port) as provider:
        result = await provider.call(call(text="急" * 4_000), datetime.now(UTC))
        assert desk.received == []
    assert result == GiveUp(fault=Fault.TOO_LARGE, provider="twilio-voice")


def test_the_answer_to_a_key_is_spoken() -> None:
    document = ET.fromstring(saying("好的 & <谢谢>", "zh"))
    assert [part.tag for part in document] == ["Say", "Hangup"]
    assert document[0].text == "好的 & <谢谢>"


async def test_an_aliyun_call_asks_for_a_key() -> None:
    good: JsonValue = {"Code": "OK", "CallId": "116012354148^102811354148", "RequestId": "r"}
    answer = checking(wrong_with_aliyun, 400, good, {"Code": "SignatureDoesNotMatch"})
    async with receiver(answer) as desk, aliyun(desk.port) as provider:
        result = await provider.call(call(), datetime.now(UTC))
        (request,) = desk.received
    assert result == Accepted(provider_id="116012354148^102811354148", provider="aliyun-voice")
    assert (request.headers["x-acs-action"], request.headers["x-acs-version"]) == ("IvrCall", "2017-05-25")
    query = query_of(request)
    assert json.loads(query.pop("StartTtsParams")) == {"kind": "紧急呼叫", "place": "12号"}
    assert query == {
        "CalledNumber": "13812345678",
        "CalledShowNumber": "05710000",
        "StartCode": "TTS_1",
        "PlayTimes": "3",
        "Timeout": "8000",
        "OutId": str(REFERENCE),
        "MenuKeyMap.1.Key": "1",
        "MenuKeyMap.1.Code": "TTS_9",
        "MenuKeyMap.2.Key": "2",
        "MenuKeyMap.2.Code": "TTS_9",
        "MenuKeyMap.3.Key": "0",
        "MenuKeyMap.3.Code": "TTS_9",
    }


async def test_an_aliyun_call_without_a_number_of_our_own_only_speaks() -> None:
    answer = checking(wrong_with_aliyun, 400, {"Code": "OK"}, {"Code": "SignatureDoesNotMatch"})
    async with receiver(answer) as desk, aliyun(desk.port, keys=False) as provider:
        assert await provider.call(call(), datetime.now(UTC)) == Accepted(provider="aliyun-voice")
        (request,) = desk.received
    assert request.headers["x-acs-action"] == "SingleCallByTts"
    assert query_of(request).keys() == {"CalledNumber", "TtsCode", "TtsParam", "PlayTimes", "OutId"}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("isv.BUSINESS_LIMIT_CONTROL", TryAgain(fault=Fault.CAP_REACHED, provider="aliyun-voice")),
        ("isv.TTS_TEMPLATE_ILLEGAL", TryAgain(fault=Fault.TEMPLATE_REFUSED, provider="aliyun-voice")),
        ("isv.MOBILE_NUMBER_ILLEGAL", GiveUp(fault=Fault.BAD_NUMBER, provider="aliyun-voice")),
        ("isv.OUT_OF_SERVICE", TryAgain(fault=Fault.NO_CREDIT, provider="aliyun-voice")),
    ],
)
async def test_aliyun_refusals(code: str, expected: Result) -> None:
    async with receiver(answering(200, {"Code": code})) as desk, aliyun(desk.port) as provider:
        assert await provider.call(call(), datetime.now(UTC)) == expected


# ---------------------------------------------------------------- the channel over providers


def written(message: Outgoing) -> Call:
    return call()


async def test_the_next_provider_is_asked_at_once_and_the_one_that_tried_is_named() -> None:
    async with receiver(answering(201, {"sid": "CA1"})) as desk:
        first, second = twilio(free_port(), name="first"), twilio(desk.port, name="second")
        async with VoiceChannel([Caller(provider=first), Caller(provider=second)], written) as channel:
            failed = await channel.send(message(), NOON)
            assert failed == TryAgain(fault=Fault.UNREACHABLE, provider="first", elsewhere=True)
            tried = (Tried(provider="first", fault=Fault.UNREACHABLE),)
            assert await channel.send(message(tried=tried), NOON) == Accepted(provider_id="CA1", provider="second")


async def test_a_number_that_can_never_be_called_is_given_up() -> None:
    async with receiver(answering(400, {"code": 21211})) as desk:
        channel = VoiceChannel([Caller(provider=twilio(desk.port))], written)
        async with channel:
            result = await channel.send(message(), NOON)
    assert result == GiveUp(fault=Fault.BAD_NUMBER, provider="twilio-voice")


async def test_caps_hold_news_back_and_not_a_call_for_help() -> None:
    async with receiver(answering(200, {"Code": "OK", "CallId": "c"})) as desk:
        caps = KNOWN["aliyun"]
        assert Cap(most=1, window=timedelta(minutes=1)) in caps.limits
        earlier = Submission(notification_id=uuid4(), provider="aliyun-voice", at=NOON - timedelta(seconds=20))
        async with VoiceChannel([Caller(provider=aliyun(desk.port), caps=caps)], written) as channel:
            news = replace(message(priority=4), submitted=(earlier,))
            assert await channel.send(news, NOON) == TryAgain(
                fault=Fault.CAP_REACHED, held_until=NOON + timedelta(seconds=40)
            )
            help_ = replace(news, priority=0)
            assert await channel.send(help_, NOON) == Accepted(provider_id="c", provider="aliyun-voice")


def bad_text(message: Outgoing) -> Call:
    raise KeyError("data")


async def test_a_text_that_cannot_be_written_is_our_bug_and_nobody_is_called() -> None:
    async with receiver() as desk:
        async with VoiceChannel([Caller(provider=twilio(desk.port))], bad_text) as channel:
            assert await channel.send(message(), NOON) == TryAgain(fault=Fault.OUR_BUG)
        assert desk.received == []


async def test_what_is_no_number_is_given_up_unasked() -> None:
    async with receiver() as desk, VoiceChannel([Caller(provider=twilio(desk.port))], written) as channel:
        assert await channel.send(message(recipient="12345"), NOON) == GiveUp(fault=Fault.BAD_NUMBER)
        assert desk.received == []


def test_two_callers_of_one_name_or_none_are_refused() -> None:
    one = Caller(provider=twilio(1), caps=Caps())
    for callers in ([], [one, one]):
        with pytest.raises(BadProvider):
            VoiceChannel(callers, written)


# ---------------------------------------------------------------- chat


def line(message: Outgoing) -> ChatText:
    return ChatText(title="紧急呼叫", body="长安街 12号\n按下求助键")


def chat(port: int, write: Callable[[Outgoing], ChatText] = line, *, timeout_s: float = 10) -> ChatChannel:
    # apprise's plain JSON service: an HTTP POST as those of the named services are.
    chats = [ChatOptions(name="desk", url=f"json://127.0.0.1:{port}/{SECRET}?cto=2&rto=2")]
    return ChatChannel(chats, write, timeout_s=timeout_s)


async def test_a_chat_message_arrives() -> None:
    async with receiver(status(200)) as desk, chat(desk.port) as channel:
        assert await channel.send(message(recipient="desk"), NOON) == Accepted(provider="chat:desk")
        (request,) = desk.received
    assert request.path == f"/{SECRET}"
    assert (request.event["title"], request.event["message"]) == ("紧急呼叫", "长安街 12号\n按下求助键")
    assert request.event["type"] == "failure"


@pytest.mark.parametrize("code", [302, 401, 500])
async def test_a_chat_that_refuses_is_tried_again(code: int) -> None:
    async with receiver() as elsewhere, receiver(status(code, f"location: {elsewhere.url}")) as desk:
        async with chat(desk.port) as channel:
            result = await channel.send(message(recipient="desk"), NOON)
        assert elsewhere.received == []
    assert result == TryAgain(fault=Fault.UNREACHABLE, provider="chat:desk")


async def test_a_chat_that_hangs_does_not_hold_us_up() -> None:
    async def hang(_: Received, __: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    async with receiver(hang) as desk, chat(desk.port, timeout_s=0.3) as channel:
        started = time.monotonic()
        result = await channel.send(message(recipient="desk"), NOON)
        assert time.monotonic() - started < 2
    assert result == TryAgain(fault=Fault.TIMED_OUT, provider="chat:desk")


async def test_a_chat_nobody_set_up() -> None:
    async with chat(free_port()) as channel:
        result = await channel.send(message(recipient="night"), NOON)
    assert result == TryAgain(fault=Fault.UNKNOWN_RECIPIENT, provider="chat:night")


async def test_a_chat_text_that_cannot_be_written_is_our_bug() -> None:
    def bad(message: Outgoing) -> ChatText:
        raise ValueError("no data")

    async with chat(free_port(), bad) as channel:
        result = await channel.send(message(recipient="desk"), NOON)
    assert result == TryAgain(fault=Fault.OUR_BUG, provider="chat:desk")


async def test_logs_hold_nothing_of_a_chat(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    async with chat(free_port()) as channel:
        await channel.send(message(recipient="desk"), NOON)
        assert SECRET not in repr(channel)
    assert not [word for word in (SECRET, "紧急", "长安街") if word in caplog.text]
    assert SECRET not in repr(ChatOptions(name="desk", url=f"json://h/{SECRET}"))


@pytest.mark.parametrize("url", ["nonsense", "unheard://x", ""])
def test_an_address_that_apprise_does_not_know_is_refused(url: str) -> None:
    with pytest.raises(BadProvider, match="desk"):
        ChatChannel([ChatOptions(name="desk", url=url)], line)


@pytest.mark.parametrize(
    "url",
    [
        "wecombot://aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        "dingtalk://" + "a" * 24,
        "feishu://" + "b" * 36,
        "mailtos://user:password@example.org?to=desk@example.org",
    ],
)
def test_the_services_that_the_guide_names_are_known(url: str) -> None:
    ChatChannel([ChatOptions(name="desk", url=url)], line)
