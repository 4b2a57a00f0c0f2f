"""`anju device` and `anju broker` against a real database: what they write, what they refuse, and what they say."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from devices.registry import discover
from registry import devices, installing
from registry.applying import apply
from registry.errors import InstallationRefused
from registry.importing import DeviceRow, HomeKey, read_rows
from storage.pool import connect
from tests.integration.cli import Ended, anju

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=3)
HOMES = "area,home,device\nCity/North,1-101,m-1\nCity/North,1-102,\nCity/South,3/12,\n"
ONE, TWO, SOUTH = HomeKey("City/North", "1-101"), HomeKey("City/North", "1-102"), HomeKey("City/South", "3/12")


def described(name: str, **fields: Any) -> DeviceRow:
    return DeviceRow(
        **{"name": name, "driver": "native", "model": None, "interval_s": 900, "litres_per_pulse": None, **fields}
    )


async def with_homes(conn: AsyncConnection[TupleRow]) -> None:
    await apply(conn, read_rows(HOMES.encode(), drivers=["native"]), now=NOW)
    await conn.execute("UPDATE home_watch SET due_at = %s", [LATER + timedelta(hours=5)])


async def periods(conn: AsyncConnection[TupleRow], name: str) -> list[TupleRow]:
    query = (
        "SELECT h.name, i.installed_at, i.removed_at FROM installation i JOIN device USING (device_id)"
        " JOIN home h USING (home_id) WHERE device.name = %s ORDER BY installed_at"
    )
    return await (await conn.execute(query, [name])).fetchall()


async def armed(conn: AsyncConnection[TupleRow], at: datetime) -> set[str]:
    query = "SELECT h.name FROM home_watch JOIN home h USING (home_id) WHERE due_at = %s"
    return {row[0] async for row in await conn.execute(query, [at])}


async def test_a_new_device_serves_its_home_and_arms_it_alone(database: AsyncConnection[TupleRow]) -> None:
    await with_homes(database)
    pulse = described("p-1", driver="chirpstack", model="EM300-DI", interval_s=3600, litres_per_pulse=0.5)
    change = await installing.add(database, pulse, "City/South/3/12", since=None, now=LATER)
    assert change == (None, SOUTH, LATER)
    (found,) = [device for device in await devices.installed(database) if device.device == "p-1"]
    assert found[:10] == ("p-1", "chirpstack", "EM300-DI", "City/South", "3/12", 3600, 0.5, None, None, LATER)
    assert await armed(database, LATER) == {"3/12"}
    button = described("b-1", interval_s=None)
    change = await installing.add(database, button, "City/North/1-101", since=NOW, now=LATER)
    assert (change.home, change.at) == (ONE, NOW)
    assert await armed(database, LATER) == {"3/12", "1-101"}


async def test_a_device_moves_with_its_terms_and_both_homes_are_armed(database: AsyncConnection[TupleRow]) -> None:
    await with_homes(database)
    at = LATER - timedelta(hours=1)
    assert await installing.move(database, "m-1", "City/North/1-102", at=at, now=LATER) == (ONE, TWO, at)
    assert await periods(database, "m-1") == [("1-101", NOW, at), ("1-102", at, None)]
    assert await armed(database, LATER) == {"1-101", "1-102"}
    assert await (await database.execute("SELECT DISTINCT interval_s FROM installation")).fetchall() == [(900,)]


async def test_a_retired_device_keeps_its_past_and_may_be_installed_again(database: AsyncConnection[TupleRow]) -> None:
    await with_homes(database)
    assert await installing.retire(database, "m-1", at=None, now=LATER) == (ONE, None, LATER)
    assert await periods(database, "m-1") == [("1-101", NOW, LATER)]
    assert await armed(database, LATER) == {"1-101"}
    with pytest.raises(InstallationRefused, match="served another home until 2026-11-24 08:00:00 UTC"):
        await installing.add(database, described("m-1"), "City/North/1-102", since=NOW, now=LATER)
    again = LATER + timedelta(days=1)
    await installing.add(database, described("m-1", model="X"), "City/North/1-101", since=None, now=again)
    assert await periods(database, "m-1") == [("1-101", NOW, LATER), ("1-101", again, None)]
    assert await (await database.execute("SELECT model FROM device WHERE name = 'm-1'")).fetchone() == ("X",)


async def test_what_the_present_state_does_not_allow_is_refused_and_writes_nothing(
    database: AsyncConnection[TupleRow],
) -> None:
    await with_homes(database)
    device = described("n-1")

    async def refused(attempt: Any, *said: str) -> None:
        with pytest.raises(InstallationRefused) as caught:
            await attempt
        assert all(part in str(caught.value) for part in said), caught.value

    add, move, retire = installing.add, installing.move, installing.retire
    ahead, before = LATER + timedelta(hours=1), NOW - timedelta(days=1)
    await refused(add(database, described("m-1"), "City/North/1-102", since=None, now=LATER), "anju device move m-1")
    await refused(add(database, described("m-1"), "City/North/1-101", since=None, now=LATER), "import a file")
    await refused(add(database, device, "City/North/1-103", since=None, now=LATER), "did you mean '1-102'?")
    await refused(add(database, device, "City/North/kitchen", since=None, now=LATER), "`anju import` adds homes")
    await refused(add(database, device, "City/West/1-101", since=None, now=LATER), "area 'City/West'")
    await refused(add(database, device, "1-101", since=None, now=LATER), "is no home")
    await refused(add(database, device, "City/North/1-101", since=ahead, now=LATER), "lies ahead")
    await refused(move(database, "m-9", "City/North/1-102", at=None, now=LATER), "no device 'm-9'")
    await refused(move(database, "m-1", "City/North/1-101", at=None, now=LATER), "serves 1-101, City/North, already")
    await refused(move(database, "m-1", "City/North/1-102", at=before, now=LATER), "only since 2026-11-21")
    await refused(retire(database, "m-1", at=NOW, now=LATER), "only since 2026-11-21")
    await refused(retire(database, "m-1", at=ahead, now=LATER), "lies ahead")
    assert await armed(database, LATER) == set()
    assert await periods(database, "m-1") == [("1-101", NOW, None)]
    assert await (await database.execute("SELECT count(*) FROM device")).fetchone() == (1,)
    await retire(database, "m-1", at=None, now=LATER)
    await refused(retire(database, "m-1", at=None, now=LATER), "serves no home", "anju device add m-1")


async def test_a_path_that_could_be_two_homes_is_not_guessed(database: AsyncConnection[TupleRow]) -> None:
    text = "area,home\nCity,A/1\nCity/A,1\n"
    await apply(database, read_rows(text.encode(), drivers=["native"]), now=NOW)
    with pytest.raises(InstallationRefused, match="more than one home"):
        await installing.add(database, described("n-1"), "City/A/1", since=None, now=LATER)


async def test_two_who_install_the_same_device_at_once_do_not_both_succeed(
    database_url: str, database: AsyncConnection[TupleRow]
) -> None:
    await with_homes(database)
    async with await connect(database_url, application_name="other", autocommit=True) as other:
        outcomes = await asyncio.gather(
            installing.add(database, described("n-1"), "City/North/1-101", since=None, now=LATER),
            installing.add(other, described("n-1"), "City/North/1-102", since=None, now=LATER),
            return_exceptions=True,
        )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Change", "InstallationRefused"]
    assert len(await periods(database, "n-1")) == 1


def test_the_commands_of_an_installer(database_url: str, tmp_path: Path) -> None:
    settings = {"ANJU_DATABASE_URL": database_url}
    at = datetime.now(UTC)

    def device(*arguments: str) -> Ended:
        return anju("device", *arguments, **settings)

    file = tmp_path / "homes.csv"
    file.write_text(HOMES)
    anju("import", str(file), "--installed-at", "2026-01-01T00:00:00Z", **settings)
    eui, on_label = "24e124535b316056", "24-E1-24-53-5B-31-60-56"
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("INSERT INTO quarantine_count VALUES (%s, 'device_unknown', 7, %s, %s)", [eui, at, at])
        conn.execute(
            "INSERT INTO event (device_name, kind, dedup_key, payload_hash, measured_at, received_at)"
            " VALUES (%s, 'button_press', 'k', '', %s, %s)",
            [eui, at, at],
        )
    assert [each["device"] for each in device("unknown", "--json").json()] == [eui]
    assert "heard, but not installed" in device("show", eui).out

    wrong = device("add", eui, "--home", "City/North/1-101", "--driver", "chirpstak", "--interval", "soon")
    assert wrong.code == 2
    assert "--driver: there is no driver 'chirpstak'; did you mean 'chirpstack'?" in wrong.err
    assert "--interval: 'soon' is not a whole number" in wrong.err
    nowhere = device("add", eui, "--home", "City/North/1-10", "--driver", "chirpstack")
    assert (nowhere.code, "did you mean" in nowhere.err) == (5, True)

    short = device("add", eui[:-1], "--home", "City/North/1-102", "--driver", "chirpstack", "--interval", "0")
    assert (short.code, "NAME: '24e124535b31605' is no DevEUI" in short.err) == (2, True)

    elsewhere = device("list", "--area", "City/Nord")
    assert (elsewhere.code, "there is no area 'City/Nord'; did you mean 'City/North'?" in elsewhere.err) == (5, True)
    mistyped = tmp_path / "mistyped.csv"
    mistyped.write_text(f"area,home,device,driver,model\nCity/North,1-102,{on_label},chirpstack,WS1O1\n")
    checked = anju("import", str(mistyped), "--dry-run", **settings)
    assert (checked.code, "no model 'WS1O1' is known" in checked.err) == (0, True)
    assert "did you mean 'Milesight WS101'?" in checked.err
    # Without a driver it is native, which has no models of its own: a call button would be none to us, unsaid.
    mistyped.write_text(f"area,home,device,model\nCity/North,1-102,{eui},WS101\nCity/North,1-102,m-9,our own\n")
    checked = anju("import", str(mistyped), "--dry-run", **settings)
    assert (checked.code, checked.err) == (
        0,
        "model 'WS101' is known in the families chirpstack and things_stack, not in native: is the driver right?\n",
    )

    options = ["--driver", "chirpstack", "--model", "WS101", "--interval", "0", "--from", "2026-02-01T08:00:00+08:00"]
    added = device("add", on_label, "--home", "City/North/1-101", *options)
    assert added.code == 0
    assert added.out.startswith(f"{eui} serves 1-101, City/North, since ")
    assert "it calls for help, so its messages take the urgent lane" in added.out
    assert "reports when something happens" in added.out
    assert "7 messages of it came before" in added.err
    assert device("unknown", "--json").json() == []
    assert eui in [each["device"] for each in device("list", "--json").json()]

    moved = device("move", eui.upper(), "--home", "City/South/3/12", "--at", "2026-03-01T00:00:00Z")
    assert (moved.code, moved.out.startswith(f"{eui} serves 3/12")) == (0, True)
    shown = device("show", on_label, "--json").json()
    assert [(each["home"], each["since"], each["to"]) for each in shown["installations"]] == [
        ("1-101", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"),
        ("3/12", "2026-03-01T00:00:00Z", None),
    ]
    assert (shown["driver"], shown["model"], shown["readings"]) == ("chirpstack", "WS101", [])
    assert [each["event"] for each in shown["events"]] == ["button_press"]
    assert [(each["reason"], each["messages"]) for each in shown["quarantine"]] == [("device_unknown", 7)]
    text = device("show", eui).out
    assert "3/12, City/South, when something happens" in text
    assert "button_press" in text

    assert device("retire", eui, "--at", "2026-02-15T00:00:00Z").code == 5
    assert device("retire", on_label).out.startswith(f"{eui} served 3/12")
    assert device("retire", eui).code == 5
    assert device("show", "nobody").code == 5


async def test_the_newest_reading_of_each_quantity_is_shown(database: AsyncConnection[TupleRow]) -> None:
    await with_homes(database)
    await database.execute("CREATE TABLE reading_all PARTITION OF reading DEFAULT")
    row = await (await database.execute("SELECT device_id FROM device WHERE name = 'm-1'")).fetchone()
    assert row is not None
    add = "INSERT INTO reading (device_id, quantity, measured_at, received_at, value) VALUES (%s, %s, %s, %s, %s)"
    for quantity, at, value in ((1, NOW, 100.0), (1, LATER, 120.0), (2, NOW, 87.0)):
        await database.execute(add, [row[0], quantity, at, at, value])
    found = await devices.show(database, "m-1")
    assert found.readings == (
        ("water_total", "L", 120.0, LATER, LATER),
        ("battery", "%", 87.0, NOW, NOW),
    )


async def test_a_retired_device_that_still_publishes_is_among_the_unknown(database: AsyncConnection[TupleRow]) -> None:
    await with_homes(database)
    await database.execute("CREATE TABLE reading_all PARTITION OF reading DEFAULT")
    await installing.add(database, described("m-2"), "City/North/1-102", since=NOW, now=LATER)
    row = await (await database.execute("SELECT device_id FROM device WHERE name = 'm-1'")).fetchone()
    assert row is not None
    # Refused before it was ever installed; what it measured while it was there came in late.
    await database.execute("INSERT INTO quarantine_count VALUES ('m-1', 'device_unknown', 9, %s, %s)", [NOW, NOW])
    add = "INSERT INTO reading (device_id, quantity, measured_at, received_at, value) VALUES (%s, %s, %s, %s, %s)"
    retired_at, hour = NOW + timedelta(hours=6), timedelta(hours=1)
    await database.execute(add, [row[0], 1, retired_at - hour, retired_at + hour, 100.0])
    await installing.retire(database, "m-1", at=retired_at, now=LATER)
    await installing.retire(database, "m-2", at=retired_at, now=LATER)
    assert await devices.unknown(database) == []
    for quantity in (1, 2):  # one message
        await database.execute(add, [row[0], quantity, retired_at + hour, retired_at + hour, 50.0])
    await database.execute(
        "INSERT INTO event (device_name, device_id, kind, dedup_key, payload_hash, measured_at, received_at)"
        " VALUES ('m-1', %s, 'low_battery', 'k', '', %s, %s)",
        [row[0], LATER, LATER],
    )
    (found,) = await devices.unknown(database)
    assert found == devices.UnknownDevice(
        "m-1", 2, retired_at + hour, LATER, None, None, "low_battery", retired_at, "City/North", "1-101"
    )
    await installing.add(database, described("m-1"), "City/North/1-101", since=None, now=LATER + hour)
    assert await devices.unknown(database) == []


async def test_a_register_s_resolution_stands_with_the_installation(database: AsyncConnection[TupleRow]) -> None:
    await with_homes(database)
    coarse = described("r-1", resolution_l=100.0)
    await installing.add(database, coarse, "City/North/1-101", since=NOW, now=LATER)
    await installing.move(database, "r-1", "City/North/1-102", at=LATER, now=LATER)
    assert [period.resolution_l for period in (await devices.show(database, "r-1")).installations] == [100.0, 100.0]
    text = "area,home,device,resolution_l\nCity/North,1-102,r-1,10\n"
    result = await apply(database, read_rows(text.encode(), drivers=["native"]), now=LATER + timedelta(hours=1))
    assert (result.changed, result.unchanged) == (1, 0)
    assert [period.resolution_l for period in (await devices.show(database, "r-1")).installations] == [100.0, 10.0]
    again = await apply(database, read_rows(text.encode(), drivers=["native"]), now=LATER + timedelta(hours=2))
    assert (again.changed, again.unchanged) == (0, 1)


async def test_a_gateway_stands_with_the_installation(database: AsyncConnection[TupleRow]) -> None:
    await with_homes(database)
    await installing.add(database, described("r-1", gateway="gw-1"), "City/North/1-101", since=NOW, now=LATER)
    await installing.move(database, "r-1", "City/North/1-102", at=LATER, now=LATER)
    text = "area,home,device,gateway\nCity/North,1-102,r-1,gw-2\n"
    result = await apply(database, read_rows(text.encode(), drivers=["native"]), now=LATER + timedelta(hours=1))
    assert (result.changed, result.unchanged) == (1, 0)
    assert [period.gateway for period in (await devices.show(database, "r-1")).installations] == ["gw-1", "gw-2"]
    again = await apply(database, read_rows(text.encode(), drivers=["native"]), now=LATER + timedelta(hours=2))
    assert (again.changed, again.unchanged) == (0, 1)


async def test_a_name_is_looked_up_as_typed_before_it_is_spelt_otherwise(database: AsyncConnection[TupleRow]) -> None:
    await with_homes(database)
    for name, driver in (("kitchen-1", "native"), ("eui-24e124535b316056", "things_stack")):
        await installing.add(database, described(name, driver=driver), "City/North/1-101", since=None, now=LATER)
    known = discover()

    async def called(text: str) -> str:
        return await devices.called(database, text, known.spellings(text))

    assert await called("m-1") == "m-1"
    assert await called("24E124535B316056") == "eui-24e124535b316056"
    # Of its family nobody would spell it otherwise: another device.
    assert await called("Kitchen-1") == "Kitchen-1"


def test_a_broker_that_is_gone_is_named_by_doctor_and_forgotten(database_url: str) -> None:
    now = datetime.now(UTC)
    old = now - timedelta(days=2)
    hear = "INSERT INTO hearing (lane, broker, worker, heard_since, heard_until) VALUES (%s, %s, %s, %s, %s)"
    with psycopg.connect(database_url, autocommit=True) as conn:
        for lane, broker, worker, until in (
            ("bulk", "new:1883", "", now),
            ("urgent", "new:1883", "w1", now),
            ("bulk", "old:1883", "", old),
            ("urgent", "old:1883", "w1", old),
            ("bulk", "down:1883", "", old),
        ):
            conn.execute(hear, [lane, broker, worker, until - timedelta(hours=1), until])
        conn.execute("INSERT INTO bulk_lease VALUES ('new:1883', 'w1', %s)", [now + timedelta(minutes=5)])
        conn.execute("INSERT INTO bulk_lease VALUES ('old:1883', 'w1', %s)", [old])
    settings = {"ANJU_DATABASE_URL": database_url, "ANJU_MQTT_URL": "mqtt://down:1883"}

    listed = anju("broker", "list", "--json", **settings).json()
    assert [(each["broker"], each["lane"], each["configured"]) for each in listed] == [
        ("down:1883", "bulk", True),
        ("new:1883", "bulk", False),
        ("new:1883", "urgent", False),
        ("old:1883", "bulk", False),
        ("old:1883", "urgent", False),
    ]
    assert "old:1883" in anju("broker", "list", **settings).out
    checks = {check["check"]: check for check in json.loads(anju("doctor", "--json", **settings).out)}
    assert checks["broker old:1883"]["state"] == "fault"
    assert "`anju broker forget old:1883`" in checks["broker old:1883"]["advice"]
    assert "broker new:1883" not in checks
    assert checks["broker down:1883"]["found"] != checks["broker old:1883"]["found"]

    for broker, code, said in (
        ("old:1883", 2, "--yes"),
        ("new:1883 --yes", 5, "is heard"),
        ("down:1883 --yes", 5, "in the settings"),
        ("none:1883 --yes", 5, "known are: down:1883, new:1883, old:1883"),
    ):
        ended = anju("broker", "forget", *broker.split(), **settings)
        assert (ended.code, said in ended.err) == (code, True), ended.err
    assert anju("broker", "forget", "old:1883", "--yes", **settings).code == 0
    with psycopg.connect(database_url) as conn:
        left = conn.execute("SELECT DISTINCT broker FROM hearing ORDER BY 1").fetchall()
        assert left == [("down:1883",), ("new:1883",)]
        assert conn.execute("SELECT broker FROM bulk_lease").fetchall() == [("new:1883",)]
        # Every home is looked at anew: what was not judged while the broker was waited for is judged now.
        assert conn.execute("SELECT count(*) FROM rearm_request WHERE area_id IS NULL").fetchone() == (1,)
