"""Who is called about a home, in which order; positions of a home are always 1, 2, 3."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from registry.importing import HomeKey
from registry.installing import find_home
from registry.people import PersonRefused, Relation, person
from storage.sql import load

_SQL = load("registry", "contacts.sql")


class Placed(NamedTuple):
    """One contact of a home as it is written."""

    person_id: int
    relation: Relation
    position: int


class Wanted(NamedTuple):
    """One contact as somebody wants it; `position` None: where it is, else last."""

    relation: Relation
    position: int | None


async def put(
    conn: AsyncConnection[TupleRow], home: str, key: str, relation: Relation, *, position: int | None
) -> tuple[HomeKey, int]:
    """Lets somebody be called about a home; whoever was at that position or behind it moves back by one.

    Args:
        conn: a connection; one transaction, or a part of the caller's.
        home: path of its area and its name, with a slash between them.
        key: the person's.
        relation: what they are to its residents.
        position: 1 is called first; None: where they are, else last.

    Returns:
        The home, and the position they have now.

    Raises:
        InstallationRefused: there is no such home.
        PersonRefused: there is no such person, or they are retired.
    """
    async with conn.transaction():
        home_id, home_key = await find_home(conn, home)
        found = await person(conn, key)
        if not found.active:
            raise PersonRefused(f"{key!r} is retired; `anju person set {key} --active` brings them back")
        await lock_homes(conn, [home_id])
        before = (await placed(conn, [home_id])).get(home_id, ())
        after = ordered(before, {found.person_id: Wanted(relation, position)})
        await write(conn, home_id, before, after)
    return home_key, next(each.position for each in after if each.person_id == found.person_id)


async def remove(conn: AsyncConnection[TupleRow], home: str, key: str) -> HomeKey:
    """Lets somebody not be called about a home any more.

    Raises:
        InstallationRefused: there is no such home.
        PersonRefused: there is no such person, or they are no contact of it.
    """
    async with conn.transaction():
        home_id, home_key = await find_home(conn, home)
        found = await person(conn, key)
        await lock_homes(conn, [home_id])
        before = (await placed(conn, [home_id])).get(home_id, ())
        left = [each for each in before if each.person_id != found.person_id]
        if len(left) == len(before):
            raise PersonRefused(f"{key!r} is no contact of {home_key.name}, {home_key.area}")
        await write(conn, home_id, before, ordered(left, {}))
    return home_key


async def homes_of(conn: AsyncConnection[TupleRow], person_id: int) -> list[tuple[HomeKey, Relation, int]]:
    """The homes about which somebody is called."""
    cursor = await conn.execute(_SQL.homes_of, {"person": person_id})
    return [
        (HomeKey(area, home), Relation(relation), position)
        for area, home, relation, position in await cursor.fetchall()
    ]


async def lock_homes(conn: AsyncConnection[TupleRow], home_ids: Sequence[int]) -> None:
    """Two who write contacts of a home come one after the other."""
    await conn.execute(_SQL.lock, {"homes": sorted(home_ids)})


async def placed(conn: AsyncConnection[TupleRow], home_ids: Sequence[int]) -> Mapping[int, tuple[Placed, ...]]:
    """The contacts of homes as they are written, the retired too."""
    cursor = await conn.execute(_SQL.placed, {"homes": list(home_ids)})
    found: dict[int, tuple[Placed, ...]] = {}
    for home_id, person_id, relation, position in await cursor.fetchall():
        found[home_id] = (*found.get(home_id, ()), Placed(person_id, Relation(relation), position))
    return found


async def write(
    conn: AsyncConnection[TupleRow], home_id: int, before: Sequence[Placed], after: Sequence[Placed]
) -> bool:
    """Writes the contacts of one home; False: nothing changed."""
    gone = {each.person_id for each in before} - {each.person_id for each in after}
    new = [each for each in after if each not in before]
    if gone:
        await conn.execute(_SQL.remove, {"home": home_id, "people": list(gone)})
    if new:
        people, relations, positions = ([each[n] for each in new] for n in range(3))
        await conn.execute(
            _SQL.put,
            {"home": home_id, "people": people, "relations": [str(each) for each in relations], "positions": positions},
        )
    return bool(gone or new)


def ordered(before: Sequence[Placed], wanted: Mapping[int, Wanted]) -> tuple[Placed, ...]:
    """The contacts of a home in their new order (pure).

    Args:
        before: as they are.
        wanted: by person. Who is wanted at a position comes there, the others keep their order around them.
    """
    relations = {each.person_id: each.relation for each in before}
    relations |= {person_id: each.relation for person_id, each in wanted.items()}
    moved = {person_id: each.position for person_id, each in wanted.items() if each.position is not None}
    order = [person_id for person_id in relations if person_id not in moved]
    for person_id in sorted(moved, key=moved.__getitem__):
        order.insert(moved[person_id] - 1, person_id)
    return tuple(Placed(person_id, relations[person_id], n) for n, person_id in enumerate(order, start=1))
