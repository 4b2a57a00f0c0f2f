"""Of which area or gateway an incident is told: the smallest that covers it. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from registry.policy import Policy
from rules.areas import Cause, Member, Scope, Together, Town, area_of, by_area, by_gateway, correlate
from rules.shut_off import NOTHING_READ, Read

SIBLINGS_S: Final = 7200.0
"""Areas beside each other whose incidents began within this have one cause."""
_COVERS: Final = 0.9
_OVERLAPS: Final = 0.5


class Incident(NamedTuple):
    """What is told: one for each scope and cause.

    Attributes:
        places: the areas of homes, or the gateway, that it holds for.
    """

    scope: Scope
    cause: Cause
    since_s: float
    homes: frozenset[int]
    watched: int
    places: frozenset[Scope]


class Standing(NamedTuple):
    """What the last look at the areas left.

    Attributes:
        since_s: place or told scope -> since when its incident holds.
        told: the scopes that are told.
    """

    since_s: Mapping[Scope, float]
    told: frozenset[Scope]


class Found(NamedTuple):
    """What is going on.

    Attributes:
        suspected: place -> what is suspected of it.
        areas: home -> the area it belongs to, for all homes that anything was found of.
    """

    incidents: Sequence[Incident]
    suspected: Mapping[Scope, Together]
    areas: Mapping[int, int]


def find(
    cause: Cause,
    members: Sequence[Member],
    *,
    town: Town,
    policies: Mapping[int, Policy],
    standing: Standing,
    now_s: float,
    read: Read = NOTHING_READ,
) -> Found:
    """All that is going on for one cause.

    The smallest area that covers an incident is told; where several areas beside each other have one, the area above;
    where all are behind one gateway, that gateway.

    Args:
        cause: what is wrong with the members.
        members: every home with which it is.
        town: the areas.
        policies: area -> its limits, for every area that has members.
        standing: what was going on until now.
        now_s: the time of the look, epoch seconds.
        read: what the meters of suspected areas say, where the cause is that homes are dry.
    """
    areas = by_area(members, town)
    seen = {
        Scope(area_id=area_id): correlate(
            cause,
            inside,
            watched=read.metered.get(area_id, town.watched.get(area_id, len(inside))),
            policy=policies[area_id],
            now_s=now_s,
            standing_since_s=standing.since_s.get(Scope(area_id=area_id)),
        )
        for area_id, inside in areas.items()
    }
    for area_id, said in read.together.items():
        scope = Scope(area_id=area_id)
        seen[scope] = _surer(seen.get(scope), said)
    gateways = by_gateway(members) if cause is Cause.SILENT else {}
    for gateway, behind in gateways.items():
        seen[Scope(gateway=gateway)] = correlate(
            cause,
            behind,
            watched=town.behind.get(gateway, len(behind)),
            policy=policies[area_of(behind)],
            now_s=now_s,
            standing_since_s=standing.since_s.get(Scope(gateway=gateway)),
        )
    together = {scope: found for scope, found in seen.items() if found is not None}
    area_of_home = {**read.areas, **{member.home_id: member.area_id for member in members}}
    told = _told_of_areas(cause, together, town, standing, area_of_home, read=read)
    lost = [
        Incident(scope, cause, found.since_s, found.homes, found.watched, frozenset({scope}))
        for scope, found in together.items()
        if found.opens and scope.gateway is not None
    ]
    incidents = _one_of_each(told, lost, standing)
    return Found(incidents=incidents, suspected=_suspected(together, area_of_home), areas=area_of_home)


def _surer(counted: Together | None, said: Together) -> Together:
    """Of what the lines that homes have crossed say, and what their meters do."""
    if counted is None or counted.opens != said.opens:
        return counted if counted is not None and counted.opens else said
    return max(said, counted, key=lambda each: len(each.homes))


def _told_of_areas(
    cause: Cause,
    together: Mapping[Scope, Together],
    town: Town,
    standing: Standing,
    area_of_home: Mapping[int, int],
    *,
    read: Read,
) -> list[Incident]:
    inside: dict[int | None, list[Incident]] = {}
    asked = {area for scope in together if scope.area_id is not None for area in town.chain(scope.area_id)}
    # From the bottom up: whatever is told of an area was decided before the area above it is.
    for area_id in sorted(asked, key=lambda area_id: (-len(list(town.chain(area_id))), area_id)):
        scope, below = Scope(area_id=area_id), inside.pop(area_id, [])
        own = together.get(scope)
        if own is not None and not own.opens:
            own = None
        if _speaks(scope, own, below, standing):
            homes = frozenset().union(*(incident.homes for incident in below), own.homes if own else frozenset())
            since_s = own.since_s if own else standing.since_s.get(scope, max(each.since_s for each in below))
            areas = {area_of_home[home_id] for home_id in homes}
            said = read.together.get(area_id)
            if said is not None and said.opens:
                # Of a large area only some homes were read; what they say holds for all.
                areas.update(town.below(area_id))
            places = frozenset(Scope(area_id=each) for each in areas).union(*(incident.places for incident in below))
            looked_at = together[scope].watched if scope in together else 0
            if len(homes) > looked_at:
                looked_at = read.metered.get(area_id, town.watched.get(area_id, len(homes)))
            below = [Incident(scope, cause, since_s, homes, looked_at, places)]
        inside.setdefault(town.parents.get(area_id), []).extend(below)
    return inside.get(None, [])


def _speaks(scope: Scope, own: Together | None, below: Sequence[Incident], standing: Standing) -> bool:
    """Whether an area speaks for all below it, rather than they for themselves."""
    if scope in standing.told and (own is not None or below):
        return True
    if own is not None and not any(_share(own.homes, incident.homes) >= _COVERS for incident in below):
        return True
    begun = [incident.since_s for incident in below]
    return len(below) > 1 and max(begun) - min(begun) <= SIBLINGS_S


def _one_of_each(told: Sequence[Incident], lost: Sequence[Incident], standing: Standing) -> list[Incident]:
    """Areas and gateways without those that are told by another one already."""
    areas, gateways = list[Incident](), list(lost)
    for area in told:
        if area.scope not in standing.told:
            covering = [gateway for gateway in gateways if _share(area.homes, gateway.homes) >= _COVERS]
            if covering:
                continue
        areas.append(area)
        gateways = [gateway for gateway in gateways if _share(gateway.homes, area.homes) < _OVERLAPS]
    return areas + gateways


def _share(of: frozenset[int], others: frozenset[int]) -> float:
    return len(of & others) / len(of) if of else 0.0


def _suspected(together: Mapping[Scope, Together], area_of_home: Mapping[int, int]) -> dict[Scope, Together]:
    """place -> the most that is suspected there."""
    suspected: dict[Scope, Together] = {}
    for scope, found in together.items():
        places = (
            {scope} if scope.gateway is not None else {Scope(area_id=area_of_home[home_id]) for home_id in found.homes}
        )
        for place in places:
            known = suspected.get(place)
            if known is None or len(found.homes) > len(known.homes):
                suspected[place] = found
    return suspected
