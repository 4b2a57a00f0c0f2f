"""What planning is given and what comes of it: an alert that is due, those around it, what is to be written. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import JsonValue

from alerts.escalation.policy import Ladder
from alerts.life.case import Case
from alerts.messages import MessageType
from registry.people import Contact, Person

Audience = Literal["staff", "contact", "resident"]


class Phase(StrEnum):
    """TELLING: nobody has taken it. AWAITING: somebody has, and is reminded."""

    TELLING = "telling"
    AWAITING = "awaiting"


class Action(StrEnum):
    """What an entry of the history says was done."""

    TOLD = "told"
    REMINDED = "reminded"
    NOBODY = "nobody_to_tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Where the telling of an alert stands.

    Attributes:
        phase: Whether somebody has it.
        due_at: When it is to be seen to.
        run: Counts the beginnings from step one.
        started_at: When this one began.
        round: Counts the times that the ladder was climbed, from 0.
        step: The code of the next slot, see `alerts.escalation.timetable`.
        reminders: Counts those since somebody took it.
    """

    phase: Phase
    due_at: datetime
    run: int
    started_at: datetime
    round: int = 0
    step: int = 0
    reminders: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The last message of a step to a person in an alert: of which run, and from when on it may leave."""

    run: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A message in an alert that has not left and that no dispatcher holds.

    Attributes:
        call: Whether it calls people to the alert, and is not news of its end.
        attempts: How often it was tried; 0: nobody can have seen it.
    """

    notification_id: UUID
    channel: str
    recipient: str
    call: bool
    attempts: int
    next_attempt_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a person has been sent of late, urgent messages left out.

    Attributes:
        last_at: When the last one could leave.
        held_until: When those leave that are held back for a common message.
        waiting: How many wait.
    """

    last_at: datetime | None = None
    held_until: datetime | None = None
    waiting: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """An alert that is due, and what was told in it.

    Attributes:
        alert_id: Its number.
        case: As it stands.
        row: Where the telling stands.
        facts: What messages tell of it (JSON of AlertFacts).
        holders: The keys of whoever has it, the first choice first; may name accounts that are no people.
        declined: The keys of those whose last word in it is that they cannot come.
        why: What the duty desk was told when this run began.
        told: By person, the last message of a step.
        waiting: What has not left.
        heard: Channels and addresses that have had, as news, what this run begins with.
        nobody_entered: Whether the history says of this run that there is nobody to tell.
    """

    alert_id: int
    case: Case
    row: Row
    facts: Mapping[str, JsonValue]
    holders: Sequence[str] = ()
    declined: frozenset[str] = frozenset()
    why: MessageType = MessageType.RAISED
    told: Mapping[int, Told] = field(default_factory=dict)
    waiting: Sequence[Waiting] = ()
    heard: frozenset[tuple[str, str]] = frozenset()
    nobody_entered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Circle:
    """Those around an alert.

    Attributes:
        ladder: The one that counts.
        ladder_by: Who says so: an area's path, `site`, `Anju`.
        areas: The area, the one above it and so on to the top; the site is above all.
        on_duty: By area (None: the site) and role: the keys of those on duty now. A roster with nobody on duty is
            empty; where there is no roster there is no key.
        people: By key, those who may be told.
        contacts: Of the home, in calling order.
        channels: The ways out that this installation has.
        zone: Of the home, else of its area.
        staffed: Whether this installation has any roster. One without has a duty desk that hears all by webhook.
        paths: Of `areas`, by id.
        cannot: The keys of those who are not told as long as anybody else is left.
    """

    ladder: Ladder
    ladder_by: str
    areas: Sequence[int]
    on_duty: Mapping[tuple[int | None, str], Sequence[str]]
    people: Mapping[str, Person]
    contacts: Sequence[Contact]
    channels: frozenset[str]
    zone: ZoneInfo
    staffed: bool
    paths: Mapping[int, str] = field(default_factory=dict)
    cannot: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message to be written.

    Attributes:
        person: None: the duty desk's webhook.
        replaces: A waiting message of the same kind to the same address, which becomes this one.
        withdraws: Waiting messages to the same address that this one makes needless.
        instead_of: Whom it should have gone to, where that failed.
    """

    channel: str
    recipient: str
    person: Person | None
    type: MessageType
    audience: Audience
    priority: int
    not_before: datetime
    give_up_at: datetime
    step: int
    instead_of: str | None = None
    replaces: UUID | None = None
    withdraws: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of the history."""

    action: Action
    detail: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What is to be written of an alert that was due.

    Attributes:
        row: Where the telling stands afterwards. With `lapses` it is not written: the lapse begins a new run.
        run: And `round`: of the messages.
        lapses: Nobody followed up: whoever had it has it no more.
        nobody: There is nobody who could be told.
    """

    row: Row
    run: int
    round: int
    messages: tuple[Message, ...] = ()
    entry: Entry | None = None
    lapses: bool = False
    nobody: bool = False


DESK: Final = "default"
"""The duty desk's receiver of the site's webhook."""
