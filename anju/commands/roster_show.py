"""`anju roster show`, `who` and `gaps`: who is on duty, who answers, and when nobody does."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from anju import arguments
from anju import context as ctx
from anju.errors import Exit
from anju.output import complain, say, show_json, show_table
from anju.rosters import (
    AREA,
    AT,
    JSON,
    SITE,
    Part,
    existing,
    local,
    people,
    where_of,
)

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow

    from alerts.roster.model import Roster
    from alerts.roster.on_duty import Interval, Nearest
    from alerts.roster.storing import Stored
    from registry.policies import Where


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command()(show)
    app.command()(who)
    app.command()(gaps)


def show(
    context: typer.Context,
    *,
    area: AREA = None,
    site: SITE = False,
    at: AT = None,
    week: Annotated[bool, typer.Option("--week", help="Shift by shift, for seven days.")] = False,
    as_json: JSON = False,
) -> None:
    """Show the rosters there are and who is on duty by each; with --week, who will be."""
    from alerts.roster import storing
    from alerts.roster.on_duty import on_duty, shifts

    now = arguments.instant(at, "--at") or datetime.now(UTC)

    async def work(conn: "AsyncConnection[TupleRow]") -> "list[Stored]":
        where = await where_of(conn, area, site=site) if area is not None or site else None
        return [
            each
            for each in await storing.listed(conn, None if where is None else where.scope.area_id)
            if not site or each.area_id is None
        ]

    found = ctx.with_database(context, work)
    readable = [(each, each.roster) for each in found if each.roster is not None]
    for each in found:
        if each.roster is None:
            complain(f"{each.area or 'site'}, {each.role}: cannot be read, is passed over")
    if as_json:
        show_json([_plain(each, roster, now, week=week) for each, roster in readable])
    elif not readable:
        say("there is no roster; `anju roster set` makes one")
    elif week:
        show_table(
            ("Area", "Role", "From", "To", "People", "Time zone"),
            [
                (
                    each.area or "(site)",
                    each.role,
                    local(shift.begins, zone),
                    local(shift.ends, zone),
                    people(shift.people),
                    zone.key,
                )
                for each, roster in readable
                for zone in [ZoneInfo(roster.time_zone)]
                for shift in shifts(roster, now, now + timedelta(days=7))
            ],
        )
    else:
        show_table(
            ("Area", "Role", "On duty", "Time zone", "Changed", "By"),
            [
                (
                    each.area or "(site)",
                    each.role,
                    people(on_duty(roster, now)),
                    roster.time_zone,
                    each.changed_at,
                    each.changed_by,
                )
                for each, roster in readable
            ],
        )


def who(context: typer.Context, *, area: AREA = None, site: SITE = False, at: AT = None, as_json: JSON = False) -> None:
    """Show who answers for an area in each role: by its own roster, else by the nearest above that has somebody."""
    from alerts.roster import storing
    from alerts.roster.model import Role
    from alerts.roster.on_duty import nearest

    now = arguments.instant(at, "--at") or datetime.now(UTC)

    async def work(conn: "AsyncConnection[TupleRow]") -> "tuple[Where, dict[Role, Nearest | None], dict[int, str]]":
        where = await where_of(conn, area, site=site)
        chain = await storing.read_chain(conn, where.scope.area_id)
        rosters = await storing.read_rosters(conn, chain)
        paths = {number: _up(where.place, height) for height, number in enumerate(chain)}
        return where, {role: nearest(rosters, chain, role, now) for role in Role}, paths

    where, found, paths = ctx.with_database(context, work)
    rows = [
        (role, () if each is None else each.people, None if each is None else _named(each.area_id, paths))
        for role, each in found.items()
    ]
    if as_json:
        show_json([{"role": role, "people": people, "roster": of} for role, people, of in rows])
        return
    own = where.place or "site"
    above = {of: "" if of is None else of if of == own else f"{of} (above)" for _, _, of in rows}
    show_table(("Role", "On duty", "By the roster of"), [(role, people(keys), above[of]) for role, keys, of in rows])


def gaps(
    context: typer.Context,
    *,
    area: AREA = None,
    site: SITE = False,
    role: Annotated[Part, typer.Option(help="In which role.")] = Part.DUTY,
    days: Annotated[int, typer.Option(min=1, max=732, help="For so many days.")] = 28,
    at: AT = None,
    as_json: JSON = False,
) -> None:
    """List when nobody is on duty by an area's roster, and who is told instead; the exit code is then 1."""
    from alerts.roster import storing
    from alerts.roster.on_duty import gaps as gaps_of
    from alerts.roster.on_duty import nearest

    from_ = arguments.instant(at, "--at") or datetime.now(UTC)
    where, roster = existing(context, area, role, site=site)

    found = gaps_of(roster, from_, from_ + timedelta(days=days))

    async def work(conn: "AsyncConnection[TupleRow]") -> "list[tuple[Interval, Nearest | None]]":
        chain = await storing.read_chain(conn, where.scope.area_id)
        rosters = await storing.read_rosters(conn, chain)
        return [(each, nearest(rosters, chain, role.value, each.begins)) for each in found]

    rows = ctx.with_database(context, work)
    zone = ZoneInfo(roster.time_zone)
    hours = sum(((each.ends - each.begins) for each in found), timedelta()) / timedelta(hours=1)
    if as_json:
        show_json(
            [{"from": each.begins, "to": each.ends, "instead": other.people if other else []} for each, other in rows]
        )
    elif rows:
        show_table(
            ("From", "To", "Hours", "Told instead"),
            [
                (
                    local(each.begins, zone),
                    local(each.ends, zone),
                    f"{(each.ends - each.begins) / timedelta(hours=1):.1f}",
                    people(other.people if other else ()),
                )
                for each, other in rows
            ],
        )
        complain(f"{where}, {role.value}: nobody for {hours:.1f} h within {days} days")
    else:
        say(f"{where}, {role.value}: somebody is on duty at every instant of {days} days")
    if found:
        raise typer.Exit(Exit.FAILED)


def _plain(each: "Stored", roster: "Roster", now: datetime, *, week: bool) -> dict[str, object]:
    from alerts.roster.on_duty import on_duty, shifts

    coming = [
        {"from": shift.begins, "to": shift.ends, "people": shift.people}
        for shift in (shifts(roster, now, now + timedelta(days=7)) if week else ())
    ]
    return {
        "area": each.area or None,
        "role": each.role,
        "on_duty": on_duty(roster, now),
        "changed_at": each.changed_at,
        "changed_by": each.changed_by,
        "roster": roster.stored(),
        **({"week": coming} if week else {}),
    }


def _named(area_id: int | None, paths: Mapping[int, str]) -> str:
    return "site" if area_id is None else paths[area_id]


def _up(path: str, height: int) -> str:
    parts = path.split("/")
    return "/".join(parts[: len(parts) - height])
