"""The ways out of the house, as the settings describe them: channels, and a listener for what comes back."""

from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Final

from pydantic import SecretStr

from alerts.channels.chat import ChatChannel, ChatOptions
from alerts.channels.probe import ProbeChannel
from alerts.channels.results import Channel
from alerts.channels.sms import Route, SmsChannel
from alerts.channels.voice import Caller, VoiceChannel
from alerts.channels.webhook import SITE, Receiver, WebhookChannel
from alerts.templates import chat as chat_text
from alerts.templates import sms as sms_text
from alerts.templates import voice as voice_text
from alerts.templates.facts import TextOptions
from alerts.web.options import WebOptions
from anju import providers
from config import channels as tables
from config.settings import Settings

#: How many messages a channel may have on their way: the dispatcher's urgent and other slots together.
_CONNECTIONS: Final = 64

Enterable = AbstractAsyncContextManager[Channel]


def channels(settings: Settings) -> list[Enterable]:
    """Every channel that the settings describe, to be entered; the probe's own among them.

    Raises:
        AlertError: A table of the settings cannot be used.
    """
    texts = TextOptions(
        public_url=_plain(settings.public_url),
        link_secret=_plain(settings.link_secret),
        full_place=settings.sms_full_place,
        template_links=any(
            table.links for table in settings.sms if isinstance(table, tables.AliyunSms | tables.TencentSms)
        ),
    )
    found: list[Enterable] = [ProbeChannel()]
    if settings.webhook_url is not None or settings.webhook:
        found.append(webhooks(settings))
    if settings.sms:
        routes = [
            Route(provider=providers.sms_provider(table, settings), caps=providers.caps_of(table))
            for table in settings.sms
        ]
        found.append(SmsChannel(routes, partial(sms_text.write, options=texts)))
    if settings.voice:
        callers = [
            Caller(provider=providers.voice_provider(table, settings), caps=providers.caps_of(table))
            for table in settings.voice
        ]
        found.append(VoiceChannel(callers, partial(voice_text.write, options=texts)))
    if settings.chat:
        chats = [ChatOptions(name=table.name, url=table.url.get_secret_value()) for table in settings.chat]
        timeout_s = max(table.timeout_s for table in settings.chat)
        found.append(ChatChannel(chats, partial(chat_text.write, options=texts), timeout_s=timeout_s))
    return found


def listener(settings: Settings, database_url: str) -> WebOptions | None:
    """What the listener must know; None where there is none."""
    if settings.alerts_http_port == 0 or settings.public_url is None or settings.link_secret is None:
        return None
    carriers = (*settings.sms, *settings.voice)
    return WebOptions(
        database_url=database_url,
        public_url=settings.public_url.get_secret_value(),
        link_secret=settings.link_secret.get_secret_value(),
        proxies=frozenset(settings.alerts_http_proxies),
        twilio={
            table.name: table.auth_token.get_secret_value()
            for table in carriers
            if isinstance(table, tables.TwilioSms | tables.TwilioVoice)
        },
        unsigned={
            kind: frozenset(table.name for table in carriers if table.provider == kind)
            for kind in ("aliyun", "tencent", "kannel")
        },
        webhooks={
            name: tuple(secret.get_secret_value() for secret in secrets)
            for name, secrets in (
                (SITE, settings.webhook_secrets),
                *((one.name, one.secrets) for one in settings.webhook),
            )
            if secrets
        },
    )


def webhooks(settings: Settings) -> WebhookChannel:
    """The site's own receiver, where there is one, and those of the tables.

    Raises:
        BadWebhook: An address or a secret cannot be used.
    """
    return WebhookChannel(
        source="anju",
        url=_plain(settings.webhook_url),
        secrets=[secret.get_secret_value() for secret in settings.webhook_secrets],
        receivers={
            table.name: Receiver(
                url=table.url.get_secret_value(),
                secrets=tuple(secret.get_secret_value() for secret in table.secrets),
            )
            for table in settings.webhook
        },
        max_connections=_CONNECTIONS,
    )


def _plain(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
