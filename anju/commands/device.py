"""`anju device`: what is installed, and what is heard without being installed."""

from typing import Annotated

import typer

from anju import context as ctx
from anju.output import JSON_OPTION, say, show_json, show_table

app = typer.Typer(
    help="See which devices are installed, and which are heard although they are not.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_JSON = Annotated[bool, JSON_OPTION]


@app.command(name="list")
def list_(
    context: typer.Context,
    *,
    area: Annotated[
        str | None, typer.Option(help="Only this area and all below it, as a path.", metavar="PATH")
    ] = None,
    as_json: _JSON = False,
) -> None:
    """List installed devices, the home each serves, and when it was last heard."""
    from registry import devices

    found = ctx.with_database(context, lambda conn: devices.installed(conn, area=area))
    if as_json:
        show_json([device._asdict() for device in found])
        return
    columns = ("Device", "Driver", "Home", "Area", "Interval", "Heard")
    show_table(
        columns,
        [
            (
                device.device,
                device.driver,
                device.home,
                device.area,
                "" if device.interval_s is None else f"{device.interval_s} s",
                device.heard_at or "never",
            )
            for device in found
        ],
    )


@app.command()
def unknown(
    context: typer.Context,
    *,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, last heard first.")] = 200,
    as_json: _JSON = False,
) -> None:
    """List devices that are heard but not installed, with their last message; `anju import` installs them."""
    from registry import devices

    found = ctx.with_database(context, lambda conn: devices.unknown(conn, limit=limit))
    if as_json:
        show_json([device._asdict() for device in found])
        return
    if not found:
        say("every device that is heard is installed")
        return
    columns = ("Device", "Messages", "First", "Last", "Last event", "Topic", "Last message")
    show_table(
        columns,
        [(d.device, d.messages, d.first_at, d.last_at, d.last_event, d.topic, d.payload) for d in found],
    )
