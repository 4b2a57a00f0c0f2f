"""A short message: what it is, where, what can be answered, and the link, in one segment where that can be. Pure.

What does not fit goes in this order: the reason, clause by clause; how often it was raised; all of the area but its
last part; that too; whom the reader stands in for; the hint shrinks to its first answer, then goes where there is a
link; so does the code; what is said of the kind; the home's name is cut. What it is about, how many more there are, and
the link always stay; of a question to the resident or the family the hint stays and the link goes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from alerts.channels.results import Outgoing
from alerts.channels.sms_provider import Sms
from alerts.templates import segments
from alerts.templates.facts import Facts, TextOptions, place, read
from alerts.templates.named import HINTS, cut, head, parameters, template_of

_NAME_PLACES: Final = 6
_LEAST_REASON: Final = 8


def write(message: Outgoing, options: TextOptions) -> Sms:
    """The short message of a message on its way."""
    facts = read(message, options)
    key = template_of(facts)
    return Sms(
        reference=message.notification_id,
        to=message.recipient,
        text=text(facts, options),
        template=key,
        parameters=parameters(facts, options),
        language=facts.language,
    )


def text(facts: Facts, options: TextOptions) -> str:
    """The whole text."""
    if template_of(facts) == "answer":
        return facts.answer
    parts = _parts(facts, options)
    for shorten in _STEPS:
        if _fits(parts, options):
            break
        parts = shorten(parts)
    if not _fits(parts, options):
        parts = _with_cut_home(parts, options)
    return _with_reason(parts, options).text


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """A text and what may still be left out of it."""

    facts: Facts
    head: str
    full: bool
    area: bool
    home: str
    stands_in: str
    hints: tuple[str, ...]
    code: str
    more: str
    link: str
    reason: str = ""

    @property
    def text(self) -> str:
        chinese = self.facts.language == "zh"
        where = ""
        if template_of(self.facts) != "ask_resident":
            where = place(replace(self.facts, home=self.home), full=self.full, area=self.area)
        head = f"{self.head}{self.code}{self.stands_in}"
        hint = self.hints[0] if self.hints else ""
        if chinese:
            said = "。".join(part for part in (f"{head} {where}".strip(), self.reason, self.more) if part)
            return " ".join(part for part in (f"{said}。{hint}" if hint else said, self.link) if part)
        said = ". ".join(part for part in (head, where, self.reason, self.more, hint) if part)
        return f"{said}. {self.link}" if self.link else f"{said}."


def _parts(facts: Facts, options: TextOptions) -> _Parts:
    key, language = template_of(facts), facts.language
    chinese = language == "zh"
    asks = key in HINTS
    more = ""
    if facts.more:
        more = f"另有{facts.more}起" if chinese else f"And {facts.more} more"
    stands_in = ""
    if facts.instead_of and asks:
        stands_in = f"(代{facts.instead_of})" if chinese else f" (in place of {facts.instead_of})"
    return _Parts(
        facts=facts,
        head=head(facts),
        full=options.full_place and facts.staff,
        area=facts.staff,
        home=facts.home,
        stands_in=stands_in,
        hints=tuple(hint.in_(language) for hint in HINTS.get(key, ())),
        code=f"#{facts.code}" if chinese else f" #{facts.code}",
        more=more,
        link=facts.link if facts.link and asks and key != "ask_resident" else "",
    )


def _without_path(parts: _Parts) -> _Parts:
    return replace(parts, full=False)


def _without_area(parts: _Parts) -> _Parts:
    return replace(parts, area=False)


def _without_stand_in(parts: _Parts) -> _Parts:
    return replace(parts, stands_in="")


def _without_count(parts: _Parts) -> _Parts:
    return replace(parts, head=head(replace(parts.facts, again=1)))


def _with_short_hint(parts: _Parts) -> _Parts:
    return replace(parts, hints=parts.hints[-1:])


def _without_hint(parts: _Parts) -> _Parts:
    if template_of(parts.facts) == "ask_contact":
        return replace(parts, link="")
    return replace(parts, hints=()) if parts.link else parts


def _without_code(parts: _Parts) -> _Parts:
    return replace(parts, code="") if parts.link else parts


def _with_kind_alone(parts: _Parts) -> _Parts:
    return replace(parts, head=parts.facts.kind) if template_of(parts.facts) in HINTS else parts


_STEPS: Final[tuple[Callable[[_Parts], _Parts], ...]] = (
    _without_count,
    _without_path,
    _without_area,
    _without_stand_in,
    _with_short_hint,
    _without_hint,
    _without_code,
    _with_kind_alone,
)


def _with_cut_home(parts: _Parts, options: TextOptions) -> _Parts:
    for keep in range(len(parts.home) - 1, _NAME_PLACES - 1, -1):
        shorter = replace(parts, home=cut(parts.home, keep, _mark(parts)))
        if _fits(shorter, options):
            return shorter
    return parts


def _with_reason(parts: _Parts, options: TextOptions) -> _Parts:
    """With as many clauses of the reason as there is room for, or the beginning of the first; no shreds."""
    if not parts.facts.staff or template_of(parts.facts) not in HINTS:
        return parts
    joint = "；" if parts.facts.language == "zh" else "; "
    clauses = parts.facts.reason.split(joint) if parts.facts.reason else []
    for count in range(len(clauses), 0, -1):
        longer = replace(parts, reason=_as_sentence(joint.join(clauses[:count])))
        if _fits(longer, options):
            return longer
    for keep in range(len(clauses[0]) - 1 if clauses else 0, _LEAST_REASON - 1, -1):
        longer = replace(parts, reason=_as_sentence(cut(clauses[0], keep, _mark(parts))))
        if _fits(longer, options):
            return longer
    return parts


def _as_sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _fits(parts: _Parts, options: TextOptions) -> bool:
    return segments.length(parts.text, reserved=options.reserved_places).segments == 1


def _mark(parts: _Parts) -> str:
    return "…" if parts.facts.language == "zh" else ".."
