"""Homes whose only device is a meter that plainly rises: what most rules would say again is told from little. Pure.

What is proven here and in `rules.used`, the rules would find by themselves: the back-test is the same without it,
only slower. All other homes are asked about again.
"""

from bisect import bisect_right
from datetime import datetime, timedelta
from functools import partial
from typing import Final, NamedTuple

from devices.meters import ABSURD_AT_ONCE_L, only_trembled
from rules.flow import SPAN_S, base_flow, may_be_base_since
from rules.remembered import remembered
from rules.rule import Judgement, Word
from rules.segment import Segment, moved
from rules.snapshot import Installation, Snapshot
from rules.water import stretches

ANY_FLOW_L_H: Final = 1e-9
_HOWEVER_SELDOM: Final = timedelta(days=3650)


class Plain(NamedTuple):
    """A meter that is read on time, moves in no coarse steps, leaps nowhere and at most trembles, and all it covers."""

    meter: Installation
    shown: Segment


@remembered
def plain(snapshot: Snapshot) -> Plain | None:
    """The home's only device, where it is such a meter and nothing else is known of the home."""
    if len(snapshot.installations) != 1 or snapshot.absences or snapshot.troubles or snapshot.hearing is None:
        return None
    (meter,) = snapshot.installations
    water = meter.water
    if meter.removed_at is not None or meter.valve_shut or water.step_l or water.received_s or meter.heard_at is None:
        return None
    shown = stretches(meter)
    if len(shown) != 1:
        return None
    rises = shown[0].at_s is water.measured_s or only_trembled(water.totals_l)
    return Plain(meter, shown[0]) if rises else None


def goes_on(word: Word) -> bool:
    """Whether what has come leaves such a meter what it was."""
    return word.is_exact and (not word.moved_l or (min(word.moved_l) >= 0.0 and max(word.moved_l) <= ABSURD_AT_ONCE_L))


def has_no_base(word: Word) -> bool:
    """Whether what has come can belong to no base flow, and tells of none before it."""
    return word.covered_s < word.flowing_s + SPAN_S


def kept_from(known: Plain, net: Segment) -> int | None:
    """The first place of a use from which on all that is shown is left without the base flow; None where none is.

    Args:
        known: the meter.
        net: what it covers less the base flow, as `rules.flow.without_base` gives it for that.
    """
    if net.at_s is not known.shown.at_s:
        return None
    flowing_s = may_be_base_since([known.meter], ANY_FLOW_L_H)
    if flowing_s is None or net.at_s[-1] >= flowing_s + SPAN_S or not (rises := moved(net)):
        return None
    base = () if net is known.shown else base_flow(known.shown)
    last = max((place for place, rate_l_h in enumerate(base) if rate_l_h), default=0)
    place = bisect_right(rises, last)
    return rises[place] if place < len(rises) else None


def later(known: Plain | None, now: datetime, wait: timedelta) -> Judgement:
    """Of a rule that has nothing to say, and would only of other things than readings, however seldom they come."""
    return Judgement(next_due=now + wait) if known is None else _later(wait, None, now)


def while_rising(known: Plain | None, now: datetime, wait: timedelta) -> Judgement:
    """Of a rule that has nothing to say of a register that plainly rises."""
    return Judgement(next_due=now + wait, stands=None if known is None else partial(_while_rising, wait))


def _later(wait: timedelta, _: Word | None, at: datetime) -> Judgement:
    return Judgement(next_due=at + wait, stands=partial(_later, wait), heard_within=_HOWEVER_SELDOM)


def _while_rising(wait: timedelta, word: Word, at: datetime) -> Judgement | None:
    return Judgement(next_due=at + wait, stands=partial(_while_rising, wait)) if goes_on(word) else None


def covered_until(word: Word, looked_until: datetime | None) -> datetime:
    """Up to where a rule has judged the series then."""
    return word.covered_at if looked_until is None else max(word.covered_at, looked_until)
