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
EVERY: Final = range(len(STRICTNESS_H))
"""All strictnesses."""

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

    @property
    def stays(self) -> float:
        """How much of the silences that might have ended by now might last for half an hour more."""
        return exp(-SLOT_S / 3600.0 / self.later_h)


USUAL: Final = Tuning()
_REACH: Final = 3.0
_WORTH: Final = [SLOT_S / 3600.0 / price_h for price_h in STRICTNESS_H]
"""So many alarms fewer, per hour at risk, are worth half an hour's wait."""


def best(late: float, ended: Sequence[float], at_risk_h: float, stays: float, strictness: int) -> int:
    """The half hours after which a silence is too long.

    Args:
        late: what would still last after `LEAST` half hours of the silences that ended before.
        ended: the weight of those that ended so many half hours later, from `LEAST` up to before `MOST`. Those that
            last for longer cost as much wherever the line lies.
        at_risk_h: hours at risk.
        stays: see `Tuning`.
        strictness: an index of `STRICTNESS_H`.
    """
    if at_risk_h <= 0.0:
        return MOST
    lasting, stays_half = sum(ended), stays**0.5
    fewer, waited = at_risk_h * _WORTH[strictness], 0.0
    least, found = lasting + late, LEAST
    for length, weight in enumerate(ended, LEAST + 1):
        waited += fewer
        if waited >= least:
            break  # waiting costs more than all that it may save
        late *= stays
        if weight:  # at most half hours nothing ends
            # Those that ended within a half hour did so in the middle of it.
            late += weight * stays_half
            lasting -= weight
        cost = lasting + late + waited
        if cost < least:
            least, found = cost, length
    return found
