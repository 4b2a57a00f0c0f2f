"""The report of a month from histories that the life cycle itself has written, and the command that shows it."""

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg import AsyncConnection

from alerts.findings import Verdict
from alerts.life import commands
from alerts.life.commands import By
from alerts.model import Outcome
from alerts.report.figures import Share
from alerts.report.month import Month
from alerts.report.reading import read_report
from alerts.report.table import Report
from tests.alert_cases import dry, press, register_homes, report_now
from tests.integration.cli import anju

LANE = "City/District/Street/Lane"
NOON = datetime(2024, 10, 20, 4, tzinfo=UTC)  # noon in Shanghai
LATER = datetime(2024, 11, 20, tzinfo=UTC)
S, MIN, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)


def by(now: datetime) -> By:
    return By(actor="li", source="cli", now=now)


async def newest(conn: AsyncConnection[Any]) -> int:
    row = await (await conn.execute("SELECT max(alert_id) FROM alert")).fetchone()
    assert row is not None
    return int(row[0])


async def town(conn: AsyncConnection[Any]) -> None:
    """Three homes with a meter since long ago, the third one the probe's, and what happened in October."""
    homes = await register_homes(conn, 3)
    await conn.execute("UPDATE home SET probe = true WHERE home_id = %s", [homes[2]])
    for home in homes:
        await conn.execute(
            "WITH d AS (INSERT INTO device (name, driver) VALUES (%(name)s, 'native') RETURNING device_id)"
            " INSERT INTO installation (device_id, home_id, interval_s, installed_at)"
            " SELECT device_id, %(home)s, 900, '2024-01-01Z' FROM d",
            {"name": f"m-{home}", "home": home},
        )
    # Answered after 30 s, on the scene after 40 min, help was given.
    await report_now(conn, press(1, home_id=homes[0], since=NOON), now=NOON)
    one = await newest(conn)
    await commands.acknowledge(conn, one, by(NOON + 30 * S))
    await commands.on_the_way(conn, one, by(NOON + 2 * MIN))
    await commands.on_scene(conn, one, by(NOON + 40 * MIN))
    await commands.close(conn, one, Outcome.GENUINE, by(NOON + 60 * MIN))
    # Answered after 100 s by going at once; a false alarm.
    at = NOON + DAY
    await report_now(conn, press(2, home_id=homes[0], since=at), now=at)
    two = await newest(conn)
    await commands.on_the_way(conn, two, by(at + 100 * S))
    await commands.close(conn, two, Outcome.FALSE_FORGOT, by(at + 50 * MIN))
    # Ended by a sign of life after five minutes, answered by nobody.
    await report_now(conn, dry(home_id=homes[1], since=at), now=at)
    await report_now(conn, dry(Verdict.CLEAR, home_id=homes[1], since=at), now=at + 5 * MIN)
    # Only recorded; of the probe; and in the morning of the first of November in Shanghai.
    await report_now(conn, dry(Verdict.RECORD, home_id=homes[1], since=at + DAY), now=at + 2 * DAY)
    await report_now(conn, press(3, home_id=homes[2], since=at), now=at)
    november = datetime(2024, 10, 31, 20, tzinfo=UTC)
    await report_now(conn, press(4, home_id=homes[1], since=november), now=november)


@pytest.fixture
async def seeded(database: AsyncConnection[Any]) -> None:
    await town(database)


async def month(conn: AsyncConnection[Any], month: str, area: str = LANE) -> Report:
    return await read_report(conn, area, Month.parse(month), now=LATER)


@pytest.mark.usefixtures("seeded")
async def test_the_figures_of_a_month(database: AsyncConnection[Any]) -> None:
    found = await month(database, "2024-10")
    (row,) = found.areas
    figures = row.figures
    assert (row.label, figures.alerts, figures.unanswered, figures.resolved) == (LANE, 3, 0, 1)
    assert (figures.answered_60_s, figures.answered_180_s) == (Share(1, 3), Share(2, 3))
    assert (figures.answer_median_s, figures.answer_p90_s) == (65.0, 100.0)
    assert (figures.on_scene_45_min, figures.on_scene_60_min) == (Share(1, 2), Share(2, 2))
    assert (figures.on_scene_median_s, figures.on_scene_p90_s) == (45 * 60.0, 50 * 60.0)
    assert figures.false == Share(1, 2)
    assert (round(figures.home_weeks, 6), figures.per_home_week) == (round(2 * 31 / 7, 6), 3 / (2 * 31 / 7))
    assert [(each.label, each.figures.alerts) for each in found.kinds] == [("sos", 2), ("inactivity", 1)]
    after = (await month(database, "2024-11")).areas[0].figures
    assert (after.alerts, after.unanswered, after.answered_180_s) == (1, 1, Share(0, 1))
    assert (await month(database, "2024-10", "")).areas[1].label == "City"
    assert (await month(database, "2024-10", "City/District/Street/Lan")).areas[0].figures.alerts == 0


@pytest.mark.usefixtures("seeded")
def test_the_command(database_url: str, tmp_path: Path) -> None:
    def run(*words: str) -> Any:
        return anju("report", *words, ANJU_DATABASE_URL=database_url)

    shown = run("--month", "2024-10", "--area", LANE).out.splitlines()
    assert shown[1].split("\t")[:5] == [LANE, "3", "0", "33.3 % of 3", "66.7 % of 3"]
    files = [tmp_path / name for name in ("report.csv", "report.xlsx", "report.html")]
    made = run("--month", "2024-10", *(word for file in files for word in (f"--{file.suffix[1:]}", str(file))))
    assert (made.code, made.out) == (0, "")
    assert all(file.stat().st_size > 500 for file in files)
    rows = list(csv.DictReader(io.StringIO(files[0].read_text(encoding="utf-8"))))
    assert {row["of"]: row["alerts"] for row in rows if row["section"] == "area"} == {"site": "3", "City": "3"}
    as_json = run("--month", "2024-10", "--json").json()
    assert (as_json["month"], as_json["rows"][0]["answered_60_s_of"]) == ("2024-10", 3)
    assert run("--month", "2026-13").code == 2
    assert run("--month", "2093-01").code == 2
    assert run("--month", "2024-10", "--area", "City/Districkt").code == 5
    assert run("--month", "2024-10", "--xlsx", str(tmp_path / "missing" / "r.xlsx")).code == 1
