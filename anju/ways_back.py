"""What comes back of what is told: which receipts and answers, and the addresses that providers must know for it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import quote

from alerts import links
from alerts.caps import Caps
from anju import providers
from config import channels as tables
from config.settings import Settings

#: The name of the receiver that `webhook_url` is.
SITE: Final = "default"
# What Kannel puts in their places is raw, so that they must not be escaped.
_KANNEL_PLACES: Final = "&from=%p&to=%P&text=%b&coding=%c&id=%I"


class Back(StrEnum):
    """Whether something comes back."""

    BY_ITSELF = "by itself"
    ONCE_ENTERED = "once entered"
    BY_LINK = "by link"
    NO = "no"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One provider, chat or receiver of the settings.

    Attributes:
        channel: Of which it is part.
        position: In which place it is asked, from 1; chats and receivers are named by addresses, in no order.
        name: By which histories and addresses know it.
        provider: Its kind.
        caps: How many messages it lets one number have (`50/24h`).
        caps_from: `table`, `known` of its kind, or `none`.
        kept_back_share: Which part of the caps over a day is for calls for help alone.
        receipts: Whether receipts come; `once entered`: when its addresses of `anju channel callbacks` are entered.
        answers: Whether people can answer the message itself; a link in it may be there besides.
    """

    channel: str
    position: int
    name: str
    provider: str
    caps: tuple[str, ...] = ()
    caps_from: str = "none"
    kept_back_share: float | None = None
    receipts: Back
    answers: Back


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """An address at which a provider must call us.

    Attributes:
        provider: The name of its table.
        kind: Its kind.
        brings: What comes by it: `receipts`, `answers`, `receipts and keys`.
        method: How it is called.
        address: Where; with its key a password.
        keyed: Whether it has a key. Without one the calls are signed.
        enter_at: Where the provider wants to be told of it.
    """

    provider: str
    kind: str
    brings: str
    method: str
    address: str = field(repr=False)
    keyed: bool
    enter_at: str


def ways(settings: Settings) -> list[Way]:
    """Every provider, chat and receiver, in the order of the settings."""
    heard = hears(settings)
    found = [
        Way(
            channel="webhook",
            position=position,
            name=name,
            provider="webhook",
            receipts=Back.NO,
            answers=Back.BY_ITSELF if heard else Back.NO,
        )
        for position, name in enumerate(receivers(settings), 1)
    ]
    for channel, listed in (("sms", settings.sms), ("voice", settings.voice)):
        for position, table in enumerate(listed, 1):
            receipts, answers = _back(table) if heard else (Back.NO, Back.NO)
            found.append(
                Way(
                    channel=channel,
                    position=position,
                    name=table.name,
                    provider=table.provider,
                    caps=shown(caps := providers.caps_of(table)),
                    caps_from="none" if not caps.limits else "known" if table.caps is None else "table",
                    kept_back_share=caps.kept_back_share,
                    receipts=receipts,
                    answers=answers,
                )
            )
    found += [
        Way(
            channel="chat",
            position=position,
            name=chat.name,
            provider="apprise",
            receipts=Back.NO,
            answers=Back.BY_LINK if heard else Back.NO,
        )
        for position, chat in enumerate(settings.chat, 1)
    ]
    return found


def receivers(settings: Settings) -> list[str]:
    """The names of all webhook receivers."""
    return [*([] if settings.webhook_url is None else [SITE]), *(table.name for table in settings.webhook)]


def served(settings: Settings) -> dict[str, frozenset[str] | None]:
    """Which channels are there for people, and which addresses each knows; None: any number."""
    found: dict[str, frozenset[str] | None] = {}
    if settings.sms:
        found["sms"] = None
    if settings.voice:
        found["voice"] = None
    if settings.chat:
        found["chat"] = frozenset(chat.name for chat in settings.chat)
    if names := receivers(settings):
        found["webhook"] = frozenset(names)
    return found


def hears(settings: Settings) -> bool:
    """Whether anything listens for what comes back."""
    return bool(settings.alerts_http_port) and settings.public_url is not None and settings.link_secret is not None


def shown(caps: Caps) -> tuple[str, ...]:
    """Caps as the settings have them: `50/24h`."""
    return tuple(f"{limit.most}/{_window(int(limit.window.total_seconds()))}" for limit in caps.limits)


def callbacks(settings: Settings) -> list[Callback]:
    """Every address that somebody must enter at a provider; those that each message names by itself are not among them.

    Without `public_url` and `link_secret` there are none.
    """
    if settings.public_url is None or settings.link_secret is None:
        return []
    base, secret = settings.public_url.get_secret_value().rstrip("/"), settings.link_secret.get_secret_value()
    found = []
    for table in (*settings.sms, *settings.voice):
        for path, brings, method, enter_at in _entered(table):
            keyed = table.provider in _KEYED
            address = f"{base}/{table.provider}/{path}?provider={quote(table.name)}"
            if keyed:
                address += f"&key={links.callback_key(secret, table.provider)}"
            if table.provider == "kannel":
                address += _KANNEL_PLACES
            found.append(
                Callback(
                    provider=table.name,
                    kind=table.provider,
                    brings=brings,
                    method=method,
                    address=address,
                    keyed=keyed,
                    enter_at=enter_at,
                )
            )
    if names := receivers(settings):
        found.append(
            Callback(
                provider=", ".join(names),
                kind="webhook",
                brings="actions of the desk",
                method="POST",
                address=f"{base}/webhook/callback",
                keyed=False,
                enter_at="in the receiver, docs/replies.md",
            )
        )
    return found


_KEYED: Final = frozenset({"aliyun", "tencent", "kannel"})
_SMS_CALLBACKS: Final[Mapping[str, tuple[tuple[str, str, str, str], ...]]] = {
    "twilio": (("reply", "answers", "POST", "of the number or the messaging service: A message comes in"),),
    "aliyun": (
        ("report", "receipts", "POST", "通用设置 › 回执消息 (SmsReport), HTTP批量推送模式"),
        ("reply", "answers", "POST", "通用设置 › 上行消息 (SmsUp), HTTP批量推送模式"),
    ),
    "tencent": (
        ("report", "receipts", "POST", "应用配置 › 短信下发状态回调"),
        ("reply", "answers", "POST", "应用配置 › 短信回复回调"),
    ),
    "kannel": (("reply", "answers", "GET", "kannel.conf, group = sms-service, get-url"),),
}


def _entered(table: tables.SmsTable | tables.VoiceTable) -> Iterator[tuple[str, str, str, str]]:
    match table:
        case tables.AliyunVoice():
            brings = "receipts and keys" if _hears_keys(table) else "receipts"
            yield "voice", brings, "POST", "语音服务 › 回执消息 (VoiceReport, VoiceCallReport), HTTP批量推送模式"
        case tables.TwilioVoice():
            return
        case _:
            yield from _SMS_CALLBACKS.get(table.provider, ())


def _back(table: tables.SmsTable | tables.VoiceTable) -> tuple[Back, Back]:
    match table:
        case tables.TwilioSms() | tables.KannelSms():
            return Back.BY_ITSELF, Back.ONCE_ENTERED
        case tables.AliyunSms() | tables.TencentSms():
            return Back.ONCE_ENTERED, Back.ONCE_ENTERED
        case tables.GenericSms():
            return Back.NO, Back.BY_LINK
        case tables.TwilioVoice():
            return Back.BY_ITSELF, Back.BY_ITSELF
        case tables.AliyunVoice():
            return Back.ONCE_ENTERED, Back.ONCE_ENTERED if _hears_keys(table) else Back.NO


def _hears_keys(table: tables.AliyunVoice) -> bool:
    return table.show_number is not None and table.thanks_template is not None


def _window(seconds: int) -> str:
    for size_s, unit in ((3_600, "h"), (60, "m")):
        if seconds % size_s == 0:
            return f"{seconds // size_s}{unit}"
    return f"{seconds}s"
