"""The lines that a home's own habits draw, and the time of day by which its water is first used. Pure."""

from datetime import datetime, time, timedelta
from typing import Final

from alerts.findings import Severity
from registry.policy import Policy
from rules.silence import Limit
from rules.snapshot import Snapshot, instant
from rules.zones import zone

USE_L: Final = 1.0
"""As much as this is use."""
_DAY: Final = timedelta(days=1)


def learned_limit(snapshot: Snapshot, severity: Severity) -> Limit | None:
    """The home's own line; None where none was learned or its policy wants none."""
    return None


def first_use_limit(policy: Policy, time_zone: str) -> Limit | None:
    """When a silence is one since midnight that reaches the time of day by which water should be used."""
    if not policy.inactivity_first_use_by:
        return None
    by, local = time.fromisoformat(policy.inactivity_first_use_by), zone(time_zone)

    def limit(since_s: float) -> float:
        since = instant(since_s).astimezone(local)
        midnight = datetime.combine(since.date(), time(), tzinfo=local)
        day = since.date() if midnight.timestamp() >= since_s else since.date() + _DAY
        return datetime.combine(day, by, tzinfo=local).timestamp()

    return limit
