"""Escalation policies in the database: append-only, the newest of an area or of the site counts."""

from datetime import datetime
from typing import Any, NamedTuple

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from alerts.escalation.errors import BadPolicy
from alerts.escalation.policy import Definition, checked
from storage import sql

_Q = sql.load(__package__, "storing.sql")


class Stored(NamedTuple):
    """A policy as it was set once.

    Attributes:
        area: The area's path; empty for the site.
        definition: None where it cannot be read (of a later release); then the areas above count.
    """

    number: int
    area: str
    definition: Definition | None
    changed_at: datetime
    changed_by: str


async def write(
    conn: AsyncConnection[Any], area_id: int | None, definition: Definition, *, now: datetime, by: str
) -> None:
    """Lets a policy count from now on; alerts that are being told go on by it with their next step."""
    stored = definition.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    await conn.execute(_Q.write, {"area": area_id, "definition": Jsonb(stored), "now": now, "by": by})


async def history(conn: AsyncConnection[Any], area_id: int | None, *, everywhere: bool, limit: int) -> list[Stored]:
    """Who set what and when, the newest first; of one area (None: the site), or of all."""
    cursor = await conn.execute(_Q.history, {"area": area_id, "everywhere": everywhere, "limit": limit})
    found = []
    for number, area, definition, changed_at, changed_by in await cursor.fetchall():
        try:
            read = checked(definition)
        except BadPolicy:
            read = None
        found.append(Stored(number, area, read, changed_at, changed_by))
    return found
