"""The loop for what cannot wait.

Claims woken presses and falls, judges them, and hands the findings on in the same transaction.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from psycopg import AsyncConnection

from alerts import findings
from alerts.findings import Finding
from devices.model import EventKind
from rules import metrics
from rules.engine import utc_now
from rules.errors import SURVIVABLE
from rules.library import fall, sos
from rules.woken import Event, Woken
from storage.pool import is_passing_fault
from storage.sql import load

_SQL = load(__package__, "wake.sql")
_log = structlog.get_logger()

Judge = Callable[[Woken, datetime], tuple[Finding, ...]]

JUDGES: Final[Mapping[str, Judge]] = {
    EventKind.BUTTON_PRESS: sos.judge,
    EventKind.FALL: fall.judge,
    EventKind.FALL_CANCELLED: fall.judge_cancelled,
}
"""What judges each waking kind; any other kind that woke us raises nothing."""

_TOGETHER: Final = 50
_TRY_AGAIN: Final = timedelta(seconds=5)


@dataclass(slots=True)
class Waker:
    """Judges what wakes. A wake that cannot be judged stays and is tried again every few seconds; the others go on.

    Attributes:
        clock: the wall clock, or a simulated one.
    """

    clock: Callable[[], datetime] = utc_now
    _set_aside: dict[int, datetime] = field(default_factory=dict)

    async def drain(self, conn: AsyncConnection[Any]) -> bool:
        """Judges every wake that nobody else is judging.

        Args:
            conn: an autocommit connection; each batch is one transaction.

        Returns:
            Whether wakes are left: with others, or set aside.

        Raises:
            psycopg.Error: a passing fault of the database; what was claimed is given back.
        """
        now = self.clock()
        self._set_aside = {wake_id: until for wake_id, until in self._set_aside.items() if until > now}
        limit = _TOGETHER
        while True:
            try:
                taken = await self._judge(conn, limit)
            except SURVIVABLE as error:
                if is_passing_fault(error):
                    raise
                if limit > 1:
                    limit = 1
                    continue
                await self._set_first_aside(conn, error)
                continue
            if taken < limit:
                break
        row = await (await conn.execute(_SQL.waiting)).fetchone()
        waiting = int(row[0]) if row is not None else 0
        metrics.WAKES_WAITING.set(waiting)
        return waiting > len(self._set_aside)

    async def _judge(self, conn: AsyncConnection[Any], limit: int) -> int:
        async with conn.transaction():
            rows = await self._claim(conn, limit)
            if not rows:
                return 0
            now = self.clock()
            woken = [_woken(row) for row in rows]
            found = [finding for event in woken if event is not None for finding in judge(event, now)]
            if found:
                await findings.report(conn, found, now)
        done = self.clock()
        for event in woken:
            if event is None:
                metrics.WAKES.labels("event_missing").inc()
                _log.error("woken_event_missing")
                continue
            metrics.WAKES.labels("judged").inc()
            metrics.WAKE_SECONDS.observe(max(0.0, (done - event.event.received_at).total_seconds()))
        for finding in found:
            metrics.FINDINGS.labels(finding.kind, finding.verdict).inc()
        return len(rows)

    async def _claim(self, conn: AsyncConnection[Any], limit: int) -> Sequence[Sequence[Any]]:
        cursor = await conn.execute(
            _SQL.claim,
            {
                "wakes": limit,
                "without": list(self._set_aside),
                "fall": EventKind.FALL,
                "fall_cancelled": EventKind.FALL_CANCELLED,
                "cancel_within": fall.CANCEL_WITHIN,
            },
        )
        return await cursor.fetchall()

    async def _set_first_aside(self, conn: AsyncConnection[Any], error: Exception) -> None:
        async with conn.transaction(force_rollback=True):
            rows = await self._claim(conn, 1)
        for row in rows:
            self._set_aside[row[0]] = self.clock() + _TRY_AGAIN
            metrics.WAKES.labels("set_aside").inc()
            _log.error("wake_set_aside", wake_id=row[0], event_id=row[1], exc_info=error)


def judge(woken: Woken, now: datetime) -> tuple[Finding, ...]:
    """What a woken event means, by the rule of its kind. Pure."""
    rule = JUDGES.get(woken.kind)
    return () if rule is None else rule(woken, now)


def _woken(row: Sequence[Any]) -> Woken | None:
    (
        _,
        event_id,
        kind,
        device,
        measured_at,
        received_at,
        home_id,
        area_id,
        fall_id,
        fall_at,
        fall_received,
        cancelled,
    ) = row
    if kind is None:
        return None
    return Woken(
        kind=kind,
        device=device,
        event=Event(event_id=event_id, measured_at=measured_at, received_at=received_at),
        home_id=home_id,
        area_id=area_id,
        fall=None if fall_id is None else Event(event_id=fall_id, measured_at=fall_at, received_at=fall_received),
        cancelled_at=cancelled,
    )


async def wait_for_wake(conn: AsyncConnection[Any], timeout_s: float) -> bool:
    """Waits until something wakes or the time is up; returns whether something woke."""
    async for _ in conn.notifies(timeout=timeout_s, stop_after=1):
        return True
    return False


async def listen(conn: AsyncConnection[Any]) -> None:
    """Makes an autocommit connection hear of wakes."""
    await conn.execute(_SQL.listen)
