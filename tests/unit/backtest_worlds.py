"""Recordings made up for the tests of the back-test."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from registry.policy import Policy
from rules.backtest.recording import MeterRecord
from rules.backtest.simulation import World
from rules.backtest.trial import Plan

START = datetime(2026, 3, 2, tzinfo=UTC)
H = timedelta(hours=1)
DAY = timedelta(days=1)
HOME = [0, 0, 0, 0, 0, 0, 40, 20, 5, 0, 0, 15, 20, 0, 0, 5, 0, 10, 30, 10, 5, 20, 0, 0]
"""Litres in each hour of a day at home."""
AWAY = [0] * 24


def record(hours_l: Iterable[float], *, meter_id: str = "m-1", start: datetime = START) -> MeterRecord:
    """An hourly meter; the n-th value is what the n-th hour used."""
    totals = [1001.0]
    for used_l in hours_l:
        totals.append(totals[-1] + used_l)
    times = [(start + place * H).timestamp() for place in range(len(totals))]
    return MeterRecord(meter_id=meter_id, measured_s=times, totals_l=totals)


def rows(meter: MeterRecord) -> list[str]:
    """Its readings as rows of a file."""
    return [
        f"{meter.meter_id},{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%SZ},{total_l:g}"
        for at_s, total_l in zip(meter.measured_s, meter.totals_l, strict=True)
    ]


def written(path: Path, lines: Sequence[str]) -> Path:
    """A file with these rows."""
    path.write_text("\n".join(["meter_id,measured_at,total_l", *lines, ""]), encoding="utf-8")
    return path


def plan(**settings: object) -> Plan:
    """A plan in UTC, by municipal limits alone."""
    return Plan(world=World(time_zone="UTC", policy=Policy(inactivity_learned=False)), **settings)  # type: ignore[arg-type]
