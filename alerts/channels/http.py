"""HTTP as the providers are spoken to: one request, one answer of limited size, or the fault that kept it away.

Redirects are not followed and the environment's proxies are not used: a message, and the secret that signs it, goes
where the settings say or nowhere.
"""

import asyncio
import contextlib
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

import httpx
from pydantic import JsonValue

from alerts.channels.results import Fault
from alerts.errors import BadProvider

MAX_ANSWER_BYTES: Final = 64 * 1024
_BODY_TIMEOUT_S: Final = 3.0
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back.

    Attributes:
        status: Of HTTP.
        body: At most `MAX_ANSWER_BYTES` of it; less, too, where the connection broke while it came.
        retry_after_s: When the provider wants to be asked again, where it said so in seconds.
    """

    status: int
    body: bytes = field(default=b"", repr=False)
    retry_after_s: float | None = None

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


class HttpProvider:
    """What all providers over HTTP share: a name, a client with limits, and faults instead of exceptions.

    Args:
        name: Unique among the providers of a site.
        timeout_s: How long one attempt may take in all.
        max_connections: How many attempts run at once.
    """

    def __init__(self, *, name: str, timeout_s: float = 10.0, max_connections: int = 64) -> None:
        self.name = name
        self._timeout_s = timeout_s
        self._client = httpx.AsyncClient(
            trust_env=False,
            follow_redirects=False,
            verify=ssl.create_default_context(),
            timeout=httpx.Timeout(timeout_s, connect=min(5.0, timeout_s)),
            limits=httpx.Limits(
                max_connections=max_connections, max_keepalive_connections=max_connections, keepalive_expiry=60.0
            ),
            # A compressed body could be far longer than what was read of it.
            headers={"user-agent": "anju", "accept": "*/*", "accept-encoding": "identity"},
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def _ask(
        self,
        method: str,
        url: httpx.URL | str,
        *,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> Answer | Fault:
        """Asks once. A fault means that no answer came; whether the provider took the request is not known then."""
        basic = None if auth is None else httpx.BasicAuth(*auth)
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._client.stream(method, url, content=content, headers=headers, auth=basic) as response,
            ):
                return Answer(
                    status=response.status_code,
                    body=await _beginning(response),
                    retry_after_s=_retry_after_s(response.headers.get("retry-after", "")),
                )
        except (TimeoutError, httpx.TimeoutException):
            return Fault.TIMED_OUT
        except httpx.ConnectError as error:
            return Fault.CERTIFICATE if _is_about_certificates(error) else Fault.UNREACHABLE
        except (httpx.LocalProtocolError, UnicodeEncodeError):
            return Fault.OUR_BUG
        except (httpx.HTTPError, OSError):
            return Fault.CONNECTION_LOST


def checked_url(url: str, what: str) -> httpx.URL:
    """The address as a URL.

    Raises:
        BadProvider: It is no http(s) URL with a host.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        raise BadProvider(f"{what} is no URL; it looks like https://host/path") from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise BadProvider(f"{what} must begin with https:// or http:// and name a host")
    return parsed


async def _beginning(response: httpx.Response) -> bytes:
    """The body up to the limit. What broke or dawdled after the status has come is no reason to forget the status."""
    read = bytearray()
    with contextlib.suppress(httpx.HTTPError, TimeoutError):
        async with asyncio.timeout(_BODY_TIMEOUT_S):
            async for chunk in response.aiter_raw():
                read += chunk
                if len(read) > MAX_ANSWER_BYTES:
                    break
    return bytes(read[:MAX_ANSWER_BYTES])


def _retry_after_s(given: str) -> float | None:
    # The other form, a date, would have to trust the provider's clock.
    return float(given) if given.isascii() and given.isdigit() and len(given) <= 6 else None


def _is_about_certificates(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
