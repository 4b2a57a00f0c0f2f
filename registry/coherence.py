"""Which parameters of a policy bound each other. Pure."""

from collections.abc import Iterable
from typing import Final

from registry.policy import Policy

_AT_MOST: Final = (
    ("inactivity_window_h", "inactivity_hard_window_h", "soft comes before hard"),
    ("inactivity_hard_volume_l", "inactivity_volume_l", "soft comes before hard"),
    ("inactivity_min_h", "inactivity_max_h", "a learned line lies between the two"),
)
_UNEQUAL: Final = (("night_from", "night_until", "that is no night"),)


def faults_of(policy: Policy) -> list[str]:
    """What of a policy cannot hold together, in words."""
    faults = [
        f"{least} ({getattr(policy, least):g}) is more than {most} ({getattr(policy, most):g}): {why}"
        for least, most, why in _AT_MOST
        if getattr(policy, least) > getattr(policy, most)
    ]
    faults += [
        f"{one} and {other} are both {getattr(policy, one)}: {why}"
        for one, other, why in _UNEQUAL
        if getattr(policy, one) == getattr(policy, other)
    ]
    return faults


def bounded_with(changed: Iterable[str]) -> set[str]:
    """The parameters that may stop fitting when these change."""
    names = set(changed)
    return {name for one, other, _ in (*_AT_MOST, *_UNEQUAL) if {one, other} & names for name in (one, other)}
