"""What `anju backtest water` says: tables for people, a mapping for programs."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from rules.backtest.figures import Delay, FalseAlarms, HomeTrial, Injected, Rate, Summary
from rules.backtest.recording import Recording
from rules.backtest.trial import Plan

Table = tuple[Sequence[str], list[Sequence[object]]]


def headline(total: Summary) -> str:
    """How much was tested."""
    return f"{total.homes} homes, {total.home_months:.1f} home-months"


def tables(total: Summary) -> Iterator[Table]:
    """All that holds for the homes together."""
    yield _alerts_table(total)
    yield _inactivity_table(total)
    if total.injected is not None:
        yield _delays_table(total.injected)


def homes_table(tested: Sequence[HomeTrial]) -> Table:
    """Home by home."""
    rows: list[Sequence[object]] = [
        (
            home.meter_id,
            f"{home.home_months:.1f}",
            home.readings,
            f"{home.interval_s // 60} min",
            sum(told.first for told in home.alerts),
            home.short_first,
            home.short_hard,
        )
        for home in tested
    ]
    return ("Meter", "Home-months", "Readings", "Interval", "Alerts", "Inactive < 48 h", "of these hard"), rows


def _alerts_table(total: Summary) -> Table:
    rows: list[Sequence[object]] = [
        (kind.value, severity.value, *_rated(rate)) for (kind, severity), rate in total.alerts.items()
    ]
    return ("Alert", "Severity", "Count", "Per home-month", "95 % interval"), rows


def _inactivity_table(total: Summary) -> Table:
    rows: list[Sequence[object]] = [
        ("first notice, dry spells under 48 h", *_rated(total.first.short)),
        ("first notice, all", *_rated(total.first.all)),
        ("hard, dry spells under 48 h", *_rated(total.hard.short)),
        ("hard, all", *_rated(total.hard.all)),
        ("over before it could be told", total.recorded, "", ""),
    ]
    return ("Inactivity", "Count", "Per home-month", "95 % interval"), rows


def _delays_table(injected: Injected) -> Table:
    rows: list[Sequence[object]] = [
        ("first notice", *_delayed(injected.first)),
        ("hard", *_delayed(injected.hard)),
    ]
    if injected.plain is not None:
        rows.append((f"plain rule, no use for {injected.plain.window_h:.2f} h", *_delayed(injected.plain.delay)))
    return (f"Delay of {injected.count} incapacitations", "Median", "p90", "Missed at 24 h"), rows


def _rated(rate: Rate) -> tuple[object, ...]:
    interval = "" if rate.low is None or rate.high is None else f"{rate.low:.2f} to {rate.high:.2f}"
    return rate.count, f"{rate.per_home_month:.2f}", interval


def _delayed(delay: Delay) -> tuple[str, ...]:
    return (
        *("never" if hours is None else f"{hours:.2f} h" for hours in (delay.median_h, delay.p90_h)),
        f"{delay.missed_share:.1%}",
    )


def as_mapping(recording: Recording, plan: Plan, total: Summary, tested: Sequence[HomeTrial]) -> dict[str, object]:
    """The whole back-test, for `--json`."""
    return {
        "rows": recording.rows,
        "bad_rows": recording.bad_rows,
        "repeated": recording.repeated,
        "contradicted": recording.contradicted,
        "time_zone": plan.world.time_zone,
        "upload": plan.upload.value,
        "policy": asdict(plan.world.policy),
        "homes": total.homes,
        "home_months": total.home_months,
        "alerts": [
            {"kind": kind.value, "severity": severity.value, **asdict(rate)}
            for (kind, severity), rate in total.alerts.items()
        ],
        "inactivity": {
            "first": _false_alarms(total.first),
            "hard": _false_alarms(total.hard),
            "recorded": total.recorded,
        },
        "injected": None if total.injected is None else {"seed": plan.seed, **asdict(total.injected)},
        "meters": [_meter_json(home) for home in tested],
    }


def _false_alarms(alarms: FalseAlarms) -> dict[str, object]:
    return {"under_48_h": asdict(alarms.short), "all": asdict(alarms.all)}


def _meter_json(home: HomeTrial) -> dict[str, object]:
    return {
        "meter_id": home.meter_id,
        "home_months": home.home_months,
        "readings": home.readings,
        "interval_s": home.interval_s,
        "alerts": [
            {"kind": kind.value, "severity": severity.value, "count": count}
            for (kind, severity), count in sorted(home.counts.items(), key=lambda item: (item[0][0], item[0][1].rank))
        ],
        "inactivity_under_48_h": {"first": home.short_first, "hard": home.short_hard},
        "delays_s": [{"moment_s": each.moment_s, "first": each.first_s, "hard": each.hard_s} for each in home.noticed],
    }
