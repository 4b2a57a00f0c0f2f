"""What stands on the page of a link."""

from collections.abc import Sequence
from dataclasses import dataclass

from alerts.life.commands import Closing
from alerts.replies.deeds import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who looks: `relation` to the home is None for staff."""

    person_id: int
    key: str
    language: str
    relation: str | None
    time_zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """An instant by the home's clock; `ago` is how long it has been."""

    iso: str
    local: str
    ago: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """What can be pressed; `look` is `first` for what is most likely wanted, `no` for the way out."""

    does: str
    label: str
    hint: str
    look: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One way a case may have ended."""

    key: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the history."""

    at: Moment
    action: str
    actor: str
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedLine:
    """Another alert of the home; its own link for staff."""

    kind: str
    state: str
    since: Moment
    token: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """All there is on it."""

    kind: str
    severity: str
    severity_class: str
    state: str
    is_over: bool
    home: str
    area: str
    since: Moment
    reason: str
    times_raised: int
    who: str
    attending: str
    ended: Moment | None
    outcome: str
    buttons: Sequence[Button]
    outcomes: Sequence[Choice]
    may_reopen: bool
    related: Sequence[RelatedLine]
    entries: Sequence[Line]
    notice: str
    notice_is_bad: bool
    offers: Sequence[str]
    once: str
    time_zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressed:
    """What a button has just done."""

    does: str
    result: Result
    closing: Closing | None = None
