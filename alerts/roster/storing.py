"""Rosters in the database: the newest of each area and role, who is above an area, changes. Append-only."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import structlog
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from alerts.roster.errors import RosterInvalid
from alerts.roster.model import Role, Roster, read
from storage.sql import load

_SQL = load(__package__, "storing.sql")
_log = structlog.get_logger()


class Stored(NamedTuple):
    """A roster as it counts now.

    Attributes:
        roster: None where it cannot be read; nobody is on duty by it then.
    """

    area_id: int | None
    area: str
    role: Role
    roster: Roster | None
    changed_at: datetime
    changed_by: str


async def read_rosters(
    conn: AsyncConnection[Any], area_ids: Collection[int]
) -> Mapping[tuple[int | None, str], Roster]:
    """The newest rosters of some areas and of the site (None), by area and role.

    One that cannot be read (of a later release) is left out and logged, so that the areas above answer.
    """
    rosters: dict[tuple[int | None, str], Roster] = {}
    cursor = await conn.execute(_SQL.newest, {"areas": list(area_ids)})
    for area_id, role, definition in await cursor.fetchall():
        try:
            rosters[area_id, role] = read(definition)
        except RosterInvalid:
            _log.error("roster_unreadable", area_id=area_id, role=role)
    return rosters


async def read_chain(conn: AsyncConnection[Any], area_id: int | None) -> tuple[int, ...]:
    """An area, the one above it, and so on to the top; empty for the site."""
    cursor = await conn.execute(_SQL.chain, {"area": area_id})
    return tuple(row[0] for row in await cursor.fetchall())


async def listed(conn: AsyncConnection[Any], area_id: int | None = None) -> list[Stored]:
    """The newest rosters of one area, else of all and of the site, by path and role; emptied ones too."""
    cursor = await conn.execute(_SQL.listed, {"area": area_id})
    found = []
    for number, path, role, definition, changed_at, changed_by in await cursor.fetchall():
        try:
            roster = read(definition)
        except RosterInvalid:
            roster = None
        found.append(Stored(number, path, Role(role), roster, changed_at, changed_by))
    return found


async def lock(conn: AsyncConnection[Any]) -> None:
    """Two who change rosters at once come one after the other, to the end of the transaction."""
    await conn.execute(_SQL.lock)


async def newest(conn: AsyncConnection[Any], area_id: int | None, role: Role) -> Roster | None:
    """The newest roster of an area (None: the site) and role.

    Raises:
        RosterInvalid: it cannot be read.
    """
    row = await (await conn.execute(_SQL.one, {"area": area_id, "role": role.value})).fetchone()
    return None if row is None else read(row[0])


async def write(
    conn: AsyncConnection[Any], area_id: int | None, role: Role, roster: Roster, *, now: datetime, by: str
) -> None:
    """Lets a roster count from now on. What is named in it is checked by `alerts.roster.changing`."""
    await conn.execute(
        _SQL.write,
        {"area": area_id, "role": role.value, "definition": Jsonb(roster.stored()), "now": now, "by": by},
    )
