"""`anju quarantine`: messages that could not be decoded or stored."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from anju import context as ctx
from anju.errors import Exit, NotPossible, Usage
from anju.output import JSON_OPTION, complain, instant, printable, say, show_json, show_table

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow

app = typer.Typer(
    help="See what could not be decoded or stored, and feed it in again.", no_args_is_help=True, rich_markup_mode=None
)

_JSON = Annotated[bool, JSON_OPTION]


@app.command(name="list")
def list_(context: typer.Context, as_json: _JSON = False) -> None:
    """List devices and reasons, with how many messages each has and the number of the last one kept."""
    from ingest.quarantine import list_groups

    groups = ctx.with_database(context, list_groups)
    if as_json:
        show_json([asdict(group) for group in groups])
        return
    columns = ("Device", "Reason", "Messages", "Kept", "First", "Last", "Last number")
    show_table(
        columns, [(g.device_name, g.reason, g.messages, g.kept, g.first_at, g.last_at, g.last_id) for g in groups]
    )


@app.command()
def show(
    context: typer.Context,
    *,
    number: Annotated[int, typer.Argument(help="The message's number.", metavar="NUMBER")],
    as_json: _JSON = False,
) -> None:
    """Show one message: where it came on, why it is here, and its bytes."""
    from ingest import quarantine

    found = ctx.with_database(context, lambda conn: quarantine.show(conn, number))
    if found is None:
        raise NotPossible(f"there is no message {number} in quarantine; `anju quarantine list` shows what there is")
    if as_json:
        show_json(asdict(found))
        return
    for name, value in asdict(found).items():
        shown = printable(value, 4000) if isinstance(value, bytes) else value
        say(f"{name}: {instant(value) if isinstance(value, datetime) else shown}")


@app.command()
def replay(
    context: typer.Context,
    *,
    numbers: Annotated[list[int] | None, typer.Argument(help="Numbers of messages.", metavar="[NUMBER]...")] = None,
    reason: Annotated[str | None, typer.Option(help="All with this reason.")] = None,
    device: Annotated[str | None, typer.Option(help="All of this device.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All there are.")] = False,
    as_json: _JSON = False,
) -> None:
    """Feed messages in again, after a device was installed or a driver mended.

    Each keeps its time of receipt and is replayed once; a press among them is raised as a late one.
    """
    from devices.model import Reason
    from ingest import quarantine
    from ingest import replay as replaying
    from ingest.intake import Limits

    if bool(numbers) == (every or reason is not None or device is not None):
        raise Usage("say which messages: numbers, or --reason and --device, or --all")
    if reason is not None and reason not in list(Reason):
        raise Usage(f"{reason!r} is no reason; there are {', '.join(Reason)}")
    chosen_reason = None if reason is None else Reason(reason)
    loaded = ctx.settings(context)
    drivers = ctx.drivers(loaded)
    limits = Limits(
        late_window=timedelta(days=loaded.late_window_days),
        future_tolerance=timedelta(seconds=loaded.future_tolerance_s),
    )

    async def work(conn: "AsyncConnection[TupleRow]") -> tuple[int, list[replaying.Replayed]]:
        ids = numbers or await quarantine.choose(conn, reason=chosen_reason, device_name=device)
        now = datetime.now(UTC)
        return len(ids), await replaying.replay(conn, ids, drivers=drivers, limits=limits, now=now)

    asked, outcomes = ctx.with_database(context, work)
    refused = [outcome for outcome in outcomes if outcome.refused is not None]
    if as_json:
        show_json([asdict(outcome) for outcome in outcomes])
    else:
        say(
            f"{len(outcomes) - len(refused)} replayed: {sum(o.readings for o in outcomes)} readings,"
            f" {sum(o.events for o in outcomes)} new events"
        )
        for outcome in refused:
            complain(f"{outcome.quarantine_id}: still refused: {outcome.refused}")
        if gone := asked - len(outcomes):
            complain(f"{gone} are not there any more, or were replayed before")
    if refused or len(outcomes) < asked:
        raise typer.Exit(Exit.NOT_POSSIBLE)
