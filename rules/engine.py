"""The loop that looks at homes: claims those due, judges them, hands the findings on and writes when to look again.

Nothing is locked while a home is judged; a lease says who does it. Whoever is frozen or killed loses the lease, and
what it wrote late counts for nothing: the write-back asks whether the home is still leased by this very claim.
"""

import itertools
import json
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from psycopg import AsyncConnection

from alerts import findings
from registry.policy import DEFAULTS, Policy
from rules import listening, metrics
from rules.errors import SURVIVABLE
from rules.evaluate import Look, evaluate
from rules.hearing import heard
from rules.library.catalogue import HOME_RULES
from rules.loading import Claimed, failures_from, failures_to, load_snapshots
from rules.pacing import Slices
from rules.rule import Rule
from rules.snapshot import Snapshot, instant
from storage.pool import is_passing_fault
from storage.sql import load

_SQL = load(__package__, "engine.sql")
_log = structlog.get_logger()

LEASE: Final = timedelta(seconds=30)
_PUT_OFF: Final = timedelta(minutes=5)


def utc_now() -> datetime:
    """The wall clock, for those at the edge that pass it inwards."""
    return datetime.now(UTC)


def _token() -> str:
    return f"{os.getpid()}-{secrets.token_hex(4)}"


def asked_by(look: Look) -> str:
    """Which rule asked for the next look, or `retry` (a rule failed), or `longest_wait`."""
    asked = [(until, name) for name, (_, until, _) in look.standing.items() if until <= look.due_at]
    if asked:
        return min(asked)[1]
    return "retry" if any(failure.retry_at <= look.due_at for failure in look.failures.values()) else "longest_wait"


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What judging homes needs beside a connection.

    Attributes:
        rules: the rules that judge a home.
        defaults: the policy where no level says anything.
        late_window: how late a reading may come.
        homes_per_claim: how many homes are judged together.
        clock: the wall clock, or a simulated one.
        compares_clocks: False for a simulated clock, which the database cannot share.
        owner: tells this engine's claims from all others.
    """

    rules: Sequence[Rule] = HOME_RULES
    defaults: Policy = DEFAULTS
    late_window: timedelta = timedelta(days=35)
    homes_per_claim: int = 50
    clock: Callable[[], datetime] = utc_now
    compares_clocks: bool = True
    owner: str = field(default_factory=_token)
    _claims: "itertools.count[int]" = field(default_factory=itertools.count)

    async def look(self, conn: AsyncConnection[Any]) -> int:
        """Looks at one batch of due homes, if there are any.

        Args:
            conn: an autocommit connection; leases and findings are transactions of their own.

        Returns:
            How many homes it claimed.

        Raises:
            psycopg.Error: a passing fault of the database; the leases run out by themselves.
        """
        now = self.clock()
        token = f"{self.owner}-{next(self._claims)}"
        cursor = await conn.execute(
            _SQL.claim, {"now": now, "lease_until": now + LEASE, "token": token, "homes": self.homes_per_claim}
        )
        claimed = [
            Claimed(
                home_id=row[0],
                due_at=row[1],
                rearmed=row[2],
                looked_until=row[3],
                ongoing={name: instant(since_s) for name, since_s in row[4].items()},
                failures=failures_from(row[5]),
            )
            for row in await cursor.fetchall()
        ]
        for home in claimed:
            metrics.DUE_LAG_SECONDS.observe(max(0.0, (now - home.due_at).total_seconds()))
        if claimed:
            await self._judge_or_split(conn, claimed, token, now)
        return len(claimed)

    async def _judge_or_split(
        self, conn: AsyncConnection[Any], claimed: Sequence[Claimed], token: str, now: datetime
    ) -> None:
        """A batch that cannot be read or reported is halved, until the homes at fault stand alone and are put off."""
        try:
            await self._judge(conn, claimed, token, now)
        except SURVIVABLE as error:
            if is_passing_fault(error):
                raise
            if len(claimed) > 1:
                middle = len(claimed) // 2
                await self._judge_or_split(conn, claimed[:middle], token, now)
                await self._judge_or_split(conn, claimed[middle:], token, now)
                return
            home_id = claimed[0].home_id
            _log.error("home_put_off", home_id=home_id, error=type(error).__name__, exc_info=error)
            metrics.POSTPONED.inc()
            await conn.execute(_SQL.postpone, {"homes": [home_id], "token": token, "due_at": now + _PUT_OFF})

    async def _judge(self, conn: AsyncConnection[Any], claimed: Sequence[Claimed], token: str, now: datetime) -> None:
        started_s = time.perf_counter()
        known = await listening.read(conn, self.clock)
        hearing = heard(known.ears, known.clock_difference if self.compares_clocks else timedelta())
        snapshots = await load_snapshots(
            conn, claimed, hearing=hearing, defaults=self.defaults, late_window=self.late_window, now=now
        )
        loaded_s = time.perf_counter()
        looks = [look async for look in self._evaluated(snapshots, now)]
        judged_s = time.perf_counter()
        await self._write(conn, claimed, looks, token, now)
        for step, seconds in (
            ("load", loaded_s - started_s),
            ("judge", judged_s - loaded_s),
            ("write", time.perf_counter() - judged_s),
        ):
            metrics.BATCH_SECONDS.labels(step).observe(seconds)

    async def _evaluated(self, snapshots: Sequence[Snapshot], now: datetime) -> AsyncIterator[Look]:
        slices = Slices()
        for snapshot in snapshots:
            look = evaluate(snapshot, now, self.rules)
            for rule, error in look.errors.items():
                _log.error("rule_failed", rule=rule, home_id=snapshot.home_id, exc_info=error)
                metrics.RULE_FAILURES.labels(rule).inc()
            metrics.NEXT_LOOKS.labels(asked_by(look)).inc()
            yield look
            await slices.give_way()

    async def _write(
        self, conn: AsyncConnection[Any], claimed: Sequence[Claimed], looks: Sequence[Look], token: str, now: datetime
    ) -> None:
        rearmed = {home.home_id: home.rearmed for home in claimed}
        order = sorted(looks, key=lambda look: look.home_id)
        reported = [finding for look in order for finding in look.findings]
        async with conn.transaction():
            if reported:
                await conn.execute(_SQL.durable)
            cursor = await conn.execute(_SQL.keep, {"homes": [look.home_id for look in order], "token": token})
            ours = {row[0] for row in await cursor.fetchall()}
            reported = [finding for finding in reported if finding.subject.home_id in ours]
            if reported:
                await findings.report(conn, reported, now)
            await conn.execute(
                _SQL.write_back,
                {
                    "token": token,
                    "homes": [look.home_id for look in order],
                    "rearmed": [rearmed[look.home_id] for look in order],
                    "dues": [look.due_at for look in order],
                    "looked": [look.looked_until for look in order],
                    "ongoing": [
                        json.dumps({name: since.timestamp() for name, since in look.ongoing.items()}) for look in order
                    ],
                    "failures": [json.dumps(failures_to(look.failures)) for look in order],
                },
            )
        metrics.LOOKS.inc(len(ours))
        if len(ours) < len(order):
            metrics.LEASES_LOST.inc(len(order) - len(ours))
            _log.warning("leases_lost", homes=len(order) - len(ours))
        for finding in reported:
            metrics.FINDINGS.labels(finding.kind, finding.verdict).inc()
