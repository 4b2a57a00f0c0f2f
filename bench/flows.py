"""How often leaks, water left running and days of much water are found in a recording of homes where all was well.

python -m bench.flows ../shared/data/water/homes_hourly.csv.gz ../shared/data/water/meter_15min.csv.gz
python -m bench.flows --events ../shared/data/water/single_person_events.csv.gz
"""

import argparse
import csv
import gzip
from collections.abc import Iterator
from datetime import datetime
from itertools import accumulate
from pathlib import Path

from bench.drips import MONTH_S, Series, recorded
from rules.running import never_resting, strong
from rules.segment import Segment

LEAK_S, FLOW_S = 24 * 3600.0, 2 * 3600.0


def of_events(file: Path, step_s: float) -> Series:
    """What a register of full litres would have shown of single draws, every `step_s`."""
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        draws = [
            (
                datetime.fromisoformat(row["started_at"]).timestamp(),
                max(1.0, float(row["duration_s"])),
                float(row["litres"]),
            )
            for row in csv.DictReader(lines)
        ]
    begin_s = min(at_s for at_s, _, _ in draws) // step_s * step_s
    used_l = [0.0] * (int((max(at_s + for_s for at_s, for_s, _ in draws) - begin_s) // step_s) + 2)
    for at_s, for_s, litres in draws:
        from_s = at_s
        while from_s < at_s + for_s:
            place = int((from_s - begin_s) // step_s)
            until_s = min(at_s + for_s, begin_s + (place + 1) * step_s)
            used_l[place] += litres * (until_s - from_s) / for_s
            from_s = until_s
    totals_l = [float(int(total_l)) for total_l in accumulate(used_l, initial=0.0)]
    return Series([begin_s + n * step_s for n in range(len(totals_l))], totals_l)


def _named(files: list[Path], events: Path | None) -> Iterator[tuple[str, Series]]:
    for file in files:
        yield from recorded(file).items()
    if events is not None:
        yield "events, 15 min", of_events(events, 900.0)
        yield "events, hourly", of_events(events, 3600.0)


def main() -> None:
    """Prints the figures."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("files", type=Path, nargs="*")
    options.add_argument("--events", type=Path)
    chosen = options.parse_args()
    for name, series in _named(chosen.files, chosen.events):
        segment = Segment(series.at_s, series.totals_l, series.totals_l)
        leaks = never_resting([segment], length_s=LEAK_S)
        length_s = max(FLOW_S, 3 * (series.at_s[11] - series.at_s[1]) / 10)
        flows = strong([segment], length_s=length_s)
        assert leaks is not None
        assert flows is not None
        months = (series.at_s[-1] - series.at_s[0]) / MONTH_S
        print(
            f"{name:15} {months:5.1f} months  leaks {len(leaks.runs):3}  running water {len(flows.runs):3}",
            " ".join(f"({run.length_s / 3600:.0f} h, {run.used_l:.0f} L)" for run in flows.runs),
        )


if __name__ == "__main__":
    main()
