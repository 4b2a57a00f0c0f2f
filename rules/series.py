"""What the devices of homes have sent: the series of their registers in litres, and when they were last heard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import AsyncConnection

from devices import meters, quantities
from registry.policy import Policy
from rules.pacing import Slices
from rules.snapshot import Hearing, Installation, WaterSeries
from storage.sql import load

_SQL = load(__package__, "series.sql")

AHEAD: Final = timedelta(minutes=10)  # readings dated further ahead are refused by ingest
_QUANTITIES: Final = [quantity.code for quantity in quantities.ALL]
_ALSO: Final = {"motion": quantities.MOTION.code, "valve": quantities.VALVE_OPEN.code}
_TOTAL: Final = quantities.WATER_TOTAL.code
_PULSES: Final = quantities.PULSES.code
_ROWS_AT_ONCE: Final = 8
_LATE: Final = timedelta(seconds=meters.CLOCK_STEP_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """An installation whose series is to be read.

    Attributes:
        from_at: from which measured time on.
        litres_per_pulse: what a pulse of it is worth; None where that was not said.
        resolution_l: what the last digit of its register is worth; None where that was not said.
        installation: what is known of it so far.
        register: the quantity that its series is of.
        was_late: some reading of the series came late.
        event_at: when the newest event of its device was received.
    """

    home_id: int
    device_id: int
    from_at: datetime
    litres_per_pulse: float | None
    resolution_l: float | None
    installation: Installation
    register: int
    was_late: bool = False
    event_at: datetime | None = None

    @property
    def end_at(self) -> datetime | None:
        """When it ended."""
        return self.installation.removed_at


def register_of(litres_per_pulse: float | None) -> int:
    """Which quantity a meter is read by."""
    return _TOTAL if litres_per_pulse is None else _PULSES


def serving_of(row: Sequence[Any], earliest: datetime) -> Serving:
    """An installation whose water alone is to be read, from an instant on.

    Args:
        row: home_id, device_id, device, interval_s, litres_per_pulse, resolution_l, installed_at, removed_at.
        earliest: nothing before it is read.
    """
    home_id, device_id, device, interval_s, litres_per_pulse, resolution_l, installed_at, removed_at = row
    return Serving(
        home_id=home_id,
        device_id=device_id,
        from_at=max(earliest, installed_at),
        litres_per_pulse=litres_per_pulse,
        resolution_l=resolution_l,
        register=register_of(litres_per_pulse),
        installation=Installation(
            device=device,
            interval_s=interval_s,
            meters_water=litres_per_pulse is not None,
            installed_at=installed_at,
            removed_at=removed_at,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What holds for a whole batch: which measured times are read at all, and the policies of the homes."""

    earliest: datetime
    latest: datetime
    policies: Mapping[int, Policy]


async def with_series(
    conn: AsyncConnection[Any],
    serving: Sequence[Serving],
    policies: Mapping[int, Policy],
    hearing: Hearing | None,
    *,
    late_window: timedelta,
    now: datetime,
) -> list[Serving]:
    """The installations with their series, and when they were last heard.

    A device whose installation says what a pulse is worth is read by its pulses; by its total, if it sends none.
    """
    bounds = Bounds(earliest=now - late_window, latest=now + AHEAD, policies=policies)
    found = await _read(conn, serving, bounds)
    for query in (_by_total, _with_receipts, _with_steps):
        found = await query(conn, found, bounds)
    return found if hearing is None else await _with_old_readings(conn, found, bounds, hearing)


async def _read(conn: AsyncConnection[Any], serving: Sequence[Serving], bounds: Bounds) -> list[Serving]:
    if not serving:
        return []
    cursor = await conn.execute(
        _SQL.series,
        {
            **_asked(serving, bounds),
            "all_registers": [_TOTAL, _PULSES],
            "quantities": _QUANTITIES,
            **_ALSO,
            "late": _LATE,
            "earliest": bounds.earliest,
        },
        binary=True,
    )
    slices, found = Slices(), list[Serving]()
    while rows := await cursor.fetchmany(_ROWS_AT_ONCE):
        found += [_heard(device, row[1:]) for device, row in zip(serving[len(found) :], rows, strict=False)]
        await slices.give_way()
    return found


def _asked(serving: Sequence[Serving], bounds: Bounds) -> dict[str, Sequence[object] | datetime]:
    return {
        "devices": [device.device_id for device in serving],
        "registers": [device.register for device in serving],
        "froms": [device.from_at for device in serving],
        "begins": [device.installation.installed_at for device in serving],
        "ends": [device.end_at or bounds.latest for device in serving],
        "earliest_from": min(device.from_at for device in serving),
        "latest": bounds.latest,
    }


def _heard(device: Serving, row: Sequence[Any]) -> Serving:
    measured_s, shown, received_at, has_another, was_late, motion_at, opened_at, shut_at = row[:8]
    before_s, before, before_received_at = row[8:]
    times, totals = measured_s or [], shown or []
    if before_s is not None:
        times, totals = [before_s, *times], [before, *totals]
    pulse_l = device.litres_per_pulse if device.register == _PULSES else None
    step_l = device.resolution_l
    if pulse_l is not None:
        totals, step_l = [pulses * pulse_l for pulses in totals], pulse_l
    known = device.installation
    pulses_unknown = not times and bool(has_another) and device.litres_per_pulse is None
    read_at = max((at for at in (received_at, before_received_at) if at is not None), default=None)
    return replace(
        device,
        was_late=bool(was_late) and bool(times),
        installation=replace(
            known,
            heard_at=max((at for at in (known.heard_at, read_at) if at is not None), default=None),
            read_at=read_at,
            motion_at=motion_at,
            valve_shut=shut_at is not None and (opened_at is None or opened_at < shut_at),
            meters_water=known.meters_water or bool(times) or pulses_unknown,
            pulses_unknown=pulses_unknown,
            water=WaterSeries(
                measured_s=times,
                totals_l=totals,
                step_l=meters.step_of(totals) if step_l is None else step_l,
                pulse_l=pulse_l,
            ),
        ),
    )


async def _by_total(conn: AsyncConnection[Any], serving: list[Serving], bounds: Bounds) -> list[Serving]:
    """Reads the totals of devices that should count pulses and sent none."""
    places = [
        place
        for place, device in enumerate(serving)
        if device.register == _PULSES and not device.installation.water.measured_s
    ]
    read = await _read(conn, [replace(serving[place], register=_TOTAL) for place in places], bounds)
    for place, device in zip(places, read, strict=True):
        serving[place] = device
    return serving


async def _with_receipts(conn: AsyncConnection[Any], serving: list[Serving], bounds: Bounds) -> list[Serving]:
    """Reads when each reading was received, of devices whose clocks may be wrong."""
    places = [place for place, device in enumerate(serving) if device.was_late]
    if not places:
        return serving
    cursor = await conn.execute(_SQL.receipts, _asked([serving[place] for place in places], bounds), binary=True)
    for place, (_, measured_s, received_s) in zip(places, await cursor.fetchall(), strict=True):
        received = dict(zip(measured_s, received_s, strict=True))
        water = serving[place].installation.water
        # Of the reading before the span, it matters only that it came as the ones after it did.
        first_s = next((received[at_s] - at_s for at_s in water.measured_s if at_s in received), 0.0)
        serving[place] = _with_water(
            serving[place],
            replace(water, received_s=[received.get(at_s, at_s + first_s) for at_s in water.measured_s]),
        )
    return serving


async def _with_steps(conn: AsyncConnection[Any], serving: list[Serving], bounds: Bounds) -> list[Serving]:
    """Reads all that a register has shown, where what was just read could be that of one too coarse to judge by."""
    places = [
        place
        for place, device in enumerate(serving)
        if device.register == _TOTAL
        and device.resolution_l is None
        and device.installation.water.totals_l
        and meters.common_step(device.installation.water.totals_l) > bounds.policies[device.home_id].inactivity_volume_l
    ]
    if not places:
        return serving
    asked = {**_asked([serving[place] for place in places], bounds), "earliest": bounds.earliest}
    cursor = await conn.execute(_SQL.shown, asked, binary=True)
    for place, (_, shown) in zip(places, await cursor.fetchall(), strict=True):
        water = serving[place].installation.water
        step_l = meters.step_of([*water.totals_l, *(shown or ())])
        serving[place] = _with_water(serving[place], replace(water, step_l=step_l))
    return serving


def _with_water(device: Serving, water: WaterSeries) -> Serving:
    return replace(device, installation=replace(device.installation, water=water))


async def _with_old_readings(
    conn: AsyncConnection[Any], serving: list[Serving], bounds: Bounds, hearing: Hearing
) -> list[Serving]:
    """Asks again, further back, for devices of which nothing recent was found."""
    places = [
        place
        for place, device in enumerate(serving)
        if device.installation.removed_at is None
        and device.installation.interval_s is not None
        and (device.installation.heard_at or device.installation.installed_at)
        < hearing.until - bounds.policies[device.home_id].silence_limit(device.installation.interval.total_seconds())
    ]
    if not places:
        return serving
    asked = [serving[place] for place in places]
    cursor = await conn.execute(
        _SQL.last_received,
        {
            "devices": [device.device_id for device in asked],
            "begins": [device.installation.installed_at for device in asked],
            "ends": [device.from_at for device in asked],
            "quantities": _QUANTITIES,
            "earliest": bounds.earliest,
            "latest": bounds.latest,
        },
        binary=True,
    )
    for place, (_, received_at) in zip(places, await cursor.fetchall(), strict=True):
        known = serving[place].installation
        if received_at is not None and (known.heard_at is None or received_at > known.heard_at):
            serving[place] = replace(serving[place], installation=replace(known, heard_at=received_at))
    return serving
