"""The loop for what cannot wait.

Claims woken presses and falls, judges them, and hands the findings on in the same transaction. What may wait a moment
(a fall for its cancellation, a raised one for what follows, raw acceleration for the arithmetic on it) stands in the
same table with the time from which it is judged, and is taken when no call is left.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row

from alerts import findings
from alerts.findings import Reason
from devices.model import EventKind
from registry.policy import DEFAULTS, Policy, resolve_homes
from rules import metrics
from rules.engine import utc_now
from rules.errors import SURVIVABLE
from rules.library import fall, fall_followup, sos
from rules.loading import Claimed, load_snapshots
from rules.waking import concerns_a_fall, followed_home, woken_from
from rules.woken import Answer, Woken
from storage.pool import is_passing_fault
from storage.sql import load

_SQL = load(__package__, "wake.sql")
_log = structlog.get_logger()

Judge = Callable[[Woken, datetime], Answer]

JUDGES: Final[Mapping[str, Judge]] = {
    EventKind.BUTTON_PRESS: sos.judge,
    EventKind.FALL: fall.judge,
    EventKind.FALL_CANCELLED: fall.judge_cancelled,
    EventKind.ACCELERATION_BURST: fall.judge_burst,
}
"""What judges each waking kind; any other kind that woke us raises nothing."""

_TOGETHER: Final = 50
_LATER_TOGETHER: Final = 4  # each may be arithmetic or the whole snapshot of a home, and a call may come meanwhile
_TRY_AGAIN: Final = timedelta(seconds=5)
_FOLLOWED_WITHIN: Final = timedelta(days=2)


@dataclass(slots=True)
class Waker:
    """Judges what wakes. A wake that cannot be judged stays and is tried again every few seconds; the others go on.

    Attributes:
        clock: the wall clock, or a simulated one.
        defaults: the limits where no policy says anything.
    """

    clock: Callable[[], datetime] = utc_now
    defaults: Policy = DEFAULTS
    _set_aside: dict[int, datetime] = field(default_factory=dict)

    async def drain(self, conn: AsyncConnection[Any]) -> bool:
        """Judges every wake that is due and that nobody else is judging: all calls first, then what may wait.

        Args:
            conn: an autocommit connection; each batch is one transaction.

        Returns:
            Whether wakes are left: with others, or set aside.

        Raises:
            psycopg.Error: a passing fault of the database; what was claimed is given back.
        """
        now = self.clock()
        self._set_aside = {wake_id: until for wake_id, until in self._set_aside.items() if until > now}
        await self._drain_calls(conn)
        if (waiting := await self._waiting(conn)) > len(self._set_aside):
            while await self._judge_some(conn, _LATER_TOGETHER, calls=False) == _LATER_TOGETHER:
                await self._drain_calls(conn)
            waiting = await self._waiting(conn)
        metrics.WAKES_WAITING.set(waiting)
        return waiting > len(self._set_aside)

    async def _waiting(self, conn: AsyncConnection[Any]) -> int:
        row = await (await conn.execute(_SQL.waiting, {"now": self.clock()})).fetchone()
        return int(row[0]) if row is not None else 0

    async def _drain_calls(self, conn: AsyncConnection[Any]) -> None:
        while await self._judge_some(conn, _TOGETHER, calls=True) == _TOGETHER:
            pass

    async def _judge_some(self, conn: AsyncConnection[Any], limit: int, *, calls: bool) -> int:
        """Judges up to `limit`; where they fail together, each alone. Fewer than the limit: no more are left."""
        try:
            return await self._judge(conn, limit, calls=calls)
        except SURVIVABLE as error:
            if is_passing_fault(error):
                raise
        while True:
            try:
                if not await self._judge(conn, 1, calls=calls):
                    return 0
            except SURVIVABLE as error:
                if is_passing_fault(error):
                    raise
                await self._set_first_aside(conn, error, calls=calls)

    async def _judge(self, conn: AsyncConnection[Any], limit: int, *, calls: bool) -> int:
        async with conn.transaction():
            rows = await self._claim(conn, limit, calls=calls)
            if not rows:
                return 0
            cancel_s = await self._cancel_s(conn, rows)
            now = self.clock()
            woken = {
                row["wake_id"]: woken_from(
                    row, cancel_s=cancel_s.get(row["wake_id"], 0.0), followed=await self._followed(conn, row, now)
                )
                for row in rows
                if row["kind"] is not None
            }
            answers = {wake_id: judge(event, now) for wake_id, event in woken.items()}
            found = [finding for answer in answers.values() for finding in answer.findings]
            if found:
                await findings.report(conn, found, now)
            for row in rows:
                answer = answers.get(row["wake_id"])
                if answer is not None and answer.again_at is not None:
                    await conn.execute(
                        _SQL.put_back,
                        {
                            "event_id": row["event_id"],
                            "created_at": row["created_at"],
                            "judge_at": answer.again_at,
                        },
                    )
        self._count(rows, woken, answers)
        for finding in found:
            metrics.FINDINGS.labels(finding.kind, finding.verdict).inc()
        return len(rows)

    def _count(self, rows: Sequence[DictRow], woken: Mapping[int, Woken], answers: Mapping[int, Answer]) -> None:
        done = self.clock()
        for row in rows:
            event = woken.get(row["wake_id"])
            if event is None:
                metrics.WAKES.labels("event_missing").inc()
                _log.error("woken_event_missing")
                continue
            if answers[row["wake_id"]].findings and event.told is None:
                due = event.event.received_at if row["judge_at"] is None else row["judge_at"]
                metrics.WAKE_SECONDS.observe(max(0.0, (done - due).total_seconds()))
            metrics.WAKES.labels("judged" if answers[row["wake_id"]].again_at is None else "put_back").inc()

    async def _claim(self, conn: AsyncConnection[Any], limit: int, *, calls: bool) -> Sequence[DictRow]:
        async with conn.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(
                _SQL.claim,
                {
                    "wakes": limit,
                    "calls": calls,
                    "now": self.clock(),
                    "without": list(self._set_aside),
                    "fall": EventKind.FALL,
                    "fall_cancelled": EventKind.FALL_CANCELLED,
                    "burst": EventKind.ACCELERATION_BURST,
                    "falls": [EventKind.FALL, EventKind.ACCELERATION_BURST],
                    "of_a_fall": [EventKind.FALL_CANCELLED, EventKind.ACCELERATION_BURST],
                    "cancel_within": fall.CANCEL_WITHIN,
                },
            )
            return await cursor.fetchall()

    async def _cancel_s(self, conn: AsyncConnection[Any], rows: Sequence[DictRow]) -> dict[int, float]:
        """For each wake that concerns a fall, how long one waits for its cancellation there."""
        # What serves no home has the limits of its area. No home has a negative number, and no area the number 0.
        asked = {
            row["wake_id"]: (-row["wake_id"] if row["home_id"] is None else row["home_id"], row["area_id"] or 0)
            for row in rows
            if concerns_a_fall(row)
        }
        if not asked:
            return {}
        resolved = await resolve_homes(conn, dict(asked.values()), defaults=self.defaults)
        return {wake_id: resolved[home_id].policy.fall_cancel_s for wake_id, (home_id, _) in asked.items()}

    async def _followed(self, conn: AsyncConnection[Any], row: DictRow, now: datetime) -> tuple[Reason, ...] | None:
        home_id = followed_home(row)
        if home_id is None:
            return None
        home = Claimed(home_id=home_id, due_at=now, rearmed=0, looked_until=row["measured_at"])
        snapshots = await load_snapshots(
            conn, [home], hearing=None, defaults=self.defaults, late_window=_FOLLOWED_WITHIN, now=now
        )
        return fall_followup.followed(snapshots[0], row["measured_at"], now) if snapshots else None

    async def _set_first_aside(self, conn: AsyncConnection[Any], error: Exception, *, calls: bool) -> None:
        async with conn.transaction(force_rollback=True):
            rows = await self._claim(conn, 1, calls=calls)
        for row in rows:
            self._set_aside[row["wake_id"]] = self.clock() + _TRY_AGAIN
            metrics.WAKES.labels("set_aside").inc()
            _log.error("wake_set_aside", wake_id=row["wake_id"], event_id=row["event_id"], exc_info=error)


def judge(woken: Woken, now: datetime) -> Answer:
    """What a woken event means, by the rule of its kind. Pure."""
    rule = JUDGES.get(woken.kind)
    return Answer() if rule is None else rule(woken, now)


async def wait_for_wake(conn: AsyncConnection[Any], timeout_s: float) -> bool:
    """Waits until something wakes or the time is up; returns whether something woke."""
    async for _ in conn.notifies(timeout=timeout_s, stop_after=1):
        return True
    return False


async def listen(conn: AsyncConnection[Any]) -> None:
    """Makes an autocommit connection hear of wakes."""
    await conn.execute(_SQL.listen)
