"""Learns a home's line from its silences. Pure; a few milliseconds for 120 days of hourly readings."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from operator import mul
from typing import Final

from rules.profile.history import covered_s, uses, wait_s
from rules.profile.line import Line, Profile, never_falling
from rules.profile.local import SLOT_S, SLOTS, Clock, DayKind, IsWorkday, Zone, clock
from rules.profile.pricing import LEAST, MOST, STRICTNESS_H, USUAL, Tuning, best
from rules.segment import Segment

HISTORY: Final = timedelta(days=120)
"""No more than this is looked back."""
LEAST_HISTORY: Final = timedelta(days=14)
"""With less cover than this nothing is learned."""
LATELY_S: Final = 28 * 86_400.0
"""How the meters are heard is learned from so much of it: a radio changes at once."""
AT_RISK_S: Final = 3 * 3600.0
"""An incapacitation is looked for within so long after a use: later, it is as likely that nobody is at home."""

_DAY_S: Final = 86_400.0
_TOLD_FROM: Final = LEAST - 8  # silences of fewer half hours tell nothing about any line
_TOLD_FROM_S: Final = _TOLD_FROM * SLOT_S


def learn(
    segments: Iterable[Segment], *, until: datetime, zone: Zone, is_workday: IsWorkday, tuning: Tuning = USUAL
) -> Profile | None:
    """A home's profile; None where too little is covered to know its habits.

    Args:
        segments: what its meters cover, oldest first, without what nobody lived through: absences, real emergencies.
        until: what is later is not looked at.
        zone: where the home is.
        is_workday: whether people go to work on a day.
        tuning: what is the same for all homes.
    """
    until_s = until.timestamp()
    since_s = until_s - HISTORY.total_seconds()
    recent = [part for segment in segments if (part := _between(segment, since_s, until_s)) is not None]
    covered = covered_s(recent)
    if covered < LEAST_HISTORY.total_seconds():
        return None
    past = _Past(clock(zone, is_workday), until_s, tuning)
    for segment in recent:
        past.add(segment)
    latest = [part for segment in recent if (part := _between(segment, until_s - LATELY_S, until_s)) is not None]
    wait_h = round(wait_s(latest) / 3600.0, 2)  # as it is stored
    return Profile(until_s=until_s, days=covered / _DAY_S, lines=past.lines(), wait_h=wait_h)


class _Past:
    """What the silences of a home add up to, by kind of day and by the half hour in which they began."""

    def __init__(self, clock: Clock, until_s: float, tuning: Tuning) -> None:
        self._clock = clock
        self._until_s = until_s
        self._tuning = tuning
        self._per_half_life = 1.0 / (tuning.half_life_days * _DAY_S)
        self._at_risk_h = [[0.0] * SLOTS for _ in DayKind]
        self._ended: list[dict[tuple[int, int], float]] = [{} for _ in DayKind]

    def add(self, segment: Segment) -> None:
        """Takes in the silences of a stretch that is later than all before it."""
        at_s, places = segment.at_s, uses(segment)
        if not places:
            return
        began_s = [at_s[place] for place in places]
        until_s, per_half_life = self._until_s, self._per_half_life
        day_ends_s = midnight_s = float("-inf")
        kind, at_risk_h = DayKind.FREE, self._at_risk_h[DayKind.FREE]
        for nth, (since_s, next_s) in enumerate(zip(began_s, [*began_s[1:], at_s[-1]], strict=True), 1):
            if since_s >= day_ends_s:
                day_ends_s, midnight_s, kind = self._clock.day(since_s)
                at_risk_h = self._at_risk_h[kind]
            lasted_s, slot = next_s - since_s, int((since_s - midnight_s) // SLOT_S)
            weight = 0.5 ** ((until_s - since_s) * per_half_life)
            at_risk_h[slot] += weight * (lasted_s if lasted_s < AT_RISK_S else AT_RISK_S) / 3600.0
            if lasted_s >= _TOLD_FROM_S:
                seen_s = at_s[places[nth] - 1] if nth < len(places) else at_s[-1]
                if seen_s - since_s >= _TOLD_FROM_S:
                    self._end(kind, slot, self._half_hours(since_s, seen_s), weight)

    def _half_hours(self, since_s: float, until_s: float) -> int:
        """From the beginning of the half hour of one instant to that of another, by the clock on the wall."""
        wall_s = self._clock.wall_s(since_s)
        return int((self._clock.wall_s(until_s) - wall_s + wall_s % SLOT_S) // SLOT_S)

    def _end(self, kind: DayKind, slot: int, length: int, weight: float) -> None:
        ended = self._ended[kind]
        ended[slot, length] = ended.get((slot, length), 0.0) + weight

    def lines(self) -> tuple[tuple[Line, Line], ...]:
        """The lines of both kinds of day, for each strictness."""
        weights = self._tuning.weights()
        risks = [_spread_risk(at_risk_h, weights) for at_risk_h in self._at_risk_h]
        ends = [_spread_ends(ended, weights) for ended in self._ended]
        drawn = [
            list(zip(*(self._best(risks, ends, kind, slot) for slot in range(SLOTS)), strict=True)) for kind in DayKind
        ]
        return tuple(never_falling(list(drawn[0][price]), list(drawn[1][price])) for price in range(len(STRICTNESS_H)))

    def _best(
        self, risks: Sequence[Sequence[float]], ends: Sequence[Sequence[Sequence[float]]], kind: DayKind, slot: int
    ) -> list[int]:
        share, other = self._tuning.other_kind, 1 - kind
        ended = [own + share * others for own, others in zip(ends[kind][slot], ends[other][slot], strict=True)]
        return best(ended, risks[kind][slot] + share * risks[other][slot], self._tuning.later_h)


def _spread_risk(at_risk_h: Sequence[float], weights: Sequence[tuple[int, float]]) -> list[float]:
    shares, reach = [weight for _, weight in weights], weights[-1][0]
    # By a slot lie those around it, the latest first, as the weights do.
    ring_h = [at_risk_h[slot % SLOTS] for slot in range(SLOTS + reach - 1, -reach - 1, -1)]
    return [sum(map(mul, shares, ring_h[SLOTS - 1 - slot :])) for slot in range(SLOTS)]


def _spread_ends(ended: Mapping[tuple[int, int], float], weights: Sequence[tuple[int, float]]) -> list[list[float]]:
    """For each half hour, the weight of the silences that ended so many half hours later by the clock."""
    ends = [[0.0] * (MOST + 1) for _ in range(SLOTS)]
    shares, reach = [weight for _, weight in weights], weights[-1][0]
    ring = [ends[slot % SLOTS] for slot in range(-reach, SLOTS + reach)]
    for (began, length), amount in ended.items():
        for row, share, after in zip(ring[began:], shares, range(length + reach, _TOLD_FROM - 1, -1), strict=False):
            row[after if after < MOST else MOST] += share * amount
    return ends


def _between(segment: Segment, since_s: float, until_s: float) -> Segment | None:
    at_s = segment.at_s
    if not at_s or at_s[0] >= until_s or at_s[-1] < since_s:
        return None
    if since_s <= at_s[0] and at_s[-1] < until_s:
        return segment
    kept = slice(bisect_left(at_s, since_s), bisect_left(at_s, until_s))
    return segment._replace(at_s=at_s[kept], low_l=segment.low_l[kept], high_l=segment.high_l[kept])
