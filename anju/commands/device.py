"""`anju device`: what is installed, what is heard without being installed; put devices in, move them, take them out."""

from datetime import UTC, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated

import typer

from anju import context as ctx
from anju.arguments import past_instant
from anju.commands import device_credentials, device_show
from anju.commands.device_show import NAME, called, terms
from anju.errors import Usage
from anju.output import complain, instant, say

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow

    from devices.registry import Drivers
    from registry.importing import DeviceRow, HomeKey
    from registry.installing import Change

app = typer.Typer(
    help="Install devices, move and retire them; see what is installed, and what is heard although it is not.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(device_credentials.app, name="credentials")

_HOME = Annotated[
    str, typer.Option(help="The home: path of its area and its name.", metavar="AREA/HOME", show_default=False)
]
_AT = Annotated[
    str | None, typer.Option("--at", help="When (ISO 8601 with an offset).", metavar="TIME", show_default="now")
]
_OPTION_OF = {
    "device": "NAME",
    "driver": "--driver",
    "model": "--model",
    "interval_s": "--interval",
    "litres_per_pulse": "--litres-per-pulse",
    "resolution_l": "--resolution-l",
    "gateway": "--gateway",
}


@app.command()
def add(
    context: typer.Context,
    *,
    name: NAME,
    home: _HOME,
    driver: Annotated[str, typer.Option(help="Its family; `anju drivers` lists them.", metavar="FAMILY")] = "native",
    model: Annotated[str | None, typer.Option(help="Its model; `anju drivers` lists those known to work.")] = None,
    interval: Annotated[
        str,
        typer.Option(help="How often it reports, in seconds; 0: only when something happens.", metavar="SECONDS"),
    ] = "900",
    litres_per_pulse: Annotated[
        str, typer.Option(help="For a pulse counter: what a pulse is worth.", metavar="N", show_default=False)
    ] = "",
    resolution_l: Annotated[
        str,
        typer.Option(
            help="For a register: litres of its last digit.", metavar="N", show_default="told from what it shows"
        ),
    ] = "",
    gateway: Annotated[
        str,
        typer.Option(
            help="The gateway it is heard through: where that fails, one incident is told for all behind it.",
            metavar="NAME",
            show_default=False,
        ),
    ] = "",
    since: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Since when it serves the home (ISO 8601 with an offset).",
            metavar="TIME",
            show_default="now",
        ),
    ] = None,
) -> None:
    """Install a device in a home.

    The home must be on record (`anju import`). What an import checks and takes for granted holds here too. A device
    that is not in use any more may be installed again.
    """
    from devices.registry import discover
    from registry import devices, installing

    known = discover()
    row = _checked(
        {
            "device": name,
            "driver": driver,
            "model": model or "",
            "interval_s": interval,
            "litres_per_pulse": litres_per_pulse,
            "resolution_l": resolution_l,
            "gateway": gateway,
        },
        known,
    )
    at = past_instant(since, "--from")

    async def work(conn: "AsyncConnection[TupleRow]") -> "tuple[Change, list[tuple[str, int]]]":
        change = await installing.add(conn, row, home, since=at, now=datetime.now(UTC))
        return change, await devices.waiting(conn, row.name)

    change, waiting = ctx.with_database(context, work)
    since = f"{_place(change.home)} since {instant(change.at)}"
    say(f"{row.name} serves {since}; reports {terms(row)}{_as_what(row, known)}")
    for found, messages in waiting:
        if found == row.name:
            complain(f"{messages} messages of it came before; `anju quarantine replay --device {found}` stores them")
        else:
            complain(f"nothing is heard of {row.name}, but of {found!r}, which is not installed: is it that one?")


@app.command()
def move(context: typer.Context, *, name: NAME, home: _HOME, at: _AT = None) -> None:
    """Let a device serve another home from now on, on the terms it has."""
    from registry import installing

    when = past_instant(at, "--at")

    async def work(conn: "AsyncConnection[TupleRow]") -> "tuple[str, Change]":
        found = await called(conn, name)
        return found, await installing.move(conn, found, home, at=when, now=datetime.now(UTC))

    moved, change = ctx.with_database(context, work)
    say(f"{moved} serves {_place(change.home)} since {instant(change.at)}, and served {_place(change.left)} until then")


@app.command()
def retire(context: typer.Context, *, name: NAME, at: _AT = None) -> None:
    """Take a device out of its home. What it measured stays; it can be installed again."""
    from registry import installing

    when = past_instant(at, "--at")

    async def work(conn: "AsyncConnection[TupleRow]") -> "tuple[str, Change]":
        found = await called(conn, name)
        return found, await installing.retire(conn, found, at=when, now=datetime.now(UTC))

    taken, change = ctx.with_database(context, work)
    say(f"{taken} served {_place(change.left)} until {instant(change.at)}, and serves no home any more")


def _checked(cells: dict[str, str], known: "Drivers") -> "DeviceRow":
    from registry.errors import DeviceRefused
    from registry.importing import check_device

    try:
        row = check_device(cells, drivers=known.by_name, naming=known.installed_name)
    except DeviceRefused as refused:
        faults = [f"{_OPTION_OF.get(fault.column or '', fault.column)}: {fault.problem}" for fault in refused.faults]
        raise Usage("; ".join(faults)) from None
    warn_of_model(row.driver, row.model, known)
    return row


def warn_of_model(driver: str, model: str | None, known: "Drivers") -> None:
    """Says that a model is none of its family's: a call button of such a model is no call button to us."""
    if model is None or known.model(driver, model) is not None:
        return
    if elsewhere := [family for family in known.families if known.model(family, model) is not None]:
        families = f"{'families' if len(elsewhere) > 1 else 'family'} {' and '.join(elsewhere)}"
        complain(f"model {model!r} is known in the {families}, not in {driver}: is the driver right?")
        return
    models = [each.name for each in known.families[driver].models]
    if not models:
        return
    # With its maker and without: `WS1O1` is close to the latter only.
    named = {form.casefold(): each for each in models for form in (each.partition(" ")[2], each)}
    close = get_close_matches(model.casefold(), named, n=1)
    hint = f"; did you mean {named[close[0]]!r}?" if close else ""
    complain(f"no model {model!r} is known in the family {driver}{hint}")


def _as_what(row: "DeviceRow", known: "Drivers") -> str:
    if not known.presses(row.driver, row.model, row.name):
        return ""
    return "; it calls for help, so its messages take the urgent lane"


def _place(home: "HomeKey | None") -> str:
    return "no home" if home is None else f"{home.name}, {home.area},"


device_show.add_to(app)
