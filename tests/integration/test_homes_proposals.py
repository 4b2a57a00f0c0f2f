"""`anju home` and `anju policy propose` / `accept` against a real database."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg import AsyncConnection

from anju.homes import list_homes, state_of
from anju.proposals import accept, read_proposal, said
from anju.proposing import propose
from registry import absences, policies
from registry.absences import Why
from registry.policy import DEFAULTS, resolve_homes
from tests.integration.cli import anju
from tests.rule_town import H, Town
from tests.unit.backtest_worlds import AWAY, HOME

DAY = timedelta(days=1)
LANE = "city/north/lane"
DRY_DAY = [*HOME[:8], *AWAY[8:]]


@pytest.fixture
async def town(database: AsyncConnection[Any]) -> Town:
    return await Town.found(database, datetime.now(UTC))


async def hourly_home(town: Town, name: str, days: list[list[int]]) -> int:
    """A home with an hourly meter, whose last reading is a few minutes old."""
    home_id = await town.home(name)
    begin = town.now - timedelta(minutes=5) - len(days) * DAY
    device = await town.device(home_id, f"meter-{name}", interval_s=3600, installed_at=begin - H)
    total_l, values = 1001.0, [(begin, 1001.0)]
    for number, used_l in enumerate(litres for day in days for litres in day):
        total_l += used_l
        values.append((begin + (number + 1) * H, total_l))
    await town.readings(device, values)
    return home_id


async def look(town: Town, home: str) -> Any:
    return await state_of(
        town.conn, f"{LANE}/{home}", defaults=DEFAULTS, late_window=timedelta(days=35), clock=lambda: datetime.now(UTC)
    )


async def test_a_home_says_by_when_a_fall_would_be_noticed(town: Town, database_url: str) -> None:
    home_id = await hourly_home(town, "1", [HOME] * 9)
    state = await look(town, "1")
    # The next reading comes in 55 min; the line is 12 h from there, and is shown by the reading then.
    assert state.noticed_by is not None
    assert town.now + 12 * H < state.noticed_by < town.now + 13 * H + timedelta(minutes=10)
    assert "would be noticed by" in state.latency
    assert not state.lines.learned
    assert state.lines.soft_h == pytest.approx(12.0, abs=0.25)
    assert state.lines.hard_h == pytest.approx(24.0, abs=0.5)
    assert [each.device for each in state.devices] == ["meter-1"]
    assert state.devices[0].heard_at is not None
    shown = anju("home", "show", f"{LANE}/1", "--json", ANJU_DATABASE_URL=database_url).json()
    assert (shown["home_id"], shown["home"]) == (home_id, f"{LANE}/1")
    assert shown["devices"][0]["device"] == "meter-1"
    assert shown["latency"]["text"]
    told = anju("home", "show", f"{LANE}/1", ANJU_DATABASE_URL=database_url)
    assert told.code == 0, told.err
    assert "somebody asks after" in told.out
    await town.home("bare")
    bare = anju("home", "show", f"{LANE}/bare", ANJU_DATABASE_URL=database_url)
    assert "no water meter is installed\nno lack of use is noticed here, whatever its policy says\n" in bare.out
    assert "no device is installed" in bare.out
    assert "somebody asks" not in bare.out
    unknown = anju("home", "show", f"{LANE}/2", ANJU_DATABASE_URL=database_url)
    assert (unknown.code, "there is no home" in unknown.err) == (5, True)


async def test_an_absence_is_shown_and_stands_in_the_sentence(town: Town, database_url: str) -> None:
    await hourly_home(town, "1", [HOME] * 2)
    await town.home("2")
    await absences.add(
        town.conn,
        f"{LANE}/1",
        from_at=town.now - H,
        until_at=town.now + DAY,
        reason=Why.FAMILY,
        by="li",
        now=town.now,
    )
    state = await look(town, "1")
    assert state.noticed_by is None
    assert "nobody is expected home until" in state.latency
    assert [each.reason for each in state.absences] == [Why.FAMILY]
    told = anju("home", "show", f"{LANE}/1", ANJU_DATABASE_URL=database_url).out
    assert "but for that, with no use of water, somebody asks after" in told
    empty = await look(town, "2")
    assert (empty.noticed_by, empty.devices) == (None, ())
    found = await list_homes(town.conn, area="city/north", limit=10, now=town.now)
    assert [(each.home, each.devices, each.away) for each in found] == [
        (f"{LANE}/1", 1, True),
        (f"{LANE}/2", 0, False),
    ]
    assert await list_homes(town.conn, area="city/north/la", limit=10, now=town.now) == []
    listed = anju("home", "list", "--area", "city", "--json", ANJU_DATABASE_URL=database_url).json()
    assert [each["home"] for each in listed] == [f"{LANE}/1", f"{LANE}/2"]
    assert anju("home", "list", "--area", "nowhere", ANJU_DATABASE_URL=database_url).code == 5


async def test_a_proposal_is_made_written_and_counts_once_accepted(town: Town, database_url: str, folder: Path) -> None:
    steady = [HOME] * 39
    restless = [DRY_DAY if day in {20, 25, 30, 35} else HOME for day in range(39)]
    ids = [await hourly_home(town, "1", steady), await hourly_home(town, "2", restless)]
    await town.home("3")
    where = await policies.find(town.conn, area=LANE)
    municipal = {"inactivity_learned": False, "inactivity_min_h": 10.0, "inactivity_max_h": 24.0}
    await policies.amend(town.conn, where, municipal, now=town.now, actor="li")
    file = folder / "proposal.json"
    arguments = ("policy", "propose", "--area", "city", "--visits-per-week", "0.1", "--out", str(file))
    ended = anju(*arguments, ANJU_DATABASE_URL=database_url)
    assert ended.code == 0, ended.err
    assert f"{LANE}/3 keeps its line: no water meter" in ended.err
    assert "nothing is changed" in ended.out
    proposal = read_proposal(file)
    assert not proposal.is_over
    assert sum(each.proposed.alarms_per_week for each in proposal.homes) <= 0.1
    first, second = proposal.homes
    assert (first.home, first.proposed.value) == (f"{LANE}/1", 10.0)
    assert second.now.alarms_per_week > 0.1
    assert (second.now.value, second.proposed.value) == (12.0, 24.0)
    assert second.proposed.delay_h > second.now.delay_h

    async def windows() -> list[float]:
        areas = dict.fromkeys(ids, town.areas[LANE])
        resolved = await resolve_homes(town.conn, areas)
        return [resolved[home_id].policy.inactivity_window_h for home_id in ids]

    assert await windows() == [12.0, 12.0]
    told = anju("policy", "accept", str(file), "--by", "wang", ANJU_DATABASE_URL=database_url)
    assert told.code == 0, told.err
    assert "2 of 2 homes have another line now" in told.out
    assert await windows() == [10.0, 24.0]
    [latest] = await policies.history(town.conn, await policies.find(town.conn, home=f"{LANE}/2"), limit=5)
    assert (latest.changed_by, latest.changes) == ("wang", {"inactivity_window_h": (None, 24.0)})
    assert (await town.watch(ids[1]))["rearmed"] > 0
    again = anju("policy", "accept", str(file), ANJU_DATABASE_URL=database_url)
    assert (again.code, "has changed since" in again.err) == (5, True)
    plenty = ("policy", "propose", "--area", LANE, "--visits-per-week", "100", "--accept", "--json")
    at_once = anju(*plenty, ANJU_DATABASE_URL=database_url)
    assert [each["proposed"]["value"] for each in at_once.json()["homes"]] == [10.0, 10.0]
    assert "1 of 2 homes have another line now" in at_once.err
    assert await windows() == [10.0, 10.0]


async def test_a_proposal_that_no_longer_fits_is_refused_as_a_whole(
    town: Town, database_url: str, folder: Path
) -> None:
    await hourly_home(town, "1", [HOME] * 39)
    await hourly_home(town, "2", [HOME] * 39)
    where = await policies.find(town.conn, area=LANE)
    await policies.amend(town.conn, where, {"inactivity_learned": False}, now=town.now, actor="li")
    made = await propose(town.conn, LANE, 1.0, defaults=DEFAULTS, now=town.now, progress=lambda _: None)
    assert all(each.changes for each in made.homes)
    assert made.homes[0].policy == said(await _policy_of(town, made.homes[0].home_id))
    file = folder / "proposal.json"
    file.write_text(made.model_copy(update={"made_at": datetime.now(UTC) - 8 * DAY}).model_dump_json())
    old = anju("policy", "accept", str(file), ANJU_DATABASE_URL=database_url)
    assert (old.code, "not of the last 7 days" in old.err) == (5, True)
    second = await policies.find(town.conn, home=f"{LANE}/2")
    await policies.amend(town.conn, second, {"leak_h": 30.0}, now=town.now, actor="li")
    file.write_text(made.model_dump_json())
    changed = anju("policy", "accept", str(file), ANJU_DATABASE_URL=database_url)
    assert (changed.code, f"{LANE}/2" in changed.err) == (5, True)
    assert (await _policy_of(town, made.homes[0].home_id)).inactivity_window_h == 12.0
    content = json.loads(made.model_dump_json())
    content["homes"][0]["proposed"]["parameter"] = "leak_h"
    file.write_text(json.dumps(content))
    assert anju("policy", "accept", str(file), ANJU_DATABASE_URL=database_url).code == 3
    file.write_text("{}")
    assert anju("policy", "accept", str(file), ANJU_DATABASE_URL=database_url).code == 3
    assert await accept(town.conn, made.model_copy(update={"homes": made.homes[:1]}), **_accepting(town)) == 1


def _accepting(town: Town) -> dict[str, Any]:
    return {"defaults": DEFAULTS, "now": town.now + H, "actor": "wang"}


async def _policy_of(town: Town, home_id: int) -> Any:
    return (await resolve_homes(town.conn, {home_id: town.areas[LANE]}))[home_id].policy
