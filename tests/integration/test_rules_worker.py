"""The role as a whole: judges at once, tells of deafness, survives the loss of its connections, stops when told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg import AsyncConnection

from rules.worker import RulesOptions, run
from tests.rule_town import MIN, H, Town
from tests.servers import eventually


@contextlib.asynccontextmanager
async def running(database_url: str) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(run(RulesOptions(database_url=database_url), stop=stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, timeout=5)


@pytest.fixture
async def town(database: AsyncConnection[Any]) -> Town:
    return await Town.found(database)


async def test_the_role_judges_presses_and_homes_and_stops(town: Town, database_url: str) -> None:
    dry = await town.metered_home("dry", [20.0] * 8 + [0.0] * 52)
    await town.device(dry, "btn")
    async with running(database_url):
        await town.event("btn", "button_press")
        await eventually(lambda: _has(town, f"home/{dry}", "sos"))
        await eventually(lambda: _has(town, f"home/{dry}", "inactivity"))
        new = await town.home("new", due_at=town.now + H)
        await town.conn.execute("INSERT INTO rearm_request (area_id, requested_at) VALUES (NULL, %s)", (town.now,))
        await eventually(lambda: _looked_at(town, new))
    await eventually(lambda: _none_left(town))


async def test_the_loss_of_every_connection_is_survived(town: Town, database_url: str) -> None:
    home = await town.home("home")
    await town.device(home, "btn")
    async with running(database_url):
        await eventually(lambda: _sessions(town))
        for _ in range(2):
            await town.conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name LIKE 'anju-rules-%'"
            )
            await town.event("btn", "button_press")
            await eventually(lambda: _drained(town), timeout_s=10)
    row = await (await town.conn.execute("SELECT times_raised FROM alert WHERE kind = 'sos'")).fetchone()
    assert row == (2,)


async def test_a_lost_notification_delays_by_a_second_at_most(town: Town, database_url: str) -> None:
    home = await town.home("home")
    await town.device(home, "btn")
    async with running(database_url):
        await eventually(lambda: _sessions(town))
        event_id = await town.event("btn", "button_press", wake=False)
        await town.conn.execute(
            "INSERT INTO home_wake (event_id, created_at) VALUES (%s, %s)", (event_id, datetime.now(UTC))
        )
        await eventually(lambda: _has(town, f"home/{home}", "sos"), timeout_s=2)


async def test_operators_are_told_that_ingest_is_behind_and_that_it_has_caught_up(
    town: Town, database_url: str
) -> None:
    await town.heard(until=town.now - 20 * MIN)
    async with running(database_url):
        await eventually(lambda: _has(town, "site", "hearing_lost"))
    row = await (await town.conn.execute("SELECT severity, since FROM alert")).fetchone()
    assert row == ("hard", town.now - 20 * MIN)
    await town.heard(until=datetime.now(UTC) + timedelta(seconds=5))
    async with running(database_url):
        await eventually(lambda: _has(town, "site", "hearing_lost", "closed"))


async def _has(town: Town, subject: str, kind: str, state: str = "open") -> bool:
    return (subject, kind, state) in await town.alerts()


async def _looked_at(town: Town, home_id: int) -> bool:
    return (await town.watch(home_id))["looked_until"] is not None


async def _drained(town: Town) -> bool:
    row = await (await town.conn.execute("SELECT count(*) FROM home_wake")).fetchone()
    return row == (0,)


async def _none_left(town: Town) -> bool:
    return await _sessions(town) == 0


async def _sessions(town: Town) -> int:
    row = await (
        await town.conn.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE 'anju-rules-%'"
        )
    ).fetchone()
    assert row is not None
    return int(row[0])
