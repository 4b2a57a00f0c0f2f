"""The escalator on a real database: several at once, faults of its own, rows that others hold, what it keeps."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from psycopg import AsyncConnection
from structlog.testing import capture_logs

from alerts.escalation import storing
from alerts.escalation.escalator import Escalator
from alerts.escalation.plan import plan
from alerts.escalation.policy import read
from alerts.life import commands
from alerts.life.commands import By
from alerts.model import Outcome
from storage.pool import connect
from tests.alert_cases import NOON, Clock, dry, press, register_homes, report_now, soon
from tests.escalation_town import enrol, on_roster
from tests.servers import Postgres

CHANNELS = frozenset({"sms", "webhook"})


@pytest.fixture
async def homes(database: AsyncConnection[Any]) -> list[int]:
    found = await register_homes(database, 300)
    await enrol(database, {"duty-1": ["sms"], "duty-2": ["sms"]})
    await on_roster(database, "duty", "duty-1")
    await on_roster(database, "backup", "duty-2")
    return found


def escalator(database_url: str, clock: Clock, *, worker: str = "test", batch: int = 100) -> Escalator:
    return Escalator(database_url=database_url, worker=worker, clock=clock, channels=CHANNELS, batch=batch)


@contextlib.asynccontextmanager
async def escalate(*all_of_them: Escalator) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for each in all_of_them:
            group.create_task(each.run(stop))
        try:
            yield
        finally:
            stop.set()


async def to_people(conn: AsyncConnection[Any]) -> list[tuple[Any, ...]]:
    cursor = await conn.execute(
        "SELECT alert_id, recipient, run, round, step, state, next_attempt_at FROM notification"
        " WHERE person_id IS NOT NULL ORDER BY alert_id, run, round, step, recipient"
    )
    return await cursor.fetchall()


async def none_due(conn: AsyncConnection[Any], now: datetime, timeout_s: float = 10.0) -> None:
    async def check() -> bool:
        return await (await conn.execute("SELECT count(*) FROM escalation WHERE due_at <= %s", [now])).fetchone() == (
            0,
        )

    await soon(check, timeout_s)


@pytest.mark.alone
async def test_a_thousand_beginnings_in_less_than_a_second(
    database: AsyncConnection[Any], database_url: str, homes: list[int]
) -> None:
    await database.execute(
        "INSERT INTO home (area_id, name, time_zone) SELECT max(area_id), 'More ' || n, 'Asia/Shanghai'"
        " FROM area, generate_series(1, 700) n GROUP BY n"
    )
    clock = Clock()
    for first in range(1, 1001, 100):
        await report_now(database, *(press(n, home_id=n) for n in range(first, first + 100)), now=NOON)
    begun = time.perf_counter()
    async with escalate(escalator(database_url, clock)):
        await none_due(database, clock.now)
        took_s = time.perf_counter() - begun
    assert len(await to_people(database)) == 1000
    print(f"a thousand beginnings: {took_s:.2f} s")
    assert took_s < 5  # the target is 1; a busy machine must not fail the test


async def test_two_at_once_carry_out_each_step_once(
    database: AsyncConnection[Any], database_url: str, homes: list[int]
) -> None:
    clock = Clock()
    await report_now(database, *(press(n, home_id=n) for n in homes), now=NOON)
    two = (escalator(database_url, clock, worker=name, batch=7) for name in ("one", "two"))
    async with escalate(*two):
        await none_due(database, clock.now)
        clock.forward(seconds=60)
        await none_due(database, clock.now)
    sent = Counter((row[0], row[1], row[4]) for row in await to_people(database))
    # Nothing has left, so the second step's message to the same person takes the place of the first one's.
    assert sent == Counter((alert, to, 100) for alert in range(1, 301) for to in ("duty-1", "duty-2"))
    entries = await database.execute("SELECT alert_id, detail -> 'steps' FROM alert_entry WHERE action = 'told'")
    assert Counter(Counter((row[0], str(row[1])) for row in await entries.fetchall()).values()) == {1: 600}


async def test_one_alert_that_trips_it_up_holds_up_no_other(
    database: AsyncConnection[Any], database_url: str, homes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def trip(due: Any, *rest: Any) -> Any:
        if due.alert_id == 2:
            raise KeyError("a mistake of ours")
        return plan(due, *rest)

    monkeypatch.setattr("alerts.escalation.escalator.plan", trip)
    clock = Clock()
    await report_now(database, *(press(n, home_id=n) for n in (1, 2, 3)), now=NOON)
    with capture_logs() as logged:
        async with escalate(escalator(database_url, clock)):
            await none_due(database, clock.now)
            clock.forward(seconds=60)
            await none_due(database, clock.now)
    assert {row[0] for row in await to_people(database)} == {1, 3}
    faults = [line for line in logged if line["event"] == "escalation_failed"]
    assert [line["alert_id"] for line in faults] == [2, 2]
    row = await (await database.execute("SELECT due_at FROM escalation WHERE alert_id = 2")).fetchone()
    assert row == (NOON + timedelta(seconds=120),)
    # The duty desk hears of it, once an hour.
    cursor = await database.execute("SELECT body ->> 'type' FROM notification WHERE alert_id = 2 ORDER BY created_at")
    assert [each[0] for each in await cursor.fetchall()] == ["anju.alert.raised", "anju.alert.escalated"]
    # And once it is mended the telling goes on where it was.
    monkeypatch.undo()
    clock.forward(seconds=60)
    async with escalate(escalator(database_url, clock)):
        await none_due(database, clock.now)
    assert {row[0] for row in await to_people(database)} == {1, 2, 3}


async def test_an_alert_that_cannot_be_read_holds_up_no_other(
    database: AsyncConnection[Any], database_url: str, homes: list[int]
) -> None:
    clock = Clock()
    await report_now(database, *(press(n, home_id=n) for n in (1, 2, 3)), now=NOON)
    await database.execute("UPDATE alert SET kind = 'of a later release' WHERE alert_id = 2")
    with capture_logs() as logged:
        async with escalate(escalator(database_url, clock)):
            await none_due(database, clock.now)
    assert {row[0] for row in await to_people(database)} == {1, 3}
    assert [line["alert_id"] for line in logged if line["event"] == "escalation_failed"] == [2]


async def test_what_the_database_refuses_of_one_alert_holds_up_no_other(
    database: AsyncConnection[Any], database_url: str, homes: list[int]
) -> None:
    clock = Clock()
    await report_now(database, *(press(n, home_id=n) for n in (1, 2, 3)), now=NOON)
    # A check that only this alert's messages break.
    await database.execute(
        "ALTER TABLE notification ADD CONSTRAINT tested CHECK (NOT (alert_id = 2 AND person_id IS NOT NULL))"
    )
    with capture_logs() as logged:
        async with escalate(escalator(database_url, clock)):
            await none_due(database, clock.now)
    assert {row[0] for row in await to_people(database)} == {1, 3}
    assert [line["event"] for line in logged if line["log_level"] == "error"] == [
        "escalation_batch_failed",
        "escalation_failed",
    ]


async def test_an_alert_that_somebody_is_changing_is_left_for_the_moment_after(
    database: AsyncConnection[Any], database_url: str, homes: list[int]
) -> None:
    clock = Clock()
    await report_now(database, press(1, home_id=1), press(2, home_id=2), now=NOON)
    async with await connect(database_url, application_name="other") as other:
        await other.execute("SELECT FROM alert WHERE alert_id = 1 FOR NO KEY UPDATE")
        async with escalate(escalator(database_url, clock)):

            async def second_told() -> bool:
                return {row[0] for row in await to_people(database)} == {2}

            await soon(second_told)
            await commands.acknowledge(other, 1, By(actor="duty-1", source="sms", now=clock.now))
            await other.commit()
            await none_due(database, clock.now)
    # Whoever took it in that moment is not told of it any more.
    assert {row[0] for row in await to_people(database)} == {2}


async def test_a_transaction_that_was_cut_off_is_done_by_the_next_one(durable_postgres: Postgres) -> None:
    clock = Clock()
    url = durable_postgres.url
    async with await connect(url, application_name="test", autocommit=True) as conn:
        await register_homes(conn, 2)
        await enrol(conn, {"duty-1": ["sms"]})
        await on_roster(conn, "duty", "duty-1")
        await report_now(conn, press(1, home_id=1), press(2, home_id=2), now=NOON)
    dying = await connect(url, application_name="test")
    # As far as one gets that dies before it commits.
    await escalator(url, clock).carry_out(dying)
    assert len(await to_people(dying)) == 2
    await asyncio.to_thread(durable_postgres.crash)
    await dying.close()
    await durable_postgres.restart()
    async with (
        await connect(url, application_name="test", autocommit=True) as conn,
        escalate(escalator(url, clock)),
    ):
        await none_due(conn, clock.now)
        assert [row[:2] for row in await to_people(conn)] == [(1, "duty-1"), (2, "duty-1")]


async def test_what_waits_becomes_the_newer_message_and_nothing_is_left_after_the_end(
    database: AsyncConnection[Any], database_url: str, homes: list[int]
) -> None:
    clock = Clock()
    await report_now(database, press(1, home_id=1), now=NOON)
    async with escalate(escalator(database_url, clock)):
        await none_due(database, clock.now)
        for number in (2, 3):
            clock.forward(seconds=5)
            await report_now(database, press(number, home_id=1, since=clock.now), now=clock.now)
            await none_due(database, clock.now)
        (only,) = await to_people(database)
        assert (only[1], only[2], only[5], only[6]) == ("duty-1", 3, "pending", clock.now)
        body = await (await database.execute("SELECT body FROM notification WHERE person_id IS NOT NULL")).fetchone()
        assert body is not None
        assert body[0]["type"] == "anju.alert.raised_again"
        await commands.close(database, 1, Outcome.FALSE_TEST, By(actor="desk", source="page", now=clock.now))
        clock.forward(minutes=10)
        await database.execute("SELECT pg_notify('anju_escalation', '')")
        await none_due(database, clock.now)
    assert [row[5] for row in await to_people(database)] == ["withdrawn"]
    assert await (await database.execute("SELECT count(*) FROM escalation")).fetchone() == (0,)


async def test_in_a_storm_the_first_leaves_at_once_and_the_others_wait_for_each_other(
    database: AsyncConnection[Any], database_url: str, homes: list[int]
) -> None:
    clock = Clock()
    await report_now(database, *(dry(home_id=n) for n in range(1, 41)), press(1, home_id=41), now=NOON)
    async with escalate(escalator(database_url, clock, batch=10)):
        await none_due(database, clock.now)
    leaves = Counter(row[6] for row in await to_people(database))
    assert leaves == {NOON: 2, NOON + timedelta(seconds=60): 39}


async def test_a_policy_of_the_area_counts_from_its_writing_on(
    database: AsyncConnection[Any], database_url: str, homes: list[int]
) -> None:
    clock = Clock()
    async with escalate(escalator(database_url, clock)):
        await report_now(database, press(1, home_id=1), now=NOON)
        await none_due(database, clock.now)
        (area_id,) = await (await database.execute("SELECT area_id FROM area")).fetchone() or (0,)
        only_backup = '[[ladder]]\nname = "x"\nrepeat_s = 60\n[[ladder.step]]\nafter_s = 0\ntell = [{ who = "backup" }]'
        await storing.write(database, area_id, read(only_backup), now=clock.now, by="test")
        await report_now(database, press(2, home_id=2), now=NOON)
        await none_due(database, clock.now)
    assert [row[:2] for row in await to_people(database)] == [(1, "duty-1"), (2, "duty-2")]


async def test_a_policy_that_cannot_be_read_is_passed_over(
    database: AsyncConnection[Any], database_url: str, homes: list[int]
) -> None:
    clock = Clock()
    await database.execute(
        "INSERT INTO escalation_policy (area_id, definition, changed_at, changed_by)"
        """ SELECT area_id, '{"later": 1}', now(), 'test' FROM area"""
    )
    await report_now(database, press(1, home_id=1), now=NOON)
    with capture_logs() as logged:
        async with escalate(escalator(database_url, clock)):
            await none_due(database, clock.now)
    assert [row[1] for row in await to_people(database)] == ["duty-1"]
    assert "escalation_policy_unreadable" in {line["event"] for line in logged}


async def test_an_alert_of_the_release_before_is_told_too(
    database: AsyncConnection[Any], database_url: str, homes: list[int]
) -> None:
    await report_now(database, press(1, home_id=homes[0]), now=NOON)
    await database.execute("DELETE FROM escalation")  # that release knows nothing of it
    clock = Clock()
    async with escalate(escalator(database_url, clock)):

        async def told() -> bool:
            return len(await to_people(database)) == 1

        await soon(told)
