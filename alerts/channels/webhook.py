"""Webhook: a signed POST (Standard Webhooks) whose body is a CloudEvent 1.0 in structured JSON; see docs/webhook.md.

Redirects are not followed: a signed message goes where the settings say or nowhere.
"""

import asyncio
import binascii
import contextlib
import json
import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Final, Self

import httpx
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

from alerts.channels.results import Accepted, Fault, GiveUp, Outgoing, Result, TryAgain
from alerts.errors import BadWebhook
from alerts.messages import instant_text

#: The site's own receiver, told of every alert.
SITE: Final = "default"
_MAX_RESPONSE_BYTES: Final = 64 * 1024
_DRAIN_TIMEOUT_S: Final = 1.0
_PROVIDER_ID: Final = re.compile(r"[\x21-\x7e]{1,200}")
_GAVE_UP: Final = {410: Fault.GONE, 413: Fault.TOO_LARGE}
_TRY_AGAIN: Final = {
    401: Fault.UNAUTHORIZED,
    403: Fault.UNAUTHORIZED,
    404: Fault.NOT_FOUND,
    405: Fault.NOT_FOUND,
    408: Fault.TIMED_OUT,
    425: Fault.BUSY,
    429: Fault.BUSY,
}
_BY_CLASS: Final = {3: Fault.REDIRECTED, 4: Fault.REFUSED, 5: Fault.SERVER_FAULT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Who gets messages.

    Attributes:
        url: Where they go.
        secrets: `whsec_...`; each message is signed with every one of them, so that they can be changed without a gap.
    """

    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)


class WebhookChannel:
    """Receivers by name. Enter it as a context: its connections stay open between messages.

    Args:
        url: Where the site's own messages go: the address of the receiver `default`.
        secrets: What those are signed with.
        source: Which installation of Anju this is; the `source` of the CloudEvents.
        receivers: Further receivers, by the names that people's addresses have.
        timeout_s: How long one attempt may take in all.
        max_connections: How many attempts run at once.

    Raises:
        BadWebhook: An address is no http(s) URL, or a secret is missing, empty or not base64.
    """

    name = "webhook"

    def __init__(
        self,
        *,
        source: str,
        url: str | None = None,
        secrets: Sequence[str] = (),
        receivers: Mapping[str, Receiver] | None = None,
        timeout_s: float = 10.0,
        max_connections: int = 64,
    ) -> None:
        named = dict(receivers or {})
        if url is not None:
            named[SITE] = Receiver(url=url, secrets=tuple(secrets))
        self._receivers = {name: (_checked(one.url), _signers(one.secrets)) for name, one in named.items()}
        self._source = source
        self._timeout_s = timeout_s
        self._client = httpx.AsyncClient(
            # Not from the environment: a proxy set for something else must not stand between an alert and its receiver.
            trust_env=False,
            follow_redirects=False,
            verify=ssl.create_default_context(),
            timeout=httpx.Timeout(timeout_s, connect=min(5.0, timeout_s)),
            limits=httpx.Limits(
                max_connections=max_connections, max_keepalive_connections=max_connections, keepalive_expiry=120.0
            ),
            headers={"user-agent": "anju", "accept": "*/*"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def send(self, message: Outgoing, now: datetime) -> Result:
        """Posts the message once. A 2xx is an acceptance, whatever the response's body says."""
        receiver = self._receivers.get(message.recipient)
        if receiver is None:
            return TryAgain(fault=Fault.UNKNOWN_RECIPIENT)
        url, signers = receiver
        try:
            text = _body(message, self._source)
        except (KeyError, TypeError, ValueError):
            return TryAgain(fault=Fault.OUR_BUG)
        webhook_id = str(message.notification_id)
        headers = {
            "content-type": "application/cloudevents+json; charset=utf-8",
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signer.sign(webhook_id, now, text) for signer in signers),
        }
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._client.stream("POST", url, content=text.encode(), headers=headers) as response,
            ):
                result = read_answer(response.status_code, response.headers)
                await _drain(response)
                return result
        except (TimeoutError, httpx.TimeoutException):
            return TryAgain(fault=Fault.TIMED_OUT)
        except httpx.ConnectError as error:
            return TryAgain(fault=Fault.CERTIFICATE if _is_about_certificates(error) else Fault.UNREACHABLE)
        except httpx.LocalProtocolError:
            return TryAgain(fault=Fault.OUR_BUG)
        except (httpx.RemoteProtocolError, httpx.DecodingError):
            # What the receiver says is not HTTP, or it hung up before it answered.
            return TryAgain(fault=Fault.CONNECTION_LOST)
        except (httpx.HTTPError, OSError):
            return TryAgain(fault=Fault.CONNECTION_LOST)


def read_answer(status: int, headers: httpx.Headers) -> Result:
    """What a status means. Only what can never succeed is given up; a wrong setting may be set right in time."""
    if 200 <= status < 300:
        given = headers.get("x-request-id", "")
        return Accepted(provider_id=given if _PROVIDER_ID.fullmatch(given) else None)
    if status in _GAVE_UP:
        return GiveUp(fault=_GAVE_UP[status])
    fault = _TRY_AGAIN.get(status) or _BY_CLASS.get(status // 100, Fault.NOT_UNDERSTOOD)
    return TryAgain(fault=fault, retry_after_s=_retry_after_s(headers))


def _retry_after_s(headers: httpx.Headers) -> float | None:
    given = headers.get("retry-after", "")
    # The other form, a date, would have to trust the receiver's clock.
    return float(given) if given.isascii() and given.isdigit() and len(given) <= 6 else None


async def _drain(response: httpx.Response) -> None:
    """Reads a short body, so that the connection can be used again; leaves a long, slow or broken one."""
    read_bytes = 0
    with contextlib.suppress(httpx.HTTPError, TimeoutError):
        async with asyncio.timeout(_DRAIN_TIMEOUT_S):
            async for chunk in response.aiter_raw():
                read_bytes += len(chunk)
                if read_bytes > _MAX_RESPONSE_BYTES:
                    return


def _body(message: Outgoing, source: str) -> str:
    """The CloudEvent; `alerts.messages.AlertEvent` is its model, and a test holds the two together."""
    data = message.body["data"]
    if not isinstance(data, dict):
        raise TypeError("data of a stored message is no object")
    event = {
        "specversion": "1.0",
        "id": str(message.notification_id),
        "source": source,
        "type": message.body["type"],
        "time": instant_text(message.created_at),
        "subject": f"alert/{message.alert_id}",
        "datacontenttype": "application/json",
        "data": {"alert_id": message.alert_id, **data},
    }
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _checked(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        raise BadWebhook("the webhook's address is no URL; it looks like https://desk.example.org/anju") from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise BadWebhook("the webhook's address must begin with https:// or http:// and name a host")
    return parsed


def _signers(secrets: Sequence[str]) -> tuple[Webhook, ...]:
    if not secrets:
        raise BadWebhook("the webhook needs a secret to sign with, such as whsec_ and 24 to 64 bytes in base64")
    try:
        return tuple(Webhook(secret) for secret in secrets)
    except (EmptyWebhookSecretError, binascii.Error, ValueError):
        raise BadWebhook("a webhook secret must be whsec_ and 24 to 64 bytes in base64") from None


def _is_about_certificates(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
