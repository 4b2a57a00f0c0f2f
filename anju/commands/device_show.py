"""`anju device list`, `show` and `unknown`: what is installed, and what is heard although it is not."""

from typing import TYPE_CHECKING, Annotated

import typer

from anju import context as ctx
from anju.output import JSON_OPTION, instant, say, show_json, show_table

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow

    from registry.devices import DeviceRecord, Period, UnknownDevice
    from registry.importing import DeviceRow

JSON = Annotated[bool, JSON_OPTION]
NAME = Annotated[
    str,
    typer.Argument(
        help="The name under which the device publishes; an EUI, IMEI or address also as its label has it.",
        metavar="NAME",
        show_default=False,
    ),
]


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command(name="list")(list_)
    app.command()(show)
    app.command()(unknown)


def list_(
    context: typer.Context,
    *,
    area: Annotated[
        str | None, typer.Option(help="Only this area and all below it, as a path.", metavar="PATH")
    ] = None,
    as_json: JSON = False,
) -> None:
    """List installed devices, the home each serves, and when it was last heard."""
    from registry import devices

    found = ctx.with_database(context, lambda conn: devices.installed(conn, area=area))
    if as_json:
        show_json([device._asdict() for device in found])
        return
    columns = ("Device", "Driver", "Model", "Home", "Area", "Interval", "Heard")
    show_table(
        columns,
        [
            (
                device.device,
                device.driver,
                device.model,
                device.home,
                device.area,
                "" if device.interval_s is None else f"{device.interval_s} s",
                device.heard_at or "never",
            )
            for device in found
        ],
    )


def show(context: typer.Context, *, name: NAME, as_json: JSON = False) -> None:
    """Show one device: where it was and is installed, its last readings and events, what of it is in quarantine."""
    from registry import devices

    async def work(conn: "AsyncConnection[TupleRow]") -> "DeviceRecord":
        return await devices.show(conn, await called(conn, name))

    found = ctx.with_database(context, work)
    if as_json:
        show_json(_as_json(found))
        return
    known = ", ".join(part for part in (found.driver, found.model) if part)
    say(f"{found.device}: {known or 'heard, but not installed'}")
    say("installations:" if found.installations else "installations: none")
    for period in found.installations:
        until = "now" if period.to is None else instant(period.to)
        say(f"  {instant(period.since)} to {until}  {period.home}, {period.area}, {terms(period)}")
    say("last readings:" if found.readings else "last readings: none")
    for reading in found.readings:
        heard = f"measured {instant(reading.measured_at)}, received {instant(reading.received_at)}"
        say(f"  {reading.quantity} {reading.value:.12g} {reading.unit}  {heard}")
    say("last events:" if found.events else "last events: none")
    for event in found.events:
        say(f"  {event.event}  {instant(event.measured_at)}, received {instant(event.received_at)}")
    say("quarantine:" if found.quarantine else "quarantine: none")
    for group in found.quarantine:
        say(f"  {group.reason}  {group.messages} messages, {instant(group.first_at)} to {instant(group.last_at)}")


def unknown(
    context: typer.Context,
    *,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, last heard first.")] = 200,
    as_json: JSON = False,
) -> None:
    """List devices that are heard but not installed: never, or not any more; `anju device add` installs them.

    Shown is the last message of one that never was, and when and from where one was taken out that still publishes.
    """
    from registry import devices

    found = ctx.with_database(context, lambda conn: devices.unknown(conn, limit=limit))
    if as_json:
        show_json([device._asdict() for device in found])
        return
    if not found:
        say("every device that is heard is installed")
        return
    columns = ("Device", "Messages", "First", "Last", "Last event", "Retired", "Topic", "Last message")
    show_table(
        columns,
        [(d.device, d.messages, d.first_at, d.last_at, d.last_event, _retired(d), d.topic, d.payload) for d in found],
    )


async def called(conn: "AsyncConnection[TupleRow]", name: str) -> str:
    """The name under which a device is on record; a label's spelling will do."""
    from devices.registry import discover
    from registry import devices

    return await devices.called(conn, name, discover().spellings(name))


def _retired(device: "UnknownDevice") -> str:
    if device.retired_at is None:
        return ""
    return f"at {instant(device.retired_at)} from {device.home}, {device.area}"


def terms(of: "DeviceRow | Period") -> str:
    """On what terms a device serves a home, in words."""
    interval = "when something happens" if of.interval_s is None else f"every {of.interval_s} s"
    pulses = "" if of.litres_per_pulse is None else f", {of.litres_per_pulse:g} L a pulse"
    step = "" if of.resolution_l is None else f", in steps of {of.resolution_l:g} L"
    through = "" if of.gateway is None else f", through gateway {of.gateway}"
    return f"{interval}{pulses}{step}{through}"


def _as_json(record: "DeviceRecord") -> dict[str, object]:
    return {
        **record._asdict(),
        "installations": [each._asdict() for each in record.installations],
        "readings": [each._asdict() for each in record.readings],
        "events": [each._asdict() for each in record.events],
        "quarantine": [each._asdict() for each in record.quarantine],
    }
