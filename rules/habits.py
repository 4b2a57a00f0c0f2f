"""The lines that a home's own habits draw, and the time of day by which its water is first used. Pure."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final

from alerts.findings import Severity
from registry.policy import Policy
from rules.calendars import is_workday
from rules.dry import tolerance_s
from rules.learning import next_change
from rules.profile import Profile
from rules.remembered import remembered
from rules.silence import Limit
from rules.snapshot import Learned, Snapshot, instant
from rules.zones import zone

USE_L: Final = 1.0
"""As much as this is use."""
_DAY: Final = timedelta(days=1)
_NEVER: Final = datetime.max.replace(tzinfo=UTC)
_SILENCES_KNOWN: Final = 64
"""A silence is asked about by several lines, and by each look at it."""


def learned_limit(snapshot: Snapshot, severity: Severity) -> Limit | None:
    """The home's own line; None where none was learned or its policy wants none.

    Each silence is judged by the profile that counts at the moment it would be too long: so it does not matter when
    anybody looks.
    """
    return limit_by(snapshot.policy, snapshot.time_zone, severity, snapshot.profiles)


def limit_by(policy: Policy, time_zone: str, severity: Severity, profiles: Sequence[Learned]) -> Limit | None:
    """The same of a home in which some profiles count."""
    if not policy.inactivity_learned or not profiles or profiles[-1].profile is None:
        return None
    return _limit_of(profiles, profiles[-1].profile, severity, policy, time_zone)


@remembered
def _limit_of(
    profiles: Sequence[Learned], counting: Profile, severity: Severity, policy: Policy, time_zone: str
) -> Limit:
    """The line that some profiles draw, of which the last one counts now."""
    now_too_long = _line(counting, severity, policy, time_zone)
    counts_from_s = profiles[-1].from_at.timestamp()
    before = profiles[-2].profile if len(profiles) > 1 else None
    before_too_long = now_too_long if before is None else _line(before, severity, policy, time_zone)

    @lru_cache(maxsize=_SILENCES_KNOWN)
    def limit(since_s: float) -> float:
        if since_s >= counts_from_s:
            return now_too_long(since_s)
        earlier_s = before_too_long(since_s)
        return earlier_s if earlier_s < counts_from_s else max(now_too_long(since_s), counts_from_s)

    return limit


def habits_until(snapshot: Snapshot, now: datetime) -> datetime:
    """Up to when the habits count that count now."""
    return next_change(snapshot.home_id, now, snapshot.profiles) if snapshot.policy.inactivity_learned else _NEVER


def least_silence_s(policy: Policy) -> float:
    """Shorter than this no silence is too long by a learned line."""
    least_h = min(policy.inactivity_min_h, policy.inactivity_max_h)
    return least_h * 3600.0 - tolerance_s(least_h * 3600.0) - 1.0


def _line(profile: Profile, severity: Severity, policy: Policy, time_zone: str) -> Limit:
    local = zone(time_zone)
    too_long_at = profile.hard_at if severity is Severity.HARD else profile.too_long_at

    def workday(day: date) -> bool:
        return is_workday(policy.holidays, day)

    def limit(since_s: float) -> float:
        return too_long_at(
            since_s,
            zone=local,
            is_workday=workday,
            strictness=policy.inactivity_strictness,
            min_h=policy.inactivity_min_h,
            max_h=policy.inactivity_max_h,
        )

    return limit


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
