"""Appending events, each exactly once, and waking the rule engine for those that cannot wait.

The whole urgent transaction is here: lock the device's name, look at what came in lately, insert, wake, notify. It
touches nothing that a look at a home locks.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from devices.model import CALLING, WAKING
from ingest.batch import Happening
from ingest.repetition import Earlier, dedup_key, look_back_to, repeats
from storage.sql import load

_Q: Final = load(__package__, "ingest.sql")


async def append(
    connection: AsyncConnection[Any], happenings: Sequence[Happening], *, now: datetime, heard_until: datetime | None
) -> int:
    """Stores events in the caller's transaction and wakes the rule engine at its commit.

    Args:
        connection: in a transaction, and best in a pipeline: then this takes two round trips, BEGIN and COMMIT
            included. The locks on the devices' names last until the transaction ends.
        happenings: in order of receipt.
        now: stored as the time of the wake.
        heard_until: until when the session that brought them had committed what it was sent.

    Returns:
        How many were new.
    """
    names = sorted({each.device_name for each in happenings})
    async with connection.pipeline():  # its end asks for the answers, BEGIN's among them
        await connection.execute(_Q.lock_devices, {"names": names})
        cursor = await connection.execute(
            _Q.earlier_events, {"names": names, "since": min(look_back_to(each) for each in happenings)}
        )
    earlier: dict[tuple[str, str], list[Earlier]] = defaultdict(list)
    for device_name, kind, source_id, payload_hash, own_time, received_at in await cursor.fetchall():
        earlier[device_name, kind].append(Earlier(source_id, bytes(payload_hash), own_time, received_at))
    stored: list[Happening] = []
    for each in happenings:
        known = earlier[each.device_name, each.kind.value]
        if repeats(each, known, heard_until=heard_until):
            continue
        stored.append(each)
        known.append(Earlier(each.source_id, each.payload_hash, each.own_time, each.received_at))
    if len(stored) < len(happenings):
        await connection.execute(_Q.commit_behind_the_first_copy)
    if not stored:
        return 0
    for each in stored:
        # What must first be computed on is judged behind the calls.
        waits = {"waking": each.kind in WAKING, "judge_at": None if each.kind in CALLING else now}
        await connection.execute(_Q.append_event, {**_row(each), **waits, "now": now})
    if any(each.kind in WAKING for each in stored):
        await connection.execute(_Q.notify_wake)
    return len(stored)


def _row(each: Happening) -> dict[str, object]:
    return {
        "device_name": each.device_name,
        "kind": each.kind.value,
        "dedup_key": dedup_key(each),
        "source_id": each.source_id,
        "payload_hash": each.payload_hash,
        "own_time": each.own_time,
        "measured_at": each.measured_at,
        "received_at": each.received_at,
        "detail": Jsonb(each.detail),
    }
