"""Commands for operators: `migrate`, `doctor`, `schema`."""

import asyncio
from enum import StrEnum
from typing import Annotated

import typer

from anju import context as ctx
from anju.errors import Exit
from anju.output import JSON_OPTION, say, show_json

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


def migrate(context: typer.Context, as_json: _JSON = False) -> None:
    """Bring the database to the schema of this release; running it twice changes nothing."""
    from anju.schema import upgrade
    from storage.migrate import current

    url = ctx.database_url(ctx.settings(context, "database_url"))
    before = current(url)
    upgrade(url)
    after = current(url)
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
