"""Writing an import: all or nothing, twice like once, and every touched home armed."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from registry import devices
from registry.applying import ImportResult, Move, apply
from registry.importing import HomeKey, read_rows
from storage.pool import connect

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=3)

FILE = """area,home,resident,time_zone,device,model,interval_s,litres_per_pulse
City/North/Elm Street/One,1-101,P. One,,m-1,LXZ-20,900,
City/North/Elm Street/One,1-101,P. One,,b-1,,0,
City/North/Elm Street/One,1-102,P. Two,Asia/Urumqi,m-2,,3600,0.5
City/North/Elm Street/Two,1-101,P. Three,,,,,
"""


async def imported(
    conn: AsyncConnection[TupleRow], text: str, now: datetime = NOW, installed_at: datetime | None = None
) -> ImportResult:
    rows = read_rows(text.encode(), drivers=["native"])
    return await apply(conn, rows, now=now, installed_at=installed_at)


async def fetch(conn: AsyncConnection[TupleRow], query: str) -> list[TupleRow]:
    return await (await conn.execute(query)).fetchall()


async def test_everything_in_the_file_is_written(database: AsyncConnection[TupleRow]) -> None:
    result = await imported(database, FILE)
    assert result == ImportResult(added=4, changed=0, unchanged=0, moved=(), homes_added=3, devices_added=3)
    assert await fetch(database, "SELECT path FROM area ORDER BY path") == [
        ("City",),
        ("City/North",),
        ("City/North/Elm Street",),
        ("City/North/Elm Street/One",),
        ("City/North/Elm Street/Two",),
    ]
    roots = "SELECT c.path FROM area c WHERE (SELECT p.path FROM area p WHERE p.area_id = c.parent_id) IS NULL"
    assert await fetch(database, roots) == [("City",)]
    assert await fetch(database, "SELECT count(*) FROM resident") == [(3,)]
    found = [device[:10] for device in await devices.installed(database)]
    assert found == [
        ("b-1", "native", None, "City/North/Elm Street/One", "1-101", None, None, None, None, NOW),
        ("m-1", "native", "LXZ-20", "City/North/Elm Street/One", "1-101", 900, None, None, None, NOW),
        ("m-2", "native", None, "City/North/Elm Street/One", "1-102", 3600, 0.5, None, None, NOW),
    ]
    # No home without a row that says when it must be looked at, and none after now.
    armed = "SELECT count(*), max(due_at) FROM home JOIN home_watch USING (home_id)"
    assert await fetch(database, armed) == [(3, NOW)]


async def test_a_second_run_changes_nothing_and_arms_nothing(database: AsyncConnection[TupleRow]) -> None:
    await imported(database, FILE)
    before = await fetch(database, "SELECT home_id, due_at, rearmed FROM home_watch ORDER BY home_id")
    result = await imported(database, FILE, LATER)
    assert (result.added, result.changed, result.unchanged) == (0, 0, 4)
    assert await fetch(database, "SELECT home_id, due_at, rearmed FROM home_watch ORDER BY home_id") == before
    assert await fetch(database, "SELECT count(*), count(removed_at) FROM installation") == [(3, 0)]


async def test_two_runs_at_once_write_everything_once(database_url: str, database: AsyncConnection[TupleRow]) -> None:
    async with await connect(database_url, application_name="other", autocommit=True) as other:
        results = await asyncio.gather(imported(database, FILE), imported(other, FILE))
    assert sorted(result.added for result in results) == [0, 4]
    assert await fetch(database, "SELECT count(*) FROM installation") == [(3,)]


async def test_changes_are_told_apart_and_arm_their_home_alone(database: AsyncConnection[TupleRow]) -> None:
    await imported(database, FILE)
    await database.execute("UPDATE home_watch SET due_at = %s", [LATER + timedelta(hours=5)])
    changed = FILE.replace("LXZ-20,900", "LXZ-25,600").replace("Asia/Urumqi", "UTC")
    result = await imported(database, changed, LATER)
    assert (result.added, result.changed, result.unchanged) == (0, 2, 2)
    rows = await fetch(database, "SELECT h.name, w.due_at FROM home h JOIN home_watch w USING (home_id) ORDER BY 1, 2")
    untouched = LATER + timedelta(hours=5)
    assert rows == [("1-101", LATER), ("1-101", untouched), ("1-102", LATER)]
    assert await fetch(database, "SELECT time_zone FROM home WHERE name = '1-102'") == [("UTC",)]
    meter = next(device for device in await devices.installed(database) if device.device == "m-1")
    assert (meter.model, meter.interval_s, meter.installed_at) == ("LXZ-25", 600, NOW)


async def test_a_device_listed_for_another_home_moves_there(database: AsyncConnection[TupleRow]) -> None:
    await imported(database, FILE)
    await database.execute("UPDATE home_watch SET due_at = %s", [LATER + timedelta(hours=5)])
    moved = "area,home,device,interval_s,litres_per_pulse\nCity/South,9,m-2,3600,0.5\n"
    result = await imported(database, moved, LATER, installed_at=NOW)
    assert result.moved == (Move("m-2", HomeKey("City/South", "9")),)
    periods = (
        "SELECT h.name, i.installed_at, i.removed_at FROM installation i JOIN home h USING (home_id)"
        " JOIN device d USING (device_id) WHERE d.name = 'm-2' ORDER BY installation_id"
    )
    assert await fetch(database, periods) == [("1-102", NOW, LATER), ("9", LATER, None)]
    armed = "SELECT h.name FROM home h JOIN home_watch w USING (home_id) WHERE w.due_at = %s ORDER BY 1"
    assert await (await database.execute(armed, [LATER])).fetchall() == [("1-102",), ("9",)]
    back = "area,home,time_zone,device,interval_s,litres_per_pulse\n" + (
        "City/North/Elm Street/One,1-102,Asia/Urumqi,m-2,3600,0.5\n"
    )
    await imported(database, back, LATER)  # within the same instant: periods touch and never overlap
    overlaps = (
        "SELECT count(*) FROM installation a JOIN installation b ON a.device_id = b.device_id"
        " AND a.installation_id < b.installation_id AND b.installed_at < a.removed_at"
    )
    assert await fetch(database, overlaps) == [(0,)]


async def test_new_devices_may_have_been_installed_before_the_import(database: AsyncConnection[TupleRow]) -> None:
    since = NOW - timedelta(days=40)
    await imported(database, FILE, NOW, installed_at=since)
    assert await fetch(database, "SELECT DISTINCT installed_at FROM installation") == [(since,)]


async def test_a_failure_half_way_leaves_nothing(database: AsyncConnection[TupleRow]) -> None:
    await database.execute("ALTER TABLE installation ADD CHECK (interval_s <> 3600)")
    with pytest.raises(Exception, match="violates check constraint"):
        await imported(database, FILE)
    assert await fetch(database, "SELECT count(*) FROM area") == [(0,)]


async def test_unknown_devices_are_listed_with_their_last_message(database: AsyncConnection[TupleRow]) -> None:
    await imported(database, FILE)
    add = (
        "INSERT INTO quarantine (device_name, topic, payload, payload_bytes, reason, urgent, received_at)"
        " VALUES (%s, %s, %s, 1, 'device_unknown', false, %s)"
    )
    count = "INSERT INTO quarantine_count VALUES (%s, 'device_unknown', %s, %s, %s)"
    for name in ("stray", "m-1"):
        await database.execute(add, [name, f"anju/{name}/reading", b"first", NOW])
        await database.execute(add, [name, f"anju/{name}/reading", b"last", LATER])
        await database.execute(count, [name, 57, NOW, LATER])
    press = (
        "INSERT INTO event (device_name, kind, dedup_key, payload_hash, measured_at, received_at)"
        " VALUES ('btn-9', 'button_press', 'k', '', %s, %s)"
    )
    await database.execute(press, [NOW, NOW])
    found = await devices.unknown(database)
    assert found == [
        devices.UnknownDevice("stray", 57, NOW, LATER, "anju/stray/reading", b"last", None, None, None, None),
        devices.UnknownDevice("btn-9", 1, NOW, NOW, None, None, "button_press", None, None, None),
    ]
