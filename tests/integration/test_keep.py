"""`anju keep` on a real PostgreSQL: one works and others stand by, what is past goes, and what fails is told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY
from psycopg import AsyncConnection, errors
from typer.testing import CliRunner

from anju.cli import app
from anju.keeping import tasks, worker
from anju.keeping.options import KeepOptions
from anju.keeping.round import do, show, take_turn
from anju.keeping.tasks import Work
from storage import partitions, series
from storage.pool import connect
from storage.retention import Retention
from tests.servers import eventually, free_port, wait_until
from tests.stages import Stage

DAY = timedelta(days=1)
NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def options(url: str) -> KeepOptions:
    kept = Retention(of={1: 1100 * DAY}, others=400 * DAY)
    return KeepOptions(database_url=url, late_window=35 * DAY, retention=kept, replies_kept=90 * DAY)


def metric(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"anju_keep_{name}", labels)


async def rows(conn: AsyncConnection[Any], query: str) -> list[tuple[Any, ...]]:
    return await (await conn.execute(query.encode())).fetchall()


async def test_a_round_makes_room_and_measures(database_url: str, database: AsyncConnection[Any]) -> None:
    work = Work(conn=database, options=options(database_url), now=NOW)
    reports = await do(work, tasks.ALL)
    await show(database)
    assert [(report.task, report.failed) for report in reports] == [(name, False) for name in tasks.ALL]
    assert reports[0].text == "made reading_202610, reading_202611, reading_202612, reading_202701"
    assert metric("room_until_timestamp_seconds") == datetime(2027, 2, 1, tzinfo=UTC).timestamp()
    assert metric("parts", state="open") == 4
    assert (metric("database_bytes") or 0) > 1e6
    assert metric("task_last_success_timestamp_seconds", task="retention") == NOW.timestamp()
    assert (await do(work, ["partitions"]))[0].text == "there is room"


async def test_what_fails_is_told_and_holds_up_nothing_else(database_url: str, database: AsyncConnection[Any]) -> None:
    work = Work(conn=database, options=options(database_url), now=NOW)
    await partitions.ensure(database, from_=NOW - 1200 * DAY, to=NOW)
    await do(work, ["retention"])
    later = replace(work, now=NOW + 40 * DAY)
    async with await connect(database_url, application_name="test") as reader:
        await reader.execute("SELECT FROM reading")  # somebody reads, and does not end
        retained, blanked = await do(later, ["retention", "replies"])
        assert retained.failed
        assert "55P03" in retained.text
        assert not blanked.failed
    await show(database)
    assert metric("task_failures", task="retention") == 1
    assert metric("task_last_success_timestamp_seconds", task="retention") == NOW.timestamp()
    (again,) = await do(later, ["retention"])
    assert again.text.startswith("dropped 1 parts") or again.text.startswith("dropped 2 parts")


async def test_the_words_of_old_replies_go_and_what_they_did_stays(
    database_url: str, database: AsyncConnection[Any]
) -> None:
    for name, ago in (("old", 91), ("new", 89)):
        await database.execute(
            "INSERT INTO reply (provider, provider_id, received_at, said, result)"
            " VALUES ('p', %s, %s, 'words', 'done')",
            [name, NOW - ago * DAY],
        )
    (report,) = await do(Work(conn=database, options=options(database_url), now=NOW), ["replies"])
    assert report.text == "took the words out of 1"
    assert await rows(database, "SELECT provider_id, said, result FROM reply ORDER BY 1") == [
        ("new", "words", "done"),
        ("old", "", "done"),
    ]


@asynccontextmanager
async def keeper(kept: KeepOptions) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(kept, stop=stop, turn_every_s=0.05))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 10)


async def test_one_keeper_works_and_the_next_takes_over(database_url: str, database: AsyncConnection[Any]) -> None:
    async def done() -> bool:
        return {task.task for task in await series.done(database)} == set(tasks.ALL)

    async def turned() -> bool:
        return (metric("loop_turned_timestamp_seconds", loop="keep") or 0) >= began

    other = await connect(database_url, application_name="test", autocommit=True)
    async with other:
        assert await take_turn(other)
        began = datetime.now(UTC).timestamp()
        async with keeper(options(database_url)):
            await eventually(turned, 10)
            assert metric("active") == 0
            assert await series.done(database) == []
            await other.close()
            await eventually(done, 10)
            assert metric("active") == 1
            # Its connection dies: it makes another and goes on.
            await database.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'anju-keep' AND datname = current_database()"
            )
            await database.execute("DELETE FROM keep_task")
            await eventually(done, 15)
    assert metric("active") == 0


def test_once_does_all_and_says_so(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANJU_DATABASE_URL", database_url)
    done = CliRunner().invoke(app, ["keep", "--once"])
    assert done.exit_code == 0, done.output
    assert [line.partition(":")[0] for line in done.output.splitlines()] == list(tasks.ALL)
    found = asyncio.run(_checked(database_url))
    assert found == (f"{len(tasks.ALL)} tasks done within a day", "nothing goes that rules still read")
    monkeypatch.setenv("ANJU_RETENTION_DAYS", "water_total=30")
    refused = CliRunner().invoke(app, ["keep", "--once"])
    assert refused.exit_code != 0
    assert "169 are the least" in str(refused.exception)


async def _checked(url: str) -> tuple[str, str]:
    from anju import series_checks
    from config.settings import load

    async with await connect(url, application_name="test", autocommit=True) as conn:
        loaded = load(environ={"ANJU_DATABASE_URL": url})
        retention, keeping = await series_checks.of_database(conn, loaded, datetime.now(UTC))
    return keeping.found, retention.found


def test_the_role_is_a_process_like_the_others(database_url: str, folder: Path) -> None:
    port = free_port()
    environment = {"ANJU_DATABASE_URL": database_url, "ANJU_METRICS_PORT_KEEP": str(port)}

    def answers(path: str, status: int, text: str) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            answer = httpx.get(f"http://127.0.0.1:{port}{path}", timeout=5, trust_env=False)
            return answer.status_code == status and text in answer.text
        return False

    with Stage("keep", folder, environment) as stage:
        wait_until(lambda: answers("/readyz", 200, "ok"), 30)
        wait_until(lambda: answers("/metrics", 200, "anju_keep_active 1.0"), 10)
        assert answers("/metrics", 200, 'anju_keep_task_last_success_timestamp_seconds{task="sizes"}')
        assert stage.stop() == 0
    assert "keep_task_failed" not in stage.log


async def test_partitions_are_of_whole_months_only(database: AsyncConnection[Any]) -> None:
    with pytest.raises(errors.InvalidParameterValue, match="no beginning of a month in UTC"):
        await database.execute("SELECT make_reading_partition('2026-11-01T00:00:00+08')")
    await database.execute("SET timezone = 'Asia/Shanghai'")
    assert await rows(database, "SELECT make_reading_partition('2026-11-01T08:00:00+08')") == [("reading_202611",)]
    assert await rows(database, "SELECT make_reading_partition('2026-11-01T08:00:00+08')") == [(None,)]
    await database.execute("INSERT INTO reading VALUES (1, 1, '2026-11-01T00:00Z', '2026-11-01T00:00Z', 1)")
    with pytest.raises(errors.CheckViolation, match="no partition"):
        await database.execute("INSERT INTO reading VALUES (1, 1, '2026-10-31T23:59Z', '2026-11-01T00:00Z', 1)")
