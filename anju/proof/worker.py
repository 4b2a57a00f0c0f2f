"""The probe role: presses every minute, looks at what the stages owe, alarms the operators, and signals outside.

It proves the service from outside its stages: it shares nothing with them but the broker and the database.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psycopg
import structlog
from psycopg import AsyncConnection
from pydantic import JsonValue

from alerts import findings
from alerts.findings import Finding, Kind, Reason, Severity, Subject, Verdict
from anju.errors import Unreachable
from anju.proof import metrics
from anju.proof.probe import Probe, move_in
from anju.proof.signal import DeadMan
from anju.proof.verdict import Gap, Limits, Work, gaps
from anju.publishing import Publisher
from ingest.mqtt.options import Endpoint
from storage.pool import connect, is_passing_fault
from storage.sql import load

log = structlog.get_logger()

_Q = load(__package__, "proof.sql")
_RETRY_S: Final = 2.0
_TIDY_EVERY: Final = timedelta(hours=1)
_CHANNEL_EVERY: Final = timedelta(hours=1)
_LOST_AFTER: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofOptions:
    """What the role needs.

    Attributes:
        database_url: Where the database is.
        broker: Through which presses go; None: none are made.
        ca_file: Who signs the broker's certificate.
        press_every: How often a button is pressed; zero: never.
        press_limit: How long a press may take.
        recorder: The webhook receiver that an hourly press must reach, by its name in the settings.
        dead_man_url: The outside monitor; None: there is none.
        check_every: How often the stages' debts are looked at.
        signal_every: How often the outside monitor is called.
        channels: The ways out that this installation has; messages for others wait for settings, not for work ...
        receivers: ... and the names of its webhook receivers.
    """

    database_url: str = field(repr=False)
    broker: Endpoint | None
    ca_file: Path | None = None
    press_every: timedelta = timedelta(seconds=60)
    press_limit: timedelta = timedelta(seconds=30)
    recorder: str | None = None
    dead_man_url: str | None = field(default=None, repr=False)
    check_every: timedelta = timedelta(seconds=10)
    signal_every: timedelta = timedelta(seconds=60)
    channels: tuple[str, ...] = ("probe", "webhook")
    receivers: tuple[str, ...] = ("default",)

    @property
    def presses(self) -> bool:
        """Whether presses are made at all."""
        return self.broker is not None and self.press_every > timedelta()


@dataclass(slots=True, kw_only=True)
class _Seen:
    """What the two loops know together: when a press last came through, or since when that is waited for."""

    through_at: datetime


def utc_now() -> datetime:
    """The time; the one place of this role that reads the clock."""
    return datetime.now(UTC)


async def run(options: ProofOptions, *, stop: asyncio.Event, clock: Callable[[], datetime] = utc_now) -> None:
    """Proves until `stop` is set; outages of broker and database are what it is there to notice."""
    seen = _Seen(through_at=clock())
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_keep_on("check", lambda: _check(options, seen, clock)))]
        if options.presses:
            tasks.append(group.create_task(_keep_on("press", lambda: _press(options, seen, clock))))
        await stop.wait()
        for task in tasks:
            task.cancel()


async def _keep_on(task: str, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await work()
        except (psycopg.Error, OSError, Unreachable) as error:
            if isinstance(error, psycopg.Error) and not is_passing_fault(error):
                raise
            log.warning("probe_interrupted", task=task, fault=type(error).__name__)
        await asyncio.sleep(_RETRY_S)


async def _press(options: ProofOptions, seen: _Seen, clock: Callable[[], datetime]) -> None:
    if options.broker is None:
        return
    async with contextlib.AsyncExitStack() as stack:
        conn = await stack.enter_async_context(await _connected(options, "press"))
        await move_in(conn, clock())
        publisher = await stack.enter_async_context(
            Publisher(options.broker, client_id="anju-probe", ca_file=options.ca_file)
        )
        probe = Probe(conn=conn, publisher=publisher, recorder=options.recorder, limit=options.press_limit, clock=clock)
        tidied_at: datetime | None = None
        loop = asyncio.get_running_loop()
        while True:
            next_s = loop.time() + options.press_every.total_seconds()
            through_channel = options.recorder is not None and await probe.channel_is_due(_CHANNEL_EVERY)
            through_at = await probe.press(through_channel=through_channel)
            if through_at is not None:
                seen.through_at = max(seen.through_at, through_at)
                metrics.LAST_THROUGH.set(through_at.timestamp())
            metrics.LOOP_TURNED.labels("press").set(clock().timestamp())
            if tidied_at is None or clock() - tidied_at >= _TIDY_EVERY:
                tidied_at = clock()
                await probe.tidy()
            await asyncio.sleep(max(0.0, next_s - loop.time()))


async def _check(options: ProofOptions, seen: _Seen, clock: Callable[[], datetime]) -> None:
    limits = Limits(press=_LOST_AFTER * options.press_every + options.press_limit if options.presses else None)
    async with contextlib.AsyncExitStack() as stack:
        conn = await stack.enter_async_context(await _connected(options, "check"))
        dead_man = None
        if options.dead_man_url is not None:
            dead_man = await stack.enter_async_context(DeadMan(options.dead_man_url))
        signal_at_s = float("-inf")
        loop = asyncio.get_running_loop()
        while True:
            found = gaps(await owed(conn, options, clock()), limits, through_at=seen.through_at, now=clock())
            for gap in Gap:
                metrics.GAPS.labels(gap).set(gap in found)
            async with conn.transaction():
                await findings.report(conn, [alarm(found, seen.through_at, clock())], clock())
            if dead_man is not None and loop.time() >= signal_at_s:
                if found:
                    log.error("dead_man_silent", work=sorted(found))
                else:
                    await dead_man.signal()
                signal_at_s = loop.time() + options.signal_every.total_seconds()
            metrics.LOOP_TURNED.labels("check").set(clock().timestamp())
            await asyncio.sleep(options.check_every.total_seconds())


async def owed(conn: AsyncConnection[Any], options: ProofOptions, now: datetime) -> Work:
    """What the stages should have done by now and have not."""
    asked = {"now": now, "channels": list(options.channels), "receivers": list(options.receivers)}
    row = await (await conn.execute(_Q.owed, asked)).fetchone()
    call, look, telling, message = row if row is not None else (None, None, None, None)
    return Work(call_since=call, look_since=look, telling_since=telling, message_since=message)


def alarm(found: frozenset[Gap], through_at: datetime, now: datetime) -> Finding:
    """What the operators are told: which work is not done, or that all of it is again."""
    through = through_at.isoformat(timespec="seconds")
    also: list[JsonValue] = [{"id": f"work_not_done_{gap}", "values": {"through": through}} for gap in sorted(found)]
    reason = Reason(id="work_not_done", values={"also": also}) if found else Reason(id="work_done_again", values={})
    return Finding(
        subject=Subject(),
        kind=Kind.PROBE_LOST,
        verdict=Verdict.RAISE if found else Verdict.CLEAR,
        severity=Severity.HARD,
        since=through_at if found else now,
        reason=reason,
        evidence={"work": [str(gap) for gap in sorted(found)]},
    )


async def _connected(options: ProofOptions, task: str) -> AsyncConnection[Any]:
    return await connect(
        options.database_url,
        application_name=f"anju-probe-{task}",
        autocommit=True,
        statement_timeout_s=10.0,
        idle_in_transaction_timeout_s=5.0,
    )
