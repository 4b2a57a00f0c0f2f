"""A meter's readings as the database would hold them, and what a look at some moment would read of them.

What a look reads follows `rules.loading` and `rules.series`, over arrays in place of tables.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import le, sub
from typing import Final

from devices import meters
from rules.backtest.recording import MeterRecord
from rules.course import Course
from rules.flow import course_of
from rules.snapshot import Installation, WaterSeries, instant

_AHEAD_S: Final = 600.0  # readings dated further ahead are refused by ingest


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A meter's readings as the database would hold them.

    Attributes:
        measured_s: ascending, epoch seconds.
        received_s: when each was received.
        measured_every_s: how often the meter measures ...
        interval_s: ... and how often it is heard, as its installation would say.
    """

    meter_id: str
    measured_s: Sequence[float]
    totals_l: Sequence[float]
    received_s: Sequence[float]
    measured_every_s: int
    interval_s: int

    @property
    def begins_at(self) -> datetime:
        """When the meter is taken to be installed: at its first reading."""
        return instant(self.measured_s[0])

    @property
    def ends_at(self) -> datetime:
        """Up to when the recording reaches: one interval past the last receipt, when its readings are still news."""
        return instant(max(self.received_s) + self.interval_s)

    def standing_still(self, place: int) -> "Series":
        """The same series, with a register that no longer moves from the reading at `place` on."""
        stands_l = self.totals_l[place - 1]
        totals_l = [*self.totals_l[:place], *[stands_l] * (len(self.totals_l) - place)]
        return replace(self, totals_l=totals_l)


def series_of(record: MeterRecord, received_s: Sequence[float], every_s: int) -> Series:
    """A record with its receipts; a meter that hands over less often than it measures is heard that often."""
    measured_every_s = record.interval_s
    return Series(
        meter_id=record.meter_id,
        measured_s=list(record.measured_s),
        totals_l=list(record.totals_l),
        received_s=list(received_s),
        measured_every_s=measured_every_s,
        interval_s=max(measured_every_s, every_s),
    )


class Readings:
    """What looks at one meter read, each at its own moment.

    Args:
        series: of the meter.
        volume_l: a register whose steps are larger may be too coarse to judge by.

    Attributes:
        in_time: it is received in the order in which it is measured, and nothing late.
        course: all that it shows; None where that is not received in the order in which it is measured.
    """

    def __init__(self, series: Series, *, volume_l: float) -> None:
        self._series = series
        self._volume_l = volume_l
        self._begins_at = series.begins_at
        measured_s, received_s = series.measured_s, series.received_s
        self._in_order = all(map(le, received_s, received_s[1:]))
        self._late = max(map(sub, received_s, measured_s)) > meters.CLOCK_STEP_S
        self._ahead = max(map(sub, measured_s, received_s)) >= _AHEAD_S
        self.in_time = self._in_order and not self._late
        self.course: Course | None = course_of(measured_s, series.totals_l) if self._in_order else None
        self._seen: tuple[tuple[int, int], Installation] | None = None

    def of(self, series: Series) -> "Readings":
        """The same of a series that differs by what its register shows, looked at for a few days."""
        twin = Readings.__new__(Readings)
        twin.__dict__.update(self.__dict__)
        twin._series, twin._seen = series, None
        twin.course = None  # not worth it
        return twin

    def received_by(self, now_s: float) -> int:
        """How many readings were received by an instant, where they are received in the order they are measured in."""
        received = bisect_right(self._series.received_s, now_s)
        return min(received, bisect_left(self._series.measured_s, now_s + _AHEAD_S)) if self._ahead else received

    def next_received_s(self, received: int) -> float:
        """When there will be more than so many readings; infinite where there are no more."""
        received_s = self._series.received_s
        return received_s[received] if received < len(received_s) else float("inf")

    def installation(self, from_s: float, earliest_s: float, now_s: float) -> Installation:
        """The meter with what is read of it; the same one as long as that is the same readings.

        Args:
            from_s: readings measured from then on, and one before ...
            earliest_s: ... that is not older than this.
            now_s: what was received by then.
        """
        places = self._places(from_s, earliest_s, now_s) if self.in_time else None
        if places is not None and self._seen is not None and self._seen[0] == places:
            return self._seen[1]
        measured_s, totals_l, received_s = self._visible(from_s, earliest_s, now_s)
        heard_s = None if not received_s else received_s[-1] if self._in_order else max(received_s)
        heard_at = None if heard_s is None else instant(heard_s)
        step_l = 0.0
        if coarse_l := meters.common_step(totals_l):
            step_l = meters.step_of(totals_l)
            if totals_l and coarse_l > self._volume_l:
                step_l = meters.step_of(self._visible(earliest_s, earliest_s, now_s)[1])
                places = None  # more was read than these
        is_late = self._late and any(
            received - measured > meters.CLOCK_STEP_S
            for measured, received in zip(measured_s, received_s, strict=True)
            if measured >= from_s
        )
        installation = Installation(
            device=self._series.meter_id,
            installed_at=self._begins_at,
            interval_s=self._series.interval_s,
            heard_at=heard_at,
            read_at=heard_at,
            meters_water=True,
            water=WaterSeries(
                measured_s=measured_s,
                totals_l=totals_l,
                received_s=received_s if is_late else (),
                step_l=step_l,
                course=self.course if measured_s else None,
            ),
        )
        if places is not None:
            self._seen = (places, installation)
        return installation

    def _visible(
        self, from_s: float, earliest_s: float, now_s: float
    ) -> tuple[Sequence[float], Sequence[float], Sequence[float]]:
        """The readings received by now, measured from an instant on, and the one before."""
        measured_s, totals_l, received_s = self._series.measured_s, self._series.totals_l, self._series.received_s
        if self._in_order:
            low, high = self._places(from_s, earliest_s, now_s)
            return measured_s[low:high], totals_l[low:high], received_s[low:high]
        low = bisect_left(measured_s, from_s)
        high = bisect_left(measured_s, now_s + _AHEAD_S)
        places = [place for place in range(low, high) if received_s[place] <= now_s]
        for place in range(min(low, high) - 1, -1, -1):
            if measured_s[place] < earliest_s:
                break
            if received_s[place] <= now_s:
                places.insert(0, place)
                break
        return (
            [measured_s[place] for place in places],
            [totals_l[place] for place in places],
            [received_s[place] for place in places],
        )

    def _places(self, from_s: float, earliest_s: float, now_s: float) -> tuple[int, int]:
        """From where to where `_visible` is, of readings that are received in the order in which they are measured."""
        measured_s = self._series.measured_s
        high = self.received_by(now_s)
        low = min(bisect_left(measured_s, from_s), high)
        if low > 0 and measured_s[low - 1] >= earliest_s:
            low -= 1
        return low, high
