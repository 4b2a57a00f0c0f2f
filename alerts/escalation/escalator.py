"""The task that carries out what is due: claims alerts, plans each, writes all that comes of it, in one transaction.

What a killed process had begun is undone by the database, and the next one does it; there is no lease to wait for.
"""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import psycopg
import structlog
from psycopg import AsyncConnection

from alerts.connection import while_connected
from alerts.errors import Refused
from alerts.escalation import circle, claiming, metrics, writing
from alerts.escalation.circle import Kept
from alerts.escalation.claiming import Claimed
from alerts.escalation.composing import loaded
from alerts.escalation.model import Action, Circle, Due, Load, Planned
from alerts.escalation.plan import plan
from alerts.life import cases, commands
from alerts.life.commands import By
from alerts.metrics import LOOP_TURNED
from storage import sql
from storage.pool import is_passing_fault

log = structlog.get_logger()

_Q = sql.load(__package__, "escalation.sql")
_LISTEN: Final = _Q.listen
_BE_PATIENT: Final = _Q.be_patient
_POLL_S: Final = 1.0
_ADOPT_EVERY_S: Final = 60.0
_AT_ONCE_S: Final = 0.02
"""Alerts that are due and were not claimed: somebody is changing them just now."""


class Escalator:
    """One escalator of any number on the same database.

    Args:
        database_url: Where the alerts are.
        worker: The name of this process, for the log.
        clock: Gives the time (aware); tests pass their own.
        channels: The names of the ways out that this installation has (`sms`, `voice`, `chat`, `webhook`).
        batch: How many alerts one transaction takes.
    """

    def __init__(
        self,
        *,
        database_url: str,
        worker: str,
        clock: Callable[[], datetime],
        channels: frozenset[str],
        batch: int = 100,
    ) -> None:
        self._database_url = database_url
        self._worker = worker
        self._clock = clock
        self._channels = channels
        self._batch = batch
        self._kept = Kept()
        self._wake = asyncio.Event()
        self._stopping = False

    async def run(self, stop: asyncio.Event) -> None:
        """Escalates until `stop` is set.

        Raises:
            psycopg.Error: The database reports a fault that would not pass.
        """
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(
                while_connected(self._database_url, "escalation-listen", self._listen), name="escalation-listen"
            )
            working = group.create_task(while_connected(self._database_url, "escalate", self._work), name="escalate")
            await stop.wait()
            self._stopping = True
            self._wake.set()
            await asyncio.wait([working], timeout=2.0)
            for task in (listening, working):
                task.cancel()

    async def _listen(self, conn: AsyncConnection[Any]) -> None:
        await conn.execute(_LISTEN)
        self._wake.set()
        async for _ in conn.notifies():
            self._wake.set()

    async def _work(self, conn: AsyncConnection[Any]) -> None:
        await conn.execute(_BE_PATIENT)
        adopted_s, loop = float("-inf"), asyncio.get_running_loop()
        while not self._stopping:
            self._wake.clear()
            if loop.time() - adopted_s >= _ADOPT_EVERY_S:
                adopted_s = loop.time()
                await self._adopt(conn)
            carried_out = await self.carry_out(conn)
            LOOP_TURNED.labels("escalate").set(self._clock().timestamp())
            if carried_out == self._batch:
                continue
            wait_s = await self._rest_s(conn)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()

    async def _adopt(self, conn: AsyncConnection[Any]) -> None:
        """Takes up alerts of an earlier release, which may go on running beside us during an upgrade."""
        if found := await cases.adopt(conn, self._clock()):
            log.info("alerts_adopted", worker=self._worker, alerts=len(found))

    async def _rest_s(self, conn: AsyncConnection[Any]) -> float:
        """Until the next alert is due, and no longer than a lost notification may delay."""
        row = await (await conn.execute(_Q.next_due, prepare=True)).fetchone()
        if row is None or row[0] is None:
            return _POLL_S
        due_at: datetime = row[0]
        return min(_POLL_S, max(_AT_ONCE_S, (due_at - self._clock()).total_seconds()))

    async def carry_out(self, conn: AsyncConnection[Any]) -> int:
        """Carries out one batch of what is due, and returns how many alerts that were."""
        locked: list[int] = []
        fault = await self._fault_of(conn, locked, limit=self._batch, only=None)
        if fault is None:
            return len(locked)
        if not locked:
            raise fault
        # Which alert it is shows one by one.
        log.error("escalation_batch_failed", worker=self._worker, alerts=len(locked), error=type(fault).__name__)
        for alert_id in locked:
            if (fault := await self._fault_of(conn, [], limit=1, only=alert_id)) is not None:
                await self._put_off(conn, alert_id, fault)
        return len(locked)

    async def _fault_of(
        self, conn: AsyncConnection[Any], locked: list[int], *, limit: int, only: int | None
    ) -> Exception | None:
        """Carries out what is due, and returns what undid it; a fault that passes is for `while_connected`."""
        try:
            await self._carry_out(conn, locked, limit=limit, only=only)
        except Exception as error:  # the task's boundary: no alert, whatever is wrong with it, may hold up another
            if isinstance(error, psycopg.Error | OSError) and is_passing_fault(error):
                raise
            return error
        return None

    async def _put_off(self, conn: AsyncConnection[Any], alert_id: int, error: Exception) -> None:
        metrics.FAILED.inc()
        log.error("escalation_failed", alert_id=alert_id, error=type(error).__name__, exc_info=error)
        desk = "webhook" in self._channels
        await writing.put_off(conn, alert_id, fault=type(error).__name__, desk=desk, now=self._clock())

    async def _carry_out(self, conn: AsyncConnection[Any], locked: list[int], *, limit: int, only: int | None) -> None:
        now = self._clock()
        async with conn.transaction():
            claimed = await claiming.claim(conn, locked, now=now, limit=limit, only=only)
            around = await self._around(conn, claimed, now)
            loads = await circle.loads(conn, around, now) if circle.needs_loads(claimed) else {}
            planned = [
                (each.due, _planned(each.due, those, loads, now)) for each, those in zip(claimed, around, strict=True)
            ]
            if planned:
                await writing.write(conn, planned, now)
            for due, result in planned:
                if result.lapses:
                    await _lapse(conn, due, now)
        for due, result in planned:
            _report(due, result, now)

    async def _around(self, conn: AsyncConnection[Any], claimed: list[Claimed], now: datetime) -> list[Circle]:
        if not claimed:
            return []
        return await circle.circles(conn, claimed, kept=self._kept, channels=self._channels, now=now)


def _planned(due: Due, around: Circle, loads: dict[int, Load], now: datetime) -> Planned:
    """Plans one alert; `loads` then holds what comes of it for the next one of the batch."""
    result = plan(due, around, loads, now)
    for message in result.messages:
        if message.person is not None:
            person_id = message.person.person_id
            loads[person_id] = loaded(loads.get(person_id, Load()), message, now)
    return result


async def _lapse(conn: AsyncConnection[Any], due: Due, now: datetime) -> None:
    try:
        await commands.lapse(conn, due.alert_id, By(actor="alerts", source="escalation", now=now))
    except Refused as refused:
        # Not ours to decide; it is looked at again.
        log.warning("lapse_refused", alert_id=due.alert_id, error=type(refused).__name__)
        await writing.put_off(conn, due.alert_id, fault=type(refused).__name__, desk=False, now=now)


def _report(due: Due, result: Planned, now: datetime) -> None:
    severity = str(due.case.severity)
    outcome = "lapsed" if result.lapses else "waits" if result.entry is None else str(result.entry.action)
    metrics.CARRIED_OUT.labels(outcome, severity).inc()
    metrics.LAG.observe(max(0.0, (now - due.row.due_at).total_seconds()))
    facts = {"alert_id": due.alert_id, "run": result.run, "round": result.round}
    if result.nobody:
        metrics.NOBODY.inc()
        log.error("nobody_to_tell", **facts, remedy="`anju roster who` and `anju person list` show who can be told")
    if result.entry is None:
        return
    fell = result.entry.detail.get("fell_upward")
    for each in fell if isinstance(fell, list) else ():
        if isinstance(each, dict):
            metrics.FELL_UPWARD.labels(str(each["because"])).inc()
    if result.entry.action is not Action.NOBODY:
        log.info("escalated", **facts, action=str(result.entry.action), messages=len(result.messages), fell=bool(fell))
