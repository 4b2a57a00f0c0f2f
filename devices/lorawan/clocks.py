"""Values with times of their own: lists of them, and a total followed by what each hour added.

Some meters keep the time of their place and do not say so.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from devices import quantities
from devices.fields import number
from devices.lorawan.interpret import Object, Step, Uplink
from devices.lorawan.table import HourlyRow
from devices.model import JsonValue, Reason
from devices.times import parse_time

NO_TIME: Final = timedelta(0)
_HOUR: Final = timedelta(hours=1)
# A clock this little ahead is wrong, not local; and no place on earth is further ahead of UTC than 14 h.
_AHEAD: Final = timedelta(minutes=10)
_FURTHEST: Final = timedelta(hours=15)


def dated(
    items: Iterable[Object], field: str | None, path: str, uplink: Uplink
) -> list[tuple[Object, datetime | None]]:
    """The items, each with its own time; None where it has none, or none that can be read."""
    if field is None:
        return [(item, None) for item in items]
    found: list[tuple[Object, datetime | None]] = []
    last: JsonValue = None
    at: datetime | None = None
    for item in items:
        raw = item.get(field)
        if raw is None:
            found.append((item, None))
            continue
        # The values of one instant follow each other.
        if at is None or type(raw) is not str or raw != last:
            last = raw
            try:
                at = _instant(raw)
            except ValueError as error:
                at = None
                uplink.refuse(Reason.TIME_INVALID, f"{path}.{field}: {error}"[:200])
        found.append((item, at))
    return found


def _instant(raw: JsonValue) -> datetime:
    """A time, read as UTC where it has no offset."""
    if isinstance(raw, str) and not raw[:9].isdecimal():  # else a number: digits read as ISO are another year's
        try:
            read = datetime.fromisoformat(raw)
        except ValueError:
            return parse_time(raw)
        if read.tzinfo is None:
            return read.replace(tzinfo=UTC)
    return parse_time(raw)


def ahead_of_utc(times: list[datetime], uplink_at: datetime | None) -> timedelta:
    """By how much a meter's clock is ahead of UTC: as many full hours as bring its newest time before the uplink.

    A clock behind UTC cannot be told from an upload that is late: its values count as that much older than they are.
    """
    if uplink_at is None or not times or not _AHEAD < max(times) - uplink_at <= _FURTHEST:
        return NO_TIME
    return -((uplink_at - max(times)) // _HOUR) * _HOUR


def hourly_step(row: HourlyRow) -> Step:
    """What reads a total and the hours after it, each a reading of its own; its conditions are the caller's."""
    quantity = quantities.by_name[row.quantity]
    names = [row.step.replace("{n}", str(n)) for n in range(1, row.count + 1)]

    def step(value: JsonValue, around: Object, uplink: Uplink) -> None:
        steps = [number(around.get(name)) for name in names]
        total = number(value)
        try:
            clock = _instant(around.get(row.time))
            last = (clock - ahead_of_utc([clock], uplink.uplink_at)).replace(minute=0, second=0, microsecond=0)
            first = last - _HOUR * len(names)
        except (ValueError, OverflowError) as error:
            uplink.refuse(Reason.TIME_INVALID, f"{row.time}: {error}"[:200])
            return
        if total is None or not all(each is not None and each >= 0 for each in steps):
            uplink.refuse(Reason.FIELD_INVALID, f"{row.base}, or an hour after it, is not a number")
            return
        around_at = uplink.measured_at
        for hour, more in enumerate((0.0, *(each or 0.0 for each in steps))):
            total += more
            uplink.measured_at = first + hour * _HOUR
            uplink.measure(row.base, total, quantity, scale=row.scale)
        uplink.measured_at = around_at

    return step
