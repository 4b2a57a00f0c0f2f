"""Writing installations, for whoever decides on them: an import of thousands, or a command for one device.

Everything here runs in the caller's transaction, which begins with `lock` and ends with `rearm`.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from storage.sql import load

_SQL = load("registry", "installations.sql")


class Terms(NamedTuple):
    """On what terms a device serves a home.

    Attributes:
        interval_s: the reporting interval; None for a device that reports only when something happens.
        litres_per_pulse: for meters that count pulses.
        resolution_l: litres of the register's last digit; None: to be told from what it shows.
        gateway: the gateway it is heard through, where several devices share one.
    """

    interval_s: int | None
    litres_per_pulse: float | None
    resolution_l: float | None
    gateway: str | None = None


class NewDevice(NamedTuple):
    """A device that is not on record yet."""

    name: str
    driver: str
    model: str | None


class Beginning(NamedTuple):
    """From `at` on the device serves the home; later, if it served another one until then."""

    device_id: int
    home_id: int
    terms: Terms
    at: datetime


async def lock(conn: AsyncConnection[TupleRow]) -> None:
    """Waits until nobody else writes installations; holds until the transaction ends."""
    await conn.execute(_SQL.lock)


async def add_devices(conn: AsyncConnection[TupleRow], devices: Sequence[NewDevice]) -> list[int]:
    """Puts devices on record; their ids come back in the same order."""
    return await insert(conn, _SQL.add_device, [device._asdict() for device in devices])


async def set_device(conn: AsyncConnection[TupleRow], device_id: int, *, driver: str, model: str | None) -> None:
    """Corrects what a device is."""
    await conn.execute(_SQL.set_device, {"device_id": device_id, "driver": driver, "model": model})


async def begin(conn: AsyncConnection[TupleRow], beginnings: Iterable[Beginning]) -> None:
    """Installs devices that serve no home."""
    async with conn.cursor() as cursor:
        await cursor.executemany(
            _SQL.begin_installation,
            [
                {"device_id": each.device_id, "home_id": each.home_id, **each.terms._asdict(), "at": each.at}
                for each in beginnings
            ],
        )


async def end(conn: AsyncConnection[TupleRow], device_id: int, *, at: datetime) -> None:
    """Ends a device's present installation."""
    await conn.execute(_SQL.end_installation, {"device_id": device_id, "at": at})


async def set_terms(conn: AsyncConnection[TupleRow], device_id: int, terms: Terms) -> None:
    """Corrects the terms of a device's present installation, from its beginning on."""
    await conn.execute(_SQL.set_terms, {"device_id": device_id, **terms._asdict()})


async def rearm(conn: AsyncConnection[TupleRow], homes: Iterable[int], *, now: datetime) -> None:
    """Has homes looked at anew, since what they are judged by has changed."""
    if touched := sorted(set(homes)):
        await conn.execute(_SQL.rearm, {"homes": touched, "now": now})


async def insert(conn: AsyncConnection[TupleRow], query: str, parameters: Sequence[Mapping[str, object]]) -> list[int]:
    """Runs an INSERT … RETURNING id for each set of parameters; the ids come back in the same order."""
    if not parameters:
        return []
    ids: list[int] = []
    async with conn.cursor() as cursor:
        await cursor.executemany(query, parameters, returning=True)
        while True:
            ids.extend(row[0] for row in await cursor.fetchall())
            if not cursor.nextset():
                return ids
