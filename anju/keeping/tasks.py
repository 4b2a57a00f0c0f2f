"""The tasks of the keep role: each does what is due and says what it did."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, Final

import structlog
from psycopg import AsyncConnection

from anju.keeping import metrics
from anju.keeping.options import KeepOptions
from devices import quantities
from storage import partitions, retention, series

log = structlog.get_logger()

#: How far ahead partitions are made. Ingest does the same: it stays the last resort.
AHEAD: Final = timedelta(days=62)
_PACKED_WITHIN: Final = timedelta(days=3)
_JOBS_MARGIN: Final = timedelta(days=1)
_LEAST_LATE: Final = timedelta(days=35)


@dataclass(slots=True, kw_only=True)
class Work:
    """What a round works with.

    Attributes:
        conn: in autocommit.
        options: of the role.
        now: of the round.
        until_s: when retention is to take a rest, on the monotonic clock; what is left is for the next round.
        next_device: how far each quantity's deletion has come; kept from round to round.
    """

    conn: AsyncConnection[Any]
    options: KeepOptions
    now: datetime
    until_s: float = float("inf")
    next_device: dict[int, int] = field(default_factory=dict)


async def make_room(work: Work) -> str:
    """Partitions for every plausible reading, and for two months to come."""
    made = await partitions.ensure(
        work.conn, from_=work.now - work.options.late_window - timedelta(days=1), to=work.now + AHEAD
    )
    return f"made {', '.join(made)}" if made else "there is room"


async def retain(work: Work) -> str:
    """Readings past their retention go, and second values with them."""
    conn, kept = work.conn, work.options.retention
    dropped: list[str] = []
    conflicts = 0
    whole = kept.drop_before(work.now)
    if whole is not None:
        dropped = await retention.drop_parts(conn, whole)
        metrics.DROPPED.inc(len(dropped))
        conflicts = await retention.delete_conflicts(conn, whole)
    due = await retention.due(conn, kept.delete_before((known.code for known in quantities.ALL), work.now))
    rows = 0
    for quantity, before in due.items():
        device: int | None = work.next_device.get(quantity, 0)
        while device is not None and monotonic() < work.until_s:
            gone, device = await retention.delete_some(conn, quantity, before, after_device=device)
            metrics.DELETED.inc(gone)
            rows += gone
            work.next_device[quantity] = device or 0
    if dropped or rows or conflicts:
        log.info("readings_past_retention", parts=len(dropped), readings=rows, conflicts=conflicts)
    return f"dropped {len(dropped)} parts, deleted {rows} readings and {conflicts} second values"


async def forget_replies(work: Work) -> str:
    """The words of old replies go."""
    kept = work.options.replies_kept
    if kept is None:
        return "kept for ever"
    return f"took the words out of {await retention.blank_replies(work.conn, work.now - kept)}"


async def see_to_jobs(work: Work) -> str:
    """TimescaleDB's jobs fit the late window, and what they do is written down."""
    fitted = await series.fit(work.conn, work.options.late_window)
    if fitted:
        log.info("series_jobs_fitted", late_window_days=work.options.late_window.days)
    await series.note_jobs(work.conn, work.now)
    return "fitted to the late window" if fitted else "as they should be"


async def measure(work: Work) -> str:
    """How large the series is, and how far it reaches."""
    late = max(work.options.late_window, _LEAST_LATE) + _JOBS_MARGIN + _PACKED_WITHIN
    found = await series.size(work.conn, pack_before=work.now - late)
    metrics.DATABASE_BYTES.set(found.database_bytes)
    metrics.SERIES_BYTES.set(found.series_bytes)
    metrics.HOURS_BYTES.set(found.hours_bytes)
    metrics.READINGS.set(found.readings)
    if found.readings:
        metrics.READING_BYTES.set(found.series_bytes / found.readings)
    for state, count in (
        ("open", found.parts - found.packed - found.late_unpacked),
        ("packed", found.packed),
        ("late", found.late_unpacked),
    ):
        metrics.PARTS.labels(state).set(count)
    if found.oldest_from is not None and found.newest_to is not None:
        metrics.OLDEST_PART.set(found.oldest_from.timestamp())
        metrics.NEWEST_PART.set(found.newest_to.timestamp())
        if not await series.is_hypertable(work.conn):
            metrics.ROOM_UNTIL.set(found.newest_to.timestamp())
    return f"{found.series_bytes / 1e6:,.1f} MB in {found.parts} parts, about {found.readings:,} readings"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task, and how often it is done."""

    do: Callable[[Work], Awaitable[str]]
    every: timedelta


ALL: Final[Mapping[str, Task]] = {
    "partitions": Task(do=make_room, every=timedelta(minutes=10)),
    "retention": Task(do=retain, every=timedelta(hours=1)),
    "replies": Task(do=forget_replies, every=timedelta(hours=1)),
    "jobs": Task(do=see_to_jobs, every=timedelta(minutes=1)),
    "sizes": Task(do=measure, every=timedelta(minutes=5)),
}
