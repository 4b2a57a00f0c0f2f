"""Dry spells: stretches of covered time in which less than a volume was used within every window."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter

from rules.water import Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """Instants on end at which the window before them was dry.

    Attributes:
        since_s: from when: the earliest reading from which use up to the first dry instant stays below the volume.
        fired_s: the first instant at which it was dry.
        until_s: the last one.
        used_l: at most this was used from `since_s` to `until_s`.
        first_judged: no window could be judged before it in the span that was read; it may have begun earlier.
        lasts: nothing later that could be judged says that it is over.
    """

    since_s: float
    fired_s: float
    until_s: float
    used_l: float
    first_judged: bool
    lasts: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Dryness:
    """What a home's cover says.

    Attributes:
        spells: oldest first; only the last one may last.
        covered_until_s: the last covered instant; None without any cover.
        decided: a whole window before it is covered, or enough was used since the cover began.
        tail_since_s: the earliest reading from which use up to the last covered instant is below the volume.
    """

    spells: tuple[Spell, ...] = ()
    covered_until_s: float | None = None
    decided: bool = False
    tail_since_s: float | None = None

    @property
    def lasting(self) -> Spell | None:
        """The spell that lasts, if one does."""
        return self.spells[-1] if self.spells and self.spells[-1].lasts else None


def dryness(segments: Sequence[Segment], *, volume_l: float, window_s: float) -> Dryness:
    """Judges every covered instant: dry, if less was used since the latest reading at least a window before it."""
    spells: list[Spell] = []
    judged_any = decided = False
    for segment in segments:
        judged = _judged(segment, volume_l, window_s)
        # Where cover was lost in a dry spell, nothing says that it is over until something later can be judged.
        decided = bool(judged) or segment[-1].high_l - segment[0].low_l >= volume_l
        if decided and spells and spells[-1].lasts:
            spells[-1] = replace(spells[-1], lasts=False)
        for is_dry, group in groupby(judged, key=itemgetter(1)):
            indices = [index for index, _ in group]
            if is_dry:
                spells.append(
                    _spell(
                        segment,
                        (indices[0], indices[-1]),
                        volume_l,
                        first_judged=not judged_any,
                        lasts=indices[-1] == len(segment) - 1,
                    )
                )
            judged_any = True
    if not segments:
        return Dryness()
    last = segments[-1]
    return Dryness(
        spells=tuple(spells),
        covered_until_s=last[-1].at_s,
        decided=decided,
        tail_since_s=last[_reach(last, len(last) - 1, volume_l)].at_s,
    )


def _judged(segment: Segment, volume_l: float, window_s: float) -> list[tuple[int, bool]]:
    """The points before which a whole window is covered, each with whether that window was dry."""
    judged: list[tuple[int, bool]] = []
    opening = -1
    for index, point in enumerate(segment):
        while segment[opening + 1].at_s <= point.at_s - window_s:
            opening += 1
        if opening >= 0:
            judged.append((index, point.high_l - segment[opening].low_l < volume_l))
    return judged


def _spell(segment: Segment, run: tuple[int, int], volume_l: float, *, first_judged: bool, lasts: bool) -> Spell:
    first, latest = run
    since = _reach(segment, first, volume_l)
    return Spell(
        since_s=segment[since].at_s,
        fired_s=segment[first].at_s,
        until_s=segment[latest].at_s,
        used_l=segment[latest].high_l - segment[since].low_l,
        first_judged=first_judged,
        lasts=lasts,
    )


def _reach(segment: Segment, index: int, volume_l: float) -> int:
    """The earliest point from which use up to `index` is below the volume; `index` itself if none is."""
    start = index
    while start > 0 and segment[index].high_l - segment[start - 1].low_l < volume_l:
        start -= 1
    return start
