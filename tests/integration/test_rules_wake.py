"""Presses and falls on a real PostgreSQL: whatever wakes is judged once, at once, and never lost."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from psycopg import AsyncConnection

from rules import wake
from rules.wake import Waker
from rules.woken import Woken
from storage.pool import connect
from tests.rule_town import H, Town
from tests.servers import eventually

SECOND = timedelta(seconds=1)


@pytest.fixture
async def town(database: AsyncConnection[Any]) -> Town:
    return await Town.found(database)


async def _drained(waker: Waker, conn: AsyncConnection[Any]) -> bool:
    return not await waker.drain(conn)


async def left(town: Town) -> int:
    row = await (await town.conn.execute("SELECT count(*) FROM home_wake")).fetchone()
    assert row is not None
    return int(row[0])


async def told(town: Town) -> list[tuple[str, str, int, str]]:
    cursor = await town.conn.execute(
        "SELECT subject, kind, times_raised, reason_id FROM alert ORDER BY subject, kind, alert_id"
    )
    return [tuple(row) for row in await cursor.fetchall()]


async def test_a_press_raises_for_the_home_the_device_serves_then(town: Town) -> None:
    first, second = await town.home("first"), await town.home("second")
    device = await town.device(first, "btn", installed_at=town.now - 9 * H, removed_at=town.now - 5 * H)
    await town.conn.execute(
        "INSERT INTO installation (device_id, home_id, installed_at) VALUES (%s, %s, %s)",
        (device, second, town.now - 4 * H),
    )
    await town.event("btn", "button_press", at=town.now - 6 * H)
    await town.event("btn", "button_press")
    await town.event("btn", "button_press", at=town.now - 270 * 60 * SECOND)
    assert not await Waker().drain(town.conn)
    assert await told(town) == [
        ("device/btn", "sos_unknown_device", 1, "sos_unknown_device_late"),
        (f"home/{first}", "sos", 1, "sos_pressed_late"),
        (f"home/{second}", "sos", 1, "sos_pressed"),
    ]
    areas = await (await town.conn.execute("SELECT area_id FROM alert WHERE home_id IS NULL")).fetchone()
    assert areas == (town.areas["city/north/lane"],)
    assert await left(town) == 0


async def test_a_press_of_a_device_nobody_knows_raises(town: Town) -> None:
    await town.event("stranger", "button_press")
    await town.event("stranger", "fall")
    await Waker().drain(town.conn)
    assert [row[:2] for row in await told(town)] == [
        ("device/stranger", "fall_unknown_device"),
        ("device/stranger", "sos_unknown_device"),
    ]


async def test_test_presses_and_others_raise_nothing_and_are_done(town: Town) -> None:
    home = await town.home("home")
    await town.device(home, "btn")
    for kind in ("test_press", "tamper", "of_a_later_release", "fall_cancelled"):
        await town.event("btn", kind)
    await town.conn.execute("INSERT INTO home_wake (event_id, created_at) VALUES (999999, %s)", (town.now,))
    await Waker().drain(town.conn)
    assert await told(town) == []
    assert await left(town) == 0


async def test_every_press_is_told_again_and_each_once(town: Town) -> None:
    home = await town.home("home")
    await town.device(home, "btn")
    presses = [await town.event("btn", "button_press") for _ in range(3)]
    await Waker().drain(town.conn)
    for event_id in presses:  # a wake that is judged twice
        await town.conn.execute("INSERT INTO home_wake (event_id, created_at) VALUES (%s, %s)", (event_id, town.now))
    await Waker().drain(town.conn)
    assert await told(town) == [(f"home/{home}", "sos", 3, "sos_pressed")]
    entries = await (await town.conn.execute("SELECT event_id FROM alert_entry ORDER BY event_id")).fetchall()
    assert entries == [(event_id,) for event_id in presses]


@pytest.mark.parametrize("together", [True, False])
async def test_a_fall_cancelled_on_the_device_stays_and_says_so(town: Town, together: bool) -> None:
    home = await town.home("home")
    await town.device(home, "pendant")
    await town.event("pendant", "fall", at=town.now)
    if not together:
        await Waker().drain(town.conn)
    await town.event("pendant", "fall_cancelled", at=town.now + 20 * SECOND)
    await Waker().drain(town.conn)
    assert await told(town) == [(f"home/{home}", "fall", 1, "fall_cancelled")]
    assert await town.alerts() == [(f"home/{home}", "fall", "open")]


async def test_a_cancellation_after_two_minutes_is_of_no_fall(town: Town) -> None:
    home = await town.home("home")
    await town.device(home, "pendant")
    await town.event("pendant", "fall", at=town.now - 130 * SECOND)
    await town.event("pendant", "fall_cancelled", at=town.now)
    await Waker().drain(town.conn)
    assert await told(town) == [(f"home/{home}", "fall", 1, "fall_detected_late")]


async def test_wakers_share_the_work_and_raise_each_press_once(town: Town, database_url: str) -> None:
    for number in range(60):
        home = await town.home(f"h{number}")
        await town.device(home, f"btn-{number}")
        await town.event(f"btn-{number}", "button_press")

    async def work() -> None:
        conn = await connect(database_url, application_name="test", autocommit=True)
        try:
            waker = Waker()
            await eventually(lambda: _drained(waker, conn))
        finally:
            await conn.close()

    await asyncio.gather(*(work() for _ in range(4)))
    assert [row[1:] for row in await told(town)] == [("sos", 1, "sos_pressed")] * 60


async def test_a_wake_that_cannot_be_judged_holds_up_no_other(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        home = await town.home(f"h{number}")
        await town.device(home, f"btn-{number}")
        await town.event(f"btn-{number}", "button_press")
    original = wake.JUDGES["button_press"]

    def broken(woken: Woken, now: datetime) -> Any:
        if woken.device == "btn-2":
            raise ValueError("broken")
        return original(woken, now)

    monkeypatch.setattr(wake, "JUDGES", {"button_press": broken})
    now = town.now
    waker = Waker(clock=lambda: now)
    await waker.drain(town.conn)
    assert len(await told(town)) == 4
    assert await left(town) == 1, "it is kept"
    monkeypatch.setattr(wake, "JUDGES", {"button_press": original})
    await waker.drain(town.conn)
    assert await left(town) == 1, "and not tried again at once"
    now += 6 * SECOND
    await waker.drain(town.conn)
    assert len(await told(town)) == 5
    assert await left(town) == 0
