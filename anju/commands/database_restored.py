"""`anju database restored`: what comes between a restore and the first start of the stages on it."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from anju import context as ctx
from anju.output import JSON_OPTION, instant, say, show_json

_JSON = Annotated[bool, JSON_OPTION]


def add_to(app: typer.Typer) -> None:
    """Adds the command of this module."""
    app.command()(restored)


def restored(context: typer.Context, as_json: _JSON = False) -> None:
    """Take up a database that was restored from a backup, before any stage runs on it; run it as the owner.

    Numbers that were given out since the backup (an alert's in an SMS or a link) are not given out again.
    """
    from anju.restored import AHEAD, take_up

    taken = ctx.with_database(context, lambda conn: take_up(conn, now=datetime.now(UTC)))
    if as_json:
        show_json({**asdict(taken), "ahead": AHEAD})
        return
    say(f"{taken.sequences} numbers go on {AHEAD:,} further: none is given out twice")
    if taken.known_until is None:
        say("ingest had never run when the backup was taken")
    else:
        say(f"what ingest stored after {instant(taken.known_until)} is not in the backup")
    say(
        f"{taken.open_alerts} alerts are open as of the backup, {taken.overdue} of them are told on at once; "
        f"{taken.pending} messages wait, and may have left since the backup: look at `anju alert list` before you start"
    )
