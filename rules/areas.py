"""When many homes of one area or one gateway fall silent or dry together: one incident instead of five hundred. Pure.

A home that is silent since `since` was cut off at some moment between then and its next message, a home that is dry
since then at some moment within two hours. If enough homes share such a moment, they share the cause.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from registry.policy import Policy

DRY_WINDOW_S: Final = 7200.0
SILENT_WINDOW_S: Final = 1800.0
SUSPECTED_HOMES: Final = 3
SUSPECTED_PART: Final = 30.0
"""So many times fewer homes than an incident asks for make a suspicion: the others may cross their limits yet."""


class Cause(StrEnum):
    """What the homes have in common."""

    SILENT = "silent"
    DRY = "dry"


class Scope(NamedTuple):
    """An area, or a gateway."""

    area_id: int | None = None
    gateway: str | None = None


class Member(NamedTuple):
    """A home in which something is wrong, as its last look left it.

    Attributes:
        area_id: the area it belongs to.
        gateways: through which its devices are heard.
        since_s: since when it is silent or dry, epoch seconds.
        window_s: within which time from then the common cause must have come.
    """

    home_id: int
    area_id: int
    gateways: tuple[str, ...]
    since_s: float
    window_s: float


class Together(NamedTuple):
    """Homes that share a moment.

    Attributes:
        opens: they are enough for an incident; otherwise it is only suspected.
        since_s: since when all that it was recognised by are silent or dry.
        homes: which.
        watched: of how many.
    """

    opens: bool
    since_s: float
    homes: frozenset[int]
    watched: int


class Town(NamedTuple):
    """The tree of areas, and how many homes are watched.

    Attributes:
        parents: area -> the area above it.
        watched: area -> homes in it and below it with a device that reports regularly.
        behind: gateway -> homes with a device that is heard through it.
    """

    parents: Mapping[int, int | None]
    watched: Mapping[int, int]
    behind: Mapping[str, int]

    def chain(self, area_id: int) -> Iterable[int]:
        """An area and all above it."""
        at: int | None = area_id
        while at is not None:
            yield at
            at = self.parents.get(at)

    def below(self, area_id: int) -> Sequence[int]:
        """An area and all below it in which homes are watched."""
        return sorted(each for each in self.watched if area_id in self.chain(each))


def window_s(cause: Cause, interval_s: float) -> float:
    """How long after the last sign of a home the cause may have come: two intervals, or half an hour; dry: 2 h."""
    return DRY_WINDOW_S if cause is Cause.DRY else max(SILENT_WINDOW_S, 2 * interval_s)


def total_watched(parents: Mapping[int, int | None], own: Mapping[int, int]) -> dict[int, int]:
    """area -> homes watched in it and below it, from those that belong to each area itself."""
    total: Counter[int] = Counter()
    for area_id, homes in own.items():
        at: int | None = area_id
        while at is not None:
            total[at] += homes
            at = parents.get(at)
    return dict(total)


def correlate(
    cause: Cause,
    members: Sequence[Member],
    *,
    watched: int,
    policy: Policy,
    now_s: float,
    standing_since_s: float | None = None,
) -> Together | None:
    """The largest group of homes that share a moment, if it is at least suspicious.

    Args:
        cause: what is wrong.
        members: the homes of one scope in which it is.
        watched: how many homes of the scope are watched.
        policy: `area_homes`, `area_share`, and after what time a home is silent or dry.
        now_s: the time of the look, epoch seconds.
        standing_since_s: since when their incident holds, if it does: whoever fell out since then belongs to it, and it
            lasts until half the share is well again.
    """
    if standing_since_s is not None:
        homes = frozenset(member.home_id for member in members if member.since_s + member.window_s >= standing_since_s)
        if len(homes) >= policy.area_homes and len(homes) >= policy.area_share * watched / 2:
            return Together(opens=True, since_s=standing_since_s, homes=homes, watched=watched)
    group = _largest(newly(cause, members, policy, now_s))
    homes = frozenset(member.home_id for member in group)
    bar = max(policy.area_homes, policy.area_share * watched)
    if len(homes) < max(SUSPECTED_HOMES, bar / SUSPECTED_PART):
        return None
    since_s = max(member.since_s for member in group)
    return Together(opens=len(homes) >= bar, since_s=since_s, homes=homes, watched=watched)


def newly(cause: Cause, members: Sequence[Member], policy: Policy, now_s: float) -> Sequence[Member]:
    """Those of which others may still be found that fell out with them; the others have been told for themselves."""
    return [member for member in members if now_s <= _news_until_s(cause, member, policy)]


def _news_until_s(cause: Cause, member: Member, policy: Policy) -> float:
    if cause is Cause.SILENT:
        limit_s = policy.silence_limit(member.window_s / 2).total_seconds()
    else:
        limit_s = 3600 * max(policy.inactivity_window_h, policy.inactivity_hard_window_h, policy.inactivity_max_h)
    return member.since_s + limit_s + 2 * member.window_s


def _largest(members: Sequence[Member]) -> Sequence[Member]:
    """Those who share the moment that most share; of two such moments the earlier."""
    ends = sorted(member.since_s + member.window_s for member in members)
    best, best_s, open_now, over = 0, 0.0, 0, 0
    for since_s in sorted(member.since_s for member in members):
        open_now += 1
        while ends[over] < since_s:
            over += 1
            open_now -= 1
        if open_now > best:
            best, best_s = open_now, since_s
    return [member for member in members if member.since_s <= best_s <= member.since_s + member.window_s]


def by_area(members: Sequence[Member], town: Town, least: int = SUSPECTED_HOMES) -> dict[int, list[Member]]:
    """area -> the members in it and below it, where there are enough to be suspicious."""
    found: dict[int, list[Member]] = {}
    for member in members:
        for area_id in town.chain(member.area_id):
            found.setdefault(area_id, []).append(member)
    return {area_id: inside for area_id, inside in found.items() if len(inside) >= least}


def by_gateway(members: Sequence[Member]) -> dict[str, list[Member]]:
    """gateway -> the members heard through it, where there are enough to be suspicious."""
    found: dict[str, list[Member]] = {}
    for member in members:
        for gateway in member.gateways:
            found.setdefault(gateway, []).append(member)
    return {gateway: behind for gateway, behind in found.items() if len(behind) >= SUSPECTED_HOMES}


def area_of(members: Sequence[Member]) -> int:
    """The area that most of them belong to."""
    counted = Counter(member.area_id for member in members)
    return min(counted, key=lambda area_id: (-counted[area_id], area_id))
