"""Whom a step's words come to: people who can be told now, by which ways; who stands in where nobody can. Pure.

Nobody on duty, nobody with an address that works, or nobody who can come: the roster of the area above, and so on to
the site, then the next role. At the very end, of an alert for which somebody must go, everybody around the home; and
before nobody is told, those who cannot come.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from pydantic import JsonValue

from alerts.escalation.model import DESK, Audience, Circle
from alerts.escalation.policy import CHANNELS, PERSON, ROLES, Tell
from alerts.model import Severity
from registry.people import Contact, Person, Relation

_CONTACTS: Final = "contacts"


class Way(NamedTuple):
    """A channel, and an address on it."""

    channel: str
    address: str


class Someone(NamedTuple):
    """Somebody who is told, and how; `person` is None for the duty desk."""

    person: Person | None
    ways: tuple[Way, ...]
    audience: Audience


@dataclass(frozen=True, slots=True, kw_only=True)
class Fell:
    """Somebody else is told than was meant.

    Attributes:
        wanted: Who was meant.
        told: Who is: a role or `contacts`.
        at: The path of the area whose roster says so, `site`, or `home`.
        because: `no_roster`, `nobody_on_duty`, `no_address`, `declined`.
    """

    wanted: str
    told: str
    at: str
    because: str

    def detail(self) -> dict[str, JsonValue]:
        """As the history keeps it."""
        return {"wanted": self.wanted, "told": self.told, "at": self.at, "because": self.because}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """Who can be told; nobody where `people` is empty."""

    people: tuple[Someone, ...] = ()
    fell: Fell | None = None

    @property
    def stands_in(self) -> bool:
        """Whether another role is told than was meant."""
        return self.fell is not None and self.fell.told != self.fell.wanted


def reach(tell: Tell, circle: Circle, severity: Severity, *, turn: int, place: int) -> Reached:
    """Who is told.

    Args:
        tell: Who is meant.
        circle: Those around the alert.
        severity: Of the alert.
        turn: The number of the round: it picks among several addresses, and among several of a family.
        place: Of contacts: whose turn it is.
    """
    match tell.who:
        case "contacts":
            around = [contact for contact in circle.contacts if contact.relation is not Relation.RESIDENT]
            return Reached(people=_of_contacts(around[place : place + 1], tell, circle, turn))
        case "resident":
            return Reached(people=_of_contacts(_related(circle, Relation.RESIDENT), tell, circle, turn))
        case "family":
            able = _of_contacts(_related(circle, Relation.FAMILY), tell, circle, turn)
            return Reached(people=able[turn % len(able) :][:1] if able else ())
        case _:
            reached = _staff(tell, circle, severity, turn)
            if reached.people or not circle.cannot:
                return reached
            return _staff(tell, _asking_all(circle), severity, turn)


def contacts_in_turn(circle: Circle) -> int:
    """How many contacts are told one after the other."""
    return sum(contact.relation is not Relation.RESIDENT for contact in circle.contacts)


def by_key(key: str, circle: Circle, *, turn: int) -> Someone | None:
    """Somebody by key, on whatever channel they have; None where there is none, or no way to them."""
    person = circle.people.get(key)
    return None if person is None else _someone(person, Tell(who=PERSON + key), circle, "staff", turn)


def _asking_all(circle: Circle) -> Circle:
    return replace(circle, cannot=frozenset())


def _staff(tell: Tell, circle: Circle, severity: Severity, turn: int) -> Reached:
    because = "no_roster"
    wanted = tell.who
    if wanted.startswith(PERSON):
        someone = by_key(wanted.removeprefix(PERSON), circle, turn=turn)
        if someone is not None:
            return Reached(people=(someone,))
        because = _why_not([wanted.removeprefix(PERSON)], tell, circle, turn)
    for role in _roles_from(wanted):
        first = True
        for area_id in (*circle.areas, None):
            keys = circle.on_duty.get((area_id, role))
            if keys is None:
                continue
            people = tuple(_usable(keys, tell, circle, turn))[: tell.at_most]
            if people:
                expected = role == wanted and first
                fell = Fell(wanted=wanted, told=role, at=_name(area_id, circle), because=because)
                return Reached(people=people, fell=None if expected else fell)
            if role == wanted:
                because = _why_not(keys, tell, circle, turn)
            first = False
    if not circle.staffed and "webhook" in circle.channels:
        return Reached(people=(Someone(None, (Way("webhook", DESK),), "staff"),))
    if severity.rank >= Severity.HARD.rank:
        around = [contact for contact in circle.contacts if contact.relation is not Relation.RESIDENT]
        people = _of_contacts(around, tell, circle, turn)
        if people:
            return Reached(people=people, fell=Fell(wanted=wanted, told=_CONTACTS, at="home", because=because))
    return Reached(fell=Fell(wanted=wanted, told="nobody", at="site", because=because))


def _why_not(keys: Sequence[str], tell: Tell, circle: Circle, turn: int) -> str:
    if not keys:
        return "nobody_on_duty"
    return "declined" if any(_usable(keys, tell, _asking_all(circle), turn)) else "no_address"


def _roles_from(wanted: str) -> Iterator[str]:
    """The role itself, then those above it, then those below."""
    begin = ROLES.index(wanted) if wanted in ROLES else 0
    yield from ROLES[begin:]
    yield from ROLES[:begin]


def _usable(keys: Iterable[str], tell: Tell, circle: Circle, turn: int) -> Iterator[Someone]:
    for key in dict.fromkeys(keys):
        person = circle.people.get(key)
        if person is not None and (someone := _someone(person, tell, circle, "staff", turn)) is not None:
            yield someone


def _related(circle: Circle, relation: Relation) -> list[Contact]:
    return [contact for contact in circle.contacts if contact.relation is relation]


def _of_contacts(contacts: Iterable[Contact], tell: Tell, circle: Circle, turn: int) -> tuple[Someone, ...]:
    people = []
    for contact in contacts:
        audience: Audience = "resident" if contact.relation is Relation.RESIDENT else "contact"
        if (someone := _someone(contact.person, tell, circle, audience, turn)) is not None:
            people.append(someone)
    return tuple(people)


def _someone(person: Person, tell: Tell, circle: Circle, audience: Audience, turn: int) -> Someone | None:
    """A person with the ways to them: those wanted, else any other that they have."""
    if not person.active or person.key in circle.cannot:
        return None
    ways = [way for channel in tell.by if (way := _way(person, channel, circle, turn)) is not None]
    if not ways:
        others = (channel for channel in CHANNELS if channel not in tell.by)
        ways = [way for channel in others if (way := _way(person, channel, circle, turn)) is not None][:1]
    if not ways:
        return None
    return Someone(person, tuple(ways if tell.ways == "all" else ways[:1]), audience)


def _way(person: Person, channel: str, circle: Circle, turn: int) -> Way | None:
    addresses = person.on(channel) if channel in circle.channels else ()
    # Each round tries the next of several numbers: the first may be the one that is switched off.
    return Way(channel, addresses[turn % len(addresses)]) if addresses else None


def _name(area_id: int | None, circle: Circle) -> str:
    return "site" if area_id is None else circle.paths.get(area_id, str(area_id))
