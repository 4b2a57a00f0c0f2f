"""The loop that learns homes' habits, from what they sent before: once a week each, daily until they are known.

Looks never learn: they take what is here. A profile counts from a day after its epoch on, and is made within that day,
so that what a look finds does not depend on when it was made.
"""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from psycopg import AsyncConnection

from alerts.findings import Outcome, Subject
from registry.policy import DEFAULTS, Policy, resolve_homes
from rules import metrics
from rules.learning import LOOKED_BACK, PERIOD, History, from_stored, learned, learned_at, learned_next, to_stored
from rules.series import serving_of, with_series
from rules.snapshot import Installation
from storage.sql import load

_SQL = load(__package__, "learner.sql")

_TOGETHER: Final = 8
_ENROL_TOGETHER: Final = 1000
_NEVER: Final = datetime(2000, 1, 1, tzinfo=UTC)
# Somebody was in need, or nobody was home.
_NOT_LIVED: Final = (Outcome.GENUINE, Outcome.FALSE_AWAY, Outcome.FALSE_AT_FAMILY, Outcome.FALSE_HOSPITAL)


async def enrol(conn: AsyncConnection[Any], *, homes: int = _ENROL_TOGETHER) -> int:
    """Gives homes whose habits nobody has tried to learn a row that is due; returns how many it found."""
    cursor = await conn.execute(_SQL.enrol, {"never": _NEVER, "homes": homes})
    return len(await cursor.fetchall())


async def learn_step(
    conn: AsyncConnection[Any], now: datetime, *, defaults: Policy = DEFAULTS, homes: int = _TOGETHER
) -> int:
    """Learns the homes that are due longest; returns how many there were.

    Args:
        conn: an autocommit connection; each step is one transaction.
        now: the wall clock.
        defaults: the policy where no level says anything.
        homes: how many at a time.
    """
    async with conn.transaction():
        cursor = await conn.execute(_SQL.due, {"latest": now - PERIOD, "homes": homes})
        due = await cursor.fetchall()
        if not due:
            return 0
        histories = await _histories(conn, due, now, defaults)
        # In a thread: a press must not wait for the arithmetic of months.
        written = await asyncio.to_thread(lambda: [(history, learned(history)) for history in histories])
        await conn.execute(
            _SQL.write,
            {
                "homes": [history.home_id for history, _ in written],
                # Due a week after what stands there.
                "epochs": [
                    learned_next(history.home_id, history.epoch_at, profiles) - PERIOD for history, profiles in written
                ],
                "profiles": [json.dumps(to_stored(profiles)) for _, profiles in written],
            },
        )
        # What counts already was not known to the last look.
        late = [history.home_id for history, profiles in written if profiles[-1].from_at <= now]
        if late:
            await conn.execute(_SQL.look_again, {"homes": late, "now": now})
    metrics.LEARNED.inc(len(written))
    return len(written)


async def _histories(
    conn: AsyncConnection[Any], due: Sequence[Sequence[Any]], now: datetime, defaults: Policy
) -> list[History]:
    wanted = [row[0] for row in due]
    earliest = now - LOOKED_BACK
    policies = await resolve_homes(conn, {row[0]: row[3] for row in due}, defaults=defaults)
    async with conn.pipeline():
        installed = await conn.execute(_SQL.installations, {"homes": wanted, "earliest": earliest}, binary=True)
        not_lived = await conn.execute(
            _SQL.not_lived,
            {
                "homes": wanted,
                "subjects": [Subject(home_id=home_id).key for home_id in wanted],
                "outcomes": list(_NOT_LIVED),
                "earliest": earliest,
            },
        )
        serving = [serving_of(row, earliest) for row in await installed.fetchall()]
        spans: dict[int, list[tuple[datetime, datetime]]] = {}
        for home_id, from_at, until_at in await not_lived.fetchall():
            spans.setdefault(home_id, []).append((from_at, until_at))
    limits = {home_id: resolved.policy for home_id, resolved in policies.items()}
    found = await with_series(conn, serving, limits, None, late_window=LOOKED_BACK, now=now)
    of_home: dict[int, list[Installation]] = {}
    for device in found:
        of_home.setdefault(device.home_id, []).append(device.installation)
    return [
        History(
            home_id=home_id,
            time_zone=time_zone,
            policy=limits[home_id],
            installations=tuple(of_home.get(home_id, ())),
            not_lived=tuple(spans.get(home_id, ())),
            epoch_at=learned_at(home_id, now),
            known=from_stored(profiles),
        )
        for home_id, _, profiles, _, time_zone in due
    ]
