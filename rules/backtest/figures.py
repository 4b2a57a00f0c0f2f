"""What a back-test comes to: alerts per home-month, false alarms of inactivity, and delays."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil
from random import Random
from statistics import median
from typing import Final

from alerts.findings import Kind, Severity
from rules.backtest import plain
from rules.backtest.cases import Told
from rules.backtest.injection import Noticed
from rules.backtest.series import Series
from rules.dry import tolerance_s

MONTH_S: Final = 86_400.0 * 365.25 / 12
PRESUMED_ABSENCE_S: Final = 48 * 3600.0
"""A dry spell this long is presumed to be an absence that nobody noted."""
MISSED_S: Final = 24 * 3600.0
_RESAMPLES: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeTrial:
    """What the back-test of one home found.

    Attributes:
        watched_s: how long its meter was heard.
        alerts: what was told, oldest first.
        short_first: cases of inactivity whose dry spell was shorter than `PRESUMED_ABSENCE_S` ...
        short_hard: ... and those of them that became hard.
        recorded: spells that were over before anybody could be told.
        silences: every silence in the recording.
        noticed: what became of the incapacitations cut in.
        lines: at the end of the recording, after how many hours without use it would have been told, by the local half
            hour of the last use.
        rule_errors: rule -> the last exception it raised on this home: our bug.
    """

    meter_id: str
    readings: int
    interval_s: int
    watched_s: float
    looks: int
    alerts: Sequence[Told]
    short_first: int
    short_hard: int
    recorded: int
    silences: Sequence[plain.Silence] = ()
    noticed: Sequence[Noticed] = ()
    lines: Mapping[Severity, Sequence[float]] = field(default_factory=dict)
    rule_errors: Mapping[str, Exception] = field(default_factory=dict)

    @property
    def home_months(self) -> float:
        """`watched_s` in months."""
        return self.watched_s / MONTH_S

    @property
    def counts(self) -> Counter[tuple[Kind, Severity]]:
        """How many alerts of each kind and severity."""
        return Counter((told.kind, told.severity) for told in self.alerts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many in so many home-months.

    Attributes:
        low: lower end of the 95 % interval of `per_home_month`, by drawing homes anew; None with one home.
    """

    count: int
    per_home_month: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseAlarms:
    """Inactivity told of a recording in which nothing is known to have happened."""

    short: Rate
    all: Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """From the moment an incapacitation begins to the alert.

    Attributes:
        median_h: None where more than half are never noticed.
        missed_share: not noticed within 24 h.
    """

    median_h: float | None
    p90_h: float | None
    missed_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainAtRate:
    """The plain rule with the window that gives it the same number of false alarms as the first notice here."""

    window_h: float
    delay: Delay


@dataclass(frozen=True, slots=True, kw_only=True)
class Injected:
    """What became of all incapacitations cut in."""

    count: int
    first: Delay
    hard: Delay
    plain: PlainAtRate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The whole back-test."""

    homes: int
    home_months: float
    looks: int
    alerts: dict[tuple[Kind, Severity], Rate] = field(default_factory=dict)
    first: FalseAlarms
    hard: FalseAlarms
    recorded: int
    injected: Injected | None = None


def watched_s(series: Series, from_at: datetime, until: datetime, *, unbroken_s: float) -> float:
    """How long a meter was heard: the time between readings that are not too far apart."""
    from_s, until_s = from_at.timestamp(), until.timestamp()
    total_s, before_s = 0.0, series.measured_s[0]
    for at_s in series.measured_s:
        if at_s - before_s <= unbroken_s:
            total_s += max(0.0, min(at_s, until_s) - max(before_s, from_s))
        before_s = at_s
    return total_s


def is_short(told: Told, series: Series, *, volume_l: float) -> bool:
    """Whether an inactivity was over before one would presume that nobody was at home.

    It was over with the sign of life, or when the volume had been used since it began, whichever was earlier.
    """
    since_s = told.since.timestamp()
    measured_s, totals_l = series.measured_s, series.totals_l
    begun = min(bisect_left(measured_s, since_s), len(measured_s) - 1)
    over_s = next(
        (measured_s[later] for later in range(begun, len(measured_s)) if totals_l[later] - totals_l[begun] >= volume_l),
        measured_s[-1],
    )
    if told.over_at is not None:
        over_s = min(over_s, told.over_at.timestamp())
    return over_s - since_s < PRESUMED_ABSENCE_S


def summary(tested: Sequence[HomeTrial]) -> Summary:
    """Sums up the homes of a back-test."""
    kinds = sorted({key for home in tested for key in home.counts}, key=lambda key: (key[0], key[1].rank))
    first = FalseAlarms(
        short=_rate(tested, lambda home: home.short_first),
        all=_rate(tested, lambda home: sum(t.first and t.kind is Kind.INACTIVITY for t in home.alerts)),
    )
    hard = FalseAlarms(
        short=_rate(tested, lambda home: home.short_hard),
        all=_rate(tested, lambda home: home.counts[Kind.INACTIVITY, Severity.HARD]),
    )
    return Summary(
        homes=len(tested),
        home_months=sum(home.home_months for home in tested),
        looks=sum(home.looks for home in tested),
        alerts={key: _rate(tested, lambda home, key=key: home.counts[key]) for key in kinds},  # type: ignore[misc]
        first=first,
        hard=hard,
        recorded=sum(home.recorded for home in tested),
        injected=_injected(tested, first.short.per_home_month),
    )


def _rate(tested: Sequence[HomeTrial], count: Callable[[HomeTrial], int]) -> Rate:
    counted = [(count(home), home.home_months) for home in tested]
    low = high = None
    if len(counted) > 1:
        random = Random("homes")  # noqa: S311 (the same homes give the same interval)
        drawn = sorted(_ratio(random.choices(counted, k=len(counted))) for _ in range(_RESAMPLES))
        low, high = drawn[round(0.025 * _RESAMPLES)], drawn[round(0.975 * _RESAMPLES) - 1]
    return Rate(count=sum(n for n, _ in counted), per_home_month=_ratio(counted), low=low, high=high)


def _ratio(counted: Sequence[tuple[int, float]]) -> float:
    months = sum(months for _, months in counted)
    return sum(n for n, _ in counted) / months if months > 0.0 else 0.0


def _injected(tested: Sequence[HomeTrial], rate: float) -> Injected | None:
    noticed = [each for home in tested for each in home.noticed]
    if not noticed:
        return None
    return Injected(
        count=len(noticed),
        first=_delay([each.first_s for each in noticed]),
        hard=_delay([each.hard_s for each in noticed]),
        plain=_plain(tested, noticed, rate),
    )


def _delay(delays_s: Sequence[float | None]) -> Delay:
    known = sorted(float("inf") if delay_s is None else delay_s for delay_s in delays_s)
    at_p90 = known[ceil(0.9 * len(known)) - 1]
    return Delay(
        median_h=_hours(median(known)),
        p90_h=_hours(at_p90),
        missed_share=sum(delay_s > MISSED_S for delay_s in known) / len(known),
    )


def _hours(seconds: float) -> float | None:
    return None if seconds == float("inf") else seconds / 3600.0


def _plain(tested: Sequence[HomeTrial], noticed: Sequence[Noticed], rate: float) -> PlainAtRate | None:
    """Between the two windows whose rates lie on either side of ours, window and delays alike are interpolated."""
    months = sum(home.home_months for home in tested)
    elapsed_s = sorted(
        silence.elapsed_s for home in tested for silence in home.silences if silence.whole_s < PRESUMED_ABSENCE_S
    )

    def alarms(window_h: float) -> float:
        window_s = window_h * 3600.0
        return (len(elapsed_s) - bisect_left(elapsed_s, window_s - tolerance_s(window_s))) / months

    windows_h = [step * plain.STEP_H for step in range(1, round(plain.LONGEST_H / plain.STEP_H) + 1)]
    upper = next((place for place, window_h in enumerate(windows_h) if alarms(window_h) <= rate), None)
    if upper is None or months <= 0.0:
        return None
    before_h, after_h = windows_h[max(0, upper - 1)], windows_h[upper]
    more, fewer = alarms(before_h), alarms(after_h)
    share = (more - rate) / (more - fewer) if more > fewer else 1.0
    before, after = (_delay([each.plain.delay_s(window_h) for each in noticed]) for window_h in (before_h, after_h))
    return PlainAtRate(
        window_h=_between(before_h, after_h, share) or after_h,
        delay=Delay(
            median_h=_between(before.median_h, after.median_h, share),
            p90_h=_between(before.p90_h, after.p90_h, share),
            missed_share=_between(before.missed_share, after.missed_share, share) or 0.0,
        ),
    )


def _between(before: float | None, after: float | None, share: float) -> float | None:
    if before is None or after is None:
        return after
    return before + share * (after - before)
