"""`anju roster import` and `export`: rosters as calendars (RFC 5545)."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anju import arguments
from anju import context as ctx
from anju.errors import InputRefused
from anju.login import login
from anju.output import say
from anju.rosters import AREA, AT, BY, ROLE, SITE, content_of, existing, faulty_file, place_of, say_changed

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow

    from alerts.roster.changing import Changed
    from registry.policies import Where


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command(name="import")(import_)
    app.command()(export)


def import_(
    context: typer.Context,
    *,
    ical: Annotated[
        Path, typer.Option(help="A calendar (RFC 5545) of this role.", metavar="FILE.ics", exists=True, dir_okay=False)
    ],
    role: ROLE,
    area: AREA = None,
    site: SITE = False,
    time_zone: Annotated[
        str | None,
        typer.Option(help="Of times that name none.", metavar="ZONE", show_default="the roster's, or Asia/Shanghai"),
    ] = None,
    by: BY = None,
) -> None:
    """Let a calendar take the place of shifts, rotations and an earlier calendar; the rest of the roster stays."""
    from alerts.roster import changing, storing
    from alerts.roster.ical import read_calendar
    from alerts.roster.model import Roster

    content = content_of(ical)

    async def work(conn: "AsyncConnection[TupleRow]") -> "tuple[Where, Changed]":
        where, place = await place_of(conn, area, role, site=site)
        before = await storing.newest(conn, *place)
        zone = time_zone or (before or Roster()).time_zone
        with faulty_file(ical):
            _check_zone(zone)
            events = read_calendar(content, time_zone=zone)
        now = datetime.now(UTC)
        return where, await changing.take_calendar(conn, place, events, time_zone=zone, now=now, by=by or login())

    where, changed = ctx.with_database(context, work)
    say(f"{len(changed.roster.calendar)} events taken")
    say_changed(where, role, changed)


def export(
    context: typer.Context,
    *,
    ical: Annotated[Path, typer.Option(help="Where to write the calendar.", metavar="FILE.ics", dir_okay=False)],
    role: ROLE,
    area: AREA = None,
    site: SITE = False,
    days: Annotated[int, typer.Option(min=1, max=732, help="For so many days.")] = 92,
    at: AT = None,
) -> None:
    """Write who will be on duty as a calendar (RFC 5545), by keys, with overrides and holidays worked in."""
    from alerts.roster.ical import write_calendar
    from alerts.roster.on_duty import shifts

    from_ = arguments.instant(at, "--at") or datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    where, roster = existing(context, area, role, site=site)
    uid = f"{where.scope.area_id or 'site'}-{role.value}"
    found = shifts(roster, from_, from_ + timedelta(days=days))
    content = write_calendar(found, name=f"{role.value}, {where.place or 'site'}", uid=uid, now=datetime.now(UTC))
    try:
        ical.write_bytes(content)
    except OSError as error:
        raise InputRefused(f"{ical} cannot be written: {error.strerror}") from error
    say(f"{sum(bool(each.people) for each in found)} shifts written to {ical}")


def _check_zone(name: str) -> None:
    from alerts.roster.model import read

    read({"time_zone": name})
