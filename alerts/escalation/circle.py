"""Reads those around alerts: areas and their policies, rosters, people, contacts, and what they were sent of late.

Areas, rosters and policies are kept until a newer roster or policy shows, and for some seconds at most: two that are
written at the same time may show in the wrong order.
"""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import structlog
from psycopg import AsyncConnection

from alerts.escalation.claiming import Claimed
from alerts.escalation.composing import AGAIN_AFTER
from alerts.escalation.errors import BadPolicy
from alerts.escalation.model import Circle, Load
from alerts.escalation.policy import PERSON, ROLES, Definition, Said, checked, choose
from alerts.model import Severity
from alerts.roster.model import Roster
from alerts.roster.on_duty import on_duty
from alerts.roster.storing import read_rosters
from registry.people import Contact, read_contacts, read_people
from storage import sql

log = structlog.get_logger()

_Q = sql.load(__package__, "escalation.sql")
_KEPT_S: Final = 10.0
_STORM: Final = timedelta(hours=1)


class Chain(NamedTuple):
    """An area, the one above it and so on to the top."""

    areas: tuple[int, ...]
    paths: Mapping[int, str]


@dataclass(slots=True)
class Kept:
    """Areas, rosters and policies as they were read last; `chains` by the area that was asked for."""

    newest: tuple[int | None, int | None] = (None, None)
    at_s: float = float("-inf")
    chains: dict[int, Chain] = field(default_factory=dict)
    rosters: dict[tuple[int | None, str], Roster] = field(default_factory=dict)
    policies: dict[int | None, Definition] = field(default_factory=dict)


async def circles(
    conn: AsyncConnection[Any],
    claimed: Sequence[Claimed],
    *,
    kept: Kept,
    channels: frozenset[str],
    now: datetime,
) -> list[Circle]:
    """Those around each alert."""
    areas = {each.area_id for each in claimed if each.area_id is not None}
    homes = {each.due.facts["home_id"] for each in claimed}
    await _refresh(conn, kept, claimed[0].newest, areas)
    contacts: Mapping[int, tuple[Contact, ...]] = await read_contacts(
        conn, [home for home in homes if isinstance(home, int)]
    )
    duty: dict[tuple[int | None, str], tuple[str, ...]] = {}
    ladders = {}
    keys: set[str] = set()
    for each in claimed:
        chain = _chain_of(kept.chains, each.area_id)
        for place in ((area_id, role) for area_id in (*chain.areas, None) for role in ROLES):
            if place not in duty and (roster := kept.rosters.get(place)) is not None:
                duty[place] = on_duty(roster, now)
                keys.update(duty[place])
        case = each.due.case
        which = (each.area_id, case.kind, case.severity)
        if which not in ladders:
            ladders[which] = choose(_levels(kept, chain), case.kind, case.severity)
        named = (tell.who for step in ladders[which][0].steps for tell in step.tell)
        keys.update(who.removeprefix(PERSON) for who in named if who.startswith(PERSON))
        keys.update(each.due.holders)
    people = await read_people(conn, sorted(keys)) if keys else {}
    found = []
    for each in claimed:
        chain = _chain_of(kept.chains, each.area_id)
        ladder, said_by = ladders[each.area_id, each.due.case.kind, each.due.case.severity]
        home_id = each.due.facts["home_id"]
        found.append(
            Circle(
                ladder=ladder,
                ladder_by=said_by,
                areas=chain.areas,
                on_duty=duty,
                people=people,
                contacts=contacts.get(home_id, ()) if isinstance(home_id, int) else (),
                channels=channels,
                zone=each.zone,
                staffed=each.newest[0] is not None,
                paths=chain.paths,
            )
        )
    return found


async def loads(conn: AsyncConnection[Any], circles: Iterable[Circle], now: datetime) -> dict[int, Load]:
    """What people have been sent of late, of all who may be told."""
    people = {person.person_id for circle in circles for person in circle.people.values()}
    people |= {contact.person.person_id for circle in circles for contact in circle.contacts}
    parameters = {"people": sorted(people), "now": now, "since": now - _STORM, "until": now + AGAIN_AFTER}
    cursor = await conn.execute(_Q.loads, parameters, prepare=True)
    return {
        person_id: Load(last_at=last_at, held_until=held_until, waiting=waiting)
        for person_id, last_at, held_until, waiting in await cursor.fetchall()
    }


def _chain_of(chains: Mapping[int, Chain], area_id: int | None) -> Chain:
    return Chain((), {}) if area_id is None else chains.get(area_id, Chain((), {}))


async def _chains(conn: AsyncConnection[Any], areas: Collection[int]) -> dict[int, Chain]:
    if not areas:
        return {}
    cursor = await conn.execute(_Q.chains, {"areas": sorted(areas)}, prepare=True)
    found: dict[int, list[tuple[int, str]]] = {}
    for asked, area_id, path in await cursor.fetchall():
        found.setdefault(asked, []).append((area_id, path))
    return {asked: Chain(tuple(area_id for area_id, _ in up), dict(up)) for asked, up in found.items()}


async def _refresh(
    conn: AsyncConnection[Any], kept: Kept, newest: tuple[int | None, int | None], areas: set[int]
) -> None:
    at_s = time.monotonic()
    stale = kept.newest != newest or at_s - kept.at_s >= _KEPT_S
    if not stale and areas <= kept.chains.keys():
        return
    chains = await _chains(conn, areas if stale else areas | kept.chains.keys())
    everywhere = sorted({area_id for chain in chains.values() for area_id in chain.areas})
    rosters = await read_rosters(conn, everywhere)
    cursor = await conn.execute(_Q.policies, {"areas": everywhere}, prepare=True)
    policies: dict[int | None, Definition] = {}
    for area_id, definition in await cursor.fetchall():
        try:
            policies[area_id] = checked(definition)
        except BadPolicy:
            # Of a later release: what the areas above say counts meanwhile.
            log.error("escalation_policy_unreadable", area_id=area_id)
    kept.newest, kept.chains, kept.rosters, kept.policies = newest, chains, dict(rosters), policies
    if stale:
        kept.at_s = at_s


def _levels(kept: Kept, chain: Chain) -> list[Said]:
    said = [
        Said(by=chain.paths[area_id], definition=kept.policies[area_id])
        for area_id in chain.areas
        if area_id in kept.policies
    ]
    site = kept.policies.get(None)
    return said if site is None else [*said, Said(by="site", definition=site)]


def needs_loads(claimed: Iterable[Claimed]) -> bool:
    """Whether it matters what people have been sent of late: not for calls for help."""
    return any(each.due.case.severity is not Severity.URGENT for each in claimed)
