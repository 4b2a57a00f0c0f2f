"""What the commands of rosters share: what people type, whose roster that is, and how it is told."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from anju import context as ctx
from anju.errors import InputRefused, NotPossible, Usage
from anju.output import JSON_OPTION, complain, say

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow

    from alerts.roster.changing import Changed, Place
    from alerts.roster.model import Roster
    from registry.policies import Where


class Part(StrEnum):
    """In which role."""

    DUTY = "duty"
    BACKUP = "backup"
    SUPERVISOR = "supervisor"
    OPERATOR = "operator"


SITE = Annotated[bool, typer.Option("--site", help="For the whole site.")]
AREA = Annotated[str | None, typer.Option(help="For this area, as a path.", metavar="PATH", show_default=False)]
ROLE = Annotated[Part, typer.Option(help="In which role.", show_default=False)]
AT = Annotated[str | None, typer.Option(help="When (ISO 8601 with an offset).", metavar="TIME", show_default="now")]
BY = Annotated[str | None, typer.Option("--by", help="Who changes it; stands with the roster.", show_default="you")]
JSON = Annotated[bool, JSON_OPTION]


def existing(context: typer.Context, area: str | None, role: Part, *, site: bool) -> "tuple[Where, Roster]":
    """The place that was named, and its roster.

    Raises:
        NotPossible: there is none.
    """
    from alerts.roster import storing

    async def work(conn: "AsyncConnection[TupleRow]") -> "tuple[Where, Roster | None]":
        where, place = await place_of(conn, area, role, site=site)
        return where, await storing.newest(conn, *place)

    where, roster = ctx.with_database(context, work)
    if roster is None:
        raise NotPossible(f"{where} has no roster for {role.value}; `anju roster show` lists those there are")
    return where, roster


async def where_of(conn: "AsyncConnection[TupleRow]", area: str | None, *, site: bool) -> "Where":
    """The site or the area that was named."""
    from registry.policies import find

    if site == (area is not None):
        raise Usage("say for what: --site or --area PATH")
    return await find(conn, area=area)


async def place_of(
    conn: "AsyncConnection[TupleRow]", area: str | None, role: Part, *, site: bool
) -> "tuple[Where, Place]":
    """Whose roster was named."""
    from alerts.roster.changing import Place
    from alerts.roster.model import Role

    where = await where_of(conn, area, site=site)
    return where, Place(where.scope.area_id, Role(role.value))


def content_of(file: Path) -> bytes:
    """What a file holds."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputRefused(f"{file} cannot be read: {error.strerror}") from error


def say_changed(where: "Where", role: Part, changed: "Changed") -> None:
    """Says what came of a change."""
    from alerts.roster.on_duty import on_duty

    kept = f"; {changed.kept} overrides stay" if changed.kept else ""
    say(f"{where}, {role.value}: now on duty: {people(on_duty(changed.roster, datetime.now(UTC)))}{kept}")


def people(keys: tuple[str, ...]) -> str:
    """Keys for people to read."""
    return ", ".join(keys) or "nobody"


def local(at: datetime, zone: ZoneInfo) -> str:
    """An instant by the clocks of a roster."""
    return at.astimezone(zone).strftime("%a %Y-%m-%d %H:%M")


@contextmanager
def faulty_file(file: Path) -> Iterator[None]:
    """Names every fault of a file."""
    from alerts.roster.errors import RosterInvalid

    try:
        yield
    except RosterInvalid as invalid:
        for fault in invalid.faults:
            complain(fault)
        count = len(invalid.faults)
        raise InputRefused(f"{file}: {count} fault{'' if count == 1 else 's'} found, nothing was changed") from None
