"""What has come of a meter between two moments, told without going through its readings: for rules that stand."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from copy import copy
from datetime import UTC, datetime, timedelta
from itertools import accumulate, compress, count
from operator import ne, sub
from typing import Final, NamedTuple

from rules.flow import LEAST_INTERVALS, PAUSE_LEAST_S
from rules.rule import Word
from rules.snapshot import instant

_STEPS_L: Final = (10.0, 100.0)
_ROUNDING_L: Final = 1e-3
_DAY_S: Final = 86_400.0
_NEVER_S: Final = float("-inf")
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


class Heard(NamedTuple):
    """What so many readings tell by themselves.

    Attributes:
        moves: how many moves they show.
        word: without these.
    """

    readings: int
    moves: int
    word: Word


class Words:
    """The moves of one register, whose readings are received in the order in which they are measured.

    Args:
        measured_s: ascending.
        totals_l: what it showed.
        received_s: ascending.
        surely_l: how much of that, between each reading and the next, is surely no base flow; empty: not known.
        late_window: where nothing was heard for so long, nothing is told from little.
    """

    def __init__(
        self,
        measured_s: Sequence[float],
        totals_l: Sequence[float],
        received_s: Sequence[float],
        surely_l: Sequence[float],
        late_window: timedelta,
    ) -> None:
        self._measured_s, self._totals_l, self._received_s = measured_s, totals_l, received_s
        self._measured_at = [instant(each_s) for each_s in measured_s]
        same = received_s is measured_s or received_s == measured_s
        self._received_at = self._measured_at if same else [instant(each_s) for each_s in received_s]
        has_moved = list(map(ne, totals_l[1:], totals_l))
        self._moves = list(accumulate(has_moved, initial=0))  # up to each reading
        self._most = self._moves[-1]
        self._places = places = list(compress(count(1), has_moved))
        self._moved_s = [measured_s[place] for place in places]
        self._before_s = [measured_s[place - 1] for place in places]
        self._moved_l = [totals_l[place] - totals_l[place - 1] for place in places]
        self._surely_l = [surely_l[place - 1] for place in places] if surely_l else []
        self._flowing_s = self._after_pauses()
        self._gaps: dict[float, Sequence[int]] = {}
        self._late_window, self._late_window_s = late_window, late_window.total_seconds()

    def standing_still(self, place: int, totals_l: Sequence[float]) -> "Words":
        """The same of a register that no longer moves from the reading at `place` on.

        It tells of no more base flow than one that goes on.
        """
        still = copy(self)
        still._totals_l, still._most = totals_l, bisect_left(self._places, place)
        return still

    def heard(self, readings: int) -> Heard:
        """What so many readings, and the moves that they show, tell by themselves."""
        moves, last = self.moves(readings), readings - 1
        covered_at, received_at = self._measured_at[last], self._received_at
        next_at = received_at[readings] if readings < len(received_at) else _NEVER
        return Heard(
            readings,
            moves,
            Word(
                received_at[last],
                covered_at,
                self._measured_s[last],
                (),
                (),
                (),
                self.flowing_s(moves, readings),
                self.is_exact(moves, readings),
                (),
                min(next_at, covered_at + self._late_window) - datetime.resolution,
            ),
        )

    def tells(self, heard: Heard, now_s: float) -> bool:
        """Whether what was heard tells anything at a moment: nothing does once that is too long ago."""
        return heard.word.covered_s >= now_s - self._late_window_s

    def unheard_at(self, readings: int, within: timedelta) -> datetime:
        """When nothing will have been heard for so long, for the first time after so many readings."""
        within_s = within.total_seconds()
        gaps = self._gaps.get(within_s)
        if gaps is None:
            received_s = self._received_s
            gaps = [*compress(count(), map(within_s.__lt__, map(sub, received_s[1:], received_s))), len(received_s) - 1]
            self._gaps[within_s] = gaps
        return self._received_at[gaps[bisect_left(gaps, readings - 1)]] + within

    def moves(self, readings: int) -> int:
        """How many moves so many readings show."""
        return min(self._moves[readings - 1], self._most) if readings else 0

    def since(self, before: int, heard: Heard) -> Word:
        """The same with the moves that were not known before."""
        _, moves, word = heard
        if before == moves:
            return word
        heard_at, covered_at, covered_s, _, _, _, flowing_s, is_exact, _, silent_until, _ = word
        return Word(
            heard_at,
            covered_at,
            covered_s,
            self._moved_s[before:moves],
            self._moved_l[before:moves],
            self._before_s[before:moves],
            flowing_s,
            is_exact,
            self._surely_l[before:moves],
            silent_until,
        )

    def flowing_s(self, moves: int, readings: int) -> float:
        """Since when it may have been flowing without a pause, as `rules.flow.may_be_base_since` tells it."""
        begin, last = self._places[moves - 1] if moves else 0, readings - 1
        paused = self._pause(begin, last) if last - begin >= LEAST_INTERVALS else None
        return self._flowing_s[moves] if paused is None else paused

    def _after_pauses(self) -> Sequence[float]:
        """For each number of moves, the same by what was still before the last of them."""
        flowing_s = [_NEVER_S]
        for begin, place in zip([0, *self._places], self._places, strict=False):
            paused = self._pause(begin, place - 1)
            flowing_s.append(flowing_s[-1] if paused is None else paused)
        return flowing_s

    def _pause(self, begin: int, end: int) -> float | None:
        """The instant after the latest one from which on it paused up to a place, where it stood still from another."""
        measured_s = self._measured_s
        if end - begin < LEAST_INTERVALS or measured_s[end] - measured_s[begin] < PAUSE_LEAST_S:
            return None
        latest = bisect_right(measured_s, measured_s[end] - PAUSE_LEAST_S, begin, end) - 1
        return measured_s[min(latest, end - LEAST_INTERVALS) + 1]

    def is_exact(self, moves: int, readings: int) -> bool:
        """Whether the readings of the last days can be of no register that moves in coarse steps.

        However few of them are read: by one or two totals a step is believed that divides them.
        """
        ten_l, hundred_l = _STEPS_L
        now_l = self._totals_l[readings - 1]
        if not _divides(ten_l, now_l):
            return True
        if not moves or _divides(ten_l, self._totals_l[self._places[moves - 1] - 1]):
            return False
        return not _divides(hundred_l, now_l) or self._measured_s[readings - 1] - self._moved_s[moves - 1] <= _DAY_S


def _divides(step_l: float, total_l: float) -> bool:
    rest_l = total_l % step_l
    return rest_l < _ROUNDING_L or step_l - rest_l < _ROUNDING_L
