"""The outbox in the database: messages claimed by lease, attempts recorded, what is waiting counted."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from alerts.caps import DAY, NOT_COUNTED
from alerts.channels.results import Accepted, Fault, GiveUp, Outgoing, Result, Submission, Tried
from alerts.retry import Abandoned, Done, Later, Step
from storage import sql

_Q = sql.load(__package__, "outbox.sql")
_UNSERVED_KEPT: Final = timedelta(days=7)
_LISTEN: Final = _Q.listen
_LEASES_MAY_BE_LOST: Final = _Q.leases_may_be_lost
_PLAN_ONCE: Final = _Q.plan_once
_PLAN_FOR_LARGE_TABLES: Final = _Q.plan_for_large_tables

#: The priority of what became of a case; whatever is before it asks somebody to do something.
NEWS: Final = 4
#: How many messages of one channel are looked at to make bundles.
_MOST_AT_ONCE: Final = 1_000
_FAULTS: Final = frozenset(Fault)


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
    def provider(self) -> str | None:
        """Who was asked."""
        return self.result.provider

    @property
    def receipted(self) -> tuple[str, str] | None:
        """By which provider and id receipts of it come back."""
        if isinstance(self.result, Accepted) and self.result.provider and self.result.provider_id:
            return self.result.provider, self.result.provider_id
        return None

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
    """Messages of one channel that are not yet accepted."""

    channel: str
    urgent: bool
    messages: int
    oldest_at: datetime


async def listen(conn: AsyncConnection[Any]) -> None:
    """Asks for a notification when a message is written. `conn` is in autocommit."""
    await conn.execute(_LISTEN)


async def make_leases_cheap(conn: AsyncConnection[Any]) -> None:
    """Lets claims return before they are on disk: a lease lost in a crash only means that the message is sent again.

    They are also planned once, not each time: planning takes longer than claiming. A plan made while there are few
    messages must hold when there are many: it reads by indexes only.
    """
    await conn.execute(_LEASES_MAY_BE_LOST)
    await conn.execute(_PLAN_ONCE)
    await conn.execute(_PLAN_FOR_LARGE_TABLES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How many messages of which channel and priorities there are free hands for."""

    channel: str
    priorities: range
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Who claims, when.

    Attributes:
        worker: No other living process has this name.
        now: What is due by then.
        lease_until: Until when nobody else may claim it.
        language: Of recipients who are no registered persons.
    """

    worker: str
    now: datetime
    lease_until: datetime
    language: str


async def claim(conn: AsyncConnection[Any], wanted: Sequence[Wanted], by: Claim) -> list[Outgoing]:
    """Leases due messages, the most urgent first; each counts as an attempt, also if its outcome is never learnt."""
    lanes = {
        "channels": [lane.channel for lane in wanted],
        "first_priorities": [lane.priorities.start for lane in wanted],
        "last_priorities": [lane.priorities.stop - 1 for lane in wanted],
        "limits": [lane.limit for lane in wanted],
    }
    return await _claimed(conn, _Q.claim_due, _by(by) | lanes)


async def claim_bundled(conn: AsyncConnection[Any], wanted: Wanted, by: Claim) -> list[Outgoing]:
    """The same, with all that is due to one recipient in one message."""
    lane = {
        "channel": wanted.channel,
        "first_priority": wanted.priorities.start,
        "last_priority": wanted.priorities.stop - 1,
        "limit": wanted.limit,
        "most_at_once": _MOST_AT_ONCE,
        "news": NEWS,
    }
    return await _claimed(conn, _Q.claim_bundled, _by(by) | lane)


async def ripe(conn: AsyncConnection[Any], channels: Sequence[str], priorities: range, now: datetime) -> frozenset[str]:
    """Those of the channels that have something for `claim_bundled`: to ask is cheaper than to claim nothing."""
    asked = {
        "channels": list(channels),
        "first_priority": priorities.start,
        "last_priority": priorities.stop - 1,
        "now": now,
    }
    cursor = await conn.execute(_Q.read_ripe, asked, prepare=True)
    return frozenset(row[0] for row in await cursor.fetchall())


def _by(by: Claim) -> dict[str, object]:
    return {"worker": by.worker, "now": by.now, "lease_until": by.lease_until, "language": by.language}


async def _claimed(conn: AsyncConnection[Any], query: str, asked: dict[str, object]) -> list[Outgoing]:
    async with conn.cursor(row_factory=class_row(Outgoing)) as cursor:
        await cursor.execute(query, asked, prepare=True)
        return sorted(await cursor.fetchall(), key=lambda message: (message.priority, message.created_at))


async def with_history(
    conn: AsyncConnection[Any], messages: Sequence[Outgoing], *, channel: str, now: datetime
) -> list[Outgoing]:
    """The messages with what became of their earlier attempts, and what their recipients were sent of late."""
    again = [message.notification_id for message in messages if message.attempt > 1]
    tried: dict[UUID, list[Tried]] = {}
    if again:
        cursor = await conn.execute(_Q.read_tried, {"ids": again}, prepare=True)
        for notification_id, provider, reason in await cursor.fetchall():
            if reason in _FAULTS:
                tried.setdefault(notification_id, []).append(Tried(provider=provider, fault=Fault(reason)))
    submitted: dict[str, list[Submission]] = {}
    asked = {
        "channel": channel,
        "recipients": sorted({message.recipient for message in messages}),
        "since": now - DAY,
        "not_counted": sorted(NOT_COUNTED),
    }
    cursor = await conn.execute(_Q.read_submitted, asked, prepare=True)
    for recipient, notification_id, provider, at in await cursor.fetchall():
        submission = Submission(notification_id=notification_id, provider=provider, at=at)
        submitted.setdefault(recipient, []).append(submission)
    return [
        replace(
            message,
            tried=tuple(tried.get(message.notification_id, ())),
            submitted=tuple(submitted.get(message.recipient, ())),
        )
        for message in messages
    ]


async def renew(conn: AsyncConnection[Any], ids: Sequence[UUID], *, worker: str, lease_until: datetime) -> None:
    """Prolongs the leases of messages that are still on their way."""
    await conn.execute(_Q.renew, {"ids": list(ids), "worker": worker, "lease_until": lease_until}, prepare=True)


async def record(conn: AsyncConnection[Any], attempts: Sequence[Attempt], *, worker: str, now: datetime) -> None:
    """Keeps what became of attempts and moves their messages on; what is given up enters the alert's history, and the
    next step of its escalation is due at once.
    """
    await conn.execute(
        _Q.record_attempts,
        {
            "ids": [attempt.message.notification_id for attempt in attempts],
            "attempts": [attempt.message.attempt for attempt in attempts],
            "started": [attempt.started_at for attempt in attempts],
            "durations": [attempt.duration_s for attempt in attempts],
            "results": [attempt.outcome for attempt in attempts],
            "reasons": [attempt.reason for attempt in attempts],
            "providers": [attempt.provider for attempt in attempts],
            "provider_ids": [
                attempt.result.provider_id if isinstance(attempt.result, Accepted) else None for attempt in attempts
            ],
            "next_at": [attempt.step.at if isinstance(attempt.step, Later) else None for attempt in attempts],
            "finals": [isinstance(attempt.result, GiveUp) for attempt in attempts],
            "worker": worker,
            "now": now,
        },
        prepare=True,
    )


async def count_pending(conn: AsyncConnection[Any]) -> list[Waiting]:
    """What is waiting, by channel and urgency."""
    async with conn.cursor(row_factory=class_row(Waiting)) as cursor:
        await cursor.execute(_Q.count_pending)
        return await cursor.fetchall()


async def give_up_unserved(conn: AsyncConnection[Any], channels: Collection[str], now: datetime) -> None:
    """Gives up messages for channels that are not there, a week after their time; their alerts' histories say so.

    Until then a channel that an operator sets up at last still gets them.
    """
    asked = {"channels": sorted(channels), "before": now - _UNSERVED_KEPT, "now": now}
    await conn.execute(_Q.give_up_unserved, asked)
