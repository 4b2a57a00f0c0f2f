"""People who may be told, how they are reached, and who is called about a home.

People are named by a key in rosters, histories and logs; their names and numbers stay here. Those who were retired are
not told any more: what reads for telling leaves them out.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from registry.errors import RegistryError
from storage.sql import load

_SQL = load(__package__, "people.sql")

CHANNELS: Final = ("sms", "voice", "chat", "webhook")
LANGUAGES: Final = ("zh", "en")


class Relation(StrEnum):
    """What a contact is to the residents of a home."""

    RESIDENT = "resident"
    FAMILY = "family"
    NEIGHBOUR = "neighbour"
    KEY_HOLDER = "key_holder"
    OTHER = "other"


class PersonRefused(RegistryError):
    """What is on record does not allow it, or there is no such person; nothing was written."""


class Address(NamedTuple):
    """One way to reach somebody.

    Attributes:
        channel: sms, voice, chat or webhook.
        address: sms, voice: E.164; chat: the name of a chat in the settings; webhook: the name of a receiver.
        position: which is tried first, of one channel.
    """

    channel: str
    address: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who may be told.

    Attributes:
        key: by which rosters, histories and logs name them.
        language: zh or en.
        active: False: retired.
        addresses: in the order in which they are tried, channel by channel.
    """

    person_id: int
    key: str
    name: str
    language: str
    active: bool
    addresses: tuple[Address, ...] = ()

    def on(self, channel: str) -> tuple[str, ...]:
        """The addresses on one channel, in order."""
        return tuple(each.address for each in self.addresses if each.channel == channel)


class Contact(NamedTuple):
    """Somebody who is called about a home, and when in the order."""

    person: Person
    relation: Relation
    position: int


async def read_people(
    conn: AsyncConnection[Any], person_keys: Collection[str], *, retired: bool = False
) -> Mapping[str, Person]:
    """Those of these keys who are on record, by key; the retired only where they are asked for."""
    return {person.key: person for person in await _people(conn, keys=person_keys, retired=retired)}


async def read_contacts(conn: AsyncConnection[Any], home_ids: Collection[int]) -> Mapping[int, tuple[Contact, ...]]:
    """Who is called about each of these homes, in calling order, without the retired; a home without is left out."""
    cursor = await conn.execute(_SQL.contacts, {"homes": list(home_ids)})
    rows = await cursor.fetchall()
    people = {person.person_id: person for person in await _people(conn, ids={row[1] for row in rows})}
    found: dict[int, tuple[Contact, ...]] = {}
    for home_id, person_id, relation, position in rows:
        contact = Contact(people[person_id], Relation(relation), position)
        found[home_id] = (*found.get(home_id, ()), contact)
    return found


async def person_by_address(conn: AsyncConnection[Any], channel: str, address: str) -> Person | None:
    """Who is reached there, unless retired; a number is one person's, whether texted or called.

    Args:
        conn: a connection.
        channel: sms, voice, chat or webhook. None is returned for a chat or a receiver that several people share.
        address: as stored.
    """
    channels = ["sms", "voice"] if channel in ("sms", "voice") else [channel]
    cursor = await conn.execute(_SQL.by_address, {"channels": channels, "address": address})
    rows = await cursor.fetchall()
    return (await _people(conn, ids=[rows[0][0]]))[0] if len(rows) == 1 else None


async def person(conn: AsyncConnection[TupleRow], key: str) -> Person:
    """One person, retired or not.

    Raises:
        PersonRefused: there is none.
    """
    found = await _people(conn, keys=[key], retired=True)
    if not found:
        raise PersonRefused(f"there is no person {key!r}; `anju person list` has them all")
    return found[0]


async def listed(conn: AsyncConnection[TupleRow], *, retired: bool = False) -> Sequence[Person]:
    """All people, by key."""
    return await _people(conn, retired=retired)


async def _people(
    conn: AsyncConnection[Any],
    *,
    keys: Collection[str] | None = None,
    ids: Collection[int] | None = None,
    retired: bool = False,
) -> list[Person]:
    which = {
        "keys": None if keys is None else list(keys),
        "ids": None if ids is None else list(ids),
        "retired": retired,
    }
    cursor = await conn.execute(_SQL.people, which)
    people = []
    for person_id, key, name, language, active, channels, addresses, positions in await cursor.fetchall():
        ways = tuple(Address(*each) for each in zip(channels, addresses, positions, strict=True))
        people.append(Person(person_id=person_id, key=key, name=name, language=language, active=active, addresses=ways))
    return people
