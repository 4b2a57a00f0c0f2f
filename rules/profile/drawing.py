"""From silences to lines: what they tell about each half hour of either kind of day, and the best line there. Pure."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from operator import mul
from typing import Final

from rules.profile.line import Line, never_falling
from rules.profile.lived import TOLD_FROM, Lived
from rules.profile.local import SLOTS, DayKind
from rules.profile.pricing import LEAST, MOST, Tuning, best

_DAY_S: Final = 86_400.0

Told = dict[tuple[int, int], float]
"""By half hour and by how many half hours after it they were last seen to last, the weight of silences."""


def drawn(lived: Iterable[Lived], until_s: float, tuning: Tuning) -> tuple[tuple[Line, Line], ...]:
    """The lines of both kinds of day, for each strictness.

    Args:
        lived: the silences, oldest first.
        until_s: as of when; what is older tells less.
        tuning: what is the same for all homes.
    """
    at_risk_h, told = _summed(lived, until_s, 1.0 / (tuning.half_life_days * _DAY_S))
    risks_h = _spread_risk(at_risk_h, tuning)
    rows, stays = _spread_told(told, tuning), tuning.stays
    bests = [best(row, risk_h, stays) for row, risk_h in zip(rows, risks_h, strict=True)]
    lines = zip(*bests, strict=True)
    return tuple(never_falling(line[:SLOTS], line[SLOTS:]) for line in lines)


def _summed(lived: Iterable[Lived], until_s: float, per_half_life: float) -> tuple[list[float], Sequence[Told]]:
    """The hours at risk by cell, and what lasted by kind of day."""
    at_risk_h = [0.0] * (SLOTS * len(DayKind))
    told: list[Told] = [{} for _ in DayKind]
    for each in lived:
        since_s, cells = each.since_s, each.cells
        for cell, began_s, hours in zip(cells, since_s, each.at_risk_h, strict=True):
            at_risk_h[cell] += 0.5 ** ((until_s - began_s) * per_half_life) * hours
        for place, half_hours in zip(each.long, each.half_hours, strict=True):
            kind, slot = divmod(cells[place], SLOTS)
            key, of_kind = (slot, half_hours), told[kind]
            of_kind[key] = of_kind.get(key, 0.0) + 0.5 ** ((until_s - since_s[place]) * per_half_life)
    return at_risk_h, told


def _spread_risk(at_risk_h: Sequence[float], tuning: Tuning) -> list[float]:
    """The hours at risk about each half hour, with what days of the other kind tell of it."""
    shares = _shares(tuning)
    width, reach = len(shares), len(shares) // 2
    workdays_h, free_h = at_risk_h[:SLOTS], at_risk_h[SLOTS:]
    spread_h = list[float]()
    for own_h, others_h in ((workdays_h, free_h), (free_h, workdays_h)):
        day_h = [own + tuning.other_kind * other for own, other in zip(own_h, others_h, strict=True)]
        ring_h = [day_h[slot % SLOTS] for slot in range(-reach, SLOTS + reach)]
        spread_h += [sum(map(mul, shares, ring_h[slot : slot + width])) for slot in range(SLOTS)]
    return spread_h


def _spread_told(told: Sequence[Told], tuning: Tuning) -> list[list[float]]:
    """For each half hour of either kind of day what `pricing.best` goes by."""
    rows = [[0.0] * (1 + MOST - LEAST) for _ in range(SLOTS * len(DayKind))]
    tells, other = _tells(tuning), tuning.other_kind
    reach = len(_shares(tuning)) // 2
    ring = [(rows[slot % SLOTS], rows[SLOTS + slot % SLOTS]) for slot in range(-reach, SLOTS + reach)]
    on_workdays, on_free = told
    for key in on_workdays | on_free:
        slot, half_hours = key
        if half_hours >= len(tells):
            continue
        workdays, free = on_workdays.get(key, 0.0), on_free.get(key, 0.0)
        workdays, free = workdays + other * free, free + other * workdays
        first, places, shares = tells[half_hours]
        around = ring[slot + first : slot + first + len(places)]
        for (workday, day_off), place, share in zip(around, places, shares, strict=True):
            workday[place] += share * workdays
            day_off[place] += share * free
    return rows


@lru_cache(maxsize=16)
def _shares(tuning: Tuning) -> Sequence[float]:
    """How much of itself a silence adds to the rows around its own, the earliest first."""
    return [share for _, share in tuning.weights()]


@lru_cache(maxsize=16)
def _tells(tuning: Tuning) -> Sequence[tuple[int, Sequence[int], Sequence[float]]]:
    """By how many half hours a silence lasted: from which row on it adds to those around its own, where, and how much.

    It ended when it did by the clock: so it lasted longer for the rows before its own. The earliest is the first.
    """
    weights, stays = tuning.weights(), tuning.stays
    found = list[tuple[int, list[int], list[float]]]()
    for half_hours in range(MOST + weights[-1][0]):
        about = [
            (row, lasted, share)
            for row, (offset, share) in enumerate(weights)
            if TOLD_FROM <= (lasted := half_hours - offset) < MOST
        ]
        places = [1 + lasted - LEAST if lasted >= LEAST else 0 for _, lasted, _ in about]
        shares = [share if lasted >= LEAST else share * stays ** (LEAST - lasted - 0.5) for _, lasted, share in about]
        found.append((about[0][0] if about else 0, places, shares))
    return found
