"""Snapshots of many homes at once, with a handful of set-based queries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from psycopg import AsyncConnection

from alerts.findings import Kind, Outcome, Subject
from devices.model import Reason
from registry.policy import Policy, resolve_homes
from rules.learning import counting, from_stored
from rules.pacing import Slices
from rules.series import Serving, register_of, with_series
from rules.snapshot import (
    EVENTS_READ,
    Absence,
    Failure,
    Hearing,
    Installation,
    OwnTime,
    Snapshot,
    Trouble,
    instant,
    read_from,
)
from rules.supervision import is_call_button, with_supervision
from storage.sql import load

_SQL = load(__package__, "loading.sql")
_log = structlog.get_logger()

_KINDS: Final = frozenset(Kind)
_IN_NEED: Final = (Outcome.GENUINE, Outcome.FALSE_HOSPITAL)


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
        absence_rows = await conn.execute(_SQL.absences, {"homes": wanted, "earliest": now - late_window}, binary=True)
        emergency_rows = await conn.execute(
            _SQL.emergencies,
            {"homes": wanted, "earliest": now - late_window, "outcomes": list(_IN_NEED)},
            binary=True,
        )
        trouble_rows = await conn.execute(_SQL.troubles, {"homes": wanted}, binary=True)
        installation_rows = await conn.execute(
            _SQL.installations,
            {
                "homes": wanted,
                "earliest": now - late_window,
                "events_from": now - EVENTS_READ,
                "refused": Reason.TIME_IMPLAUSIBLE,
            },
            binary=True,
        )
        homes = {row[0]: row[1:] for row in await home_rows.fetchall()}
        open_kinds = {row[0]: _kinds(row[1]) for row in await kind_rows.fetchall()}
        away = await absence_rows.fetchall()
        emergencies: dict[int, list[tuple[datetime, datetime]]] = {}
        for home_id, since, closed_at in await emergency_rows.fetchall():
            emergencies.setdefault(home_id, []).append((since, closed_at))
        troubles = _troubles(await trouble_rows.fetchall())
        installed = await installation_rows.fetchall()
    policies = await resolve_homes(conn, {home_id: area for home_id, (area, _, _) in homes.items()}, defaults=defaults)
    for home_id, resolved in policies.items():
        if resolved.faults:
            _log.warning("policy_unreadable", home_id=home_id, faults=len(resolved.faults))
    from_at = {
        home.home_id: read_from(home.looked_until, policies[home.home_id].policy, now, late_window)
        for home in claimed
        if home.home_id in homes
    }
    absences: dict[int, list[Absence]] = {}
    for home_id, absence_id, begins_at, ends_at, reason in away:
        if home_id in from_at and ends_at > from_at[home_id]:
            absences.setdefault(home_id, []).append(
                Absence(absence_id=absence_id, from_at=begins_at, until_at=ends_at, reason=reason)
            )
    slices = Slices()
    serving = []
    for row in installed:
        if row[0] in from_at:
            serving.append(_serving(row, from_at[row[0]]))
            await slices.give_way()
    limits = {home_id: resolved.policy for home_id, resolved in policies.items()}
    supervised = await with_supervision(conn, serving, late_window=late_window, now=now)
    serving = await with_series(conn, supervised.serving, limits, hearing, late_window=late_window, now=now)
    of_home: dict[int, list[Installation]] = {}
    for device in serving:
        of_home.setdefault(device.home_id, []).append(device.installation)
    snapshots = []
    for home in claimed:
        if home.home_id not in homes:
            continue
        snapshots.append(
            Snapshot(
                home_id=home.home_id,
                time_zone=homes[home.home_id][1],
                policy=policies[home.home_id].policy,
                installations=tuple(of_home.get(home.home_id, ())),
                absences=tuple(absences.get(home.home_id, ())),
                emergencies=tuple(emergencies.get(home.home_id, ())),
                events=tuple(supervised.events.get(home.home_id, ())),
                profiles=counting(from_stored(homes[home.home_id][2] or ()), now),
                incidents=frozenset(each.cause for each in troubles.get(home.home_id, ()) if each.is_open),
                troubles=tuple(troubles.get(home.home_id, ())),
                open_kinds=open_kinds.get(home.home_id, frozenset()),
                hearing=hearing,
                looked_until=home.looked_until,
                ongoing=home.ongoing,
                failures=home.failures,
            )
        )
        await slices.give_way()
    return snapshots


def _serving(row: Sequence[Any], from_at: datetime) -> Serving:
    (
        home_id,
        device_id,
        device,
        driver,
        model,
        interval_s,
        litres_per_pulse,
        resolution_l,
        gateway,
        installed_at,
        removed_at,
        event_at,
        own_time,
        refused_at,
    ) = row
    spoke = event_at is not None and event_at >= installed_at and removed_at is None
    return Serving(
        home_id=home_id,
        device_id=device_id,
        from_at=max(from_at, installed_at),
        litres_per_pulse=litres_per_pulse,
        resolution_l=resolution_l,
        register=register_of(litres_per_pulse),
        event_at=event_at,
        installation=Installation(
            device=device,
            interval_s=interval_s,
            gateway=gateway,
            meters_water=litres_per_pulse is not None,
            calls=is_call_button(driver, model, device),
            installed_at=installed_at,
            removed_at=removed_at,
            heard_at=event_at if spoke else None,
            own_time=OwnTime(said=own_time, received_at=event_at) if spoke and own_time is not None else None,
            refused_at=refused_at if refused_at is not None and refused_at >= installed_at else None,
        ),
    )


def _troubles(rows: Sequence[Sequence[Any]]) -> dict[int, list[Trouble]]:
    troubles: dict[int, list[Trouble]] = {}
    for home_id, cause, since, opened_at, ended_at in rows:
        trouble = Trouble(cause=cause, since=since, opened_at=opened_at, ended_at=ended_at)
        troubles.setdefault(home_id, []).append(trouble)
    return troubles


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
