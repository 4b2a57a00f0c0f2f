"""What the figures of some alerts are. Pure; docs/report.md has the definitions in prose."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Final, NamedTuple

from alerts.model import Kind, Outcome, Severity

ANSWERED_S: Final = (60, 180)
"""Within what time a call should be answered (TSA: 97.5 % within 60 s, 99 % within 180 s)."""

ON_SCENE_MIN: Final = (45, 60)
"""Within what time somebody should be there (TSA: 90 % within 45 min, 100 % within 60 min)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What became of one alert.

    Attributes:
        area: path of the area it is about; "" for the site.
        time_zone: of its home, else of the area.
        answered_at: when somebody first took it, set out, was there, or closed it.
        set_out: somebody said that they were on the way or there.
        on_scene_at: when somebody first said that they were there.
        closed_at: when it was first closed by a person or ended by itself.
        outcome: how it ended; None: it is not closed.
    """

    area: str
    time_zone: str
    kind: Kind
    severity: Severity
    raised_at: datetime
    answered_at: datetime | None = None
    set_out: bool = False
    on_scene_at: datetime | None = None
    closed_at: datetime | None = None
    outcome: Outcome | None = None


class Share(NamedTuple):
    """So many of so many."""

    part: int
    whole: int

    @property
    def ratio(self) -> float | None:
        """0 to 1; None: of nothing."""
        return self.part / self.whole if self.whole else None


class Figures(NamedTuple):
    """The figures of one set of alerts.

    Attributes:
        alerts: how many were raised.
        unanswered: those that nobody answered and that did not end by themselves.
        answered_60_s: share answered within 60 s, of those of which it is known.
        answered_180_s: likewise within 180 s.
        answer_median_s: half of the answers came within.
        answer_p90_s: nine tenths did.
        on_scene_45_min: share at which somebody was within 45 min, of those to which somebody set out.
        on_scene_60_min: likewise within 60 min.
        on_scene_median_s: half of them within.
        on_scene_p90_s: nine tenths.
        false: share of false alarms, of those that a person closed.
        resolved: how many ended by a sign of life before anybody answered.
        home_weeks: how long homes were watched, added up.
        per_home_week: alerts for each of these.
    """

    alerts: int
    unanswered: int
    answered_60_s: Share
    answered_180_s: Share
    answer_median_s: float | None
    answer_p90_s: float | None
    on_scene_45_min: Share
    on_scene_60_min: Share
    on_scene_median_s: float | None
    on_scene_p90_s: float | None
    false: Share
    resolved: int
    home_weeks: float
    per_home_week: float | None


def figures(alerts: Sequence[Past], home_weeks: float, now: datetime) -> Figures:
    """The figures of some alerts."""
    answers = [_seconds(each, each.answered_at) for each in alerts if each.answered_at is not None]
    going = [each for each in alerts if each.set_out]
    arrivals = [_seconds(each, arrived) for each in going if (arrived := arrived_at(each)) is not None]
    by_person = [each for each in alerts if each.outcome is not None and each.outcome.by_person]
    return Figures(
        alerts=len(alerts),
        unanswered=sum(each.answered_at is None and each.outcome is None for each in alerts),
        answered_60_s=_within(alerts, answered_at, timedelta(seconds=ANSWERED_S[0]), now),
        answered_180_s=_within(alerts, answered_at, timedelta(seconds=ANSWERED_S[1]), now),
        answer_median_s=median(answers) if answers else None,
        answer_p90_s=p90(answers),
        on_scene_45_min=_within(going, arrived_at, timedelta(minutes=ON_SCENE_MIN[0]), now),
        on_scene_60_min=_within(going, arrived_at, timedelta(minutes=ON_SCENE_MIN[1]), now),
        on_scene_median_s=median(arrivals) if arrivals else None,
        on_scene_p90_s=p90(arrivals),
        false=Share(sum(is_false(each.outcome) for each in by_person), len(by_person)),
        resolved=sum(each.answered_at is None and each.outcome is not None for each in alerts),
        home_weeks=home_weeks,
        per_home_week=len(alerts) / home_weeks if home_weeks else None,
    )


def answered_at(past: Past) -> datetime | None:
    """When somebody first took it."""
    return past.answered_at


def arrived_at(past: Past) -> datetime | None:
    """When somebody was there; where nobody said so, they were at the latest when a person closed it."""
    if past.on_scene_at is not None:
        return past.on_scene_at
    return past.closed_at if past.outcome is not None and past.outcome.by_person else None


def is_false(outcome: Outcome | None) -> bool:
    """Whether an outcome says that nothing was the matter."""
    return outcome is not None and outcome.startswith("false_")


def p90(values: Sequence[float]) -> float | None:
    """The smallest value that nine tenths do not exceed; None: there are none."""
    return sorted(values)[math.ceil(0.9 * len(values)) - 1] if values else None


def _within(
    alerts: Iterable[Past], reached: Callable[[Past], datetime | None], limit: timedelta, now: datetime
) -> Share:
    """Those that came within a time, of those that did or had that time; one that ended before counts as neither."""
    part = whole = 0
    for each in alerts:
        at = reached(each)
        if at is not None:
            whole += 1
            part += at - each.raised_at <= limit
        elif (each.closed_at or now) - each.raised_at >= limit:
            whole += 1
    return Share(part, whole)


def _seconds(past: Past, at: datetime) -> float:
    return max(0.0, (at - past.raised_at).total_seconds())
