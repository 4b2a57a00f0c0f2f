"""What a call speaks: what it is, where, why, and which keys can be pressed. Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from alerts.channels.results import Outgoing
from alerts.channels.voice_provider import Call
from alerts.templates import named
from alerts.templates.facts import Facts, TextOptions, place, read
from alerts.templates.words import Words

_GREETING: Final = Words("您好,这里是安居平台。", "This is Anju. ")
_NEWS: Final = frozenset({"acknowledged", "on_the_way", "on_scene", "cleared", "closed"})
_SAID: Final[Mapping[str, Words]] = MappingProxyType(
    {
        "raised": Words("有新的警情", "There is an alert"),
        "raised_again": Words("同一警情再次呼叫", "The same alert was raised again"),
        "updated": Words("警情加重", "An alert has become worse"),
        "escalated": Words("有警情尚无人接警", "There is an alert that nobody has taken yet"),
        "lapsed": Words("有警情无人跟进", "There is an alert that nobody followed up"),
        "reopened": Words("有警情重新打开", "An alert was opened again"),
        "assigned": Words("有警情交给您处理", "An alert was handed to you"),
        "follow_up": Words("您接的警情请跟进", "Please follow up the alert that you took"),
        "ask_contact": Words("想请您关心一下", "Please ask after somebody"),
        "ask_resident": Words("想问候您一声", "We ask how you are"),
    }
)
_KEYS: Final[Mapping[str, Words]] = MappingProxyType(
    {
        "ask_resident": Words("平安请按1,需要帮助请按0。", "Press 1 if all is well, 0 if you need help."),
        "ask_contact": Words("能去看看请按1,不能请按0。", "Press 1 if you will look after it, 0 if you cannot."),
    }
)
_TAKE: Final = Words(
    "接警请按1,已经出发请按2,不能前往请按0。", "Press 1 to take it, 2 if you are on the way, 0 if you cannot."
)


def write(message: Outgoing, options: TextOptions) -> Call:
    """The call of a message on its way."""
    facts = read(message, options)
    return Call(
        reference=message.notification_id,
        to=message.recipient,
        text=text(facts, full_place=options.full_place),
        template=named.template_of(facts),
        parameters=named.parameters(facts, TextOptions()),
        language=facts.language,
    )


def text(facts: Facts, *, full_place: bool) -> str:
    """The whole of what is spoken; a full stop is a breath."""
    key, language = named.template_of(facts), facts.language
    if key == "answer":
        return facts.answer
    chinese = language == "zh"
    said = _SAID.get(key, _SAID["raised"]).in_(language)
    where = "" if key == "ask_resident" else place(facts, full=full_place and facts.staff, area=facts.staff)
    more = ""
    if facts.more:
        more = f"另有{facts.more}起" if chinese else f"there are {facts.more} more"
    parts = [f"{said}:{facts.kind}" if chinese else f"{said}: {facts.kind}", where, more]
    if facts.staff:
        parts.insert(2, facts.reason)
    joined = ("。" if chinese else ". ").join(part for part in parts if part)
    keys = "" if key in _NEWS else _KEYS.get(key, _TAKE).in_(language)
    return f"{_GREETING.in_(language)}{joined}{'。' if chinese else '. '}{keys}".strip()
