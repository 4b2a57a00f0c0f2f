"""A storm of 500 calls for help, and a worker that is killed again and again in the middle of it."""

import asyncio
import contextlib
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import pytest
from psycopg import AsyncConnection

from alerts.escalation import storing
from alerts.escalation.policy import read
from tests import warm
from tests.alert_cases import Received, Receiver, press, receiver, register_homes, report_now, soon, status
from tests.escalation_town import enrol, on_roster
from tests.warm import WarmProcess

_ALERTS: Final = 500
_KILLS: Final = 8
_STEPS: Final = {0: ("duty-1",), 100: ("duty-1", "duty-2"), 200: ("chief",)}
_LADDER: Final = """
[[ladder]]
name = "quick"
repeat_s = 86400
[[ladder.step]]
after_s = 0
tell = [{ who = "duty", by = ["sms"] }]
[[ladder.step]]
after_s = 5
tell = [{ who = "duty", by = ["sms"] }, { who = "backup", by = ["sms"] }]
[[ladder.step]]
after_s = 10
tell = [{ who = "supervisor", by = ["sms"] }]
"""


class Worker:
    """The process, started again after each kill."""

    def __init__(self, database_url: str, operator: Receiver) -> None:
        self._arguments = (database_url, operator.url)
        self._process: WarmProcess | None = None

    async def start(self) -> None:
        self._process = await asyncio.to_thread(warm.start, "tests.escalation_worker_process", *self._arguments)

    async def kill(self) -> None:
        assert self._process is not None
        await asyncio.to_thread(self._process.end)


@contextlib.asynccontextmanager
async def working(database_url: str, operator: Receiver) -> AsyncIterator[Worker]:
    worker = Worker(database_url, operator)
    await worker.start()
    try:
        yield worker
    finally:
        await worker.kill()


async def answer(request: Received, writer: asyncio.StreamWriter) -> None:
    """An operator who takes a moment: so there is always something on its way."""
    await asyncio.sleep(0.03)
    await status(204)(request, writer)


@pytest.mark.slow
async def test_killed_at_any_point_every_step_is_carried_out_and_nothing_is_lost(
    database: AsyncConnection[Any], database_url: str
) -> None:
    await register_homes(database, _ALERTS)
    await enrol(database, {key: ["sms"] for key in ("duty-1", "duty-2", "chief")})
    for role, key in (("duty", "duty-1"), ("backup", "duty-2"), ("supervisor", "chief")):
        await on_roster(database, role, key)
    await storing.write(database, None, read(_LADDER), now=datetime.now(UTC), by="test")
    chance = random.Random(5)
    async with receiver(answer) as operator, working(database_url, operator) as worker:
        for kill in range(_KILLS):
            if kill < 5:
                homes = range(kill * 100 + 1, kill * 100 + 101)
                await report_now(database, *(press(n, home_id=n) for n in homes), now=datetime.now(UTC))
            await soon(partial(_grown, operator, len(operator.received)), 30)
            # Wherever it is then: at its beginning, or steps later.
            await asyncio.sleep(chance.uniform(0.0, 0.8) if kill % 2 else chance.uniform(1.0, 4.0))
            await worker.kill()
            await worker.start()
        await soon(partial(_all_done, database), 120)
    await _judge(database, operator)


async def _grown(operator: Receiver, seen: int) -> bool:
    return len(operator.received) > seen


async def _all_done(conn: AsyncConnection[Any]) -> bool:
    row = await (
        await conn.execute(
            "SELECT (SELECT count(*) FROM escalation WHERE round > 0),"
            " (SELECT count(*) FROM notification WHERE state = 'pending')"
        )
    ).fetchone()
    return row == (_ALERTS, 0)


async def _judge(conn: AsyncConnection[Any], operator: Receiver) -> None:
    # Each step of each alert, exactly once.
    carried = Counter[tuple[int, int]]()
    told = defaultdict[int, set[str]](set)
    together: list[list[int]] = []
    cursor = await conn.execute("SELECT alert_id, detail FROM alert_entry WHERE action = 'told'")
    for alert_id, detail in await cursor.fetchall():
        carried.update((alert_id, step) for step in detail["steps"])
        together.append(detail["steps"])
        told[alert_id].update(detail["people"])
    assert carried == Counter((alert, step) for alert in range(1, _ALERTS + 1) for step in _STEPS)
    assert all(people == {"duty-1", "duty-2", "chief"} for people in told.values())
    # Every message that was written has come to the operator, and each alert to each person.
    cursor = await conn.execute(
        "SELECT n.notification_id::text, n.alert_id, n.recipient, n.attempts,"
        " (SELECT count(*) FROM notification_attempt t WHERE t.notification_id = n.notification_id),"
        " state <> 'withdrawn' AND bundled_into IS NULL"
        " FROM notification n"
    )
    written = {row[0]: row for row in await cursor.fetchall()}
    posted = Counter(request.event["id"] for request in operator.received)
    # A step withdraws what still waits for the same person: also what came, if its answer was lost with the worker.
    assert {key for key, row in written.items() if row[5]} <= set(posted)
    reached = {(request.event["alert_id"], request.event["to"]) for request in operator.received}
    assert reached == {
        (alert, to) for alert in range(1, _ALERTS + 1) for to in ("default", "duty-1", "duty-2", "chief")
    }
    # It came again only where its answer was never seen, and under the same id.
    for notification_id, times in posted.items():
        _, _, _, attempts, recorded, _ = written[notification_id]
        assert times <= attempts
        if times > 1:
            assert recorded < attempts
    wording = defaultdict[str, set[str]](set)
    for request in operator.received:
        wording[request.event["id"]].add(str((request.event["alert_id"], request.event["to"], request.event["type"])))
    assert {len(each) for each in wording.values()} == {1}
    again = sum(times - 1 for times in posted.values())
    apart = sum(len(steps) == 1 for steps in together)
    print(f"{apart} of {len(together)} tellings were of one step")
    print(f"{len(posted)} messages, {again} sent again after {_KILLS} kills")
