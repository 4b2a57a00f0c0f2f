"""The rule to compare with: no use for T hours, whatever the home and the time of day.

A silence is counted from the reading that showed the last use, and alarms at a reading. What is unsure counts in favour
of this rule: a false alarm only where the cover was unbroken since the last use or gap, a delay across gaps.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from rules.backtest.series import Series
from rules.dry import tolerance_s

USE_L: Final = 1.0
STEP_H: Final = 0.25
LONGEST_H: Final = 72.0


class Silence(NamedTuple):
    """A time without use.

    Attributes:
        elapsed_s: how long it had lasted at its last reading without use, over unbroken cover.
        whole_s: from use to use, or up to the last reading.
    """

    elapsed_s: float
    whole_s: float


def silences(series: Series, *, unbroken_s: float, from_s: float) -> Iterator[Silence]:
    """Every silence of a meter that ends after an instant.

    Args:
        series: of the meter.
        unbroken_s: readings farther apart than this do not cover the time between them.
        from_s: silences that are over before this are left out.
    """
    measured_s, totals_l = series.measured_s, series.totals_l
    used_s = since_s = before_s = measured_s[0]
    before_l, longest_s = totals_l[0], 0.0
    for at_s, total_l in zip(measured_s, totals_l, strict=True):
        if total_l - before_l >= USE_L or total_l < before_l:
            if longest_s > 0.0 and at_s >= from_s:
                yield Silence(longest_s, at_s - used_s)
            used_s = since_s = at_s
            longest_s = 0.0
        elif at_s - before_s > unbroken_s:
            since_s = at_s
        else:
            longest_s = max(longest_s, at_s - since_s)
        before_s, before_l = at_s, total_l
    if longest_s > 0.0:
        yield Silence(longest_s, before_s - used_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """What the rule sees of a home whose water stops: at which readings it has been silent for how long.

    Attributes:
        silent_s: ascending: how long the silence has lasted at each reading after the moment.
        delays_s: from the moment to the receipt of that reading.
    """

    silent_s: Sequence[float]
    delays_s: Sequence[float]

    def delay_s(self, window_h: float) -> float | None:
        """From the moment to the alarm; None if there is none within `LONGEST_H`."""
        window_s = window_h * 3600.0
        place = bisect_left(self.silent_s, window_s - tolerance_s(window_s))
        return self.delays_s[place] if place < len(self.silent_s) else None


def stopped(series: Series, place: int, moment_s: float) -> Stopped:
    """A home whose register stands still from the reading at `place`, the first after the moment, on."""
    measured_s, totals_l = series.measured_s, series.totals_l
    used = place - 1
    while used > 0 and totals_l[used] - totals_l[used - 1] < USE_L:
        used -= 1
    since_s = measured_s[used]
    silent: list[float] = []
    delays: list[float] = []
    for later in range(place, len(measured_s)):
        if measured_s[later] > moment_s + LONGEST_H * 3600.0:
            break
        silent.append(measured_s[later] - since_s)
        delays.append(series.received_s[later] - moment_s)
    return Stopped(silent_s=silent, delays_s=delays)
