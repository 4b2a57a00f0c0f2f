"""Webhook: a signed POST (Standard Webhooks) whose body is a CloudEvent 1.0 in structured JSON; see docs/webhook.md.

Redirects are not followed: a signed message goes where the settings say or nowhere.
"""

import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Final, Self

from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook
from yarl import URL

from alerts.channels.http import Answer, HttpClient, checked_url
from alerts.channels.results import Accepted, Fault, GiveUp, Outgoing, Result, TryAgain
from alerts.errors import BadProvider, BadWebhook
from alerts.messages import instant_text

#: The site's own receiver, told of every alert.
SITE: Final = "default"
#: A body is read only so that its connection can be used again.
_BODY_TIMEOUT_S: Final = 1.0
_PROVIDER_ID: Final = re.compile(r"[\x21-\x7e]{1,200}")


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
        self._client = HttpClient(timeout_s=timeout_s, body_timeout_s=_BODY_TIMEOUT_S, max_connections=max_connections)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, trace)

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
        answer = await self._client.ask("POST", url, content=text.encode(), headers=headers)
        return TryAgain(fault=answer) if isinstance(answer, Fault) else read_answer(answer)


def read_answer(answer: Answer) -> Result:
    """What an answer means. Only what can never succeed is given up; a wrong setting may be set right in time."""
    if answer.ok:
        given = answer.request_id
        return Accepted(provider_id=given if _PROVIDER_ID.fullmatch(given) else None)
    if answer.fault.is_final:
        return GiveUp(fault=answer.fault)
    return TryAgain(fault=answer.fault, retry_after_s=answer.retry_after_s)


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


def _checked(url: str) -> URL:
    try:
        return checked_url(url, "the webhook's address")
    except BadProvider as error:
        raise BadWebhook(str(error)) from None


def _signers(secrets: Sequence[str]) -> tuple[Webhook, ...]:
    if not secrets:
        raise BadWebhook("the webhook needs a secret to sign with, such as whsec_ and 24 to 64 bytes in base64")
    try:
        return tuple(Webhook(secret) for secret in secrets)
    except (EmptyWebhookSecretError, binascii.Error, ValueError):
        raise BadWebhook("a webhook secret must be whsec_ and 24 to 64 bytes in base64") from None
