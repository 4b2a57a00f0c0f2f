"""`anju escalation` on a real database: what counts, what is refused, who would be told."""

from pathlib import Path
from typing import Any

import pytest
from psycopg import AsyncConnection

from tests.alert_cases import register_homes
from tests.escalation_town import contact, enrol, on_roster
from tests.integration.cli import Ended, anju

LANE = "City/District/Street/Lane"
HOOK = {
    "ANJU_WEBHOOK_URL": "http://127.0.0.1:9/x",
    "ANJU_WEBHOOK_SECRET": "whsec_" + "QW5qdSB0ZXN0IHNlY3JldCBvZiAzMiBieXRlcw==",
}
POLICY = """
[[ladder]]
name = "at night"
kinds = ["sos", "fall"]
repeat_s = 120
[[ladder.step]]
after_s = 0
tell = [{ who = "duty", by = ["webhook"] }]
[[ladder.step]]
after_s = 45
tell = [{ who = "person:chief", by = ["webhook"] }, { who = "contacts" }]
"""


@pytest.fixture
async def lane(database: AsyncConnection[Any]) -> None:
    (home,) = await register_homes(database)
    await enrol(database, {key: ["webhook"] for key in ("duty-1", "chief", "daughter")})
    await on_roster(database, "duty", "duty-1")
    await on_roster(database, "supervisor", "chief", area=None)
    await contact(database, home, "daughter", "family")


def run(database_url: str, *arguments: str) -> Ended:
    return anju("escalation", *arguments, ANJU_DATABASE_URL=database_url, **HOOK)


async def test_try_says_who_would_be_told_when(lane: None, database_url: str) -> None:
    at = "2026-11-22T03:00:00+08:00"
    found = run(database_url, "try", "--home", f"{LANE}/Door 1", "--at", at, "--json").json()
    assert (found["ladder"], found["by"], found["nobody"]) == ("calls", "Anju", False)
    told = [(message["at"], message["who"], message["as"]) for each in found["moments"] for message in each["messages"]]
    assert told == [
        ("2026-11-21T19:00:00Z", "duty-1", "staff"),
        ("2026-11-21T19:01:00Z", "duty-1", "staff"),
        ("2026-11-21T19:01:00Z", "chief", "staff"),
        ("2026-11-21T19:03:00Z", "chief", "staff"),
        ("2026-11-21T19:05:00Z", "daughter", "contact"),
    ]
    assert found["again_at"] == "2026-11-21T19:15:00Z"
    shown = run(database_url, "try", "--home", f"{LANE}/Door 1", "--at", at)
    assert shown.code == 0
    assert "after 1 min: there is no roster for backup: supervisor of site is told" in shown.err


async def test_set_counts_at_once_and_stands_in_the_history(lane: None, database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(POLICY)
    done = run(database_url, "set", "--area", LANE, str(file), "--by", "li")
    assert (done.code, done.err) == (0, "")
    assert "at night counts for fall, sos; of any severity" in done.out
    found = run(database_url, "try", "--home", f"{LANE}/Door 1", "--json").json()
    assert (found["ladder"], found["by"]) == ("at night", LANE)
    assert [[message["who"] for message in each["messages"]] for each in found["moments"]] == [
        ["duty-1"],
        ["chief", "daughter"],
    ]
    (entry,) = run(database_url, "history", "--json").json()
    assert (entry["area"], entry["changed_by"]) == (LANE, "li")
    ladders = run(database_url, "show", "--area", LANE, "--json").json()
    assert [each["name"] for each in ladders if each["by"] == LANE] == ["at night"]
    assert {each["name"] for each in ladders} >= {"calls", "somebody goes", "somebody asks", "digest"}
    assert ladders[0]["now"] == [["duty-1"], ["chief"]]
    # The site itself still goes by what comes with it.
    assert "at night" not in run(database_url, "show").out


async def test_a_policy_that_is_none_is_refused_and_nothing_is_written(
    lane: None, database: AsyncConnection[Any], database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(POLICY.replace('"duty"', '"dutty"'))
    done = run(database_url, "set", "--site", str(file))
    assert (done.code, "ladder.1.step.1.tell.1.who" in done.err) == (3, True)
    assert await (await database.execute("SELECT count(*) FROM escalation_policy")).fetchone() == (0,)


async def test_persons_and_places_that_are_not_there_are_refused(lane: None, database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(POLICY.replace("person:chief", "person:nobody"))
    done = run(database_url, "set", "--site", str(file))
    assert (done.code, "there is no person nobody" in done.err) == (5, True)
    assert run(database_url, "show", "--area", "Nowhere").code == 5
    assert run(database_url, "show", "--kind", "soss").code == 2
    assert run(database_url, "set", str(file)).code == 2
    assert (
        run(database_url, "history").out == "no escalation policy was ever set: the ladders that come with Anju count\n"
    )
