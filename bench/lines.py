"""How soon a home's own line speaks, and how often for nothing, beside the plain rule "no use for T hours".

    python -m bench.lines ../shared/data/water [--curve] [--leave-one-out] [--whole]

Every home is replayed as it would have been lived: the line that holds at a use was learned from what was measured
more than a day before, at a weekly epoch. The first 14 days, in which nothing is learned, count for no rule. A false
alarm is a silence of the real home that reaches its line; those that last 48 h and more are presumed absences. Time
between readings more than 3 h apart is no time watched: a silence ends there (`--whole`: it goes on). For the delay an
incapacitation is cut in at a random hour within 3 h of a use: from then on the register stands still, and the delay
runs to the first real reading at which the line is reached. The plain rule has the T at which it gives as many false
alarms on the same homes (interpolated). The intervals are bootstrapped over homes.
"""

import argparse
import csv
import gzip
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from devices import meters
from rules.profile import STRICTNESS_H, USUAL, USUAL_STRICTNESS, Profile, Tuning, learn
from rules.profile.history import silences
from rules.segment import Segment

HOUR: Final = 3600.0
DAY: Final = 24 * HOUR
MONTH: Final = 730.5 * HOUR
WEEK: Final = 7 * DAY
WARM_UP: Final = 14 * DAY
GAP: Final = 3 * HOUR
ABSENCE: Final = 48 * HOUR
EARLY: Final = 300.0  # as `rules.dry`: a meter does not read to the second
AT_RISK: Final = 3 * HOUR
PER_HOME: Final = 400
PLAIN_H: Final = tuple(step / 4 for step in range(7 * 4, 40 * 4 + 1))
GROUPS: Final = {"single": ("single",), "couple60+": ("couple60+",), "couple": ("couple",)}
OCCUPIED: Final = "all occupied"
TUNINGS: Final = tuple(
    Tuning(spread_h=spread_h, later_h=later_h) for spread_h in (0.9, 1.2, 1.6) for later_h in (0.35, 0.5, 0.75)
)


class Silence(NamedTuple):
    """A real one: from the last use to the last reading without, as far as it was watched."""

    since_s: float
    until_s: float


class Injection(NamedTuple):
    """An incapacitation, and the last use before it."""

    at_s: float
    since_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A real home: its readings, its silences from the end of the warm-up on, and what is cut in."""

    name: str
    kind: str
    segments: list[Segment]
    at_s: list[float]
    silences: list[Silence]
    injections: list[Injection]
    months: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What a rule did in a home."""

    false: int
    with_absences: int
    months: float
    delays_h: list[float]


class Told(NamedTuple):
    """What a rule did in some homes: alarms per home-month, delays in hours."""

    rate: float
    with_absences: float
    median_h: float
    p90_h: float
    missed: float


TooLong = Callable[[float], float]
"""From when a silence began to when it is too long."""
Judged = dict[str, Tally]


def read(folder: Path) -> dict[str, tuple[str, list[float], list[float]]]:
    """Of each meter: the kind of its home, when it was read, and what it showed."""
    with (folder / "homes.csv").open(newline="") as lines:
        kinds = {row["meter_id"]: row["kind"] for row in csv.DictReader(lines)}
    series: dict[str, dict[float, float]] = defaultdict(dict)
    with gzip.open(folder / "homes_hourly.csv.gz", "rt", newline="") as lines:
        for row in csv.DictReader(lines):
            at_s = datetime.fromisoformat(row["measured_at"]).timestamp()
            series[row["meter_id"]].setdefault(at_s, float(row["total_l"]))
    return {
        name: (kinds[name], sorted(totals_l), [totals_l[at_s] for at_s in sorted(totals_l)])
        for name, totals_l in sorted(series.items())
    }


def home(name: str, kind: str, at_s: list[float], totals_l: list[float], *, whole: bool) -> Home:
    """A home to judge rules on."""
    segments = [Segment(run.times_s, run.totals_l, run.totals_l) for run in meters.runs(at_s, totals_l)]
    begin_s = at_s[0] + WARM_UP
    gaps = [earlier for earlier, later in pairwise(at_s) if later - earlier > GAP]
    lived = [
        Silence(each.since_s, each.until_s if whole else _cut(each.since_s, each.until_s, gaps))
        for each in silences(segments)
        if each.since_s >= begin_s
    ]
    watched_s = sum(
        later - earlier for earlier, later in pairwise(at_s) if earlier >= begin_s and (whole or later - earlier <= GAP)
    )
    injections = list(_injections(name, at_s, [each.since_s for each in lived]))
    return Home(
        name=name,
        kind=kind,
        segments=segments,
        at_s=at_s,
        silences=lived,
        injections=injections,
        months=watched_s / MONTH,
    )


def _cut(since_s: float, until_s: float, gaps: Sequence[float]) -> float:
    first = bisect_left(gaps, since_s)
    return min(until_s, gaps[first]) if first < len(gaps) else until_s


def _injections(name: str, at_s: Sequence[float], uses_s: Sequence[float]) -> Iterable[Injection]:
    """At random hours within `AT_RISK` of a use; not in a gap, and not so late that nothing follows."""
    random = Random(name)
    hours = [
        (earlier, later, uses_s[last])
        for earlier, later in pairwise(at_s)
        if (last := bisect_right(uses_s, earlier) - 1) >= 0
        and earlier - uses_s[last] <= AT_RISK
        and later - earlier <= 1.5 * HOUR
        and later <= at_s[-1] - ABSENCE
    ]
    for earlier, later, since_s in random.choices(hours, k=PER_HOME) if hours else ():
        yield Injection(random.uniform(earlier, later), since_s)


def judge(homes: Iterable[Home], rule: Callable[[Home], TooLong]) -> Judged:
    """What a rule does in each home."""
    return {each.name: _tally(each, rule(each)) for each in homes}


def _tally(of: Home, too_long: TooLong) -> Tally:
    lasted = [each.until_s - each.since_s for each in of.silences if each.until_s >= too_long(each.since_s)]
    delays_h = []
    for injection in of.injections:
        place = bisect_left(of.at_s, max(too_long(injection.since_s), injection.at_s))
        told_s = of.at_s[place] if place < len(of.at_s) else float("inf")
        delays_h.append((told_s - injection.at_s) / HOUR)
    return Tally(
        false=sum(length < ABSENCE for length in lasted),
        with_absences=len(lasted),
        months=of.months,
        delays_h=sorted(delays_h),
    )


def told(tallies: Sequence[Tally]) -> Told:
    """What a rule did in some homes."""
    months = sum(each.months for each in tallies)
    delays_h = sorted(delay_h for each in tallies for delay_h in each.delays_h)
    return Told(
        rate=sum(each.false for each in tallies) / months,
        with_absences=sum(each.with_absences for each in tallies) / months,
        median_h=delays_h[len(delays_h) // 2],
        p90_h=delays_h[int(len(delays_h) * 0.9)],
        missed=sum(delay_h > 24.0 for delay_h in delays_h) / len(delays_h),
    )


def plain(hours: float) -> Callable[[Home], TooLong]:
    """No use for so many hours."""
    return lambda _: lambda since_s: since_s + hours * HOUR - EARLY


class Matched(NamedTuple):
    """The plain rule with as many false alarms."""

    hours: float
    median_h: float
    p90_h: float


def matched(plains: Sequence[Judged], names: Sequence[str], rate: float) -> Matched:
    """The plain rule whose false alarms in some homes are as many as given, interpolated."""
    months = sum(plains[0][name].months for name in names)
    rates = [sum(judged[name].false for name in names) / months for judged in plains]
    last = next((place for place, each in enumerate(rates) if each <= rate), len(rates) - 1)
    first = max(last - 1, 0)
    share = (rates[first] - rate) / (rates[first] - rates[last]) if rates[first] > rates[last] else 1.0
    low, high = (told([plains[place][name] for name in names]) for place in (first, last))
    return Matched(
        hours=PLAIN_H[first] + share * (PLAIN_H[last] - PLAIN_H[first]),
        median_h=low.median_h + share * (high.median_h - low.median_h),
        p90_h=low.p90_h + share * (high.p90_h - low.p90_h),
    )


def is_workday(day: date) -> bool:
    """The homes' country is not told; weekends are."""
    return day.weekday() < 5


class Lines:
    """The lines of a home, week after week, learned as it would have been lived."""

    def __init__(self, of: Home, zone: ZoneInfo, tuning: Tuning = USUAL) -> None:
        self._zone = zone
        self._begin_s = of.at_s[0]
        self._profiles: list[Profile | None] = []
        epoch_s = of.at_s[0]
        while epoch_s < of.at_s[-1]:
            until = datetime.fromtimestamp(epoch_s, UTC)
            self._profiles.append(learn(of.segments, until=until, zone=zone, is_workday=is_workday, tuning=tuning))
            epoch_s += WEEK

    def soft(self, strictness: int) -> TooLong:
        """The line in force at a use; 12 h without one."""

        def too_long(since_s: float) -> float:
            if (profile := self._in_force(since_s)) is None:
                return since_s + 12 * HOUR - EARLY
            return profile.too_long_at(since_s, zone=self._zone, is_workday=is_workday, strictness=strictness)

        return too_long

    def hard(self) -> TooLong:
        """The hard line in force at a use; 23 h without one."""

        def too_long(since_s: float) -> float:
            if (profile := self._in_force(since_s)) is None:
                return since_s + 23 * HOUR - EARLY
            return profile.hard_at(since_s, zone=self._zone, is_workday=is_workday)

        return too_long

    def _in_force(self, since_s: float) -> Profile | None:
        week = int((since_s - DAY - self._begin_s) // WEEK)
        return self._profiles[week] if week >= 0 else None


def learned(lines: Mapping[str, Lines], strictness: int) -> Callable[[Home], TooLong]:
    """Each home's own line."""
    return lambda of: lines[of.name].soft(strictness)


class Comparison(NamedTuple):
    """A rule beside the plain one in some homes."""

    ours: Told
    plain: Matched

    @property
    def shorter(self) -> float:
        """By which share the median delay is shorter."""
        return 1.0 - self.ours.median_h / self.plain.median_h


def compared(judged: Judged, plains: Sequence[Judged], names: Sequence[str]) -> Comparison:
    """A rule beside the plain one with as many false alarms."""
    ours = told([judged[name] for name in names])
    return Comparison(ours, matched(plains, names, ours.rate))


def interval(judged: Judged, plains: Sequence[Judged], names: Sequence[str], times: int = 200) -> tuple[float, float]:
    """The 90 % interval of `Comparison.shorter` over homes, by bootstrap."""
    random = Random(0)
    found = sorted(compared(judged, plains, random.choices(names, k=len(names))).shorter for _ in range(times))
    return found[times // 20], found[-times // 20 - 1]


def tell(title: str, judged: Judged, plains: Sequence[Judged], homes: Sequence[Home], *, sure: bool = True) -> None:
    """Prints a line per group."""
    print(f"\n{title}")
    print("group         false/month (with absences)  median   p90   >24h | plain T  median   p90 | median shorter by")
    groups = {group: [each.name for each in homes if each.kind in kinds] for group, kinds in GROUPS.items()}
    groups[OCCUPIED] = [name for names in groups.values() for name in names]
    for group, names in groups.items():
        if names:
            ours, other = both = compared(judged, plains, names)
            low, high = interval(judged, plains, names) if sure else (float("nan"),) * 2
            print(
                f"{group:13} {ours.rate:11.2f} {ours.with_absences:16.2f} {ours.median_h:7.1f} {ours.p90_h:5.1f} "
                f"{ours.missed:6.1%} | {other.hours:7.1f} {other.median_h:7.1f} {other.p90_h:5.1f} | "
                f"{both.shorter:4.0%}" + (f" ({low:.0%} to {high:.0%})" if sure else "")
            )
    for each in homes:
        if each.kind == "vacant":
            rate = judged[each.name].false / each.months
            print(f"vacant {each.name}: {rate:.2f} ({judged[each.name].with_absences / each.months:.2f})")


def left_out(homes: Sequence[Home], zone: ZoneInfo, most_rate: float) -> Judged:
    """Each home judged with the constants that serve the others best: least mean delay at no more alarms than given."""
    tried: dict[tuple[Tuning, int], Judged] = {}
    for tuning in TUNINGS:
        lines = {each.name: Lines(each, zone, tuning) for each in homes}
        for strictness in range(len(STRICTNESS_H)):
            tried[tuning, strictness] = judge(homes, learned(lines, strictness))
    found = {}
    for each in homes:
        others = [other.name for other in homes if other is not each and other.kind != "vacant"]

        def cost(judged: Judged, others: Sequence[str] = others) -> tuple[bool, float]:
            rate = told([judged[name] for name in others]).rate
            mean_h = fmean(min(delay_h, 48.0) for name in others for delay_h in judged[name].delays_h)
            return rate > most_rate, mean_h

        best = min(tried, key=lambda key: cost(tried[key]))
        print(f"  {each.name} without it: {best[0].spread_h} h, {best[0].later_h} h, price {STRICTNESS_H[best[1]]:g}")
        found[each.name] = tried[best][each.name]
    return found


def main() -> None:
    """Prints the figures of `docs/inactivity.md`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="with homes.csv and homes_hourly.csv.gz")
    parser.add_argument("--tz", default="Europe/Madrid", help="where the homes are")
    parser.add_argument("--whole", action="store_true", help="a silence goes on over a gap in the readings")
    parser.add_argument("--curve", action="store_true", help="every strictness")
    parser.add_argument("--leave-one-out", action="store_true", help="constants chosen without the home")
    chosen = parser.parse_args()
    zone = ZoneInfo(chosen.tz)
    homes = [home(name, *rest, whole=chosen.whole) for name, rest in read(chosen.folder).items()]
    plains = [judge(homes, plain(hours)) for hours in PLAIN_H]
    for hours in (12.0, 16.0, 20.0, 24.0):
        tell(f"no use for {hours:g} h", plains[PLAIN_H.index(hours)], plains, homes, sure=False)
    lines = {each.name: Lines(each, zone) for each in homes}
    for strictness, price_h in enumerate(STRICTNESS_H):
        if chosen.curve or strictness == USUAL_STRICTNESS:
            judged = judge(homes, learned(lines, strictness))
            tell(f"learned, price {price_h:g}", judged, plains, homes)
    tell("learned, hard", judge(homes, lambda of: lines[of.name].hard()), plains, homes)
    if chosen.leave_one_out:
        tell("learned, constants chosen without the home", left_out(homes, zone, most_rate=1.0), plains, homes)


if __name__ == "__main__":
    main()
