"""How often each line that a home could have would have spoken for nothing, and how late it would have told. Pure.

The back-test's engine watches what the home has lived through once for each line, with the same incapacitations cut in.
Spans in which nobody was home or somebody was in need are left out, as if the meter had been silent.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from statistics import fmean
from typing import Any, Final

from alerts.findings import Kind
from rules.backtest.figures import watched_s
from rules.backtest.injection import HORIZON, follow, moments
from rules.backtest.recording import MeterRecord
from rules.backtest.series import Series, series_of
from rules.backtest.simulation import Home, World
from rules.learning import LOOKED_BACK, History, learned
from rules.library.catalogue import HOME_RULES
from rules.past import Past
from rules.profile import LEAST_HISTORY
from rules.propose import Option, Setting, current, settings
from rules.snapshot import Learned, instant

TRIED: Final = timedelta(days=90)
"""Over so much of the latest past a line is tried."""
READ: Final = TRIED + LOOKED_BACK
INCAPACITATIONS: Final = 30
_LEAST_TRIED_WEEKS: Final = 2.0
_WEEK_S: Final = 7 * 86_400.0
_LONGEST_H: Final = HORIZON.total_seconds() / 3600.0
_RULES: Final = tuple(rule for rule in HOME_RULES if rule.name == Kind.INACTIVITY)


class NotTried(ValueError):
    """Nothing can be said of this home; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A home's lines.

    Attributes:
        now: what holds.
        options: what could hold, within the municipal bounds.
    """

    now: Option
    options: tuple[Option, ...]


def tried(past: Past, now: datetime) -> Tried:
    """Tries every line on what a home has lived through.

    Raises:
        NotTried: it has no water meter or more than one, or was heard for too short a time.
    """
    if len(past.meters) != 1:
        raise NotTried("no water meter" if not past.meters else "more than one water meter")
    series = _lived(past)
    if series is None:
        raise NotTried("its meter was never heard")
    from_at = max(now - TRIED, series.begins_at + LEAST_HISTORY)
    until = min(now, series.ends_at)
    unbroken_s = past.policy.silence_limit(series.measured_every_s).total_seconds()
    weeks = 0.0 if from_at >= until else watched_s(series, from_at, until, unbroken_s=unbroken_s) / _WEEK_S
    if weeks < _LEAST_TRIED_WEEKS:
        raise NotTried("its meter was heard for less than four weeks")
    world = World(policy=past.policy, time_zone=past.time_zone, rules=_RULES, learn=_remembering())
    within, held = settings(past.policy), current(past.policy)
    options = {}
    for setting in {*within, held}:
        home = Home(past.home_id, series, _with(world, setting), from_at)
        alarms, delay_h = _tried(home, series, from_at, until)
        options[setting] = Option(setting=setting, alarms_per_week=alarms / weeks, delay_h=delay_h)
    return Tried(now=options[held], options=tuple(options[setting] for setting in within))


def _with(world: World, setting: Setting) -> World:
    change: dict[str, Any] = {setting.parameter: setting.value}
    return replace(world, policy=replace(world.policy, **change))


def _tried(home: Home, series: Series, from_at: datetime, until: datetime) -> tuple[int, float]:
    """How many alarms there were, and after how many hours an incapacitation was noticed, on average."""
    delays_h: list[float] = []
    for moment_s in moments(series, INCAPACITATIONS, seed=1, from_s=from_at.timestamp(), until_s=until.timestamp()):
        home.watch(instant(moment_s))
        first_s = follow(home, series, moment_s).first_s
        delays_h.append(_LONGEST_H if first_s is None else first_s / 3600.0)
    home.watch(until)
    if not delays_h:
        raise NotTried("no water was used")
    if home.rule_errors:
        raise NotTried("its rule failed on it: our bug")
    return sum(told.kind is Kind.INACTIVITY and told.first for told in home.cases.told), fmean(delays_h)


def _remembering() -> Callable[[History], tuple[Learned, ...]]:
    """Learns each epoch once, with every line: each is to be tried."""
    known: dict[datetime, tuple[Learned, ...]] = {}

    def learn(history: History) -> tuple[Learned, ...]:
        if history.epoch_at not in known:
            known[history.epoch_at] = learned(replace(history, strictness=None))
        return known[history.epoch_at]

    return learn


def _lived(past: Past) -> Series | None:
    """The meter's series without what was not lived."""
    meter = past.meters[0]
    water = meter.water
    received_s = water.received_s or water.measured_s
    spans = [(from_at.timestamp(), until_at.timestamp()) for from_at, until_at in past.not_lived]
    kept = [
        place
        for place, at_s in enumerate(water.measured_s)
        if not any(from_s < at_s < until_s for from_s, until_s in spans)
    ]
    if len(kept) < 2:
        return None
    record = MeterRecord(
        meter_id=meter.device,
        measured_s=[water.measured_s[place] for place in kept],
        totals_l=[water.totals_l[place] for place in kept],
    )
    return series_of(record, [received_s[place] for place in kept], meter.interval_s or 0)
