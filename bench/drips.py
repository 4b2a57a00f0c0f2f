"""What a constant drip does to the no-use rule, with and without the base flow taken off.

Lays drips over the meters of a recording, lets some of their residents use nothing from a random moment on, and asks
when less than the volume in the window is found; and how often that is found of people who only slept or were out.

    python -m bench.drips ../shared/data/water/homes_hourly.csv.gz
"""

import argparse
import csv
import gzip
import math
import statistics
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import NamedTuple

from rules.dry import dryness
from rules.flow import net_cover
from rules.snapshot import Installation, WaterSeries
from rules.water import cover

HOUR_S = 3600.0
READ_S, AFTER_S = 96 * HOUR_S, 48 * HOUR_S
MONTH_S = 30.44 * 24 * HOUR_S
LIVELY_L = 15.0
INSTALLED = datetime(2000, 1, 1, tzinfo=UTC)


class Series(NamedTuple):
    """A meter's readings."""

    at_s: Sequence[float]
    totals_l: Sequence[float]

    def between(self, from_s: float, until_s: float) -> "Series":
        """The readings from one instant to another."""
        part = slice(bisect_left(self.at_s, from_s), bisect_right(self.at_s, until_s))
        return Series(self.at_s[part], self.totals_l[part])

    def dripping(self, rate_l_h: float) -> "Series":
        """With a constant flow beside all that is used; the register shows full litres as before."""
        if rate_l_h == 0.0:
            return self
        begin_s = self.at_s[0]
        return Series(
            self.at_s,
            [
                math.floor(total_l + 0.37 + rate_l_h * (at_s - begin_s) / HOUR_S)
                for at_s, total_l in zip(self.at_s, self.totals_l, strict=True)
            ],
        )

    def unused_from(self, at_s: float) -> "Series":
        """Nothing is used after an instant."""
        last = bisect_right(self.at_s, at_s) - 1
        return Series(self.at_s, [*self.totals_l[: last + 1], *[self.totals_l[last]] * (len(self.at_s) - last - 1)])


def recorded(file: Path) -> dict[str, Series]:
    """Each meter's readings in the order of time."""
    rows: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            rows[row["meter_id"]].append(
                (datetime.fromisoformat(row["measured_at"]).timestamp(), float(row["total_l"]))
            )
    return {
        meter: Series([at_s for at_s, _ in readings], [total_l for _, total_l in readings])
        for meter, found in sorted(rows.items())
        if (readings := sorted(found))
    }


def _meter(series: Series) -> Installation:
    water = WaterSeries(measured_s=series.at_s, totals_l=series.totals_l)
    return Installation(device="meter", installed_at=INSTALLED, meters_water=True, water=water)


def found_after_s(series: Series, at_s: float, window_s: float, volume_l: float, *, net: bool) -> float | None:
    """How long after an instant the rule first finds what then lasts, with what was measured up to each reading."""
    read = net_cover if net else cover
    for now_s in series.between(at_s + window_s - 4 * HOUR_S, at_s + AFTER_S).at_s:
        segments = read([_meter(series.between(at_s - READ_S, now_s))])
        lasting = dryness(segments, volume_l=volume_l, window_s=window_s).lasting
        if lasting is not None and lasting.fired_s > at_s:
            return now_s - at_s
    return None


def spells(series: Series, window_s: float, volume_l: float, *, net: bool) -> int:
    """How many dry spells a recording holds."""
    segments = (net_cover if net else cover)([_meter(series)])
    return len(dryness(segments, volume_l=volume_l, window_s=window_s).spells)


def moments(series: Series, count: int, random: Random) -> list[float]:
    """Random moments within 3 h of a use, with readings around them and more than a few litres used before them."""
    chosen: list[float] = []
    for _ in range(100 * count):
        if len(chosen) == count:
            break
        place = random.randrange(1, len(series.at_s))
        at_s = series.at_s[place] + random.random() * 3 * HOUR_S
        around = series.between(at_s - READ_S, at_s + AFTER_S).at_s
        before = series.between(at_s - 8 * HOUR_S, at_s).totals_l
        heard = len(around) > 0.95 * (READ_S + AFTER_S) / HOUR_S
        if heard and series.totals_l[place] > series.totals_l[place - 1] and before[-1] - before[0] >= LIVELY_L:
            chosen.append(at_s)
    return chosen


def main() -> None:
    """Prints the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("file", type=Path)
    options.add_argument("--moments", type=int, default=12, help="per meter")
    options.add_argument("--volume", type=float, default=10.0)
    options.add_argument("--drips", type=float, nargs="*", default=[0.0, 0.5, 1.0, 3.0, 20.0], help="L/h")
    chosen = options.parse_args()
    meters = recorded(chosen.file)
    months = sum(series.at_s[-1] - series.at_s[0] for series in meters.values()) / MONTH_S
    print(f"{len(meters)} meters, {months:.0f} home-months; delay is median / p90 h (share not found in 48 h)")
    for window_h in (12.0, 24.0):
        for net in (False, True):
            for drip_l_h in chosen.drips:
                random, delays_h, missed, dry = Random(7), list[float](), 0, 0
                for series in meters.values():
                    dripping = series.dripping(drip_l_h)
                    dry += spells(dripping, window_h * HOUR_S, chosen.volume, net=net)
                    for at_s in moments(series, chosen.moments, random):
                        stopped = series.unused_from(at_s).dripping(drip_l_h)
                        took_s = found_after_s(stopped, at_s, window_h * HOUR_S, chosen.volume, net=net)
                        delays_h += [] if took_s is None else [took_s / HOUR_S]
                        missed += took_s is None
                delay = "     -      "
                if len(delays_h) > 1:
                    delay = f"{statistics.median(delays_h):5.1f} / {statistics.quantiles(delays_h, n=10)[-1]:4.1f}"
                print(
                    f"{window_h:2.0f} h  {'net' if net else 'as shown':8}  drip {drip_l_h:4.1f} L/h  delay {delay}"
                    f"  ({missed / (len(delays_h) + missed):4.0%})  dry spells per home-month {dry / months:.2f}"
                )


if __name__ == "__main__":
    main()
