"""What a back-test of a city reads: the homes of one recording, over and over, until enough home-months are there.

No copy can gain by another one's work: its registers show other totals, and its readings lie whole weeks later, so
that what is worked out for one home is never just what another asks for. Nights, weekdays and what was used stay as
they were; holidays and summer time fall elsewhere, as they would in another year.
"""

import csv
import gzip
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from operator import sub
from pathlib import Path
from typing import Final, NamedTuple

from bench.children import BenchError
from registry.policy import DEFAULTS
from rules.backtest.figures import MONTH_S
from rules.backtest.recording import COLUMNS, MeterRecord, RecordingRefused, read

_WEEK_S: Final = timedelta(weeks=1).total_seconds()
_APART_L: Final = 1_000
"""A multiple of every register's step, so that the sums of a copy are as exact as its original's."""


class Written(NamedTuple):
    """What was written."""

    homes: int
    rows: int


def write(source: Path, target: Path, *, home_months: float) -> Written:
    """Writes the homes of a recording as often as it takes, always all of them: the mix stays as it is.

    Args:
        source: a file that `anju backtest water` reads.
        target: the file to write, CSV and gzip.
        home_months: at least so many.

    Raises:
        BenchError: the source cannot be read, or no meter in it was heard.
    """
    try:
        meters = read(source).meters
    except RecordingRefused as refused:
        raise BenchError(str(refused)) from refused
    heard_s = sum(map(_heard_s, meters))
    if not heard_s:
        raise BenchError(f"{source}: no meter was heard for any time")
    rows = homes = 0
    with gzip.open(target, "wt", encoding="utf-8", compresslevel=6, newline="\n") as out:
        lines = csv.writer(out, lineterminator="\n")
        lines.writerow(COLUMNS)
        for meter in copies(meters, math.ceil(home_months * MONTH_S / heard_s)):
            lines.writerows(_readings(meter))
            rows += len(meter.measured_s)
            homes += 1
    return Written(homes, rows)


def copies(meters: Sequence[MeterRecord], rounds: int) -> Iterator[MeterRecord]:
    """All homes, then all of them again under other names, so many times; the first time as they are."""
    for number in range(rounds):
        for meter in meters:
            yield MeterRecord(
                meter_id=f"{meter.meter_id}.{number}",
                measured_s=[at_s + number * _WEEK_S for at_s in meter.measured_s],
                totals_l=[total_l + number * _APART_L for total_l in meter.totals_l],
            )


def _heard_s(meter: MeterRecord) -> float:
    """How long it was heard, as `anju backtest water` counts home-months."""
    unbroken_s = DEFAULTS.silence_limit(meter.interval_s).total_seconds()
    gaps_s = map(sub, meter.measured_s[1:], meter.measured_s)
    return math.fsum(gap_s for gap_s in gaps_s if gap_s <= unbroken_s)


def _readings(meter: MeterRecord) -> Iterator[tuple[str, str, str]]:
    for at_s, total_l in zip(meter.measured_s, meter.totals_l, strict=True):
        yield meter.meter_id, datetime.fromtimestamp(at_s, UTC).isoformat().replace("+00:00", "Z"), f"{total_l:.12g}"
