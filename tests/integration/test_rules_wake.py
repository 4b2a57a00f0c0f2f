"""Presses and falls on a real PostgreSQL: whatever wakes is judged once, at once, and never lost."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg import AsyncConnection

from registry import policy
from registry.policy import Policy
from rules import wake
from rules.wake import Waker
from rules.woken import Woken
from rules.worker import RulesOptions, run
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


def later(seconds: float) -> Callable[[], datetime]:
    """A clock that is ahead and stands still."""
    at = datetime.now(UTC) + seconds * SECOND
    return lambda: at


async def count(town: Town, table: str) -> int:
    row = await (await town.conn.execute(f"SELECT count(*) FROM {table}")).fetchone()
    assert row is not None
    return int(row[0])


async def notifications(town: Town) -> int:
    return await count(town, "notification")


async def reasons(town: Town) -> list[str]:
    return [row[0] for row in await (await town.conn.execute("SELECT reason FROM alert ORDER BY alert_id")).fetchall()]


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
    await Waker(clock=later(40)).drain(town.conn)
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


async def test_a_fall_waits_for_its_cancellation_across_a_restart(town: Town) -> None:
    home = await town.home("home")
    await town.device(home, "pendant")
    await town.event("pendant", "fall")
    await town.event("stranger", "fall")
    await town.event("own-countdown", "fall", detail={"cancel_s": 20})
    await town.event("old", "fall", at=town.now - 35 * SECOND)
    assert not await Waker(clock=later(1)).drain(town.conn), "what waits for its time is no trouble"
    assert sorted(row[0] for row in await told(town)) == ["device/old", "device/own-countdown"]
    await Waker(clock=later(28)).drain(town.conn)
    assert len(await told(town)) == 2
    await Waker(clock=later(31)).drain(town.conn)
    assert (f"home/{home}", "fall", 1, "fall_detected") in await told(town)
    assert ("device/stranger", "fall_unknown_device", 1, "fall_unknown_device") in await told(town)
    assert await notifications(town) == 4


async def test_how_long_a_fall_waits_is_the_homes_own(town: Town) -> None:
    homes = {name: await town.home(name) for name in ("none", "long")}
    for name, home in homes.items():
        await town.device(home, f"pendant-{name}")
    await policy.change(
        town.conn, policy.Scope(home_id=homes["none"]), {"fall_cancel_s": 0.0}, now=town.now, actor="test"
    )
    await policy.change(
        town.conn, policy.Scope(home_id=homes["long"]), {"fall_cancel_s": 90.0}, now=town.now, actor="test"
    )
    await policy.change(town.conn, policy.Scope(), {"fall_cancel_s": 60.0}, now=town.now, actor="test")
    for name in (*homes, "stranger"):
        await town.event("stranger" if name == "stranger" else f"pendant-{name}", "fall")
    seen = []
    for seconds in (1, 58, 62, 88, 92):
        await Waker(clock=later(seconds)).drain(town.conn)
        seen.append(len(await told(town)))
    assert seen == [1, 1, 2, 2, 3]


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("installed", [True, False])
async def test_a_fall_cancelled_in_time_is_recorded_and_nobody_is_told(
    town: Town, together: bool, installed: bool
) -> None:
    home = await town.home("home")
    await town.device(home if installed else None, "pendant")
    await town.event("pendant", "fall", at=town.now)
    if not together:
        await Waker().drain(town.conn)
    await town.event("pendant", "fall_cancelled", at=town.now + 20 * SECOND)
    await Waker().drain(town.conn)
    for seconds in (31, 125, 4000):
        await Waker(clock=later(seconds)).drain(town.conn)
    (row,) = await town.alerts()
    assert row[1:] == ("fall", "closed") if installed else ("fall_unknown_device", "closed")
    assert [row[3] for row in await told(town)] == ["fall_cancelled"]
    assert await notifications(town) == 0
    assert await left(town) == 0


@pytest.mark.parametrize("detail", [{"cancel_s": 30}, {}])
async def test_a_fall_cancelled_after_it_was_raised_stays_and_says_so(town: Town, detail: dict[str, int]) -> None:
    home = await town.home("home")
    await town.device(home, "pendant")
    await town.event("pendant", "fall", at=town.now, detail=detail)
    await Waker(clock=later(31)).drain(town.conn)
    await town.event("pendant", "fall_cancelled", at=town.now + 20 * SECOND)
    await Waker(clock=later(32)).drain(town.conn)
    assert await told(town) == [(f"home/{home}", "fall", 1, "fall_cancelled")]
    assert await town.alerts() == [(f"home/{home}", "fall", "open")]
    await Waker(clock=later(130)).drain(town.conn)
    assert [row[2:] for row in await told(town)] == [(1, "fall_cancelled")], "what follows changes nothing of that"


async def test_a_cancellation_after_two_minutes_is_of_no_fall(town: Town) -> None:
    home = await town.home("home")
    await town.device(home, "pendant")
    await town.event("pendant", "fall", at=town.now - 130 * SECOND)
    await town.event("pendant", "fall_cancelled", at=town.now)
    await Waker().drain(town.conn)
    assert await told(town) == [(f"home/{home}", "fall", 1, "fall_detected_late")]


async def test_what_followed_a_fall_is_said_and_told_to_nobody(town: Town) -> None:
    home = await town.metered_home("home", [20.0] * 8)
    await town.device(home, "pendant")
    await town.event("pendant", "fall", detail={"cancel_s": 30})
    await Waker().drain(town.conn)
    entries = await count(town, "alert_entry")
    assert await left(town) == 1
    await Waker(clock=later(125)).drain(town.conn)
    assert (await reasons(town))[0].endswith("detected a fall; no sign of life in the 2 min since")
    await town.event("pendant", "button_action", at=town.now + 200 * SECOND, wake=False)
    for seconds in (301, 902, 3601):
        await Waker(clock=later(seconds)).drain(town.conn)
    assert await left(town) == 0, "four looks, and no more"
    assert await notifications(town) == 1
    assert await count(town, "alert_entry") == entries
    assert [row[2:] for row in await told(town)] == [(1, "fall_detected")]


async def test_a_case_that_was_closed_or_has_a_newer_fall_is_not_looked_at_again(town: Town) -> None:
    home = await town.home("home")
    await town.device(home, "pendant")
    await town.event("pendant", "fall", detail={"cancel_s": 30})
    await Waker().drain(town.conn)
    await town.event("pendant", "fall", detail={"cancel_s": 30})
    await Waker().drain(town.conn)
    assert await left(town) == 2
    await Waker(clock=later(125)).drain(town.conn)
    assert await left(town) == 1, "the newer one is"
    assert (await reasons(town))[0].endswith("; call number 2 in this case; no sign of life in the 2 min since")
    await town.conn.execute("UPDATE alert SET state = 'closed', closed_at = %s, outcome = 'other'", (town.now,))
    await Waker(clock=later(301)).drain(town.conn)
    assert await left(town) == 0
    assert len(await town.alerts()) == 1


async def test_a_press_in_an_absence_raises_and_says_so(town: Town) -> None:
    home = await town.home("home")
    await town.device(home, "btn")
    insert = (
        "INSERT INTO absence (home_id, from_at, until_at, reason, noted_at, noted_by, ended_at, ended_by)"
        " VALUES (%s, %s, %s, %s, %s, 'test', %s, %s)"
    )
    began, ended = town.now - 48 * H, town.now - 2 * H
    await town.conn.execute(insert, (home, began, town.now + 72 * H, "travel", began, ended, "test"))
    await town.conn.execute(insert, (home, began, town.now + 24 * H, "hospital", began, None, None))
    await town.event("btn", "button_press")
    await town.event("btn", "button_press")
    await Waker().drain(town.conn)
    (reason,) = await reasons(town)
    assert ": hospital; call number 2" in reason
    assert "absent until" in reason
    assert await notifications(town) == 2


def burst(*, fall: bool) -> dict[str, object]:
    """Eight seconds at 50 a second: upright, a blow, and flat; or a walk."""
    still, down, hit, flat = [0.02, 0.0, 1.0], [0.1, 0.0, 0.2], [2.5, 1.0, 3.0], [1.0, 0.02, 0.03]
    return {"hz": 50, "g": [still] * 150 + [down] * 15 + [hit] * 7 + [flat] * 228 if fall else [still] * 400}


async def test_raw_acceleration_raises_where_it_looks_like_a_fall(town: Town) -> None:
    home = await town.home("home")
    for device in ("pendant", "watch"):
        await town.device(home, device)
    await town.event("watch", "acceleration_burst", detail=burst(fall=False))
    await town.event("broken", "acceleration_burst", detail={"hz": 50})
    await town.event("pendant", "acceleration_burst", detail=burst(fall=True))
    await Waker(clock=later(1)).drain(town.conn)
    assert await told(town) == []
    await Waker(clock=later(32)).drain(town.conn)
    assert await told(town) == [(f"home/{home}", "fall", 1, "fall_motion")]
    (reason,) = await reasons(town)
    assert reason.startswith("the movement of pendant looks like a fall; impact 4.0 g, then lying still; confidence 99")


async def test_a_burst_around_a_devices_own_fall_adds_to_its_reason(town: Town) -> None:
    home = await town.home("home")
    await town.device(home, "pendant")
    await town.event("pendant", "fall", detail={"cancel_s": 30})
    await Waker(clock=later(1)).drain(town.conn)
    await town.event("pendant", "acceleration_burst", detail=burst(fall=True))
    await Waker(clock=later(40)).drain(town.conn)
    assert await told(town) == [(f"home/{home}", "fall", 1, "fall_detected")]
    (reason,) = await reasons(town)
    assert "pendant detected a fall; impact 4.0 g, then lying still; confidence 99 %" in reason


@pytest.mark.parametrize("looks_like_a_fall", [True, False])
async def test_a_burst_is_cancelled_like_any_fall(town: Town, looks_like_a_fall: bool) -> None:
    home = await town.home("home")
    await town.device(home, "pendant")
    await town.event("pendant", "acceleration_burst", at=town.now, detail=burst(fall=looks_like_a_fall))
    await town.event("pendant", "fall_cancelled", at=town.now + 10 * SECOND)
    await Waker(clock=later(40)).drain(town.conn)
    assert await town.alerts() == ([(f"home/{home}", "fall", "closed")] if looks_like_a_fall else [])
    assert await notifications(town) == 0


async def test_the_role_raises_a_fall_when_its_wait_is_over(town: Town, database_url: str) -> None:
    home = await town.home("home")
    await town.device(home, "pendant")
    options = RulesOptions(database_url=database_url, defaults=Policy(fall_cancel_s=1.0))
    stop = asyncio.Event()
    role = asyncio.create_task(run(options, stop=stop))
    try:
        await town.event("pendant", "fall")
        await eventually(lambda: _is_told(town), timeout_s=10)
    finally:
        stop.set()
        await asyncio.wait_for(role, timeout=5)
    row = await (await town.conn.execute("SELECT raised_at - since FROM alert")).fetchone()
    assert row is not None
    assert SECOND <= row[0] <= 3 * SECOND


async def _is_told(town: Town) -> bool:
    return bool(await told(town))


async def test_calls_are_judged_before_what_may_wait(town: Town) -> None:
    home = await town.home("home")
    await town.device(home, "btn")
    for number in range(9):
        await town.event(f"pendant-{number}", "fall")
    await Waker(clock=later(1)).drain(town.conn)
    press = await town.event("btn", "button_press")
    await Waker(clock=later(31)).drain(town.conn)
    first = await (await town.conn.execute("SELECT event_id FROM alert_entry ORDER BY entry_id LIMIT 1")).fetchone()
    assert first == (press,)
    assert len(await town.alerts()) == 10


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
