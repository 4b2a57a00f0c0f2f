"""`anju broker`: which brokers ingest hears, and forgetting one that is no longer in use."""

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from anju import context as ctx
from anju.errors import Usage
from anju.output import JSON_OPTION, say, show_json, show_table

if TYPE_CHECKING:
    from anju.brokers import Ear

app = typer.Typer(
    help="See which brokers ingest hears; forget one that is no longer in use.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_JSON = Annotated[bool, JSON_OPTION]


@app.command(name="list")
def list_(context: typer.Context, as_json: _JSON = False) -> None:
    """List the sessions ingest has with each broker, and how far each has heard.

    Silence of devices is judged up to where every one of them has heard.
    """
    from anju import brokers

    configured = _configured(context)
    found = ctx.with_database(context, brokers.ears)
    if as_json:
        show_json([{**ear._asdict(), "configured": ear.broker in configured} for ear in found])
        return
    if not found:
        say("ingest has never run here")
        return
    columns = ("Broker", "In the settings", "Lane", "Worker", "Heard since", "Heard until")
    show_table(columns, [_row(ear, configured) for ear in found])


@app.command()
def forget(
    context: typer.Context,
    *,
    name: Annotated[str, typer.Argument(help="The broker, as `anju broker list` names it.", metavar="HOST:PORT")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Forget a broker that is no longer in use, so that nobody waits to hear it.

    What came from it stays. One that is in the settings here, or is still heard, is not forgotten.
    """
    from anju import brokers

    if not yes:
        if not sys.stdin.isatty():
            raise Usage("there is nobody to ask: say --yes")
        typer.confirm(f"Does no device publish to {name} any more?", abort=True)
    configured = _configured(context)
    ctx.with_database(context, lambda conn: brokers.forget(conn, name, configured=configured, now=datetime.now(UTC)))
    say(f"{name} is forgotten; all homes are looked at anew")


def _configured(context: typer.Context) -> set[str]:
    from ingest.mqtt.options import Endpoint

    return {str(Endpoint.parse(url.get_secret_value())) for url in ctx.settings(context).mqtt_urls}


def _row(ear: "Ear", configured: set[str]) -> tuple[object, ...]:
    worker = ear.owner if ear.lane == "bulk" else ear.worker
    return (
        ear.broker,
        "yes" if ear.broker in configured else "no",
        ear.lane,
        worker,
        ear.heard_since or "never",
        ear.heard_until or "never",
    )
