"""Real meters on a real PostgreSQL: pulses and their worth, coarse registers, order of arrival, wrong clocks."""

import json
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from psycopg import AsyncConnection

from devices.quantities import PULSES, WATER_TOTAL
from devices.registry import discover
from registry.policy import DEFAULTS
from rules.engine import Engine
from rules.loading import Claimed, load_snapshots
from rules.snapshot import Installation
from rules.water import cover
from tests.rule_town import MIN, H, Town

QUARTERS = 60


@pytest.fixture
async def town(database: AsyncConnection[Any]) -> Town:
    return await Town.found(database)


async def look(town: Town) -> list[tuple[str, str, str]]:
    await town.conn.execute("UPDATE home_watch SET due_at = %s", (town.now,))
    await Engine(clock=lambda: town.now, compares_clocks=False).look(town.conn)
    return await town.alerts()


async def reasons(town: Town) -> list[str]:
    cursor = await town.conn.execute("SELECT reason FROM alert WHERE state <> 'closed' ORDER BY kind")
    return [row[0] for row in await cursor.fetchall()]


async def loaded(town: Town, home: int, **known: Any) -> tuple[Installation, ...]:
    claimed = Claimed(home_id=home, due_at=town.now, rearmed=0, **known)
    (snapshot,) = await load_snapshots(
        town.conn, [claimed], hearing=None, defaults=DEFAULTS, late_window=timedelta(days=35), now=town.now
    )
    return snapshot.installations


async def worth(town: Town, device: int, litres: float | None) -> None:
    await town.conn.execute("UPDATE installation SET litres_per_pulse = %s WHERE device_id = %s", (litres, device))


def quarters(town: Town, values: list[float]) -> list[tuple[Any, float]]:
    return [(town.now - 5 * MIN - (len(values) - 1 - n) * 15 * MIN, value) for n, value in enumerate(values)]


async def test_pulses_count_by_what_the_installation_says_one_is_worth(town: Town) -> None:
    home = await town.home("home")
    device = await town.device(home, "em300", interval_s=900)
    # Sixteen bits: it rolls over on the way. Eight pulses, then none for 13 h.
    pulses = [float((65_530 + min(n, 8)) % 65_536) for n in range(QUARTERS)]
    await town.readings(device, quarters(town, pulses), quantity=PULSES.code)
    await worth(town, device, 2.5)
    (counter,) = await loaded(town, home)
    assert counter.meters_water
    assert not counter.pulses_unknown
    assert (counter.water.pulse_l, counter.water.step_l) == (2.5, 2.5)
    (segment,) = cover([counter])
    assert segment.high_l[-1] - segment.low_l[0] == 20.0
    assert await look(town) == [(f"home/{home}", "inactivity", "open")]


async def test_pulses_of_unknown_worth_impair_until_it_is_known(town: Town) -> None:
    home = await town.home("home")
    device = await town.device(home, "em300", interval_s=900)
    await town.readings(device, quarters(town, [7.0] * QUARTERS), quantity=PULSES.code)
    assert await look(town) == [(f"home/{home}", "monitoring_impaired", "open")]
    assert await reasons(town) == [
        "meter em300 counts pulses, and the litres per pulse of its installation are missing: use is not judged"
    ]
    await worth(town, device, 1.0)
    town.now += MIN
    await town.heard()
    assert await look(town) == [
        (f"home/{home}", "inactivity", "open"),
        (f"home/{home}", "monitoring_impaired", "closed"),
    ]


async def test_a_meter_that_sends_totals_is_read_by_them_whatever_a_pulse_is_worth(town: Town) -> None:
    home = await town.home("home")
    device = await town.device(home, "meter", interval_s=900)
    await worth(town, device, 100.0)
    await town.readings(device, quarters(town, [64_021.0] * QUARTERS))
    (meter,) = await loaded(town, home)
    assert (meter.water.totals_l[-1], meter.water.pulse_l, meter.water.step_l) == (64_021.0, None, 0.0)
    both = await town.device(home, "both", interval_s=900)
    await worth(town, both, 10.0)
    await town.readings(both, quarters(town, [3.0] * QUARTERS))
    await town.readings(both, quarters(town, [77.0] * QUARTERS), quantity=PULSES.code)
    assert (await loaded(town, home))[1].water.totals_l[-1] == 770.0


async def test_a_device_with_two_registers_counts_once(town: Town) -> None:
    """A Dragino SW3L says litres and pulses of the same water in one message."""
    uplink = {"Calculate_flag": 0, "MOD": 0, "Water_flow_value": 12.5, "Total_pulse": 5, "BAT": 3.6}
    message = json.dumps({"uplink_message": {"decoded_payload": uplink}}).encode()
    said = {(code, value) for code, _, value in discover().decode("v3/app/devices/sw3l/up", message).readings}
    assert said >= {(WATER_TOTAL.code, 12.5), (PULSES.code, 5.0)}
    home = await town.home("home")
    device = await town.device(home, "sw3l", interval_s=900)
    await town.readings(device, quarters(town, [12.5 + 5.0 * n for n in range(QUARTERS)]))
    await town.readings(device, quarters(town, [5.0 + 2.0 * n for n in range(QUARTERS)]), quantity=PULSES.code)
    for litres_per_pulse in (None, 2.5):
        await worth(town, device, litres_per_pulse)
        (meter,) = await loaded(town, home)
        (segment,) = cover([meter])
        assert segment.high_l[-1] - segment.low_l[0] == 5.0 * (QUARTERS - 1)


async def test_what_the_installation_says_of_a_register_counts_and_not_what_it_looks_like(town: Town) -> None:
    home = await town.home("home")
    device = await town.device(home, "meter", interval_s=900)
    # It looks as if it moved by 10 L, or by none: nothing shows that its last digit is 100 L, or 1 L.
    await town.readings(device, quarters(town, [12_340.0 + 10 * n for n in range(QUARTERS)]))
    (meter,) = await loaded(town, home)
    assert meter.water.step_l == 10.0
    for resolution_l in (100.0, 1.0, 0.1):
        await town.conn.execute("UPDATE installation SET resolution_l = %s", (resolution_l,))
        (meter,) = await loaded(town, home)
        assert meter.water.step_l == resolution_l
    await worth(town, device, 10.0)
    await town.readings(device, quarters(town, [7.0] * QUARTERS), quantity=PULSES.code)
    (counter,) = await loaded(town, home)
    assert (counter.water.pulse_l, counter.water.step_l) == (10.0, 10.0)


async def test_a_register_known_to_be_coarse_is_judged_so_from_its_first_day(town: Town) -> None:
    home = await town.home("home")
    device = await town.device(home, "meter", interval_s=900)
    await town.conn.execute("UPDATE installation SET resolution_l = 100")
    await town.readings(device, quarters(town, [0.0] * QUARTERS))
    assert await look(town) == [(f"home/{home}", "monitoring_impaired", "open")]
    assert await reasons(town) == ["meter meter moves in steps of 100 L: less than 10 L cannot be told by it"]


async def test_a_meter_too_coarse_for_the_limit_is_neither_calm_nor_inactive(town: Town) -> None:
    home = await town.home("home")
    device = await town.device(home, "cubic", interval_s=900)
    # A cubic metre at a time: three of them in 30 days, none in the last week.
    days = [(town.now - day * 24 * H, 1_214_000.0 + 1000.0 * ((30 - day) // 8)) for day in range(30, 1, -1)]
    await town.readings(device, [*days, *quarters(town, [1_217_000.0] * QUARTERS)])
    assert await look(town) == [(f"home/{home}", "monitoring_impaired", "open")]
    assert await reasons(town) == [
        "meter cubic has lately shown nothing but multiples of 1000 L: "
        "while it does, less than 10 L cannot be told by it"
    ]


async def test_a_fine_meter_that_happens_to_stand_at_a_round_total_is_judged(town: Town) -> None:
    """What it has shown before tells how finely it counts."""
    home = await town.home("home")
    device = await town.device(home, "meter", interval_s=900)
    await town.conn.execute("UPDATE home_watch SET looked_until = %s", (town.now - H,))
    long_dry = [(town.now - hours * H, 12_000.0) for hours in range(160, 15, -1)]
    await town.readings(device, [(town.now - 170 * H, 11_987.0), *long_dry, *quarters(town, [12_000.0] * QUARTERS)])
    (meter,) = await loaded(town, home, looked_until=town.now - H)
    assert set(meter.water.totals_l) == {12_000.0}
    assert meter.water.step_l == 0.0
    assert await look(town) == [(f"home/{home}", "inactivity", "open")]


async def test_the_same_readings_say_the_same_in_whatever_order_they_came(town: Town) -> None:
    values = [64_021.0 + 7 * (n // 5) for n in range(40)] + [64_077.0] * 56
    values[30] = 3.1e9
    readings = quarters(town, values)
    seen = []
    for number, seed in enumerate((None, 1, 2)):
        home = await town.home(f"home {number}")
        device = await town.device(home, f"meter {number}", interval_s=900)
        shuffled = list(readings)
        if seed is not None:
            Random(seed).shuffle(shuffled)
        for start in range(0, len(shuffled), 17):
            await town.readings(device, shuffled[start : start + 17])
        (meter,) = await loaded(town, home)
        seen.append((meter.water, cover([meter])))
    assert seen[0] == seen[1] == seen[2]
    assert len(seen[0][1]) == 1
    assert [kind for _, kind, _ in await look(town)] == ["inactivity"] * 3


@pytest.mark.parametrize("set_right", [False, True], ids=["behind all along", "set right"])
async def test_a_clock_hours_behind_makes_nobody_inactive(town: Town, set_right: bool) -> None:
    """Seven dry hours are no twelve because a clock was five hours behind and then set right."""
    home = await town.home("home")
    device = await town.device(home, "meter", interval_s=900)
    uses = [5.0] * 112 + [0.0] * 28
    total_l, at = 1003.0, town.now - 140 * 15 * MIN
    for number, used_l in enumerate(uses):
        total_l, at = total_l + used_l, at + 15 * MIN
        right = set_right and number >= 126
        measured_at = at if right else at - 5 * H
        await town.readings(device, [(measured_at, total_l)], delay=at + MIN - measured_at)
    (meter,) = await loaded(town, home)
    assert len(meter.water.received_s) == len(meter.water.measured_s)
    assert len(cover([meter])) == (2 if set_right else 1)
    assert [kind for _, kind, _ in await look(town) if kind == "inactivity"] == []


async def test_receipts_are_read_only_of_meters_that_are_late(town: Town) -> None:
    home = await town.metered_home("home", [5.0] * QUARTERS)
    (meter,) = await loaded(town, home)
    assert meter.water.received_s == ()
