"""Where to draw the line: where an hour's earlier notice is no longer worth the false alarms that it costs. Pure.

Every half hour of the day has its own line. For a silence that begins in it, each further hour of waiting delays the
notice by an hour and saves some false alarms; how many, the home's own silences tell that began about then, each
counted by when it ended by the clock. The best line is where `hours waited + price x alarms per hour at risk` is
least. An hour at risk is one in which somebody who falls would be found by a silence that begins then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from typing import Final

from rules.profile.local import SLOT_S

LEAST_H: Final = 8.0
MOST_H: Final = 24.0
STRICTNESS_H: Final = (300.0, 600.0, 1200.0, 2400.0, 4800.0)
"""Prices of a false alarm, from strict to lenient: hours of delay for one alarm per hour at risk."""
USUAL_STRICTNESS: Final = 1

LEAST: Final = int(LEAST_H * 3600.0 / SLOT_S)
MOST: Final = int(MOST_H * 3600.0 / SLOT_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """What is the same for all homes, chosen on real ones (`bench.lines`); the figures change little around it.

    Attributes:
        spread_h: silences that began this much earlier or later in the day tell 0.6 as much (Gaussian).
        later_h: a silence might have ended later than it did, by this much on average.
        half_life_days: what is this much older tells half as much: lives change.
        other_kind: how much a silence tells about days of the other kind.
    """

    spread_h: float = 1.2
    later_h: float = 0.5
    half_life_days: float = 50.0
    other_kind: float = 0.5

    def weights(self) -> list[tuple[int, float]]:
        """How much a silence tells about the lines so many half hours later."""
        slot_h = SLOT_S / 3600.0
        reach = int(_REACH * self.spread_h / slot_h)
        return [(offset, exp(-0.5 * (offset * slot_h / self.spread_h) ** 2)) for offset in range(-reach, reach + 1)]


USUAL: Final = Tuning()
_REACH: Final = 3.0


def best(ended: Sequence[float], at_risk_h: float, later_h: float) -> list[int]:
    """For each strictness, the half hours after which a silence is too long.

    Args:
        ended: the weight of the silences that ended so many half hours later, 0 to `MOST`.
        at_risk_h: hours at risk.
        later_h: see `Tuning`.
    """
    if at_risk_h <= 0.0:
        return [MOST] * len(STRICTNESS_H)
    prices = [price_h / at_risk_h * 3600.0 / SLOT_S for price_h in STRICTNESS_H]
    worth = _worth_waiting_for(_alarms(ended, exp(-SLOT_S / 3600.0 / later_h), few=1.0 / prices[-1]))
    found, place = [], 0
    for price in prices:
        while place + 1 < len(worth):
            (length, alarms), (longer, fewer) = worth[place], worth[place + 1]
            if (alarms - fewer) * price <= longer - length:
                break
            place += 1
        found.append(worth[place][0])
    return found


def _worth_waiting_for(alarms: Sequence[float]) -> list[tuple[int, float]]:
    """The lengths that are best at some price, each with its alarms: every step saves fewer an hour than the last."""
    middle, some = LEAST, alarms[0]
    worth = [(middle, some)]
    before, more = -1, 0.0  # there is none
    for length, fewer in enumerate(alarms[1:], LEAST + 1):
        # Where the way to the middle saves more an hour than the way on from it, it may be best.
        while before >= 0 and (more - some) * (length - middle) <= (some - fewer) * (middle - before):
            worth.pop()
            middle, some = worth[-1]
            before, more = worth[-2] if len(worth) > 1 else (-1, 0.0)
        worth.append((length, fewer))
        before, more, middle, some = middle, some, length, fewer
    return worth


def _alarms(ended: Sequence[float], stays: float, *, few: float) -> list[float]:
    """How much of the silences lasts for `LEAST` half hours, and for each one more until no more than `few` is left.

    So few are not worth another half hour, whatever it saves.
    """
    lasting, late, stays_half = sum(ended), 0.0, stays**0.5
    for weight in ended[:LEAST]:
        # Those that ended within a half hour did so in the middle of it.
        late = late * stays + weight * stays_half
        lasting -= weight
    alarms: list[float] = []
    for weight in ended[LEAST:]:
        lasts = lasting + late
        alarms.append(lasts)
        if lasts <= few:
            break
        late = late * stays + weight * stays_half
        lasting -= weight
    return alarms
