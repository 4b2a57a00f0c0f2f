"""Quarantine: what could not be decoded or stored, with its reason and raw bytes.

Bounded three ways: of each device and reason the first and the last 20 messages are kept and the rest only counted; all
payloads together stay below a limit; so does the number of counters. Urgent messages are never evicted.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import AsyncConnection

from devices.model import Reason
from ingest.batch import Refused
from storage.sql import load

_Q: Final = load(__package__, "quarantine.sql")

KEEP_FIRST: Final = 20
KEEP_LAST: Final = 20
MAX_COUNTERS: Final = 100_000

_COPY_WITHIN: Final = timedelta(seconds=10)
# How long a message may wait at the broker to be sent again.
_LOOK_BACK: Final = timedelta(days=1)

_Group = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineGroup:
    """What is known of one device's messages with one reason."""

    device_name: str
    reason: str
    messages: int
    kept: int
    first_at: datetime
    last_at: datetime
    last_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """One message in quarantine."""

    quarantine_id: int
    device_name: str
    topic: str
    payload: bytes
    payload_bytes: int
    reason: str
    detail: str
    urgent: bool
    retained: bool
    received_at: datetime
    replayed_at: datetime | None


def worth_keeping(refused: Sequence[Refused]) -> list[Refused]:
    """Of a batch, what has a chance to be kept: urgent messages, and the first and last 20 of each group."""
    groups: dict[_Group, list[int]] = defaultdict(list)
    for index, each in enumerate(refused):
        groups[each.device_name, each.reason.value].append(index)
    kept: set[int] = set()
    for indices in groups.values():
        kept.update(indices[:KEEP_FIRST], indices[-KEEP_LAST:])
    return [each for index, each in enumerate(refused) if index in kept or each.urgent]


def surplus(ids: Sequence[int]) -> Sequence[int]:
    """Of the kept messages of one group, oldest first, those between the first and the last 20."""
    return ids[KEEP_FIRST:-KEEP_LAST]


def oversize(sizes: Sequence[tuple[int, int]], max_bytes: int) -> list[int]:
    """Which messages to evict so that the rest stays below a limit.

    Args:
        sizes: id and bytes of every message that may be evicted, newest first.
        max_bytes: the limit.

    Returns:
        The ids of the oldest ones.
    """
    total = 0
    for position, (_, size) in enumerate(sizes):
        total += size
        if total > max_bytes:
            return [quarantine_id for quarantine_id, _ in sizes[position:]]
    return []


class Kept(NamedTuple):
    """What is compared of a message that is in quarantine already."""

    device_name: str
    reason: str
    topic: str
    payload: bytes
    received_at: datetime


def without_copies(refused: Sequence[Refused], kept: Sequence[Kept]) -> list[Refused]:
    """Leaves out what is kept already (pure): sent again by the broker (DUP), or heard by another worker as well.

    A copy has the same bytes and came within ten seconds, or at any time where the broker says that it is one. Unlike
    presses, of garbage it does no harm to take two that look alike for one.
    """
    times: dict[tuple[str, str, str, bytes], list[datetime]] = defaultdict(list)
    for each in kept:
        times[each.device_name, each.reason, each.topic, each.payload].append(each.received_at)
    new: list[Refused] = []
    for candidate in refused:
        message = candidate.message
        key = (candidate.device_name, candidate.reason.value, message.topic, message.payload)
        if not any(message.duplicate or abs(message.received_at - at) <= _COPY_WITHIN for at in times.get(key, ())):
            new.append(candidate)
    return new


async def store(connection: AsyncConnection[Any], refused: Sequence[Refused], *, may_be_copies: bool = False) -> None:
    """Writes a batch's refused messages, in the caller's transaction.

    Args:
        connection: in a transaction.
        refused: the messages.
        may_be_copies: other workers hear the same messages, so look for copies of them.
    """
    if not refused:
        return
    if may_be_copies or any(each.message.duplicate for each in refused):
        refused = without_copies(refused, await _kept_lately(connection, refused))
    if not refused:
        return
    counts: dict[_Group, list[datetime]] = defaultdict(list)
    for each in refused:
        counts[each.device_name, each.reason.value].append(each.message.received_at)
    groups = sorted(counts)  # in order: two workers that count the same groups do not deadlock
    async with connection.cursor() as cursor:
        await cursor.executemany(
            _Q.count,
            [
                {
                    "device_name": name,
                    "reason": reason,
                    "messages": len(counts[name, reason]),
                    "first_at": min(counts[name, reason]),
                    "last_at": max(counts[name, reason]),
                }
                for name, reason in groups
            ],
        )
        await cursor.executemany(_Q.keep, [_row(each) for each in worth_keeping(refused)])
        await cursor.execute(
            _Q.kept_ids, {"names": [name for name, _ in groups], "reasons": [reason for _, reason in groups]}
        )
        kept: dict[_Group, list[int]] = defaultdict(list)
        for name, reason, quarantine_id in await cursor.fetchall():
            kept[name, reason].append(quarantine_id)
        if surplus_ids := [each for ids in kept.values() for each in surplus(ids)]:
            await cursor.execute(_Q.delete, {"ids": surplus_ids})


async def _kept_lately(connection: AsyncConnection[Any], refused: Sequence[Refused]) -> list[Kept]:
    groups = sorted({(each.device_name, each.reason.value) for each in refused})
    cursor = await connection.execute(
        _Q.kept_lately,
        {
            "names": [name for name, _ in groups],
            "reasons": [reason for _, reason in groups],
            "since": min(each.message.received_at for each in refused) - _LOOK_BACK,
        },
    )
    rows = await cursor.fetchall()
    return [Kept(name, reason, topic, bytes(payload), at) for name, reason, topic, payload, at in rows]


async def trim(connection: AsyncConnection[Any], max_bytes: int) -> int:
    """Keeps the whole quarantine within its limits.

    Returns:
        How many messages were evicted.
    """
    async with connection.transaction(), connection.cursor() as cursor:
        await cursor.execute(_Q.sizes)
        evicted = oversize(await cursor.fetchall(), max_bytes)
        if evicted:
            await cursor.execute(_Q.delete, {"ids": evicted})
        await cursor.execute(_Q.drop_old_counts, {"keep": MAX_COUNTERS})
    return len(evicted)


async def list_groups(connection: AsyncConnection[Any], *, limit: int = 1000) -> list[QuarantineGroup]:
    """The groups, last heard first."""
    cursor = await connection.execute(_Q.groups, {"limit": limit})
    return [
        QuarantineGroup(
            device_name=name, reason=reason, messages=messages, first_at=first, last_at=last, last_id=last_id, kept=kept
        )
        for name, reason, messages, first, last, last_id, kept in await cursor.fetchall()
    ]


async def show(connection: AsyncConnection[Any], quarantine_id: int) -> Quarantined | None:
    """One message; None if there is none of this id (any more)."""
    cursor = await connection.execute(_Q.show, {"id": quarantine_id})
    row = await cursor.fetchone()
    if row is None:
        return None
    names = [column.name for column in cursor.description or ()]
    return Quarantined(**dict(zip(names, row, strict=True)))


async def choose(
    connection: AsyncConnection[Any],
    *,
    reason: Reason | None = None,
    device_name: str | None = None,
    limit: int = 10_000,
) -> list[int]:
    """The ids of messages that were not replayed yet, oldest first."""
    parameters = {"reason": reason.value if reason else None, "device_name": device_name, "limit": limit}
    cursor = await connection.execute(_Q.choose, parameters)
    return [row[0] for row in await cursor.fetchall()]


def _row(refused: Refused) -> dict[str, object]:
    message = refused.message
    return {
        "device_name": refused.device_name,
        "topic": message.topic,
        "payload": message.payload,
        "payload_bytes": len(message.payload) if message.size_bytes is None else message.size_bytes,
        "reason": refused.reason.value,
        "detail": refused.detail.replace("\0", "")[:500],
        "urgent": refused.urgent,
        "retained": message.retain,
        "received_at": message.received_at,
    }
