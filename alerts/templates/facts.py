"""What a message on its way says, read with leniency: for want of a field no call for help stays unsaid. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from alerts import links
from alerts.channels.results import Outgoing
from alerts.errors import UnknownMessage
from alerts.templates import words
from alerts.templates.words import Language
from alerts.wording import sentence

_PREFIX: Final = "anju.alert."
# Line breaks and other control characters have no place in a line of text.
_BLANKS: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_CJK: Final = re.compile(r"[\u3000-\u9fff\uff00-\uffef]")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextOptions:
    """How a site's texts are made.

    Attributes:
        public_url: Where links lead; None: texts have no links.
        link_secret: What links are signed with; None: texts have no links.
        full_place: Whether an SMS may hold the whole path of the area.
        reserved_places: How many places of an SMS the provider's signature takes (【安居】: 4).
        template_links: Whether templates (Aliyun, Tencent) get the link's token as their last parameter.
    """

    public_url: str | None = None
    link_secret: str | None = field(default=None, repr=False)
    full_place: bool = False
    reserved_places: int = 0
    template_links: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the texts are made of; words are of the language asked for.

    Attributes:
        type: `raised`, `acknowledged`, …
        audience: `staff`, `contact` or `resident`.
        language: Of the reader.
        kind: What the alert is about.
        home: The home's name, or what else the alert is about; may be empty.
        areas: The area's path, from the city down.
        code: What a reply names the alert by.
        again: How often it was raised.
        reason: The first sentence of the reason; empty where it is not for a telephone's screen.
        who: The key of whoever has it; may be empty.
        on_scene: Whether they are there already.
        outcome: How it ended.
        instead_of: Whom the reader stands in for; may be empty.
        more: How many further alerts the message speaks of.
        answer: What is said to a reply; empty in all other messages.
        token: Of the link; None: no link.
        link: Where the alert can be seen and answered; None: nowhere.
    """

    type: str
    audience: str
    language: Language
    kind: str
    home: str
    areas: tuple[str, ...]
    code: str
    again: int
    reason: str
    who: str
    on_scene: bool
    outcome: str
    instead_of: str
    more: int
    answer: str
    token: str | None
    link: str | None

    @property
    def staff(self) -> bool:
        """Whether somebody of the service reads it."""
        return self.audience == "staff"


def read(message: Outgoing, options: TextOptions) -> Facts:
    """What the message says. Whatever is missing stays empty."""
    body = message.body
    given = body.get("data")
    data: Mapping[str, JsonValue] = given if isinstance(given, dict) else {}
    language: Language = "en" if message.language == "en" else "zh"
    area = _text(data, "area")
    instead_of = _text(body, "instead_of")
    times = data.get("times_raised")
    token = _token(message, options)
    return Facts(
        type=_text(body, "type").removeprefix(_PREFIX) or "raised",
        audience=_text(body, "audience") or "staff",
        language=language,
        kind=words.kind(_text(data, "kind"), language),
        home=_text(data, "home") or _text(data, "device"),
        areas=tuple(part for part in area.split("/") if part),
        code=f"{message.alert_id % 1000:03d}",
        again=times if isinstance(times, int) else 1,
        reason=_reason(data.get("reason"), language),
        who=_text(data, "assigned_to") or _text(data, "acknowledged_by"),
        on_scene=_text(data, "attending") == "on_scene",
        outcome=words.outcome(_text(data, "outcome"), language),
        instead_of=words.role(instead_of, language) if instead_of else "",
        more=message.bundled,
        answer=_text(body, "text"),
        token=token,
        link=links.address(options.public_url, token) if token and options.public_url else None,
    )


def place(facts: Facts, *, full: bool, area: bool = True) -> str:
    """Where it is: the home's name, for the service's own people behind the community's.

    Args:
        facts: What the message says.
        full: With the whole path of the area.
        area: With an area at all, where there is a home.
    """
    known = facts.areas if full else facts.areas[-1:]
    if not area and facts.home:
        known = ()
    parts = [*known, *([facts.home] if facts.home else [])]
    if facts.language == "zh":
        # Latin letters side by side would read as one word.
        joined = ""
        for part in parts:
            blank = joined and not _CJK.match(joined[-1]) and not _CJK.match(part[0])
            joined += f" {part}" if blank else part
        return joined
    return ", ".join(parts)


def _token(message: Outgoing, options: TextOptions) -> str | None:
    if options.link_secret is None or options.public_url is None or message.person_id is None:
        return None
    # From the message's own time, so that each attempt says the same.
    expires_at = message.created_at + links.LIFETIME
    return links.make(options.link_secret, message.alert_id, message.person_id, expires_at)


def _text(values: Mapping[str, JsonValue], key: str) -> str:
    value = values.get(key)
    return _BLANKS.sub(" ", value).strip() if isinstance(value, str) else ""


def _reason(reason: JsonValue, language: Language) -> str:
    if not isinstance(reason, dict):
        return ""
    named, values = _text(reason, "id"), reason.get("values")
    if not isinstance(values, dict) or named.startswith("marked_absent"):
        return ""  # why somebody is away may be an illness
    try:
        said = sentence(named, {key: value for key, value in values.items() if key != "also"}, language)
    except UnknownMessage:
        texts = reason.get("text")
        whole = _text(texts, language) if isinstance(texts, dict) else ""
        said = re.split("；|; ", whole)[0]
    return _BLANKS.sub(" ", said).strip()
