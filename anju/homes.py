"""What is known of a home, put together for operators: no name and no address of anybody, only the home's own."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from alerts.findings import Severity
from alerts.wording import text_of
from registry.absences import Noted, listed
from registry.installing import find_home
from registry.policy import Policy
from rules import listening
from rules.first_line import line_of
from rules.hearing import heard
from rules.latency import effective_latency
from rules.loading import Claimed, load_snapshots
from rules.snapshot import Installation, Snapshot, instant
from storage.sql import load

_SQL = load("anju", "homes.sql")


class OpenAlert(NamedTuple):
    """An alert that is not closed."""

    alert_id: int
    kind: str
    severity: str
    state: str
    since: datetime
    reason: str


class Learnt(NamedTuple):
    """What the home's own line was learned from, and since when it counts; no `days`: too little to learn from."""

    counts_from: datetime
    until: datetime | None
    days: float | None


class Lines(NamedTuple):
    """After so many hours without use a home is told of, if the last use is now; `learned`: by its own line."""

    learned: bool
    soft_h: float
    hard_h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeState:
    """A home at a moment.

    Attributes:
        next_look: None where it is not watched.
        noticed_by: by when a fall at this moment would be noticed by water; None: it would not.
        latency: that in words.
    """

    home: str
    home_id: int
    time_zone: str
    devices: tuple[Installation, ...]
    lines: Lines
    learned: Learnt | None
    absences: tuple[Noted, ...]
    alerts: tuple[OpenAlert, ...]
    incidents: tuple[str, ...]
    next_look: datetime | None
    looked_until: datetime | None
    noticed_by: datetime | None
    latency: str


class Listed(NamedTuple):
    """A home in a list."""

    home_id: int
    home: str
    next_look: datetime | None
    devices: int
    open_alerts: int
    away: bool


async def state_of(
    conn: AsyncConnection[TupleRow],
    home: str,
    *,
    defaults: Policy,
    late_window: timedelta,
    clock: Callable[[], datetime],
) -> HomeState | None:
    """What is known of a home; None where it was taken off the records meanwhile.

    Raises:
        InstallationRefused: there is no such home.
    """
    home_id, _ = await find_home(conn, home)
    row = await (await conn.execute(_SQL.home, {"home": home_id})).fetchone()
    known = await listening.read(conn, clock)
    now = clock()
    if row is None:
        return None
    _, path, time_zone, due_at, rearmed, looked_until, ongoing = row
    # With no end of the last look the snapshot reaches back a week, far enough to see the last use and its spacing.
    claimed = Claimed(
        home_id=home_id,
        due_at=due_at or now,
        rearmed=rearmed or 0,
        ongoing={name: instant(since_s) for name, since_s in (ongoing or {}).items()},
    )
    hearing = heard(known.ears, known.clock_difference)
    snapshots = await load_snapshots(
        conn, [claimed], hearing=hearing, defaults=defaults, late_window=late_window, now=now
    )
    if not snapshots:
        return None
    snapshot = snapshots[0]
    latency = effective_latency(snapshot, now, notice=line_of(snapshot, Severity.SOFT))
    alerts = await (await conn.execute(_SQL.alerts, {"home": home_id})).fetchall()
    return HomeState(
        home=path,
        home_id=home_id,
        time_zone=time_zone,
        devices=tuple(each for each in snapshot.installations if each.removed_at is None),
        lines=_lines(snapshot, now),
        learned=_learnt(snapshot),
        absences=tuple(await listed(conn, home=path, area=None, over=False, now=now)),
        alerts=tuple(OpenAlert(*each) for each in alerts),
        incidents=tuple(sorted(snapshot.incidents)),
        next_look=due_at,
        looked_until=looked_until,
        noticed_by=latency.noticed_by,
        latency=text_of(latency.reason, "en"),
    )


async def list_homes(conn: AsyncConnection[TupleRow], *, area: str | None, limit: int, now: datetime) -> list[Listed]:
    """Homes by their path.

    Args:
        conn: a connection.
        area: only those in this area and below it.
        limit: at most so many.
        now: the time.
    """
    rows = await conn.execute(_SQL.listed, {"area": area, "limit": limit, "now": now})
    return [Listed(*row) for row in await rows.fetchall()]


def _lines(snapshot: Snapshot, now: datetime) -> Lines:
    hours = [
        (line_of(snapshot, severity)(now) - now).total_seconds() / 3600.0 for severity in (Severity.SOFT, Severity.HARD)
    ]
    profile = snapshot.profiles[-1].profile if snapshot.profiles else None
    return Lines(snapshot.policy.inactivity_learned and profile is not None, min(hours), hours[1])


def _learnt(snapshot: Snapshot) -> Learnt | None:
    if not snapshot.profiles:
        return None
    counting = snapshot.profiles[-1]
    profile = counting.profile
    if profile is None:
        return Learnt(counting.from_at, None, None)
    return Learnt(counting.from_at, instant(profile.until_s), profile.days)
