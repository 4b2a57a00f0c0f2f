"""Snapshots of many homes at once, with a handful of set-based queries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from psycopg import AsyncConnection

from alerts.findings import Kind, Subject
from registry.policy import Policy, resolve_homes
from rules.series import Serving, register_of, with_series
from rules.snapshot import Failure, Hearing, Installation, Snapshot, instant, read_from
from storage.sql import load

_SQL = load(__package__, "loading.sql")
_log = structlog.get_logger()

_KINDS: Final = frozenset(Kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A home that is to be looked at, and what its last look left."""

    home_id: int
    due_at: datetime
    rearmed: int
    looked_until: datetime | None = None
    ongoing: Mapping[str, datetime] = field(default_factory=dict)
    failures: Mapping[str, Failure] = field(default_factory=dict)


async def load_snapshots(
    conn: AsyncConnection[Any],
    claimed: Sequence[Claimed],
    *,
    hearing: Hearing | None,
    defaults: Policy,
    late_window: timedelta,
    now: datetime,
) -> list[Snapshot]:
    """Reads what is known of each home, in the order given; homes that no longer exist are left out."""
    wanted = [home.home_id for home in claimed]
    async with conn.pipeline():
        home_rows = await conn.execute(_SQL.homes, {"homes": wanted}, binary=True)
        kind_rows = await conn.execute(
            _SQL.open_kinds, {"subjects": [Subject(home_id=home_id).key for home_id in wanted]}, binary=True
        )
        installation_rows = await conn.execute(
            _SQL.installations, {"homes": wanted, "earliest": now - late_window}, binary=True
        )
        homes = {row[0]: (row[1], row[2]) for row in await home_rows.fetchall()}
        open_kinds = {row[0]: _kinds(row[1]) for row in await kind_rows.fetchall()}
        installed = await installation_rows.fetchall()
    policies = await resolve_homes(conn, {home_id: area for home_id, (area, _) in homes.items()}, defaults=defaults)
    for home_id, resolved in policies.items():
        if resolved.faults:
            _log.warning("policy_unreadable", home_id=home_id, faults=len(resolved.faults))
    from_at = {
        home.home_id: read_from(home.looked_until, policies[home.home_id].policy, now, late_window)
        for home in claimed
        if home.home_id in homes
    }
    serving = [
        Serving(
            home_id=row[0],
            device_id=row[2],
            from_at=max(from_at[row[0]], row[6]),
            litres_per_pulse=row[5],
            register=register_of(row[5]),
            installation=Installation(
                device=row[3],
                interval_s=row[4],
                meters_water=row[5] is not None,
                installed_at=row[6],
                removed_at=row[7],
                heard_at=row[8] if row[8] is not None and row[8] >= row[6] else None,
            ),
        )
        for row in installed
        if row[0] in from_at
    ]
    limits = {home_id: resolved.policy for home_id, resolved in policies.items()}
    serving = await with_series(conn, serving, limits, hearing, late_window=late_window, now=now)
    of_home: dict[int, list[Installation]] = {}
    for device in serving:
        of_home.setdefault(device.home_id, []).append(device.installation)
    return [
        Snapshot(
            home_id=home.home_id,
            time_zone=homes[home.home_id][1],
            policy=policies[home.home_id].policy,
            installations=tuple(of_home.get(home.home_id, ())),
            open_kinds=open_kinds.get(home.home_id, frozenset()),
            hearing=hearing,
            looked_until=home.looked_until,
            ongoing=home.ongoing,
            failures=home.failures,
        )
        for home in claimed
        if home.home_id in homes
    ]


def _kinds(names: Sequence[str]) -> frozenset[Kind]:
    # A kind that a later release has opened is none of ours to clear.
    return frozenset(Kind(name) for name in names if name in _KINDS)


def failures_from(stored: Mapping[str, Mapping[str, float]]) -> dict[str, Failure]:
    """The `failures` column as types."""
    return {
        rule: Failure(count=int(f["count"]), since=instant(f["since_s"]), retry_at=instant(f["retry_s"]))
        for rule, f in stored.items()
    }


def failures_to(failures: Mapping[str, Failure]) -> dict[str, dict[str, float]]:
    """The reverse of `failures_from`."""
    return {
        rule: {"count": f.count, "since_s": f.since.timestamp(), "retry_s": f.retry_at.timestamp()}
        for rule, f in failures.items()
    }
