"""Taking people in, changing what is said of them, retiring them: one person, one transaction."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from registry.addresses import NUMBERS
from registry.errors import RegistryError
from registry.people import CHANNELS, LANGUAGES, Person, PersonRefused, person
from storage.sql import load

_SQL = load("registry", "enrolling.sql")

KEY: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")
_MAX_NAME: Final = 200


class PersonInvalid(RegistryError):
    """What was given describes nobody; nothing was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What somebody says of a person; what is not said stays.

    Attributes:
        addresses: by channel, each normalised, in the order in which they are tried; a channel named replaces all that
            was known of it.
        active: False retires, True brings back.
    """

    name: str | None = None
    language: str | None = None
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    active: bool | None = None


class Owned(NamedTuple):
    """A number and whose it is."""

    address: str
    key: str


async def add(conn: AsyncConnection[TupleRow], key: str, said: Said, *, language: str) -> Person:
    """Takes somebody in.

    Args:
        conn: a connection; one transaction, or a part of the caller's.
        key: by which they will be named.
        said: at least the name.
        language: in which they are told, where `said` does not say.

    Raises:
        PersonInvalid: the key, the name or the language can be none.
        PersonRefused: the key is taken, or a number is somebody else's.
    """
    check(key, said)
    if said.name is None:
        raise PersonInvalid("a person has a name")
    async with conn.transaction():
        await lock(conn)
        row = await (
            await conn.execute(_SQL.add, {"key": key, "name": said.name, "language": said.language or language})
        ).fetchone()
        if row is None:
            raise PersonRefused(f"there is a person {key!r} already; `anju person set` changes what is said of them")
        await _write_addresses(conn, await person(conn, key), said)
        return await person(conn, key)


async def add_all(conn: AsyncConnection[TupleRow], said: Mapping[str, Said], *, language: str) -> None:
    """Takes many in at once, by key; who calls has locked, and checked keys, names and numbers."""
    people = [(key, each.name, each.language or language) for key, each in said.items()]
    keys, names, languages = ([row[n] for row in people] for n in range(3))
    cursor = await conn.execute(_SQL.add_all, {"keys": keys, "names": names, "languages": languages})
    ids = {row[0]: row[1] for row in await cursor.fetchall()}
    ways = [
        (ids[key], channel, address, position)
        for key, each in said.items()
        for channel, addresses in each.addresses.items()
        for position, address in enumerate(addresses, start=1)
    ]
    numbers, channels, addresses, positions = ([row[n] for row in ways] for n in range(4))
    await conn.execute(
        _SQL.add_addresses, {"ids": numbers, "channels": channels, "addresses": addresses, "positions": positions}
    )


async def amend(conn: AsyncConnection[TupleRow], key: str, said: Said) -> tuple[Person, bool]:
    """Changes what is said of somebody.

    Returns:
        The person as they are now, and whether anything changed.

    Raises:
        PersonInvalid: the name or the language can be none.
        PersonRefused: there is no such person, or a number is somebody else's.
    """
    check(key, said)
    async with conn.transaction():
        await lock(conn)
        before = await person(conn, key)
        values = {"name": said.name, "language": said.language, "active": said.active}
        await conn.execute(_SQL.amend, {"id": before.person_id, **values})
        await _write_addresses(conn, before, said)
        after = await person(conn, key)
        return after, after != before


async def lock(conn: AsyncConnection[TupleRow]) -> None:
    """Whoever writes people comes one after the other: a number is one person's."""
    await conn.execute(_SQL.lock)


async def numbers_of_others(conn: AsyncConnection[TupleRow], numbers: Mapping[str, str]) -> Mapping[str, str]:
    """Which of these numbers are somebody else's, and whose.

    Args:
        conn: a connection.
        numbers: each with the key of who is to have it.
    """
    cursor = await conn.execute(_SQL.owners, {"numbers": list(numbers)})
    return {address: key for address, key in await cursor.fetchall() if numbers[address] != key}


def check(key: str, said: Said) -> None:
    """Whether that can be said of a person (pure).

    Raises:
        PersonInvalid: with what is wrong.
    """
    if not KEY.fullmatch(key):
        raise PersonInvalid(f"{key!r} is no key: lower-case letters, digits and . _ -, 40 at most, such as duty-1")
    if said.name is not None and not (said.name.strip() and len(said.name) <= _MAX_NAME and said.name.isprintable()):
        raise PersonInvalid(f"a name has 1 to {_MAX_NAME} characters and none that cannot be printed")
    if said.language is not None and said.language not in LANGUAGES:
        raise PersonInvalid(f"{said.language!r} is no language: {' or '.join(LANGUAGES)}")
    if unknown := sorted(said.addresses.keys() - set(CHANNELS)):
        raise PersonInvalid(f"{unknown[0]!r} is no channel: {', '.join(CHANNELS)}")


async def _write_addresses(conn: AsyncConnection[TupleRow], before: Person, said: Said) -> None:
    held = {channel: said.addresses.get(channel, before.on(channel)) for channel in CHANNELS}
    if before.active if said.active is None else said.active:
        wanted = {number: before.key for channel in NUMBERS for number in held[channel]}
        for _, key in sorted((await numbers_of_others(conn, wanted)).items()):
            raise PersonRefused(f"a number of {before.key!r} is that of {key!r} already: answers from it are theirs")
    for channel, addresses in said.addresses.items():
        if addresses != before.on(channel):
            await conn.execute(
                _SQL.set_addresses, {"id": before.person_id, "channel": channel, "addresses": list(addresses)}
            )
