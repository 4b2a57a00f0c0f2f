"""The silences of a home that goes on using water, and whether a line was crossed, told from its uses alone. Pure.

A use by less than the volume that counts is put together with those after it, from every reading on at which a silence
could begin.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from rules.lately import Ended, spared_until
from rules.remembered import remembered
from rules.segment import ROUNDING_L, Segment
from rules.silence import Limit, Spans, came_through
from rules.snapshot import Learned

SUMS_L: Final = 1e-9
"""By so much sums of totals may differ by the order in which they are made."""


class Bound(NamedTuple):
    """A line, told by what it takes to cross it.

    Attributes:
        crosses: from the reading that shows the last use to the earliest instant at which it is crossed.
        volume_l: so much is use.
        shortest_s: nothing shorter than this crosses it.
        emergencies: as `rules.silence.silences` takes them: None where it tells of all that cross it.
        lived: what the home was seen to live through: of what is like that it surely does not tell, although it is
            crossed; None: it tells of all.
        by_habits: the same line by other habits, None where they draw none; None where it goes by none.
    """

    crosses: Limit
    volume_l: float
    shortest_s: float
    emergencies: Spans | None = None
    lived: Segment | None = None
    by_habits: Callable[[Sequence[Learned]], Limit | None] | None = None

    def anew(self, learned: Sequence[Learned]) -> "Bound | None":
        """The line where other habits count; None where they draw none."""
        if self.by_habits is None:
            return self
        crosses = self.by_habits(learned)
        return None if crosses is None else self._replace(crosses=crosses)


def drawn_anew(lines: Sequence[Bound], learned: Sequence[Learned]) -> Sequence[Bound] | None:
    """The same lines where other habits count; None where these do not draw all of them."""
    found = [anew for line in lines if (anew := line.anew(learned)) is not None]
    return found if len(found) == len(lines) else None


class Silence(NamedTuple):
    """One that may have begun at a reading, and how much must be used from there on for it to be over."""

    since_s: float
    left_l: float


class Moves(NamedTuple):
    """How a register moved: when, by how much, and when the reading before each was measured."""

    moved_s: Sequence[float]
    moved_l: Sequence[float]
    before_s: Sequence[float]


class Quiet(NamedTuple):
    """All silences that may last, oldest first, and the lines that they have not crossed.

    Attributes:
        lines: all of the same volume.
        shortest_s: nothing shorter than this crosses one of them.
        silences: one for each reading that showed use, of which too little has followed.
        news_s: what was over by then is no news.
    """

    lines: Sequence[Bound]
    shortest_s: float
    silences: Sequence[Silence]
    news_s: float

    def anew(self, learned: Sequence[Learned]) -> "Quiet | None":
        """The same where other habits count; None where these draw no line."""
        lines = drawn_anew(self.lines, learned)
        return None if lines is None else self._replace(lines=lines)

    @staticmethod
    def since(since_s: float, lines: Sequence[Bound], news_s: float) -> "Quiet":
        """From a use on."""
        shortest_s = min(line.shortest_s for line in lines)
        return Quiet(lines, shortest_s, (Silence(since_s, lines[0].volume_l),), news_s)

    def after(self, moves: Moves, covered_s: float) -> "Quiet | None":
        """After what has come, up to an instant; None where there may be something to tell."""
        lines, shortest_s, silences, news_s = self
        (since_s, left_l), *younger = silences
        volume_l = lines[0].volume_l
        for at_s, moved_l, before_s in zip(*moves, strict=True):
            used_l = moved_l - SUMS_L
            if used_l <= 0.0:
                continue
            if used_l < left_l:
                left_l -= used_l
                younger = [Silence(begun_s, more_l - used_l) for begun_s, more_l in younger if more_l > used_l]
                younger.append(Silence(at_s, volume_l))
                continue
            if before_s - since_s >= shortest_s and before_s > news_s and _is_crossed(lines, since_s, before_s):
                return None
            lasting = [Silence(begun_s, more_l - used_l) for begun_s, more_l in younger if more_l > used_l]
            if lasting:
                (since_s, left_l), *younger = lasting
                younger.append(Silence(at_s, volume_l))
            else:
                since_s, left_l, younger = at_s, volume_l, []
        # What began later crosses no line earlier.
        if covered_s - since_s >= shortest_s and _is_crossed(lines, since_s, covered_s):
            return None
        return Quiet(lines, shortest_s, (Silence(since_s, left_l), *younger), news_s) if moves.moved_s else self

    def crosses_s(self) -> float:
        """The earliest instant at which a line could be crossed."""
        since_s, earliest_s = self.silences[0].since_s, float("inf")
        for line in self.lines:
            if since_s + line.shortest_s < earliest_s:
                earliest_s = min(earliest_s, line.crosses(since_s))
        return earliest_s


def quiets(bounds: Sequence[Bound], since_s: float, news_s: float) -> Sequence[Quiet]:
    """What may last from a use on, for each volume that counts."""
    volumes_l = {bound.volume_l for bound in bounds}
    return [
        Quiet.since(since_s, [bound for bound in bounds if bound.volume_l == volume_l], news_s)
        for volume_l in sorted(volumes_l)
    ]


def all_after(quiet: Sequence[Quiet], moves: Moves, covered_s: float) -> Sequence[Quiet] | None:
    """The same of several after what has come; None where there may be something to tell."""
    found: list[Quiet] = []
    for each in quiet:
        if (going_on := each.after(moves, covered_s)) is None:
            return None
        found.append(going_on)
    return found


def _is_crossed(lines: Sequence[Bound], since_s: float, until_s: float) -> bool:
    lasted_s = until_s - since_s
    for line in lines:
        if lasted_s < line.shortest_s or until_s < line.crosses(since_s):
            continue
        if line.lived is None or until_s >= spared_until(_came_through(line.lived, line), since_s):
            return True
    return False


@remembered
def _came_through(lived: Segment, line: Bound) -> Sequence[Ended]:
    """What was lived through is known from here on: what is told of the base flow before changes none of it."""
    assert line.emergencies is not None  # noqa: S101 (else nothing is spared)
    return came_through([lived], use_l=line.volume_l + ROUNDING_L, limit=line.crosses, emergencies=line.emergencies)
