"""Takes up a database that was restored from a backup, before the stages run on it again.

What was given out between the backup and the crash is out there: the number of an alert in an SMS, in a link that is
good for days, in the duty desk's own books. The restored database knows nothing of it and would give the same number to
another alert, and an answer to the old one would take the new one. So every number goes on far beyond.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg import AsyncConnection

from storage.sql import load

_SQL = load("anju", "restored.sql")

#: More than a site gives out between two backups. No multiple of 1,000: an alert's code in an SMS is its last digits.
AHEAD: Final = 100_500


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenUp:
    """What the restored database holds.

    Attributes:
        sequences: how many were moved on.
        known_until: up to when ingest had heard when the backup was taken; what came in later is not in it.
        open_alerts: as of the backup: some may have been closed since.
        overdue: those of them of which somebody is told at once, since the time for it has passed.
        pending: messages that had not left when the backup was taken; they may have left since, and leave again.
    """

    sequences: int
    known_until: datetime | None
    open_alerts: int
    overdue: int
    pending: int


async def take_up(conn: AsyncConnection[Any], *, now: datetime, ahead: int = AHEAD) -> TakenUp:
    """Moves every number on, and says what the database holds. A second time does no harm.

    Args:
        conn: as the owner of the tables.
        now: the time.
        ahead: by how much.

    Raises:
        psycopg.errors.InsufficientPrivilege: this role may not.
    """
    async with conn.transaction():
        moved = await (await conn.execute(_SQL.move_numbers_on, {"by": ahead})).fetchone()
        found = await (await conn.execute(_SQL.what_there_is, {"now": now})).fetchone()
    assert moved is not None  # noqa: S101 (both are one row each)
    assert found is not None  # noqa: S101
    known_until, open_alerts, overdue, pending = found
    return TakenUp(
        sequences=moved[0], known_until=known_until, open_alerts=open_alerts, overdue=overdue, pending=pending
    )
