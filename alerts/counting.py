"""What the alerts role counts in the database: what waits, what is open, and how soon alerts are taken."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import structlog
from psycopg import AsyncConnection

from alerts import metrics, outbox
from alerts.life import reading
from alerts.life.takings import Takings
from alerts.model import Severity

log = structlog.get_logger()


class Counting:
    """One for each process; `channels` are the ways out that it has."""

    def __init__(self, channels: Collection[str]) -> None:
        self._channels = frozenset(channels)
        self._open: set[tuple[str, str, str]] = set()
        # From zero on: the first must be seen as an increase.
        for name in self._channels:
            metrics.GIVEN_UP.labels(name)
        for severity in Severity:
            metrics.ACKNOWLEDGE.labels(severity)

    async def count(self, conn: AsyncConnection[Any], takings: Takings, now: datetime) -> None:
        """Brings the metrics up to date."""
        await self._waiting(conn, now)
        await self._standing(conn)
        for taking in await takings.fresh():
            metrics.ACKNOWLEDGE.labels(taking.severity).observe(max(0.0, taking.after.total_seconds()))

    async def _waiting(self, conn: AsyncConnection[Any], now: datetime) -> None:
        waiting = await outbox.count_pending(conn)
        for lane in ("urgent", "others"):
            of_lane = [row for row in waiting if row.urgent == (lane == "urgent")]
            oldest_s = max(((now - row.oldest_at).total_seconds() for row in of_lane), default=0.0)
            metrics.PENDING.labels(lane).set(sum(row.messages for row in of_lane))
            metrics.OLDEST_PENDING.labels(lane).set(oldest_s)
        unaddressed = sum(row.messages for row in waiting if row.channel not in self._channels)
        metrics.UNADDRESSED.set(unaddressed)
        if unaddressed:
            missing = sorted({row.channel for row in waiting} - self._channels)
            log.error(
                "messages_without_address",
                messages=unaddressed,
                channels=missing,
                remedy="set ANJU_WEBHOOK_URL and ANJU_WEBHOOK_SECRET, or the table of the channel in the settings file",
            )

    async def _standing(self, conn: AsyncConnection[Any]) -> None:
        standing = {(row.kind, row.severity, row.state): row.alerts for row in await reading.count_open(conn)}
        for labels in self._open - standing.keys():
            metrics.OPEN.labels(*labels).set(0)
        for labels, alerts in standing.items():
            metrics.OPEN.labels(*labels).set(alerts)
        self._open |= standing.keys()
