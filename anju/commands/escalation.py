"""`anju escalation`: who is told of an alert at which step, for the site and its areas."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anju import context as ctx
from anju.commands import escalation_try
from anju.errors import NotPossible, Usage
from anju.ladders import AREA, JSON, KIND, SITE, Grave, channels_of, kind_of, refusals, severities_of
from anju.login import login
from anju.output import say, show_json, show_table

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow

    from alerts.escalation.model import Circle
    from alerts.escalation.policy import Definition, Ladder, Step
    from alerts.escalation.storing import Stored
    from registry.policies import Where

app = typer.Typer(
    help="See and change who is told of an alert at which step; an area without a policy goes by the one above.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def show(
    context: typer.Context,
    *,
    area: AREA = None,
    kind: KIND = None,
    severity: Annotated[Grave | None, typer.Option(help="How grave it is.", show_default="any")] = None,
    as_json: JSON = False,
) -> None:
    """Show the steps that count for an area (or the site), and who that would be now."""
    from alerts.model import Kind, Severity
    from registry import policies

    channels = channels_of(ctx.settings(context))
    kinds = [kind_of(kind)] if kind is not None else list(Kind)
    grave = list(Severity) if severity is None else [Severity(severity.value)]
    now = datetime.now(UTC)

    async def work(conn: "AsyncConnection[TupleRow]") -> "list[tuple[Ladder, Circle]]":
        from alerts.escalation.rehearsal import Scene, around

        where = await policies.find(conn, area=area)
        found: dict[tuple[str, str], tuple[Ladder, Circle]] = {}
        for each in kinds:
            for severe in severities_of(each, grave):
                scene = Scene(
                    area_id=where.scope.area_id, home_id=None, kind=each, severity=severe, at=now, channels=channels
                )
                circle = await around(conn, scene)
                found.setdefault((circle.ladder_by, circle.ladder.name), (circle.ladder, circle))
        return list(found.values())

    with refusals():
        ladders = ctx.with_database(context, work)
    if as_json:
        show_json(
            [
                {"by": circle.ladder_by, **ladder.model_dump(mode="json", by_alias=True)}
                | {"now": _now(ladder, circle)}
                for ladder, circle in ladders
            ]
        )
        return
    _show_ladders(ladders)


def _show_ladders(ladders: "list[tuple[Ladder, Circle]]") -> None:
    from alerts.escalation import words

    rows = [
        (circle.ladder_by, ladder.name, words.span(step.after_s), words.step(step), ", ".join(now) or "")
        for ladder, circle in ladders
        for step, now in zip(ladder.steps, _now(ladder, circle), strict=True)
    ]
    show_table(("Said by", "Ladder", "After", "Who", "Now"), rows)
    for ladder, _ in ladders:
        say(f"{ladder.name} ({words.scope(ladder)})")
        for line in words.afterwards(ladder):
            say(f"  {line}")


def _now(ladder: "Ladder", circle: "Circle") -> list[list[str]]:
    return [_now_at(step, circle) for step in ladder.steps]


def _now_at(step: "Step", circle: "Circle") -> list[str]:
    from alerts.escalation.reach import reach
    from alerts.model import Severity

    names = []
    for tell in step.tell:
        if not tell.is_staff:
            continue
        reached = reach(tell, circle, Severity.TECHNICAL, turn=0, place=0)
        keys = [someone.person.key if someone.person is not None else "the desk" for someone in reached.people]
        names += keys or ["nobody"]
    return names


@app.command(name="set")
def set_(
    context: typer.Context,
    *,
    file: Annotated[
        Path,
        typer.Argument(help="The policy, see docs/escalation.md.", metavar="FILE.toml", exists=True, dir_okay=False),
    ],
    site: SITE = False,
    area: AREA = None,
    by: Annotated[
        str | None, typer.Option("--by", help="Who changes it; stands in the history.", show_default="you")
    ] = None,
) -> None:
    """Let a policy count for an area or the site, from the next step of each alert on."""
    from alerts.escalation import policy, storing, words
    from registry import policies

    if site == (area is not None):
        raise Usage("say for what: one of --site and --area PATH")
    now = datetime.now(UTC)
    with refusals():
        definition = policy.read(_text(file))

        async def work(conn: "AsyncConnection[TupleRow]") -> "tuple[Where, list[str]]":
            where = await policies.find(conn, area=area)
            unknown = await _unknown(conn, definition)
            if not unknown:
                await storing.write(conn, where.scope.area_id, definition, now=now, by=by or login())
            return where, unknown

        where, unknown = ctx.with_database(context, work)
    if unknown:
        raise NotPossible(f"there is no person {', '.join(unknown)}; `anju person list` has them all")
    for ladder in definition.ladders:
        say(f"{where}: {ladder.name} counts for {words.scope(ladder)}")


@app.command()
def history(
    context: typer.Context,
    *,
    site: SITE = False,
    area: AREA = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, newest first.")] = 50,
    as_json: JSON = False,
) -> None:
    """Show who set which policy when, for one level or (none named) everywhere."""
    from alerts.escalation import storing
    from registry import policies

    if site and area is not None:
        raise Usage("give --site or --area, not both")

    async def work(conn: "AsyncConnection[TupleRow]") -> "list[Stored]":
        where = await policies.find(conn, area=area)
        everywhere = not site and area is None
        return await storing.history(conn, where.scope.area_id, everywhere=everywhere, limit=limit)

    with refusals():
        found = ctx.with_database(context, work)
    if as_json:
        show_json(
            [
                {
                    **each._asdict(),
                    "definition": each.definition and each.definition.model_dump(mode="json", by_alias=True),
                }
                for each in found
            ]
        )
        return
    if not found:
        say("no escalation policy was ever set: the ladders that come with Anju count")
        return
    show_table(
        ("Changed", "By", "Where", "Ladders"),
        [
            (
                each.changed_at,
                each.changed_by,
                each.area or "site",
                "cannot be read" if each.definition is None else ", ".join(one.name for one in each.definition.ladders),
            )
            for each in found
        ],
    )


async def _unknown(conn: "AsyncConnection[TupleRow]", definition: "Definition") -> list[str]:
    """The keys of persons that a policy names and nobody has."""
    from alerts.escalation.policy import PERSON
    from registry.people import read_people

    keys = {
        tell.who.removeprefix(PERSON)
        for ladder in definition.ladders
        for step in ladder.steps
        for tell in step.tell
        if tell.who.startswith(PERSON)
    }
    return sorted(keys - set(await read_people(conn, keys)))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"{file} cannot be read: {error}") from None


escalation_try.add_to(app)
