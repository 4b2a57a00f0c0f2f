"""When a device's next word is to be expected: the moment at which looking again is of use."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from rules.snapshot import Installation

_SLACK_SHARE: Final = 0.05
_SLACK_LEAST: Final = timedelta(seconds=15)
_SLACK_MOST: Final = timedelta(seconds=120)
_AGAIN_LEAST: Final = timedelta(seconds=60)


def next_word(devices: Iterable[Installation], now: datetime) -> datetime:
    """The earliest moment at which one of the devices should have reported again.

    A report that is overdue is waited for in steps that grow with the time it is overdue: a meter that uploads once a
    day is not looked for every minute.
    """
    return min(_next_word(device, now) for device in devices)


def _next_word(device: Installation, now: datetime) -> datetime:
    interval = device.interval
    if device.heard_at is None:
        return now + interval
    expected = device.heard_at + interval + min(max(_SLACK_SHARE * interval, _SLACK_LEAST), _SLACK_MOST)
    if expected > now:
        return expected
    return now + max(interval / 6, (now - expected) / 4, _AGAIN_LEAST)
