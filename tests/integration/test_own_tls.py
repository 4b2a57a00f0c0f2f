"""TLS on the roles' own ports: what answers there, to whom, and what is said of files that are none."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from alerts.web.server import WebServer
from anju import health, own_tls
from config.errors import SettingsError
from config.settings import Settings
from registry.certificates import new_authority, server_certificate


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    now, folder = datetime.now(UTC), tmp_path_factory.mktemp("tls")
    authority = new_authority("a site", now)
    own = server_certificate(authority, ["127.0.0.1"], now)
    contents = {"ca": authority.certificate, "cert": own.certificate, "key": own.key, "other_key": authority.key}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in contents}


@pytest.fixture
def tls(files: dict[str, Path]) -> ssl.SSLContext:
    context = own_tls.server_context(Settings(tls_cert_file=files["cert"], tls_key_file=files["key"]))
    assert context is not None
    return context


@contextlib.contextmanager
def metrics(tls: ssl.SSLContext) -> Iterator[int]:
    server = health.serve("127.0.0.1", 0, health.make_app(health.Heartbeat(), []), tls)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


async def asked(url: str, authority: Path) -> str:
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, ssl=ssl.create_default_context(cafile=authority)) as answer,
    ):
        return await answer.text()


async def test_metrics_come_over_tls_whoever_stays_silent(
    tls: ssl.SSLContext, files: dict[str, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    with metrics(tls) as port:
        with socket.create_connection(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)):
            assert await asked(f"https://127.0.0.1:{port}/healthz", files["ca"]) == "ok\n"
        with socket.create_connection(("127.0.0.1", port), timeout=5) as plain, contextlib.suppress(OSError):
            plain.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            assert b"200" not in plain.recv(100)
        assert "python_info" in await asked(f"https://127.0.0.1:{port}/metrics", files["ca"])
    assert "Traceback" not in capfd.readouterr().err


async def test_answers_are_taken_over_tls(tls: ssl.SSLContext, files: dict[str, Path]) -> None:
    async def scheme(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.url.scheme)

    stop = asyncio.Event()
    server = WebServer(Starlette(routes=[Route("/", scheme)]), "127.0.0.1", 0, tls)
    serving = asyncio.create_task(server.run(stop))
    await asyncio.wait_for(server.listening.wait(), 10)
    try:
        assert await asked(f"https://127.0.0.1:{server.port}/", files["ca"]) == "https"
        with pytest.raises(aiohttp.ClientError):
            await asked(f"http://127.0.0.1:{server.port}/", files["ca"])
    finally:
        stop.set()
        await serving


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (lambda files: {"tls_cert_file": files["cert"]}, "ANJU_TLS_KEY_FILE is not set"),
        (lambda files: {"tls_key_file": files["key"]}, "ANJU_TLS_CERT_FILE is not set"),
        (lambda files: {"tls_cert_file": files["cert"], "tls_key_file": files["other_key"]}, "KEY_VALUES_MISMATCH"),
        (lambda files: {"tls_cert_file": files["key"], "tls_key_file": files["key"]}, "right would be two PEM files"),
    ],
)
def test_files_that_are_no_certificate_and_its_key_are_refused(
    files: dict[str, Path], given: Callable[[dict[str, Path]], dict[str, Path]], said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        own_tls.server_context(Settings(**given(files)))  # type: ignore[arg-type]


def test_without_files_there_is_no_tls() -> None:
    assert own_tls.server_context(Settings()) is None
