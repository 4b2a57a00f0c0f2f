"""Runs of flow: stretches of time in which a meter showed flow again and again, without a break. Pure.

Two kinds: flow that never rested (a leak, however small), and flow that was strong all the time (a tap that nobody
turns off). A run ends where a reading shows that it does. Where nothing was read often enough to tell, it ends unseen.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from enum import Enum, auto
from functools import partial
from itertools import groupby
from operator import sub
from typing import Final, NamedTuple

from rules.dry import tolerance_s
from rules.flow import base_flow
from rules.segment import ROUNDING_L, Segment, moved
from rules.snapshot import Installation, Snapshot
from rules.water import spacing

REST_S: Final = 1800.0
"""Without flow for this long, nothing leaks (Longgang: use in every half-hour)."""
STRONG_L_PER_H: Final = 60.0
"""A tap left running gives more, and nobody uses as much in every quarter of an hour for long (see docs/rules.md)."""
STRONG_HOURLY_L_PER_H: Final = 120.0
"""The same where readings are up to an hour apart: two showers fall into two hours on end."""
COARSEST_S: Final = 3600.0
"""Between readings further apart than this, nobody can tell whether it ever stopped."""

_LATE: Final = 1.1  # readings do not come on the second
SHORTEST_REST_S: Final = REST_S / _LATE
SEEN_S: Final = COARSEST_S * 2.2
"""One reading between two that show flow may be missing."""
_FINE_S: Final = 1800.0
LEAST_STRONG: Final = 3
"""So many intervals on end must show it."""
GRID_S: Final = 900.0
"""Readings closer than this are put together."""


class Run(NamedTuple):
    """One run of flow.

    Attributes:
        since_s: the instant from which there was flow.
        until_s: the last instant up to which there was.
        used_l: what flowed in it.
        begun: it is seen that there was none before.
        lasts: nothing says that it is over; else it is seen that there was none after.
    """

    since_s: float
    until_s: float
    used_l: float
    begun: bool
    lasts: bool

    @property
    def length_s(self) -> float:
        """How long it has been running."""
        return self.until_s - self.since_s


class Running(NamedTuple):
    """What a meter's cover says of one kind of flow.

    Attributes:
        runs: those that are long enough, oldest first; only the last may last.
        open_since_s: it may have been flowing since this instant, for all that is known.
        stopped: it is seen that it does not flow now.
        covered_until_s: the last covered instant.
    """

    runs: Sequence[Run]
    open_since_s: float
    stopped: bool
    covered_until_s: float


class _State(Enum):
    FLOW = auto()
    NONE = auto()
    UNSEEN = auto()


class _Piece(NamedTuple):
    begin: int
    end: int
    state: _State


def fine_meters(snapshot: Snapshot) -> list[Installation]:
    """The meters that read often enough to tell whether a flow ever stopped."""
    return [
        device
        for device in snapshot.installations
        if device.meters_water and device.removed_at is None and spacing(device).total_seconds() <= COARSEST_S * _LATE
    ]


def never_resting(segments: Sequence[Segment], *, length_s: float) -> Running | None:
    """Flow that did not rest for `REST_S`; None without cover."""
    if len(segments) == 1 and (quiet := _rests_often(segments[0], length_s - tolerance_s(length_s))) is not None:
        return quiet
    return _running(segments, _rests, length_s=length_s, least_pieces=1)


def strong(segments: Sequence[Segment], *, length_s: float, least_intervals: int = LEAST_STRONG) -> Running | None:
    """Flow that was strong between all readings, beyond what flowed all the time before it; None without cover."""
    gridded = [_gridded(segment) for segment in segments]
    pieces_of = partial(_strengths, length_s=length_s - tolerance_s(length_s), least_pieces=least_intervals)
    return _running(gridded, pieces_of, length_s=length_s, least_pieces=least_intervals)


def _running(
    segments: Sequence[Segment],
    pieces_of: Callable[[Segment], Iterator[_Piece]],
    *,
    length_s: float,
    least_pieces: int,
) -> Running | None:
    if not segments:
        return None
    runs: list[Run] = []
    open_since_s, stopped = segments[0].at_s[0], False
    for segment in segments:
        # A break in the cover may turn out to be a glitch: what was open stays so.
        at_s = segment.at_s
        begun = False
        for state, group in groupby(pieces_of(segment), key=lambda piece: piece.state):
            pieces = list(group)
            first, last = pieces[0].begin, pieces[-1].end
            if state is _State.FLOW:
                run = Run(at_s[first], at_s[last], segment.low_l[last] - segment.low_l[first], begun, lasts=True)
                if run.length_s >= length_s - tolerance_s(length_s) and len(pieces) >= least_pieces:
                    runs.append(run)
            elif state is _State.NONE:
                open_since_s = at_s[last]
                if runs and runs[-1].lasts:
                    runs[-1] = runs[-1]._replace(lasts=False)
            begun, stopped = state is _State.NONE, state is _State.NONE
    return Running(_only_last_lasts(runs), open_since_s, stopped, segments[-1].at_s[-1])


def _only_last_lasts(runs: Sequence[Run]) -> list[Run]:
    return [run._replace(lasts=run.lasts and place == len(runs) - 1) for place, run in enumerate(runs)]


def _rests(segment: Segment) -> Iterator[_Piece]:
    at_s, totals_l = segment.at_s, segment.low_l
    still_since = 0
    for place in range(1, len(at_s)):
        if totals_l[place] - totals_l[place - 1] <= ROUNDING_L:
            continue
        if place - 1 > still_since:
            rested = at_s[place - 1] - at_s[still_since] >= SHORTEST_REST_S
            yield _Piece(still_since, place - 1, _State.NONE if rested else _State.FLOW)
        seen = at_s[place] - at_s[place - 1] <= SEEN_S
        yield _Piece(place - 1, place, _State.FLOW if seen else _State.UNSEEN)
        still_since = place
    last = len(at_s) - 1
    if last > still_since and at_s[last] - at_s[still_since] >= SHORTEST_REST_S:
        yield _Piece(still_since, last, _State.NONE)


def _rests_often(segment: Segment, length_s: float) -> Running | None:
    """What there is to say of a flow that plainly rests within every such length; None where it may not."""
    at_s, rest_s = segment.at_s, SHORTEST_REST_S
    since_s, begin = at_s[0], 0
    for place in (*moved(segment), len(at_s)):
        until_s = at_s[place - 1]
        if until_s - at_s[begin] >= rest_s:
            if at_s[begin] - since_s >= length_s:
                return None
            since_s = until_s
        begin = place
    if at_s[-1] - since_s >= length_s:
        return None
    return Running((), since_s, stopped=since_s == at_s[-1] > at_s[0], covered_until_s=at_s[-1])


def _strengths(segment: Segment, *, length_s: float, least_pieces: int) -> Iterator[_Piece]:
    """Whether it flowed strongly. What did for too short a time to matter, and no longer does, passes for none."""
    at_s, last = segment.at_s, len(segment.at_s) - 1
    done = 0
    for begin, end in _high(segment):
        if end == last or (end - begin >= least_pieces and at_s[end] - at_s[begin] >= length_s):
            if done < begin:
                yield _Piece(done, begin, _State.NONE)
            yield from _beyond_base(segment, begin, end)
            done = end
    if done < last:
        yield _Piece(done, last, _State.NONE)


def _high(segment: Segment) -> Iterator[tuple[int, int]]:
    """From where to where every interval shows a strong flow, base flow and all; as long as can be."""
    at_s, totals_l = segment.at_s, segment.low_l
    begin = end = 0
    for place in moved(segment):
        if (totals_l[place] - totals_l[place - 1]) * 3600.0 / (at_s[place] - at_s[place - 1]) < STRONG_L_PER_H:
            continue
        if place - 1 > end:
            if begin < end:
                yield begin, end
            begin = place - 1
        end = place
    if begin < end:
        yield begin, end


def _beyond_base(segment: Segment, begin: int, end: int) -> Iterator[_Piece]:
    at_s, totals_l, base = segment.at_s, segment.low_l, base_flow(segment)
    before_l_h, running, was_fine = 0.0, False, False
    for place in range(begin, end):
        lasted_s = at_s[place + 1] - at_s[place]
        if base and not running:
            # A tap that has been running for long is base flow by now: what counts is what flowed before it.
            before_l_h = min(base[place - 1], base[place]) if place else 0.0
        rate_l_h = (totals_l[place + 1] - totals_l[place]) * 3600.0 / lasted_s - before_l_h
        if lasted_s <= _FINE_S * _LATE:
            state = _State.FLOW if rate_l_h >= STRONG_L_PER_H else _State.NONE
        elif rate_l_h < STRONG_HOURLY_L_PER_H:
            # A reading that is missing while it runs says nothing; the meters of hours show no more than this.
            sure = rate_l_h < STRONG_L_PER_H or (lasted_s <= COARSEST_S * _LATE and not (running and was_fine))
            state = _State.NONE if sure else _State.UNSEEN
        else:
            state = _State.FLOW if lasted_s <= COARSEST_S * _LATE else _State.UNSEEN
        if state is not _State.UNSEEN:
            running, was_fine = state is _State.FLOW, lasted_s <= _FINE_S * _LATE
        yield _Piece(place, place + 1, state)


def _gridded(segment: Segment) -> Segment:
    """At most one reading in each quarter of an hour of the clock: closer ones show a flow in jerks."""
    at_s = segment.at_s
    if min(map(sub, at_s[1:], at_s), default=GRID_S) >= GRID_S:
        return segment
    kept = list(_quarters(at_s))
    if len(kept) == len(at_s):
        return segment
    return segment._replace(
        at_s=[at_s[place] for place in kept],
        low_l=[segment.low_l[place] for place in kept],
        high_l=[segment.high_l[place] for place in kept],
        course=None,
    )


def _quarters(at_s: Sequence[float]) -> Iterator[int]:
    """The first place in each quarter of an hour."""
    until_s = float("-inf")
    place = 0
    while place < len(at_s):
        if (each_s := at_s[place]) < until_s:
            place = bisect_left(at_s, until_s, place + 1)
            continue
        yield place
        until_s = (each_s // GRID_S + 1.0) * GRID_S
        place += 1
