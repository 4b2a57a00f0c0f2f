"""How often twelve hours of a real home show no sign of life, by how much use counts as one.

The less counts, the fewer checks after an absence are raised of people who are back; a home that stands empty must show
none all the same (`rules.library.absence_check`).

    python -m bench.absence_signs ../shared/data/water/homes_hourly.csv.gz [--step-l 5]
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from random import Random

from bench.drips import INSTALLED, Series, recorded
from devices.meters import EXACT_STEP_L
from rules.flow import net_cover
from rules.snapshot import Installation, WaterSeries, instant
from rules.uses import covered_s, inside, uses

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
SPAN_S, COVERED_S = 12.5 * HOUR_S, 11 * HOUR_S
LEAST_L = (1.0, 2.0, 3.0, 5.0)


def without_sign(series: Series, random: Random, windows: int, step_l: float) -> tuple[int, Sequence[int]]:
    """Of how many spans that were covered how many show no use of each size, by a register in such steps."""
    covered, silent = 0, [0] * len(LEAST_L)
    for _ in range(windows):
        from_s = random.uniform(series.at_s[0] + 3 * DAY_S, series.at_s[-1] - DAY_S)
        read = series.between(from_s - 2 * DAY_S, from_s + SPAN_S)
        meter = Installation(
            device="meter",
            installed_at=INSTALLED,
            interval_s=3600,
            meters_water=True,
            water=WaterSeries(
                measured_s=read.at_s,
                totals_l=[total_l // step_l * step_l for total_l in read.totals_l],
                step_l=step_l if step_l > EXACT_STEP_L else 0.0,
            ),
        )
        span = inside(net_cover([meter]), instant(from_s), instant(from_s + SPAN_S))
        if covered_s(span) < COVERED_S:
            continue
        covered += 1
        for place, least_l in enumerate(LEAST_L):
            silent[place] += not uses(span, least_l=least_l, pause_s=0.0)
    return covered, silent


def main() -> None:
    """Prints a line for each home."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recording", type=Path)
    parser.add_argument("--windows", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--step-l", type=float, default=EXACT_STEP_L, help="floor the totals to such steps")
    options = parser.parse_args()
    print("meter  windows  " + "  ".join(f"{least_l:g} L" for least_l in LEAST_L))
    for meter_id, series in sorted(recorded(options.recording).items()):
        covered, silent = without_sign(series, Random(options.seed), options.windows, options.step_l)
        print(f"{meter_id}  {covered}  " + "  ".join(f"{100 * count / max(covered, 1):.1f} %" for count in silent))


if __name__ == "__main__":
    main()
