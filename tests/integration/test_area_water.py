"""Reading the meters of an area from a real PostgreSQL, and what a year of real homes says of water that ran."""

import csv
import gzip
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import AsyncConnection

from registry.policy import DEFAULTS
from rules.area_water import EVERY, AreaWater
from rules.areas import Town
from rules.shut_off import Metered, Read, shut_off
from tests.rule_town import H
from tests.servers import REPOSITORY, missing
from tests.street import DAY, MONDAY, Street

NOW = MONDAY + 9 * DAY + 12 * H
WEEK_S = 7 * 86_400.0


async def read(street: Street, water: AreaWater, area: int, town: Town, *, since_s: float | None = None) -> Read:
    return await water.read(
        street.town.conn,
        [area],
        standing_since_s={} if since_s is None else {area: since_s},
        town=town,
        policies={area: DEFAULTS},
        now=street.town.now,
    )


async def test_homes_with_a_water_meter_count_and_what_was_read_stands_for_five_minutes(
    database: AsyncConnection[Any],
) -> None:
    street = await Street.build(database, 20, now=NOW)
    for place in range(20):
        await street.town.device(await street.town.home(f"button-{place}"), f"button-{place}", interval_s=900)
    lane, north = (street.town.areas[path] for path in ("city/north/lane", "city/north"))
    town = Town(parents={lane: north, north: None}, watched={lane: 40, north: 40}, behind={})
    water = AreaWater()
    lively = await read(street, water, lane, town)
    assert lively == Read({}, {lane: 20}, dict.fromkeys(street.homes, lane))

    street.cut = (NOW, NOW + 20 * H)
    street.town.now += timedelta(hours=4)
    await street.report()
    told = await read(street, water, north, town)
    assert told.together[north].opens
    assert (len(told.together[north].homes), told.together[north].watched) == (20, 20)
    assert set(told.areas.values()) == {lane}

    since_s = told.together[north].since_s
    street.cut = None
    street.town.now += 14 * H
    await street.report()
    assert not (await read(street, water, north, town, since_s=since_s)).together
    street.town.now -= 14 * H
    stands = await read(street, AreaWater(), north, town, since_s=since_s)
    assert stands.together[north].since_s == since_s


async def test_what_was_read_is_not_read_again_at_once(database: AsyncConnection[Any]) -> None:
    street = await Street.build(database, 6, now=NOW)
    lane = street.town.areas["city/north/lane"]
    town, water = Town(parents={lane: None}, watched={lane: 6}, behind={}), AreaWater()
    assert (await read(street, water, lane, town)).metered == {lane: 6}
    await street.town.conn.execute("UPDATE installation SET interval_s = NULL WHERE home_id = %s", (street.homes[0],))
    assert (await read(street, water, lane, town)).metered == {lane: 6}
    street.town.now += EVERY
    assert (await read(street, water, lane, Town({lane: None}, {lane: 5}, {}))).metered == {lane: 5}


def real_homes() -> list[tuple[list[float], list[float]]]:
    """When twelve real homes were read and when they had used water, all moved to the year they are of."""
    file = REPOSITORY.parent / "shared" / "data" / "water" / "homes_hourly.csv.gz"
    if not file.exists():
        missing("../shared/data/water is not there")
    series: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            at_s = datetime.fromisoformat(row["measured_at"]).timestamp()
            series[row["meter_id"]].append((at_s, float(row["total_l"])))
    first_s = min(min(readings)[0] for readings in series.values())
    found = []
    for readings in series.values():
        readings.sort()
        moved_s = round((readings[0][0] - first_s) / (52 * WEEK_S)) * 52 * WEEK_S
        read_s = [at_s - moved_s for at_s, _ in readings]
        used_s = [
            at_s
            for at_s, (_, now_l), (_, before_l) in zip(read_s[1:], readings[1:], readings, strict=False)
            if now_l - before_l >= 1.0
        ]
        found.append((read_s, used_s))
    return found


def test_in_a_year_of_real_homes_the_water_is_never_shut_off() -> None:
    """Twelve homes as they are, every six hours; and as a street of sixty, each moved by weeks, every other day."""
    homes = real_homes()
    begin_s, end_s = (edge(read_s[place] for read_s, _ in homes) for edge, place in ((max, 0), (min, -1)))

    def street(now_s: float, moves: int) -> list[Metered]:
        return [
            Metered(
                100 * move + number,
                1,
                [(read_s[0] + late_s, max(at_s + late_s for at_s in read_s if at_s + late_s <= now_s))],
                [at_s + late_s for at_s in used_s if now_s - 9 * 86_400 <= at_s + late_s <= now_s],
            )
            for move in range(moves)
            for late_s in (move * 3 * WEEK_S,)
            for number, (read_s, used_s) in enumerate(homes)
        ]

    for moves, every_s in ((1, 30 * 3600.0), (5, 9.7 * 86_400)):
        now_s, looks = begin_s + moves * 3 * WEEK_S, 0
        while now_s < end_s:
            together = shut_off(street(now_s, moves), least_homes=5.0, zone=UTC, now_s=now_s)
            assert together is None or not together.opens
            now_s, looks = now_s + every_s, looks + 1
        assert looks > 30
