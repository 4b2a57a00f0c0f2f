"""What a reading costs on disk: on TimescaleDB before and after it is packed away, and on plain PostgreSQL.

Each home has the real 15-minute meter of the shared data, begun at another of its readings and sent some seconds later,
and a battery that reports once a day. Chunks are packed one by one and batches never span them, so weeks add up.
TimescaleDB is the one of the tests (PGlite); a size is a size there, a speed is not one, and none is measured.
"""

import csv
import gzip
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg

from bench.children import BenchError
from bench.stage import Bench
from devices.quantities import BATTERY, WATER_TOTAL
from storage import migrate
from tests.servers import SHARED
from tests.timescale import Timescale

Values = dict[str, float]
Row = tuple[int, int, datetime, datetime, float]

_FROM: Final = datetime(2026, 1, 1, tzinfo=UTC)
_WEEK: Final = timedelta(days=7)
_BATTERY_EVERY: Final = timedelta(days=1)
_CITY: Final = 10_000
_OPEN_DAYS: Final = 43
"""As many days as lie between now and the end of the newest chunk that is packed away."""


def sizes(bench: Bench) -> Values:
    """Fills both with the same readings, and weighs them."""
    homes, weeks = bench.size.kept_homes, bench.size.kept_weeks
    with Timescale() as server:
        migrate.upgrade(server.url)
        packed = _on_timescale(server.url, homes, weeks)
    with bench.postgres.database() as url:
        migrate.upgrade(url)
        plain = _on_plain(url, homes, weeks)
    home_year = plain["readings"] / homes / weeks * 365 / 7
    city_gb = home_year * _CITY / 1e9
    open_share = _OPEN_DAYS / 365
    hours_gb = packed["hours_bytes"] / homes / weeks * 365 / 7 * _CITY / 1e9
    return {
        **plain,
        **packed,
        "city_readings": home_year * _CITY,
        "city_plain_gb": city_gb * plain["plain_bytes"],
        "city_open_gb": city_gb * packed["open_bytes"],
        "city_hours_gb": hours_gb,
        "city_packed_gb": city_gb * (packed["open_bytes"] * open_share + packed["packed_bytes"] * (1 - open_share))
        + hours_gb,
    }


def _on_timescale(url: str, homes: int, weeks: int) -> Values:
    with psycopg.connect(url, autocommit=True) as conn:
        rows = sum(_copy(conn, homes, week) for week in range(weeks))
        open_bytes = _number(conn, "SELECT hypertable_size('reading')")
        conn.execute("SELECT compress_chunk(c) FROM show_chunks('reading') c")
        packed_bytes = _number(conn, "SELECT hypertable_size('reading')")
        conn.execute("CALL refresh_continuous_aggregate('register_per_hour', NULL, NULL)")
        hours_open = _number(conn, _HOURS)
        conn.execute("SELECT compress_chunk(c) FROM show_chunks('register_per_hour') c")
        hours_packed = _number(conn, _HOURS)
    return {
        "open_bytes": open_bytes / rows,
        "packed_bytes": packed_bytes / rows,
        "hours_open_bytes": hours_open,
        "hours_bytes": hours_packed,
    }


_HOURS: Final = """
SELECT hypertable_size(format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name)::regclass)
FROM timescaledb_information.continuous_aggregates
"""


def _on_plain(url: str, homes: int, weeks: int) -> Values:
    with psycopg.connect(url, autocommit=True) as conn:
        for month in range(1, 13):
            conn.execute("SELECT make_reading_partition(%s)", [_FROM.replace(month=month)])
        rows = sum(_copy(conn, homes, week) for week in range(weeks))
        size = _number(
            conn,
            "SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'reading'::regclass"
            " AND pg_relation_size(inhrelid) > 0",
        )
    return {"readings": float(rows), "plain_bytes": size / rows}


def _copy(conn: psycopg.Connection[Any], homes: int, week: int) -> int:
    rows = 0
    # As readings come in: by time, not by home.
    with conn.cursor() as cursor, cursor.copy("COPY reading FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(["int4", "int2", "timestamptz", "timestamptz", "float8"])
        for row in sorted(_week(homes, week), key=lambda row: row[3]):
            copy.write_row(row)
            rows += 1
    return rows


def _week(homes: int, week: int) -> Iterator[Row]:
    meter = _meter()
    begin = _FROM + week * _WEEK
    quarters = _WEEK // timedelta(minutes=15)
    for home in range(1, homes + 1):
        chance = random.Random(home * 1_000 + week)
        first = (home * 37 + week * quarters) % len(meter)
        for number in range(quarters):
            rounds, place = divmod(first + number, len(meter))
            drift_s, total_l = meter[place]
            at = begin + timedelta(minutes=15 * number, seconds=drift_s + home % 60)
            yield home, WATER_TOTAL.code, at, at + _delay(chance), total_l + rounds * meter[-1][1] + home * 1_000
        for day in range(7):
            at = begin + day * _BATTERY_EVERY + timedelta(minutes=home % 1_440)
            yield home, BATTERY.code, at, at + _delay(chance), 97.0 - (week + home) // 9


def _delay(chance: random.Random) -> timedelta:
    return timedelta(microseconds=chance.randint(300_000, 6_000_000))


def _meter() -> list[tuple[int, float]]:
    """By how many seconds each reading is off the quarter of an hour, and what the register showed."""
    file = SHARED / "data" / "water" / "meter_15min.csv.gz"
    if not file.exists():
        raise BenchError("../shared/data is not there")
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        found = []
        for line in csv.DictReader(lines):
            at = datetime.fromisoformat(line["measured_at"])
            found.append((at.minute % 15 * 60 + at.second, float(line["total_l"])))
        return found


def _number(conn: psycopg.Connection[Any], query: str) -> float:
    row = conn.execute(query.encode()).fetchone()
    return float(row[0]) if row else 0.0
