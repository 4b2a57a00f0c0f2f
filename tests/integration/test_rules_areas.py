"""Area correlation on a real PostgreSQL: one incident instead of five hundred alerts, and nothing of it lost after."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from psycopg import AsyncConnection

from registry.policy import DEFAULTS
from rules.area_watch import AreaWatch
from rules.engine import Engine
from rules.wake import Waker
from rules.worker import RulesOptions, run
from tests.rule_town import MIN, H, Town

QUARTER = 15 * MIN


class Street:
    """Homes whose meters report every quarter of an hour, each at its own minute, on a simulated clock."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.engine = Engine(clock=lambda: town.now, compares_clocks=False)
        self.areas = AreaWatch()
        self.homes: list[int] = []
        self.devices: list[int] = []
        self.totals_l: dict[int, float] = {}

    @property
    def conn(self) -> AsyncConnection[Any]:
        return self.town.conn

    async def build(self, homes: int, *, area: str = "city/north/lane", gateway: str | None = None) -> Sequence[int]:
        """The places of new homes; the devices of each are heard through one gateway, if that is known."""
        first = len(self.homes)
        cursor = await self.conn.execute(
            "INSERT INTO home (area_id, name, time_zone)"
            " SELECT %s, 'h' || n, 'Asia/Shanghai' FROM generate_series(%s::integer, %s::integer) n RETURNING home_id",
            (self.town.areas[area], first, first + homes - 1),
        )
        new = [row[0] for row in await cursor.fetchall()]
        cursor = await self.conn.execute(
            "INSERT INTO device (name, driver) SELECT 'meter-' || n, 'native'"
            " FROM generate_series(%s::integer, %s::integer) n RETURNING device_id",
            (first, first + homes - 1),
        )
        devices = [row[0] for row in await cursor.fetchall()]
        await self.conn.execute(
            "INSERT INTO installation (device_id, home_id, interval_s, gateway, installed_at)"
            " SELECT d, h, 900, %s, %s FROM unnest(%s::integer[], %s::integer[]) AS new (d, h)",
            (gateway, self.town.now - 30 * 24 * H, devices, new),
        )
        await self.conn.execute("SELECT rearm_home(h, %s) FROM unnest(%s::integer[]) AS h", (self.town.now, new))
        self.homes += new
        self.devices += devices
        return range(first, first + homes)

    def phase(self, place: int) -> timedelta:
        """How long before the full quarter the meter of a home reports: spread over the quarter."""
        return timedelta(seconds=1 + (place * 557) % 899)

    async def report(self, places: Iterable[int], *, from_at: datetime, until: datetime, used_l: float = 5.0) -> None:
        """What the meters send from one moment until another."""
        rows = []
        for place in places:
            at = from_at - self.phase(place) + QUARTER
            while at < until:
                total_l = self.totals_l[place] = self.totals_l.get(place, 1000.0) + used_l
                rows.append((self.devices[place], 1, at, at + timedelta(seconds=3), total_l))
                at += QUARTER
        async with self.conn.cursor().copy(
            "COPY reading (device_id, quantity, measured_at, received_at, value) FROM STDIN"
        ) as copy:
            for row in rows:
                await copy.write_row(row)

    async def run(self, until: datetime, *, step: timedelta = timedelta(seconds=30), deaf: bool = False) -> None:
        """Engine and area watch, on and on until a moment."""
        while self.town.now < until:
            self.town.now += step
            if not deaf:
                await self.town.heard()
            while await self.engine.look(self.conn):
                pass
            await self.areas.look(self.conn, self.town.now)

    async def messages(self) -> Counter[tuple[str, str]]:
        """(kind, type) of all messages that went out."""
        cursor = await self.conn.execute(
            "SELECT a.kind, n.body ->> 'type' FROM notification n JOIN alert a USING (alert_id)"
        )
        return Counter((kind, name.rpartition(".")[2]) for kind, name in await cursor.fetchall())

    async def open_alerts(self) -> list[tuple[str, str]]:
        return [(subject, kind) for subject, kind, state in await self.town.alerts() if state != "closed"]

    async def unprotected(self) -> int:
        row = await (await self.conn.execute("SELECT count(*) FROM unprotected_home")).fetchone()
        assert row is not None
        return int(row[0])


@pytest.fixture
async def street(database: AsyncConnection[Any]) -> Street:
    return Street(await Town.found(database))


async def test_a_gateway_is_cut_and_one_message_goes_out(street: Street) -> None:
    """500 homes fall silent within a quarter of an hour; a press meanwhile is told at once; three stay silent."""
    town, cut = street.town, street.town.now
    places = await street.build(500, gateway="gw-3")
    await street.report(places, from_at=cut - 2 * H, until=cut)
    await street.run(cut + 45 * MIN, step=5 * MIN)
    assert await street.messages() == {}
    await street.run(cut + 52 * MIN)
    assert await street.messages() == {("area_incident", "raised"): 1}
    assert await street.open_alerts() == [("gateway/gw-3", "area_incident")]

    await town.device(street.homes[7], "btn-7")
    await town.event("btn-7", "button_press")
    await Waker().drain(street.conn)
    assert (await street.messages())["sos", "raised"] == 1

    await street.run(cut + 2 * H, step=MIN)
    assert await street.messages() == {("area_incident", "raised"): 1, ("sos", "raised"): 1}
    assert await street.unprotected() == 500
    row = await (
        await street.conn.execute("SELECT severity, reason FROM alert WHERE kind = 'area_incident'")
    ).fetchone()
    assert row is not None
    assert row[0] == "hard"
    assert row[1].startswith("nothing heard from 500 of 500 homes behind gateway gw-3 since about ")

    back = town.now
    for quarter in range(12):
        await street.report(places[3:], from_at=back + quarter * QUARTER, until=back + (quarter + 1) * QUARTER)
        await street.run(back + (quarter + 1) * QUARTER, step=MIN)
        told = await street.messages()
        if quarter < 2:
            assert ("monitoring_lost", "raised") not in told
    assert told["area_incident", "raised"] == told["area_incident", "cleared"] == 1
    assert told["monitoring_lost", "raised"] == 3
    silent = sorted((f"home/{home}", "monitoring_lost") for home in street.homes[:3])
    assert [alert for alert in await street.open_alerts() if alert[1] == "monitoring_lost"] == silent
    assert await street.unprotected() == 0


async def test_after_an_outage_of_our_own_nobody_is_silent_or_inactive(street: Street) -> None:
    deaf_at = street.town.now
    places = await street.build(500, gateway="gw-3")
    await street.report(places, from_at=deaf_at - 2 * H, until=deaf_at)
    await street.run(deaf_at, step=MIN)
    await street.run(deaf_at + 14 * H, step=30 * MIN, deaf=True)
    await street.town.heard(since=street.town.now)
    heard_at = street.town.now
    for place in places:
        street.totals_l[place] += 14 * 20.0  # they went on living
    for quarter in range(1, 6):
        at = heard_at + quarter * QUARTER
        await street.report(places, from_at=at - QUARTER, until=at)
        street.town.now = at
        await street.town.heard(since=heard_at)
        while await street.engine.look(street.conn):
            pass
        await street.areas.look(street.conn, at)
    assert await street.messages() == {}


async def test_a_home_that_falls_silent_alone_is_told_after_two_minutes(street: Street) -> None:
    now = street.town.now
    places = await street.build(20)
    await street.report(places, from_at=now - 2 * H, until=now)
    await street.report(places[1:], from_at=now, until=now + 2 * H)
    await street.run(now + 2 * H, step=MIN)
    assert await street.messages() == {("monitoring_lost", "raised"): 1}
    row = await (await street.conn.execute("SELECT raised_at - since FROM alert")).fetchone()
    assert row is not None
    assert DEFAULTS.silence_limit(900) + 2 * MIN <= row[0] <= DEFAULTS.silence_limit(900) + 5 * MIN


async def test_a_small_community_has_few_alerts_of_its_own_and_they_become_part(street: Street) -> None:
    cut = street.town.now
    places = await street.build(10)
    await street.report(places, from_at=cut - 2 * H, until=cut)
    await street.run(cut + 90 * MIN)
    told = await street.messages()
    assert told["area_incident", "raised"] == 1
    assert told["monitoring_lost", "raised"] <= 4
    assert told["monitoring_lost", "cleared"] == told["monitoring_lost", "raised"]
    lane = street.town.areas["city/north/lane"]
    assert await street.open_alerts() == [(f"area/{lane}", "area_incident")]


async def test_a_network_that_fails_again_is_one_more_incident_and_nothing_else(street: Street) -> None:
    start = street.town.now
    places = await street.build(100)
    for begins, ends in ((start - 2 * H, start), (start + 3 * H, start + 5 * H)):
        await street.report(places, from_at=begins, until=ends)
    await street.run(start + 7 * H)
    told = await street.messages()
    assert told == {("area_incident", "raised"): 2, ("area_incident", "cleared"): 1}


async def test_communities_beside_each_other_make_one_incident_of_the_area_above(street: Street) -> None:
    town = street.town
    for name in ("yard", "court"):
        town.areas[f"city/north/{name}"] = await town._one(
            "INSERT INTO area (parent_id, name, path) VALUES (%s, %s, %s) RETURNING area_id",
            town.areas["city/north"],
            name,
            f"city/north/{name}",
        )
    cut = town.now
    for area in ("city/north/lane", "city/north/yard", "city/north/court"):
        places = await street.build(40, area=area)
        await street.report(places, from_at=cut - 2 * H, until=cut)
    await street.report(range(80, 120), from_at=cut, until=cut + 90 * MIN)
    await street.run(cut + 90 * MIN)
    told = await street.messages()
    assert ("monitoring_lost", "raised") not in told
    assert await street.open_alerts() == [(f"area/{town.areas['city/north']}", "area_incident")]
    assert await street.unprotected() == 80


async def test_water_shut_off_is_one_incident_and_who_was_dry_before_keeps_the_alert(street: Street) -> None:
    town, shut = street.town, street.town.now - 11 * H
    places = await street.build(60)
    await street.report(places[1:], from_at=shut - 10 * H, until=shut)
    await street.report(places[:1], from_at=shut - 10 * H, until=shut - 6 * H)
    await street.report(places[:1], from_at=shut - 6 * H, until=shut, used_l=0.0)
    await street.report(places, from_at=shut, until=town.now + 5 * H, used_l=0.0)
    await street.run(shut + 11.7 * H, step=MIN)
    await street.run(shut + 12.5 * H, step=timedelta(seconds=10))
    told = await street.messages()
    assert told["area_incident", "raised"] == 1
    assert told["inactivity", "raised"] <= 5
    await street.run(town.now + H, step=MIN)
    assert (await street.messages())["inactivity", "raised"] == told["inactivity", "raised"]


async def test_the_role_looks_at_the_areas(street: Street, database_url: str) -> None:
    """On the wall clock: an incident whose homes are all well is ended by the running role."""
    lane, now = street.town.areas["city/north/lane"], street.town.now
    await street.conn.execute(
        "INSERT INTO area_trouble"
        " (scope, cause, area_id, since, suspected_at, opened_at, told, told_area_id, homes, watched)"
        " VALUES (%(told)s, 'silent', %(lane)s, %(now)s, %(now)s, %(now)s, %(told)s, %(lane)s, 40, 40)",
        {"told": f"area/{lane}", "lane": lane, "now": now},
    )
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(run(RulesOptions(database_url=database_url), stop=stop))
        try:
            async with asyncio.timeout(20):
                while True:
                    row = await (await street.conn.execute("SELECT ended_at FROM area_trouble")).fetchone()
                    if row is not None and row[0] is not None:
                        break
                    await asyncio.sleep(0.05)
        finally:
            stop.set()


async def test_two_processes_look_in_turns(street: Street) -> None:
    other = AreaWatch()
    assert await street.areas.look(street.conn, street.town.now)
    assert not await other.look(street.conn, street.town.now + timedelta(seconds=1))
    assert await other.look(street.conn, street.town.now + timedelta(seconds=10))
