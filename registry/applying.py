"""Writes checked import rows: one transaction, and a second run changes nothing.

What a file does not mention is left alone: an import adds, changes and moves, it never removes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from registry import installations
from registry.importing import DeviceRow, HomeKey, ImportRow
from registry.installations import Beginning, NewDevice, Terms
from storage.sql import load

_SQL = load("registry", "applying.sql")


class Move(NamedTuple):
    """A device that now serves another home than before."""

    device: str
    home: HomeKey


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """What an import did, counted in rows of the file.

    Attributes:
        added: rows that brought a new home, resident or device.
        changed: rows that changed something of a home or device that was there.
        unchanged: rows that were true before.
        moved: devices taken from one home to another; their rows count as changed.
        homes_added: homes that were new.
        devices_added: devices that were new.
    """

    added: int
    changed: int
    unchanged: int
    moved: tuple[Move, ...]
    homes_added: int
    devices_added: int


class _Known(NamedTuple):
    device_id: int
    driver: str
    model: str | None
    home_id: int | None
    interval_s: int | None
    litres_per_pulse: float | None
    resolution_l: float | None
    gateway: str | None


@dataclass(slots=True)
class _Progress:
    added: set[int] = field(default_factory=set)
    changed: set[int] = field(default_factory=set)
    touched_homes: set[int] = field(default_factory=set)
    moved: list[Move] = field(default_factory=list)
    homes_added: int = 0
    devices_added: int = 0


async def apply(
    conn: AsyncConnection[TupleRow],
    rows: Sequence[ImportRow],
    *,
    now: datetime,
    installed_at: datetime | None = None,
) -> ImportResult:
    """Writes the rows in one transaction and re-arms every home they touch.

    Args:
        conn: a connection on which no transaction is open.
        rows: what `registry.importing.read_rows` passed.
        now: the instant of the import.
        installed_at: since when devices that are new serve their homes; None means now. A moved device serves its
            new home from now on.
    """
    progress = _Progress()
    async with conn.transaction():
        await installations.lock(conn)
        await _add_areas(conn, rows)
        homes = await _write_homes(conn, rows, progress)
        await _write_residents(conn, rows, homes, progress)
        await _write_devices(conn, rows, homes, progress, now=now, installed_at=installed_at or now)
        await installations.rearm(conn, progress.touched_homes, now=now)
    return ImportResult(
        added=len(progress.added),
        changed=len(progress.changed - progress.added),
        unchanged=len(rows) - len(progress.added | progress.changed),
        moved=tuple(progress.moved),
        homes_added=progress.homes_added,
        devices_added=progress.devices_added,
    )


async def _add_areas(conn: AsyncConnection[TupleRow], rows: Sequence[ImportRow]) -> None:
    paths: dict[str, None] = {}
    for area in dict.fromkeys(row.home.area for row in rows):
        parts = area.split("/")
        paths.update(dict.fromkeys("/".join(parts[: depth + 1]) for depth in range(len(parts))))
    parameters = []
    for path in sorted(paths, key=lambda path: path.count("/")):
        parent, _, name = path.rpartition("/")
        parameters.append({"parent": parent, "name": name, "path": path})
    async with conn.cursor() as cursor:
        await cursor.executemany(_SQL.add_area, parameters)


async def _write_homes(
    conn: AsyncConnection[TupleRow], rows: Sequence[ImportRow], progress: _Progress
) -> dict[HomeKey, int]:
    cursor = await conn.execute(_SQL.homes, {"areas": list({row.home.area for row in rows})})
    known = {HomeKey(area, name): (home_id, zone) async for area, name, home_id, zone in cursor}
    first_rows: dict[HomeKey, ImportRow] = {}
    for row in rows:
        first_rows.setdefault(row.home, row)
    ids = {home: home_id for home, (home_id, _) in known.items()}
    new = [row for home, row in first_rows.items() if home not in known]
    new_ids = await installations.insert(
        conn,
        _SQL.add_home,
        [{"area": row.home.area, "name": row.home.name, "time_zone": row.time_zone} for row in new],
    )
    for row, home_id in zip(new, new_ids, strict=True):
        ids[row.home] = home_id
        progress.added.add(row.line)
        progress.touched_homes.add(home_id)
    progress.homes_added = len(new)
    for home, row in first_rows.items():
        if home in known and known[home][1] != row.time_zone:
            await conn.execute(_SQL.set_time_zone, {"home_id": ids[home], "time_zone": row.time_zone})
            progress.changed.add(row.line)
            progress.touched_homes.add(ids[home])
    return ids


async def _write_residents(
    conn: AsyncConnection[TupleRow], rows: Sequence[ImportRow], homes: Mapping[HomeKey, int], progress: _Progress
) -> None:
    rows = [row for row in rows if row.resident is not None]
    if not rows:
        return  # the probe, which installs its button by this, may read no names
    cursor = await conn.execute(_SQL.residents, {"homes": list({homes[row.home] for row in rows})})
    known = {(home_id, name) async for home_id, name in cursor}
    new: list[dict[str, int | str]] = []
    for row in rows:
        home_id = homes[row.home]
        if row.resident is None or (home_id, row.resident) in known:
            continue
        known.add((home_id, row.resident))
        new.append({"home_id": home_id, "name": row.resident})
        progress.added.add(row.line)
        progress.touched_homes.add(home_id)
    async with conn.cursor() as cursor:
        await cursor.executemany(_SQL.add_resident, new)


async def _write_devices(
    conn: AsyncConnection[TupleRow],
    rows: Sequence[ImportRow],
    homes: Mapping[HomeKey, int],
    progress: _Progress,
    *,
    now: datetime,
    installed_at: datetime,
) -> None:
    listed: dict[str, tuple[ImportRow, DeviceRow]] = {}
    for row in rows:
        if row.device is not None:
            listed.setdefault(row.device.name, (row, row.device))
    cursor = await conn.execute(_SQL.devices, {"names": list(listed)})
    known = {name: _Known(*values) async for name, *values in cursor}
    new = [(row, device) for name, (row, device) in listed.items() if name not in known]
    new_ids = await installations.add_devices(
        conn, [NewDevice(device.name, device.driver, device.model) for _, device in new]
    )
    progress.devices_added = len(new)
    beginnings = []
    for (row, device), device_id in zip(new, new_ids, strict=True):
        beginnings.append(Beginning(device_id, homes[row.home], _terms(device), installed_at))
        progress.added.add(row.line)
        progress.touched_homes.add(homes[row.home])
    for name, before in known.items():
        row, device = listed[name]
        home_id = homes[row.home]
        if (before.driver, before.model) != (device.driver, device.model):
            await installations.set_device(conn, before.device_id, driver=device.driver, model=device.model)
            progress.changed.add(row.line)
            progress.touched_homes.add(home_id)
        if before.home_id != home_id:
            if before.home_id is not None:
                await installations.end(conn, before.device_id, at=now)
                progress.touched_homes.add(before.home_id)
                progress.moved.append(Move(name, row.home))
            beginnings.append(Beginning(before.device_id, home_id, _terms(device), now))
            progress.changed.add(row.line)
            progress.touched_homes.add(home_id)
        elif Terms(before.interval_s, before.litres_per_pulse, before.resolution_l, before.gateway) != _terms(device):
            await installations.set_terms(conn, before.device_id, _terms(device))
            progress.changed.add(row.line)
            progress.touched_homes.add(home_id)
    await installations.begin(conn, beginnings)


def _terms(device: DeviceRow) -> Terms:
    return Terms(device.interval_s, device.litres_per_pulse, device.resolution_l, device.gateway)
