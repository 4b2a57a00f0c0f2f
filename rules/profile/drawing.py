"""From silences to lines: what they tell about each half hour of either kind of day, and the best line there. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from operator import mul
from typing import Final

from rules.profile.line import Line, never_falling
from rules.profile.lived import TOLD_FROM, Lived
from rules.profile.local import SLOTS, DayKind
from rules.profile.pricing import EVERY, LEAST, MOST, STRICTNESS_H, Tuning, best

Told = Mapping[tuple[int, int], float]
"""By cell and by how many half hours after it they were last seen to last, the weight of silences."""

_WIDTH: Final = 1 + MOST - LEAST
"""What `pricing.best` goes by for one half hour."""


def drawn(lived: Iterable[Lived], tuning: Tuning, asked: Sequence[int] = EVERY) -> tuple[tuple[Line, Line] | None, ...]:
    """The lines of both kinds of day, for each strictness; None for one that is not asked for.

    Args:
        lived: the silences, oldest first.
        tuning: what is the same for all homes.
        asked: the strictnesses.
    """
    at_risk_h, told = _summed(lived)
    risks_h = _spread_risk(at_risk_h, tuning)
    rows, stays = _spread_told(told, tuning), tuning.stays
    lines: list[tuple[Line, Line] | None] = [None] * len(STRICTNESS_H)
    for strictness in asked:
        line = [
            best(late, ended, risk_h, stays, strictness) for (late, ended), risk_h in zip(rows, risks_h, strict=True)
        ]
        lines[strictness] = never_falling(line[:SLOTS], line[SLOTS:])
    return tuple(lines)


def _summed(lived: Iterable[Lived]) -> tuple[list[float], Told]:
    """The hours at risk by cell, and what lasted."""
    at_risk_h = [0.0] * (SLOTS * len(DayKind))
    told: dict[tuple[int, int], float] = {}
    for each in lived:
        for cell, hours in zip(each.cells, each.at_risk_h, strict=True):
            at_risk_h[cell] += hours
        began = map(each.cells.__getitem__, each.long)
        for key, weight in zip(zip(began, each.half_hours, strict=True), each.weights, strict=True):
            told[key] = told.get(key, 0.0) + weight
    return at_risk_h, told


def _spread_risk(at_risk_h: Sequence[float], tuning: Tuning) -> list[float]:
    """The hours at risk about each half hour, with what days of the other kind tell of it."""
    shares = _shares(tuning)
    width, reach = len(shares), len(shares) // 2
    workdays_h, free_h = at_risk_h[:SLOTS], at_risk_h[SLOTS:]
    spread_h: list[float] = []
    for own_h, others_h in ((workdays_h, free_h), (free_h, workdays_h)):
        day_h = [own + tuning.other_kind * other for own, other in zip(own_h, others_h, strict=True)]
        ring_h = [*day_h[-reach:], *day_h, *day_h[:reach]]
        spread_h += [sum(map(mul, shares, ring_h[slot : slot + width])) for slot in range(SLOTS)]
    return spread_h


def _spread_told(told: Told, tuning: Tuning) -> list[tuple[float, list[float]]]:
    """For each half hour of either kind of day what `pricing.best` goes by."""
    days = [[0.0] * (SLOTS * _WIDTH) for _ in DayKind]
    tells, other = _tells(tuning), tuning.other_kind
    for (cell, half_hours), weight in told.items():
        kind, slot = divmod(cell, SLOTS)
        own, others, less = days[kind], days[not kind], weight * other
        for place, share in tells(slot, half_hours):
            own[place] += share * weight
            others[place] += share * less
    return [(day[row], day[row + 1 : row + _WIDTH]) for day in days for row in range(0, SLOTS * _WIDTH, _WIDTH)]


@lru_cache(maxsize=16)
def _shares(tuning: Tuning) -> Sequence[float]:
    """How much of itself a silence adds to the rows around its own, the earliest first."""
    return [share for _, share in tuning.weights()]


@lru_cache(maxsize=16)
def _tells(tuning: Tuning) -> Callable[[int, int], Sequence[tuple[int, float]]]:
    """To which places of all rows of a day a silence adds, and how much of itself: by its half hour, and how many more.

    It ended when it did by the clock: so it lasted longer for the rows before its own.
    """
    weights, stays = tuning.weights(), tuning.stays

    @lru_cache(maxsize=4096)
    def tells(slot: int, half_hours: int) -> Sequence[tuple[int, float]]:
        found: list[tuple[int, float]] = []
        for offset, share in weights:
            row, lasted = (slot + offset) % SLOTS * _WIDTH, half_hours - offset
            if LEAST <= lasted < MOST:
                found.append((row + 1 + lasted - LEAST, share))
            elif TOLD_FROM <= lasted < LEAST:
                found.append((row, share * stays ** (LEAST - lasted - 0.5)))
        return found

    return tells
