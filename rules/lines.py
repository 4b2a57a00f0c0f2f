"""The lines by which a home's silence is too long, and what its cover says of each. Pure.

`rules.library.inactivity` names them; here they are drawn for one look.
"""

from collections.abc import Sequence
from functools import partial
from operator import add
from typing import Final, NamedTuple

from alerts.findings import Severity
from rules import habits
from rules.dry import Dryness, dryness, tolerance_s
from rules.episodes import Line, LineName
from rules.lately import spared_until
from rules.profile.line import MOST_WAIT_H
from rules.quiet import Bound
from rules.segment import ROUNDING_L, Segment
from rules.silence import came_through, silences
from rules.snapshot import Snapshot


class Drawn(NamedTuple):
    """A line, the earliest moment at which it could be crossed by data to come, and what that takes."""

    line: Line
    earliest_s: float
    bound: Bound


def lines(segments: Sequence[Segment], snapshot: Snapshot) -> list[Drawn]:
    """The lines that hold for a home; the first is the soft one that says whether an episode is over."""
    policy = snapshot.policy
    telling = _fine_enough(segments, policy.inactivity_volume_l)
    soft, hard = (
        habits.learned_limit(snapshot, severity) if telling else None for severity in (Severity.SOFT, Severity.HARD)
    )
    first_use = habits.first_use_limit(policy, snapshot.time_zone) if telling else None
    drawn = []
    least_s = habits.least_silence_s(policy)
    most_s = policy.inactivity_max_h * 3600.0
    hard_least_s = max(least_s, most_s - tolerance_s(most_s) - MOST_WAIT_H * 3600.0 - 1.0)
    in_need = [(from_at.timestamp(), until_at.timestamp()) for from_at, until_at in snapshot.emergencies]
    for name, severity, limit, shortest_s, emergencies in (
        (LineName.SILENT, Severity.SOFT, soft, least_s, in_need),
        (LineName.FIRST_USE, Severity.SOFT, first_use, 0.0, None),
        (LineName.SILENT, Severity.HARD, hard, hard_least_s, None),
    ):
        if limit is not None:
            dry = silences(telling, use_l=habits.USE_L, limit=limit, least_s=shortest_s, emergencies=emergencies)
            by_habits = partial(habits.limit_by, policy, snapshot.time_zone, severity)
            bound = Bound(
                limit,
                habits.USE_L - ROUNDING_L,
                shortest_s,
                emergencies,
                by_habits=None if name is LineName.FIRST_USE else by_habits,
            )
            drawn.append(Drawn(Line(name, severity, dry), limit(_tail(dry)), bound))
    windows = [window(snapshot, segments, Severity.HARD)]
    if soft is None:
        windows.append(window(snapshot, segments, Severity.SOFT))
    for severity, volume_l, window_s in windows:
        dry = dryness(segments, volume_l=volume_l, window_s=window_s)
        shortest_s = window_s - tolerance_s(window_s)
        bound = Bound(partial(add, shortest_s), volume_l - ROUNDING_L, shortest_s)
        drawn.append(Drawn(Line(LineName.DRY, severity, dry), _tail(dry) + shortest_s, bound))
    drawn.sort(key=lambda each: (each.line.severity.rank, _SPEAKS_FIRST.index(each.line.name)))
    return drawn


def _fine_enough(segments: Sequence[Segment], volume_l: float) -> Sequence[Segment]:
    """The stretches since the home's registers move in steps of no more than what counts as use over a window.

    A coarser one stands still for days in which water is used: its silences are none.
    """
    coarse = (place for place in range(len(segments), 0, -1) if segments[place - 1].step_l > volume_l)
    return segments[next(coarse, 0) :]


def crosses_s(drawn: Sequence[Drawn], segments: Sequence[Segment]) -> float:
    """No reading before this shows that a line is crossed which is not yet, while no water is used."""
    ahead_s = float("inf")
    for line, earliest_s, bound in drawn:
        if is_crossed(line.dryness):
            continue
        if bound.emergencies is not None and earliest_s <= segments[-1].at_s[-1]:
            # Crossed, and told of only when it is longer than those that ended lately.
            ended = came_through(segments, use_l=habits.USE_L, limit=bound.crosses, emergencies=bound.emergencies)
            ahead_s = min(ahead_s, max(earliest_s, spared_until(ended, _tail(line.dryness))))
        else:
            ahead_s = min(ahead_s, earliest_s)
    return ahead_s


class Window(NamedTuple):
    """A municipal line: less than a volume in a window."""

    severity: Severity
    volume_l: float
    window_s: float


def window(snapshot: Snapshot, segments: Sequence[Segment], severity: Severity) -> Window:
    """The municipal line of a severity."""
    policy = snapshot.policy
    if severity is Severity.SOFT:
        return Window(severity, policy.inactivity_volume_l, policy.inactivity_window_h * 3600.0)
    # By a register that moves in coarse steps, the least that can be told is that it has not moved.
    step_l = max((segment.step_l for segment in segments), default=0.0)
    volume_l = max(policy.inactivity_hard_volume_l, min(step_l, policy.inactivity_volume_l))
    return Window(severity, volume_l, policy.inactivity_hard_window_h * 3600.0)


_SPEAKS_FIRST: Final = (LineName.SILENT, LineName.DRY, LineName.FIRST_USE)


def _tail(dry: Dryness) -> float:
    assert dry.tail_since_s is not None  # noqa: S101 (there is cover)
    return dry.tail_since_s


def is_crossed(dry: Dryness) -> bool:
    """Whether a line is crossed at the last covered instant, not only where cover was lost."""
    return dry.lasting is not None and dry.lasting.until_s == dry.covered_until_s
