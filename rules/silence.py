"""Silences: stretches of covered time in which no use shows, each judged by how long it may last.

How long is a function of when the silence began: a home's own line, or a time of day by which water is used.
"""

from collections.abc import Callable, Sequence

from rules.dry import Dryness, Spell
from rules.segment import Segment

Limit = Callable[[float], float]
"""From when a silence began to when it is too long, both epoch seconds; never falling, and infinite for never."""

_ROUNDING_L = 1e-6


def silences(segments: Sequence[Segment], *, use_l: float, limit: Limit) -> Dryness:
    """Judges every covered instant: a spell, if the silence up to it is too long.

    A silence begins at the reading that shows the last use, or where cover begins.

    Args:
        segments: what is covered, oldest first.
        use_l: as much as this, since the last use, is use.
        limit: from when on a silence is too long.
    """
    spells: list[Spell] = []
    for segment in segments:
        told: list[Spell] = []
        used = False
        begin, end = 0, len(segment.at_s)
        while begin < end:
            until, used_after = _silent_until(segment, begin, use_l)
            spell = _spell(segment, begin, until, limit, known_beginning=used or begin > 0)
            if spell is not None:
                told.append(spell if not used_after else _over(spell))
            used = used or used_after
            begin = until + 1 if used_after else end
        if spells and spells[-1].lasts and (used or told):
            spells[-1] = _over(spells[-1])
        spells += told
    if not segments:
        return Dryness()
    return Dryness(
        spells=tuple(spells),
        covered_until_s=segments[-1].at_s[-1],
        decided=bool(spells and spells[-1].lasts) or _used(segments[-1], use_l),
        tail_since_s=_tail_since(segments, use_l),
    )


def _silent_until(segment: Segment, begin: int, use_l: float) -> tuple[int, bool]:
    """The last instant of the silence that begins at `begin`, and whether use follows it."""
    floor_l = segment.low_l[begin] + use_l - _ROUNDING_L
    high_l = segment.high_l
    for place in range(begin + 1, len(high_l)):
        if high_l[place] >= floor_l:
            return place - 1, True
    return len(high_l) - 1, False


def _spell(segment: Segment, begin: int, until: int, limit: Limit, *, known_beginning: bool) -> Spell | None:
    at_s = segment.at_s
    if until == begin:
        return None
    too_long_s = limit(at_s[begin])
    if at_s[until] < too_long_s:
        return None
    fired = next(place for place in range(begin + 1, until + 1) if at_s[place] >= too_long_s)
    return Spell(
        since_s=at_s[begin],
        fired_s=at_s[fired],
        until_s=at_s[until],
        used_l=segment.high_l[until] - segment.low_l[begin],
        first_judged=not known_beginning,
        lasts=True,
    )


def _over(spell: Spell) -> Spell:
    return Spell(
        since_s=spell.since_s,
        fired_s=spell.fired_s,
        until_s=spell.until_s,
        used_l=spell.used_l,
        first_judged=spell.first_judged,
        lasts=False,
    )


def _used(segment: Segment, use_l: float) -> bool:
    return segment.high_l[-1] - segment.low_l[0] >= use_l - _ROUNDING_L


def _tail_since(segments: Sequence[Segment], use_l: float) -> float:
    """The earliest instant at which the silence up to the end may have begun, if what broke the cover is a glitch."""
    for segment in reversed(segments):
        if _used(segment, use_l):
            begin = 0
            while True:
                until, used_after = _silent_until(segment, begin, use_l)
                if not used_after:
                    return segment.at_s[begin]
                begin = until + 1
    return segments[0].at_s[0]
