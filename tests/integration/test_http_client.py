"""The one HTTP client of all channels: asks once, survives whatever answers, goes where it was told, and ends clean."""

import asyncio
import base64
import logging
import shutil
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from yarl import URL

from alerts.channels.http import MAX_ANSWER_BYTES, Answer, HttpClient
from alerts.channels.results import Fault
from tests.alert_cases import Received, receiver, status
from tests.servers import free_port, missing


def client(*, timeout_s: float = 5.0, body_timeout_s: float = 1.0, max_connections: int = 8) -> HttpClient:
    return HttpClient(timeout_s=timeout_s, body_timeout_s=body_timeout_s, max_connections=max_connections)


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
async def test_a_request_on_a_used_connection_that_breaks_is_not_repeated_unasked(method: str) -> None:
    async def once_then_hang_up(_: Received, writer: asyncio.StreamWriter) -> None:
        if len(desk.received) == 1:
            writer.write(b"HTTP/1.1 204 Said\r\n\r\n")
        else:
            writer.close()

    async with receiver(once_then_hang_up) as desk, client() as http:
        assert await http.ask(method, URL(desk.url)) == Answer(status=204)
        assert await http.ask(method, URL(desk.url)) is Fault.CONNECTION_LOST
        assert len(desk.received) == 2


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"", Fault.CONNECTION_LOST),
        (b"\r\n\r\n", Fault.CONNECTION_LOST),
        (b"HTTP/1.1 2000 OK\r\n\r\n", Fault.CONNECTION_LOST),
        (b"HTTP/1.1 abc\r\n\r\n", Fault.CONNECTION_LOST),
        (b"HTTP/9.9 200 OK\r\n\r\n", Fault.CONNECTION_LOST),
        (OK + b"no colon\r\n\r\n", Fault.CONNECTION_LOST),
        (OK + b"content-length: x\r\n\r\n", Fault.CONNECTION_LOST),
        (OK + b"content-length: -1\r\n\r\n", Fault.CONNECTION_LOST),
        (OK + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab", Fault.CONNECTION_LOST),
        (OK + b"x: " + b"y" * 200_000 + b"\r\n\r\n", Fault.CONNECTION_LOST),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20, Fault.CONNECTION_LOST),
        (OK + b"transfer-encoding: chunked\r\n\r\nzz\r\n", Fault.CONNECTION_LOST),
        (OK + b"transfer-encoding: chunked\r\n\r\n" + b"f" * 30 + b"\r\na", Fault.CONNECTION_LOST),
        (OK + b"transfer-encoding: chunked\r\n\r\n9\r\nab", Answer(status=200, body=b"ab")),
        (OK + b"content-encoding: gzip\r\ncontent-length: 4\r\n\r\nabcd", Answer(status=200, body=b"abcd")),
        (OK + b"content-length: 9\r\n\r\nab", Answer(status=200, body=b"ab")),
        (OK + b"\r\nuntil the end", Answer(status=200, body=b"until the end")),
        (b"HTTP/1.0 429 x\r\nretry-after: 7\r\n\r\n", Answer(status=429, retry_after_s=7.0)),
        (b"HTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 204 x\r\n\r\n", Answer(status=204)),
        (OK + b"x-request-id: \xff\r\ncontent-length: 0\r\n\r\n", Answer(status=200, request_id="\udcff")),
        (OK + b"set-cookie: \xff=;;;=\r\nset-cookie: a=b\r\ncontent-length: 0\r\n\r\n", Answer(status=200)),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_whatever_is_said_ends_in_an_answer_or_a_fault(
    said: bytes, expected: Answer | Fault, caplog: pytest.LogCaptureFixture
) -> None:
    async def say(_: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()
        writer.close()

    async with receiver(say) as desk, client() as http:
        told = await http.ask("POST", URL(desk.url), content=b"{}")
        assert told == expected
        await asyncio.sleep(0.05)  # that it hung up, unannounced, comes after its answer
        desk.answer = status(204, "set-cookie: a=b")
        assert await http.ask("POST", URL(desk.url), content=b"{}") == Answer(status=204)
        assert await http.ask("POST", URL(desk.url), content=b"{}") == Answer(status=204)
        assert [request.headers.get("cookie") for request in desk.received] == [None] * 3
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_status_that_has_come_is_kept_when_the_time_runs_out() -> None:
    async def late_and_without_end(_: Received, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3)
        writer.write(b"HTTP/1.1 201 Created\r\ncontent-length: 50\r\n\r\nid")
        await writer.drain()
        await asyncio.sleep(60)

    async with receiver(late_and_without_end) as desk, client(timeout_s=0.6, body_timeout_s=30) as http:
        started = time.monotonic()
        assert await http.ask("POST", URL(desk.url)) == Answer(status=201, body=b"id")
        assert time.monotonic() - started < 3


async def test_no_more_of_a_body_is_kept_than_the_limit() -> None:
    async with receiver(status(200, body=b"x" * 300_000)) as desk, client() as http:
        told = await http.ask("GET", URL(desk.url))
        assert told == Answer(status=200, body=b"x" * MAX_ANSWER_BYTES)
        desk.answer = status(200, body=b"x" * MAX_ANSWER_BYTES)
        assert await http.ask("GET", URL(desk.url)) == told


async def test_a_login_in_the_address_or_beside_it_goes_into_the_header() -> None:
    async with receiver() as desk, client() as http:
        with_login = URL(f"http://m%C3%BCller:p%40ss@127.0.0.1:{desk.port}/sms?key=a%20b")
        given = {"authorization": "Bearer t", "X-Kept": "As It Is"}
        await http.ask("POST", with_login, headers=given)
        await http.ask("POST", with_login, headers=given, auth=("SK1", "secret"))
        await http.ask("POST", URL(desk.url), headers=given)
    logins = [request.headers["authorization"] for request in desk.received]
    basic = [base64.b64decode(login.removeprefix("Basic ")).decode() for login in logins[:2]]
    assert (basic, logins[2]) == (["müller:p@ss", "SK1:secret"], "Bearer t")
    first = desk.received[0]
    assert (first.path, first.headers["host"]) == ("/sms?key=a%20b", f"127.0.0.1:{desk.port}")
    assert (first.headers["x-kept"], first.headers["content-length"]) == ("As It Is", "0")
    assert (first.headers["user-agent"], first.headers["accept-encoding"]) == ("anju", "identity")
    assert "content-type" not in first.headers


@pytest.mark.parametrize("headers", [{"x": "a\r\nhost: b"}, {"x": "密"}, {"a b": "c"}, {"": "c"}, {"x": "\x00"}])
async def test_headers_that_are_none_are_never_sent(headers: dict[str, str]) -> None:
    async with receiver() as desk, client() as http:
        assert await http.ask("POST", URL(desk.url), headers=headers) is Fault.OUR_BUG
        assert desk.received == []


async def test_hosts_that_cannot_be() -> None:
    async with client() as http:
        assert await http.ask("POST", URL("http://nowhere.invalid/")) is Fault.UNREACHABLE
        told = await http.ask("POST", URL("http://" + "a" * 70 + ".invalid/"))
        assert told in {Fault.UNREACHABLE, Fault.OUR_BUG}


async def test_requests_beyond_the_connections_wait_within_their_time() -> None:
    most = 0

    async def slowly(_: Received, writer: asyncio.StreamWriter) -> None:
        nonlocal most
        most = max(most, desk.connections)
        await asyncio.sleep(0.3)
        writer.write(b"HTTP/1.1 204 Said\r\n\r\n")

    async with receiver(slowly) as desk, client(timeout_s=0.8, max_connections=2) as http:
        told = await asyncio.gather(*(http.ask("POST", URL(desk.url)) for _ in range(10)))
        assert told.count(Answer(status=204)) == 4
        assert told.count(Fault.TIMED_OUT) == 6
        assert await http.ask("POST", URL(desk.url)) == Answer(status=204)


async def test_what_is_cancelled_leaves_nothing_and_frees_its_connection() -> None:
    hanging = asyncio.Event()

    async def hang(_: Received, __: asyncio.StreamWriter) -> None:
        hanging.set()
        await asyncio.sleep(60)

    async with receiver(hang) as desk, client(max_connections=1) as http:
        before = asyncio.all_tasks()
        asking = asyncio.create_task(http.ask("POST", URL(desk.url)))
        await hanging.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        desk.answer = status(204)
        assert await http.ask("POST", URL(desk.url)) == Answer(status=204)
        left = {task for task in asyncio.all_tasks() - before if "Receiver.handle" not in repr(task.get_coro())}
        assert left == set()
    with pytest.raises(RuntimeError):
        await http.ask("POST", URL(desk.url))


@pytest.fixture
async def certified(tmp_path: Path) -> AsyncIterator[tuple[int, Path]]:
    """An HTTPS server, and the certificate that vouches for `localhost`."""
    if shutil.which("openssl") is None:
        missing("openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    process = await asyncio.create_subprocess_exec(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "1"),
        *("-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)),
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == 0
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 Said\r\n\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    yield server.sockets[0].getsockname()[1], certificate
    server.close()
    await server.wait_closed()


async def test_the_authorities_are_those_of_the_system(
    certified: tuple[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, certificate = certified
    async with client() as http:
        assert await http.ask("GET", URL(f"https://localhost:{port}/")) is Fault.CERTIFICATE
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with client() as http:
        assert await http.ask("GET", URL(f"https://localhost:{port}/")) == Answer(status=204)
        assert await http.ask("GET", URL(f"https://127.0.0.1:{port}/")) is Fault.CERTIFICATE


async def test_tls_to_what_speaks_none_is_not_reached() -> None:
    async with receiver() as desk, client(timeout_s=2) as http:
        told = await http.ask("GET", URL(f"https://127.0.0.1:{desk.port}/"))
        assert told in {Fault.UNREACHABLE, Fault.TIMED_OUT}
        assert await http.ask("GET", URL(f"http://127.0.0.1:{free_port()}/")) is Fault.UNREACHABLE
