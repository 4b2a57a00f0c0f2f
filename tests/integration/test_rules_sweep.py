"""Re-arming many homes: areas with all below them, new releases of rules, homes that nobody watches."""

from typing import Any

import pytest
from psycopg import AsyncConnection

from registry import policy
from registry.policy import Scope
from rules.library.catalogue import HOME_RULES
from rules.sweep import has_room, note_releases, sweep_step, watch_new_homes
from tests.rule_town import MIN, H, Town


@pytest.fixture
async def town(database: AsyncConnection[Any]) -> Town:
    return await Town.found(database)


async def due_now(town: Town) -> set[int]:
    cursor = await town.conn.execute("SELECT home_id FROM home_watch WHERE due_at <= %s", (town.now,))
    return {row[0] for row in await cursor.fetchall()}


async def test_an_area_is_swept_with_all_below_it_in_steps(town: Town) -> None:
    outside = await town.home("outside", area="city", due_at=town.now + H)
    inside = {await town.home(f"h{n}", due_at=town.now + H) for n in range(7)}
    inside |= {await town.home("above", area="city/north", due_at=town.now + H)}
    await policy.change(
        town.conn, Scope(area_id=town.areas["city/north"]), {"silence_min_s": 900.0}, now=town.now, actor="test"
    )
    steps = 0
    while await sweep_step(town.conn, town.now, homes=3):
        steps += 1
        assert len(await due_now(town)) == min(3 * steps, len(inside))
    assert await due_now(town) == inside
    assert outside not in await due_now(town)
    assert (await town.watch(next(iter(inside))))["rearmed"] == 1
    left = await (await town.conn.execute("SELECT count(*) FROM rearm_request")).fetchone()
    assert left == (0,)


async def test_a_new_release_of_a_rule_rearms_everybody_once(town: Town) -> None:
    homes = {await town.home(f"h{n}", due_at=town.now + H) for n in range(4)}
    assert await note_releases(town.conn, HOME_RULES, town.now)
    assert not await note_releases(town.conn, HOME_RULES, town.now)
    while await sweep_step(town.conn, town.now):
        pass
    assert await due_now(town) == homes
    await town.conn.execute("UPDATE rule_release SET release = release + 1")
    assert not await note_releases(town.conn, HOME_RULES, town.now), "an older process asks for nothing"


async def test_homes_without_a_watch_get_one(town: Town) -> None:
    home = await town.home("home", due_at=town.now + H)
    await town.conn.execute("DELETE FROM home_watch")
    assert await watch_new_homes(town.conn, town.now) == 1
    assert await due_now(town) == {home}
    assert await watch_new_homes(town.conn, town.now) == 0


async def test_there_is_room_for_more_while_few_homes_wait(town: Town) -> None:
    for n in range(3):
        await town.home(f"waits{n}", due_at=town.now - MIN)
    await town.home("later", due_at=town.now + MIN)
    assert await has_room(town.conn, town.now, waiting=4)
    assert not await has_room(town.conn, town.now, waiting=3)
    assert not await has_room(town.conn, town.now + 2 * MIN, waiting=4)
