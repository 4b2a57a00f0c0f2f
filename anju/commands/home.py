"""`anju home`: what is known of a home and how soon a fall in it would be noticed. No resident's name is ever shown."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from anju import context as ctx
from anju.defaults import policy_defaults
from anju.errors import NotPossible
from anju.output import JSON_OPTION, instant, say, show_json, show_table

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow

    from anju.homes import HomeState, Listed

app = typer.Typer(
    help="See homes: their devices, lines, absences and alerts, and by when a fall would be noticed.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_JSON = Annotated[bool, JSON_OPTION]


@app.command()
def show(
    context: typer.Context,
    *,
    home: Annotated[
        str,
        typer.Argument(help="The home: path of its area and its name.", metavar="AREA/HOME", show_default=False),
    ],
    as_json: _JSON = False,
) -> None:
    """Show what is known of a home now, and by when a fall would be noticed by its water."""
    from anju.homes import state_of

    settings = ctx.settings(context)
    defaults = policy_defaults(settings)
    late_window = timedelta(days=settings.late_window_days)
    state = ctx.with_database(
        context,
        lambda conn: state_of(conn, home, defaults=defaults, late_window=late_window, clock=lambda: datetime.now(UTC)),
    )
    if state is None:
        raise NotPossible(f"{home} has just been taken off the records")
    if as_json:
        show_json(_mapping(state))
        return
    _tell(state)


@app.command(name="list")
def list_(
    context: typer.Context,
    *,
    area: Annotated[
        str | None,
        typer.Option(help="Only those in this area and below it, as a path.", metavar="PATH", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="At most so many.")] = 1000,
    as_json: _JSON = False,
) -> None:
    """List homes, by their path."""
    from anju.homes import list_homes
    from registry import policies

    now = datetime.now(UTC)

    async def work(conn: "AsyncConnection[TupleRow]") -> "list[Listed]":
        path = await policies.area_path(conn, area)
        return await list_homes(conn, area=path, limit=limit, now=now)

    found = ctx.with_database(context, work)
    if as_json:
        show_json([each._asdict() for each in found])
        return
    if not found:
        say("no home is on record there; `anju import` adds homes")
        return
    show_table(
        ("Home", "Id", "Devices", "Open alerts", "Away", "Next look"),
        [
            (each.home, each.home_id, each.devices, each.open_alerts, "away" if each.away else "", each.next_look)
            for each in found
        ],
    )


def _mapping(state: "HomeState") -> dict[str, object]:
    return {
        "home": state.home,
        "home_id": state.home_id,
        "time_zone": state.time_zone,
        "devices": [
            {
                "device": each.device,
                "installed_at": each.installed_at,
                "interval_s": each.interval_s,
                "heard_at": each.heard_at,
                "meters_water": each.meters_water,
                "battery_pct": None if each.battery is None else each.battery.pct,
            }
            for each in state.devices
        ],
        "line": state.lines._asdict(),
        "profile": None if state.learned is None else state.learned._asdict(),
        "absences": [
            {"absence_id": each.absence_id, "from": each.from_at, "until": each.over_at, "reason": each.reason}
            for each in state.absences
        ],
        "alerts": [each._asdict() for each in state.alerts],
        "incidents": list(state.incidents),
        "next_look": state.next_look,
        "looked_until": state.looked_until,
        "latency": {"noticed_by": state.noticed_by, "text": state.latency},
    }


def _tell(state: "HomeState") -> None:
    learned = state.learned
    say(f"{state.home} (home {state.home_id}, {state.time_zone})")
    say(state.latency)
    say(_use(state))
    if learned is not None and learned.days is not None:
        since = instant(learned.counts_from)
        say(f"learned from {learned.days:.0f} days before {instant(learned.until)}, counts since {since}")
    else:
        say("nothing is learned of its habits" + ("" if learned is None else ": too little was heard of it"))
    say(f"next look {'never: it is not watched' if state.next_look is None else instant(state.next_look)}")
    for cause in state.incidents:
        say(f"in an incident of its area or a gateway: {cause}")
    for absence in state.absences:
        say(f"absence {absence.absence_id}: {absence.reason}, {instant(absence.from_at)} to {instant(absence.over_at)}")
    for alert in state.alerts:
        say(f"alert {alert.alert_id} {alert.kind} [{alert.severity}, {alert.state}]: {alert.reason}")
    if not state.devices:
        say("no device is installed")
        return
    show_table(
        ("Device", "Water", "Reports every", "Last heard", "Battery"),
        [
            (
                each.device,
                "meter" if each.meters_water else "",
                "" if each.interval_s is None else f"{each.interval_s} s",
                instant(each.heard_at),
                "" if each.battery is None else f"{each.battery.pct:.0f} %",
            )
            for each in state.devices
        ],
    )


def _use(state: "HomeState") -> str:
    """How long without use of water is too long; beside the sentence that says by when a fall would be noticed."""
    if not any(each.meters_water for each in state.devices):
        return "no lack of use is noticed here, whatever its policy says"
    lines = state.lines
    counts = state.noticed_by is not None and all(each.kind != "inactivity" for each in state.alerts)
    when = "with no use of water from now on," if counts else "but for that, with no use of water,"
    origin = "its own line" if lines.learned else "the window of its policy"
    return f"{when} somebody asks after {lines.soft_h:.1f} h ({origin}), and goes after {lines.hard_h:.1f} h"
