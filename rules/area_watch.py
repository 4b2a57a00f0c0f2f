"""Looks at the areas: tells where many homes fell silent or dry together, and where they are well again.

What is wrong with a home its last look has written (`home_watch.ongoing`); so this costs as much as there are homes
with which something is wrong. One of several processes looks at a time.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from psycopg import AsyncConnection
from pydantic import JsonValue

from alerts import findings
from alerts.findings import Finding, Kind, Reason, Severity, Verdict
from registry.policy import DEFAULTS, Policy, resolve_homes
from rules import metrics, troubles
from rules.area_rows import known_from, row_of, subject_of
from rules.area_water import AreaWater
from rules.areas import Cause, Member, Scope, Town, area_of, by_area, by_gateway, newly, total_watched, window_s
from rules.incidents import Found, Incident, find
from rules.pacing import Slices
from rules.shut_off import DRY_HOMES, NOTHING_READ, worth_reading
from rules.snapshot import instant
from rules.troubles import Changes, Key, Known
from rules.zones import zone
from storage.sql import load

_SQL = load(__package__, "area_watch.sql")

EVERY: Final = timedelta(seconds=10)
_ROWS_AT_ONCE: Final = 200
_TOWN_EVERY: Final = timedelta(minutes=10)
_LONGEST: Final = timedelta(days=8)
"""Who fell silent longer ago is part of no new incident: daily meters are lost after three days."""
_KIND: Final = {Cause.SILENT: Kind.MONITORING_LOST, Cause.DRY: Kind.INACTIVITY}


@dataclass(slots=True, kw_only=True)
class AreaWatch:
    """What one process remembers between its looks.

    Attributes:
        defaults: the limits where no policy says anything.
    """

    defaults: Policy = DEFAULTS
    _water: AreaWater = field(default_factory=AreaWater, init=False)
    _town: Town | None = field(default=None, init=False)
    _town_at: datetime = field(default=datetime.min.replace(tzinfo=UTC), init=False)

    async def look(self, conn: AsyncConnection[Any], now: datetime) -> bool:
        """Looks once, unless another process does or did a moment ago; returns whether it did.

        Raises:
            psycopg.Error: as the database says; nothing was written then.
        """
        async with conn.transaction():
            turn = await conn.execute(_SQL.take_turn, {"before": now - EVERY * 0.9})
            if await turn.fetchone() is None:
                return False
            known = [known_from(row) for row in await (await conn.execute(_SQL.known)).fetchall()]
            members = await _members(conn, known, now)
            if known or any(members.values()):
                town = await self._known_town(conn, now)
                found = [
                    (cause, await self._found(conn, cause, of, town=town, known=known, now=now))
                    for cause, of in members.items()
                ]
                await _write(conn, troubles.changes(known, found, now), found, now)
            await conn.execute(_SQL.looked, {"now": now})
        return True

    async def _known_town(self, conn: AsyncConnection[Any], now: datetime) -> Town:
        if self._town is None or not timedelta() <= now - self._town_at < _TOWN_EVERY:
            parents = dict(await (await conn.execute(_SQL.parents)).fetchall())
            own = dict(await (await conn.execute(_SQL.watched)).fetchall())
            behind = dict(await (await conn.execute(_SQL.behind)).fetchall())
            self._town = Town(parents=parents, watched=total_watched(parents, own), behind=behind)
            self._town_at = now
        return self._town

    async def _found(
        self,
        conn: AsyncConnection[Any],
        cause: Cause,
        members: Sequence[Member],
        *,
        town: Town,
        known: Sequence[Known],
        now: datetime,
    ) -> Found:
        standing = troubles.standing(known, cause)
        # In a thread, as what comes of them below: a press must not wait for sums over a city.
        inside = await asyncio.to_thread(by_area, members, town, DRY_HOMES)
        areas = set(inside) | {area_of(behind) for behind in by_gateway(members).values()}
        areas |= {scope.area_id for scope in standing.told if scope.area_id is not None}
        # Areas without a home: no home has a number below 0.
        resolved = await resolve_homes(conn, {-area: area for area in areas}, defaults=self.defaults) if areas else {}
        policies = {area: resolved[-area].policy for area in areas}
        read = NOTHING_READ
        if cause is Cause.DRY:
            now_s = now.timestamp()
            suspected = await asyncio.to_thread(_suspected, inside, policies, town, now_s)
            read = await self._water.read(
                conn,
                suspected,
                standing_since_s={
                    scope.area_id: standing.since_s[scope] for scope in standing.told if scope.area_id is not None
                },
                town=town,
                policies=policies,
                now=now,
            )
        return await asyncio.to_thread(
            find, cause, members, town=town, policies=policies, standing=standing, now_s=now.timestamp(), read=read
        )


def _suspected(
    inside: Mapping[int, Sequence[Member]], policies: Mapping[int, Policy], town: Town, now_s: float
) -> Sequence[int]:
    """The areas whose meters are worth reading, the most urgent first."""
    return worth_reading({area: newly(Cause.DRY, of, policies[area], now_s) for area, of in inside.items()}, town)


async def _members(
    conn: AsyncConnection[Any], known: Sequence[Known], now: datetime
) -> Mapping[Cause, Sequence[Member]]:
    earliest = min([now - _LONGEST, *(each.since - timedelta(days=2) for each in known if each.is_open)])
    cursor = await conn.execute(_SQL.troubled, {"earliest_s": earliest.timestamp()}, binary=True)
    silent, dry = list[Member](), list[Member]()
    slices = Slices()
    # Of a large city these are tens of thousands, and a press must not wait until all of them are read.
    while rows := await cursor.fetchmany(_ROWS_AT_ONCE):
        for home_id, area_id, silent_s, dry_s, interval_s, gateways in rows:
            through = tuple(gateways or ())
            if silent_s is not None:
                window = window_s(Cause.SILENT, interval_s or 0.0)
                silent.append(Member(home_id, area_id, through, silent_s, window))
            if dry_s is not None:
                dry.append(Member(home_id, area_id, through, dry_s, window_s(Cause.DRY, 0.0)))
        await slices.give_way()
    return {Cause.SILENT: silent, Cause.DRY: dry}


async def _write(
    conn: AsyncConnection[Any],
    changes: Changes,
    found: Sequence[tuple[Cause, Found]],
    now: datetime,
) -> None:
    for incident in sorted(changes.opened, key=lambda incident: (incident.cause, min(incident.homes))):
        kind = _KIND[incident.cause]
        await conn.execute(_SQL.rearm_told, {"homes": sorted(incident.homes), "kind": kind, "now": now})
    for key in changes.forgotten:
        await conn.execute(_SQL.forget, {"scope": subject_of(key.place).key, "cause": key.cause})
    async with conn.cursor() as cursor:
        await cursor.executemany(_SQL.keep, [row_of(each) for each in changes.kept])
    reported = await _findings(conn, changes, found, now)
    await findings.report(conn, reported, now)
    for cause, what in found:
        metrics.INCIDENTS.labels(cause).set(len(what.incidents))
        metrics.UNPROTECTED.labels(cause).set(len(frozenset[int]().union(*(i.homes for i in what.incidents))))


async def _findings(
    conn: AsyncConnection[Any],
    changes: Changes,
    found: Sequence[tuple[Cause, Found]],
    now: datetime,
) -> list[Finding]:
    """One for each scope of which something new is to be said: its causes make one case."""
    incidents = {Key(each.scope, each.cause): each for _, what in found for each in what.incidents}
    concerned = {Key(each.scope, each.cause) for each in (*changes.opened, *changes.grown)} | set(changes.ended)
    areas = {home_id: area_id for _, what in found for home_id, area_id in what.areas.items()}
    reported = []
    for scope in sorted({key.place for key in concerned}, key=lambda scope: (scope.area_id or 0, scope.gateway or "")):
        present = [incidents[key] for cause in Cause if (key := Key(scope, cause)) in incidents]
        if present:
            reported.append(await _raised(conn, present, areas))
        else:
            causes = [key.cause for key in changes.ended if key.place == scope]
            covered = any(_same_place(scope, incident, areas) for incident in changes.opened)
            reported.append(_over(scope, causes[0], now, elsewhere=covered))
    return reported


def _same_place(scope: Scope, incident: Incident, areas: Mapping[int, int]) -> bool:
    if scope.gateway is not None:
        return incident.scope.gateway is None
    return scope in incident.places or incident.scope.gateway is not None


async def _raised(conn: AsyncConnection[Any], present: Sequence[Incident], areas: Mapping[int, int]) -> Finding:
    first = present[0]
    row = await (await conn.execute(_SQL.time_zone, {"home": min(first.homes)})).fetchone()
    time_zone = "UTC" if row is None else str(row[0])
    said = [_reason(incident, time_zone) for incident in present]
    values: dict[str, JsonValue] = dict(said[0].values)
    if said[1:]:
        values["also"] = [{"id": more.id, "values": dict(more.values)} for more in said[1:]]
    counted = [areas[home_id] for home_id in sorted(first.homes)]
    return Finding(
        subject=subject_of(first.scope, max(set(counted), key=lambda area: (counted.count(area), -area))),
        kind=Kind.AREA_INCIDENT,
        verdict=Verdict.RAISE,
        severity=Severity.HARD,
        since=instant(min(incident.since_s for incident in present)),
        reason=Reason(id=said[0].id, values=values),
        evidence={incident.cause: {"homes": len(incident.homes), "watched": incident.watched} for incident in present},
    )


def _reason(incident: Incident, time_zone: str) -> Reason:
    local = instant(incident.since_s).astimezone(zone(time_zone))
    values: dict[str, JsonValue] = {
        "homes": len(incident.homes),
        "watched": incident.watched,
        "since": f"{local:%Y-%m-%d %H:%M}",
    }
    if incident.scope.gateway is not None:
        return Reason(id="area_gateway_silent", values={**values, "gateway": incident.scope.gateway})
    return Reason(id="area_silent" if incident.cause is Cause.SILENT else "area_dry", values=values)


def _over(scope: Scope, cause: Cause, now: datetime, *, elsewhere: bool) -> Finding:
    well = "area_heard_again" if cause is Cause.SILENT else "area_used_again"
    return Finding(
        subject=subject_of(scope),
        kind=Kind.AREA_INCIDENT,
        verdict=Verdict.CLEAR,
        severity=Severity.HARD,
        since=now,
        reason=Reason(id="area_part_of_another" if elsewhere else well, values={}),
        evidence={},
    )
