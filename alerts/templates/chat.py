"""What is written into a chat: there is room for the whole path, the whole reason and the link. Pure."""

from typing import Final

from alerts.channels.chat import ChatText
from alerts.channels.results import Outgoing
from alerts.templates import named
from alerts.templates.facts import Facts, TextOptions, place, read
from alerts.templates.words import Words

_REPLY: Final = Words("编号{code}", "Code {code}")
_MORE: Final = Words("另有{more}起警情", "{more} more alerts are waiting")


def write(message: Outgoing, options: TextOptions) -> ChatText:
    """The chat message of a message on its way."""
    facts = read(message, options)
    return ChatText(title=named.head(facts), body=body(facts, full_place=options.full_place))


def body(facts: Facts, *, full_place: bool) -> str:
    """The lines below the title."""
    if facts.answer and facts.type == "answer":
        return facts.answer
    lines = [
        place(facts, full=full_place and facts.staff, area=facts.staff),
        facts.reason if facts.staff else "",
        _MORE.in_(facts.language).format(more=facts.more) if facts.more else "",
        _REPLY.in_(facts.language).format(code=facts.code),
        facts.link or "",
    ]
    return "\n".join(line for line in lines if line)
