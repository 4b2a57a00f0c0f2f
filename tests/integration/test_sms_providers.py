"""Twilio, Aliyun and Tencent against local servers that verify the form and the signature of each request."""

import asyncio
import json
import logging
import shutil
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import pytest
from pydantic import JsonValue

from alerts.channels import http_provider
from alerts.channels.aliyun import AliyunKeys, AliyunOptions, AliyunSms
from alerts.channels.results import Accepted, Fault, GiveUp, Result, TryAgain
from alerts.channels.sms_provider import Sms, SmsProvider
from alerts.channels.tencent import TencentKeys, TencentOptions, TencentSms
from alerts.channels.twilio import TwilioAccount, TwilioOptions, TwilioSms
from alerts.errors import BadProvider
from tests.alert_cases import Answer, Received, receiver, status
from tests.provider_desks import (
    ACCOUNT_SID,
    SECRET,
    checking,
    form_of,
    query_of,
    saying,
    wrong_with_aliyun,
    wrong_with_tencent,
    wrong_with_twilio,
)
from tests.servers import free_port, missing

NUMBER = "+8613812345678"
TEXT = "【安居】紧急 12号 按下求助键 回1接警 2出发 0不能 #017 & more+"
TEMPLATES = {"raised": "SMS_100", "raised.en": "SMS_200"}


def sms(*, to: str = NUMBER, language: str = "zh", template: str = "raised") -> Sms:
    return Sms(
        reference=uuid4(),
        to=to,
        text=TEXT,
        template=template,
        parameters={"home": "12号 *~/", "reason": "求助+1", "code": "017"},
        language=language,
    )


def twilio(url: str, *, from_: str = "+12025550100", timeout_s: float = 5.0) -> TwilioSms:
    account = TwilioAccount(account_sid=ACCOUNT_SID, auth_token="token", api_key="SK1", api_secret=SECRET, api_url=url)
    return TwilioSms(
        TwilioOptions(account=account, from_=from_, public_url="https://anju.example.org/", timeout_s=timeout_s)
    )


def aliyun(url: str, *, timeout_s: float = 5.0) -> AliyunSms:
    keys = AliyunKeys(access_key_id="LTAI1", access_key_secret=SECRET)
    return AliyunSms(AliyunOptions(keys=keys, sign_name="安居", templates=TEMPLATES, endpoint=url, timeout_s=timeout_s))


def tencent(url: str, *, timeout_s: float = 5.0) -> TencentSms:
    keys = TencentKeys(secret_id="AKID1", secret_key=SECRET)
    return TencentSms(
        TencentOptions(
            keys=keys, sdk_app_id="1400006666", sign_name="安居", templates=TEMPLATES, endpoint=url, timeout_s=timeout_s
        )
    )


class Maker(Protocol):
    def __call__(self, url: str, *, timeout_s: float = 5.0) -> SmsProvider: ...


MAKERS: dict[str, Maker] = {"twilio": twilio, "aliyun": aliyun, "tencent": tencent}


def base(port: int) -> str:
    return f"http://127.0.0.1:{port}"


async def sent(maker: str, answer: Answer, message: Sms | None = None) -> Result:
    async with receiver(answer) as desk, MAKERS[maker](base(desk.port)) as provider:
        return await provider.send(message or sms(), datetime.now(UTC))


async def test_twilio_sends_the_text() -> None:
    answer = checking(wrong_with_twilio, 400, {"sid": "SM1", "status": "queued"}, {"code": 20003})
    async with receiver(answer) as desk, twilio(base(desk.port)) as provider:
        assert await provider.send(sms(), datetime.now(UTC)) == Accepted(provider_id="SM1", provider="twilio")
        (request,) = desk.received
    assert request.path == f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json"
    assert form_of(request) == {
        "To": NUMBER,
        "Body": TEXT,
        "From": "+12025550100",
        "StatusCallback": "https://anju.example.org/twilio/status?provider=twilio",
    }


async def test_twilio_messaging_service_stands_for_a_number() -> None:
    async with receiver(saying(201, {"sid": "SM1"})) as desk, twilio(base(desk.port), from_="MG1") as provider:
        await provider.send(sms(), datetime.now(UTC))
        form = form_of(desk.received[0])
    assert form["MessagingServiceSid"] == "MG1"
    assert "From" not in form


async def test_aliyun_sends_code_and_parameters() -> None:
    good: JsonValue = {"Code": "OK", "Message": "OK", "BizId": "900619746936498440^0", "RequestId": "r"}
    answer = checking(wrong_with_aliyun, 400, good, {"Code": "SignatureDoesNotMatch"})
    message = sms()
    async with receiver(answer) as desk, aliyun(base(desk.port)) as provider:
        result = await provider.send(message, datetime.now(UTC))
        (request,) = desk.received
    assert result == Accepted(provider_id="900619746936498440^0", provider="aliyun")
    assert (request.headers["x-acs-action"], request.headers["x-acs-version"]) == ("SendSms", "2017-05-25")
    query = query_of(request)
    assert json.loads(query.pop("TemplateParam")) == dict(message.parameters)
    assert query == {
        "PhoneNumbers": "13812345678",
        "SignName": "安居",
        "TemplateCode": "SMS_100",
        "OutId": str(message.reference),
    }


async def test_aliyun_abroad_and_in_english() -> None:
    async with receiver(saying(200, {"Code": "OK"})) as desk, aliyun(base(desk.port)) as provider:
        result = await provider.send(sms(to="+85291234567", language="en"), datetime.now(UTC))
        query = query_of(desk.received[0])
    assert result == Accepted(provider="aliyun")
    assert (query["PhoneNumbers"], query["TemplateCode"]) == ("85291234567", "SMS_200")


async def test_tencent_sends_template_and_parameters_in_order() -> None:
    good: JsonValue = {"Response": {"SendStatusSet": [{"Code": "Ok", "SerialNo": "5000:1"}], "RequestId": "r"}}
    bad: JsonValue = {"Response": {"Error": {"Code": "AuthFailure.SignatureFailure"}}}
    message = sms()
    async with (
        receiver(checking(wrong_with_tencent, 200, good, bad)) as desk,
        tencent(base(desk.port)) as provider,
    ):
        result = await provider.send(message, datetime.now(UTC))
        (request,) = desk.received
    assert result == Accepted(provider_id="5000:1", provider="tencent")
    assert (request.headers["x-tc-action"], request.headers["x-tc-version"]) == ("SendSms", "2021-01-11")
    assert json.loads(request.body) == {
        "PhoneNumberSet": [NUMBER],
        "SmsSdkAppId": "1400006666",
        "SignName": "安居",
        "TemplateId": "SMS_100",
        "TemplateParamSet": ["12号 *~/", "求助+1", "017"],
        "SessionContext": str(message.reference),
    }


@pytest.mark.parametrize("links", [False, True])
async def test_only_templates_with_a_place_for_it_get_the_link(links: bool) -> None:
    message = replace(sms(), parameters={"home": "12号", "token": "h.2.c5a7.abcdefghijkl"})
    expected = ["12号", "h.2.c5a7.abcdefghijkl"] if links else ["12号"]
    async with receiver(saying(200, {"Code": "OK"})) as desk:
        keys = AliyunKeys(access_key_id="LTAI1", access_key_secret=SECRET)
        options = AliyunOptions(keys=keys, sign_name="安居", templates=TEMPLATES, links=links, endpoint=base(desk.port))
        async with AliyunSms(options) as provider:
            await provider.send(message, datetime.now(UTC))
        assert list(json.loads(query_of(desk.received[0])["TemplateParam"]).values()) == expected
    async with receiver(saying(200, {})) as desk:
        tencent_options = TencentOptions(
            keys=TencentKeys(secret_id="AKID1", secret_key=SECRET),
            sdk_app_id="1",
            sign_name="安居",
            templates=TEMPLATES,
            links=links,
            endpoint=base(desk.port),
        )
        async with TencentSms(tencent_options) as other:
            await other.send(message, datetime.now(UTC))
        assert desk.received[0].event["TemplateParamSet"] == expected


@pytest.mark.parametrize(
    ("maker", "check", "fault"),
    [("aliyun", wrong_with_aliyun, "SignatureDoesNotMatch"), ("tencent", wrong_with_tencent, "AuthFailure.X")],
)
async def test_the_verifiers_refuse_another_key(maker: str, check: object, fault: str) -> None:
    assert callable(check)
    bad: JsonValue = {"Code": fault, "Response": {"Error": {"Code": fault}}}
    async with receiver(checking(check, 400, {}, bad)) as desk:
        provider: SmsProvider
        if maker == "aliyun":
            options = AliyunOptions(
                keys=AliyunKeys(access_key_id="LTAI1", access_key_secret="other"),
                sign_name="安居",
                templates=TEMPLATES,
                endpoint=base(desk.port),
            )
            provider = AliyunSms(options)
        else:
            provider = TencentSms(
                TencentOptions(
                    keys=TencentKeys(secret_id="AKID1", secret_key="other"),
                    sdk_app_id="1",
                    sign_name="安居",
                    templates=TEMPLATES,
                    endpoint=base(desk.port),
                )
            )
        async with provider:
            result = await provider.send(sms(), datetime.now(UTC))
    assert result == TryAgain(fault=Fault.UNAUTHORIZED, provider=maker)


def refusal(maker: str, code: str | int) -> JsonValue:
    if maker == "tencent":
        return {"Response": {"SendStatusSet": [{"Code": code, "SerialNo": ""}]}}
    return {"Code" if maker == "aliyun" else "code": code, "Message": "..."}


@pytest.mark.parametrize(
    ("maker", "http", "code", "fault"),
    [
        ("twilio", 400, 21211, GiveUp(fault=Fault.BAD_NUMBER)),
        ("twilio", 400, 21614, GiveUp(fault=Fault.BAD_NUMBER)),
        ("twilio", 400, 21610, GiveUp(fault=Fault.BLOCKED)),
        ("twilio", 400, 21617, GiveUp(fault=Fault.TOO_LARGE)),
        ("twilio", 400, 21408, TryAgain(fault=Fault.UNAUTHORIZED)),
        ("twilio", 401, 20003, TryAgain(fault=Fault.UNAUTHORIZED)),
        ("twilio", 429, 20429, TryAgain(fault=Fault.BUSY)),
        ("twilio", 400, 21606, TryAgain(fault=Fault.REFUSED)),
        ("twilio", 503, 20500, TryAgain(fault=Fault.SERVER_FAULT)),
        ("aliyun", 200, "isv.BUSINESS_LIMIT_CONTROL", TryAgain(fault=Fault.CAP_REACHED)),
        ("aliyun", 200, "isv.DAY_LIMIT_CONTROL", TryAgain(fault=Fault.CAP_REACHED)),
        ("aliyun", 200, "isv.MOBILE_NUMBER_ILLEGAL", GiveUp(fault=Fault.BAD_NUMBER)),
        ("aliyun", 200, "isv.AMOUNT_NOT_ENOUGH", TryAgain(fault=Fault.NO_CREDIT)),
        ("aliyun", 200, "isv.OUT_OF_SERVICE", TryAgain(fault=Fault.NO_CREDIT)),
        ("aliyun", 200, "isv.SMS_TEMPLATE_ILLEGAL", TryAgain(fault=Fault.TEMPLATE_REFUSED)),
        ("aliyun", 200, "isv.SMS_SIGNATURE_ILLEGAL", TryAgain(fault=Fault.TEMPLATE_REFUSED)),
        ("aliyun", 200, "isv.PARAM_LENGTH_LIMIT", TryAgain(fault=Fault.TEMPLATE_REFUSED)),
        ("aliyun", 404, "InvalidAccessKeyId.NotFound", TryAgain(fault=Fault.UNAUTHORIZED)),
        ("aliyun", 400, "Throttling.User", TryAgain(fault=Fault.BUSY)),
        ("aliyun", 200, "isp.SYSTEM_ERROR", TryAgain(fault=Fault.SERVER_FAULT)),
        ("aliyun", 200, "isv.SOMETHING_NEW", TryAgain(fault=Fault.REFUSED)),
        ("aliyun", 500, "OK", TryAgain(fault=Fault.REFUSED)),
        (
            "tencent",
            200,
            "LimitExceeded.PhoneNumberThirtySecondLimit",
            TryAgain(fault=Fault.CAP_REACHED, retry_after_s=30.0),
        ),
        ("tencent", 200, "LimitExceeded.PhoneNumberDailyLimit", TryAgain(fault=Fault.CAP_REACHED)),
        ("tencent", 200, "InvalidParameterValue.IncorrectPhoneNumber", GiveUp(fault=Fault.BAD_NUMBER)),
        ("tencent", 200, "FailedOperation.PhoneNumberInBlacklist", GiveUp(fault=Fault.BLOCKED)),
        ("tencent", 200, "FailedOperation.InsufficientBalanceInSmsPackage", TryAgain(fault=Fault.NO_CREDIT)),
        ("tencent", 200, "FailedOperation.TemplateIncorrectOrUnapproved", TryAgain(fault=Fault.TEMPLATE_REFUSED)),
        ("tencent", 200, "InternalError.Timeout", TryAgain(fault=Fault.SERVER_FAULT)),
        ("tencent", 200, "SomethingNew", TryAgain(fault=Fault.REFUSED)),
    ],
)
async def test_refusals(maker: str, http: int, code: str | int, fault: TryAgain | GiveUp) -> None:
    result = await sent(maker, saying(http, refusal(maker, code)))
    assert result == replace(fault, provider=maker)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"Response": 1}', b"<html>", b"\xff" * 200_000])
@pytest.mark.parametrize(
    ("maker", "expected"),
    [
        # Twilio says 2xx only of what it has queued; the others say 200 to refusals as well.
        ("twilio", Accepted(provider="twilio")),
        ("aliyun", TryAgain(fault=Fault.NOT_UNDERSTOOD, provider="aliyun")),
        ("tencent", TryAgain(fault=Fault.NOT_UNDERSTOOD, provider="tencent")),
    ],
)
async def test_a_2xx_that_cannot_be_read(maker: str, body: bytes, expected: Result) -> None:
    assert await sent(maker, status(200, body=body)) == expected


@pytest.mark.parametrize("maker", MAKERS)
async def test_redirects_are_not_followed(maker: str) -> None:
    async with receiver() as elsewhere:
        result = await sent(maker, status(307, f"location: {elsewhere.url}"))
        assert elsewhere.received == []
    assert result == TryAgain(fault=Fault.REDIRECTED, provider=maker)


@pytest.mark.parametrize("maker", MAKERS)
async def test_nobody_there_and_no_proxy_either(maker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiver() as proxy:
        monkeypatch.setenv("HTTP_PROXY", base(proxy.port))
        async with MAKERS[maker](base(free_port())) as provider:
            result = await provider.send(sms(), datetime.now(UTC))
        assert proxy.received == []
    assert result == TryAgain(fault=Fault.UNREACHABLE, provider=maker)


@pytest.mark.parametrize("maker", MAKERS)
async def test_a_provider_that_hangs_is_left_in_time(maker: str) -> None:
    async def hang(_: Received, __: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    async with receiver(hang) as desk, MAKERS[maker](base(desk.port), timeout_s=0.4) as provider:
        started = time.monotonic()
        assert await provider.send(sms(), datetime.now(UTC)) == TryAgain(fault=Fault.TIMED_OUT, provider=maker)
        assert time.monotonic() - started < 3


async def test_a_taken_message_stays_taken_when_the_answer_breaks_off() -> None:
    async def half(_: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b'HTTP/1.1 201 Created\r\ncontent-length: 500\r\n\r\n{"sid": "S')
        await writer.drain()
        writer.close()

    assert await sent("twilio", half) == Accepted(provider="twilio")


async def test_a_taken_message_stays_taken_when_the_answer_dawdles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_provider, "_BODY_TIMEOUT_S", 0.2)

    async def dawdle(_: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b'HTTP/1.1 201 Created\r\ncontent-length: 500\r\n\r\n{"sid": "S')
        await writer.drain()
        await asyncio.sleep(60)

    started = time.monotonic()
    assert await sent("twilio", dawdle) == Accepted(provider="twilio")
    assert time.monotonic() - started < 3


@pytest.fixture
async def https_url(tmp_path: Path) -> AsyncIterator[str]:
    """A server whose certificate nobody vouches for."""
    if shutil.which("openssl") is None:
        missing("openssl is not installed")
    process = await asyncio.create_subprocess_exec(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "1"),
        *("-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")),
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == 0
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    yield f"https://localhost:{server.sockets[0].getsockname()[1]}"
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("maker", MAKERS)
async def test_a_certificate_that_does_not_hold(maker: str, https_url: str) -> None:
    async with MAKERS[maker](https_url) as provider:
        assert await provider.send(sms(), datetime.now(UTC)) == TryAgain(fault=Fault.CERTIFICATE, provider=maker)


@pytest.mark.parametrize("maker", ["aliyun", "tencent"])
async def test_without_a_template_nobody_is_asked(maker: str) -> None:
    async with receiver() as desk, MAKERS[maker](base(desk.port)) as provider:
        result = await provider.send(sms(template="unheard_of"), datetime.now(UTC))
        assert desk.received == []
    assert result == TryAgain(fault=Fault.TEMPLATE_REFUSED, provider=maker)


@pytest.mark.parametrize("maker", MAKERS)
async def test_logs_hold_no_number_text_or_secret(maker: str, caplog: pytest.LogCaptureFixture) -> None:
    # As config.logging sets it: libraries log at WARNING and above.
    caplog.set_level(logging.WARNING)
    await sent(maker, saying(400, refusal(maker, 1)))
    async with MAKERS[maker](base(free_port())) as provider:
        await provider.send(sms(), datetime.now(UTC))
    assert not [word for word in (NUMBER[3:], "求助", SECRET) if word in caplog.text]


def test_what_cannot_be_an_account_or_address_is_refused() -> None:
    with pytest.raises(BadProvider, match="account_sid"):
        TwilioSms(TwilioOptions(account=TwilioAccount(account_sid="AC/../x", auth_token="t"), from_="+1"))
    for url in ("ftp://host", "https://", "nonsense"):
        with pytest.raises(BadProvider):
            aliyun(url)
        with pytest.raises(BadProvider):
            tencent(url)
        with pytest.raises(BadProvider):
            twilio(url)
