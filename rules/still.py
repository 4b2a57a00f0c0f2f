"""Whether asking about inactivity again would conclude the same of a home that is told of. Pure.

It does while its register stands still, up to where the next line lies.
"""

from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from rules.expected import next_after
from rules.flow import rests
from rules.habits import habits_until
from rules.plainly import covered_until, plain
from rules.rule import Judgement, Stands, Word
from rules.snapshot import Snapshot


def while_still(
    snapshot: Snapshot, now: datetime, *, crosses_s: float, told: bool, ongoing_since: datetime | None
) -> Stands | None:
    """What was told of an episode stays so while the meter shows what it does now, up to where a line lies next.

    Args:
        snapshot: the home.
        now: the time of the look.
        crosses_s: no reading before this instant shows that a line is crossed which is not yet.
        told: it was told at this look, or is not to be; else what is said holds as long as nothing is heard.
        ongoing_since: since when the episode lasts; None where none is told.
    """
    known = plain(snapshot)
    if known is None or not rests(known.shown):
        return None
    still = _Still(
        known.meter.interval,
        None if told else known.meter.heard_at,
        crosses_s,
        habits_until(snapshot, now),
        snapshot.looked_until,
        ongoing_since,
    )
    return partial(_while_still, still)


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
    interval, heard_at, crosses_s, until, looked_until, ongoing_since = still
    if word.learned is not None:
        return None
    if word.moved_s or not word.is_exact or word.covered_s >= crosses_s or at >= until:
        return None
    if heard_at is not None and word.heard_at != heard_at:
        return None
    return Judgement(
        next_due=min(next_after(word.heard_at, interval, max(at, word.silent_until)), until),
        judged_until=covered_until(word, looked_until),
        ongoing_since=ongoing_since,
        stands=partial(_while_still, still),
    )
