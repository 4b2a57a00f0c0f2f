"""The outbox in the database: messages claimed by lease, attempts recorded, what is waiting counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from alerts.channels.results import Accepted, Outgoing, Result
from alerts.retry import Abandoned, Done, Later, Step
from storage import sql

_Q = sql.load(__package__, "outbox.sql")
_LISTEN: Final = _Q.listen
_LEASES_MAY_BE_LOST: Final = _Q.leases_may_be_lost
_PLAN_ONCE: Final = _Q.plan_once


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt and what follows from it."""

    message: Outgoing
    started_at: datetime
    duration_s: float
    result: Result
    step: Step

    @property
    def reason(self) -> str:
        """`ok`, or the fault's name."""
        return "ok" if isinstance(self.result, Accepted) else str(self.result.fault)

    @property
    def outcome(self) -> str:
        """`accepted`, `try_again` or `give_up`: what follows, not what the channel asked for."""
        match self.step:
            case Done():
                return "accepted"
            case Later():
                return "try_again"
            case Abandoned():
                return "give_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Messages of one recipient that are not yet accepted."""

    channel: str
    recipient: str
    urgent: bool
    messages: int
    oldest_at: datetime


async def listen(conn: AsyncConnection[Any]) -> None:
    """Asks for a notification when a message is written. `conn` is in autocommit."""
    await conn.execute(_LISTEN)


async def make_leases_cheap(conn: AsyncConnection[Any]) -> None:
    """Lets claims return before they are on disk: a lease lost in a crash only means that the message is sent again.

    They are also planned once, not each time: planning takes longer than claiming.
    """
    await conn.execute(_LEASES_MAY_BE_LOST)
    await conn.execute(_PLAN_ONCE)


async def claim(
    conn: AsyncConnection[Any],
    *,
    channel: str,
    recipient: str,
    priorities: range,
    limit: int,
    worker: str,
    now: datetime,
    lease_until: datetime,
) -> list[Outgoing]:
    """Leases due messages, the most urgent first; each counts as an attempt, also if its outcome is never learnt."""
    async with conn.cursor(row_factory=class_row(Outgoing)) as cursor:
        await cursor.execute(
            _Q.claim_due,
            {
                "channel": channel,
                "recipient": recipient,
                "first_priority": priorities.start,
                "last_priority": priorities.stop - 1,
                "limit": limit,
                "worker": worker,
                "now": now,
                "lease_until": lease_until,
            },
            prepare=True,
        )
        return sorted(await cursor.fetchall(), key=lambda message: (message.priority, message.created_at))


async def renew(conn: AsyncConnection[Any], ids: Sequence[UUID], *, worker: str, lease_until: datetime) -> None:
    """Prolongs the leases of messages that are still on their way."""
    await conn.execute(_Q.renew, {"ids": list(ids), "worker": worker, "lease_until": lease_until}, prepare=True)


async def record(conn: AsyncConnection[Any], attempts: Sequence[Attempt], *, worker: str, now: datetime) -> None:
    """Keeps what became of attempts and moves their messages on; what is given up enters the alert's history."""
    await conn.execute(
        _Q.record_attempts,
        {
            "ids": [attempt.message.notification_id for attempt in attempts],
            "attempts": [attempt.message.attempt for attempt in attempts],
            "started": [attempt.started_at for attempt in attempts],
            "durations": [attempt.duration_s for attempt in attempts],
            "results": [attempt.outcome for attempt in attempts],
            "reasons": [attempt.reason for attempt in attempts],
            "provider_ids": [
                attempt.result.provider_id if isinstance(attempt.result, Accepted) else None for attempt in attempts
            ],
            "next_at": [attempt.step.at if isinstance(attempt.step, Later) else None for attempt in attempts],
            "worker": worker,
            "now": now,
        },
        prepare=True,
    )


async def count_pending(conn: AsyncConnection[Any]) -> list[Waiting]:
    """What is waiting, by recipient and urgency."""
    async with conn.cursor(row_factory=class_row(Waiting)) as cursor:
        await cursor.execute(_Q.count_pending)
        return await cursor.fetchall()
