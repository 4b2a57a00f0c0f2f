"""A city of watched homes in its steady state: a water meter that reports every hour and a button in each.

Homes are of a few hundred classes; each home of a class lives the same days, some minutes later than the first one.
The classes are spread over all hours of the clock, so that a minute of the city is a minute of every hour of the day.
The first home of each class has months of history: from it the habits of the class are learned, and the real engine,
on a simulated clock, looks at it for a day. What these looks left is the state in which the whole class begins.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection

from bench.children import BenchError, Child
from bench.costs import usage
from bench.days import HOUR, ZONES, series, zone_name
from bench.servers import Postgres
from bench.service import environ, python_anju
from bench.stage import Bench
from devices import quantities
from rules import learner, metrics, sweep
from rules.engine import Engine
from rules.learning import LOOKED_BACK
from storage import partitions
from storage.pool import connect
from storage.sql import load

SQL = load(__package__, "city.sql")
_CLASSES: Final = 12 * ZONES
_HOMES_PER_COMMUNITY: Final = 500
_READ_BACK: Final = timedelta(hours=59)
"""What a look reads: 54 h before the last one, which was up to 3 h ago, and some more."""
_LIVED: Final = timedelta(hours=26)
_AHEAD: Final = timedelta(hours=2)
"""Readings that are still to arrive while we measure."""
_MARGIN_S: Final = 60e-6
"""Per home: at most what it takes from the moment whose state is filled until all rows of it are there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class City:
    """What was filled.

    Attributes:
        now: the moment whose state it is.
        arrived_until: readings measured later are still to arrive.
        filled_s: how long that took.
        readings: rows of the series, about.
        bytes: of the database.
        learning_cpu_s: of learning the habits of one home, PostgreSQL included.
        asked: rule -> looks per home and day for which it asked in the simulated day.
    """

    homes: int
    now: datetime
    arrived_until: datetime
    filled_s: float
    readings: float
    bytes: float
    learning_cpu_s: float
    asked: dict[str, float]


def classes(homes: int) -> int:
    """How many classes of homes there are."""
    return min(_CLASSES, homes)


def fill(bench: Bench, url: str, *, homes: int, say: Callable[[str], None]) -> City:
    """Fills a fresh database, and returns when the moment has come whose state it holds.

    Raises:
        BenchError: it could not be migrated.
    """
    started_s = time.monotonic()
    child = Child(python_anju("migrate"), log=bench.folder / "prepare.log", environ=environ(url), talks=False)
    if child.process.wait(300):
        raise BenchError(f"anju migrate failed:\n{child.tail()}")
    arrived_until = datetime.now(UTC)
    hour = arrived_until.replace(minute=0, second=0, microsecond=0)
    count = _count(homes, hour)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SQL.unsafe)
        connection.execute(SQL.reload)
        connection.execute(SQL.fast)
        try:
            _draw_homes(connection, homes, hour)
            asyncio.run(_make_partitions(url, hour))
            say("homes drawn")
            with ThreadPoolExecutor(1) as beside:
                registered = beside.submit(_register, url, count)
                _read(connection, homes, hour, arrived_until)
                say("readings there")
                registered.result()
            connection.execute(SQL.batteries, count)
            connection.execute(SQL.key)
            say("indexed")
            connection.execute("ANALYZE")
            learning_cpu_s = asyncio.run(_learn(url, bench.postgres, classes(homes)))
            connection.execute(SQL.learned, {"now": arrived_until, "homes": classes(homes)})
            connection.execute(SQL.profiles, {"now": arrived_until, "classes": classes(homes)})
            say("learned")
            now = datetime.now(UTC) + timedelta(seconds=20 + homes * _MARGIN_S)
            asked = asyncio.run(_live(url, classes(homes), now))
            say("lived a day")
            connection.execute(SQL.index_looks)
            connection.execute(SQL.watches, {"now": now, "classes": classes(homes)})
            connection.execute("VACUUM ANALYZE home_watch")
        finally:
            connection.execute(SQL.safe)
            connection.execute(SQL.reload)
        connection.execute("CHECKPOINT")
        row = connection.execute(SQL.sizes).fetchone()
    filled_s = time.monotonic() - started_s
    say(f"filled in {filled_s:.0f} s")
    time.sleep(max(0.0, (now - datetime.now(UTC)).total_seconds()))
    return City(
        homes=homes,
        now=now,
        arrived_until=arrived_until,
        filled_s=filled_s,
        readings=row[0] if row else 0.0,
        bytes=row[1] if row else 0.0,
        learning_cpu_s=learning_cpu_s,
        asked=asked,
    )


def _count(homes: int, hour: datetime) -> dict[str, object]:
    return {
        "homes": homes,
        "classes": classes(homes),
        "communities": homes // _HOMES_PER_COMMUNITY + 1,
        "now": hour,
        "installed_at": hour - 2 * LOOKED_BACK,
        "battery": quantities.BATTERY.code,
    }


def _draw_homes(connection: psycopg.Connection, homes: int, hour: datetime) -> None:
    connection.execute(SQL.tables)
    with connection.cursor().copy(SQL.copy_classes) as copy:
        for number in range(classes(homes)):
            copy.write_row((number, zone_name(number)))
    with connection.cursor().copy(SQL.copy_series) as copy:
        for number in range(classes(homes)):
            for at, total_l in series(number, hour - LOOKED_BACK, hour + _AHEAD):
                copy.write_row((number, at, total_l))
    connection.execute(SQL.homes, {"homes": homes, "classes": classes(homes)})
    connection.execute(SQL.index_homes)


def _register(url: str, count: Mapping[str, object]) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SQL.fast)
        for query in (SQL.areas, SQL.registered, SQL.devices, SQL.installed, SQL.tests):
            connection.execute(query, count)


async def _make_partitions(url: str, hour: datetime) -> None:
    async with await connect(url, application_name="bench", autocommit=True) as connection:
        await partitions.ensure(connection, from_=hour - LOOKED_BACK - HOUR, to=hour + _AHEAD)


def _read(connection: psycopg.Connection, homes: int, hour: datetime, until: datetime) -> None:
    """All that the meters have sent so far, hour by hour; of the first of each class for months, and to the end."""
    asked = {"quantity": quantities.WATER_TOTAL.code, "classes": classes(homes), "until": until}
    connection.execute(SQL.drop_key)
    connection.execute(SQL.first_readings, asked)
    at = hour - _READ_BACK
    while at <= hour:
        connection.execute(SQL.readings, {**asked, "hour": at})
        at += HOUR


async def _learn(url: str, postgres: Postgres, homes: int) -> float:
    """Learns the habits of the first homes, and returns the CPU that one took."""
    async with await connect(url, application_name="bench", autocommit=True) as connection:
        await connection.execute(SQL.enrol_samples, {"homes": homes})
        before_s, server = time.process_time(), usage(postgres.pid)
        count = 0
        while learned := await learner.learn_step(connection, datetime.now(UTC)):
            count += learned
        return (time.process_time() - before_s + usage(postgres.pid).since(server)) / count


async def _live(url: str, homes: int, now: datetime) -> dict[str, float]:
    """Looks at the first homes as the engine did over the last day, and keeps what each look left.

    Returns:
        Rule -> looks per home and day for which it asked in the last 24 h.
    """
    at = now - _LIVED
    engine = Engine(clock=lambda: at, compares_clocks=False)
    async with await connect(url, application_name="bench", autocommit=True) as connection:
        await connection.execute("SET synchronous_commit = off")
        await sweep.note_releases(connection, engine.rules, at)
        await connection.execute(SQL.forget_requests)  # a role that knows the rules asks for nothing when it starts
        await connection.execute(SQL.watch_samples, {"homes": homes, "now": at})
        before = None
        while at <= now:
            if before is None and at > now - timedelta(days=1):
                before = _asked()
            await connection.execute(SQL.hear, {"until": at, "since": now - LOOKED_BACK})
            await _look(connection, engine, at)
            row = await (await connection.execute(SQL.next_sample)).fetchone()
            at = max(at, row[0] if row else now) + timedelta(milliseconds=500)
    return {rule: count / homes for rule, count in (_asked() - (before or Counter())).items()}


async def _look(connection: AsyncConnection[Any], engine: Engine, at: datetime) -> None:
    row = await (await connection.execute(SQL.due_samples, {"now": at})).fetchone()
    while await engine.look(connection):
        pass
    await connection.execute(SQL.note_looks, {"now": at, "homes": row[0] if row else []})


def _asked() -> Counter[str]:
    return Counter(
        {
            sample.labels["asked_by"]: int(sample.value)
            for family in metrics.NEXT_LOOKS.collect()
            for sample in family.samples
            if sample.name.endswith("_total")
        }
    )
