"""Which text a message is: its name, its words, and the parameters that templates of providers have. Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from alerts.templates.facts import Facts, TextOptions, place
from alerts.templates.words import Words

#: Which parameters a template of each key has, in this order; see docs/sms.md for texts to register.
TEMPLATES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    dict.fromkeys(
        ("raised", "raised_again", "updated", "escalated", "lapsed", "reopened", "assigned", "follow_up"),
        ("kind", "place", "code", "more"),
    )
    | {
        "ask_resident": ("kind", "code"),
        "ask_contact": ("kind", "place", "code"),
        "acknowledged": ("kind", "place", "code", "who"),
        "on_the_way": ("kind", "place", "code", "who"),
        "on_scene": ("kind", "place", "code", "who"),
        "cleared": ("kind", "place", "code"),
        "closed": ("kind", "place", "code", "outcome"),
        "answer": ("answer",),
    }
)
#: What Chinese providers let a parameter have, in characters.
PARAMETER_CHARS: Final = 20

_HEADS: Final[Mapping[str, Words]] = MappingProxyType(
    {
        "raised": Words("{kind}", "{kind}"),
        "raised_again": Words("再次{kind}", "Again: {kind}"),
        "updated": Words("加重:{kind}", "Worse: {kind}"),
        "escalated": Words("尚无人接警:{kind}", "Nobody took it yet: {kind}"),
        "lapsed": Words("无人跟进:{kind}", "Not followed up: {kind}"),
        "reopened": Words("重新打开:{kind}", "Reopened: {kind}"),
        "assigned": Words("交给您:{kind}", "Handed to you: {kind}"),
        "follow_up": Words("请跟进:{kind}", "Please follow up: {kind}"),
        "ask_resident": Words("{kind},您还好吗?", "{kind}. Are you well?"),
        "ask_contact": Words("请关心:{kind}", "Please ask: {kind}"),
        "acknowledged": Words("{who}已接警:{kind}", "{who} took it: {kind}"),
        "on_the_way": Words("{who}已出发:{kind}", "{who} is on the way: {kind}"),
        "on_scene": Words("{who}已到场:{kind}", "{who} is there: {kind}"),
        "cleared": Words("已恢复:{kind}", "Over: {kind}"),
        "closed": Words("已结束({outcome}):{kind}", "Closed ({outcome}): {kind}"),
    }
)
_SOMEBODY: Final = Words("有人", "Somebody")
_TAKE: Final = (
    Words("回1接警2出发0不能", "Reply 1 I take it, 2 on the way, 0 cannot"),
    Words("回1接警", "Reply 1 I take it"),
)
_GO: Final = (
    Words("回2出发3到场0不能", "Reply 2 on the way, 3 on the scene, 0 cannot"),
    Words("回2出发", "Reply 2 on the way"),
)
_WELL: Final = (Words("平安请回1,要帮助请回0", "Reply 1 if all is well, 0 if you need help"),)
_LOOK: Final = (
    Words("能去看看请回1,不能回0", "Reply 1 if you will look after it, 0 if you cannot"),
    Words("能去回1不能回0", "Reply 1 or 0"),
)
#: What can be answered, whole and shortened; what has none asks nothing.
HINTS: Final[Mapping[str, tuple[Words, ...]]] = MappingProxyType(
    dict.fromkeys(("raised", "raised_again", "updated", "escalated", "lapsed", "reopened"), _TAKE)
    | {"assigned": _GO, "follow_up": _GO, "ask_resident": _WELL, "ask_contact": _LOOK}
)


def template_of(facts: Facts) -> str:
    """Which of `TEMPLATES` it is; what is not known is told as a new alert."""
    if facts.answer and facts.type == "answer":
        return "answer"
    if facts.type == "ask":
        return "ask_resident" if facts.audience == "resident" else "ask_contact"
    if facts.type == "attending":
        return "on_scene" if facts.on_scene else "on_the_way"
    return facts.type if facts.type in _HEADS else "raised"


def parameters(facts: Facts, options: TextOptions) -> Mapping[str, str]:
    """What the template's places hold: never empty, and short enough for the providers."""
    key = template_of(facts)
    if key == "answer":
        return MappingProxyType({"answer": facts.answer})
    known = {
        "kind": facts.kind,
        "place": cut(place(facts, full=False, area=facts.staff), PARAMETER_CHARS, "") or facts.code,
        "code": facts.code,
        "more": str(facts.more),
        "who": cut(_who(facts), PARAMETER_CHARS, ""),
        "outcome": facts.outcome,
    }
    held = {name: known[name] for name in TEMPLATES[key]}
    if options.template_links and facts.token is not None:
        held["token"] = facts.token
    return MappingProxyType(held)


def head(facts: Facts) -> str:
    """What it is, in a few words."""
    key, chinese = template_of(facts), facts.language == "zh"
    if key == "answer":
        return facts.kind
    said = _HEADS[key].in_(facts.language).format(kind=facts.kind, who=_who(facts), outcome=facts.outcome)
    return said + _again(facts, chinese=chinese) if key in {"raised_again", "escalated"} else said


def _again(facts: Facts, *, chinese: bool) -> str:
    if facts.again < 2:
        return ""
    return f"(第{facts.again}次)" if chinese else f" ({facts.again} times)"


def cut(text: str, keep: int, mark: str) -> str:
    """At most `keep` characters of a text, the mark among them where something is missing."""
    return text if len(text) <= keep else text[: max(0, keep - len(mark))].rstrip() + mark


def _who(facts: Facts) -> str:
    return facts.who or _SOMEBODY.in_(facts.language)
