"""`anju absence`: note that nobody is home, see who is away, end an absence."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from anju import arguments
from anju import context as ctx
from anju.errors import NotPossible, Usage
from anju.login import login
from anju.output import JSON_OPTION, instant, say, show_json, show_table

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow

    from registry.absences import Noted

app = typer.Typer(
    help="Note that nobody is home: inactivity is not judged then, a press or a fall raises an alert as ever.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class Why(StrEnum):
    """Why nobody is home."""

    HOSPITAL = "hospital"
    TRAVEL = "travel"
    FAMILY = "family"
    OTHER = "other"


_BY = Annotated[str | None, typer.Option("--by", help="Who says so; stands with the absence.", show_default="you")]
_JSON = Annotated[bool, JSON_OPTION]


@app.command()
def add(
    context: typer.Context,
    *,
    home: Annotated[
        str,
        typer.Argument(help="The home: path of its area and its name.", metavar="AREA/HOME", show_default=False),
    ],
    until: Annotated[
        str,
        typer.Option(
            help="When somebody will be back (ISO 8601 with an offset), at most 180 days after --from.",
            metavar="TIME",
            show_default=False,
        ),
    ],
    since: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Since when nobody is home (likewise); may lie in the past or ahead.",
            metavar="TIME",
            show_default="now",
        ),
    ] = None,
    reason: Annotated[Why, typer.Option(help="Why.")] = Why.OTHER,
    by: _BY = None,
) -> None:
    """Note an absence.

    It always has an end; water that is used meanwhile is told, and so is when nobody seems to have come back.
    """
    from registry import absences

    from_at, until_at = arguments.instant(since, "--from"), arguments.instant(until, "--until")
    assert until_at is not None  # noqa: S101 (the option is required)
    with _refusals():
        noted = ctx.with_database(
            context,
            lambda conn: absences.add(
                conn,
                home,
                from_at=from_at,
                until_at=until_at,
                reason=absences.Why(reason.value),
                by=by or login(),
                now=datetime.now(UTC),
            ),
        )
    say(f"absence {noted.absence_id}: {_place(noted)} from {instant(noted.from_at)} to {instant(noted.until_at)}")


@app.command(name="list")
def list_(
    context: typer.Context,
    *,
    home: Annotated[
        str | None, typer.Option(help="Only this home, as area path and name.", metavar="AREA/HOME")
    ] = None,
    area: Annotated[
        str | None, typer.Option(help="Only this area and all below it, as a path.", metavar="PATH")
    ] = None,
    over: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    as_json: _JSON = False,
) -> None:
    """List who is away or will be, by when they are back."""
    from registry import absences, policies

    now = datetime.now(UTC)

    async def work(conn: "AsyncConnection[TupleRow]") -> "list[Noted]":
        path = await policies.area_path(conn, area)
        return await absences.listed(conn, home=home, area=path, over=over, now=now)

    found = ctx.with_database(context, work)
    if as_json:
        show_json([{**noted._asdict(), "state": noted.state(now)} for noted in found])
        return
    if not found:
        say("there are no absences" if over else "nobody is noted as absent")
        return
    columns = ("Absence", "Home", "Area", "From", "Until", "Reason", "State", "Noted by", "Ended by")
    show_table(
        columns,
        [
            (
                noted.absence_id,
                noted.home,
                noted.area,
                noted.from_at,
                noted.over_at,
                noted.reason,
                noted.state(now),
                noted.noted_by,
                noted.ended_by,
            )
            for noted in found
        ],
    )


@app.command()
def end(
    context: typer.Context,
    *,
    which: Annotated[str, typer.Argument(help="Its number, or the home.", metavar="ID|AREA/HOME", show_default=False)],
    at: Annotated[
        str | None,
        typer.Option("--at", help="When it ended (ISO 8601 with an offset).", metavar="TIME", show_default="now"),
    ] = None,
    by: _BY = None,
) -> None:
    """End an absence: somebody is back, or nobody will go. One that has not begun is taken back."""
    from registry import absences

    ended_at = arguments.past_instant(at, "--at")
    now = datetime.now(UTC)
    with _refusals():
        ended = ctx.with_database(
            context, lambda conn: absences.end(conn, which, at=ended_at, by=by or login(), now=now)
        )
    if ended.over_at <= ended.from_at:
        say(f"absence {ended.absence_id}: {_place(ended)} is taken back")
    else:
        say(f"absence {ended.absence_id}: {_place(ended)} ended {instant(ended.over_at)}")


def _place(noted: "Noted") -> str:
    return f"{noted.home}, {noted.area}, {noted.reason}"


@contextmanager
def _refusals() -> Iterator[None]:
    """Tells whose turn it is: whoever typed it, or whoever knows what is on record."""
    from registry.absences import AbsenceInvalid, AbsenceRefused

    try:
        yield
    except AbsenceInvalid as invalid:
        raise Usage(str(invalid)) from None
    except AbsenceRefused as refused:
        raise NotPossible(str(refused)) from None
