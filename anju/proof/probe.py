"""The probe: presses a button that exists only in the database, and waits until the press has reached the channels."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from anju.errors import Unreachable
from anju.proof import metrics
from anju.publishing import Publisher
from anju.simulate import event
from registry.applying import apply
from registry.importing import DeviceRow, HomeKey, ImportRow
from storage.sql import load

log = structlog.get_logger()

AREA: Final = "Anju"
HOME: Final = "Probe"
DEVICE: Final = "anju-probe"

_Q = load(__package__, "proof.sql")
_LOOK_EVERY_S: Final = 0.05
_KEPT: Final = timedelta(days=7)
_GIVE_UP_AFTER: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """One synthetic press on its way."""

    source_id: str
    pressed_at: datetime


async def move_in(conn: AsyncConnection[TupleRow], now: datetime) -> None:
    """Installs the probe's button in a home that is marked as none; again only looks, for which the probe's rights do.

    Home and mark are one transaction: a press in a home that is not marked yet would call somebody.
    """
    cursor = await conn.execute(_Q.has_moved_in, {"device": DEVICE, "home": HOME, "area": AREA})
    if await cursor.fetchone() == (True,):
        return
    button = DeviceRow(name=DEVICE, driver="native", model=None, interval_s=None, litres_per_pulse=None)
    row = ImportRow(line=1, home=HomeKey(AREA, HOME), time_zone="UTC", resident=None, device=button)
    async with conn.transaction():
        await apply(conn, [row], now=now)
        await conn.execute(_Q.mark_probe_home, {"home": HOME, "area": AREA})


class Probe:
    """Presses, and says what came of it.

    Args:
        conn: In autocommit.
        publisher: Connected to the broker.
        recorder: The webhook receiver that records what goes through a real channel; None: nothing does.
        limit: How long a press may take.
        clock: Gives the time (aware).
    """

    def __init__(
        self,
        *,
        conn: AsyncConnection[Any],
        publisher: Publisher,
        recorder: str | None,
        limit: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._conn = conn
        self._publisher = publisher
        self._recorder = recorder
        self._limit = limit
        self._clock = clock

    async def press(self, *, through_channel: bool) -> datetime | None:
        """One press through broker, ingest, rules and alerts; when it was handed over, or None if it was not in time.

        Args:
            through_channel: Whether it must also pass a real channel, to the receiver that records it.
        """
        through = "channel" if through_channel and self._recorder is not None else "dispatch"
        now = self._clock()
        message = event(DEVICE, "button_press", now)
        press = Press(source_id=f"{DEVICE}-{now.timestamp():.6f}", pressed_at=now)
        await self._conn.execute(
            _Q.remember_press, {"source_id": press.source_id, "through": through, "pressed_at": press.pressed_at}
        )
        try:
            async with asyncio.timeout(self._limit.total_seconds()):
                await self._publisher.publish(message)
                arrived_at, alert_id = await self._dispatched(press)
                if through == "channel":
                    arrived_at = await self._recorded(alert_id)
        except Unreachable as error:
            log.warning("probe_not_published", fault=str(error))
            metrics.PRESSES.labels(through, "not_published").inc()
            return None
        except TimeoutError:
            log.error("probe_lost", through=through, source_id=press.source_id, limit_s=self._limit.total_seconds())
            metrics.PRESSES.labels(through, "lost").inc()
            return None
        await self._conn.execute(_Q.note_through, {"source_id": press.source_id, "dispatched_at": arrived_at})
        metrics.PRESSES.labels(through, "through").inc()
        metrics.DURATION.labels(through).observe(max(0.0, (arrived_at - press.pressed_at).total_seconds()))
        return arrived_at

    async def tidy(self) -> None:
        """Deletes what past presses left in the outbox; the history of the probe's alert stays."""
        before = {"before": self._clock() - _KEPT}
        async with self._conn.transaction():
            for statement in (_Q.forget_runs, _Q.forget_messages):
                await self._conn.execute(statement, before)

    async def channel_is_due(self, every: timedelta) -> bool:
        """Whether no press has passed the real channel for so long."""
        row = await (await self._conn.execute(_Q.last_through_channel)).fetchone()
        return row is None or row[0] is None or self._clock() - row[0] >= every

    async def _dispatched(self, press: Press) -> tuple[datetime, int]:
        while True:
            asked = {"device": DEVICE, "source_id": press.source_id}
            row = await (await self._conn.execute(_Q.come_through, asked)).fetchone()
            if row is not None and row[0] is not None:
                return row[0], row[1]
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _recorded(self, alert_id: int) -> datetime:
        now = self._clock()
        cursor = await self._conn.execute(
            _Q.send_to_recorder,
            {
                "recipient": self._recorder,
                "alert_id": alert_id,
                "now": now,
                "give_up_at": now + _GIVE_UP_AFTER,
            },
        )
        written = await cursor.fetchone()
        while written is not None:
            row = await (await self._conn.execute(_Q.recorded, {"notification_id": written[0]})).fetchone()
            if row is not None and row[0] is not None:
                recorded_at: datetime = row[0]
                return recorded_at
            await asyncio.sleep(_LOOK_EVERY_S)
        raise TimeoutError("the probe's message is gone from the outbox")
