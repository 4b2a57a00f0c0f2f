"""The line that a home is told of first: a learned one, a window, or the time of day of the first use. Pure."""

from collections.abc import Callable
from datetime import datetime

from alerts.findings import Severity
from rules.dry import tolerance_s
from rules.habits import first_use_limit, learned_limit
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
        first_use = first_use_limit(policy, snapshot.time_zone)
        limits += [] if first_use is None else [first_use]
        windows_h += [policy.inactivity_window_h] if learned is None else []
    window_s = min(windows_h) * 3600.0

    def too_long_at(last_use: datetime) -> datetime:
        since_s = last_use.timestamp()
        return instant(min([since_s + window_s - tolerance_s(window_s), *(limit(since_s) for limit in limits)]))

    return too_long_at
