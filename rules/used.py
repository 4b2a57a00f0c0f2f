"""Whether asking about inactivity again would conclude the same of a home that goes on using water. Pure.

Told from the little that has come since: each use came soon enough after the one before (`rules.quiet`).
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from itertools import chain
from typing import NamedTuple

from rules.expected import next_after
from rules.flow import SPAN_S
from rules.habits import habits_until
from rules.learning import PERIOD, next_change
from rules.plainly import Plain, covered_until, goes_on, has_no_base, kept_from, plain
from rules.quiet import SUMS_L, Bound, Moves, Quiet, all_after, drawn_anew, quiets
from rules.rule import Judgement, Stands, Word
from rules.segment import Segment, moved
from rules.snapshot import OVERLAP, Learned, Snapshot, instant


def while_used(snapshot: Snapshot, now: datetime, *, judged: Segment, bounds: Sequence[Bound]) -> Stands | None:
    """Nothing is to be said of a home that goes on using water at short intervals, as it did up to now.

    Args:
        snapshot: the home, of which nothing is told any more.
        now: the time of the look.
        judged: the last stretch that was judged, less the base flow.
        bounds: all lines that hold.
    """
    known = plain(snapshot)
    if known is None or judged.at_s[-1] - judged.at_s[0] < max(bound.shortest_s for bound in bounds):
        return None
    news_s = float("-inf")
    if snapshot.looked_until is not None:
        # Later looks have judged the series up to here, at least.
        news_s = min(snapshot.looked_until.timestamp(), judged.at_s[-1]) - OVERLAP.total_seconds()
    seen = _Judged(snapshot.home_id, known, judged, bounds, news_s, habits_until(snapshot, now), snapshot.looked_until)
    return partial(_first_while_used, seen)


class _Judged(NamedTuple):
    """A home of which nothing is told, as it was judged.

    Attributes:
        news_s: what was over by then is no news.
    """

    home_id: int
    known: Plain
    net: Segment
    bounds: Sequence[Bound]
    news_s: float
    until: datetime
    looked_until: datetime | None


class _Used(NamedTuple):
    """What holds while a home goes on using water.

    Attributes:
        surely: told by what is surely no base flow, whatever else is told of that: of a home in which water never
            pauses. Else by all that the register shows.
        words: those that told of moves since the home was judged, newest first, each with those before it.
    """

    judged: _Judged
    quiet: Sequence[Quiet]
    surely: bool
    words: "_Words" = None


_Words = tuple[Word, "_Words"] | None


def _first_while_used(judged: _Judged, word: Word, at: datetime) -> Judgement | None:
    if word.learned is not None:
        if (anew := _learned_anew(judged, word.learned, at)) is None:
            return None
        judged, word = anew, word._replace(learned=None)
    used = _plainly_used(judged) if has_no_base(word) else None
    again = None if used is None else _while_used(used, word, at)
    return _while_surely_used(judged, None, word, at) if again is None else again


def _while_used(used: _Used, word: Word, at: datetime) -> Judgement | None:
    judged, quiet, surely, words = used
    if word.learned is not None:
        going_anew = [each.anew(word.learned) for each in quiet]
        quiet = [each for each in going_anew if each is not None]
        anew = _learned_anew(judged, word.learned, at)
        if anew is None or len(quiet) < len(going_anew):
            return None
        judged, word = anew, word._replace(learned=None)
    if at >= judged.until or not goes_on(word):
        return None
    if not (surely or has_no_base(word)):
        return _while_surely_used(judged, words, word, at)
    going_on = all_after(quiet, _moves(word, surely=surely), word.covered_s)
    if going_on is None:
        return None
    # Before this no data can exist that would cross a line, nor tell that what was used was a leak.
    earliest_s = min([each.crosses_s() for each in going_on])
    if not surely:
        earliest_s = min(earliest_s, word.flowing_s + SPAN_S)
    due = next_after(word.heard_at, judged.known.meter.interval, at)
    if earliest_s > word.covered_s:
        due = max(due, instant(earliest_s))
    if word.moved_s and not surely:
        words = word, words
    return Judgement(
        next_due=min(due, judged.until),
        judged_until=covered_until(word, judged.looked_until),
        stands=partial(_while_used, _Used(judged, going_on, surely, words)),
    )


def _learned_anew(judged: _Judged, learned: Sequence[Learned], at: datetime) -> _Judged | None:
    """The same by the habits that count now; None where what was over before may be news by them.

    No silence that began since the ones before came to count, and was over before these did, is judged otherwise. One
    that began earlier has lasted for days, if it is news.
    """
    if len(learned) < 2 or learned[-2].profile is None or at - learned[-2].from_at < PERIOD:
        return None
    bounds = drawn_anew(judged.bounds, learned)
    if bounds is None or all(bound.by_habits is None for bound in bounds):
        return None
    return judged._replace(bounds=bounds, until=next_change(judged.home_id, at, learned))


def _while_surely_used(judged: _Judged, words: _Words, word: Word, at: datetime) -> Judgement | None:
    """The same by what is surely no base flow of all that has come since the home was judged."""
    used = _surely_used(judged)
    before: list[Word] = []
    while words is not None:
        newest, words = words
        before.append(newest)
    if used is None:
        return None
    if before:
        parts = [_moves(each, surely=True) for each in reversed(before)]
        moves = Moves(*(list(chain(*each)) for each in zip(*parts, strict=True)))
        quiet = all_after(used.quiet, moves, before[0].covered_s)
        if quiet is None:
            return None
        used = used._replace(quiet=quiet)
    return _while_used(used, word, at)


def _moves(word: Word, *, surely: bool) -> Moves:
    return Moves(word.moved_s, word.surely_l if surely else word.moved_l, word.before_s)


def _plainly_used(judged: _Judged) -> _Used | None:
    """From the last reading on that shows so much at once: all before now was judged, and stays what it is."""
    net, bounds = judged.net, judged.bounds
    kept, low_l = kept_from(judged.known, net), net.low_l
    if kept is None:
        return None
    steps = moved(net)
    most_l = max(bound.volume_l for bound in bounds) + SUMS_L
    used = next((place for place in reversed(steps) if low_l[place] - low_l[place - 1] >= most_l), 0)
    if used < kept:
        return None
    lived = net._replace(at_s=net.at_s[kept:], low_l=low_l[kept:], high_l=net.high_l[kept:])
    spared = [bound._replace(lived=lived) if bound.emergencies is not None else bound for bound in bounds]
    later = steps[bisect_right(steps, used) :]
    moves = _moved_at(net, later, [low_l[place] - low_l[place - 1] for place in later])
    quiet = all_after(quiets(spared, net.at_s[used], net.at_s[-1]), moves, net.at_s[-1])
    return None if quiet is None else _Used(judged, quiet, surely=False)


def _surely_used(judged: _Judged) -> _Used | None:
    """From the last reading on that surely shows so much at once, and before which nothing can be news."""
    _, (_, shown), net, bounds, news_s, _, _ = judged
    if shown.course is None or net.at_s is not shown.at_s:
        return None
    surely_l, begin = shown.course.surely_l, shown.course.place(shown.at_s[0]) - 1
    most_l = max(bound.volume_l for bound in bounds) + SUMS_L
    steps = moved(shown)
    settled = steps[: bisect_right(steps, bisect_right(shown.at_s, news_s) - 1)]
    used = next((place for place in reversed(settled) if surely_l[begin + place] >= most_l), 0)
    later = steps[bisect_right(steps, used) :]
    moves = _moved_at(shown, later, [surely_l[begin + place] for place in later])
    quiet = all_after(quiets(bounds, shown.at_s[used], news_s), moves, shown.at_s[-1])
    return None if quiet is None else _Used(judged, quiet, surely=True)


def _moved_at(segment: Segment, steps: Sequence[int], moves_l: Sequence[float]) -> Moves:
    at_s = segment.at_s
    return Moves([at_s[place] for place in steps], moves_l, [at_s[place - 1] for place in steps])
