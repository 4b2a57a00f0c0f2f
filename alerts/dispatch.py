"""Carries messages from the outbox to their channels: claims what is due, sends many at once, records the outcomes.

Urgent messages have slots of their own, so that neither a pile of others nor a slow receiver of them holds a call for
help back. A claim is a short lease that is renewed while the message is on its way: what a dead or frozen process held
is free again in seconds, and is then sent under the same id.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from psycopg import AsyncConnection

from alerts import metrics, outbox
from alerts.channels.results import Accepted, Channel, Outgoing
from alerts.connection import while_connected
from alerts.counting import Counting
from alerts.life.takings import Takings
from alerts.outbox import Attempt, Claim, Wanted
from alerts.recorder import Recorder
from alerts.retry import Abandoned, Later, next_step

log = structlog.get_logger()

_POLL_S: Final = 1.0
_COUNT_EVERY_S: Final = 30.0
_GRACE_S: Final = 5.0
_URGENT: Final = range(1)
_OTHERS: Final = range(1, outbox.NEWS + 1)
#: On these a person gets one message for all that is due to them; the site's webhook gets each.
_BUNDLING: Final = frozenset({"sms", "voice", "chat"})
#: Of these several providers are asked in turn.
_BY_PROVIDERS: Final = frozenset({"sms", "voice"})
_random = random.SystemRandom()


@dataclass(slots=True, kw_only=True, eq=False)
class _Lane:
    """The slots for one channel's urgent or other messages."""

    channel: Channel
    name: str
    priorities: range
    slots: int
    in_flight: dict[UUID, Outgoing] = field(default_factory=dict)
    full: bool = False  # the last claim took as many as it might: there may be more

    @property
    def urgent(self) -> bool:
        """Whether it is for calls for help."""
        return self.priorities == _URGENT

    @property
    def bundle(self) -> bool:
        """Never calls for help: each has its own message."""
        return self.channel.name in _BUNDLING and not self.urgent

    @property
    def wanted(self) -> Wanted:
        """What it can take."""
        return Wanted(channel=self.channel.name, priorities=self.priorities, limit=self.free)

    @property
    def free(self) -> int:
        return self.slots - len(self.in_flight)


class Dispatcher:
    """One dispatcher of any number on the same outbox.

    Args:
        database_url: Where the outbox is.
        channels: The ways out, already entered, each of another name. Messages for others stay pending, and a warning
            and a metric say so.
        worker: The name of this process; no other living process may have it.
        urgent_slots: How many urgent messages each channel sends at once.
        other_slots: How many others.
        lease_s: How long a claim holds without renewal.
        language: Of recipients who are no registered persons: `zh` or `en`.
        clock: Gives the time (aware); tests pass their own.
    """

    def __init__(
        self,
        *,
        database_url: str,
        channels: Sequence[Channel],
        worker: str,
        clock: Callable[[], datetime],
        urgent_slots: int = 48,
        other_slots: int = 16,
        lease_s: float = 5.0,
        language: str = "zh",
    ) -> None:
        self._database_url = database_url
        self._worker = worker
        self._lease = timedelta(seconds=lease_s)
        self._clock = clock
        self._language = language
        self._lanes = [
            *(_Lane(channel=channel, name="urgent", priorities=_URGENT, slots=urgent_slots) for channel in channels),
            *(_Lane(channel=channel, name="others", priorities=_OTHERS, slots=other_slots) for channel in channels),
        ]
        self._channels = {channel.name for channel in channels}
        self._counting = Counting(self._channels)
        self._recorder = Recorder(database_url=database_url, worker=worker, clock=clock)
        self._wake = asyncio.Event()
        self._stopping = False
        self._sending: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Dispatches until `stop` is set, then lets what is on its way arrive, for a few seconds.

        Raises:
            psycopg.Error: The database reports a fault that would not pass.
        """
        async with asyncio.TaskGroup() as group:
            background = [
                group.create_task(while_connected(self._database_url, "listen", self._listen), name="listen"),
                group.create_task(self._recorder.run(), name="record"),
            ]
            claiming = group.create_task(
                while_connected(self._database_url, "claim", lambda conn: self._claim_until_stop(conn, group)),
                name="claim",
            )
            await stop.wait()
            self._stopping = True
            self._wake.set()
            # A claim cut short would keep its messages leased; without a database there is none to wait for.
            await asyncio.wait([claiming], timeout=1.0)
            if self._sending:
                await asyncio.wait(self._sending, timeout=_GRACE_S)
            for task in (claiming, *self._sending, *background):
                task.cancel()

    async def _listen(self, conn: AsyncConnection[Any]) -> None:
        await outbox.listen(conn)
        self._wake.set()
        async for _ in conn.notifies():
            self._wake.set()

    async def _claim_until_stop(self, conn: AsyncConnection[Any], group: asyncio.TaskGroup) -> None:
        await outbox.make_leases_cheap(conn)
        takings = Takings(conn)
        renewed = counted = float("-inf")
        while not self._stopping:
            self._wake.clear()
            await self._claim(conn, group)
            ticks = time.monotonic()
            if ticks - renewed >= self._lease.total_seconds() / 4:
                renewed = ticks
                await self._renew(conn)
            if ticks - counted >= _COUNT_EVERY_S:
                counted = ticks
                now = self._clock()
                await outbox.give_up_unserved(conn, self._channels, now)
                await self._counting.count(conn, takings, now)
            metrics.LOOP_TURNED.labels("dispatch").set(self._clock().timestamp())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(_POLL_S, self._lease.total_seconds() / 4)):
                    await self._wake.wait()

    async def _claim(self, conn: AsyncConnection[Any], group: asyncio.TaskGroup) -> None:
        """One round of claims: calls for help, and what is not bundled, of all channels at once; then the bundles."""
        now = self._clock()
        by = Claim(worker=self._worker, now=now, lease_until=now + self._lease, language=self._language)
        plain = {lane: lane.wanted for lane in self._lanes if not lane.bundle and lane.free}
        if plain:
            found: dict[tuple[str, bool], list[Outgoing]] = {}
            for message in await outbox.claim(conn, list(plain.values()), by):
                found.setdefault((message.channel, message.priority in _URGENT), []).append(message)
            # Those that need nothing more from the database are on their way before the others are asked after.
            for lane in sorted(plain, key=lambda lane: lane.channel.name in _BY_PROVIDERS):
                claimed = found.get((lane.channel.name, lane.urgent), [])
                await self._send(conn, lane, claimed, group, full=len(claimed) == plain[lane].limit)
        bundling = {lane.channel.name: lane for lane in self._lanes if lane.bundle and lane.free}
        if bundling:
            for name in await outbox.ripe(conn, list(bundling), _OTHERS, now):
                wanted = bundling[name].wanted
                claimed = await outbox.claim_bundled(conn, wanted, by)
                await self._send(conn, bundling[name], claimed, group, full=len(claimed) == wanted.limit)

    async def _send(
        self,
        conn: AsyncConnection[Any],
        lane: _Lane,
        claimed: list[Outgoing],
        group: asyncio.TaskGroup,
        *,
        full: bool,
    ) -> None:
        lane.full = full
        if claimed and lane.channel.name in _BY_PROVIDERS:
            claimed = await outbox.with_history(conn, claimed, channel=lane.channel.name, now=self._clock())
        for message in claimed:
            if message.notification_id in lane.in_flight:
                continue  # our own lease ran out while it is still on its way
            lane.in_flight[message.notification_id] = message
            task = group.create_task(self._carry(lane, message), name=f"send-{message.notification_id}")
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _renew(self, conn: AsyncConnection[Any]) -> None:
        ids = [notification_id for lane in self._lanes for notification_id in lane.in_flight]
        if ids:
            await outbox.renew(conn, ids, worker=self._worker, lease_until=self._clock() + self._lease)

    async def _carry(self, lane: _Lane, message: Outgoing) -> None:
        """One attempt, from the claim to its record."""
        started_at, ticks = self._clock(), time.perf_counter()
        again = False
        if message.attempt == 1:
            metrics.HANDOVER.labels(lane.name).observe(max(0.0, (started_at - message.created_at).total_seconds()))
        try:
            with metrics.IN_FLIGHT.labels(lane.name).track_inprogress():
                result = await lane.channel.send(message, started_at)
            duration_s = time.perf_counter() - ticks
            step = next_step(result, message, self._clock(), _random.random())
            attempt = Attempt(message=message, started_at=started_at, duration_s=duration_s, result=result, step=step)
            metrics.ATTEMPTS.labels(lane.channel.name, attempt.outcome, attempt.reason).inc()
            metrics.ATTEMPT_DURATION.labels(lane.channel.name).observe(duration_s)
            if isinstance(step, Abandoned):
                metrics.GIVEN_UP.labels(lane.channel.name).inc()
            _tell_operators(lane, attempt)
            await self._recorder.keep(attempt)
            again = isinstance(step, Later) and step.at <= self._clock()
            if message.bundled and isinstance(result, Accepted):
                metrics.BUNDLED.labels(lane.channel.name).inc()
        finally:
            del lane.in_flight[message.notification_id]
            if lane.full or again:
                self._wake.set()


def _tell_operators(lane: _Lane, attempt: Attempt) -> None:
    facts = {
        "notification_id": str(attempt.message.notification_id),
        "alert_id": attempt.message.alert_id,
        "channel": lane.channel.name,
        "attempt": attempt.message.attempt,
        "reason": attempt.reason,
        **({"provider": attempt.provider} if attempt.provider else {}),
    }
    match attempt.step:
        case Abandoned():
            log.error("message_given_up", **facts)
        case Later(at=at):
            log.warning("message_not_accepted", **facts, next_attempt_at=at.isoformat(timespec="milliseconds"))
        case _:
            log.info("message_accepted", **facts, duration_s=round(attempt.duration_s, 4))
