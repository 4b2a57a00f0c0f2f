"""When a device's next word is to be expected: the moment at which looking again is of use.

A report that is overdue is waited for at fixed moments after it was expected, ever further apart: a meter that uploads
once a day is not looked for every minute, and a look out of turn moves none of those that follow it.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from rules.snapshot import Installation

_SLACK_SHARE: Final = 0.05
_SLACK_LEAST: Final = timedelta(seconds=15)
_SLACK_MOST: Final = timedelta(seconds=120)
_AGAIN_LEAST: Final = timedelta(seconds=60)
_AGAIN_SHARE: Final = 4  # of the time that it is overdue
_AGAIN_MOST: Final = timedelta(hours=1)


def next_word(devices: Iterable[Installation], now: datetime) -> datetime:
    """The earliest moment at which one of the devices should have reported again, or is looked for again."""
    return min([next_after(device.heard_at or device.installed_at, device.interval, now) for device in devices])


def next_after(heard_at: datetime, interval: timedelta, now: datetime) -> datetime:
    """The same for one device, by when it was last heard and how often it reports."""
    expected = heard_at + _patience(interval)
    return expected if expected > now else expected + _beyond(now - expected, interval)


@lru_cache(maxsize=1024)
def _patience(interval: timedelta) -> timedelta:
    return interval + min(max(_SLACK_SHARE * interval, _SLACK_LEAST), _SLACK_MOST)


def _beyond(overdue: timedelta, interval: timedelta) -> timedelta:
    """The first step of the ladder that is beyond a time overdue."""
    rungs, most = _ladder(interval)
    if overdue < rungs[-1]:
        return rungs[bisect_right(rungs, overdue)]
    return rungs[-1] + ((overdue - rungs[-1]) // most + 1) * most


@lru_cache(maxsize=1024)
def _ladder(interval: timedelta) -> tuple[Sequence[timedelta], timedelta]:
    """The steps as far as they grow, and by how much it goes on from there."""
    least, most = max(interval / 6, _AGAIN_LEAST), max(interval, _AGAIN_MOST)
    rungs = [least]
    while (step := max(least, rungs[-1] / _AGAIN_SHARE)) < most:
        rungs.append(rungs[-1] + step)
    return rungs, most
