"""One marked test message through exactly one provider, chat or receiver; no database, no caps, no second attempt."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeVar
from uuid import uuid4

from alerts.channels.chat import ChatChannel, ChatOptions, ChatText
from alerts.channels.results import Fault, Outgoing, Result
from alerts.channels.sms_provider import Sms
from alerts.channels.voice_provider import Call
from anju import providers, ways_back, ways_out
from anju.errors import NotPossible, Usage
from config import channels as tables
from config.settings import Settings

Language = Literal["zh", "en"]
_T = TypeVar("_T", bound=tables.Table)

_E164: Final = re.compile(r"\+[1-9]\d{6,14}")
_PRIORITY: Final = 4
_TEXT: Final = {
    "zh": "【测试】安居平台测试消息,无警情,请勿回复。{at} UTC",
    "en": "TEST of Anju: no alert, please do not answer. {at} UTC",
}
_SPOKEN: Final = {
    "zh": "您好,这里是安居平台。这是一次测试,没有警情。请挂机。",
    "en": "This is Anju. This is a test. There is no alert. Please hang up.",
}
# Values that nobody can take for a case, in the places of the template `raised`; no link leads anywhere from `0`.
_PLACES: Final = {
    "zh": {"kind": "测试", "place": "测试非警情", "code": "000", "more": "0", "token": "0"},
    "en": {"kind": "TEST", "place": "no alert", "code": "000", "more": "0", "token": "0"},
}

ADVICE: Final[Mapping[Fault, str]] = {
    Fault.UNREACHABLE: "is the address right, and does a firewall stand between?",
    Fault.CONNECTION_LOST: "it hung up before it had answered: try again, then ask its operator",
    Fault.TIMED_OUT: "it may have taken the message all the same: look at the telephone before you try again",
    Fault.BUSY: "too many requests: try again later",
    Fault.SERVER_FAULT: "a fault on its side: try again, then see its status page",
    Fault.CERTIFICATE: "its certificate is not trusted: is the address right, and are this machine's authorities?",
    Fault.REDIRECTED: "it answers from another address: enter that one; redirects are not followed",
    Fault.REFUSED: "it refuses the request: see its console for the reason, and docs/providers.md for its setup",
    Fault.UNAUTHORIZED: "are key, secret and account right, and may they do this?",
    Fault.NOT_FOUND: "there is nothing at this address: is its path right?",
    Fault.NOT_UNDERSTOOD: "its answer is not of the form that was expected: are url, result_path and id_path right?",
    Fault.GONE: "the receiver says that it is gone for good: take it out of the settings",
    Fault.TOO_LARGE: "the text is too long for it",
    Fault.OUR_BUG: "this is a fault of Anju: please report it",
    Fault.BAD_NUMBER: "is the number right (+8613800000000), and does this provider serve its country?",
    Fault.BLOCKED: "the number is on a black list, or has asked for no more messages",
    Fault.CAP_REACHED: "this number has had as many messages as the provider allows: wait, or have the limit raised",
    Fault.NO_CREDIT: "the account is empty: top it up",
    Fault.TEMPLATE_REFUSED: "is the code of `raised` in its templates, and are template and signature approved?",
    Fault.UNDELIVERED: "the network did not deliver it: is the telephone on?",
    Fault.UNKNOWN_RECIPIENT: "no table of the settings has this name",
}


async def send(
    settings: Settings, channel: str, to: str, *, provider: str | None, language: Language, now: datetime
) -> tuple[str, Result]:
    """Sends it.

    Args:
        settings: With the tables.
        channel: `sms`, `voice`, `chat` or `webhook`.
        to: A number in E.164; of `chat` and `webhook` the name of the chat or receiver.
        provider: The table's name; None: the first of the channel.
        language: Of the message.
        now: Aware.

    Returns:
        The table's name, and what the provider said.

    Raises:
        Usage: The address is none of this channel.
        NotPossible: There is no such table.
        AlertError: The table cannot be used as it is set.
    """
    if channel in ("sms", "voice"):
        if not _E164.fullmatch(to):
            raise Usage("--to is no number in E.164; right would be +8613800000000")
        if channel == "sms":
            return await _sms(settings, to, provider, language, now)
        return await _voice(settings, to, provider, language, now)
    if provider not in (None, to):
        raise Usage(f"of {channel} --to is the name of the table itself; leave --provider out")
    message = _message(to, language, now)
    if channel == "chat":
        return to, await _chat(settings, to, message, language)
    return to, await _webhook(settings, to, message)


async def _sms(
    settings: Settings, to: str, provider: str | None, language: Language, now: datetime
) -> tuple[str, Result]:
    table = _chosen(settings.sms, "sms", provider)
    places = dict(_PLACES[language])
    if not (isinstance(table, tables.AliyunSms | tables.TencentSms) and table.links):
        del places["token"]
    sms = Sms(
        reference=uuid4(),
        to=to,
        text=_TEXT[language].format(at=f"{now.astimezone(UTC):%H:%M}"),
        template="raised",
        parameters=places,
        language=language,
    )
    async with providers.sms_provider(table, settings) as entered:
        return table.name, await entered.send(sms, now)


async def _voice(
    settings: Settings, to: str, provider: str | None, language: Language, now: datetime
) -> tuple[str, Result]:
    table = _chosen(settings.voice, "voice", provider)
    places = {name: value for name, value in _PLACES[language].items() if name != "token"}
    call = Call(
        reference=uuid4(),
        to=to,
        text=_SPOKEN[language],
        template="raised",
        parameters=places,
        language=language,
    )
    async with providers.voice_provider(table, settings) as entered:
        return table.name, await entered.call(call, now)


async def _chat(settings: Settings, to: str, message: Outgoing, language: Language) -> Result:
    table = _chosen(settings.chat, "chat", to)
    text = _TEXT[language].format(at=f"{message.created_at.astimezone(UTC):%H:%M}")
    chat = ChatOptions(name=table.name, url=table.url.get_secret_value())
    async with ChatChannel(
        [chat], lambda _: ChatText(title=_PLACES[language]["kind"], body=text), timeout_s=table.timeout_s
    ) as channel:
        return await channel.send(message, message.created_at)


async def _webhook(settings: Settings, to: str, message: Outgoing) -> Result:
    if to not in (names := ways_back.receivers(settings)):
        raise NotPossible(_none_of(names, "webhook", to))
    channel = ways_out.webhooks(settings)
    async with channel:
        return await channel.send(message, message.created_at)


def _message(to: str, language: Language, now: datetime) -> Outgoing:
    text = _TEXT[language].format(at=f"{now.astimezone(UTC):%H:%M}")
    return Outgoing(
        notification_id=uuid4(),
        alert_id=0,
        priority=_PRIORITY,
        body={"type": "anju.test", "data": {"text": text}},
        created_at=now,
        give_up_at=now + timedelta(minutes=1),
        attempt=1,
        recipient=to,
        language=language,
    )


def _chosen(listed: Sequence[_T], channel: str, name: str | None) -> _T:
    for table in listed:
        if name in (None, table.name):
            return table
    raise NotPossible(_none_of([table.name for table in listed], channel, name))


def _none_of(names: Sequence[str], channel: str, name: str | None) -> str:
    if not names:
        return f"the settings have nothing for {channel}; docs/providers.md has an example of each table"
    return f"the settings have no {channel} of the name {name}; there is {', '.join(names)}"
