"""The dispatcher between real databases and HTTP receivers: order, repetition, outages, dead and frozen processes."""

import asyncio
import contextlib
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import pytest
from psycopg import AsyncConnection
from structlog.testing import capture_logs

from alerts.channels.webhook import WebhookChannel
from alerts.dispatch import Dispatcher
from alerts.findings import Finding
from alerts.worker import AlertsOptions, run
from storage.pool import connect
from tests import warm
from tests.alert_cases import (
    NOON,
    SECRET,
    Answer,
    Received,
    Receiver,
    dry,
    entries,
    press,
    receiver,
    register_homes,
    report_now,
    soon,
    status,
)
from tests.servers import Postgres, eventually
from tests.warm import WarmProcess


@pytest.fixture
async def homes(database: AsyncConnection[Any]) -> list[int]:
    return await register_homes(database, 3)


def now() -> datetime:
    return datetime.now(UTC)


@contextlib.asynccontextmanager
async def dispatching(
    database_url: str, url: str | None, *, worker: str = "test", slots: int = 8, timeout_s: float = 5.0
) -> AsyncIterator[asyncio.Task[None]]:
    """The alerts role within this process; whatever it raises fails the test."""
    stop = asyncio.Event()
    webhook = None if url is None else WebhookChannel(url=url, secrets=[SECRET], source="anju", timeout_s=timeout_s)
    options = AlertsOptions(
        database_url=database_url,
        worker=worker,
        channels=[] if webhook is None else [webhook],
        urgent_slots=slots,
        other_slots=slots,
    )
    task = asyncio.create_task(run(options, stop=stop))
    try:
        yield task
    finally:
        stop.set()
        await asyncio.wait_for(task, 15)


async def count(conn: AsyncConnection[Any], state: str) -> int:
    row = await (await conn.execute("SELECT count(*) FROM notification WHERE state = %s", [state])).fetchone()
    assert row is not None
    return int(row[0])


async def all_accepted(conn: AsyncConnection[Any], messages: int, timeout_s: float = 10.0) -> None:
    async def accepted() -> bool:
        return await count(conn, "accepted") == messages

    await soon(accepted, timeout_s)


async def attempts(conn: AsyncConnection[Any]) -> list[tuple[int, str, str]]:
    cursor = await conn.execute("SELECT attempt, result, reason FROM notification_attempt ORDER BY started_at, attempt")
    return [(row[0], row[1], row[2]) for row in await cursor.fetchall()]


def turns(*answers: Answer) -> Answer:
    """One answer after the other, then the last for ever."""
    waiting = list(answers)

    async def answer(request: Received, writer: asyncio.StreamWriter) -> None:
        await (waiting.pop(0) if len(waiting) > 1 else waiting[0])(request, writer)

    return answer


def slow(delay_s: float, code: int = 204) -> Answer:
    async def answer(request: Received, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(delay_s)
        await status(code)(request, writer)

    return answer


async def test_a_press_reaches_the_desk_and_is_recorded(
    database: AsyncConnection[Any], database_url: str, homes: list[int]
) -> None:
    async with receiver(status(200, "x-request-id: abc")) as desk, dispatching(database_url, desk.url):
        await report_now(database, press(1), now=now())
        await all_accepted(database, 1)
        (event,) = desk.events
    assert (event["type"], event["data"]["home"], event["data"]["alert_id"]) == ("anju.alert.raised", "Door 1", 1)
    row = await (
        await database.execute("SELECT attempt, result, reason, provider_id FROM notification_attempt")
    ).fetchone()
    assert row == (1, "accepted", "ok", "abc")
    leases = await (await database.execute("SELECT lease_until, leased_by FROM notification")).fetchone()
    assert leases == (None, None)


@pytest.mark.alone
async def test_from_report_to_the_desk_in_milliseconds(
    database: AsyncConnection[Any], database_url: str, homes: list[int], record_property: Callable[[str, object], None]
) -> None:
    spans_s: list[float] = []
    async with receiver() as desk, dispatching(database_url, desk.url):
        for event_id in range(60):
            before = len(desk.received)
            await report_now(database, press(event_id), now=now())
            committed = asyncio.get_running_loop().time()
            while len(desk.received) == before:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            spans_s.append(desk.received[-1].at - committed)
    record_property("commit_to_desk_p50_ms", round(median(spans_s[10:]) * 1000, 2))
    print(f"commit to desk: p50 {median(spans_s[10:]) * 1000:.2f} ms, max {max(spans_s[10:]) * 1000:.2f} ms")
    # Wide enough for a busy machine, and far below the poll that stands behind a lost notification.
    assert median(spans_s[10:]) < 0.1


async def test_refused_messages_come_again_under_the_same_id(
    database: AsyncConnection[Any], database_url: str, homes: list[int]
) -> None:
    async def cut(_: Received, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with receiver(turns(status(500), cut, status(204))) as desk, dispatching(database_url, desk.url):
        await report_now(database, press(1), now=now())
        await all_accepted(database, 1)
        assert len({request.headers["webhook-id"] for request in desk.received}) == 1
        assert len({request.headers["webhook-signature"] for request in desk.received}) >= 1
    assert await attempts(database) == [
        (1, "try_again", "server_fault"),
        (2, "try_again", "connection_lost"),
        (3, "accepted", "ok"),
    ]


async def test_gone_is_given_up_entered_and_logged(
    database: AsyncConnection[Any], database_url: str, homes: list[int]
) -> None:
    async def given_up() -> bool:
        return await count(database, "given_up") == 1

    with capture_logs() as logged:
        async with receiver(status(410)) as desk, dispatching(database_url, desk.url):
            await report_now(database, press(1), now=now())
            await soon(given_up)
    assert await attempts(database) == [(1, "give_up", "gone")]
    assert await entries(database) == ["raised", "message_given_up"]
    assert [line["log_level"] for line in logged if line["event"] == "message_given_up"] == ["error"]


@pytest.mark.parametrize("code", [400, 401, 403, 404])
async def test_a_wrong_setting_keeps_the_message(
    database: AsyncConnection[Any], database_url: str, homes: list[int], code: int
) -> None:
    async def tried() -> bool:
        return len(await attempts(database)) == 1

    async with receiver(status(code)) as desk, dispatching(database_url, desk.url):
        started = now()
        await report_now(database, press(1), now=started)
        await soon(tried)
    row = await (await database.execute("SELECT state, next_attempt_at FROM notification")).fetchone()
    assert row is not None
    assert row[0] == "pending"
    assert timedelta(seconds=40) < row[1] - started < timedelta(seconds=90)


async def test_without_a_webhook_nothing_is_lost_and_the_log_says_so(
    database: AsyncConnection[Any], database_url: str, homes: list[int]
) -> None:
    await report_now(database, press(1), now=now() - timedelta(days=3))
    with capture_logs() as logged:
        async with dispatching(database_url, None):
            await eventually(lambda: [line for line in logged if line["event"] == "messages_without_address"])
    assert await count(database, "pending") == 1
    # However old it is by now: it gets its first attempt.
    async with receiver() as desk, dispatching(database_url, desk.url):
        await all_accepted(database, 1)


async def report_many(database: AsyncConnection[Any], others: int, urgent: int) -> None:
    """A pile of messages, the urgent ones written last."""
    at = now() - timedelta(seconds=30)
    await register_homes_to(database, others)
    pile = [dry(home_id=home) for home in range(1, others + 1)]
    await report_now(database, *pile, now=at)
    presses: list[Finding] = [press(n, home_id=n) for n in range(1, urgent + 1)]
    await report_now(database, *presses, now=at + timedelta(seconds=1))


async def register_homes_to(conn: AsyncConnection[Any], count: int) -> None:
    await conn.execute(
        "INSERT INTO home (area_id, name, time_zone) SELECT max(area_id), 'More ' || n, 'Asia/Shanghai'"
        " FROM area, generate_series(1, %s) n GROUP BY n",
        [count],
    )


@pytest.mark.alone
async def test_of_500_waiting_the_urgent_go_first_and_past_a_slow_receiver(
    database: AsyncConnection[Any], database_url: str, homes: list[int]
) -> None:
    await report_many(database, others=480, urgent=20)

    async def answer(request: Received, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.2)
        await status(204)(request, writer)

    async with receiver(answer) as desk, dispatching(database_url, desk.url, slots=10):
        await eventually(lambda: len(desk.received) >= 60, 20)
        severities = [event["data"]["severity"] for event in desk.events[:60]]
        assert set(severities[:10]) == {"urgent"}
        assert severities[:40].count("urgent") == 20
        # While every slot of the others is busy, a fresh press still goes at once.
        await report_now(database, press(9001, home_id=400), now=now())
        asked = asyncio.get_running_loop().time()
        (fresh,) = await eventually(
            lambda: [r for r in desk.received if r.event["data"]["evidence"] == {"event_id": 9001}], interval_s=0.005
        )
        assert fresh.at - asked < 0.15
        # Far from the end of the pile.
        assert len(desk.received) < 250


async def test_two_dispatchers_share_the_work_and_send_nothing_twice(
    database: AsyncConnection[Any], database_url: str, homes: list[int]
) -> None:
    await report_many(database, others=150, urgent=10)
    async with (
        receiver(slow(0.01)) as desk,
        dispatching(database_url, desk.url, worker="one"),
        dispatching(database_url, desk.url, worker="two"),
    ):
        await all_accepted(database, 160, 30)
        assert Counter(Counter(request.headers["webhook-id"] for request in desk.received).values()) == {1: 160}


async def test_a_slow_answer_outlives_the_first_lease_and_is_not_sent_twice(
    database: AsyncConnection[Any], database_url: str, homes: list[int]
) -> None:
    stop = asyncio.Event()
    async with (
        receiver(slow(1.5)) as desk,
        WebhookChannel(url=desk.url, secrets=(SECRET,), source="anju") as webhook,
        asyncio.TaskGroup() as group,
    ):
        for name in ("one", "two"):
            dispatcher = Dispatcher(database_url=database_url, channels=[webhook], worker=name, clock=now, lease_s=0.5)
            group.create_task(dispatcher.run(stop))
        await report_now(database, press(1), now=now())
        await all_accepted(database, 1)
        stop.set()
        assert len(desk.received) == 1


@contextlib.asynccontextmanager
async def worker_process(database_url: str, desk: Receiver) -> AsyncIterator[WarmProcess]:
    process = await asyncio.to_thread(warm.start, "tests.alert_worker_process", database_url, desk.url, SECRET)
    try:
        yield process
    finally:
        await asyncio.to_thread(process.end)


@pytest.mark.parametrize("cruelty", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
async def test_message_of_a_dead_or_frozen_process_is_sent_again_under_the_same_id(
    database: AsyncConnection[Any], database_url: str, homes: list[int], cruelty: signal.Signals
) -> None:
    released = asyncio.Event()

    async def hang_first(request: Received, writer: asyncio.StreamWriter) -> None:
        if len(desk.received) == 1:
            await released.wait()
        await status(204)(request, writer)

    async with receiver(hang_first) as desk, worker_process(database_url, desk) as process:
        await report_now(database, press(1), now=now())
        await eventually(lambda: desk.received, 30)
        process.send_signal(cruelty)
        row = await (await database.execute("SELECT lease_until FROM notification")).fetchone()
        assert row is not None
        lease_until: datetime = row[0]
        assert lease_until - now() <= timedelta(seconds=5)
        async with dispatching(database_url, desk.url, worker="other"):
            await all_accepted(database, 1, 30)
            # As soon as the lease is over: on the clock of who sent it, however long it then took to get here.
            row = await (
                await database.execute("SELECT started_at FROM notification_attempt WHERE attempt = 2")
            ).fetchone()
            assert row is not None
            assert timedelta() <= row[0] - lease_until < timedelta(seconds=3)
            released.set()
            if cruelty is signal.SIGSTOP:
                # It wakes up, gets its answer late and records it: nothing is undone.
                process.send_signal(signal.SIGCONT)

                async def both_recorded() -> bool:
                    return len(await attempts(database)) == 2

                await soon(both_recorded)
        first, second = desk.received
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert first.event == second.event
    assert await count(database, "accepted") == 1
    assert [number for number, *_ in sorted(await attempts(database))] == ([2] if cruelty is signal.SIGKILL else [1, 2])


async def test_worker_process_stops_cleanly(
    database_url: str, database: AsyncConnection[Any], homes: list[int]
) -> None:
    async with receiver() as desk, worker_process(database_url, desk) as process:
        await report_now(database, press(1), now=now())
        await eventually(lambda: desk.received, 30)
        await all_accepted(database, 1)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 10) == 0


async def test_outage_of_the_database_while_a_message_is_on_its_way(durable_postgres: Postgres) -> None:
    released = asyncio.Event()

    async def hold(request: Received, writer: asyncio.StreamWriter) -> None:
        await released.wait()
        await status(204)(request, writer)

    url = durable_postgres.url
    async with receiver(hold) as desk, dispatching(url, desk.url, timeout_s=30) as task:
        async with await connect(url, application_name="test", autocommit=True) as conn:
            await register_homes(conn, 1)
            await report_now(conn, press(1), now=now())
            await eventually(lambda: desk.received)
        await asyncio.to_thread(durable_postgres.crash)
        released.set()
        await durable_postgres.restart(after_s=0.5)
        async with await connect(url, application_name="test", autocommit=True) as conn:
            await all_accepted(conn, 1, 20)
            # Who listened before the crash listens again.
            await report_now(conn, press(2, since=NOON), now=now())
            await all_accepted(conn, 2, 20)
        assert not task.done()
        assert len({request.headers["webhook-id"] for request in desk.received}) == 2
