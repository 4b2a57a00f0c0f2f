"""Whether asking about inactivity again would conclude the same, told from the little that has come since. Pure.

Of a home that is told of: while its register stands still. Of one that is not: while it goes on using water, each use
soon enough after the one before. A use by less than the volume that counts is put together with those after it, from
every reading on at which a silence could begin.
"""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple

from rules.expected import next_after
from rules.flow import SPAN_S, rests
from rules.learning import next_change
from rules.plainly import Plain, covered_until, goes_on, has_no_base, kept_from, plain
from rules.rule import Judgement, Stands, Word
from rules.segment import Segment, moved
from rules.silence import Limit
from rules.snapshot import Snapshot, instant

_NEVER = datetime.max.replace(tzinfo=UTC)
_SUMS_L = 1e-9
"""By so much sums of totals may differ by the order in which they are made."""


class Bound(NamedTuple):
    """A line, told by what it takes to cross it.

    Attributes:
        crosses: from the reading that shows the last use to the earliest instant at which it is crossed.
        volume_l: so much is use.
        shortest_s: nothing shorter than this crosses it.
    """

    crosses: Limit
    volume_l: float
    shortest_s: float


def while_still(
    snapshot: Snapshot, now: datetime, *, crosses_s: float, told: bool, ongoing_since: datetime | None
) -> Stands | None:
    """What was told of an episode stays so while the meter shows what it does now, up to where a line lies next.

    Args:
        snapshot: the home.
        now: the time of the look.
        crosses_s: no line that is not crossed yet will be before this instant.
        told: it was told at this look; else what is said holds as long as nothing is heard.
        ongoing_since: since when the episode lasts.
    """
    known = plain(snapshot)
    if known is None or not rests(known.shown):
        return None
    still = _Still(
        known.meter.interval,
        None if told else known.meter.heard_at,
        crosses_s,
        _profile_until(snapshot, now),
        snapshot.looked_until,
        ongoing_since,
    )
    return partial(_while_still, still)


def while_used(snapshot: Snapshot, now: datetime, *, judged: Segment, bounds: Sequence[Bound]) -> Stands | None:
    """Nothing is to be said of a home that goes on using water at short intervals, as it always did up to now.

    Args:
        snapshot: the home, of which nothing is told.
        now: the time of the look.
        judged: the last stretch that was judged, less the base flow.
        bounds: all lines that hold.
    """
    known = plain(snapshot)
    if known is None or judged.at_s[-1] - judged.at_s[0] < max(bound.shortest_s for bound in bounds):
        return None
    seen = _Judged(known, judged, bounds, _profile_until(snapshot, now), snapshot.looked_until)
    return partial(_first_while_used, seen)


class _Still(NamedTuple):
    """What holds while a register stands still.

    Attributes:
        heard_at: what is said holds until it is heard again after this; None: for as long as it stands still.
    """

    interval: timedelta
    heard_at: datetime | None
    crosses_s: float
    until: datetime
    looked_until: datetime | None
    ongoing_since: datetime | None


def _while_still(still: _Still, word: Word, at: datetime) -> Judgement | None:
    if word.learned_anew:
        return None
    if word.moved_s or not word.is_exact or at.timestamp() >= still.crosses_s or at >= still.until:
        return None
    if still.heard_at is not None and word.heard_at != still.heard_at:
        return None
    return Judgement(
        next_due=min(next_after(word.heard_at, still.interval, at), still.until),
        judged_until=covered_until(word, still.looked_until),
        ongoing_since=still.ongoing_since,
        stands=partial(_while_still, still),
    )


class _Judged(NamedTuple):
    """A home of which nothing is told, as it was judged."""

    known: Plain
    segment: Segment
    bounds: Sequence[Bound]
    until: datetime
    looked_until: datetime | None


def _first_while_used(judged: _Judged, word: Word, at: datetime) -> Judgement | None:
    if word.learned_anew:
        return None
    if at >= judged.until or not goes_on(word):
        return None
    if not has_no_base(word):
        return _first_while_surely_used(judged, word, at)
    segment = judged.segment
    used = _last_use(judged.known, segment, max(bound.volume_l for bound in judged.bounds))
    if used is None:
        return None
    steps = [place for place in moved(segment) if place > used]
    moves_l = [segment.low_l[place] - segment.low_l[place - 1] for place in steps]
    quiet = _quiet(judged, segment.at_s[used], _word_of(segment, steps, moves_l, word))
    if quiet is None:
        return None
    return _while_used(_Used(judged.known.meter.interval, quiet, judged.until, judged.looked_until), word, at)


def _first_while_surely_used(judged: _Judged, word: Word, at: datetime) -> Judgement | None:
    """The same of a home in which water never pauses, by what is surely no base flow of all that is read."""
    shown = judged.known.shown
    if shown.course is None or judged.segment.at_s is not shown.at_s:
        return None
    steps, begin = moved(shown), bisect_left(shown.course.at_s, shown.at_s[0]) - 1
    moves_l = [shown.course.surely_l[begin + place] for place in steps]
    quiet = _quiet(judged, shown.at_s[0], _word_of(shown, steps, moves_l, word))
    if quiet is None:
        return None
    used = _Used(judged.known.meter.interval, quiet, judged.until, judged.looked_until, surely=True)
    return _while_used(used, word, at)


def _word_of(segment: Segment, steps: Sequence[int], moves_l: Sequence[float], word: Word) -> Word:
    """What some steps of a stretch tell."""
    return word._replace(
        covered_s=segment.at_s[-1],
        moved_s=[segment.at_s[place] for place in steps],
        moved_l=moves_l,
        before_s=[segment.at_s[place - 1] for place in steps],
    )


def _quiet(judged: _Judged, since_s: float, known_by_now: Word) -> "Sequence[_Quiet] | None":
    """The silences that may last, of those from an instant on; None where a line may have been crossed."""
    quiet: list[_Quiet] = []
    for volume_l in {bound.volume_l for bound in judged.bounds}:
        lines = [bound for bound in judged.bounds if bound.volume_l == volume_l]
        going_on = _Quiet(lines, [_Silence(since_s, volume_l)]).after(known_by_now)
        if going_on is None:
            return None
        quiet.append(going_on)
    return quiet


class _Used(NamedTuple):
    """What holds while a home goes on using water.

    Attributes:
        surely: told by what is surely no base flow: whatever else is told of that.
    """

    interval: timedelta
    quiet: "Sequence[_Quiet]"
    until: datetime
    looked_until: datetime | None
    surely: bool = False


def _while_used(used: _Used, word: Word, at: datetime) -> Judgement | None:
    if word.learned_anew:
        return None
    if at >= used.until or not goes_on(word) or not (used.surely or has_no_base(word)):
        return None
    moves = word._replace(moved_l=word.surely_l) if used.surely and word.moved_s else word
    quiet: list[_Quiet] = []
    for each in used.quiet:
        if (going_on := each.after(moves)) is None:
            return None
        quiet.append(going_on)
    due, earliest_s = next_after(word.heard_at, used.interval, at), word.flowing_s + SPAN_S
    if earliest_s > word.covered_s:
        earliest_s = min([earliest_s, *(each.crosses_s() for each in quiet)])
        due = max(due, instant(earliest_s))
    return Judgement(
        next_due=min(due, used.until),
        judged_until=covered_until(word, used.looked_until),
        stands=partial(_while_used, _Used(used.interval, quiet, used.until, used.looked_until, used.surely)),
    )


class _Silence(NamedTuple):
    """One that may have begun at a reading, and how much must be used from there on for it to be over."""

    since_s: float
    left_l: float


class _Quiet(NamedTuple):
    """All silences that may last, oldest first, and the lines that they have not crossed.

    Attributes:
        lines: all of the same volume.
        silences: one for each reading that showed use, of which too little has followed.
    """

    lines: Sequence[Bound]
    silences: Sequence[_Silence]

    def after(self, word: Word) -> "_Quiet | None":
        """After what has come since; None where a line may have been crossed."""
        silences, volume_l = self.silences, self.lines[0].volume_l
        for at_s, moved_l, before_s in zip(word.moved_s, word.moved_l, word.before_s, strict=True):
            used_l = moved_l - _SUMS_L
            if used_l >= silences[0].left_l and self._crossed(silences[0].since_s, before_s):
                return None
            lasting = [_Silence(since_s, left_l - used_l) for since_s, left_l in silences if left_l > used_l]
            silences = [*lasting, _Silence(at_s, volume_l)]
        # What began later crosses no line earlier.
        if self._crossed(silences[0].since_s, word.covered_s):
            return None
        return _Quiet(self.lines, silences) if word.moved_s else self

    def crosses_s(self) -> float:
        """The earliest instant at which a line could be crossed."""
        since_s = self.silences[0].since_s
        return min([line.crosses(since_s) for line in self.lines])

    def _crossed(self, since_s: float, until_s: float) -> bool:
        lasted_s = until_s - since_s
        return any(lasted_s >= line.shortest_s and until_s >= line.crosses(since_s) for line in self.lines)


def _last_use(known: Plain, judged: Segment, volume_l: float) -> int | None:
    """The place of the last reading that shows so much at once, whatever else is told of the base flow before it."""
    kept, low_l = kept_from(known, judged), judged.low_l
    if kept is None:
        return None
    for place in reversed(moved(judged)):
        if place < kept:
            return None
        if low_l[place] - low_l[place - 1] >= volume_l + _SUMS_L:
            return place
    return None


def _profile_until(snapshot: Snapshot, now: datetime) -> datetime:
    return next_change(snapshot.home_id, now, snapshot.profiles) if snapshot.policy.inactivity_learned else _NEVER
