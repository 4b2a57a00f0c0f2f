"""A home's own line: how long it is ever without water, by time of day and kind of day, learned from its history.

Between the series and the rules, and pure: `learning` calls `learn` once a week with what was covered and lived
through before an instant, stores the `Profile` it gives, and *inactivity* asks the profile from when on a silence is
too long. `docs/inactivity.md` says how and how well.

    learn(segments, until=, zone=, is_workday=) -> Profile | None     14 days of cover at least, 120 at most
    profile.too_long_at(since_s, zone=, is_workday=) -> float         soft: from when on to ask; never falls in since_s
    profile.hard_at(since_s, zone=, is_workday=) -> float             from when on to go; never before the soft one
    profile.to_json() -> dict, Profile.from_json(value) -> Profile | None    under 1 KB

A silence is a stretch of covered time in which no litre was used; it begins at the reading that shows the last use.
Each becomes too long once and for all, between 8 and 24 hours after it began.
"""

from rules.profile.learning import HISTORY, LEAST_HISTORY, learn
from rules.profile.line import Line, Profile
from rules.profile.local import Zone
from rules.profile.pricing import STRICTNESS_H, USUAL, USUAL_STRICTNESS, Tuning

__all__ = [
    "HISTORY",
    "LEAST_HISTORY",
    "STRICTNESS_H",
    "USUAL",
    "USUAL_STRICTNESS",
    "Line",
    "Profile",
    "Tuning",
    "Zone",
    "learn",
]
