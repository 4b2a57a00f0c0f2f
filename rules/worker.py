"""The rules role: six loops on connections of their own, each of which outlives every fault of the database."""

import asyncio
import contextlib
import random
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from psycopg import AsyncConnection

from registry.policy import DEFAULTS, Policy
from rules import area_watch, learner, listening, metrics, sweep
from rules.area_watch import AreaWatch
from rules.calendars import is_workday
from rules.engine import Engine, utc_now
from rules.errors import SURVIVABLE
from rules.hearing import heard
from rules.library.catalogue import HOME_RULES
from rules.pacing import going_first
from rules.rule import Rule
from rules.supervision import is_call_button
from rules.wake import Waker, listen, wait_for_wake
from storage.pool import connect, is_passing_fault

_log = structlog.get_logger()

_POLL_S: Final = 1.0
_SWITCH_S: Final = 0.0005
_CONTENDED_POLL_S: Final = 0.1
_HEARING_EVERY_S: Final = 10.0
_LEARN_POLL_S: Final = 30.0
_LEARN_PAUSE_S: Final = 0.1  # what is learned a day late is no worse: looks and presses go first
_SWEEP_PAUSE_S: Final = 0.1
_NEW_HOMES_EVERY_S: Final = 600.0
_AREAS_REST: Final = 9.0
_BACK_OFF_FIRST_S: Final = 0.2
_BACK_OFF_LONGEST_S: Final = 15.0
_BACK_OFF_LONGEST_WAKE_S: Final = 1.0  # a press must not wait for us when the database is back
# A process that is frozen in a transaction must not keep its locks: a press that it holds is due elsewhere within the
# second.
_IDLE_IN_TRANSACTION_S: Final = 0.5
_STATEMENT_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesOptions:
    """What the role needs.

    Attributes:
        database_url: where the database is; holds a password, so it is never shown.
        defaults: the limits where no policy says anything.
        late_window: how late a reading may come.
        homes_per_claim: how many homes are judged together.
        rules: the rules that judge a home.
    """

    database_url: str = field(repr=False)
    defaults: Policy = DEFAULTS
    late_window: timedelta = timedelta(days=35)
    homes_per_claim: int = 50
    rules: Sequence[Rule] = HOME_RULES


Connect = Callable[[], Awaitable[AsyncConnection[Any]]]
Loop = Callable[[contextlib.AsyncExitStack, Connect], Awaitable[None]]


async def run(options: RulesOptions, *, stop: asyncio.Event) -> None:
    """Judges homes and wakes until `stop` is set; what is being written then is finished or rolled back."""
    for rule in options.rules:
        metrics.RULE_FAILURES.labels(rule.name)  # from zero on: the first failure must be seen as an increase
    _warm(options)
    async with asyncio.TaskGroup() as group:
        loops: dict[str, Loop] = {
            "wake": lambda stack, opened: _wake_loop(stack, opened, options),
            "engine": lambda stack, opened: _engine_loop(stack, opened, options),
            "sweep": lambda stack, opened: _sweep_loop(stack, opened, options),
            "learn": lambda stack, opened: _learn_loop(stack, opened, options),
            "areas": lambda stack, opened: _areas_loop(stack, opened, options),
            "hearing": _HearingLoop(started_at=utc_now()),
        }
        tasks = [group.create_task(_keep_going(name, loop, options), name=name) for name, loop in loops.items()]
        await stop.wait()
        for task in tasks:
            task.cancel()


def _warm(options: RulesOptions) -> None:
    """Loads what the first look would: 0.2 s in which no press could be judged."""
    is_workday(options.defaults.holidays, utc_now().date())
    is_call_button("native", None, "")
    # Sums over a city are made in threads: whoever judges a press gets the processor back from them this soon, each of
    # the ten times that it has waited for the database.
    sys.setswitchinterval(_SWITCH_S)


async def _keep_going(name: str, loop: Loop, options: RulesOptions) -> None:
    async def opened() -> AsyncConnection[Any]:
        return await connect(
            options.database_url,
            application_name=f"anju-rules-{name}",
            autocommit=True,
            idle_in_transaction_timeout_s=_IDLE_IN_TRANSACTION_S,
            statement_timeout_s=_STATEMENT_S,
        )

    for kind in ("true", "false"):
        metrics.FAULTS.labels(name, kind)  # likewise
    faults = 0
    longest_s = _BACK_OFF_LONGEST_WAKE_S if name == "wake" else _BACK_OFF_LONGEST_S
    while True:
        began = asyncio.get_running_loop().time()
        try:
            async with contextlib.AsyncExitStack() as stack:
                await loop(stack, opened)
        except SURVIVABLE as error:
            # Even what is our own bug must not end the role: the other loops guard homes that this one cannot.
            passing = is_passing_fault(error)
            metrics.FAULTS.labels(name, str(passing).lower()).inc()
            if asyncio.get_running_loop().time() - began > _BACK_OFF_LONGEST_S:
                faults = 0
            wait_s = min(_BACK_OFF_FIRST_S * 2**faults, longest_s) * random.uniform(0.5, 1.0)  # noqa: S311
            faults = min(faults + 1, 16)
            level = _log.warning if passing else _log.error
            level(
                "rules_loop_interrupted",
                loop=name,
                error=type(error).__name__,
                retry_s=round(wait_s, 2),
                exc_info=None if passing else error,
            )
            await asyncio.sleep(wait_s)


def _turned(loop: str) -> None:
    metrics.LOOP_TURNED.labels(loop).set(utc_now().timestamp())


async def _entered(stack: contextlib.AsyncExitStack, opened: Connect) -> AsyncConnection[Any]:
    conn = await opened()
    stack.push_async_callback(conn.close)
    return conn


async def _wake_loop(stack: contextlib.AsyncExitStack, opened: Connect, options: RulesOptions) -> None:
    hearing, working = await _entered(stack, opened), await _entered(stack, opened)
    await listen(hearing)
    # The same few statements for ever: planning each press anew costs more than any better plan could save.
    await working.execute("SET plan_cache_mode = force_generic_plan")
    waker = Waker(defaults=options.defaults)
    while True:
        with going_first():
            contended = await waker.drain(working)
        _turned("wake")
        # What another process holds and has not committed comes free when that process is found frozen or dead.
        await wait_for_wake(hearing, _CONTENDED_POLL_S if contended else _POLL_S)


async def _engine_loop(stack: contextlib.AsyncExitStack, opened: Connect, options: RulesOptions) -> None:
    conn = await _entered(stack, opened)
    # A lease or a due_at that is lost costs a look; findings are made durable by their own transaction.
    await conn.execute("SET synchronous_commit = off")
    engine = Engine(
        rules=options.rules,
        defaults=options.defaults,
        late_window=options.late_window,
        homes_per_claim=options.homes_per_claim,
    )
    while True:
        looked_at = await engine.look(conn)
        _turned("engine")
        if looked_at < options.homes_per_claim:
            await asyncio.sleep(_POLL_S)


async def _sweep_loop(stack: contextlib.AsyncExitStack, opened: Connect, options: RulesOptions) -> None:
    conn = await _entered(stack, opened)
    await sweep.note_releases(conn, options.rules, utc_now())
    clock = asyncio.get_running_loop().time
    new_homes_at = clock()
    while True:
        has_room = await sweep.has_room(conn, utc_now())
        busy = has_room and await sweep.sweep_step(conn, utc_now())
        if has_room and clock() >= new_homes_at:
            if await sweep.watch_new_homes(conn, utc_now()):
                busy = True
            else:
                new_homes_at = clock() + _NEW_HOMES_EVERY_S
        _turned("sweep")
        await asyncio.sleep(_SWEEP_PAUSE_S if busy or not has_room else _POLL_S)


async def _learn_loop(stack: contextlib.AsyncExitStack, opened: Connect, options: RulesOptions) -> None:
    conn = await _entered(stack, opened)
    # A profile that is lost is learned again; what a step locks, nobody else waits for.
    await conn.execute("SET synchronous_commit = off")
    await conn.execute("SET idle_in_transaction_session_timeout = '30s'")
    clock = asyncio.get_running_loop().time
    enrol_at = clock()
    while True:
        busy = bool(await learner.learn_step(conn, utc_now(), defaults=options.defaults))
        if clock() >= enrol_at:
            if await learner.enrol(conn):
                busy = True
            else:
                enrol_at = clock() + _NEW_HOMES_EVERY_S
        _turned("learn")
        await asyncio.sleep(_LEARN_PAUSE_S if busy else _LEARN_POLL_S)


async def _areas_loop(stack: contextlib.AsyncExitStack, opened: Connect, options: RulesOptions) -> None:
    conn = await _entered(stack, opened)
    # Counting the homes of a whole city takes longer than a press may wait; nothing that a press needs is locked here.
    await conn.execute("SET idle_in_transaction_session_timeout = '30s'")
    areas = AreaWatch(defaults=options.defaults)
    clock = asyncio.get_running_loop().time
    while True:
        began_s = clock()
        await areas.look(conn, utc_now())
        _turned("areas")
        # Where a whole city has fallen silent, this must not take what the looks at homes need.
        await asyncio.sleep(max(area_watch.EVERY.total_seconds(), _AREAS_REST * (clock() - began_s)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _HearingLoop:
    started_at: datetime

    async def __call__(self, stack: contextlib.AsyncExitStack, opened: Connect) -> None:
        conn = await _entered(stack, opened)
        while True:
            known = await listening.tell(conn, utc_now, started_at=self.started_at)
            span = heard(known.ears, timedelta())
            until = self.started_at if span is None else span.until
            metrics.CLOCK_DIFFERENCE_SECONDS.set(known.clock_difference.total_seconds())
            metrics.HEARING_LAG_SECONDS.set(max(0.0, (utc_now() - until).total_seconds()))
            _turned("hearing")
            await asyncio.sleep(_HEARING_EVERY_S)
