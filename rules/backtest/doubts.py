"""Whether what a recording calls a total is one, in litres: a back-test of anything else means nothing. Pure."""

from collections.abc import Sequence
from operator import gt, lt
from typing import Final, NamedTuple

from rules.backtest.recording import MeterRecord

_FEWEST_FALLS: Final = 5
_SHORTEST_DAYS: Final = 2.0
_LEAST_L_A_DAY: Final = 2.0
"""Who uses water every other day or more often, uses more; in cubic metres hardly a home uses as many."""


class _Course(NamedTuple):
    """How often a register went down, of so many steps."""

    steps: int
    falls: int


def doubts(meters: Sequence[MeterRecord]) -> list[str]:
    """A sentence for each way in which a recording looks like something else.

    Doubted is a meter that falls at least half as often as it rises (a register falls when it is replaced), and one
    that is used at least every other day, in fractions, but grows by less than two a day.
    """
    volumes: list[_Course] = []
    cubic_metres = 0
    for meter in meters:
        later = meter.totals_l[1:]
        rises, falls = sum(map(gt, later, meter.totals_l)), sum(map(lt, later, meter.totals_l))
        if falls >= _FEWEST_FALLS and 2 * falls >= rises:
            volumes.append(_Course(len(later), falls))
        elif _grows_in_cubic_metres(meter, rises):
            cubic_metres += 1
    said = []
    if volumes:
        one_of = round(sum(course.steps for course in volumes) / sum(course.falls for course in volumes))
        said.append(
            f"total_l of {len(volumes)} of {len(meters)} meters falls in one reading of {one_of}:"
            " are these volumes per interval? Totals are needed"
        )
    if cubic_metres:
        said.append(
            f"total_l of {cubic_metres} of {len(meters)} meters grows in fractions, by less than {_LEAST_L_A_DAY:.0f} L"
            " a day: are these m³? Litres are needed"
        )
    return said


def _grows_in_cubic_metres(meter: MeterRecord, rises: int) -> bool:
    days = (meter.measured_s[-1] - meter.measured_s[0]) / 86_400.0
    grown_l = meter.totals_l[-1] - meter.totals_l[0]
    if days < _SHORTEST_DAYS or 2 * rises < days or not 0.0 < grown_l < _LEAST_L_A_DAY * days:
        return False
    return not all(map(float.is_integer, meter.totals_l))
