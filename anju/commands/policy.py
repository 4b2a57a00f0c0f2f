"""`anju policy`: what is asked of homes, said for the site, for areas and for homes."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from anju import context as ctx
from anju.commands import policy_propose
from anju.defaults import policy_defaults
from anju.errors import Usage
from anju.login import login
from anju.output import JSON_OPTION, complain, say, show_json, show_table

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow
    from pydantic import JsonValue

    from registry.policies import Effective, Entry, Step, Where

app = typer.Typer(
    help="See and change the limits that hold for the site, its areas and homes, each overriding the one above.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
policy_propose.add_to(app)

_SITE = Annotated[bool, typer.Option("--site", help="For the whole site.")]
_AREA = Annotated[
    str | None, typer.Option(help="For this area and all below it, as a path.", metavar="PATH", show_default=False)
]
_HOME = Annotated[
    str | None, typer.Option(help="For this home, as area path and name.", metavar="AREA/HOME", show_default=False)
]
_BY = Annotated[str | None, typer.Option("--by", help="Who changes it; stands in the history.", show_default="you")]
_JSON = Annotated[bool, JSON_OPTION]


@app.command()
def show(
    context: typer.Context, *, site: _SITE = False, area: _AREA = None, home: _HOME = None, as_json: _JSON = False
) -> None:
    """Show the limits that hold for a home, an area or the site, and which level each comes from."""
    from registry import policies

    _one_at_most(site=site, area=area, home=home)
    defaults = policy_defaults(ctx.settings(context))

    async def work(conn: "AsyncConnection[TupleRow]") -> "Effective":
        where = await policies.find(conn, area=area, home=home)
        return policies.effective(defaults, await policies.levels(conn, where.scope))

    with _refusals():
        found = ctx.with_database(context, work)
    for fault in found.faults:
        complain(f"passed over, since it cannot be read: {fault}")
    if as_json:
        show_json([setting._asdict() for setting in found.settings])
        return
    columns = ("Parameter", "Value", "Level", "Where", "Since", "By")
    show_table(
        columns,
        [
            (each.parameter, _shown(each.value), each.level, each.place, each.changed_at, each.changed_by)
            for each in found.settings
        ],
    )


@app.command(name="set")
def set_(
    context: typer.Context,
    *,
    values: Annotated[
        list[str] | None, typer.Argument(help="What it is to be, as leak_h=12.", metavar="KEY=VALUE…")
    ] = None,
    site: _SITE = False,
    area: _AREA = None,
    home: _HOME = None,
    preset: Annotated[
        str | None,
        typer.Option(help="The rule of a programme, see `anju policy presets`; values given win.", metavar="NAME"),
    ] = None,
    by: _BY = None,
) -> None:
    """Set limits; those not named stay as they are. Counts from the next look at each home, which is at once."""
    from registry.presets import preset as preset_of

    if not values and preset is None:
        raise Usage("nothing to set: give KEY=VALUE or --preset; `anju policy show` has the keys")
    with _refusals():
        given = {**({} if preset is None else preset_of(preset).parameters), **_parsed(values or [])}
    _amend(context, given, (), site=site, area=area, home=home, by=by)


@app.command()
def unset(
    context: typer.Context,
    *,
    keys: Annotated[list[str], typer.Argument(help="What is to be inherited again.", metavar="KEY…")],
    site: _SITE = False,
    area: _AREA = None,
    home: _HOME = None,
    by: _BY = None,
) -> None:
    """Take limits back, so that those of the level above hold again."""
    _amend(context, {}, keys, site=site, area=area, home=home, by=by)


@app.command()
def history(
    context: typer.Context,
    *,
    site: _SITE = False,
    area: _AREA = None,
    home: _HOME = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, newest first.")] = 50,
    as_json: _JSON = False,
) -> None:
    """Show who changed what and when, for one level or (none named) everywhere."""
    from registry import policies

    async def work(conn: "AsyncConnection[TupleRow]") -> "list[Entry]":
        named = site or area is not None or home is not None
        where = await policies.find(conn, area=area, home=home) if named else None
        return await policies.history(conn, where, limit=limit)

    _one_at_most(site=site, area=area, home=home)
    with _refusals():
        found = ctx.with_database(context, work)
    if as_json:
        show_json(
            [
                {
                    **each._asdict(),
                    "changes": {name: {"before": a, "after": b} for name, (a, b) in each.changes.items()},
                }
                for each in found
            ]
        )
        return
    if not found:
        say("no policy was ever set")
        return
    show_table(
        ("Changed", "By", "Level", "Where", "Changes"),
        [
            (
                each.changed_at,
                each.changed_by,
                each.level,
                each.place,
                ", ".join(f"{name} {_said(a)} → {_said(b)}" for name, (a, b) in each.changes.items()),
            )
            for each in found
        ],
    )


@app.command()
def presets(*, as_json: _JSON = False) -> None:
    """List the published rules of programmes, which `anju policy set --preset` takes."""
    from registry.presets import presets as all_presets

    found = all_presets().values()
    if as_json:
        show_json(
            [
                {"name": each.name, "title": each.title, "source": each.source, "parameters": each.parameters}
                for each in found
            ]
        )
        return
    show_table(
        ("Preset", "Programme", "Rule", "Parameters"),
        [
            (
                each.name,
                each.title,
                each.source,
                " ".join(f"{name}={_shown(value)}" for name, value in each.parameters.items()),
            )
            for each in found
        ],
    )


def _one_at_most(*, site: bool, area: str | None, home: str | None) -> None:
    if site + (area is not None) + (home is not None) > 1:
        raise Usage("give one of --site, --area and --home")


def _amend(
    context: typer.Context,
    given: "Mapping[str, JsonValue]",
    removed: "Collection[str]",
    *,
    site: bool,
    area: str | None,
    home: str | None,
    by: str | None,
) -> None:
    from registry import policies

    if site + (area is not None) + (home is not None) != 1:
        raise Usage("say for what: one of --site, --area PATH and --home AREA/HOME")
    defaults = policy_defaults(ctx.settings(context))

    async def work(conn: "AsyncConnection[TupleRow]") -> "tuple[Where, list[Step]]":
        where = await policies.find(conn, area=area, home=home)
        now = datetime.now(UTC)
        steps = await policies.amend(
            conn, where, given, removed=removed, defaults=defaults, now=now, actor=by or login()
        )
        return where, steps

    with _refusals():
        where, steps = ctx.with_database(context, work)
    if not steps:
        say(f"{where}: nothing changed, it says so already")
    for step in steps:
        if step.before == step.after:
            say(f"{where}: {step.parameter} stays {_shown(step.after)}")
        else:
            say(f"{where}: {step.parameter} is {_shown(step.after)}, was {_shown(step.before)}")


def _parsed(values: list[str]) -> "dict[str, JsonValue]":
    from registry.policies import typed

    given: dict[str, JsonValue] = {}
    for each in values:
        name, separator, text = each.partition("=")
        if not separator:
            raise Usage(f"{each!r} is no KEY=VALUE; right would be leak_h=12")
        if name in given:
            raise Usage(f"{name} is given twice")
        given[name] = typed(name, text.strip())
    return given


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.12g}"
    return str(value) if value != "" else "''"


def _said(value: object) -> str:
    return "not set" if value is None else _shown(value)


@contextmanager
def _refusals() -> Iterator[None]:
    """Tells whoever typed it that it is their turn."""
    from registry.policy import PolicyRefused

    try:
        yield
    except PolicyRefused as refused:
        raise Usage(str(refused)) from None
