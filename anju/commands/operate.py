"""Commands for operators: `migrate`, `doctor`, `schema`."""

import asyncio
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from anju import context as ctx
from anju.errors import Exit, Usage
from anju.output import JSON_OPTION, complain, say, show_json

_JSON = Annotated[bool, JSON_OPTION]


class Topic(StrEnum):
    """The topics of the native MQTT contract."""

    READING = "reading"
    EVENT = "event"
    MOTION = "motion"
    STATUS = "status"


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command()(migrate)
    app.command()(doctor)
    app.command()(schema)


def migrate(
    context: typer.Context,
    plan: Annotated[bool, typer.Option("--plan", help="Only show what would run.", show_default=False)] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Only say whether this release can work here.", show_default=False)
    ] = False,
    wait: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long to go on trying while others are in the way.")
    ] = 600,
    as_json: _JSON = False,
) -> None:
    """Bring the database to the schema of this release; running it twice changes nothing.

    The stages may go on working meanwhile. docs/upgrade.md has the whole procedure.
    """
    from anju.schema import upgrade
    from storage import migrate as schema

    if plan and check:
        raise Usage("--plan and --check are two questions: ask one at a time")
    url = ctx.database_url(ctx.settings(context, "database_url"))
    before = schema.current(url)
    if check:
        schema.check(url)
        if as_json:
            show_json({"at": before})
        else:
            say(f"this release works with the schema, which is at {before}")
        return
    if plan:
        steps = schema.plan(url)
        if as_json:
            show_json({"at": before, "steps": [asdict(step) for step in steps]})
            return
        for step in steps:
            say(f"{step.revision}  {step.title}")
        say(f"{len(steps)} steps to run" if steps else "nothing to do")
        return
    upgrade(url, wait_s=wait, tell=complain)
    after = schema.current(url)
    if as_json:
        show_json({"before": before, "after": after})
    elif before == after:
        say(f"the schema was already at {after}")
    else:
        say(f"the schema is at {after} now" + ("" if before is None else f" (was at {before})"))


def doctor(context: typer.Context, as_json: _JSON = False) -> None:
    """Check settings, database, broker, schema, clocks and hearing; say what to do about each fault.

    Ends with 0 when nothing is wrong, with 1 otherwise. Warnings alone are not faults.
    """
    from anju import doctor as checking

    checks = asyncio.run(checking.examine(lambda: ctx.settings(context)))
    if as_json:
        show_json([check.as_json() for check in checks])
    else:
        for check in checks:
            say(check.line())
    if any(check.state is checking.State.FAULT for check in checks):
        raise typer.Exit(Exit.FAILED)


def schema(
    topic: Annotated[Topic | None, typer.Argument(help="One topic; without it, all.", show_default=False)] = None,
) -> None:
    """Print the JSON Schema of the MQTT contract."""
    from devices.contract import schemas

    made = schemas()
    show_json(made if topic is None else made[topic.value])
