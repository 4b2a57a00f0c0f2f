"""The recording that the bench has judged: the homes of another one, as often as it takes."""

from pathlib import Path

import pytest

from bench import recording
from bench.children import BenchError
from rules.backtest.figures import MONTH_S
from rules.backtest.recording import read
from tests.unit.backtest_worlds import HOME, record, rows, written

_WEEK_S = 7 * 86_400.0


def test_all_homes_come_equally_often_until_the_months_are_there(tmp_path: Path) -> None:
    days = 10
    source = written(
        tmp_path / "two.csv", rows(record(HOME * days, meter_id='"a,b"')) + rows(record(HOME * days, meter_id="c"))
    )
    round_months = 2 * days * 86_400 / MONTH_S
    target = tmp_path / "city.csv.gz"
    made = recording.write(source, target, home_months=2.5 * round_months)
    city = read(target)
    assert city.bad_rows == city.repeated == 0
    assert made == (len(city.meters), city.rows) == (6, 6 * (days * 24 + 1))
    assert [meter.meter_id for meter in city.meters] == ["a,b.0", "a,b.1", "a,b.2", "c.0", "c.1", "c.2"]
    assert recording.write(source, target, home_months=0.1).homes == 2


def test_copies_live_alike_at_other_times_with_other_registers(tmp_path: Path) -> None:
    original = record(HOME * 2)
    target = tmp_path / "city.csv.gz"
    recording.write(written(tmp_path / "r.csv", rows(original)), target, home_months=0.15)
    first, *others = read(target).meters
    assert list(first.measured_s) == list(original.measured_s)
    assert list(first.totals_l) == list(original.totals_l)
    assert len(others) == 2
    for number, copy in enumerate(others, 1):
        assert [at_s - number * _WEEK_S for at_s in copy.measured_s] == list(original.measured_s)
        apart_l = {total_l - was_l for total_l, was_l in zip(copy.totals_l, original.totals_l, strict=True)}
        assert apart_l == {1_000.0 * number}


@pytest.mark.parametrize("lines", [[], ["m,2026-03-01T00:00:00Z,1"]], ids=["no reading", "heard but once"])
def test_what_cannot_be_repeated_is_said(tmp_path: Path, lines: list[str]) -> None:
    with pytest.raises(BenchError):
        recording.write(written(tmp_path / "r.csv", lines), tmp_path / "city.csv.gz", home_months=1.0)
