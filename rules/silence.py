"""Silences: stretches of covered time in which no use shows, each judged by how long it may last.

How long is a function of when the silence began: a home's own line, or a time of day by which water is used.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import replace

from rules.dry import Dryness, Spell
from rules.lately import Ended, spared_until
from rules.remembered import remembered
from rules.segment import ROUNDING_L, Segment, silent_from

Limit = Callable[[float], float]
"""From when a silence began to when it is too long, both epoch seconds; never falling, and infinite for never."""
Spans = Sequence[tuple[float, float]]
"""From when to when, epoch seconds."""


def silences(
    segments: Sequence[Segment], *, use_l: float, limit: Limit, least_s: float = 0.0, emergencies: Spans | None = None
) -> Dryness:
    """Judges every covered instant: a spell, if the silence up to it is too long.

    A silence begins at the reading that shows the last use, or where cover begins.

    Args:
        segments: what is covered, oldest first.
        use_l: as much as this, since the last use, is use.
        limit: from when on a silence is too long.
        least_s: none is before it has lasted this long (saves asking for its limit).
        emergencies: when somebody was in need; all other silences that were too long and ended with use spare those
            that are no longer (`rules.lately`). None: nothing is spared.
    """
    spells: list[Spell] = []
    ended: list[Ended] = []
    too_long_s = float("-inf")  # a limit never falls: what ends before that of an earlier silence is not too long
    for segment in segments:
        at_s, last = segment.at_s, len(segment.at_s) - 1
        told: list[Spell] = []
        for begin, until in _lasting(segment, use_l, least_s):
            until_s = at_s[until]
            if until_s < too_long_s:
                continue
            too_long_s = limit(at_s[begin])
            if until_s < too_long_s:
                continue
            told_s = max(too_long_s, spared_until(ended, at_s[begin]))
            if until_s >= told_s:
                told.append(_spell(segment, begin, until, told_s, lasts=until == last))
            if until < last and _is_past(emergencies, at_s[begin], until_s):
                ended.append(Ended(until_s, until_s - at_s[begin]))
        if spells and spells[-1].lasts and (told or len(silent_from(segment, use_l)) > 1):
            spells[-1] = replace(spells[-1], lasts=False)
        spells += told
    if not segments:
        return Dryness()
    return Dryness(
        spells=tuple(spells),
        covered_until_s=segments[-1].at_s[-1],
        decided=bool(spells and spells[-1].lasts) or _used(segments[-1], use_l),
        tail_since_s=_tail_since(segments, use_l),
    )


def came_through(segments: Sequence[Segment], *, use_l: float, limit: Limit, emergencies: Spans) -> list[Ended]:
    """The silences that spare later ones, oldest first; the one that lasts too, as if water were used now."""
    found: list[Ended] = []
    for segment in segments:
        begins = silent_from(segment, use_l)
        ends = [*begins[1:], len(segment.at_s)] if segment is segments[-1] else begins[1:]
        for begin, use in zip(begins, ends, strict=False):
            since_s, until_s = segment.at_s[begin], segment.at_s[use - 1]
            if until_s >= limit(since_s) and _is_past(emergencies, since_s, until_s):
                found.append(Ended(until_s, until_s - since_s))
    return found


@remembered
def _lasting(segment: Segment, use_l: float, least_s: float) -> Sequence[tuple[int, int]]:
    """From where to where the silences of two readings and more go on that last so long."""
    at_s, begins = segment.at_s, silent_from(segment, use_l)
    return [
        (begin, use - 1)
        for begin, use in zip(begins, [*begins[1:], len(at_s)], strict=True)
        if use - 1 > begin and at_s[use - 1] - at_s[begin] >= least_s
    ]


def _spell(segment: Segment, begin: int, until: int, too_long_s: float, *, lasts: bool) -> Spell:
    fired = bisect_left(segment.at_s, too_long_s, begin + 1, until + 1)
    return Spell(
        since_s=segment.at_s[begin],
        fired_s=segment.at_s[fired],
        until_s=segment.at_s[until],
        used_l=segment.high_l[until] - segment.low_l[begin],
        first_judged=begin == 0,
        lasts=lasts,
    )


def _is_past(emergencies: Spans | None, since_s: float, until_s: float) -> bool:
    """Whether a silence that ended with use may spare another one."""
    return emergencies is not None and not any(from_s <= until_s and since_s <= to_s for from_s, to_s in emergencies)


def _used(segment: Segment, use_l: float) -> bool:
    return segment.high_l[-1] - segment.low_l[0] >= use_l - ROUNDING_L


def _tail_since(segments: Sequence[Segment], use_l: float) -> float:
    """The earliest instant at which the silence up to the end may have begun, if what broke the cover is a glitch."""
    for segment in reversed(segments):
        if _used(segment, use_l):
            return segment.at_s[silent_from(segment, use_l)[-1]]
    return segments[0].at_s[0]
