"""What is known of the devices themselves: their batteries, what they last said, what happened lately."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from psycopg import AsyncConnection

from devices.model import EventKind
from devices.quantities import BATTERY
from devices.registry import Drivers, discover
from rules.series import AHEAD, Serving
from rules.snapshot import EVENTS_READ, Battery, HomeEvent, Installation, Said
from rules.standing import SAYS_AGAIN
from storage.sql import load

_SQL = load(__package__, "supervision.sql")

_USES: Final = (EventKind.TEST_PRESS, EventKind.BUTTON_PRESS, EventKind.BUTTON_ACTION)
_KINDS: Final = [kind.value for kind in (*SAYS_AGAIN, *_USES)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervised:
    """The installations with what is known of the devices, and the events of each home."""

    serving: Sequence[Serving]
    events: Mapping[int, Sequence[HomeEvent]]


@cache
def _drivers() -> Drivers:
    return discover()


def is_call_button(driver: str, model: str | None, device: str) -> bool:
    """Whether an installed device is there to call for help, by what its model and its names say."""
    return _drivers().presses(driver, model, device)


async def with_supervision(
    conn: AsyncConnection[Any], serving: Sequence[Serving], *, late_window: timedelta, now: datetime
) -> Supervised:
    """Reads batteries and events of many installations, with three queries at most."""
    found = list(serving)
    await _read_batteries(conn, found, earliest=now - late_window, latest=now + AHEAD)
    await _read_said(conn, found)
    return Supervised(serving=found, events=await _events(conn, found, now))


async def _read_batteries(
    conn: AsyncConnection[Any], found: list[Serving], *, earliest: datetime, latest: datetime
) -> None:
    places = [place for place, device in enumerate(found) if device.end_at is None]
    if not places:
        return
    cursor = await conn.execute(
        _SQL.batteries,
        {"earliest": earliest, "latest": latest, "battery": BATTERY.code, **_asked(found, places)},
        binary=True,
    )
    for ordinal, measured_at, pct in await cursor.fetchall():
        place = places[ordinal - 1]
        known = found[place].installation
        battery = Battery(pct=pct, measured_at=measured_at)
        found[place] = replace(found[place], installation=replace(known, battery=battery))


async def _read_said(conn: AsyncConnection[Any], found: list[Serving]) -> None:
    places = [
        place
        for place, device in enumerate(found)
        if device.end_at is None and _spoke_since(device, device.installation.installed_at)
    ]
    if not places:
        return
    cursor = await conn.execute(_SQL.last_of_kinds, {"kinds": _KINDS, **_asked(found, places)}, binary=True)
    of_kinds: dict[int, dict[str, Said]] = {}
    for ordinal, kind, measured_at, received_at in await cursor.fetchall():
        of_kinds.setdefault(places[ordinal - 1], {})[kind] = Said(measured_at=measured_at, received_at=received_at)
    for place, of_kind in of_kinds.items():
        found[place] = replace(found[place], installation=_having_said(found[place].installation, of_kind))


def _having_said(known: Installation, of_kind: Mapping[str, Said]) -> Installation:
    said = {kind.value: of_kind[kind] for kind in SAYS_AGAIN if kind in of_kind}
    tested = of_kind.get(EventKind.TEST_PRESS)
    return replace(
        known,
        said=said,
        # A device that has called once is there to call, whatever it is listed as.
        calls=known.calls or EventKind.BUTTON_PRESS in of_kind,
        tested_at=None if tested is None else tested.measured_at,
        used_at=max((of_kind[kind].measured_at for kind in _USES if kind in of_kind), default=None),
    )


async def _events(
    conn: AsyncConnection[Any], found: Sequence[Serving], now: datetime
) -> Mapping[int, Sequence[HomeEvent]]:
    since = now - EVENTS_READ
    places = [place for place, device in enumerate(found) if _spoke_since(device, since)]
    if not places:
        return {}
    cursor = await conn.execute(
        _SQL.events,
        {
            "events_from": since,
            "ends": [found[place].end_at or now + AHEAD for place in places],
            **_asked(found, places),
        },
        binary=True,
    )
    events: dict[int, list[HomeEvent]] = {}
    for ordinal, event_id, kind, measured_at, received_at in await cursor.fetchall():
        device = found[places[ordinal - 1]]
        events.setdefault(device.home_id, []).append(
            HomeEvent(
                event_id=event_id,
                kind=kind,
                device=device.installation.device,
                measured_at=measured_at,
                received_at=received_at,
            )
        )
    return events


def _spoke_since(device: Serving, since: datetime) -> bool:
    return device.event_at is not None and device.event_at >= since


def _asked(serving: Sequence[Serving], places: Sequence[int]) -> dict[str, Sequence[object]]:
    asked = [serving[place] for place in places]
    return {
        "devices": [device.device_id for device in asked],
        "names": [device.installation.device for device in asked],
        "begins": [device.installation.installed_at for device in asked],
    }
