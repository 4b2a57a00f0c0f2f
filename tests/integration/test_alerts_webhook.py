"""The webhook channel against real HTTP receivers, kind and unkind ones."""

import asyncio
import shutil
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import JsonValue
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from alerts.channels.results import Accepted, Fault, GiveUp, Outgoing, Result, TryAgain
from alerts.channels.webhook import Receiver as Named
from alerts.channels.webhook import WebhookChannel
from alerts.errors import BadWebhook
from alerts.messages import AlertEvent
from tests.alert_cases import NOON, OLD_SECRET, SECRET, Answer, Received, receiver, status
from tests.servers import free_port, missing

FACTS: dict[str, JsonValue] = {
    "subject": "home/12",
    "home_id": 12,
    "home": "12号",
    "area": "City/District/Street/Lane",
    "device": "btn-1",
    "kind": "sos",
    "severity": "urgent",
    "state": "open",
    "since": "2026-11-21T12:00:00.000Z",
    "raised_at": "2026-11-21T12:00:00.000Z",
    "times_raised": 1,
    "acknowledged_by": None,
    "assigned_to": None,
    "attending": None,
    "outcome": None,
    "related": [],
    "reason": {"id": "sos_pressed", "values": {"device": "btn-1"}, "text": {"en": "pressed", "zh": "按下"}},
    "evidence": {},
}


def message(body: dict[str, JsonValue] | None = None) -> Outgoing:
    return Outgoing(
        notification_id=uuid4(),
        alert_id=17,
        priority=0,
        body={"type": "anju.alert.raised", "data": FACTS} if body is None else body,
        created_at=NOON,
        give_up_at=NOON + timedelta(days=1),
        attempt=1,
    )


def channel(url: str, *, secrets: tuple[str, ...] = (SECRET,), timeout_s: float = 5.0) -> WebhookChannel:
    return WebhookChannel(url=url, secrets=secrets, source="anju/test", timeout_s=timeout_s)


async def sent(url: str, *, timeout_s: float = 5.0) -> Result:
    async with channel(url, timeout_s=timeout_s) as webhook:
        return await webhook.send(message(), datetime.now(UTC))


async def test_signed_for_every_secret_and_verified_by_the_library() -> None:
    async with (
        receiver(status(202, "x-request-id: desk-4711")) as desk,
        channel(desk.url, secrets=(SECRET, OLD_SECRET)) as webhook,
    ):
        outgoing = message()
        assert await webhook.send(outgoing, datetime.now(UTC)) == Accepted(provider_id="desk-4711")
        (request,) = desk.received
    assert request.path == "/desk"
    assert request.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert UUID(request.headers["webhook-id"]) == outgoing.notification_id
    for secret in (SECRET, OLD_SECRET):
        assert Webhook(secret).verify(request.body, request.headers) == request.event
    for forged in (request.body.replace(b"urgent", b"soft"), request.body + b" "):
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(forged, request.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "A" * 32).verify(request.body, request.headers)
    event = AlertEvent.model_validate_json(request.body)
    assert event.model_dump(mode="json") == request.event
    assert (event.id, event.source, event.subject) == (str(outgoing.notification_id), "anju/test", "alert/17")
    assert event.data.home == "12号"


async def test_connections_are_used_again() -> None:
    async with receiver(status(200, body=b"thanks")) as desk, channel(desk.url) as webhook:
        for _ in range(5):
            assert await webhook.send(message(), datetime.now(UTC)) == Accepted()
        assert (len(desk.received), desk.connections) == (5, 1)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (status(500), TryAgain(fault=Fault.SERVER_FAULT)),
        (status(429, "retry-after: 7"), TryAgain(fault=Fault.BUSY, retry_after_s=7)),
        (status(401), TryAgain(fault=Fault.UNAUTHORIZED)),
        (status(410), GiveUp(fault=Fault.GONE)),
        (status(200, "x-request-id: " + "x" * 500), Accepted()),
    ],
)
async def test_answers(answer: Answer, expected: Result) -> None:
    async with receiver(answer) as desk:
        assert await sent(desk.url) == expected


async def test_redirects_are_not_followed() -> None:
    async with receiver() as elsewhere, receiver(status(307, f"location: {elsewhere.url}")) as desk:
        assert await sent(desk.url) == TryAgain(fault=Fault.REDIRECTED)
        assert (len(desk.received), elsewhere.received) == (1, [])


async def test_a_proxy_in_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    async with receiver() as desk:
        assert await sent(desk.url) == Accepted()


async def test_receiver_that_hangs_is_left_in_time() -> None:
    async def hang(_: Received, __: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    async with receiver(hang) as desk:
        started = time.monotonic()
        assert await sent(desk.url, timeout_s=0.4) == TryAgain(fault=Fault.TIMED_OUT)
        assert time.monotonic() - started < 3


async def test_receiver_that_drips_its_header_is_left_in_time() -> None:
    async def drip(_: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        for n in range(600):
            writer.write(b"x-%d: y\r\n" % n)
            await writer.drain()
            await asyncio.sleep(0.05)

    async with receiver(drip) as desk:
        started = time.monotonic()
        assert await sent(desk.url, timeout_s=0.5) == TryAgain(fault=Fault.TIMED_OUT)
        assert time.monotonic() - started < 3


async def close_at_once(_: Received, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def babble(_: Received, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example.org ready\r\n\r\n")
    writer.close()


@pytest.mark.parametrize("answer", [close_at_once, babble])
async def test_receiver_that_closes_or_speaks_no_http(answer: Answer) -> None:
    async with receiver(answer) as desk:
        assert await sent(desk.url) == TryAgain(fault=Fault.CONNECTION_LOST)


async def test_accepted_is_accepted_however_much_the_receiver_says() -> None:
    written = 0

    async def flood(_: Received, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\n")
        for _step in range(1000):
            writer.write(b"x" * 10_000)
            await writer.drain()
            written += 10_000

    async def stall(_: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nx")
        await writer.drain()
        await asyncio.sleep(60)

    async with receiver(flood) as desk, channel(desk.url) as webhook:
        assert await webhook.send(message(), datetime.now(UTC)) == Accepted()
        assert written < 10_000_000
        desk.answer = stall
        assert await webhook.send(message(), datetime.now(UTC)) == Accepted()
        desk.answer = status(204)
        assert await webhook.send(message(), datetime.now(UTC)) == Accepted()


async def test_nobody_there() -> None:
    assert await sent(f"http://127.0.0.1:{free_port()}/") == TryAgain(fault=Fault.UNREACHABLE)


@pytest.fixture
async def https_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A receiver whose certificate nobody vouches for."""
    if shutil.which("openssl") is None:
        missing("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    process = await asyncio.create_subprocess_exec(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "1"),
        *("-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")),
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == 0
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")

    def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    yield f"https://localhost:{server.sockets[0].getsockname()[1]}/"
    server.close()
    await server.wait_closed()


async def test_certificate_that_does_not_hold(https_url: str) -> None:
    assert await sent(https_url) == TryAgain(fault=Fault.CERTIFICATE)


@pytest.mark.parametrize("body", [{}, {"type": "anju.alert.raised"}, {"type": "x", "data": [1]}])
async def test_a_stored_message_that_makes_no_sense_stops_nobody(body: dict[str, JsonValue]) -> None:
    async with receiver() as desk, channel(desk.url) as webhook:
        assert await webhook.send(message(body), datetime.now(UTC)) == TryAgain(fault=Fault.OUR_BUG)
        assert await webhook.send(message(), datetime.now(UTC)) == Accepted()


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "desk.example.org"},
        {"url": "ftp://desk.example.org"},
        {"url": "https://"},
        {"url": "http://[::1"},
        {"secrets": ()},
        {"secrets": ("whsec_",)},
        {"secrets": (SECRET, "whsec_x")},
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_refused_at_once(settings: dict[str, Any]) -> None:
    with pytest.raises(BadWebhook):
        WebhookChannel(**{"url": "https://desk.example.org", "secrets": (SECRET,), "source": "anju"} | settings)


async def test_receivers_by_name_each_with_a_secret_of_its_own() -> None:
    async with receiver() as desk, receiver() as street:
        named = {"street-1": Named(url=street.url, secrets=(OLD_SECRET,))}
        async with WebhookChannel(source="anju", url=desk.url, secrets=(SECRET,), receivers=named) as webhook:
            now = datetime.now(UTC)
            assert await webhook.send(message(), now) == Accepted()
            assert await webhook.send(replace(message(), recipient="street-1"), now) == Accepted()
            unknown = await webhook.send(replace(message(), recipient="street-2"), now)
    assert unknown == TryAgain(fault=Fault.UNKNOWN_RECIPIENT)
    for at, secret in ((desk, SECRET), (street, OLD_SECRET)):
        (request,) = at.received
        Webhook(secret).verify(request.body, request.headers)
    assert SECRET not in repr(Named(url=desk.url, secrets=(SECRET,)))
