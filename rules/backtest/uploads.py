"""When a reading is received: as soon as it is measured, or together with others at set times of the local day."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from rules.snapshot import instant

_DAY_S: Final = 86_400


class Upload(StrEnum):
    """How a meter hands its readings over.

    AS_MEASURED: each at once. HOURLY: those of an hour when it is over. FOUR_TIMES: those of a quarter of the local day
    when it is over. DAILY: those of a local day at two o'clock in the next night.
    """

    AS_MEASURED = "as-measured"
    HOURLY = "hourly"
    FOUR_TIMES = "4x"
    DAILY = "daily"

    @property
    def every_s(self) -> int:
        """How often it is heard at most; 0 where that is as often as it measures."""
        return _EVERY_S[self]


_EVERY_S: Final = {Upload.AS_MEASURED: 0, Upload.HOURLY: 3600, Upload.FOUR_TIMES: _DAY_S // 4, Upload.DAILY: _DAY_S}
_DAILY_AT: Final = time(2)


def received(measured_s: Sequence[float], upload: Upload, zone: ZoneInfo) -> Sequence[float]:
    """When each reading is received, epoch seconds.

    Args:
        measured_s: when each was measured, ascending.
        upload: how they are handed over.
        zone: of the home, for what belongs to which local day.
    """
    if upload is Upload.AS_MEASURED:
        return measured_s
    receipts_s: list[float] = []
    end_s = receipt_s = float("-inf")
    for at_s in measured_s:
        if at_s >= end_s:
            end_s, receipt_s = _period(at_s, upload, zone)
        receipts_s.append(receipt_s)
    return receipts_s


def _period(at_s: float, upload: Upload, zone: ZoneInfo) -> tuple[float, float]:
    """When the period that an instant lies in ends, and when its readings are received."""
    if upload is Upload.HOURLY:
        end_s = (at_s // 3600 + 1) * 3600
        return end_s, end_s
    local = instant(at_s).astimezone(zone)
    if upload is Upload.FOUR_TIMES:
        ends = [datetime.combine(local, time(hour), zone).timestamp() for hour in (6, 12, 18)]
        ends.append(_next_day(local, time(), zone))
        end_s = next(end_s for end_s in ends if at_s < end_s)
        return end_s, end_s
    return _next_day(local, time(), zone), _next_day(local, _DAILY_AT, zone)


def _next_day(local: datetime, at: time, zone: ZoneInfo) -> float:
    return datetime.combine(local.date() + timedelta(days=1), at, zone).timestamp()
