"""The lines that are drawn from columns are those of the definition, worked out plainly."""

from datetime import UTC, date, datetime
from itertools import pairwise
from math import exp
from random import Random
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from rules.profile import STRICTNESS_H, USUAL, Line, learn
from rules.profile.history import silences
from rules.profile.line import never_falling
from rules.profile.local import SLOTS
from rules.profile.pricing import LEAST, MOST
from rules.segment import Segment

ZONE = ZoneInfo("Europe/Berlin")
UNTIL = datetime(2024, 5, 13, 4, tzinfo=UTC)
HOUR = 3600.0
DAY = 24 * HOUR


def is_workday(day: date) -> bool:
    return day.weekday() < 5


def home(seed: int, days: int = 60) -> Segment:
    """Readings every quarter of an hour or every hour, some of them lost; habits, nights out and days away."""
    random = Random(seed)
    every_s, awake = random.choice((HOUR, HOUR / 4)), random.uniform(0.1, 0.7)
    out = {day for day in range(days) if random.random() < 0.15}
    at_s, totals_l, total_l = list[float](), list[float](), 500.0
    begin_s = UNTIL.timestamp() - days * DAY
    for number in range(int(days * DAY / every_s)):
        each_s = begin_s + number * every_s
        hour = datetime.fromtimestamp(each_s, ZONE).hour
        if int((each_s - begin_s) // DAY) not in out and 7 <= hour <= 22 and random.random() < awake * every_s / HOUR:
            total_l += random.choice((0.4, 3.0, 12.0))
        if random.random() < 0.95:
            at_s.append(each_s)
            totals_l.append(total_l)
    return Segment(at_s, totals_l, totals_l)


def test_lines_are_those_of_the_definition() -> None:
    """They are read by the clock on the wall; summer time began within the sixty days."""
    for seed in range(4):
        segment = home(seed)
        found = learn([segment], until=UNTIL, zone=ZONE, is_workday=is_workday)
        assert found is not None
        assert found.lines == plain_lines(segment)


def plain_lines(segment: Segment) -> tuple[tuple[Line, Line], ...]:
    risk_h: dict[tuple[int, int], float] = {}
    ended: list[tuple[int, int, int, float]] = []
    found = silences([segment])
    for nth, silence in enumerate(found):
        kind, slot, wall_s = on_the_wall(silence.since_s)
        weight = 0.5 ** ((UNTIL.timestamp() - silence.since_s) / (USUAL.half_life_days * DAY))
        next_s = found[nth + 1].since_s if nth + 1 < len(found) else segment.at_s[-1]
        hours = min(next_s - silence.since_s, 3 * HOUR) / HOUR
        risk_h[kind, slot] = risk_h.get((kind, slot), 0.0) + weight * hours
        half_hours = int(on_the_wall(silence.until_s)[2] // 1800.0 - wall_s // 1800.0)
        if silence.until_s - silence.since_s >= 4 * HOUR:
            ended.append((kind, slot, half_hours, weight))
    rows = [[about(kind, slot, risk_h, ended) for slot in range(SLOTS)] for kind in range(2)]
    return tuple(
        plainly_never_falling(*([cheapest(*row, price_h) for row in of_kind] for of_kind in rows))
        for price_h in STRICTNESS_H
    )


def about(
    kind: int, slot: int, risk_h: dict[tuple[int, int], float], ended: list[tuple[int, int, int, float]]
) -> tuple[list[float], float]:
    """What ended after how many half hours, and the hours at risk, of silences that began about a half hour."""
    row, at_risk_h = [0.0] * (MOST + 1), 0.0
    for offset, share in USUAL.weights():
        for other in range(2):
            part = share * (1.0 if other == kind else USUAL.other_kind)
            at_risk_h += part * risk_h.get((other, (slot - offset) % SLOTS), 0.0)
            for of_kind, began, half_hours, weight in ended:
                if of_kind == other and (began + offset) % SLOTS == slot and half_hours - offset >= 8:
                    row[min(half_hours - offset, MOST)] += part * weight
    return row, at_risk_h


def cheapest(row: list[float], at_risk_h: float, price_h: float) -> int:
    if at_risk_h == 0.0:
        return MOST
    costs_h = {
        length: length * 0.5 + price_h / at_risk_h * sum(lasting(row, length)) for length in range(LEAST, MOST + 1)
    }
    return min(costs_h, key=lambda length: costs_h[length])


def on_the_wall(at_s: float) -> tuple[int, int, float]:
    wall = datetime.fromtimestamp(at_s, ZONE)
    return int(not is_workday(wall.date())), wall.hour * 2 + wall.minute // 30, wall.replace(tzinfo=UTC).timestamp()


def lasting(row: list[float], length: int) -> list[float]:
    """What ended later, and what might have; those that ended within a half hour did so in the middle of it."""
    return [
        weight if ended >= length else weight * exp(-(length - ended - 0.5) * 0.5 / USUAL.later_h)
        for ended, weight in enumerate(row)
        if weight
    ]


def plainly_never_falling(workday: list[int], free: list[int]) -> tuple[Line, Line]:
    """What begins later is too long no earlier; the day after may be of either kind."""
    ends = [[slot + length for slot, length in enumerate(line)] for line in (workday, free)]
    next_day = SLOTS + min(min(line) for line in ends)
    first, second = (tuple(min([*line[slot:], next_day]) - slot for slot in range(SLOTS)) for line in ends)
    return first, second


LENGTHS = st.lists(st.integers(LEAST, MOST), min_size=SLOTS, max_size=SLOTS)


@given(workday=LENGTHS, free=LENGTHS)
def test_lines_never_fall(workday: list[int], free: list[int]) -> None:
    lines = never_falling(workday, free)
    assert lines == plainly_never_falling(workday, free)
    assert all(earlier <= later + 1 for line in lines for earlier, later in pairwise(line))
    assert never_falling(*lines) == lines
