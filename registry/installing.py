"""Putting a device into a home, moving it to another, taking it out: one device, one transaction, told why if not.

`registry.applying` does the same for whole files. Both write through `registry.installations`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from registry import installations
from registry.errors import InstallationRefused
from registry.importing import DeviceRow, HomeKey
from registry.installations import Beginning, NewDevice, Terms
from storage.sql import load

_SQL = load("registry", "installing.sql")


class Serving(NamedTuple):
    """The home that a device serves, and since when."""

    home_id: int
    home: HomeKey
    terms: Terms
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OnRecord:
    """A device that is on record.

    Attributes:
        serving: None for a device that was retired.
        free_since: when its last installation that is over ended.
    """

    device_id: int
    serving: Serving | None
    free_since: datetime | None


class Change(NamedTuple):
    """What was done.

    Attributes:
        left: the home it served until now.
        home: the home it serves from now on.
        at: since when; until when, where it serves none any more.
    """

    left: HomeKey | None
    home: HomeKey | None
    at: datetime


async def add(
    conn: AsyncConnection[TupleRow], device: DeviceRow, home: str, *, since: datetime | None, now: datetime
) -> Change:
    """Installs a device that serves no home: a new one, or one that was retired.

    Args:
        conn: a connection on which no transaction is open.
        device: what `registry.importing.check_device` passed.
        home: path of its area and its name, with a slash between them.
        since: from when on it serves the home; None: from now on.
        now: the time.

    Raises:
        InstallationRefused: there is no such home, or the device serves one, or did so after `since`.
    """
    at = _not_ahead(since, now)
    async with conn.transaction():
        await installations.lock(conn)
        home_id, key = await find_home(conn, home)
        before = await _on_record(conn, device.name)
        if before is None:
            (device_id,) = await installations.add_devices(conn, [NewDevice(device.name, device.driver, device.model)])
        else:
            device_id = before.device_id
            check_add(device.name, before, key, since)
            await installations.set_device(conn, device_id, driver=device.driver, model=device.model)
        terms = Terms(device.interval_s, device.litres_per_pulse, device.resolution_l, device.gateway)
        await installations.begin(conn, [Beginning(device_id, home_id, terms, at)])
        await installations.rearm(conn, [home_id], now=now)
    return Change(None, key, at)


async def move(conn: AsyncConnection[TupleRow], name: str, home: str, *, at: datetime | None, now: datetime) -> Change:
    """Lets a device serve another home, on the terms it has.

    Raises:
        InstallationRefused: there is no such home or device, or the device serves none, or that one, or does so only
            since after `at`.
    """
    at = _not_ahead(at, now)
    async with conn.transaction():
        await installations.lock(conn)
        home_id, key = await find_home(conn, home)
        before = await _must_be_on_record(conn, name)
        serving = check_end(name, before, at)
        if serving.home_id == home_id:
            raise InstallationRefused(f"{name} serves {_place(key)} already, since {_shown(serving.since)}")
        await installations.end(conn, before.device_id, at=at)
        await installations.begin(conn, [Beginning(before.device_id, home_id, serving.terms, at)])
        await installations.rearm(conn, [serving.home_id, home_id], now=now)
    return Change(serving.home, key, at)


async def retire(conn: AsyncConnection[TupleRow], name: str, *, at: datetime | None, now: datetime) -> Change:
    """Takes a device out of its home; what it measured stays.

    Raises:
        InstallationRefused: there is no such device, or it serves no home, or does so only since after `at`.
    """
    at = _not_ahead(at, now)
    async with conn.transaction():
        await installations.lock(conn)
        before = await _must_be_on_record(conn, name)
        serving = check_end(name, before, at)
        await installations.end(conn, before.device_id, at=at)
        await installations.rearm(conn, [serving.home_id], now=now)
    return Change(serving.home, None, at)


def check_add(name: str, before: OnRecord, home: HomeKey, since: datetime | None) -> None:
    """Whether a device that is on record may be installed anew (pure).

    Raises:
        InstallationRefused: it serves a home, or did so after `since`.
    """
    if before.serving is not None:
        served, begun = before.serving.home, before.serving.since
        if served == home:
            remedy = "to correct its description, import a file with it"
        else:
            remedy = f"`anju device move {name}` moves it"
        raise InstallationRefused(f"{name} serves {_place(served)} since {_shown(begun)}; {remedy}")
    if since is not None and before.free_since is not None and since < before.free_since:
        raise InstallationRefused(
            f"{name} served another home until {_shown(before.free_since)}: it cannot be installed before that"
        )


def check_end(name: str, before: OnRecord, at: datetime) -> Serving:
    """What a device serves, if that may end at `at` (pure).

    Raises:
        InstallationRefused: it serves no home, or does so only since then or later.
    """
    serving = before.serving
    if serving is None:
        raise InstallationRefused(f"{name} serves no home; `anju device add {name}` installs it")
    if at <= serving.since:
        raise InstallationRefused(
            f"{name} serves {_place(serving.home)} only since {_shown(serving.since)}: that cannot end before"
        )
    return serving


def home_keys(text: str) -> Iterator[HomeKey]:
    """Every way to read a path as area and home, both of which may have slashes in them."""
    parts = [part.strip() for part in text.split("/")]
    for cut in range(len(parts) - 1, 0, -1):
        yield HomeKey("/".join(parts[:cut]), "/".join(parts[cut:]))


async def find_home(conn: AsyncConnection[TupleRow], text: str) -> tuple[int, HomeKey]:
    """The home of a path: that of its area, a slash, and its name.

    Raises:
        InstallationRefused: there is none, or more than one.
    """
    keys = list(home_keys(text))
    if not keys:
        raise InstallationRefused(f"{text!r} is no home: a home is city/district/street/community/home")
    parameters = {"areas": [key.area for key in keys], "names": [key.name for key in keys]}
    found = await (await conn.execute(_SQL.homes, parameters)).fetchall()
    if len(found) == 1:
        home_id, area, name = found[0]
        return home_id, HomeKey(area, name)
    if found:
        raise InstallationRefused(f"{text!r} is more than one home: " + ", ".join(f"{n} in {a}" for _, a, n in found))
    area, name = keys[0]
    known = [row[0] async for row in await conn.execute(_SQL.homes_of_area, {"area": area})]
    if close := get_close_matches(name, known, n=1):
        hint = f"did you mean {close[0]!r}?"
    elif known:
        hint = "`anju import` adds homes"
    else:
        hint = f"nor has an area {area!r} any; `anju import` adds homes"
    raise InstallationRefused(f"there is no home {name!r} in {area}; {hint}")


async def _on_record(conn: AsyncConnection[TupleRow], name: str) -> OnRecord | None:
    row = await (await conn.execute(_SQL.device, {"name": name})).fetchone()
    if row is None:
        return None
    device_id, home_id, area, home, interval_s, litres_per_pulse, resolution_l, gateway, since, free_since = row
    serving = None
    if home_id is not None:
        terms = Terms(interval_s, litres_per_pulse, resolution_l, gateway)
        serving = Serving(home_id, HomeKey(area, home), terms, since)
    return OnRecord(device_id=device_id, serving=serving, free_since=free_since)


async def _must_be_on_record(conn: AsyncConnection[TupleRow], name: str) -> OnRecord:
    before = await _on_record(conn, name)
    if before is None:
        raise InstallationRefused(f"there is no device {name!r}; `anju device list` shows what is installed")
    return before


def _not_ahead(at: datetime | None, now: datetime) -> datetime:
    if at is not None and at > now:
        raise InstallationRefused(f"{_shown(at)} lies ahead: an installation begins or ends when it does")
    return at or now


def _place(home: HomeKey) -> str:
    return f"{home.name}, {home.area},"


def _shown(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
