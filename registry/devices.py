"""What is installed where, and what is heard although nobody installed it."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from devices.quantities import by_code
from storage.sql import load

_SQL = load("registry", "devices.sql")


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
    installed_at: datetime
    heard_at: datetime | None


class UnknownDevice(NamedTuple):
    """A device that publishes and serves no home.

    Attributes:
        messages: how many messages of it came in.
        topic: the topic of its last quarantined message; None when only presses or falls of it are kept.
        payload: that message.
        last_event: the last press or fall it sent, which raised an alert of its own.
    """

    device: str
    messages: int
    first_at: datetime
    last_at: datetime
    topic: str | None
    payload: bytes | None
    last_event: str | None


async def installed(conn: AsyncConnection[TupleRow], *, area: str | None = None) -> list[InstalledDevice]:
    """Lists the devices installed now, in an area and all below it, or everywhere."""
    cursor = await conn.execute(_SQL.installed, {"area": area, "quantities": list(by_code)})
    return [InstalledDevice(*row) async for row in cursor]


async def unknown(conn: AsyncConnection[TupleRow], *, limit: int = 200) -> list[UnknownDevice]:
    """Lists the devices heard but not installed, those heard last first."""
    cursor = await conn.execute(_SQL.unknown, {"limit": limit})
    return [UnknownDevice(*row) async for row in cursor]


async def look_again(conn: AsyncConnection[TupleRow], names: Sequence[str], *, at: datetime) -> None:
    """Has the homes of these devices looked at no later than `at`: much of their past has come in at once."""
    await conn.execute(_SQL.look_again, {"names": list(names), "at": at})
