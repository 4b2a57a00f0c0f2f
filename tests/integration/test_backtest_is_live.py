"""The back-test is the engine: the same readings give the same alerts on a real PostgreSQL, at the same moments."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any, NamedTuple

import pytest
from psycopg import AsyncConnection

from alerts.findings import Kind, Severity
from devices.quantities import WATER_TOTAL
from registry.policy import DEFAULTS
from rules.backtest.series import Series
from rules.backtest.simulation import Home, World
from rules.engine import Engine
from rules.learner import enrol, learn_step
from rules.learning import PERIOD, counting, epoch, from_stored
from rules.snapshot import Learned, instant
from storage import partitions
from tests.rule_town import MIN, H, Town
from tests.unit.backtest_worlds import HOME

DAY = 24 * H
START = datetime(2026, 3, 2, tzinfo=UTC)
WATCHED_FROM, END = START + 16 * DAY, START + 36 * DAY
INTERVAL_S = 1800
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def at(day: int, hour: float) -> float:
    return (START + day * DAY + hour * H).timestamp()


def made_up() -> Series:
    """Five weeks with a habit: a leak, a gap, senseless values, an upload held up, and two days without use."""
    random = Random(4)
    dry, held_up, gap = (at(30, 13), at(32, 13)), (at(24, 3), at(24, 11)), (at(26, 9), at(26, 15))
    leak, tap = (at(20, 5), at(21, 13)), (at(28, 2), at(28, 8))
    measured_s: list[float] = []
    totals_l: list[float] = []
    received_s: list[float] = []
    total_l = 1001.0
    for place in range(int((END - START).total_seconds()) // INTERVAL_S):
        at_s = START.timestamp() + place * INTERVAL_S
        if not dry[0] <= at_s < dry[1]:
            total_l += HOME[place // 2 % 24] * random.choice((0, 0.5, 0.5, 1))
        total_l += 3 if leak[0] <= at_s < leak[1] else 45 if tap[0] <= at_s < tap[1] else 0
        if gap[0] <= at_s < gap[1]:
            continue
        glitch_l = {at(22, 7): 40_000.0, at(31, 2): -900.0}.get(at_s, 0.0)
        measured_s.append(at_s)
        totals_l.append(total_l + glitch_l)
        # What was held up comes in newest first.
        late_s = 2 * (held_up[1] - at_s) if held_up[0] <= at_s < held_up[1] else 0.0
        received_s.append(held_up[1] + late_s / 600 if late_s else at_s + random.randrange(1, 40))
    return Series(
        meter_id="meter-1",
        measured_s=measured_s,
        totals_l=totals_l,
        received_s=[round(each_s) for each_s in received_s],
        measured_every_s=INTERVAL_S,
        interval_s=INTERVAL_S,
    )


class Told(NamedTuple):
    """What a duty worker was told, and when."""

    kind: Kind
    severity: Severity
    since: datetime
    raised_at: datetime
    cleared_at: datetime | None


@dataclass(slots=True)
class Live:
    """A home in the database: readings come in, it is learned and looked at, exactly when that is due."""

    town: Town
    home_id: int
    device_id: int
    series: Series
    seen: dict[tuple[int, str], Told] = field(default_factory=dict)
    looks: int = 0
    _stored: int = 0

    async def watch(self) -> None:
        town, engine = self.town, Engine(clock=lambda: self.town.now, compares_clocks=False)
        arrivals = sorted(range(len(self.series.received_s)), key=self.series.received_s.__getitem__)
        town.now = WATCHED_FROM
        await self._receive(arrivals)
        await enrol(town.conn)
        await learn_step(town.conn, town.now)
        learns_at = epoch(self.home_id, town.now) + PERIOD
        while True:
            due_at = (await town.watch(self.home_id))["due_at"]
            town.now = min(due_at, learns_at)
            if town.now >= END:
                return
            await self._receive(arrivals)
            if town.now == learns_at:
                assert await learn_step(town.conn, town.now) == 1
                learns_at += PERIOD
            else:
                assert await engine.look(town.conn) == 1
                self.looks += 1
                await self._see()

    async def _receive(self, arrivals: Sequence[int]) -> None:
        """What was received by now, in the order of receipt."""
        first, series = self._stored, self.series
        while self._stored < len(arrivals) and series.received_s[arrivals[self._stored]] <= self.town.now.timestamp():
            self._stored += 1
        async with (
            self.town.conn.cursor() as cursor,
            cursor.copy("COPY reading (device_id, quantity, measured_at, received_at, value) FROM STDIN") as copy,
        ):
            for place in arrivals[first : self._stored]:
                times = instant(series.measured_s[place]), instant(series.received_s[place])
                await copy.write_row((self.device_id, WATER_TOTAL.code, *times, series.totals_l[place]))
        await self.town.heard(since=NEVER)

    async def _see(self) -> None:
        cursor = await self.town.conn.execute(
            "SELECT alert_id, kind, severity, since, closed_at FROM alert WHERE outcome IS DISTINCT FROM 'recorded'"
        )
        for alert_id, kind, severity, since, closed_at in await cursor.fetchall():
            known = [told for (number, _), told in self.seen.items() if number == alert_id]
            if all(Severity(severity).rank > told.severity.rank for told in known):
                self.seen[alert_id, severity] = Told(Kind(kind), Severity(severity), since, self.town.now, None)
            for key in [key for key in self.seen if key[0] == alert_id]:
                self.seen[key] = self.seen[key]._replace(cleared_at=closed_at)


@pytest.fixture
async def live(database: AsyncConnection[Any]) -> Live:
    town = await Town.found(database, WATCHED_FROM)
    await partitions.ensure(town.conn, from_=START - DAY, to=END + DAY)
    series = made_up()
    home_id = await town.home("home", due_at=WATCHED_FROM)
    device_id = await town.device(home_id, "meter-1", interval_s=INTERVAL_S, installed_at=series.begins_at)
    return Live(town, home_id, device_id, series)


async def test_the_same_readings_give_the_same_alerts(live: Live) -> None:
    tested = Home(live.home_id, live.series, World(leaves_standing=False), WATCHED_FROM)
    tested.watch(END)
    await live.watch()

    def in_order(told: Sequence[Told]) -> list[Told]:
        return sorted(told, key=lambda each: (each.raised_at, each.kind, each.severity.rank))

    expected = in_order(
        [Told(each.kind, each.severity, each.since, each.raised_at, each.cleared_at) for each in tested.cases.told]
    )
    found = in_order(list(live.seen.values()))
    assert [each[:3] for each in found] == [each[:3] for each in expected]
    for one, other in zip(found, expected, strict=True):
        assert abs(one.raised_at - other.raised_at) <= MIN, one
        assert (one.cleared_at is None) == (other.cleared_at is None), one
        assert one.cleared_at is None or other.cleared_at is None or abs(one.cleared_at - other.cleared_at) <= MIN, one
    assert {(each.kind, each.severity) for each in found} >= {
        (Kind.INACTIVITY, Severity.SOFT),
        (Kind.INACTIVITY, Severity.HARD),
        (Kind.LEAK, Severity.SOFT),
        (Kind.CONTINUOUS_FLOW, Severity.HARD),
        (Kind.MONITORING_LOST, Severity.TECHNICAL),
    }
    assert live.looks == tested.looks
    cursor = await live.town.conn.execute("SELECT kind, since FROM alert WHERE outcome = 'recorded' ORDER BY 1, 2")
    recorded = sorted((each.kind.value, each.since) for each in tested.cases.recorded)
    assert await cursor.fetchall() == recorded
    stored = await (await live.town.conn.execute("SELECT profiles FROM home_profile")).fetchone()
    assert stored is not None
    kept, known = counting(from_stored(stored[0]), END), tested.snapshot(END - MIN).profiles
    assert [each.from_at for each in kept] == [each.from_at for each in known]
    assert lines(kept) == lines(known)
    assert all(lines(kept)), "the habit was learned in time"


@pytest.mark.parametrize("leaves_standing", [False, True])
def test_extra_looks_change_nothing_with_a_learned_line(leaves_standing: bool) -> None:
    random, series = Random(5), made_up()
    extra = [WATCHED_FROM + random.random() * (END - WATCHED_FROM) for _ in range(400)]
    plainly, often = (Home(1, series, World(leaves_standing=leaves_standing), WATCHED_FROM) for _ in range(2))
    plainly.watch(END)
    often.watch(END, also_at=extra)
    assert often.looks > plainly.looks
    assert len(often.cases.told) == len(plainly.cases.told)
    for one, other in zip(plainly.cases.told, often.cases.told, strict=True):
        assert (one.kind, one.severity, one.since) == (other.kind, other.severity, other.since)
        assert abs(one.raised_at - other.raised_at) <= INTERVAL_S * MIN / 60


def lines(learned: Sequence[Learned]) -> list[object]:
    return [each.profile and each.profile.lines[DEFAULTS.inactivity_strictness] for each in learned]
