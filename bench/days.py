"""What the meters of made-up homes show: people who live alone, at all hours of the clock, each by own habits."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

ZONES: Final = 24
HOUR: Final = timedelta(hours=1)


def zone_name(number: int) -> str:
    """The time zone of a class of homes; Etc/GMT+3 is three hours west."""
    return f"Etc/GMT{number % ZONES - 12:+d}"


def series(number: int, begin: datetime, end: datetime) -> Iterator[tuple[datetime, float]]:
    """What the meter of a class shows on the hour: somebody who lives alone, with days that are not all the same."""
    chance = random.Random(number)
    wakes, sleeps = chance.choice((5, 6, 7, 7)), chance.choice((21, 22, 22, 23))
    total_l, at = 1000.0 * (number + 1), begin
    is_out = False
    while at <= end:
        yield at, total_l
        local = (at - timedelta(hours=number % ZONES - 12)).hour
        if local == wakes:
            is_out = chance.random() < 0.25
        total_l += _used_l(chance, local, wakes, sleeps, is_out=is_out)
        at += HOUR


def _used_l(chance: random.Random, local: int, wakes: int, sleeps: int, *, is_out: bool) -> float:
    """Litres in the hour that begins then."""
    meals = (wakes, 11, 12, 17, 18, sleeps - 1)
    if not wakes <= local < sleeps:
        return 6.0 if chance.random() < 0.15 else 0.0
    if is_out and wakes + 2 <= local < 17:
        return 0.0
    if local in meals:
        return float(chance.randint(8, 30)) if chance.random() < 0.9 else 0.0
    return float(chance.randint(4, 14)) if chance.random() < 0.35 else 0.0
