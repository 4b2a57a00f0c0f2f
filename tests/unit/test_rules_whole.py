"""All rules over whole lives: the order of commits within a look changes nothing, and extra looks change nothing.

A life is two days and a half of a home with a water meter and a call button after four quiet days. Its readings come in
late, out of order, twice, with gaps and with senseless values; the home is looked at as the engine would, and besides.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.findings import Kind
from devices import meters
from devices.model import EventKind
from registry.policy import Policy
from rules.backtest.cases import Cases, Told
from rules.evaluate import Look, evaluate
from rules.library.catalogue import HOME_RULES
from rules.snapshot import (
    EVENTS_READ,
    Absence,
    Battery,
    Hearing,
    HomeEvent,
    Installation,
    Said,
    Snapshot,
    WaterSeries,
    instant,
    read_from,
)
from tests.unit.backtest_worlds import HOME

START = datetime(2026, 3, 2, tzinfo=UTC)
H = timedelta(hours=1)
DAY = timedelta(days=1)
BEFORE, LASTS = 4 * DAY, 2.5 * DAY
LATE_WINDOW = timedelta(days=35)

LAZY: Final = {
    Kind.BATTERY_LOW,
    Kind.TAMPER,
    Kind.CLOCK_WRONG,
    Kind.METER_FAULT,
    Kind.HIGH_USE,
    Kind.MONITORING_IMPAIRED,
    Kind.ABSENCE_USE,
    Kind.ABSENCE_CHECK,
}
"""Told within a day, or hours: a look out of turn may tell sooner."""

OVERDUE: Final = 3 * H
"""So far apart are the looks at most for a report that is overdue."""


class Arrival(NamedTuple):
    """A reading of the meter on its way into the database."""

    measured_s: float
    received_s: float
    committed_s: float
    total_l: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What happens in a home, and when that is known.

    Attributes:
        heartbeats: (received, battery in %) of the button.
        events: of the button, by time of receipt.
        tampered: when the meter said so; it goes on saying so.
        is_punctual: the meter is always heard when its interval says so, but for single readings that are lost.
    """

    interval_s: int
    arrivals: Sequence[Arrival]
    heartbeats: Sequence[tuple[datetime, float]]
    events: Sequence[HomeEvent] = ()
    absences: tuple[Absence, ...] = ()
    tampered: datetime | None = None
    is_punctual: bool = True
    policy: Policy = field(default_factory=Policy)


def life(seed: int) -> Life:
    """A life at random."""
    random = Random(seed)
    interval_s = random.choice((900, 1800, 3600))
    begin_s, end_s = (START - BEFORE).timestamp(), (START + LASTS).timestamp()
    start_s = START.timestamp()

    def span(hours: float) -> tuple[float, float]:
        since_s = start_s + random.uniform(-12, 50) * 3600
        return since_s, since_s + hours * 3600

    dry = span(random.choice((0, 5, 11, 14, 30)))
    flowing = span(random.choice((0, 0, 3, 8, 30)))
    lost = span(random.choice((0, 0, 2, 6)))
    held_up = span(random.choice((0, 0, 3, 8, 16)))
    upload_s = random.choice((0, 0, 4 * 3600))
    arrivals: list[Arrival] = []
    total_l = 1001.0
    for place in range(int((end_s - begin_s) / interval_s)):
        at_s = begin_s + (place + 1) * interval_s
        share = interval_s / 3600
        if not dry[0] <= at_s < dry[1]:
            used_l = HOME[int(at_s // 3600) % 24] * share
            total_l += used_l if at_s < start_s else used_l * random.choice((0, 0.5, 1, 1.5))
        if flowing[0] <= at_s < flowing[1]:
            total_l += 90 * share
        received_s = at_s + random.uniform(1, 40)
        if upload_s:
            received_s = (at_s // upload_s + 1) * upload_s
        if held_up[0] <= at_s < held_up[1]:
            received_s = held_up[1]
        elif not upload_s and random.random() < 0.02:  # later than the next one
            received_s += random.uniform(1, 2) * interval_s
        if lost[0] <= at_s < lost[1] or (at_s > start_s and random.random() < 0.02):
            continue
        shown_l = total_l + (random.choice((random.uniform(1e5, 9e5), -total_l)) if random.random() < 0.005 else 0)
        # An upload is seen whole: of half of one, something may have begun later.
        arrivals.append(Arrival(at_s, received_s, received_s + 1, round(shown_l, 1)))
        if random.random() < 0.1:  # again, by a redelivery
            arrivals.append(arrivals[-1])
    button_ends = random.choice((end_s, start_s + 10 * 3600))
    flat_s = start_s + random.choice((20, 1000)) * 3600
    heartbeats = [
        (instant(at_s), 80.0 if at_s < flat_s else 10.0) for at_s in range(int(begin_s), int(button_ends), 3600)
    ]
    pressed = sorted(random.uniform(start_s, button_ends) for _ in range(random.randrange(3)))
    absences: tuple[Absence, ...] = ()
    if random.random() < 0.3:
        from_at = START + random.uniform(-20, 30) * H
        until_at = from_at + random.uniform(3, 30) * H
        absences = (Absence(absence_id=1, from_at=from_at, until_at=until_at, reason="travel"),)
    return Life(
        interval_s=max(interval_s, upload_s),
        is_punctual=lost[0] == lost[1] and held_up[0] == held_up[1],
        arrivals=arrivals,
        heartbeats=heartbeats,
        events=[
            HomeEvent(
                event_id=number,
                kind=random.choice((EventKind.TEST_PRESS, EventKind.BUTTON_ACTION)),
                device="btn-1",
                measured_at=instant(at_s),
                received_at=instant(at_s + 2),
            )
            for number, at_s in enumerate(pressed)
        ],
        absences=absences,
        tampered=START + random.uniform(0, 40) * H if random.random() < 0.3 else None,
        policy=replace(Policy(), inactivity_first_use_by=random.choice(("", "11:00"))),
    )


@dataclass(slots=True)
class Watched:
    """A home that is looked at, with what it would have of a database."""

    lived: Life
    cases: Cases = field(default_factory=Cases)
    looked: list[datetime] = field(default_factory=list)
    last: Look | None = None

    def watch(self, *, also_at: Iterable[datetime] = ()) -> list[Told]:
        """Looks from the beginning to the end of the life; returns what was told."""
        extra = sorted(also_at)
        due = START
        while (now := min([due, *extra[:1]])) < START + LASTS:
            while extra and extra[0] <= now:
                del extra[0]
            look = evaluate(self.snapshot(now), now, HOME_RULES)
            assert not look.errors
            assert look.due_at > now
            assert all(judgement.next_due.tzinfo is UTC for judgement, _, _ in look.standing.values())
            self.cases.report(look.findings, now)
            self.looked.append(now)
            self.last, due = look, look.due_at
        return self.cases.told

    def snapshot(self, now: datetime) -> Snapshot:
        """What is committed, as `rules.loading` would read it."""
        lived, last = self.lived, self.last
        looked_until = None if last is None else last.looked_until
        installed_at = START - BEFORE
        from_s = max(read_from(looked_until, lived.policy, now, LATE_WINDOW), installed_at).timestamp()
        # The first committed of a measured time stays.
        stored: dict[float, Arrival] = {}
        for arrival in sorted(lived.arrivals, key=lambda each: each.committed_s):
            if arrival.committed_s <= now.timestamp():
                stored.setdefault(arrival.measured_s, arrival)
        rows = sorted(stored.values())
        before = [row for row in rows if row.measured_s < from_s][-1:]
        read = [row for row in rows if row.measured_s >= from_s]
        late = any(row.received_s - row.measured_s > meters.CLOCK_STEP_S for row in read)
        read = before + read
        heard_at = max((instant(row.received_s) for row in rows), default=None)
        meter = Installation(
            device="meter-1",
            installed_at=installed_at,
            interval_s=lived.interval_s,
            heard_at=heard_at,
            read_at=heard_at,
            meters_water=True,
            water=WaterSeries(
                measured_s=[row.measured_s for row in read],
                totals_l=[row.total_l for row in read],
                received_s=[row.received_s for row in read] if late else (),
                step_l=meters.step_of([row.total_l for row in read]),
            ),
            said={EventKind.TAMPER: Said(measured_at=lived.tampered, received_at=lived.tampered)}
            if lived.tampered is not None and lived.tampered <= now
            else {},
        )
        beats = [beat for beat in lived.heartbeats if beat[0] <= now]
        events = [event for event in lived.events if event.received_at <= now]
        tests = [event.measured_at for event in events if event.kind == EventKind.TEST_PRESS]
        button = Installation(
            device="btn-1",
            installed_at=START - 33 * DAY,
            interval_s=3600,
            calls=True,
            heard_at=max([beats[-1][0], *(event.received_at for event in events)]),
            battery=Battery(pct=beats[-1][1], measured_at=beats[-1][0]),
            tested_at=max(tests, default=None),
            used_at=max((event.measured_at for event in events), default=None),
        )
        return Snapshot(
            home_id=7,
            time_zone="Asia/Shanghai",
            policy=lived.policy,
            installations=(meter, button),
            absences=tuple(each for each in lived.absences if each.until_at > instant(from_s)),
            events=tuple(event for event in events if event.received_at > now - EVENTS_READ),
            open_kinds=self.cases.open_kinds,
            hearing=Hearing(until=now, since=START - 400 * DAY),
            looked_until=looked_until,
            ongoing={} if last is None else last.ongoing,
        )


def at_random(seed: int, count: int) -> list[datetime]:
    random = Random(seed)
    return [START + random.random() * LASTS for _ in range(count)]


def shuffled(lived: Life, looks: Sequence[datetime], seed: int) -> Life:
    """The same life, committed in another order between the same looks."""
    random = Random(seed)
    edges = [at.timestamp() for at in looks]
    moved = []
    for arrival in lived.arrivals:
        until_s = min((edge for edge in edges if edge >= arrival.committed_s), default=arrival.committed_s)
        since_s = max((edge for edge in edges if edge < arrival.committed_s), default=arrival.received_s)
        earliest_s = max(arrival.received_s, since_s + 1e-3)
        moved.append(arrival._replace(committed_s=max(earliest_s, random.uniform(earliest_s, until_s))))
    random.shuffle(moved)
    return replace(lived, arrivals=moved)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_order_of_commits_within_a_look_changes_nothing(seed: int) -> None:
    lived = life(seed)
    one = Watched(lived)
    told = one.watch()
    other = Watched(shuffled(lived, one.looked, seed))
    assert other.watch() == told
    assert other.looked == one.looked
    assert other.cases.recorded == one.cases.recorded


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_extra_looks_change_nothing(seed: int) -> None:
    lived = life(seed)
    plainly, often = Watched(lived).watch(), Watched(lived).watch(also_at=at_random(seed, 60))
    for one, other in ((plainly, often), (often, plainly)):
        for each in one:
            assert any(is_same(each, known, lived) for known in other) or is_excused(each, lived), each


def apart(kind: Kind, lived: Life) -> timedelta:
    """How far apart the same may be told: an interval, where readings come when they should."""
    if kind in LAZY:
        return DAY
    interval = timedelta(seconds=lived.interval_s)
    return interval if lived.is_punctual else max(interval, OVERDUE)


def is_same(one: Told, other: Told, lived: Life) -> bool:
    """Whether two things told are the same."""
    if one.kind is not other.kind:
        return False
    # The battery's beginning is that of the reading at hand.
    same = one.severity is other.severity and (one.since == other.since or one.kind is Kind.BATTERY_LOW)
    if same and abs(one.raised_at - other.raised_at) <= apart(one.kind, lived):
        return True
    # One case of a home's silent devices may go over from one to the next.
    goes_on = other.raised_at <= one.raised_at and (other.cleared_at is None or other.cleared_at > one.raised_at)
    return one.kind is Kind.MONITORING_LOST and not lived.is_punctual and goes_on


def is_excused(told: Told, lived: Life) -> bool:
    """It is told last of all; or it was over before an overdue report is looked for again, and then only recorded."""
    if told.raised_at + apart(told.kind, lived) >= START + LASTS:
        return True
    return not lived.is_punctual and told.cleared_at is not None and told.cleared_at - told.raised_at <= OVERDUE
