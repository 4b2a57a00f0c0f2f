"""Whether asking about inactivity again would conclude the same, told from the little that has come since. Pure.

For homes whose only device is a meter that reads on time and without a glitch; all others are asked about again. What
is proven here, `rules.library.inactivity` would find by itself: the back-test is the same without it, only slower.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

from devices.meters import ABSURD_AT_ONCE_L
from rules.expected import next_after
from rules.flow import SPAN_S, may_be_base_since, rests
from rules.learning import next_change
from rules.rule import Stands, Word
from rules.segment import Segment
from rules.silence import Limit
from rules.snapshot import Installation, Snapshot, instant
from rules.water import stretches

_NEVER = datetime.max.replace(tzinfo=UTC)
_ANY_FLOW_L_H = 1e-9


class Bound(NamedTuple):
    """A line, told by what it takes to cross it.

    Attributes:
        crosses: from the reading that shows the last use to the earliest instant at which it is crossed.
        volume_l: so much at once is use.
        shortest_s: nothing shorter than this crosses it.
    """

    crosses: Limit
    volume_l: float
    shortest_s: float


def while_still(snapshot: Snapshot, now: datetime, *, crosses_s: float, told: bool) -> Stands | None:
    """What was told of an episode stays so while the meter shows what it does now, up to where a line lies next.

    Args:
        snapshot: the home.
        now: the time of the look.
        crosses_s: no line that is not crossed yet will be before this instant.
        told: it was told at this look; else what is said holds as long as nothing is heard.
    """
    meter, shown = _only(snapshot)
    if meter is None or shown is None or not rests(shown):
        return None
    interval, heard_at, until = meter.interval, meter.heard_at, _profile_until(snapshot, now)

    def stands(word: Word, at: datetime) -> datetime | None:
        if word.moved_s or not (told or word.heard_at == heard_at) or at.timestamp() >= crosses_s or at >= until:
            return None
        return min(next_after(word.heard_at, interval, at), until)

    return stands


def while_used(snapshot: Snapshot, now: datetime, *, judged: Segment, bounds: Sequence[Bound]) -> Stands | None:
    """Nothing is to be said of a home that goes on using water at short intervals, as it always did up to now.

    Args:
        snapshot: the home, of which nothing is told.
        now: the time of the look.
        judged: the last stretch that was judged.
        bounds: all lines that hold.
    """
    meter, shown = _only(snapshot)
    # Less the base flow a use may be none: where there may be one, nothing is proven.
    if meter is None or shown is not judged or (flowing_s := may_be_base_since([meter], _ANY_FLOW_L_H)) is None:
        return None
    shortest_s, volume_l = min(bound.shortest_s for bound in bounds), max(bound.volume_l for bound in bounds)
    used_s = _last_use(judged, volume_l)
    if used_s is None or judged.at_s[-1] - judged.at_s[0] < max(bound.shortest_s for bound in bounds):
        return None
    interval, base_s, until = meter.interval, flowing_s + SPAN_S, _profile_until(snapshot, now)

    def stands(word: Word, at: datetime) -> datetime | None:
        at_s = at.timestamp()
        if at_s >= base_s or at >= until:
            return None
        if word.moved_s and (min(word.moved_l) < volume_l or max(word.moved_l) > ABSURD_AT_ONCE_L):
            return None
        for since_s, next_s in pairwise([used_s, *word.moved_s]):
            if next_s - since_s >= shortest_s and any(next_s > bound.crosses(since_s) for bound in bounds):
                return None
        last_s = word.moved_s[-1] if word.moved_s else used_s
        crosses_s = min(bound.crosses(last_s) for bound in bounds)
        if word.covered_s >= crosses_s:
            return None
        return min(max(next_after(word.heard_at, interval, at), instant(min(crosses_s, base_s))), until)

    return stands


def _only(snapshot: Snapshot) -> tuple[Installation | None, Segment | None]:
    """The home's only device, if that is a meter, and what it covers up to its last reading."""
    if len(snapshot.installations) == 1 and not snapshot.absences and not snapshot.troubles:
        (meter,) = snapshot.installations
        shown = stretches(meter)
        if shown and not meter.water.step_l and shown[-1].at_s[-1] == meter.water.measured_s[-1]:
            return meter, shown[-1]
    return None, None


def _profile_until(snapshot: Snapshot, now: datetime) -> datetime:
    return next_change(snapshot.home_id, now, snapshot.profiles) if snapshot.policy.inactivity_learned else _NEVER


def _last_use(segment: Segment, volume_l: float) -> float | None:
    """The last reading that shows more than the one before; None where that is no use by itself, or there is none."""
    low_l = segment.low_l
    place = len(low_l) - 1
    while place > 0 and low_l[place] == low_l[place - 1]:
        place -= 1
    return segment.at_s[place] if place and low_l[place] - low_l[place - 1] >= volume_l else None
