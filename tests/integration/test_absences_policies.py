"""Absences and policies in a real database: what commands write and refuse, and that the next look judges by it."""

import asyncio
import getpass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg import AsyncConnection

from registry import absences, policies
from registry.absences import AbsenceInvalid, AbsenceRefused, Noted, Why
from registry.errors import InstallationRefused
from registry.policies import AreaUnknown
from registry.policy import PolicyRefused
from rules.engine import Engine
from rules.sweep import sweep_step
from storage.pool import connect
from tests.integration.cli import anju
from tests.rule_town import MIN, H, Town

DRY = [21.0] * 8 + [0.0] * 52
DAY = timedelta(days=1)
LANE = "city/north/lane"


@pytest.fixture
async def town(database: AsyncConnection[Any]) -> Town:
    return await Town.found(database)


async def look(town: Town) -> None:
    """The next look at all homes that are due."""
    while await sweep_step(town.conn, town.now):
        pass
    while await Engine(clock=lambda: town.now, compares_clocks=False).look(town.conn):
        pass


async def note(town: Town, home: str, from_at: datetime | None, until_at: datetime, **known: Any) -> Noted:
    facts = {"reason": Why.TRAVEL, "by": "li", "now": town.now, **known}
    return await absences.add(town.conn, f"{LANE}/{home}", from_at=from_at, until_at=until_at, **facts)


async def one(town: Town, query: str, *values: object) -> Any:
    row = await (await town.conn.execute(query, values)).fetchone()
    return None if row is None else row[0]


# ---------------------------------------------------------------- absences


async def test_an_absence_noted_afterwards_ends_the_inactivity_and_asks_when_nobody_comes_back(town: Town) -> None:
    home = await town.metered_home("1", DRY)
    await look(town)
    assert await town.alerts() == [(f"home/{home}", "inactivity", "open")]
    noted = await note(town, "1", town.now - 14 * H, town.now + H, reason=Why.HOSPITAL)
    assert (noted.reason, noted.noted_by, noted.ended_at) == (Why.HOSPITAL, "li", None)
    assert (await town.watch(home))["due_at"] == town.now
    await look(town)
    assert await town.alerts() == [(f"home/{home}", "inactivity", "closed")]
    # Thirteen hours later, twelve after the absence: the meter has gone on reporting that nothing is used.
    device = await one(town, "SELECT device_id FROM device")
    await town.readings(device, [(town.now + n * 15 * MIN, 1168.0) for n in range(53)], delay=timedelta())
    town.now += 13 * H + 10 * MIN
    await town.heard()
    await look(town)
    assert (f"home/{home}", "absence_check", "open") in await town.alerts()
    town.now += 65 * MIN
    await town.readings(device, [(town.now - n * 15 * MIN, 1190.0) for n in range(5)], delay=timedelta())
    await town.heard()
    await look(town)
    assert {state for _, _, state in await town.alerts()} == {"closed"}


async def test_water_used_in_an_absence_is_told_and_ending_the_absence_ends_the_case(town: Town) -> None:
    home = await town.metered_home("1", [0.0] * 40 + [16.0, 16.0] + [0.0] * 5)
    noted = await note(town, "1", town.now - 9 * H, town.now + DAY)
    await look(town)
    assert await town.alerts() == [(f"home/{home}", "absence_use", "open")]
    reason = await one(town, "SELECT reason FROM alert")
    assert reason.startswith("water was used although nobody should be home: 32 L since ")
    assert f"absence {noted.absence_id} is noted until" in reason
    ended = await absences.end(town.conn, f"{LANE}/1", at=town.now - 2 * H, by="wang", now=town.now)
    assert (ended.ended_at, ended.ended_by) == (town.now - 2 * H, "wang")
    assert (await town.watch(home))["due_at"] == town.now
    await look(town)
    assert await town.alerts() == [(f"home/{home}", "absence_use", "closed")]


async def test_what_cannot_be_noted_is_refused_and_rearms_nothing(town: Town) -> None:
    home = await town.home("1", due_at=town.now + 5 * H)
    for until_at in (town.now - H, town.now + 181 * DAY):
        with pytest.raises(AbsenceInvalid):
            await note(town, "1", town.now, until_at)
    with pytest.raises(InstallationRefused, match="did you mean '1'"):
        await note(town, "11", town.now, town.now + H)
    assert (await town.watch(home))["due_at"] == town.now + 5 * H
    first = await note(town, "1", town.now, town.now + DAY)
    with pytest.raises(AbsenceRefused, match=rf"already: {first.absence_id} \(travel\).*to prolong it"):
        await note(town, "1", town.now + H, town.now + 3 * DAY)
    await note(town, "1", first.until_at, town.now + 3 * DAY)  # prolonged
    assert await one(town, "SELECT count(*) FROM absence") == 2


async def test_two_who_note_the_same_absence_at_once_do_not_both_succeed(town: Town, database_url: str) -> None:
    await town.home("1")

    async def work() -> Noted:
        async with await connect(database_url, application_name="other", autocommit=True) as conn:
            facts: dict[str, Any] = {"reason": Why.OTHER, "by": "x", "now": town.now}
            return await absences.add(conn, f"{LANE}/1", from_at=town.now, until_at=town.now + DAY, **facts)

    outcomes = await asyncio.gather(*(work() for _ in range(4)), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == [*["AbsenceRefused"] * 3, "Noted"]
    assert await one(town, "SELECT count(*) FROM absence") == 1


async def test_absences_are_listed_by_home_and_area_and_ended_by_number_or_home(town: Town) -> None:
    for home in ("1", "2"):
        await town.home(home)
    over = await note(town, "1", town.now - 3 * DAY, town.now - DAY)
    lasting = await note(town, "1", None, town.now + DAY)
    coming = [await note(town, "2", town.now + n * DAY, town.now + (n + 1) * DAY) for n in (2, 4)]

    async def numbers(home: str | None = None, area: str | None = None, *, over: bool = False) -> list[int]:
        found = await absences.listed(town.conn, home=home, area=area, over=over, now=town.now)
        return [noted.absence_id for noted in found]

    assert await numbers() == [lasting.absence_id, *(each.absence_id for each in coming)]
    assert await numbers(f"{LANE}/1", over=True) == [over.absence_id, lasting.absence_id]
    assert len(await numbers(area="city/north")) == 3
    assert await numbers(area="city/nor") == []
    with pytest.raises(AbsenceRefused, match="name one by its number"):
        await absences.end(town.conn, f"{LANE}/2", at=None, by="x", now=town.now)
    with pytest.raises(AbsenceRefused, match="there is no absence 99"):
        await absences.end(town.conn, "99", at=None, by="x", now=town.now)
    taken_back = await absences.end(town.conn, str(coming[0].absence_id), at=None, by="x", now=town.now)
    assert taken_back.state(town.now) == "taken back"
    assert (await absences.end(town.conn, f"{LANE}/2", at=None, by="x", now=town.now)).absence_id == coming[
        1
    ].absence_id
    await absences.end(town.conn, f"{LANE}/1", at=None, by="x", now=town.now)
    assert await numbers() == []
    with pytest.raises(AbsenceRefused, match="not noted as absent"):
        await absences.end(town.conn, f"{LANE}/1", at=None, by="x", now=town.now)
    # What was taken back is no absence: its time is free.
    await note(town, "2", coming[0].from_at, coming[0].until_at)


# ---------------------------------------------------------------- policies


async def amend(town: Town, where: dict[str, str], given: dict[str, Any], **known: Any) -> list[policies.Step]:
    found = await policies.find(town.conn, **where)
    return await policies.amend(town.conn, found, given, **{"now": town.now, "actor": "li", **known})


async def test_a_change_keeps_what_else_was_said_and_counts_at_the_next_look(town: Town) -> None:
    home = await town.metered_home("1", [20.0] * 8 + [0.0] * 26)
    await look(town)
    assert await town.alerts() == []
    area, at_home = {"area": "city/north"}, {"home": f"{LANE}/1"}
    assert await amend(town, area, {"inactivity_window_h": 6.0}) == [("inactivity_window_h", 12.0, 6.0)]
    assert await amend(town, area, {"leak_h": 8.0}) == [("leak_h", 24.0, 8.0)]
    await look(town)
    assert await town.alerts() == [(f"home/{home}", "inactivity", "open")]
    assert await amend(town, at_home, {"inactivity_window_h": 10.0}) == [("inactivity_window_h", 6.0, 10.0)]
    await look(town)
    assert await town.alerts() == [(f"home/{home}", "inactivity", "closed")]
    said = await policies.levels(town.conn, (await policies.find(town.conn, **at_home)).scope)
    assert [(each.level, each.place, each.parameters) for each in said] == [
        ("area", "city/north", {"inactivity_window_h": 6.0, "leak_h": 8.0}),
        ("home", f"{LANE}/1", {"inactivity_window_h": 10.0}),
    ]


async def test_saying_the_same_again_writes_nothing_and_taking_back_inherits(town: Town) -> None:
    await amend(town, {}, {"leak_h": 8.0, "flow_h": 3.0})
    assert await amend(town, {}, {"leak_h": 8.0}) == []
    assert await one(town, "SELECT count(*) FROM policy") == 1
    assert await amend(town, {}, {}, removed=["leak_h"]) == [("leak_h", 8.0, 24.0)]
    with pytest.raises(PolicyRefused, match="site does not set leak_h"):
        await amend(town, {}, {}, removed=["leak_h"])
    entries = await policies.history(town.conn, None, limit=9)
    assert [entry.changes for entry in entries] == [
        {"leak_h": (8.0, None)},
        {"leak_h": (None, 8.0), "flow_h": (None, 3.0)},
    ]
    assert {entry.changed_by for entry in entries} == {"li"}


async def test_what_does_not_fit_what_holds_beside_it_is_refused(town: Town) -> None:
    await town.home("1")

    def fits(says: str) -> Any:
        return pytest.raises(PolicyRefused, match=says)

    with fits(r"for the area city: inactivity_window_h \(36\) is more than inactivity_hard_window_h \(24\)"):
        await amend(town, {"area": "city"}, {"inactivity_window_h": 36.0})
    await amend(town, {"area": "city"}, {"inactivity_window_h": 36.0, "inactivity_hard_window_h": 48.0})
    with fits(r"for the home .*/1: inactivity_window_h \(36\)"):
        await amend(town, {"home": f"{LANE}/1"}, {"inactivity_hard_window_h": 30.0})
    await amend(town, {"home": f"{LANE}/1"}, {"inactivity_hard_window_h": 40.0})
    # The home says a part of it: what is set above must fit there too.
    with fits(r"for the home city/north/lane/1: inactivity_window_h \(42\)"):
        await amend(town, {"area": "city"}, {"inactivity_window_h": 42.0})
    await amend(town, {"area": "city/north"}, {"inactivity_window_h": 10.0})
    await amend(town, {"area": "city"}, {"inactivity_window_h": 42.0})
    with fits("for the area city/north: inactivity_min_h"):
        await amend(town, {"area": "city/north"}, {"inactivity_min_h": 20.0, "inactivity_max_h": 10.0})
    with pytest.raises(AreaUnknown, match="did you mean 'city/north'"):
        await amend(town, {"area": "city/nort"}, {})


async def test_changes_at_once_are_all_kept(town: Town, database_url: str) -> None:
    given = {"leak_h": 8.0, "flow_h": 3.0, "test_days": 40.0, "day_max_l": 900.0, "absence_check_h": 20.0}

    async def work(name: str, value: float) -> None:
        async with await connect(database_url, application_name="other", autocommit=True) as conn:
            where = await policies.find(conn)
            await policies.amend(conn, where, {name: value}, now=town.now, actor=name)

    await asyncio.gather(*(work(name, value) for name, value in given.items()))
    (site,) = await policies.levels(town.conn, (await policies.find(town.conn)).scope)
    assert site.parameters == given
    assert await one(town, "SELECT count(*) FROM policy") == 5


async def test_a_row_that_cannot_be_read_is_named_and_can_be_mended(town: Town) -> None:
    query = "INSERT INTO policy (parameters, changed_at, changed_by) VALUES (%s, %s, 'x')"
    await town.conn.execute(query, ('{"leak_h": "many", "flow_h": 3}', town.now))
    with pytest.raises(PolicyRefused, match="leak_h"):
        await amend(town, {}, {"test_days": 40.0})
    assert await amend(town, {}, {}, removed=["leak_h"]) == [("leak_h", 24.0, 24.0)]
    (site,) = await policies.levels(town.conn, (await policies.find(town.conn)).scope)
    assert site.parameters == {"flow_h": 3.0}


# ---------------------------------------------------------------- the commands


async def test_the_commands(town: Town, database_url: str) -> None:
    home, away = await town.home("1"), f"{LANE}/1"
    await town.conn.execute("UPDATE home_watch SET due_at = %s", (datetime.now(UTC) + 9 * H,))
    until = (datetime.now(UTC) + 3 * DAY).isoformat()

    def run(*arguments: str) -> Any:
        return anju(*arguments, ANJU_DATABASE_URL=database_url, ANJU_INACTIVITY_WINDOW_H="11")

    added = run("absence", "add", away, "--until", until, "--reason", "hospital")
    assert (added.code, added.out.startswith("absence 1: 1, city/north/lane, hospital from ")) == (0, True), added.err
    assert (await town.watch(home))["due_at"] < datetime.now(UTC)
    (listed,) = run("absence", "list", "--area", "city", "--json").json()
    assert (listed["state"], listed["noted_by"], listed["reason"]) == ("away", getpass.getuser(), "hospital")
    for arguments, code, said in (
        (["add", away, "--until", until], 5, "already: 1 (hospital)"),
        (["add", away], 2, "--until"),
        (["add", away, "--until", "2999-01-01T00:00:00Z"], 2, "180 days at most"),
        (["add", f"{LANE}/9", "--until", until], 5, "there is no home '9'"),
        (["end", "7"], 5, "there is no absence 7"),
        (["list", "--area", "ctiy"], 5, "did you mean 'city'?"),
    ):
        ended = run("absence", *arguments)
        assert (ended.code, said in ended.err) == (code, True), ended.err
    assert run("absence", "end", "1", "--by", "wang").out.startswith("absence 1: 1, city/north/lane, hospital ended ")
    assert run("absence", "list").out == "nobody is noted as absent\n"
    assert "\twang\n" in run("absence", "list", "--all").out

    changed = run("policy", "set", "--area", "city", "--preset", "zhuhai", "inactivity_learned=yes", "--by", "wang")
    assert changed.out.splitlines() == [
        "area city: inactivity_volume_l is 1, was 10",
        "area city: inactivity_window_h is 12, was 11",
        "area city: inactivity_hard_window_h is 12, was 24",
        "area city: inactivity_learned stays true",
    ], changed.err
    shown = {each["parameter"]: each for each in run("policy", "show", "--home", away, "--json").json()}
    assert (shown["inactivity_volume_l"]["value"], shown["inactivity_volume_l"]["place"]) == (1.0, "city")
    assert shown["inactivity_volume_l"]["changed_by"] == "wang"
    assert {each["parameter"]: each["value"] for each in run("policy", "show", "--json").json()}[
        "inactivity_window_h"
    ] == 11.0
    assert run("policy", "set", "--area", "city", "inactivity_window_h=12").out == (
        "area city: nothing changed, it says so already\n"
    )
    assert run("policy", "show", "--site").out == run("policy", "show").out
    lines = run("policy", "show", "--area", "city").out.splitlines()
    assert lines[0].split("\t") == ["parameter", "value", "level", "where", "since", "by"]
    assert [line.split("\t")[:4] for line in lines if line.startswith(("leak_h", "inactivity_hard_window"))] == [
        ["inactivity_hard_window_h", "12", "area", "city"],
        ["leak_h", "24", "default", ""],
    ]
    mistyped = run("policy", "unset", "inactivity_lerned", "--area", "city")
    assert "area city does not set inactivity_lerned; did you mean inactivity_learned?" in mistyped.err
    assert run("policy", "unset", "inactivity_learned", "--area", "city").code == 0
    assert "inactivity_learned true → not set" in run("policy", "history", "--area", "city").out
    assert len(run("policy", "history", "--json").json()) == 2
    assert len(run("policy", "presets", "--json").json()) == 8
    for arguments, code, said in (
        (["set", "leak_h=12"], 2, "one of --site"),
        (["set", "--site"], 2, "nothing to set"),
        (["set", "--site", "leak_h"], 2, "is no KEY=VALUE"),
        (["set", "--site", "leak_hh=1"], 2, "did you mean 'leak_h'?"),
        (["set", "--site", "--preset", "zuhai"], 2, "did you mean 'zhuhai'?"),
        (["set", "--site", "inactivity_hard_window_h=9"], 2, "soft comes before hard"),
        (["set", "--area", "citi", "leak_h=12"], 5, "did you mean 'city'?"),
        (["show", "--home", f"{LANE}/9"], 5, "there is no home '9'"),
        (["show", "--site", "--area", "city"], 2, "give one of --site, --area and --home"),
    ):
        ended = run("policy", *arguments)
        assert (ended.code, said in ended.err) == (code, True), ended.err
