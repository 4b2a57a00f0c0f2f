"""Whether the water of an area is shut off: nobody has used any for longer than chance explains. Pure.

Homes cross their lines one by one, some of them half a day after the cut. Long before, their meters together tell: if
one home in three is usually without use over these hours, sixty at once are not. What is usual is the worst of the same
hours of the days before, so that a quiet night, a weekend or a daily pause is none.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from math import comb
from typing import Final, NamedTuple

from rules.areas import Member, Together, Town
from rules.snapshot import instant

SAMPLE: Final = 200
"""So many homes of an area are read at most."""
DAYS: Final = 7
"""So many days before are compared with."""
LIVED: Final = timedelta(hours=24)
"""Who used water so long before belongs to those whose water was shut off."""
DRY_HOMES: Final = 2
"""So many homes of an area must have crossed their lines for its meters to be read."""

LEAST_S: Final = 7200.0
"""Water that is shut off for less concerns nobody."""
_SHORTEST_S: Final = 1800.0
_EXCEPTED: Final = 0.05
_BY_CHANCE: Final = 1e-6
_SUSPICIOUS: Final = 1e-2
_FRESH_S: Final = 86_400.0
_BEHIND: Final = 0.2
_LEAST_COVERED: Final = 0.5
_LEAST_DAYS: Final = 3
_ENOUGH_DAYS: Final = 5


class Metered(NamedTuple):
    """A home with a water meter.

    Attributes:
        covered: from when to when its use is known, epoch seconds, oldest first; at least one.
        used_s: the readings that show use, epoch seconds, ascending.
    """

    home_id: int
    area_id: int
    covered: Sequence[tuple[float, float]]
    used_s: Sequence[float]

    def used_in(self, after_s: float, until_s: float) -> bool:
        """Whether a reading later than the one moment, and not later than the other, shows use."""
        return bisect_right(self.used_s, until_s) > bisect_right(self.used_s, after_s)

    def covers(self, from_s: float, until_s: float) -> bool:
        """Whether its use is known all the time."""
        return any(begin_s <= from_s and until_s <= end_s for begin_s, end_s in self.covered)


class Read(NamedTuple):
    """What the meters of some areas say.

    Attributes:
        together: area -> the homes that are dry together, if that is at least suspicious.
        metered: area -> about how many of its watched homes have a water meter.
        areas: home -> the area it belongs to.
    """

    together: Mapping[int, Together]
    metered: Mapping[int, int]
    areas: Mapping[int, int]


NOTHING_READ: Final = Read({}, {}, {})


def worth_reading(areas: Mapping[int, Sequence[Member]], town: Town) -> list[int]:
    """Areas with enough homes newly dry, those with the most first; each only if no area below has the same homes."""
    enough = {area_id: len(inside) for area_id, inside in areas.items() if len(inside) >= DRY_HOMES}
    same = {
        above
        for area_id, homes in enough.items()
        if (above := town.parents.get(area_id)) is not None and enough.get(above) == homes
    }
    return sorted(enough.keys() - same, key=lambda area_id: (-enough[area_id], area_id))


def shut_off(homes: Sequence[Metered], *, least_homes: float, zone: tzinfo, now_s: float) -> Together | None:
    """Since when nobody in an area has used water, if that is improbable.

    One in twenty may have: a well, a tank, a meter that creeps.

    Args:
        homes: of the area, or a sample.
        least_homes: fewer are no incident.
        zone: the area's clock, which its habits go by.
        now_s: the time of the look, epoch seconds.

    Returns:
        An incident if it has lasted for 2 h and is less probable than one in a million; a suspicion if only the one or
        the other holds, and it is one in a hundred or has lasted for half an hour. None also where too little is known:
        the meters of half the homes, up to now, and three days before.
    """
    fresh = [home for home in homes if home.covered[-1][1] >= now_s - _FRESH_S]
    if len(fresh) < max(1.0, _LEAST_COVERED * len(homes)):
        return None
    until_s = sorted(home.covered[-1][1] for home in fresh)[int(_BEHIND * len(fresh))]
    known = [home for home in fresh if home.covered[-1][1] >= until_s]
    lasts_s = sorted((home.used_s[-1] for home in known if home.used_s), reverse=True)
    suspected = None
    for since_s in lasts_s[: int(_EXCEPTED * len(known)) + 1]:
        if until_s - since_s < _SHORTEST_S:
            continue
        covered = [home for home in known if home.covered[-1][0] <= since_s]
        silent = sum(not home.used_in(since_s, now_s) for home in covered)
        if silent < max(least_homes, (1 - _EXCEPTED) * len(covered)):
            continue
        share = usual_share(homes, since_s, until_s, zone)
        if share is None:
            return None
        chance = at_least(silent, len(covered), share)
        lasts = until_s - since_s >= LEAST_S
        if lasts and chance < _BY_CHANCE:
            return _together(fresh, since_s, opens=True)
        if suspected is None and chance < (_SUSPICIOUS if lasts else _BY_CHANCE):
            suspected = _together(fresh, since_s, opens=False)
    return suspected


def _together(homes: Sequence[Metered], since_s: float, *, opens: bool) -> Together:
    covered = [home for home in homes if home.covers(since_s, home.covered[-1][1])]
    silent = frozenset(home.home_id for home in covered if not home.used_in(since_s, float("inf")))
    return Together(opens=opens, since_s=since_s, homes=silent, watched=len(covered))


def still_off(homes: Sequence[Metered], since_s: float, *, least_homes: float, share: float) -> Together | None:
    """What is left of an incident: it lasts until half its share of those who used water before use it again.

    Args:
        homes: of the area, or a sample.
        since_s: since when the water is shut off, epoch seconds.
        least_homes: fewer are no incident.
        share: of the homes, that makes an incident.
    """
    covered = [home for home in homes if home.covered[-1][1] > since_s]
    lived = [home for home in covered if home.used_in(since_s - LIVED.total_seconds(), since_s)]
    silent = frozenset(home.home_id for home in lived if not home.used_in(since_s, float("inf")))
    if len(silent) < max(least_homes, share * len(lived) / 2):
        return None
    return Together(opens=True, since_s=since_s, homes=silent, watched=len(covered))


def usual_share(homes: Sequence[Metered], since_s: float, until_s: float, zone: tzinfo) -> float | None:
    """The share of homes without use between the same times of the days before: of the worst day.

    Of the second worst where enough days are known, for one may have been a day like this. None where too few are.
    """
    shares = []
    for day in range(1, DAYS + 1):
        from_s, to_s = (_days_before(at_s, day, zone) for at_s in (since_s, until_s))
        if to_s > since_s:
            continue
        covered = [home for home in homes if home.covers(from_s, to_s)]
        if len(covered) >= max(1.0, _LEAST_COVERED * len(homes)):
            silent = sum(not home.used_in(from_s, to_s) for home in covered)
            # Nothing is quite impossible, or certain, because it was so yesterday.
            shares.append((silent + 0.5) / (len(covered) + 1))
    if len(shares) < _LEAST_DAYS:
        return None
    return sorted(shares)[-2 if len(shares) >= _ENOUGH_DAYS else -1]


def at_least(successes: int, tries: int, share: float) -> float:
    """How probable so many successes or more are, each as probable as the share.

    Where some homes are likelier than others, it is less: homes that never use water make no incident.
    """
    return sum(
        comb(tries, count) * share**count * (1 - share) ** (tries - count) for count in range(successes, tries + 1)
    )


def _days_before(at_s: float, days: int, zone: tzinfo) -> float:
    local = instant(at_s).astimezone(zone)
    return datetime.combine(local.date() - timedelta(days=days), local.timetz()).timestamp()
