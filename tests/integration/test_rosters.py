"""Rosters in a real database: what counts, who answers for whom, and what the commands write, refuse and show."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from alerts.roster import changing, storing
from alerts.roster.changing import Place
from alerts.roster.errors import RosterRefused
from alerts.roster.model import Override, Role, Roster, read
from alerts.roster.on_duty import nearest, on_duty
from registry import enrolling
from registry.enrolling import Said
from tests.integration.cli import anju

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)  # noon in Shanghai, a Saturday
DAY = timedelta(days=1)
TOML = """
time_zone = "Asia/Shanghai"
holidays = "CN"
otherwise = ["chief"]

[[shifts]]
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
from = 08:00:00
to = "20:00"
people = ["li", "wang"]

[[rotations]]
turns = ["wang", ["li", "sun"]]
since = 2026-11-02
every_weeks = 1
from = "20:00"
to = "08:00"
"""
ICS = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VEVENT
UID:1
DTSTART;TZID=Asia/Shanghai:20261102T080000
DTEND;TZID=Asia/Shanghai:20261102T200000
RRULE:FREQ=DAILY
SUMMARY:sun
END:VEVENT
END:VCALENDAR
"""


@pytest.fixture
async def lane(database: AsyncConnection[Any]) -> int:
    """The community of a city; the areas above it have the ids before it."""
    parent: int | None = None
    for path in ("City", "City/North", "City/North/Lane"):
        cursor = await database.execute(
            "INSERT INTO area (parent_id, name, path) VALUES (%s, %s, %s) RETURNING area_id",
            [parent, path.rpartition("/")[2], path],
        )
        row = await cursor.fetchone()
        assert row is not None
        parent = row[0]
    for key in ("li", "wang", "sun", "chief"):
        await enrolling.add(database, key, Said(name=f"P. {key}"), language="zh")
    assert parent is not None
    return parent


def always(*people: str) -> Roster:
    return Roster(always=people)


async def put(conn: AsyncConnection[Any], area_id: int | None, role: Role, roster: Roster, **known: Any) -> None:
    await changing.put(conn, Place(area_id, role), roster, **{"keep_overrides": True, "now": NOW, "by": "x", **known})


async def test_the_newest_of_each_area_and_role_counts(database: AsyncConnection[Any], lane: int) -> None:
    await put(database, lane, Role.DUTY, always("li"))
    await put(database, lane, Role.DUTY, always("wang"))
    await put(database, lane, Role.BACKUP, always("sun"))
    await put(database, None, Role.DUTY, always("chief"))
    await put(database, lane - 2, Role.DUTY, always("sun"))
    chain = await storing.read_chain(database, lane)
    assert chain == (lane, lane - 1, lane - 2)
    assert await storing.read_chain(database, None) == ()
    rosters = await storing.read_rosters(database, chain)
    assert {place: on_duty(roster, NOW) for place, roster in rosters.items()} == {
        (lane, "duty"): ("wang",),
        (lane, "backup"): ("sun",),
        (lane - 2, "duty"): ("sun",),
        (None, "duty"): ("chief",),
    }
    assert set(await storing.read_rosters(database, [])) == {(None, "duty")}
    cursor = await database.execute("SELECT count(*) FROM roster")
    assert await cursor.fetchone() == (5,), "append-only"


async def test_one_that_cannot_be_read_lets_the_area_above_answer(database: AsyncConnection[Any], lane: int) -> None:
    await put(database, lane - 1, Role.DUTY, always("wang"))
    await database.execute(
        "INSERT INTO roster (area_id, role, definition, changed_at, changed_by) VALUES (%s, 'duty', %s, %s, 'x')",
        [lane, Jsonb({"moon": "full"}), NOW],
    )
    chain = await storing.read_chain(database, lane)
    found = nearest(await storing.read_rosters(database, chain), chain, Role.DUTY, NOW)
    assert found == (lane - 1, 1, ("wang",))
    (stored,) = await storing.listed(database, lane)
    assert stored.roster is None
    with pytest.raises(RosterRefused, match="later release"):
        await put(database, lane, Role.DUTY, always("li"))


async def test_only_people_on_record_are_taken(database: AsyncConnection[Any], lane: int) -> None:
    await enrolling.amend(database, "sun", Said(active=False))
    with pytest.raises(RosterRefused, match="'lii' is on record and active; did you mean 'li'") as refused:
        await put(database, lane, Role.DUTY, always("lii", "sun"))
    assert "'sun'" in str(refused.value)
    assert await storing.listed(database) == []


async def test_overrides_that_are_not_over_stay_when_the_roster_changes(
    database: AsyncConnection[Any], lane: int
) -> None:
    place = Place(lane, Role.DUTY)
    over = Override(from_=NOW - DAY, to=NOW, people=("sun",))
    coming = Override(from_=NOW, to=NOW + DAY, people=("wang",))
    with pytest.raises(RosterRefused, match="no roster to override"):
        await changing.override(database, place, coming, now=NOW, by="x")
    await put(database, lane, Role.DUTY, always("li"), now=NOW - DAY)
    await changing.override(database, place, over, now=NOW - DAY, by="x")
    changed = await changing.override(database, place, coming, now=NOW, by="x")
    assert changed.roster.overrides == (coming,), "what is over is left out"
    again = await changing.put(database, place, always("sun"), keep_overrides=True, now=NOW, by="x")
    assert (again.kept, on_duty(again.roster, NOW), on_duty(again.roster, NOW + DAY)) == (1, ("wang",), ("sun",))
    dropped = await changing.put(database, place, always("sun"), keep_overrides=False, now=NOW, by="x")
    assert on_duty(dropped.roster, NOW) == ("sun",)


def test_the_command_line(lane: int, database_url: str, tmp_path: Path) -> None:
    def run(*words: str) -> Any:
        return anju("roster", *words, ANJU_DATABASE_URL=database_url)

    where = ("--area", "City/North/Lane", "--role", "duty")
    file, ics = tmp_path / "duty.toml", tmp_path / "duty.ics"
    file.write_text(TOML.replace("li", "Li"), encoding="utf-8")
    refused = run("set", *where, str(file))
    assert refused.code == 3
    assert refused.err.splitlines()[0].startswith("shifts 1, people 1: ")
    file.write_text(TOML.replace('["li", "sun"]', '["li", "nobody"]'), encoding="utf-8")
    assert (refused := run("set", *where, str(file))).code == 5
    assert "'nobody'" in refused.err
    file.write_text("shifts = ", encoding="utf-8")
    assert run("set", *where, str(file)).code == 3
    file.write_text(TOML, encoding="utf-8")
    assert run("set", "--area", "City/Nort", "--role", "duty", str(file)).code == 5
    assert run("set", "--role", "duty", str(file)).code == 2
    done = run("set", *where, str(file), "--by", "boss")
    assert (done.code, done.out.partition("now on duty")[0]) == (0, "area City/North/Lane, duty: ")

    noon, night = "2026-11-21T12:00:00+08:00", "2026-11-21T23:00:00+08:00"
    who = {each["role"]: each for each in run("who", "--area", "City/North/Lane", "--at", noon, "--json").json()}
    assert who["duty"] == {"role": "duty", "people": ["li", "wang"], "roster": "City/North/Lane"}
    assert who["backup"] == {"role": "backup", "people": [], "roster": None}
    (shown,) = run("show", "--area", "City/North/Lane", "--at", night, "--json").json()
    assert (shown["on_duty"], shown["changed_by"]) == (["wang"], "boss")
    assert read(shown["roster"]) == read({**shown["roster"]})
    week = run("show", "--area", "City/North/Lane", "--at", noon, "--week").out.splitlines()
    assert week[1].split("\t")[2:5] == ["Sat 2026-11-21 12:00", "Sat 2026-11-21 20:00", "li, wang"]
    assert run("gaps", "--area", "City/North/Lane", "--at", noon).code == 0

    assert run("override", *where, "--from", noon, "--to", night, "--person", "nobody").code == 5
    backwards = run("override", *where, "--from", noon, "--to", noon, "--person", "sun")
    assert (backwards.code, backwards.err) == (2, "anju: --to must lie after --from\n")
    later = (datetime.now(ZoneInfo("Asia/Shanghai")) + DAY).replace(hour=12, minute=0, second=0, microsecond=0)
    span = ("--from", later.isoformat(), "--to", (later + timedelta(hours=2)).isoformat())
    assert "sun from" in run("override", *where, *span, "--person", "sun").out
    at = (later + timedelta(hours=1)).isoformat()
    assert run("show", "--area", "City/North/Lane", "--at", at, "--json").json()[0]["on_duty"] == ["sun"]

    # Out as a calendar and in again as the site's: the same people, as long as it reaches; then a gap.
    assert run("export", *where, "--ical", str(ics), "--days", "14", "--at", later.isoformat()).code == 0
    assert run("import", "--site", "--role", "duty", "--ical", str(ics)).out.startswith("30 events taken")
    assert run("show", "--site", "--at", at, "--json").json()[0]["on_duty"] == ["sun"]
    gaps = run("gaps", "--site", "--at", later.isoformat(), "--days", "15", "--json")
    assert gaps.code == 1
    ics.write_text(ICS, encoding="utf-8")
    taken = run("import", *where, "--ical", str(ics))
    assert taken.out.splitlines()[0] == "1 events taken"
    assert "1 overrides stay" in taken.out
    assert run("who", "--area", "City/North/Lane", "--at", night, "--json").json()[0]["people"] == ["chief"]
    ics.write_text(ICS.replace("RRULE:FREQ=DAILY", "RRULE:FREQ=HOURLY"), encoding="utf-8")
    assert (bad := run("import", *where, "--ical", str(ics))).code == 3
    assert bad.err.startswith("line 4, event 1: rule: FREQ must be one of")

    assert run("unset", *where).code == 0
    answered = run("who", "--area", "City/North/Lane", "--at", at, "--json").json()[0]
    assert answered == {"role": "duty", "people": ["sun"], "roster": "site"}
    retired = anju("person", "retire", "chief", ANJU_DATABASE_URL=database_url)
    assert (retired.code, retired.err) == (0, "")
    assert "still on the roster duty of the site" in anju("person", "retire", "li", ANJU_DATABASE_URL=database_url).err
