"""The line that a home is told of first: a learned one, a window, or the time of day of the first use. Pure."""

from collections.abc import Callable
from datetime import datetime

from alerts.findings import Severity
from rules import presence
from rules.dry import tolerance_s
from rules.flow import net_cover
from rules.habits import USE_L, first_use_limit, learned_limit
from rules.lately import spared_until
from rules.silence import Limit, came_through
from rules.snapshot import Snapshot, instant


def line_of(snapshot: Snapshot, severity: Severity) -> Callable[[datetime], datetime]:
    """From the last use to the moment at which its lack is too long.

    The windows count from the last use: as if the litres that a window allows were none.

    Args:
        snapshot: the home, as a look reads it.
        severity: soft or hard.
    """
    policy = snapshot.policy
    learned = learned_limit(snapshot, severity)
    windows_h = [policy.inactivity_hard_window_h]
    limits = [] if learned is None else [learned]
    if severity is Severity.SOFT:
        limits = [] if learned is None else [_sparing(snapshot, learned)]
        first_use = first_use_limit(policy, snapshot.time_zone)
        limits += [] if first_use is None else [first_use]
        windows_h += [policy.inactivity_window_h] if learned is None else []
    window_s = min(windows_h) * 3600.0

    def too_long_at(last_use: datetime) -> datetime:
        since_s = last_use.timestamp()
        return instant(min([since_s + window_s - tolerance_s(window_s), *(limit(since_s) for limit in limits)]))

    return too_long_at


def _sparing(snapshot: Snapshot, learned: Limit) -> Limit:
    """A learned line, but no sooner than after as long as the home has been without use lately."""
    meters = [device for device in snapshot.installations if device.meters_water]
    segments = presence.at_home(net_cover(meters), snapshot.absences)
    in_need = [(from_at.timestamp(), until_at.timestamp()) for from_at, until_at in snapshot.emergencies]
    ended = came_through(segments, use_l=USE_L, limit=learned, emergencies=in_need)
    return lambda since_s: max(learned(since_s), spared_until(ended, since_s))
