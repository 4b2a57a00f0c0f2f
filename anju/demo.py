"""The demonstration: a made-up neighbourhood in which, within a minute, everything happens that Anju exists for.

Nothing is staged inside the service. Messages go over MQTT as real devices send them: each meter uploads its past day
with honest times, in one home the water has been off for thirteen hours, one meter falls silent, a button is pressed,
a pendant reports a fall. Two ordinary settings differ from a real site (`SETTINGS`): a silent meter counts as lost
after seconds, not after an hour.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from anju.errors import CommandError
from anju.neighbourhood import AREA_ROOT, SimulatedHome, build, import_csv, instants
from anju.publishing import Publisher
from anju.simulate import event, reading, upload
from anju.view import lanes_heard
from devices.quantities import WATER_TOTAL
from devices.registry import discover
from registry.applying import apply
from registry.devices import look_again
from registry.importing import read_rows
from storage.sql import load

_SQL = load("anju", "demo.sql")

SETTINGS: Final[Mapping[str, str]] = {"ANJU_SILENCE_MIN_S": "10", "ANJU_SILENCE_INTERVALS": "1"}
"""What the roles of a demonstration are told beyond their usual settings."""
DRY_FOR: Final = timedelta(hours=13)

# Meters report often, so that there is something to see. All but the one that falls silent are given more time before
# they count as lost, so that a busy machine shows no alert that nobody announced.
_REPORTS_EVERY_S: Final = 10
_STATED_INTERVAL_S: Final = 120
_SILENT_INTERVAL_S: Final = 5
_UPLOAD_STEP: Final = timedelta(minutes=15)
_PAST: Final = timedelta(hours=24)
_PRESS_AFTER_S: Final = 4.0
_FALL_AFTER_S: Final = 10.0
_CANCEL_S: Final = 15
_STORED_WITHIN_S: Final = 60.0
_MIN_HOMES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Who plays which part; the same homes at every start."""

    homes: tuple[SimulatedHome, ...]
    pressing: SimulatedHome
    falling: SimulatedHome
    dry: SimulatedHome
    silent: SimulatedHome
    dry_since: datetime

    def dry_since_in(self, home: SimulatedHome) -> datetime | None:
        """Since when a home uses no water, if it is the dry one."""
        return self.dry_since if home is self.dry else None


def cast(homes: int, folder: Path, now: datetime) -> Cast:
    """Chooses the parts, and remembers in the data folder since when the dry home is dry.

    Raises:
        CommandError: too few homes for the parts.
    """
    if homes < _MIN_HOMES:
        raise CommandError(f"the demonstration needs at least {_MIN_HOMES} homes")
    neighbourhood = build(homes)
    remembered = folder / "demo.json"
    try:
        dry_since = datetime.fromisoformat(json.loads(remembered.read_text(encoding="utf-8"))["dry_since"])
    except (OSError, ValueError, KeyError, TypeError):
        dry_since = now - DRY_FOR
        remembered.write_text(json.dumps({"dry_since": dry_since.isoformat()}), encoding="utf-8")
    pressing, falling, dry, silent = neighbourhood[:_MIN_HOMES]
    return Cast(homes=neighbourhood, pressing=pressing, falling=falling, dry=dry, silent=silent, dry_since=dry_since)


async def move_in(conn: AsyncConnection[TupleRow], parts: Cast, now: datetime) -> None:
    """Imports the neighbourhood; its devices have been installed for two days.

    Raises:
        CommandError: the database holds other homes than made-up ones.
    """
    row = await (await conn.execute(_SQL.other_homes, {"area": AREA_ROOT})).fetchone()
    if row is not None:
        raise CommandError(
            "the database holds homes that are not of the demonstration; give it a database or --data-dir of its own"
        )
    intervals_s = {parts.silent.meter: _SILENT_INTERVAL_S}
    file = import_csv(parts.homes, interval_s=_STATED_INTERVAL_S, intervals_s=intervals_s)
    rows = read_rows(file, drivers=discover().by_name)
    await apply(conn, rows, now=now, installed_at=now - timedelta(days=2))


async def play(
    conn: AsyncConnection[TupleRow],
    publisher: Publisher,
    parts: Cast,
    *,
    clock: Callable[[], datetime],
    tell: Callable[[str], None],
) -> None:
    """Publishes until cancelled: first every meter's past day, then live, with what happens in between."""
    began = clock()
    await _until_heard(conn, began, clock)
    times = [*instants(began - _PAST, began, _UPLOAD_STEP)]
    for home in parts.homes:
        await publisher.submit(upload(home, times, dry_since=parts.dry_since_in(home)))
    await publisher.drain()
    await _until_stored(conn, parts.homes, times[-1])
    tell(f"simulator: {len(parts.homes)} meters have uploaded their past day")
    await _look_at(conn, parts.dry, clock())
    async with asyncio.TaskGroup() as group:
        for home in parts.homes:
            if home is not parts.silent:
                group.create_task(_report(publisher, home, parts, clock))
        group.create_task(_happenings(publisher, parts, clock, tell))


async def _until_heard(conn: AsyncConnection[TupleRow], since: datetime, clock: Callable[[], datetime]) -> None:
    while not {"bulk", "urgent"} <= await lanes_heard(conn, since):
        if clock() - since > timedelta(seconds=_STORED_WITHIN_S):
            raise CommandError("ingest does not hear the broker; its log says why")
        await asyncio.sleep(0.2)


async def _until_stored(conn: AsyncConnection[TupleRow], homes: Sequence[SimulatedHome], last: datetime) -> None:
    deadline = asyncio.get_running_loop().time() + _STORED_WITHIN_S
    expected = {"devices": [home.meter for home in homes], "quantity": WATER_TOTAL.code, "since": last - _UPLOAD_STEP}
    while asyncio.get_running_loop().time() < deadline:
        row = await (await conn.execute(_SQL.reported_since, expected)).fetchone()
        if row is not None and row[0] == len(homes):
            return
        await asyncio.sleep(0.2)
    raise CommandError("the meters' past day was published and not stored; the log of ingest says why")


async def _look_at(conn: AsyncConnection[TupleRow], home: SimulatedHome, now: datetime) -> None:
    # The rules looked at this home when it moved in, and would next when a day's upload could have come.
    await look_again(conn, [home.meter], at=now)


async def _report(publisher: Publisher, home: SimulatedHome, parts: Cast, clock: Callable[[], datetime]) -> None:
    # Each meter has its own second, as real ones do.
    await asyncio.sleep(_REPORTS_EVERY_S * (home.number % 20) / 20)
    while True:
        await publisher.publish(reading(home, clock(), dry_since=parts.dry_since_in(home)))
        await asyncio.sleep(_REPORTS_EVERY_S)


async def _happenings(
    publisher: Publisher, parts: Cast, clock: Callable[[], datetime], tell: Callable[[str], None]
) -> None:
    tell(f"simulator: no water in {parts.dry.name} since {parts.dry_since.astimezone(UTC):%Y-%m-%d %H:%M} UTC")
    tell(f"simulator: the meter in {parts.silent.name} falls silent now")
    await asyncio.sleep(_PRESS_AFTER_S)
    tell(f"simulator: the SOS button in {parts.pressing.name} is pressed")
    await publisher.publish(event(parts.pressing.button, "button_press", clock()))
    await asyncio.sleep(_FALL_AFTER_S - _PRESS_AFTER_S)
    tell(f"simulator: the pendant in {parts.falling.name} reports a fall that nobody cancelled for {_CANCEL_S} s")
    fell_at = clock() - timedelta(seconds=_CANCEL_S)
    await publisher.publish(event(parts.falling.pendant, "fall", fell_at, cancel_s=_CANCEL_S))
