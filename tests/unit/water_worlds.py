"""A community made up by the hour: when its homes use water, on the clock of the place."""

from random import Random

from rules.shut_off import Metered

H_S = 3600.0
DAY_S = 24 * H_S
QUARTER_S = 900.0
DAWN_S = 20_000 * DAY_S
"""A midnight in a place whose clock shows UTC."""


def quarters_of_use(home: int, days: int) -> list[int]:
    """The quarters of an hour, counted from `DAWN_S`, in which a home uses water: up about six, in bed about ten."""
    random = Random(home)
    up, down, rate = random.gauss(6.5, 0.8), random.gauss(22.0, 0.8), random.uniform(0.12, 0.3)
    found = []
    for quarter in range(days * 96):
        hour = quarter / 4 % 24
        busy = 1.8 if up <= hour < up + 1.5 or 11 <= hour < 12.5 or 17.5 <= hour < 19 else 1.0
        if random.random() < (rate * busy if up <= hour < down else 0.02):
            found.append(quarter)
    return found


def community(
    homes: int,
    *,
    now_s: float,
    cut_s: float = float("inf"),
    back_s: float = float("inf"),
    away: int = 0,
    interval_s: float = QUARTER_S,
    days: int = 10,
) -> list[Metered]:
    """Its homes as they are known at a moment.

    Args:
        homes: how many.
        now_s: the moment.
        cut_s: from when on nobody can use water ...
        back_s: ... until they can again.
        away: in how many of them nobody lives.
        interval_s: how often the meters report, each at its own minute.
        days: for so long they have reported.
    """
    found = []
    for home in range(homes):
        phase_s = home * 557 % interval_s
        used_s = set()
        for quarter in quarters_of_use(home, 12) if home >= away else ():
            at_s = DAWN_S + (quarter + 0.5) * QUARTER_S
            seen_s = at_s - (at_s - phase_s) % interval_s + interval_s
            if seen_s <= now_s and not cut_s <= at_s < back_s:
                used_s.add(seen_s)
        until_s = now_s - (now_s - phase_s) % interval_s
        begin_s = until_s - days * DAY_S
        found.append(Metered(home, 1, [(begin_s, until_s)], sorted(each for each in used_s if each >= begin_s)))
    return found
