"""Whether so much water flows all the time that a person's use cannot be told from it. Pure.

Inactivity is judged by what is left without the base flow. Where that flow may vary by as much as the limit in the soft
window, a home may look used while nobody uses anything. By a register in coarse steps a lively day looks as if
something flowed all the time: of one it is said only where that goes on.
"""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from rules.flow import base_flow, hides_from_l_h
from rules.segment import Segment
from rules.snapshot import Installation, Snapshot, instant, judged_by_from
from rules.water import blur_l

LASTS: Final = timedelta(hours=48)
"""So long must it go on by a register in coarse steps: by 10 L, homes without one show 30 h of it in six weeks."""


class Hidden(NamedTuple):
    """A base flow that hides use.

    Attributes:
        since: from when on.
        lasted: for how long.
        base_l_h: how much flows.
        step_l: the register's, where that is coarse; else 0.
        is_whole: it flows since the first reading that was read, or longer.
    """

    since: datetime
    lasted: timedelta
    base_l_h: float
    step_l: float
    is_whole: bool


def hidden(snapshot: Snapshot, meter: Installation, segment: Segment, now: datetime) -> Hidden | None:
    """What flows at the end of a stretch of a meter, where that hides use; None where it does not, or not for sure."""
    base, from_l_h = base_flow(segment), least_hiding_l_h(snapshot, meter)
    if not base or not 0.0 < base[-1] >= from_l_h:
        return None
    place = len(base)
    while place > 0 and 0.0 < base[place - 1] >= from_l_h:
        place -= 1
    since, covered_until, step_l = instant(segment.at_s[place]), instant(segment.at_s[-1]), blur_l([meter])
    if step_l and since > max(covered_until - LASTS, judged_by_from(snapshot.looked_until, snapshot.policy, now)):
        return None
    return Hidden(since, covered_until - since, base[-1], step_l, is_whole=place == 0)


def least_hiding_l_h(snapshot: Snapshot, meter: Installation) -> float:
    """The base flow from which on it hides use."""
    policy = snapshot.policy
    return hides_from_l_h(policy.inactivity_volume_l, blur_l([meter]), policy.inactivity_window_h * 3600.0)
