"""`anju alert` as a process on a real database: from a press to its end, and what is refused."""

from datetime import UTC, datetime
from typing import Any

from psycopg import AsyncConnection

from anju.view import look
from tests.alert_cases import NOON, dry, press, register_homes, report_now
from tests.integration.cli import Ended, anju


async def test_an_alert_is_handed_about_ended_and_reopened(database: AsyncConnection[Any], database_url: str) -> None:
    await register_homes(database, 2)
    await database.execute("INSERT INTO person (key, name, language) VALUES ('duty-2', 'Two', 'zh')")
    # The command line asks the real clock.
    await report_now(database, press(1), dry(home_id=2), dry(), now=datetime.now(UTC))

    def alert(*arguments: str, by: str | None = "duty-1") -> Ended:
        return anju("alert", *arguments, *(() if by is None else ("--by", by)), ANJU_DATABASE_URL=database_url)

    rows = alert("list", "--json", by=None).json()
    assert [(row["home"], row["kind"]) for row in rows] == [
        ("Door 1", "sos"),
        ("Door 1", "inactivity"),
        ("Door 2", "inactivity"),
    ]
    sos, gone = str(rows[0]["alert_id"]), str(rows[2]["alert_id"])
    for arguments in (
        ("decline", sos),
        ("attend", sos, "--comment", "ten minutes"),
        ("attend", sos, "--on-scene"),
        ("assign", sos, "duty-2"),
        ("comment", sos, "is well"),
        ("close", sos, "--outcome", "leak"),
        ("reopen", sos),
    ):
        ended = alert(*arguments)
        assert ended.code == 0, (arguments, ended.err)
        if arguments[0] == "close":
            assert ended.out.splitlines()[1].startswith("the leak is seen to as alert ")
    shown = alert("show", sos, "--json", by=None).json()
    assert [entry["action"] for entry in shown["entries"]] == [
        "raised",
        "declined",
        "on_the_way",
        "on_scene",
        "assigned",
        "commented",
        "closed",
        "reopened",
    ]
    assert sorted(other["kind"] for other in shown["related"]) == ["inactivity", "leak"]
    assert "related alerts of this home:" in alert("show", sos, by=None).out
    # Nothing but what is technical can wait.
    tomorrow = (NOON.replace(year=NOON.year + 50)).isoformat()
    assert alert("mute", sos, "--until", tomorrow).code == 5
    assert alert("unmute", sos).code == 5
    assert alert("assign", sos, "duty-9").code == 5
    assert alert("comment", sos, " ").code == 5
    ended = alert("close", gone, "--outcome", "false_at_family")
    assert "\n  anju absence add 'City/District/Street/Lane/Door 2' --reason family --from " in ended.out
    assert alert("list", "--probes", by=None).code == 0
    # A misspelt area has no open alerts, and must not look calm.
    assert len(alert("list", "--area", "/City/District/Street/ Lane/", "--json", by=None).json()) == 3
    mistyped = alert("list", "--area", "City/District/Street/Lnae", by=None)
    assert (mistyped.code, mistyped.out, "did you mean 'City/District/Street/Lane'?" in mistyped.err) == (
        5,
        "",
        True,
    ), mistyped.err


async def test_anju_up_shows_an_incident_of_an_area_under_its_name(
    database: AsyncConnection[Any],
) -> None:
    await register_homes(database)
    (area_id,) = await (await database.execute("SELECT area_id FROM area")).fetchone() or (0,)
    await database.execute(
        "INSERT INTO alert (subject, area_id, kind, severity, state, since, raised_at, updated_at, reason_id,"
        " reason_values, reason, evidence) SELECT subject, %(area)s, 'area_incident', 'hard', 'open', %(at)s, %(at)s,"
        " %(at)s, 'area_silent', '{}', 'text', '{}' FROM unnest(%(subjects)s::text[]) subject ORDER BY subject",
        {"area": area_id, "at": NOON, "subjects": [f"area/{area_id}", "gateway/gw-3"]},
    )
    picture = await look(database, NOON)
    assert sorted(alert.where for alert in picture.alerts) == ["City/District/Street/Lane", "gateway/gw-3"]
