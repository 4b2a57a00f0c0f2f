"""What a cumulative register truly says: glitches left out, roll-overs carried on, breaks found, its step told.

A register is a total that only a person's use should move, and only upwards. Real ones also show a senseless value and
recover, start again from zero, tremble, let a little water back, and are exchanged. Everything here is a function of
the whole series as it is known now: more readings may tell better what an earlier one was. Pure; amounts are litres.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from operator import sub
from typing import Final, NamedTuple

ABSURD_FLOW_L_PER_H: Final = 20_000.0
"""No home's pipe carries more (the largest household meters, DN 25, are built for 8 m³/h)."""
ABSURD_AT_ONCE_L: Final = 5_000.0
"""What a register may show at once, however short the time: coarse ones tick a whole cubic metre."""
JITTER_L: Final = 2.0
"""A register that trembles by this much says nothing by it."""
BACKFLOW_L: Final = 20.0
"""A register may run backwards by this much (no check valve, pressure that falls) and still be the same."""
EXACT_STEP_L: Final = 1.0
"""A register that moves in steps of this or less is taken as exact."""
CLOCK_STEP_S: Final = 3600.0
"""A clock set right by less than this is not noticed."""
LONGEST_EXCURSION: Final = 64
"""By so many readings before and after it a fault is judged."""

_STEPS_L: Final = (1000.0, 100.0, 10.0)
_BY_CHANCE: Final = 0.01
_SURE: Final = 3
_ROUNDING_L: Final = 1e-3

# So many readings on end, the first with the others, bear out what may have been a glitch.
_RISE_CONFIRMED_BY: Final = 3
_BACKFLOW_CONFIRMED_BY: Final = 3
_RESET_CONFIRMED_BY: Final = 2

_REGISTER_WRAPS: Final = (1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 2.0**32, 2.0**32 / 1000.0)
_COUNTER_WRAPS: Final = (2.0**16, 2.0**24, 2.0**32, 1e5, 1e6, 1e7, 1e8, 1e9)
_NEAR_WRAP: Final = 0.05

_STEADY_LAG_S: Final = 600.0
_SAME_UPLOAD_S: Final = 60.0


class Run(NamedTuple):
    """Readings on end between which use is known: totals never fall, roll-overs are carried on."""

    times_s: Sequence[float]
    totals_l: Sequence[float]


class Break(NamedTuple):
    """Where a register does not go on from where it was: it was reset or exchanged, ran far backwards or leapt ahead.

    Attributes:
        at_s: of the first reading after it.
        before_l: the last total before it.
        after_l: the first one after it.
    """

    at_s: float
    before_l: float
    after_l: float


def runs(
    times_s: Sequence[float],
    totals_l: Sequence[float],
    *,
    step_l: float = 0.0,
    pulse_l: float | None = None,
    received_s: Sequence[float] = (),
) -> list[Run]:
    """The stretches over which a register can be trusted, oldest first; between them, use is unknown.

    Left out are values from which it comes back to where it was, and the newest ones after a break, until more bear
    them out. What it takes back within a run was no use.

    Args:
        times_s: when each was measured, epoch seconds, ascending.
        totals_l: what the register showed, in litres.
        step_l: the amount it moves by; 0 where it is exact.
        pulse_l: litres per pulse, where it is a counter of pulses and so may overflow as computers' counters do.
        received_s: when each was received; empty where none came more than `CLOCK_STEP_S` late, or it is not known.
    """
    return [run for stretch in _stretches(times_s, totals_l, step_l, pulse_l, received_s) for run in stretch]


def breaks(
    times_s: Sequence[float],
    totals_l: Sequence[float],
    *,
    step_l: float = 0.0,
    pulse_l: float | None = None,
    received_s: Sequence[float] = (),
) -> list[Break]:
    """Where one of the `runs` ends and the next begins, oldest first, but for where a clock was set right."""
    return [
        Break(after.times_s[0], before.totals_l[-1], after.totals_l[0])
        for stretch in _stretches(times_s, totals_l, step_l, pulse_l, received_s)
        for before, after in pairwise(stretch)
    ]


def _stretches(
    times_s: Sequence[float],
    totals_l: Sequence[float],
    step_l: float,
    pulse_l: float | None,
    received_s: Sequence[float],
) -> list[list[Run]]:
    """The runs between the moments at which the clock was set right."""
    if not times_s:
        return []
    cuts = _clock_cuts(times_s, received_s)
    if not cuts and _steady(totals_l):
        return [[Run(times_s, totals_l)]]
    return [
        _Register(times_s[start:stop], totals_l[start:stop], step_l, pulse_l).runs()
        for start, stop in pairwise([0, *cuts, len(times_s)])
    ]


def common_step(totals_l: Iterable[float]) -> float:
    """The largest of 10, 100 and 1,000 L that divides every value; 0.0 if none does. Proves nothing by itself."""
    step_l = _STEPS_L[0]
    for total_l in totals_l:
        while not _divides(step_l, total_l):
            if step_l == _STEPS_L[-1]:
                return 0.0
            step_l /= 10.0
    return step_l


def step_of(totals_l: Sequence[float]) -> float:
    """The step a register moves by, told from what it has shown; 0.0 where it is 1 L, finer, or cannot be told.

    A register that shows litres happens upon a full hundred once in a hundred values. A step is believed where all
    different values but zero being multiples of it would be chance once in a hundred times at most. So one round total
    may make a fine register seem coarse, but seldom a coarse one fine: by what is believed nothing is raised falsely.
    """
    step_l = common_step(totals_l)
    if step_l:
        shown = _different(totals_l)
        while step_l and step_l**-shown > _BY_CHANCE:
            step_l = step_l / 10.0 if step_l > _STEPS_L[-1] else 0.0
    return step_l


def is_step_sure(totals_l: Sequence[float]) -> bool:
    """Whether the step told from so many different totals may be said of a register: a total or two are often round."""
    return _different(totals_l) >= _SURE


def only_trembled(totals_l: Sequence[float]) -> bool:
    """Whether an exact register never fell by more than it may tremble, leapt nowhere, and stands where it was highest.

    Such readings are all of one run, and stay what they are in it when more of them come that rise.
    """
    highest_l = list(accumulate(totals_l, max))
    fell_l, rose_l = max(map(sub, highest_l, totals_l)), max(map(sub, totals_l[1:], totals_l), default=0.0)
    return fell_l <= JITTER_L and rose_l <= ABSURD_AT_ONCE_L and totals_l[-1] == highest_l[-1]


def _different(totals_l: Iterable[float]) -> int:
    """How many different totals are shown but zero, where every register begins."""
    return len({total_l for total_l in totals_l if total_l > _ROUNDING_L})


def _divides(step_l: float, total_l: float) -> bool:
    rest_l = total_l % step_l
    return rest_l < _ROUNDING_L or step_l - rest_l < _ROUNDING_L


def _steady(totals_l: Sequence[float]) -> bool:
    used_l = list(map(sub, totals_l[1:], totals_l))
    return not used_l or (min(used_l) >= 0.0 and max(used_l) <= ABSURD_AT_ONCE_L)


def _unsteady(totals_l: Sequence[float]) -> list[int]:
    """The places of totals that fall, or leap, from the one before, and the end."""
    steps_l = map(sub, totals_l[1:], totals_l)
    return [*(place for place, step_l in enumerate(steps_l, 1) if not 0.0 <= step_l <= ABSURD_AT_ONCE_L), len(totals_l)]


def _clock_cuts(times_s: Sequence[float], received_s: Sequence[float]) -> list[int]:
    """Where a clock that was behind was set right: the hours it made up for were never lived through.

    The readings came steadily late, and from one to the next, received apart, no longer do. (A day uploaded at once
    comes less and less late too, but at one moment; a backlog sent bit by bit, steadily less.)
    """
    if not received_s:
        return []
    lags_s = list(map(sub, received_s, times_s))
    if max(lags_s) - min(lags_s) <= CLOCK_STEP_S:
        return []
    return [
        place
        for place in range(2, len(lags_s))
        if lags_s[place - 1] - lags_s[place] > CLOCK_STEP_S
        and abs(lags_s[place - 1] - lags_s[place - 2]) < _STEADY_LAG_S
        and received_s[place] - received_s[place - 1] >= _SAME_UPLOAD_S
    ]


def _believable(used_l: float, duration_s: float) -> bool:
    return used_l <= max(ABSURD_AT_ONCE_L, ABSURD_FLOW_L_PER_H * duration_s / 3600.0)


class _Register:
    """One pass over a series that is not plainly steady."""

    def __init__(
        self, times_s: Sequence[float], totals_l: Sequence[float], step_l: float, pulse_l: float | None
    ) -> None:
        self._times = times_s
        self._totals = list(totals_l)  # carried on over roll-overs as the pass goes along
        self._carried = 0.0
        self._jitter = max(JITTER_L, step_l)
        self._backflow = max(BACKFLOW_L, 2 * step_l)
        self._wraps = _REGISTER_WRAPS if pulse_l is None else [pulse_l * count for count in _COUNTER_WRAPS]
        self._run = [0]
        self._unsteady = _unsteady(self._totals)
        self._tops = [0]  # for each place in the run, the one of the highest total so far

    def runs(self) -> list[Run]:
        found: list[list[int]] = []
        place, count = 1, len(self._times)
        while place < count:
            if (plain := self._plain_until(place)) > place:
                self._take_all(place, plain)
                place = plain
                continue
            fall_l = self._totals[self._tops[-1]] - self._totals[place]
            if fall_l <= self._jitter and self._follows(self._tops[-1], place):
                self._take(place)
                place += 1
                continue
            back = self._comes_back(place)
            base = self._before_peak(place)
            if base is not None and (back is None or len(self._run) - 1 - base <= back - place):
                del self._run[base + 1 :], self._tops[base + 1 :]
            elif back is not None:
                place = back
            elif self._rolls_over(place):
                continue
            elif 0.0 < fall_l <= self._backflow:
                falls_now = self._totals[self._run[-1]] - self._totals[place] > self._jitter
                if falls_now and count - place < _BACKFLOW_CONFIRMED_BY:
                    break
                self._take(place)
                place += 1
            elif count - place < (_RESET_CONFIRMED_BY if fall_l > 0.0 else _RISE_CONFIRMED_BY):
                break
            else:
                found.append(self._run)
                self._run, self._tops = [place], [place]
                place += 1
        found.append(self._run)
        return [self._settled(run) for run in found]

    def _plain_until(self, place: int) -> int:
        """Up to where the register plainly goes on rising from its highest total, which is the last one taken."""
        before = place - 1
        if self._run[-1] != before or self._totals[before] != self._totals[self._tops[-1]]:
            return place
        return self._unsteady[bisect_left(self._unsteady, place)]

    def _take_all(self, place: int, end: int) -> None:
        totals, top = self._totals, self._tops[-1]
        self._run += range(place, end)
        for taken in range(place, end):
            if totals[taken] > totals[top]:
                top = taken
            self._tops.append(top)

    def _take(self, place: int) -> None:
        self._run.append(place)
        self._tops.append(max(self._tops[-1], place, key=self._totals.__getitem__))

    def _follows(self, earlier: int, later: int) -> bool:
        return _believable(self._totals[later] - self._totals[earlier], self._times[later] - self._times[earlier])

    def _comes_back(self, place: int) -> int | None:
        """Where the series goes on as if what begins at `place` had not been; None if it does not.

        A register that was reset also climbs back to where it was, but step by step: from a glitch it leaps.
        """
        totals, top = self._totals, self._tops[-1]
        top_l = totals[top]
        falls = totals[place] < top_l
        lowest_l, leap_l = totals[place], 0.0
        for later in range(place + 1, min(len(totals), place + 1 + LONGEST_EXCURSION)):
            leap_l = max(leap_l, totals[later] - totals[later - 1])
            if totals[later] >= top_l - self._jitter and self._follows(top, later):
                if falls:
                    return later if leap_l >= (top_l - lowest_l) / 2 else None
                if totals[later] <= (top_l + totals[place]) / 2:
                    return later
            lowest_l = min(lowest_l, totals[later])
        return None

    def _before_peak(self, place: int) -> int | None:
        """Where in the run it last stood as at `place`, if from there it leapt up only to fall back now."""
        totals, now_l, top_l = self._totals, self._totals[place], self._totals[self._tops[-1]]
        for base in range(len(self._run) - 2, max(-1, len(self._run) - 2 - LONGEST_EXCURSION), -1):
            base_l = totals[self._run[base]]
            if base_l <= now_l + self._jitter:
                half_l = (top_l - base_l) / 2
                leapt = totals[self._run[base + 1]] - base_l >= half_l and top_l - now_l >= half_l
                return base if leapt and now_l < top_l and self._follows(self._run[base], place) else None
        return None

    def _rolls_over(self, place: int) -> bool:
        """Whether it has started again from zero after its last digit; if so, the totals from there on are raised."""
        top = self._tops[-1]
        before_l, after_l = self._totals[top] - self._carried, self._totals[place] - self._carried
        duration_s = self._times[place] - self._times[top]
        for whole_l in self._wraps:
            used_l = after_l + whole_l - before_l
            if 0.0 <= used_l <= _NEAR_WRAP * whole_l and before_l <= whole_l and _believable(used_l, duration_s):
                self._carried += whole_l
                for later in range(place, len(self._totals)):
                    self._totals[later] += whole_l
                self._unsteady = _unsteady(self._totals)
                return True
        return False

    def _settled(self, run: Sequence[int]) -> Run:
        """With what was taken back later taken back at once, so that no trembling adds up."""
        totals = list(accumulate((self._totals[place] for place in reversed(run)), min))
        totals.reverse()
        return Run([self._times[place] for place in run], totals)
