"""The policy that holds where no level says anything: the settings' limits, and the built-in ones for the rest."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from config.settings import Settings
    from registry.policy import Policy


def policy_defaults(settings: "Settings") -> "Policy":
    """What `anju rules` judges by without any policy."""
    from registry.policy import Policy

    return Policy(
        inactivity_volume_l=settings.inactivity_volume_l,
        inactivity_window_h=settings.inactivity_window_h,
        silence_intervals=settings.silence_intervals,
        silence_min_s=settings.silence_min_s,
    )
