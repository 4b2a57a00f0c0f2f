"""Commands that bring data in: `import`, `simulate`, `replay`."""

import asyncio
import secrets
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from anju import context as ctx
from anju.arguments import past_instant
from anju.errors import Exit, InputRefused
from anju.output import complain, say, show_json

if TYPE_CHECKING:
    from anju.publishing import Publisher
    from config.settings import Settings
    from registry.applying import ImportResult

_BAD_ROWS_SHOWN: Final = 20
_STORED_WITHIN: Final = timedelta(seconds=5)
_JSON = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")]
_REGISTER = Annotated[
    bool, typer.Option("--register", help="First import the homes into the database that ANJU_DATABASE_URL names.")
]


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command(name="import")(import_)
    app.command()(simulate)
    app.command()(replay)


def import_(
    context: typer.Context,
    *,
    file: Annotated[Path, typer.Argument(help="A CSV file.", metavar="FILE.csv", exists=True, dir_okay=False)],
    installed_at: Annotated[
        str | None,
        typer.Option(
            help="Since when devices that are new serve their homes (ISO 8601 with an offset).", metavar="TIME"
        ),
    ] = None,
    encoding: Annotated[str, typer.Option(help="How the file stands for text, such as gb18030.")] = "utf-8-sig",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check the file; write nothing.")] = False,
    as_json: _JSON = False,
) -> None:
    """Import areas, homes, residents and devices from a CSV file.

    Columns: area (a path city/district/street/community) and home, and as far as wanted resident, time_zone (empty:
    Asia/Shanghai), device, driver (empty: native), model, interval_s (empty: 900; 0: reports only when something
    happens), litres_per_pulse, resolution_l, gateway. One row for each device or resident of a home.

    Every faulty row is named, and nothing is written while one is faulty. Running it twice changes nothing. What the
    file does not mention is left as it is.
    """
    from anju.commands.device import warn_of_model
    from devices.registry import discover
    from registry.importing import read_rows

    since = past_instant(installed_at, "--installed-at")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputRefused(f"{file} cannot be read: {error.strerror}") from error
    known = discover()
    rows = read_rows(content, drivers=known.by_name, naming=known.installed_name, encoding=encoding)
    named = {(row.device.driver, row.device.model) for row in rows if row.device is not None and row.device.model}
    for driver, model in sorted(named, key=str):
        warn_of_model(driver, model, known)
    if dry_run:
        show_json({"rows": len(rows)}) if as_json else say(f"{len(rows)} rows, no fault found, nothing written")
        return
    from registry.applying import apply

    result = ctx.with_database(context, lambda conn: apply(conn, rows, now=datetime.now(UTC), installed_at=since))
    _show_import(result, as_json=as_json)


def _show_import(result: "ImportResult", *, as_json: bool) -> None:
    if as_json:
        show_json(
            {
                "added": result.added,
                "changed": result.changed,
                "unchanged": result.unchanged,
                "homes_added": result.homes_added,
                "devices_added": result.devices_added,
                "moved": [
                    {"device": move.device, "area": move.home.area, "home": move.home.name} for move in result.moved
                ],
            }
        )
        return
    say(
        f"{result.added} added, {result.changed} changed, {result.unchanged} unchanged"
        f" ({result.homes_added} new homes, {result.devices_added} new devices)"
    )
    for move in result.moved:
        say(f"moved: {move.device} now serves {move.home.name}, {move.home.area}")


def simulate(
    context: typer.Context,
    *,
    homes: Annotated[int, typer.Option(min=1, max=1_000_000, help="Homes, each with one meter.")] = 48,
    rate: Annotated[
        float | None,
        typer.Option(min=0.001, help="Messages a second, all homes together.", show_default="homes / interval"),
    ] = None,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two messages of a meter.")] = 900.0,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="How long.", show_default="until Ctrl-C")] = None,
    seed: Annotated[int, typer.Option(help="Another seed, other habits.")] = 1,
    register: _REGISTER = False,
) -> None:
    """Publish as a made-up neighbourhood of N homes does, over real MQTT at QoS 1."""
    from anju.neighbourhood import build, import_csv
    from anju.simulate import SimulateOptions
    from anju.simulate import simulate as run

    loaded = _settings(context, register=register)
    neighbourhood = build(homes, seed=seed)
    per_s = rate if rate is not None else homes / interval
    if register:
        stated_s = max(1, round(homes / per_s))
        _register(loaded, import_csv(neighbourhood, interval_s=stated_s), datetime.now(UTC) - timedelta(days=1))
    say(f"{homes} homes publish {per_s:g} messages a second" + ("; Ctrl-C stops" if seconds is None else ""))

    async def publish(publisher: "Publisher", stop: asyncio.Event) -> None:
        options = SimulateOptions(rate_per_s=per_s, seconds=seconds)
        await run(publisher, neighbourhood, options, clock=lambda: datetime.now(UTC), stop=stop)
        say(f"{publisher.acknowledged} messages published and acknowledged")

    _publish(loaded, "simulate", publish)


def replay(
    context: typer.Context,
    *,
    file: Annotated[
        Path,
        typer.Argument(help="meter_id, measured_at, total_l", metavar="FILE.csv[.gz]", exists=True, dir_okay=False),
    ],
    rate: Annotated[
        float | None,
        typer.Option(min=0.001, help="Messages a second.", show_default="as fast as the broker takes them"),
    ] = None,
    last_days: Annotated[
        float | None, typer.Option(min=0.001, help="Only the last so many days.", metavar="DAYS")
    ] = None,
    register: _REGISTER = False,
    as_json: _JSON = False,
) -> None:
    """Publish a recording over real MQTT, shifted so that it ends now; one message for each reading.

    Readings older than the late window (35 days) go to quarantine: widen it for a replay, on the side of ingest, with
    ANJU_LATE_WINDOW_DAYS or `anju up --late-window`. Bad rows are named and counted, the others are published; the exit
    code is then 3.
    """
    from anju import replay as replaying

    loaded = _settings(context, register=register)
    recording = replaying.read(file)
    for bad in recording.bad[:_BAD_ROWS_SHOWN]:
        complain(f"line {bad.line}: {bad.problem}")
    if len(recording.bad) > _BAD_ROWS_SHOWN:
        complain(f"{len(recording.bad) - _BAD_ROWS_SHOWN} more bad rows")
    now = datetime.now(UTC)
    recording = recording.shifted(now)
    if last_days is not None:
        recording = recording.since(now - timedelta(days=last_days))
    if register:
        area = f"Replay/{file.name.partition('.')[0]}"
        _register(loaded, replaying.import_csv(recording, area=area), recording.rows[0].measured_at)
    late = recording.older_than(now - timedelta(days=loaded.late_window_days))
    if late:
        days = (now - recording.rows[0].measured_at) / timedelta(days=1)
        complain(
            f"{late} of {len(recording.rows)} readings lie before the late window of {loaded.late_window_days:g} days;"
            f" unless ingest runs with ANJU_LATE_WINDOW_DAYS={int(days) + 2}, it puts them in quarantine"
        )

    async def publish(publisher: "Publisher", stop: asyncio.Event) -> None:
        with _progress(len(recording.rows), shown=not as_json) as published:
            await replaying.replay(publisher, recording, rate_per_s=rate, stop=stop, published=published)
        outcome = {"published": publisher.acknowledged, "rows": len(recording.rows), "bad_rows": len(recording.bad)}
        if as_json:
            show_json(outcome)
        else:
            say(
                f"{publisher.acknowledged} of {len(recording.rows)} readings published,"
                f" {len(recording.bad)} bad rows left out"
            )

    _publish(loaded, "replay", publish)
    if register:
        _look_again(loaded, sorted({row.meter for row in recording.rows}))
    if recording.bad:
        raise typer.Exit(Exit.REFUSED)


def _settings(context: typer.Context, *, register: bool) -> "Settings":
    return ctx.settings(context, "mqtt_urls", *(["database_url"] if register else []))


def _register(loaded: "Settings", content: bytes, installed_at: datetime) -> None:
    from devices.registry import discover
    from registry.applying import apply
    from registry.importing import read_rows

    rows = read_rows(content, drivers=discover().by_name)

    async def main() -> "ImportResult":
        async with ctx.database(ctx.database_url(loaded)) as conn:
            return await apply(conn, rows, now=datetime.now(UTC), installed_at=installed_at)

    result = asyncio.run(main())
    complain(f"registered: {result.homes_added} new homes, {result.devices_added} new devices")


def _look_again(loaded: "Settings", meters: Sequence[str]) -> None:
    """Has the homes judged as soon as ingest will have stored what was published."""
    from registry.devices import look_again

    async def main() -> None:
        async with ctx.database(ctx.database_url(loaded)) as conn:
            await look_again(conn, meters, at=datetime.now(UTC) + _STORED_WITHIN)

    asyncio.run(main())


def _publish(
    loaded: "Settings", purpose: str, work: "Callable[[Publisher, asyncio.Event], Coroutine[Any, Any, None]]"
) -> None:
    """Runs work on a connection to the first broker; Ctrl-C lets it finish what is under way."""
    from anju import loops
    from anju.publishing import Publisher
    from anju.stopping import on_signals
    from ingest.mqtt.options import Endpoint

    endpoint = Endpoint.parse(loaded.mqtt_urls[0].get_secret_value())

    async def main() -> None:
        stop = on_signals()
        client_id = f"anju-{purpose}-{secrets.token_hex(4)}"
        async with Publisher(endpoint, client_id=client_id, ca_file=loaded.mqtt_ca_file) as publisher:
            await work(publisher, stop)
        if stop.is_set():
            raise KeyboardInterrupt

    loops.run(main())


@contextmanager
def _progress(total: int, *, shown: bool) -> "Iterator[Callable[[int], None]]":
    if not shown or not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("replay"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("replay", total=total)
        yield lambda done: progress.update(task, completed=done)
