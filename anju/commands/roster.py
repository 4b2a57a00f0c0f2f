"""`anju roster`: who is on duty, in which role."""

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from anju import arguments
from anju import context as ctx
from anju.commands import roster_calendar, roster_show
from anju.errors import InputRefused, Usage
from anju.login import login
from anju.output import say
from anju.rosters import AREA, BY, ROLE, SITE, content_of, faulty_file, local, people, place_of, say_changed

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow

    from alerts.roster.changing import Changed
    from alerts.roster.model import Roster
    from registry.policies import Where

app = typer.Typer(
    help="See and change who is on duty in the site and its areas; where nobody is, the area above answers.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command(name="set")
def set_(
    context: typer.Context,
    *,
    file: Annotated[Path, typer.Argument(help="The roster.", metavar="FILE.toml", exists=True, dir_okay=False)],
    role: ROLE,
    area: AREA = None,
    site: SITE = False,
    drop_overrides: Annotated[
        bool, typer.Option("--drop-overrides", help="Do not keep overrides that are still to come.")
    ] = False,
    by: BY = None,
) -> None:
    """Let a roster count from now on, in the place of the one before; overrides that are not over stay."""
    from alerts.roster import changing

    roster = _read(file)

    async def work(conn: "AsyncConnection[TupleRow]") -> "tuple[Where, Changed]":
        where, place = await place_of(conn, area, role, site=site)
        now = datetime.now(UTC)
        return where, await changing.put(
            conn, place, roster, keep_overrides=not drop_overrides, now=now, by=by or login()
        )

    where, changed = ctx.with_database(context, work)
    say_changed(where, role, changed)


@app.command()
def unset(context: typer.Context, *, role: ROLE, area: AREA = None, site: SITE = False, by: BY = None) -> None:
    """Let an area have no roster of its own any more; the one above it answers."""
    from alerts.roster import changing
    from alerts.roster.model import Roster

    async def work(conn: "AsyncConnection[TupleRow]") -> "Where":
        where, place = await place_of(conn, area, role, site=site)
        now = datetime.now(UTC)
        await changing.put(conn, place, Roster(), keep_overrides=False, now=now, by=by or login())
        return where

    where = ctx.with_database(context, work)
    say(f"{where}, {role.value}: nobody any more; the roster above answers")


@app.command()
def override(
    context: typer.Context,
    *,
    role: ROLE,
    since: Annotated[
        str, typer.Option("--from", help="Since when (ISO 8601 with an offset).", metavar="TIME", show_default=False)
    ],
    until: Annotated[
        str, typer.Option("--to", help="Until when, not included (likewise).", metavar="TIME", show_default=False)
    ],
    person: Annotated[list[str], typer.Option(help="Who is on duty; may be repeated, in order.", metavar="KEY")],
    add: Annotated[bool, typer.Option("--add", help="After those who are on duty, not instead of them.")] = False,
    area: AREA = None,
    site: SITE = False,
    by: BY = None,
) -> None:
    """Say who is on duty for once, whatever the roster says."""
    from pydantic import ValidationError

    from alerts.roster import changing
    from alerts.roster.model import Override, said

    from_, to = arguments.instant(since, "--from"), arguments.instant(until, "--to")
    if from_ is not None and to is not None and to <= from_:
        raise Usage("--to must lie after --from")
    try:
        wanted = Override.model_validate(
            {
                "from": from_,
                "to": to,
                "people": tuple(person),
                "replace": not add,
            }
        )
    except ValidationError as invalid:
        raise Usage("; ".join(said(error["loc"], error["msg"]) for error in invalid.errors())) from None

    async def work(conn: "AsyncConnection[TupleRow]") -> "tuple[Where, Changed]":
        where, place = await place_of(conn, area, role, site=site)
        return where, await changing.override(conn, place, wanted, now=datetime.now(UTC), by=by or login())

    where, changed = ctx.with_database(context, work)
    zone = ZoneInfo(changed.roster.time_zone)
    say(
        f"{where}, {role.value}: {people(wanted.people)} from {local(wanted.from_, zone)} to"
        f" {local(wanted.to, zone)} ({zone.key})"
    )


def _read(file: Path) -> "Roster":
    from alerts.roster.model import read

    try:
        definition = tomllib.loads(content_of(file).decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputRefused(f"{file} is not TOML: {error}") from None
    with faulty_file(file):
        return read(definition)


roster_show.add_to(app)
roster_calendar.add_to(app)
