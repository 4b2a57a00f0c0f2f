"""Commands that run until they are stopped: `up` and the roles."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from anju import context as ctx
from anju.errors import Exit, Usage
from anju.output import say

_STDIN = Annotated[
    bool,
    typer.Option(
        "--stop-with-stdin", help="Also stop when standard input closes: for a parent process that may be killed."
    ),
]


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command()(up)
    app.command()(ingest)
    app.command()(rules)
    app.command()(alerts)
    app.command()(probe)
    app.command()(keep)


def up(
    context: typer.Context,
    *,
    demo: Annotated[
        bool, typer.Option("--demo", help="With a simulated neighbourhood in which things happen.")
    ] = False,
    homes: Annotated[
        int | None, typer.Option(min=4, max=500, help="Homes of the demonstration.", show_default="24")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where the embedded servers keep their data.", metavar="FOLDER")
    ] = None,
    database_url: Annotated[
        str | None, typer.Option(help="A PostgreSQL of yours in place of the embedded one.", metavar="URL")
    ] = None,
    mqtt_url: Annotated[
        str | None, typer.Option(help="A broker of yours in place of the embedded one.", metavar="URL")
    ] = None,
    late_window: Annotated[
        float | None,
        typer.Option(min=0.01, help="Days back from now that readings may lie, for replays.", metavar="DAYS"),
    ] = None,
) -> None:
    """Run everything: all roles, on embedded servers unless real ones are named.

    Ctrl-C stops cleanly, a second one at once; the next start goes on with the same data.
    """
    from anju import up as running

    given = {"ANJU_DATABASE_URL": database_url, "ANJU_MQTT_URL": mqtt_url}
    loaded = ctx.settings(context, overrides={name: value for name, value in given.items() if value is not None})
    if homes is not None and not demo:
        raise Usage("--homes says how many homes the demonstration has; it needs --demo")
    options = running.UpOptions(
        data_dir=(data_dir or loaded.data_dir).expanduser().absolute(),
        database_url=None if loaded.database_url is None else loaded.database_url.get_secret_value(),
        mqtt_url=",".join(url.get_secret_value() for url in loaded.mqtt_urls) or None,
        mqtt_ca_file=loaded.mqtt_ca_file,
        webhook_configured=loaded.webhook_url is not None,
        config_file=ctx.config_file(context),
        demo_homes=(homes or 24) if demo else None,
        late_window_days=late_window,
    )
    asyncio.run(running.run(options))


def ingest(context: typer.Context, stop_with_stdin: _STDIN = False) -> None:
    """Run the role that stores what devices publish (several may run at once)."""
    from anju import roles

    roles.run_ingest(ctx.settings(context, "database_url", "mqtt_urls"), stop_with_stdin=stop_with_stdin)


def rules(context: typer.Context, stop_with_stdin: _STDIN = False) -> None:
    """Run the role that judges who may need help (several may run at once)."""
    from anju import roles

    roles.run_rules(ctx.settings(context, "database_url"), stop_with_stdin=stop_with_stdin)


def alerts(context: typer.Context, stop_with_stdin: _STDIN = False) -> None:
    """Run the role that tells people until somebody acts (several may run at once)."""
    from anju import roles

    roles.run_alerts(ctx.settings(context, "database_url"), stop_with_stdin=stop_with_stdin)


def probe(context: typer.Context, stop_with_stdin: _STDIN = False) -> None:
    """Run the role that proves the others: presses, looks at what is overdue, signals an outside monitor."""
    from anju import roles

    roles.run_probe(ctx.settings(context, "database_url", "mqtt_urls"), stop_with_stdin=stop_with_stdin)


def keep(
    context: typer.Context,
    *,
    once: Annotated[bool, typer.Option("--once", help="Do all that is due, say what was done, and end.")] = False,
    stop_with_stdin: _STDIN = False,
) -> None:
    """Run the role that keeps the series: partitions ahead, retention, the jobs of TimescaleDB, sizes.

    Several may run; one works, the others stand by. With --once it ends with 1 when something could not be done.
    """
    loaded = ctx.settings(context, "database_url")
    if not once:
        from anju import roles

        roles.run_keep(loaded, stop_with_stdin=stop_with_stdin)
        return
    from anju.keeping import once as single

    reports = asyncio.run(single.run(loaded))
    for report in reports:
        say(f"{report.task}: {report.text}")
    if any(report.failed for report in reports):
        raise typer.Exit(Exit.FAILED)
