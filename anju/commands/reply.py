"""`anju reply`: what people answered."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from anju import context as ctx
from anju.output import JSON_OPTION, instant, show_json, show_table

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow

    from alerts.replies.record import ReplyRow

app = typer.Typer(
    help="See what people answered by SMS, key, link or callback.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def group() -> None:
    """Keeps `list` a name of its own while it is the only command."""


@app.command("list")
def list_(
    context: typer.Context,
    *,
    undone: Annotated[bool, typer.Option("--undone", help="Only those that changed nothing.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Show the newest answers: who, by which way, what was said, what became of it.

    A dash for the person: the number is nobody's on record.
    """
    from alerts.replies.record import newest

    async def work(conn: "AsyncConnection[TupleRow]") -> "list[ReplyRow]":
        return await newest(conn, undone=undone, limit=limit)

    rows = ctx.with_database(context, work)
    if as_json:
        show_json([asdict(row) for row in rows])
        return
    show_table(
        ("at", "by", "person", "alert", "said", "result"),
        [
            (instant(row.received_at), row.provider, row.person, row.alert_id, row.said, row.result.replace("_", " "))
            for row in rows
        ],
    )
