"""Sends messages from quarantine through intake again: after a device was installed or a driver was mended.

A message keeps its time of receipt, so a press of yesterday is stored, and raised, as yesterday's. Each is replayed
once; what is refused again stays, and is not counted as replayed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg import AsyncConnection

from devices.model import Lane
from devices.registry import Drivers
from ingest import events, readings
from ingest.batch import Batch, Message
from ingest.intake import Intake, Limits
from storage.sql import load

_Q: Final = load(__package__, "quarantine.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What became of one message.

    Attributes:
        quarantine_id: the message.
        readings: readings in it, whether new or stored before.
        events: events in it that are new.
        refused: why it was refused again; None when it was replayed.
    """

    quarantine_id: int
    readings: int = 0
    events: int = 0
    refused: str | None = None


async def replay(
    connection: AsyncConnection[Any], ids: Sequence[int], *, drivers: Drivers, limits: Limits, now: datetime
) -> list[Replayed]:
    """Replays messages, each in a transaction of its own; ids that are gone or were replayed already are left out.

    Args:
        connection: in autocommit mode.
        ids: of the messages.
        drivers: who decodes what.
        limits: which times are plausible, judged against the time of the first receipt.
        now: the time of the replay.

    Raises:
        psycopg.Error: the database failed or refused; messages before this one are replayed.
    """
    await readings.create_stage(connection)
    outcomes: list[Replayed] = []
    for quarantine_id in ids:
        async with connection.transaction():
            outcome = await _replay_one(connection, quarantine_id, drivers=drivers, limits=limits, now=now)
        if outcome is not None:
            outcomes.append(outcome)
    return outcomes


async def _replay_one(
    connection: AsyncConnection[Any], quarantine_id: int, *, drivers: Drivers, limits: Limits, now: datetime
) -> Replayed | None:
    cursor = await connection.execute(_Q.claim_for_replay, {"id": quarantine_id})
    row = await cursor.fetchone()
    if row is None:
        return None
    _, _, topic, payload, payload_bytes, retained, received_at = row
    if payload_bytes > len(payload):
        return Replayed(quarantine_id=quarantine_id, refused="payload_too_large: only its beginning was kept")
    device_ids: dict[str, int] = {}
    intake = Intake(lane=Lane.BULK, drivers=drivers, device_ids=device_ids, limits=limits)
    batch = Batch()
    intake.sort([Message(topic, bytes(payload), received_at, retain=retained)], received_at, batch)
    if batch.unknown:
        device_ids.update(await readings.find_devices(connection, [name for name, _ in batch.unknown]))
        intake.sort_unknown(batch)
    if not batch.rows and not batch.happenings:
        first = batch.refused[0]
        return Replayed(quarantine_id=quarantine_id, refused=f"{first.reason.value}: {first.detail}")
    new_events = 0
    if batch.happenings:
        new_events = await events.append(connection, batch.happenings, now=now, heard_until=None)
    if batch.rows:
        await readings.append(connection, batch.rows)
    await connection.execute(_Q.mark_replayed, {"id": quarantine_id, "now": now})
    return Replayed(quarantine_id=quarantine_id, readings=len(batch.rows), events=new_events)
