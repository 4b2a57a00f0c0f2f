"""What a snapshot knows of devices, events and absences, read from a real PostgreSQL; and what is raised of it."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from psycopg import AsyncConnection

from alerts.life import commands
from alerts.life.commands import By
from alerts.model import Outcome
from devices.model import WAKING, EventKind
from devices.quantities import BATTERY, MOTION, VALVE_OPEN
from registry.policy import DEFAULTS
from rules.engine import Engine
from rules.loading import Claimed, load_snapshots
from rules.snapshot import Battery, Installation, OwnTime, Snapshot
from tests.rule_town import MIN, H, Town

D = 24 * H


@pytest.fixture
async def town(database: AsyncConnection[Any]) -> Town:
    return await Town.found(database)


async def loaded(town: Town, *homes: int, looked_until: datetime | None = None) -> list[Snapshot]:
    claimed = [Claimed(home_id=home, due_at=town.now, rearmed=0, looked_until=looked_until) for home in homes]
    return await load_snapshots(
        town.conn, claimed, hearing=None, defaults=DEFAULTS, late_window=timedelta(days=35), now=town.now
    )


async def only(town: Town, home: int) -> Installation:
    (snapshot,) = await loaded(town, home)
    (installation,) = snapshot.installations
    return installation


async def happened(
    town: Town, device: str, kind: EventKind, received_at: datetime, *, own_time: datetime | None = None
) -> None:
    await town.conn.execute(
        "INSERT INTO event (device_name, kind, dedup_key, payload_hash, own_time, measured_at, received_at)"
        " VALUES (%s, %s, gen_random_uuid()::text, '', %s, %s, %s)",
        (device, kind, own_time, received_at, received_at),
    )


async def away(town: Town, home: int, from_at: datetime, until_at: datetime, ended_at: datetime | None = None) -> None:
    await town.conn.execute(
        "INSERT INTO absence (home_id, from_at, until_at, reason, noted_at, noted_by, ended_at, ended_by)"
        " VALUES (%(home)s, %(from)s, %(until)s, 'hospital', %(from)s, 'test', %(ended)s, %(by)s)",
        {"home": home, "from": from_at, "until": until_at, "ended": ended_at, "by": ended_at and "test"},
    )


async def look(town: Town) -> list[tuple[str, str]]:
    await town.conn.execute("UPDATE home_watch SET due_at = %s", (town.now,))
    await Engine(clock=lambda: town.now, compares_clocks=False).look(town.conn)
    return [(kind, state) for _, kind, state in await town.alerts()]


async def test_absences_that_reach_into_what_is_read(town: Town) -> None:
    home, other = await town.home("home"), await town.home("other")
    now = town.now
    await away(town, home, now - 30 * D, now - 20 * D)  # long over
    await away(town, home, now - 10 * D, now + 10 * D, ended_at=now - 6 * D)  # ended early
    await away(town, home, now - 5 * D, now + D, ended_at=now - 6 * D)  # never was
    await away(town, home, now + D, now + 2 * D)  # to come
    await away(town, other, now - H, now + H)
    first, second = await loaded(town, home, other)
    assert [(a.from_at, a.until_at) for a in first.absences] == [(now - 10 * D, now - 6 * D), (now + D, now + 2 * D)]
    assert [(a.reason, a.until_at) for a in second.absences] == [("hospital", now + H)]
    (looked_since,) = await loaded(town, home, looked_until=now - H)
    assert [a.from_at for a in looked_since.absences] == [now + D]


async def test_events_of_two_days_by_receipt_and_only_those_of_the_installation(town: Town) -> None:
    home = await town.home("home")
    now = town.now
    device = await town.device(home, "door-1", installed_at=now - 20 * H)
    await town.device(home, "door-2", installed_at=now - 90 * D, removed_at=now - 10 * H)
    for name, hours in (("door-1", 30), ("door-1", 3), ("door-1", 2), ("door-2", 50), ("door-2", 12), ("door-2", 1)):
        await happened(town, name, EventKind.TAMPER, now - hours * H)
    (snapshot,) = await loaded(town, home)
    assert [(e.device, e.kind, e.received_at) for e in snapshot.events] == [
        ("door-2", "tamper", now - 12 * H),
        ("door-1", "tamper", now - 3 * H),
        ("door-1", "tamper", now - 2 * H),
    ]
    removed, serving = snapshot.installations
    assert (removed.heard_at, removed.said) == (None, {})
    assert serving.heard_at == serving.said["tamper"].measured_at == now - 2 * H
    await town.conn.execute("UPDATE installation SET installed_at = %s WHERE device_id = %s", (now - H, device))
    (snapshot,) = await loaded(town, home)
    assert snapshot.installations[-1].heard_at is None
    assert snapshot.installations[-1].said == {}


async def test_the_last_battery_is_found_far_back_and_that_of_another_home_is_not(town: Town) -> None:
    home = await town.home("home")
    now = town.now
    device = await town.device(home, "btn-1", installed_at=now - 60 * D)
    await town.readings(device, [(now - 31 * D, 90.0), (now - 30 * D, 12.0)], quantity=BATTERY.code)
    assert (await only(town, home)).battery == Battery(pct=12.0, measured_at=now - 30 * D)
    await town.conn.execute("UPDATE installation SET installed_at = %s", (now - 29 * D,))
    assert (await only(town, home)).battery is None


async def test_motion_and_a_shut_valve(town: Town) -> None:
    home = await town.home("home")
    now = town.now
    device = await town.device(home, "meter-1", interval_s=900)
    await town.readings(device, [(now - 3 * H, 1.0), (now - 2 * H, 1.0), (now - H, 0.0)], quantity=MOTION.code)
    await town.readings(device, [(now - 3 * H, 0.0), (now - 2 * H, 1.0)], quantity=VALVE_OPEN.code)
    known = await only(town, home)
    assert (known.motion_at, known.valve_shut) == (now - 2 * H, False)
    await town.readings(device, [(now - H, 0.0)], quantity=VALVE_OPEN.code)
    assert (await only(town, home)).valve_shut


async def test_what_is_a_call_button_and_when_it_was_tried(town: Town) -> None:
    now = town.now
    known = {}
    for name, model in (("btn-sos", None), ("lamp-1", None), ("lamp-2", "TS0601_sos"), ("lamp-3", None)):
        home = await town.home(name)
        device = await town.device(home, name, installed_at=now - 80 * D)
        await town.conn.execute("UPDATE device SET model = %s WHERE device_id = %s", (model, device))
        await happened(town, name, EventKind.TEST_PRESS, now - 70 * D)
        await happened(town, name, EventKind.TEST_PRESS, now - 60 * D)
        await happened(town, name, EventKind.BUTTON_ACTION, now - 5 * D)
        if name == "lamp-3":
            await happened(town, name, EventKind.BUTTON_PRESS, now - 4 * D)
        known[name] = await only(town, home)
    assert [(name, each.calls, each.tested_at, each.used_at) for name, each in known.items()] == [
        ("btn-sos", True, now - 60 * D, now - 5 * D),
        ("lamp-1", False, now - 60 * D, now - 5 * D),
        ("lamp-2", True, now - 60 * D, now - 5 * D),
        ("lamp-3", True, now - 60 * D, now - 4 * D),
    ]


async def test_the_clock_of_a_device(town: Town) -> None:
    home = await town.home("home")
    now = town.now
    await town.device(home, "btn-1", installed_at=now - 10 * D)
    await happened(town, "btn-1", EventKind.BUTTON_ACTION, now - 2 * H, own_time=now - 900 * D)
    assert (await only(town, home)).own_time == OwnTime(said=now - 900 * D, received_at=now - 2 * H)
    await town.conn.execute(
        "INSERT INTO quarantine_count VALUES ('btn-1', 'time_implausible', 5, %(at)s, %(at)s),"
        " ('btn-1', 'field_invalid', 5, %(now)s, %(now)s)",
        {"at": now - H, "now": now},
    )
    assert (await only(town, home)).refused_at == now - H
    await happened(town, "btn-1", EventKind.BUTTON_ACTION, now - MIN)
    assert (await only(town, home)).own_time is None


async def test_a_test_press_wakes_nobody_and_raises_nothing(town: Town) -> None:
    assert EventKind.TEST_PRESS not in WAKING
    home = await town.home("home")
    await town.device(home, "btn-sos", installed_at=town.now - 60 * D)
    assert await look(town) == [("test_overdue", "open")]
    await town.event("btn-sos", EventKind.TEST_PRESS, wake=False)
    town.now += timedelta(minutes=1)
    await town.heard()
    assert await look(town) == [("test_overdue", "closed")]


async def test_what_technicians_must_see_to_is_raised_and_ends(town: Town) -> None:
    home = await town.home("home")
    now = town.now
    device = await town.device(home, "door-1", installed_at=now - 10 * D)
    await town.readings(device, [(now - 2 * H, 9.0)], quantity=BATTERY.code)
    await happened(town, "door-1", EventKind.TAMPER, now - H, own_time=now + D)
    told = [("battery_low", "open"), ("clock_wrong", "open"), ("tamper", "open")]
    assert await look(town) == told
    assert await look(town) == told
    await town.readings(device, [(now - 30 * MIN, 95.0)], quantity=BATTERY.code)
    await happened(town, "door-1", EventKind.FAULT, now - 10 * MIN, own_time=now - 10 * MIN)
    assert await look(town) == [
        ("battery_low", "closed"),
        ("clock_wrong", "closed"),
        ("meter_fault", "open"),
        ("tamper", "open"),
    ]


async def test_a_case_that_a_person_ended_stays_so_while_the_device_says_the_same(town: Town) -> None:
    home = await town.home("home")
    await town.device(home, "door-1", installed_at=town.now - 10 * D)
    await happened(town, "door-1", EventKind.TAMPER, town.now - H)
    assert await look(town) == [("tamper", "open")]
    row = await (await town.conn.execute("SELECT alert_id FROM alert")).fetchone()
    assert row is not None
    await commands.close(town.conn, row[0], Outcome.OTHER, By(actor="test", source="test", now=town.now))
    await happened(town, "door-1", EventKind.TAMPER, town.now + 47 * H)
    town.now += 48 * H
    await town.heard()
    assert await look(town) == [("tamper", "closed")]
    await happened(town, "door-1", EventKind.ONLINE, town.now + 72 * H)
    town.now += 73 * H
    await town.heard()
    assert await look(town) == [("tamper", "closed")]
    await happened(town, "door-1", EventKind.TAMPER, town.now - MIN)
    assert await look(town) == [("tamper", "closed"), ("tamper", "open")]
