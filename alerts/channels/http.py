"""HTTP as receivers and providers are spoken to: one request, one short answer, or the fault that kept it away.

Redirects are not followed and the environment's proxies are not used: a message, and the secret that signs it, goes
where the settings say or nowhere.
"""

import asyncio
import base64
import json
import re
import ssl
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

import aiohttp
from pydantic import JsonValue
from yarl import URL

from alerts.channels.results import Fault
from alerts.errors import BadProvider

MAX_ANSWER_BYTES: Final = 64 * 1024
_OF_STATUS: Final = {
    401: Fault.UNAUTHORIZED,
    403: Fault.UNAUTHORIZED,
    404: Fault.NOT_FOUND,
    405: Fault.NOT_FOUND,
    408: Fault.TIMED_OUT,
    410: Fault.GONE,
    413: Fault.TOO_LARGE,
    425: Fault.BUSY,
    429: Fault.BUSY,
}
_OF_CLASS: Final = {3: Fault.REDIRECTED, 4: Fault.REFUSED, 5: Fault.SERVER_FAULT}
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e]*")
_HEADERS: Final = {
    "User-Agent": "anju",
    "Accept": "*/*",
    # A compressed body could be far longer than what was read of it.
    "Accept-Encoding": "identity",
}
_CONNECT_TIMEOUT_S: Final = 5.0
_KEEP_ALIVE_S: Final = 120.0
_MAX_HEADER_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back.

    Attributes:
        status: Of HTTP.
        body: At most `MAX_ANSWER_BYTES` of it; less, too, where the connection broke while it came.
        retry_after_s: When the provider wants to be asked again, where it said so in seconds.
        request_id: What it calls the request (`x-request-id`), where it said so.
    """

    status: int
    body: bytes = field(default=b"", repr=False)
    retry_after_s: float | None = None
    request_id: str = ""

    @property
    def ok(self) -> bool:
        """Whether HTTP calls it a success."""
        return 200 <= self.status < 300

    @property
    def fault(self) -> Fault:
        """What the status means where it is no success."""
        return _OF_STATUS.get(self.status) or _OF_CLASS.get(self.status // 100, Fault.NOT_UNDERSTOOD)

    def json_object(self) -> Mapping[str, JsonValue]:
        """The body as a JSON object; empty where it is none."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}


class HttpClient:
    """Connections that stay open between requests; entered as a context.

    Args:
        timeout_s: How long one request may take in all.
        body_timeout_s: How long, of that, the answer's body may take once its status is known.
        max_connections: How many requests run at once; further ones wait, within their time.
    """

    def __init__(self, *, timeout_s: float, body_timeout_s: float, max_connections: int) -> None:
        self._timeout_s = timeout_s
        self._body_timeout_s = body_timeout_s
        self._max_connections = max_connections
        self._tls = ssl.create_default_context()
        self._tls.set_alpn_protocols(["http/1.1"])
        self._open = AsyncExitStack()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(
            limit=self._max_connections,
            keepalive_timeout=_KEEP_ALIVE_S,
            ssl=self._tls,
            resolver=aiohttp.ThreadedResolver(),
        )
        self._session = await self._open.enter_async_context(
            aiohttp.ClientSession(
                connector=connector,
                headers=_HEADERS,
                skip_auto_headers=("Content-Type",),
                cookie_jar=aiohttp.DummyCookieJar(),
                # The whole request is timed by `ask`.
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=min(_CONNECT_TIMEOUT_S, self._timeout_s)),
                auto_decompress=False,
                trust_env=False,
                max_line_size=_MAX_HEADER_BYTES,
                max_field_size=_MAX_HEADER_BYTES,
            )
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session = None
        await self._open.aclose()

    async def ask(
        self,
        method: str,
        url: URL,
        *,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> Answer | Fault:
        """Asks once. A fault means that no answer came; whether the request was taken is not known then.

        What breaks or dawdles after the status has come is no reason to forget the status.
        """
        if self._session is None:
            raise RuntimeError("the client is used before it is entered")
        given = dict(headers or {})
        if not are_headers(given):
            return Fault.OUR_BUG
        url, login = _without_login(url)
        if (login := auth or login) is not None:
            given = {name: value for name, value in given.items() if name.lower() != "authorization"}
            given["Authorization"] = "Basic " + base64.b64encode(":".join(login).encode()).decode()
        response: aiohttp.ClientResponse | None = None
        body = bytearray()
        try:
            async with (
                asyncio.timeout(self._timeout_s) as limit,
                self._session.request(
                    method, url, data=content or None, headers=given, allow_redirects=False, middlewares=_ONCE
                ) as response,
            ):
                ends_at = asyncio.get_running_loop().time() + self._body_timeout_s
                limit.reschedule(min(limit.when() or ends_at, ends_at))
                async for chunk in response.content.iter_any():
                    body += chunk
                    if len(body) > MAX_ANSWER_BYTES:
                        break
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if response is None:
                return _fault_of(error)
        return Answer(
            status=response.status,
            body=bytes(body[:MAX_ANSWER_BYTES]),
            retry_after_s=retry_after_s(response.headers.get("Retry-After", "")),
            request_id=response.headers.get("X-Request-Id", ""),
        )


def checked_url(url: str, what: str) -> URL:
    """The address as a URL.

    Raises:
        BadProvider: It is no http(s) URL with a host.
    """
    try:
        parsed = URL(url)
    except ValueError:
        raise BadProvider(f"{what} is no URL; it looks like https://host/path") from None
    host = parsed.raw_host or ""
    if parsed.scheme not in {"http", "https"} or not (host.isascii() and host.isprintable() and host.split() == [host]):
        raise BadProvider(f"{what} must begin with https:// or http:// and name a host")
    return parsed


def are_headers(headers: Mapping[str, str]) -> bool:
    """Whether HTTP can carry them as they are."""
    return all(_HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(headers[name]) for name in headers)


def retry_after_s(given: str) -> float | None:
    """What the header `Retry-After` says, in seconds; the other form, a date, would have to trust another's clock."""
    return float(given) if given.isascii() and given.isdigit() and len(given) <= 6 else None


class _Lost(aiohttp.ClientError):
    """A connection broke, or the other side hung up, before an answer."""


async def _once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    # aiohttp would repeat a GET or PUT whose connection broke, unasked: somebody would be told twice.
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Lost from error


_ONCE: Final = (_once,)


def _without_login(url: URL) -> tuple[URL, tuple[str, str] | None]:
    if url.user is None and url.password is None:
        return url, None
    return url.with_user(None), (url.user or "", url.password or "")


def _fault_of(error: Exception) -> Fault:
    match error:
        case TimeoutError():
            return Fault.TIMED_OUT
        case aiohttp.ClientConnectorCertificateError():
            return Fault.CERTIFICATE
        case aiohttp.ClientConnectorError():
            return Fault.UNREACHABLE
        case ValueError():
            return Fault.OUR_BUG
    # It hung up, or what it says is not HTTP.
    return Fault.CONNECTION_LOST
