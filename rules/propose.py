"""Which line each home of an area should have, so that the visits stay within a budget. Pure.

Each home has a few lines to choose from, of which the back-test says how often they would speak and how late. From the
line that speaks least, homes are moved to sooner ones, those first where an alarm more buys the most hours (Everett's
Lagrange multipliers, 1963, on the lower convex hull of each home's lines). The moves come in one order whatever the
budget is, and end at the first that does not fit: so a larger budget never makes any home's line later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from pydantic import JsonValue

from registry.policy import Policy

WINDOWS_H: Final = (8.0, 10.0, 12.0, 14.0, 16.0, 20.0, 24.0)
"""Windows to choose from, where a home's policy wants no learned line."""
STRICTNESSES: Final = (0, 1, 2, 3, 4)
_ROUNDING: Final = 1e-9


class Setting(NamedTuple):
    """A parameter of the policy, and the value that is tried."""

    parameter: str
    value: JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A line that a home could have.

    Attributes:
        setting: what its policy would say.
        alarms_per_week: how often somebody would have been told for nothing.
        delay_h: how long an incapacitation would have gone unnoticed, on average.
    """

    setting: Setting
    alarms_per_week: float
    delay_h: float


def settings(policy: Policy) -> tuple[Setting, ...]:
    """The lines that lie within the municipal bounds; where none does, what holds now."""
    if policy.inactivity_learned:  # it keeps to the bounds by itself
        return tuple(Setting("inactivity_strictness", value) for value in STRICTNESSES)
    most_h = min(policy.inactivity_max_h, policy.inactivity_hard_window_h)
    known_h = {*WINDOWS_H, policy.inactivity_window_h}
    within = sorted(window_h for window_h in known_h if policy.inactivity_min_h <= window_h <= most_h)
    return tuple(Setting("inactivity_window_h", value) for value in within or [policy.inactivity_window_h])


def current(policy: Policy) -> Setting:
    """What holds now."""
    name = "inactivity_strictness" if policy.inactivity_learned else "inactivity_window_h"
    return Setting(name, getattr(policy, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """The line chosen for each home.

    Attributes:
        chosen: in the order of the homes.
        is_over: even with the lines that speak least, more visits are to be expected than the budget has.
    """

    chosen: tuple[Option, ...]
    is_over: bool

    @property
    def alarms_per_week(self) -> float:
        """Of all homes together."""
        return sum(option.alarms_per_week for option in self.chosen)


def allocate(homes: Sequence[Sequence[Option]], visits_per_week: float) -> Allocation:
    """Chooses a line for each home.

    Args:
        homes: for each home the lines to choose from, at least one.
        visits_per_week: so many alarms of all homes together are to be expected at most.
    """
    hulls = [_hull(options) for options in homes]
    places = [0] * len(hulls)
    moves = sorted(
        (-_gain(hull[place - 1], hull[place]), home, place)
        for home, hull in enumerate(hulls)
        for place in range(1, len(hull))
    )
    spent = sum(hull[0].alarms_per_week for hull in hulls)
    is_over = spent > visits_per_week + _ROUNDING
    for _, home, place in moves:
        added = hulls[home][place].alarms_per_week - hulls[home][place - 1].alarms_per_week
        if spent + added > visits_per_week + _ROUNDING:
            break
        spent += added
        places[home] = place
    return Allocation(
        chosen=tuple(hull[place] for hull, place in zip(hulls, places, strict=True)),
        is_over=is_over,
    )


def _gain(before: Option, after: Option) -> float:
    return (before.delay_h - after.delay_h) / (after.alarms_per_week - before.alarms_per_week)


def _hull(options: Sequence[Option]) -> list[Option]:
    """The lines worth their alarms, the one that speaks least first: each step buys less than the one before."""
    hull: list[Option] = []
    for option in sorted(options, key=lambda each: (each.alarms_per_week, each.delay_h)):
        if hull and (option.delay_h >= hull[-1].delay_h or option.alarms_per_week <= hull[-1].alarms_per_week):
            continue
        while len(hull) > 1 and _gain(hull[-2], hull[-1]) <= _gain(hull[-1], option):
            hull.pop()
        hull.append(option)
    return hull
