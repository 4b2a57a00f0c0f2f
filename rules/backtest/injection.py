"""Incapacitations cut into a recording: from a moment on the register stands still; how long until it is noticed?"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

from alerts.findings import Kind, Severity
from rules.backtest import plain
from rules.backtest.cases import Cases, Told
from rules.backtest.series import Series
from rules.backtest.simulation import Home
from rules.snapshot import instant

AFTER_USE: Final = timedelta(hours=3)
"""A moment lies within this of a use: who falls was up and about."""
HORIZON: Final = timedelta(hours=plain.LONGEST_H)
"""How long an incapacitation is followed."""
_SETTLED_S: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed:
    """How long one incapacitation went unnoticed; None: longer than `HORIZON`.

    Attributes:
        first_s: from the moment to the first alert, soft or hard.
        hard_s: to the hard one.
        plain: when the plain rule would have alarmed.
    """

    moment_s: float
    first_s: float | None
    hard_s: float | None
    plain: plain.Stopped


def moments(series: Series, count: int, *, seed: int, from_s: float, until_s: float) -> list[float]:
    """Moments drawn evenly from all the time within `AFTER_USE` of a use, ascending.

    Where the recording has too little before a moment (a day) or after it (`HORIZON`) there are none.

    Args:
        series: of the home's meter.
        count: how many are wanted.
        seed: the same one gives the same moments.
        from_s: the first instant that may be drawn ...
        until_s: ... and up to when the home is watched.
    """
    earliest_s = max(from_s, series.measured_s[0] + _SETTLED_S)
    latest_s = min(until_s, series.measured_s[-1]) - HORIZON.total_seconds()
    spans = _after_use(series, earliest_s, latest_s)
    total_s = sum(end_s - begin_s for begin_s, end_s in spans)
    if not spans:
        return []
    random = Random(f"{seed}/{series.meter_id}")  # noqa: S311 (chance here keeps no secret)
    return sorted(_at(spans, random.random() * total_s) for _ in range(count))


def follow(home: Home, series: Series, moment_s: float) -> Noticed:
    """Stops the water of a home that has been watched up to the moment, and watches on."""
    place = bisect_right(series.measured_s, moment_s)
    moment = instant(moment_s)
    # Once all from before the moment has come in, what is hard stays.
    settled = instant(max(moment_s, series.received_s[place - 1]))
    twin = home.fork(place)
    twin.watch(moment + HORIZON, enough=lambda cases: any(told.raised_at > settled for told in _hard(cases)))
    told = [each for each in twin.cases.told if each.kind is Kind.INACTIVITY and each.cleared_at is None]
    return Noticed(
        moment_s=moment_s,
        first_s=_delay_s(told, moment),
        hard_s=_delay_s(_hard(twin.cases), moment),
        plain=plain.stopped(series, place, moment_s),
    )


def _hard(cases: Cases) -> list[Told]:
    return [
        told
        for told in cases.told
        if told.kind is Kind.INACTIVITY and told.cleared_at is None and told.severity.rank >= Severity.HARD.rank
    ]


def _delay_s(told: Sequence[Told], moment: datetime) -> float | None:
    if not told:
        return None
    return max(0.0, (min(each.raised_at for each in told) - moment).total_seconds())


def _after_use(series: Series, earliest_s: float, latest_s: float) -> list[tuple[float, float]]:
    measured_s, totals_l = series.measured_s, series.totals_l
    spans: list[tuple[float, float]] = []
    for place in range(1, len(measured_s)):
        if totals_l[place] - totals_l[place - 1] < plain.USE_L:
            continue
        begin_s = max(measured_s[place], earliest_s, spans[-1][1] if spans else earliest_s)
        end_s = min(measured_s[place] + AFTER_USE.total_seconds(), latest_s)
        if end_s > begin_s:
            spans.append((begin_s, end_s))
    return spans


def _at(spans: Sequence[tuple[float, float]], offset_s: float) -> float:
    for begin_s, end_s in spans:
        if offset_s < end_s - begin_s:
            return begin_s + offset_s
        offset_s -= end_s - begin_s
    return spans[-1][1]
