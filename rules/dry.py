"""Dry spells: stretches of covered time in which less than a volume was used within every window.

Dry means certainly less: where the meters' steps are coarse, what they show and a step must stay within the volume, and
where a step is more than the volume, nothing can be said.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from devices.meters import EXACT_STEP_L
from rules.segment import ROUNDING_L, Segment, silent_from

_TOLERANCE_S = 300.0
_TOLERANCE_SHARE = 0.01


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
        tail_since_s: the earliest reading from which use up to the last covered instant is below the volume, or might
            be if what broke the cover since is a glitch.
    """

    spells: tuple[Spell, ...] = ()
    covered_until_s: float | None = None
    decided: bool = False
    tail_since_s: float | None = None

    @property
    def lasting(self) -> Spell | None:
        """The spell that lasts, if one does."""
        return self.spells[-1] if self.spells and self.spells[-1].lasts else None


def tolerance_s(window_s: float) -> float:
    """By how much a window may be short: a meter that reads every hour does not do so to the second.

    Without it, a reading taken a second early would cost the whole interval to the next one.
    """
    return min(_TOLERANCE_S, _TOLERANCE_SHARE * window_s)


def dryness(segments: Sequence[Segment], *, volume_l: float, window_s: float) -> Dryness:
    """Judges every covered instant: dry, if less was used since the latest reading at least a window before it.

    The window may be short by `tolerance_s`.
    """
    window_s -= tolerance_s(window_s)
    spells: list[Spell] = []
    judged_any = decided = False
    for segment in segments:
        limit_l = _limit(volume_l, segment.step_l)
        if limit_l <= 0.0:
            decided = False
            continue
        judged_from = bisect_left(segment.at_s, segment.at_s[0], key=lambda at_s: at_s - window_s)
        judged = judged_from < len(segment.at_s)
        # Where cover was lost in a dry spell, nothing says that it is over until something later can be judged.
        decided = judged or segment.high_l[-1] - segment.low_l[0] >= limit_l
        if decided and spells and spells[-1].lasts:
            spells[-1] = replace(spells[-1], lasts=False)
        may_be_dry = judged and _has_room(segment, volume_l, window_s)
        for first, latest in _dry(segment, judged_from, limit_l, window_s) if may_be_dry else ():
            spells.append(
                _spell(
                    segment,
                    (first, latest),
                    limit_l,
                    first_judged=not judged_any and first == judged_from,
                    lasts=latest == len(segment.at_s) - 1,
                )
            )
        judged_any = judged_any or judged
    if not segments:
        return Dryness()
    return Dryness(
        spells=tuple(spells),
        covered_until_s=segments[-1].at_s[-1],
        decided=decided,
        tail_since_s=_tail_since(segments, volume_l, window_s),
    )


def _limit(volume_l: float, step_l: float) -> float:
    """What the meters must show less of, for less than the volume to be certain; 0 or less where nothing would do."""
    return volume_l - ROUNDING_L if step_l <= EXACT_STEP_L else volume_l - step_l + ROUNDING_L


def _tail_since(segments: Sequence[Segment], volume_l: float, window_s: float) -> float:
    since_s = float("inf")
    for segment in reversed(segments):
        at_s = segment.at_s
        since_s = min(since_s, at_s[_reach(segment, len(at_s) - 1, _limit(volume_l, segment.step_l))])
        # What broke the cover may turn out to be a glitch: then the stretch before it goes on.
        if at_s[-1] - at_s[0] >= window_s:
            break
    return since_s


def _has_room(segment: Segment, volume_l: float, window_s: float) -> bool:
    """Whether any window can be dry: no more than one silence begins in one that is, so it lies in two on end."""
    at_s, begins = segment.at_s, silent_from(segment, volume_l)
    ends = [*begins[2:], len(at_s), len(at_s)]
    return any(at_s[end - 1] - at_s[begin] >= window_s for begin, end in zip(begins, ends, strict=False))


def _dry(segment: Segment, judged_from: int, limit_l: float, window_s: float) -> Iterator[tuple[int, int]]:
    """The instants before which a whole window is covered and was dry, as the first and the last of those on end."""
    at_s, low_l, high_l, count = segment.at_s, segment.low_l, segment.high_l, len(segment.at_s)
    first = None
    place = judged_from
    while place < count:
        opening = bisect_right(at_s, at_s[place] - window_s, 0, place + 1) - 1
        shown_l = high_l[place]
        if shown_l - low_l[opening] < limit_l:
            first = place if first is None else first
            place = bisect_right(high_l, shown_l, place + 1)  # while no more is shown it stays dry
            continue
        if first is not None:
            yield first, place - 1
            first = None
        # No window is dry that reaches back to the last instant from which enough was used.
        enough = bisect_left(low_l, True, opening, place, key=lambda total_l: shown_l - total_l < limit_l)
        place = bisect_left(at_s, at_s[enough], place + 1, key=lambda each_s: each_s - window_s)
    if first is not None:
        yield first, count - 1


def _spell(segment: Segment, run: tuple[int, int], limit_l: float, *, first_judged: bool, lasts: bool) -> Spell:
    first, latest = run
    since = _reach(segment, first, limit_l)
    return Spell(
        since_s=segment.at_s[since],
        fired_s=segment.at_s[first],
        until_s=segment.at_s[latest],
        used_l=segment.high_l[latest] - segment.low_l[since],
        first_judged=first_judged,
        lasts=lasts,
    )


def _reach(segment: Segment, index: int, limit_l: float) -> int:
    """The earliest instant from which use up to `index` is below the limit; `index` itself if none is."""
    high_l = segment.high_l[index]
    return bisect_left(segment.low_l, True, 0, index, key=lambda total_l: high_l - total_l < limit_l)
