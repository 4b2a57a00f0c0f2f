"""What is counted of alerts is what is in the database, and how long people took, whoever they were."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from alerts.counting import Counting
from alerts.dispatch import Dispatcher
from alerts.findings import Verdict
from alerts.life import commands
from alerts.life.commands import By
from alerts.life.takings import Takings
from alerts.model import Outcome
from storage.pool import connect
from tests.alert_cases import NOON, dry, press, register_homes, report_now, soon
from tests.integration.cli import anju


def by_state(kind: str, severity: str, state: str) -> float | None:
    return REGISTRY.get_sample_value("anju_alerts_open", {"kind": kind, "severity": severity, "state": state})


def taken(severity: str) -> tuple[float, float]:
    """How many were taken, and after how many seconds together."""
    name = "anju_alerts_acknowledge_seconds"
    count, total_s = (REGISTRY.get_sample_value(f"{name}_{part}", {"severity": severity}) for part in ("count", "sum"))
    assert count is not None, "the first must be seen as an increase"
    assert total_s is not None
    return count, total_s


def by(actor: str, after_s: float) -> By:
    return By(actor=actor, source="page", now=NOON + timedelta(seconds=after_s))


async def the_sos(database: AsyncConnection[Any]) -> int:
    row = await (await database.execute("SELECT alert_id FROM alert WHERE kind = 'sos'")).fetchone()
    assert row is not None
    return int(row[0])


async def test_alerts_by_state(database: AsyncConnection[TupleRow]) -> None:
    first, second = await register_homes(database, 2)
    counting, takings = Counting(()), Takings(database)
    await report_now(database, press(1, home_id=first), dry(home_id=first), dry(home_id=second), now=NOON)
    await counting.count(database, takings, NOON)
    assert (by_state("sos", "urgent", "open"), by_state("inactivity", "hard", "open")) == (1, 2)

    await commands.on_the_way(database, await the_sos(database), by("li", 90))
    await report_now(database, dry(Verdict.CLEAR, home_id=second), now=NOON + timedelta(minutes=5))
    await counting.count(database, takings, NOON)
    assert by_state("sos", "urgent", "open") == 0, "what is not there any more is 0, not gone"
    assert by_state("sos", "urgent", "attending") == 1
    assert by_state("inactivity", "hard", "open") == 1


async def test_each_taking_counts_once_and_again_after_it_was_free(database: AsyncConnection[TupleRow]) -> None:
    await register_homes(database, 1)
    counting, takings = Counting(()), Takings(database)
    await report_now(database, press(1), now=NOON)
    await counting.count(database, takings, NOON)
    alert, (before, before_s) = await the_sos(database), taken("urgent")
    steps: list[tuple[Callable[..., Awaitable[object]], By, int, float]] = [
        (commands.acknowledge, by("li", 40), 1, 40),
        (commands.on_the_way, by("li", 90), 1, 40),
        (commands.on_the_way, by("wang", 95), 1, 40),
        (commands.decline, by("li", 100), 1, 40),
        (commands.on_scene, by("wang", 160), 2, 200),
        (lambda conn, number, who: commands.close(conn, number, Outcome.OTHER, who), by("wang", 200), 2, 200),
        (commands.reopen, by("wang", 300), 2, 200),
        (commands.acknowledge, by("wang", 400), 3, 600),
    ]
    for command, who, times, total_s in steps:
        await command(database, alert, who)
        for _ in range(3):
            await counting.count(database, takings, NOON)
            assert taken("urgent") == (before + times, before_s + total_s), who


async def test_a_running_role_counts_what_was_taken_by_command_line(
    database: AsyncConnection[TupleRow], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerts.dispatch._COUNT_EVERY_S", 0.0)
    await register_homes(database, 1)
    raised_at = datetime.now(UTC) - timedelta(seconds=30)
    await report_now(database, press(1, since=raised_at), now=raised_at)
    dispatcher = Dispatcher(
        database_url=database_url, channels=(), worker="counting", clock=lambda: datetime.now(UTC), lease_s=0.2
    )
    before, before_s = taken("urgent")
    number, stop = await the_sos(database), asyncio.Event()

    async def reading() -> bool:
        """The role holds the lock, and so has begun to read."""
        cursor = await database.execute(
            "SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
            " WHERE l.locktype = 'advisory' AND d.datname = current_database()"
        )
        return await cursor.fetchone() is not None

    async def counted() -> bool:
        return taken("urgent")[0] > before

    async with asyncio.TaskGroup() as group:
        group.create_task(dispatcher.run(stop))
        await soon(reading)
        ended = await asyncio.to_thread(anju, "alert", "ack", str(number), "--by", "li", ANJU_DATABASE_URL=database_url)
        assert ended.code == 0, ended.err
        await soon(counted)
        stop.set()
    times, total_s = taken("urgent")
    assert times == before + 1
    assert total_s - before_s >= 30


async def test_of_several_processes_one_counts_and_another_takes_over(
    database: AsyncConnection[TupleRow], database_url: str
) -> None:
    await register_homes(database, 3)
    await report_now(database, *(dry(home_id=home) for home in (1, 2, 3)), now=NOON)
    cursor = await database.execute("SELECT alert_id FROM alert ORDER BY alert_id")
    first, second, third = [row[0] for row in await cursor.fetchall()]
    other = Takings(database)
    async with await connect(database_url, application_name="one", autocommit=True) as conn:
        one = Takings(conn)
        assert (await one.fresh(), await other.fresh()) == ([], [])
        await commands.acknowledge(database, first, by("li", 10))
        assert [taking.after for taking in await one.fresh()] == [timedelta(seconds=10)]
        await commands.acknowledge(database, second, by("li", 20))
        assert await other.fresh() == []

    async def took_over() -> bool:
        assert await other.fresh() == []
        return other.reads

    await soon(took_over)
    await commands.acknowledge(database, third, by("li", 30))
    assert [taking.after for taking in await other.fresh()] == [timedelta(seconds=30)]
