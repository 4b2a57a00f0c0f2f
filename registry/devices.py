"""What is installed where, and what is heard although nobody installed it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from devices.quantities import by_code
from registry.errors import InstallationRefused
from storage.sql import load

_SQL = load("registry", "devices.sql")
_EVENTS_SHOWN = 10


class InstalledDevice(NamedTuple):
    """A device and the home it serves now.

    Attributes:
        heard_at: when the newest reading or event of it was received; None if never.
    """

    device: str
    driver: str
    model: str | None
    area: str
    home: str
    interval_s: int | None
    litres_per_pulse: float | None
    resolution_l: float | None
    gateway: str | None
    installed_at: datetime
    heard_at: datetime | None


class UnknownDevice(NamedTuple):
    """A device that publishes and serves no home.

    Attributes:
        messages: how many messages of it came in.
        topic: the topic of its last quarantined message; None when only presses or falls of it are kept.
        payload: that message.
        last_event: the last press or fall it sent, which raised an alert of its own.
        retired_at: when it was taken out of a home, where it ever was in one; counted is what came in since.
        area: that home's area.
        home: that home.
    """

    device: str
    messages: int
    first_at: datetime
    last_at: datetime
    topic: str | None
    payload: bytes | None
    last_event: str | None
    retired_at: datetime | None
    area: str | None
    home: str | None


class Period(NamedTuple):
    """One installation of a device; `to` is None for the present one."""

    area: str
    home: str
    interval_s: int | None
    litres_per_pulse: float | None
    resolution_l: float | None
    gateway: str | None
    since: datetime
    to: datetime | None


class LastReading(NamedTuple):
    """The newest reading of a quantity."""

    quantity: str
    unit: str
    value: float
    measured_at: datetime
    received_at: datetime


class LastEvent(NamedTuple):
    """One of the newest events."""

    event: str
    measured_at: datetime
    received_at: datetime


class Quarantined(NamedTuple):
    """How many messages of a device went to quarantine for one reason."""

    reason: str
    messages: int
    first_at: datetime
    last_at: datetime


class DeviceRecord(NamedTuple):
    """All that is known of one device.

    Attributes:
        driver: None for a device that is heard but not on record, and then there are no installations.
        installations: the oldest first.
        readings: the newest of each quantity.
        events: the newest ones, newest first.
        quarantine: messages that could not be used, by reason.
    """

    device: str
    driver: str | None
    model: str | None
    installations: tuple[Period, ...]
    readings: tuple[LastReading, ...]
    events: tuple[LastEvent, ...]
    quarantine: tuple[Quarantined, ...]


async def installed(conn: AsyncConnection[TupleRow], *, area: str | None = None) -> list[InstalledDevice]:
    """Lists the devices installed now, in an area and all below it, or everywhere.

    Raises:
        InstallationRefused: there is no such area.
    """
    if area is not None:
        known = [path async for (path,) in await conn.execute(_SQL.areas)]
        if area not in known:
            close = get_close_matches(area, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else "`anju import` adds areas"
            raise InstallationRefused(f"there is no area {area!r}; {hint}")
    cursor = await conn.execute(_SQL.installed, {"area": area, "quantities": list(by_code)})
    return [InstalledDevice(*row) async for row in cursor]


async def unknown(conn: AsyncConnection[TupleRow], *, limit: int = 200) -> list[UnknownDevice]:
    """Lists the devices heard but not installed, those never installed and those retired; heard last first."""
    cursor = await conn.execute(_SQL.unknown, {"limit": limit, "quantities": list(by_code)})
    return [UnknownDevice(*row) async for row in cursor]


async def called(conn: AsyncConnection[TupleRow], text: str, spellings: Mapping[str, str]) -> str:
    """The name of the device that somebody calls `text`; that text if no such device is known.

    Args:
        conn: a connection.
        text: as typed.
        spellings: how messages would spell it, by driver (`Drivers.spellings`).
    """
    parameters = {"names": [text, *spellings.values()], "drivers": [None, *spellings]}
    row = await (await conn.execute(_SQL.called, parameters)).fetchone()
    return text if row is None else str(row[0])


async def show(conn: AsyncConnection[TupleRow], name: str) -> DeviceRecord:
    """Tells all that is known of a device, installed or not.

    Raises:
        InstallationRefused: nothing is.
    """
    row = await (await conn.execute(_SQL.device, {"name": name})).fetchone()
    device_id, driver, model = row or (None, None, None)
    periods = await conn.execute(_SQL.periods, {"device_id": device_id})
    readings = await conn.execute(_SQL.last_readings, {"device_id": device_id, "quantities": list(by_code)})
    events = await conn.execute(_SQL.last_events, {"name": name, "limit": _EVENTS_SHOWN})
    quarantine = await conn.execute(_SQL.quarantined, {"name": name})
    record = DeviceRecord(
        device=name,
        driver=driver,
        model=model,
        installations=tuple([Period(*values) async for values in periods]),
        readings=tuple([_last_reading(*values) async for values in readings]),
        events=tuple([LastEvent(*values) async for values in events]),
        quarantine=tuple([Quarantined(*values) async for values in quarantine]),
    )
    if device_id is None and not record.events and not record.quarantine:
        raise InstallationRefused(f"nothing is known of a device {name!r}; `anju device list` shows what is installed")
    return record


async def waiting(conn: AsyncConnection[TupleRow], name: str) -> list[tuple[str, int]]:
    """Names, alike but for capitals, under which messages of an unknown device lie in quarantine, and how many."""
    return [(found, messages) async for found, messages in await conn.execute(_SQL.waiting, {"name": name})]


def _last_reading(code: int, value: float, measured_at: datetime, received_at: datetime) -> LastReading:
    quantity = by_code[code]
    return LastReading(quantity.name, quantity.unit, value, measured_at, received_at)


async def look_again(conn: AsyncConnection[TupleRow], names: Sequence[str], *, at: datetime) -> None:
    """Has the homes of these devices looked at no later than `at`: much of their past has come in at once."""
    await conn.execute(_SQL.look_again, {"names": list(names), "at": at})
