"""Changes of rosters: checked against who is on record, one after the other, each a new row."""

from collections.abc import Callable
from datetime import datetime
from difflib import get_close_matches
from typing import Any, NamedTuple

from psycopg import AsyncConnection

from alerts.roster import storing
from alerts.roster.errors import RosterInvalid, RosterRefused
from alerts.roster.model import Event, Override, Role, Roster
from registry.people import listed


class Place(NamedTuple):
    """Whose roster."""

    area_id: int | None
    role: Role


class Changed(NamedTuple):
    """What came of a change.

    Attributes:
        roster: as it counts from now on.
        kept: overrides of the roster before that are not over and count on.
    """

    roster: Roster
    kept: int


async def put(
    conn: AsyncConnection[Any], place: Place, roster: Roster, *, keep_overrides: bool, now: datetime, by: str
) -> Changed:
    """Lets a roster take the place of the one before.

    Args:
        conn: a connection; one transaction, or a part of the caller's.
        place: of which area and role.
        roster: what counts from now on.
        keep_overrides: those of the roster before that are not over count on, before its own.
        now: the time.
        by: who says so.

    Raises:
        RosterRefused: it names people who are not on record, or are retired.
    """

    def change(before: Roster | None) -> tuple[Roster, int]:
        kept = () if before is None or not keep_overrides else _to_come(before, now)
        kept = tuple(override for override in kept if override not in roster.overrides)
        return roster.model_copy(update={"overrides": (*kept, *roster.overrides)}), len(kept)

    return await _change(conn, place, change, now=now, by=by)


async def take_calendar(
    conn: AsyncConnection[Any], place: Place, events: tuple[Event, ...], *, time_zone: str, now: datetime, by: str
) -> Changed:
    """Lets a calendar take the place of shifts, rotations and an earlier calendar; the rest stays.

    Raises:
        RosterRefused: it names people who are not on record, or are retired.
    """

    def change(before: Roster | None) -> tuple[Roster, int]:
        roster = Roster(time_zone=time_zone) if before is None else before
        kept = _to_come(roster, now)
        parts = {"shifts": (), "rotations": (), "calendar": events, "overrides": kept, "time_zone": time_zone}
        return roster.model_copy(update=parts), len(kept)

    return await _change(conn, place, change, now=now, by=by)


async def override(conn: AsyncConnection[Any], place: Place, wanted: Override, *, now: datetime, by: str) -> Changed:
    """Adds an override, which wins over those before it.

    Raises:
        RosterRefused: there is no roster, or it names people who are not on record, or are retired.
        RosterInvalid: the roster would be too long.
    """

    def change(before: Roster | None) -> tuple[Roster, int]:
        if before is None:
            raise RosterRefused("there is no roster to override; `anju roster set` makes one")
        kept = _to_come(before, now)
        return before.model_copy(update={"overrides": (*kept, wanted)}), len(kept)

    return await _change(conn, place, change, now=now, by=by, named=frozenset(wanted.people))


async def _change(
    conn: AsyncConnection[Any],
    place: Place,
    change: Callable[[Roster | None], tuple[Roster, int]],
    *,
    now: datetime,
    by: str,
    named: frozenset[str] | None = None,
) -> Changed:
    async with conn.transaction():
        await storing.lock(conn)
        try:
            before = await storing.newest(conn, *place)
        except RosterInvalid as unreadable:
            raise RosterRefused(
                f"the roster as it is cannot be read, it may be of a later release: {unreadable}"
            ) from None
        made, kept = change(before)
        roster = Roster.model_validate(made.model_dump(by_alias=True))
        known = {person.key for person in await listed(conn)}
        await _check(roster.people() if named is None else named, known)
        await storing.write(conn, *place, roster, now=now, by=by)
    return Changed(roster, kept)


async def _check(named: frozenset[str], known: set[str]) -> None:
    faults = []
    for key in sorted(named - known):
        close = get_close_matches(key, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "`anju person list` has those who are"
        faults.append(f"nobody of the key {key!r} is on record and active; {hint}")
    if faults:
        raise RosterRefused("; ".join(faults))


def _to_come(roster: Roster, now: datetime) -> tuple[Override, ...]:
    return tuple(each for each in roster.overrides if each.to > now)
