"""The rows of a recording, from text to numbers: many at once where nothing is wrong with any of them, else one by one.

Both keep the same: what is done for a column in one step saves most of what a row costs.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isnan
from operator import attrgetter, itemgetter
from typing import Final

from devices.quantities import WATER_TOTAL
from devices.times import parse_time

_EARLIEST_S: Final = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
_LATEST_S: Final = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
_ZONE: Final = attrgetter("tzinfo")
_AFTER_THE_YEAR: Final = itemgetter(4)  # what has a hyphen there is no mere number, which `parse_time` would tell apart


@dataclass(slots=True)
class Rows:
    """What one meter's rows say, in their order."""

    measured_s: "array[float]" = field(default_factory=lambda: array("d"))
    totals_l: "array[float]" = field(default_factory=lambda: array("d"))


class Gathered:
    """The rows of all meters.

    Args:
        places: of the cells with the meter, the time and the total.

    Attributes:
        by_meter: what was kept of each.
    """

    def __init__(self, places: tuple[int, int, int]) -> None:
        self._places = places
        self.by_meter: dict[str, Rows] = {}

    def take(self, rows: Sequence[Sequence[str]]) -> list[tuple[int, str]]:
        """Keeps rows; which of them cannot be kept, and what is wrong with each. An empty one is none."""
        if self._take_sound(rows):
            return []
        judged = [(place, self._take(cells)) for place, cells in enumerate(rows) if cells]
        return [(place, problem) for place, problem in judged if problem is not None]

    def _take_sound(self, rows: Sequence[Sequence[str]]) -> bool:
        """Keeps all of them, or none, where one could be at fault."""
        id_place, at_place, total_place = self._places
        try:
            columns = list(zip(*rows, strict=True))
            meter_ids = list(map(str.strip, columns[id_place]))
            written = list(map(str.strip, columns[at_place]))
            times = list(map(datetime.fromisoformat, written))
            totals_l = list(map(float, columns[total_place]))
        except (ValueError, IndexError):
            return False
        if not all(map(_ZONE, times)) or set(map(_AFTER_THE_YEAR, written)) != {"-"}:
            return False
        measured_s = list(map(datetime.timestamp, times))
        if min(measured_s) < _EARLIEST_S or max(measured_s) >= _LATEST_S:
            return False
        if any(map(isnan, totals_l)) or min(totals_l) < WATER_TOTAL.minimum or max(totals_l) > WATER_TOTAL.maximum:
            return False
        meters = set(meter_ids)
        if any(_fault_of(meter_id) is not None for meter_id in meters - self.by_meter.keys()):
            return False
        kept = {meter_id: self.by_meter.setdefault(meter_id, Rows()) for meter_id in meters}
        if len(kept) == 1:
            (only,) = kept.values()
            only.measured_s.extend(measured_s)
            only.totals_l.extend(totals_l)
            return True
        for meter_id, at_s, total_l in zip(meter_ids, measured_s, totals_l, strict=True):
            of_meter = kept[meter_id]
            of_meter.measured_s.append(at_s)
            of_meter.totals_l.append(total_l)
        return True

    def _take(self, cells: Sequence[str]) -> str | None:
        """Keeps a row; what is wrong with it, if it cannot be kept."""
        id_place, at_place, total_place = self._places
        try:
            meter_id, at, total = cells[id_place].strip(), cells[at_place].strip(), cells[total_place]
        except IndexError:
            return "fewer cells than columns"
        if meter_id not in self.by_meter and (fault := _fault_of(meter_id)) is not None:
            return fault
        try:
            measured_s = parse_time(at).timestamp()
        except ValueError:
            return f"measured_at {at[:40]!r} is no time with an offset, such as 2026-11-21T08:15:00+08:00"
        if not _EARLIEST_S <= measured_s < _LATEST_S:
            return f"measured_at {at[:40]!r} lies outside the years 2000 to 2099"
        try:
            total_l = float(total)
        except ValueError:
            return f"total_l {total.strip()[:40]!r} is no number"
        if not WATER_TOTAL.minimum <= total_l <= WATER_TOTAL.maximum:  # as infinity and what is no number do not
            return f"total_l {total.strip()[:40]!r} is no register's total"
        kept = self.by_meter.setdefault(meter_id, Rows())
        kept.measured_s.append(measured_s)
        kept.totals_l.append(total_l)
        return None


def _fault_of(meter_id: str) -> str | None:
    if not meter_id:
        return "meter_id is empty"
    if not meter_id.isprintable() or "\ufffd" in meter_id:
        return f"meter_id {meter_id!r} is not printable text"
    return None
