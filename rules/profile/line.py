"""A learned profile: what a home's line is at each half hour of either kind of day; a few hundred bytes. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import add
from typing import Final, Self

from rules.dry import tolerance_s
from rules.profile.local import SLOTS, DayKind, IsWorkday, Zone, instant_s, slot_of
from rules.profile.pricing import LEAST_H, MOST, MOST_H, STRICTNESS_H, USUAL_STRICTNESS

RELEASE: Final = 2
"""Raised with every change of what is stored; a profile of another release is learned anew."""

MOST_WAIT_H: Final = 4.0
"""The hard line comes no more than this before the longest silence, however rarely the meters are heard."""

_FIRST_LETTER: Final = ord("0")

Line = Sequence[int]
"""For each half hour of the day, so many half hours after its beginning a silence that began in it is too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A home's habits.

    Attributes:
        until_s: learned from what was measured before this instant, epoch seconds ...
        days: ... over so many days of cover.
        wait_h: how long the next reading was waited for lately, on average over all moments.
        apart_h: so far apart two readings lay lately, more than once or twice (`rules.profile.history.OFTEN`).
        lines: for each price of `STRICTNESS_H`, the line of workdays and that of free days; None for one that nobody
            asked for.
    """

    until_s: float
    days: float
    lines: tuple[tuple[Line, Line] | None, ...]
    wait_h: float = MOST_WAIT_H
    apart_h: float = 0.0

    def too_long_at(
        self,
        since_s: float,
        *,
        zone: Zone,
        is_workday: IsWorkday,
        strictness: int = USUAL_STRICTNESS,
        min_h: float = LEAST_H,
        max_h: float = MOST_H,
    ) -> float:
        """From when on somebody is to ask, epoch seconds; later for a silence that began later, or the same.

        Args:
            since_s: when the silence began: the reading that shows the last use, epoch seconds.
            zone: where the home is.
            is_workday: whether people go to work on a day.
            strictness: which of the lines: an index of `STRICTNESS_H`.
            min_h: never before it has lasted this many hours ...
            max_h: ... and never after; both short by `rules.dry.tolerance_s`, since meters do not read to the second.

        Raises:
            ValueError: nobody asked for this line when it was learned.
        """
        day, slot = slot_of(since_s, zone)
        pair = self.lines[strictness]
        if pair is None:
            raise ValueError(f"no line of strictness {strictness} was learned")
        line = pair[DayKind.WORKDAY if is_workday(day) else DayKind.FREE]
        too_long_s = instant_s(day, slot + line[slot], zone)
        return min(max(too_long_s, since_s + _short_of_s(min_h)), since_s + _short_of_s(max_h))

    def hard_at(
        self,
        since_s: float,
        *,
        zone: Zone,
        is_workday: IsWorkday,
        strictness: int = USUAL_STRICTNESS,
        min_h: float = LEAST_H,
        max_h: float = MOST_H,
    ) -> float:
        """From when on somebody is to go: as long before `max_h` as the next reading is waited for; as `too_long_at`.

        So that a reading that shows it has mostly come by then, also where readings are lost.
        """
        soft_s = self.too_long_at(
            since_s, zone=zone, is_workday=is_workday, strictness=strictness, min_h=min_h, max_h=max_h
        )
        most_h = max_h - min(self.wait_h, MOST_WAIT_H)
        return max(soft_s, since_s + most_h * 3600.0 - tolerance_s(most_h * 3600.0))

    def to_json(self) -> dict[str, object]:
        """As it is stored: a letter for each half hour.

        Raises:
            ValueError: a line is missing.
        """
        pairs = [pair for pair in self.lines if pair is not None]
        if len(pairs) < len(self.lines):
            raise ValueError("a profile is stored with all its lines")
        return {
            "release": RELEASE,
            "until_s": self.until_s,
            "days": round(self.days, 2),
            "wait_h": round(self.wait_h, 2),
            "apart_h": round(self.apart_h, 2),
            "lines": [[_written(line) for line in pair] for pair in pairs],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> Self | None:
        """The reverse of `to_json`; None for what another release wrote, or is not whole."""
        match value:
            case {
                "release": int(release),
                "until_s": int() | float() as until_s,
                "days": int() | float() as days,
                "wait_h": int() | float() as wait_h,
                "lines": list(pairs),
                **more,
            }:
                lines = [_pair(pair) for pair in pairs]
                apart_h = more.get("apart_h", 0.0)  # not known when the first of this release were written
                if not isinstance(apart_h, (int, float)) or not apart_h >= 0.0:
                    return None
                if release == RELEASE and len(lines) == len(STRICTNESS_H):
                    whole = tuple(pair for pair in lines if pair is not None)
                    if len(whole) == len(lines):
                        return cls(
                            until_s=float(until_s),
                            days=float(days),
                            lines=whole,
                            wait_h=float(wait_h),
                            apart_h=float(apart_h),
                        )
        return None


@lru_cache(maxsize=64)
def _short_of_s(hours: float) -> float:
    return hours * 3600.0 - tolerance_s(hours * 3600.0)


def never_falling(workday: Line, free: Line) -> tuple[Line, Line]:
    """The lines with each silence judged no more mildly than any that begins later, on the next day of either kind too.

    Whoever has been silent for longer cannot be the less to worry about.
    """
    next_day = SLOTS + min(_soonest(workday), _soonest(free))
    return _falling_by_one(workday, next_day), _falling_by_one(free, next_day)


def _soonest(line: Line) -> int:
    """The earliest half hour, from midnight on, by which any silence of the day is too long."""
    soonest: int = min(map(add, line, range(SLOTS)))
    return soonest


def _falling_by_one(line: Line, latest: int) -> Line:
    """The lengths, each ending no later than what begins later in the day does, and than `latest`."""
    lengths: list[int] = []
    for slot in range(SLOTS - 1, -1, -1):
        length = line[slot]
        if slot + length < latest:
            latest = slot + length
        else:
            length = latest - slot
        lengths.append(length)
    lengths.reverse()
    return tuple(lengths)


def _written(line: Line) -> str:
    return "".join(chr(_FIRST_LETTER + length) for length in line)


def _pair(value: object) -> tuple[Line, Line] | None:
    match value:
        case [str(workday), str(free)]:
            lines = tuple(tuple(ord(letter) - _FIRST_LETTER for letter in text) for text in (workday, free))
            if all(len(line) == SLOTS and min(line) >= 0 and max(line) <= MOST for line in lines):
                return lines[0], lines[1]
    return None
