"""A city under watch: what its looks cost, how late they are, and what a change for all homes does to a press.

The role under test is the real `anju rules`, a process of its own on the database that `bench.city` filled. Beside it
the readings of all homes go on arriving, and ingest's hearing goes on; both are written by us, with plain SQL.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final

import psycopg

from bench.children import BenchError
from bench.city import SQL, fill
from bench.stage import Bench
from bench.watch import Watch, arriving, watching
from registry.policy import Scope, change
from storage.pool import connect

Values = dict[str, float]
_LATE_S: Final = 5.0
_OVERDUE_S: Final = 2.0
"""Due longer than this is not simply waiting for the loop's next turn."""
_SETTLE_LIMIT_S: Final = 180.0
_DAY_S: Final = 86_400.0


def watched_homes(bench: Bench) -> Values:
    """Fills the city, lets `anju rules` watch it, then changes the policy of all of it."""
    began_s = time.monotonic()

    def say(what: str) -> None:
        print(f"  homes: {what} ({time.monotonic() - began_s:.0f} s)", file=sys.stderr, flush=True)

    size = bench.size
    with bench.postgres.database() as url:
        city = fill(bench, url, homes=size.homes, say=say)
        with arriving(url, city), watching(bench, url, city) as watch, psycopg.connect(url, autocommit=True) as conn:
            _settle(watch, conn, size.settle_s * 5)
            say("settled")
            steady = _steady(watch, conn, size.watched_s)
            say("watched")
            calm_ms = [watch.press(conn) for _ in _each_second(size.watched_presses)]
            say("pressed")
            drained = _drained(watch, conn, size.drained_s)
            say("changed")
        return {
            "homes": float(city.homes),
            "readings": city.readings,
            "database_gb": city.bytes / 1e9,
            "fill_s": city.filled_s,
            **{f"asked_by_{rule}_per_home_day": count for rule, count in city.asked.items() if count},
            "asked_per_home_day": sum(city.asked.values()),
            **steady,
            **_milliseconds("sos", calm_ms),
            **drained,
            "learn_cpu_ms": city.learning_cpu_s * 1000,
            "learn_cores": city.learning_cpu_s * city.homes / (7 * _DAY_S),
        }


def _settle(watch: Watch, connection: psycopg.Connection, settle_s: float) -> None:
    """Until what came due before the role had started is done, and for a while after that.

    Raises:
        BenchError: it never is.
    """
    deadline = time.monotonic() + _SETTLE_LIMIT_S
    while _overdue_s(connection) > _OVERDUE_S:
        watch.check()
        if time.monotonic() > deadline:
            raise BenchError("the looks do not keep up with the homes that come due")
        time.sleep(0.5)
    time.sleep(settle_s)


def _overdue_s(connection: psycopg.Connection) -> float:
    row = connection.execute(SQL.oldest, {"now": datetime.now(UTC)}).fetchone()
    return float(row[0]) if row else 0.0


def _steady(watch: Watch, connection: psycopg.Connection, watched_s: float) -> Values:
    before, longest_s = watch.read(), 0.0
    for _ in _each_second(round(watched_s)):
        watch.check()
        longest_s = max(longest_s, _overdue_s(connection))
    after = watch.read()
    span_s = after.at_s - before.at_s

    def grown(name: str) -> float:
        return after.counted.get(name, 0.0) - before.counted.get(name, 0.0)

    looks = grown("anju_rules_looks_total")
    if not looks:
        raise BenchError("no home was looked at")
    rules_cores, postgres_cores = (
        (after.rules_s - before.rules_s) / span_s,
        (after.postgres_s - before.postgres_s) / span_s,
    )
    return {
        "looks_per_s": looks / span_s,
        "looks_per_home_day": looks / span_s * _DAY_S / watch.city.homes,
        "rules_cores": rules_cores,
        "postgres_cores": postgres_cores,
        "cores": rules_cores + postgres_cores,
        "cpu_ms_per_look": (rules_cores + postgres_cores) * span_s / looks * 1000,
        "lag_p50_s": _quantile(grown, 0.5),
        "lag_p99_s": _quantile(grown, 0.99),
        "lag_max_s": longest_s,
        "late_looks": looks - grown(f"anju_rules_due_lag_seconds_bucket/{_LATE_S}"),
        "failures": sum(grown(name) for name in after.counted if name.startswith("anju_rules_rule_failures_total")),
        "findings": sum(grown(name) for name in after.counted if name.startswith("anju_rules_findings_total")),
    }


def _quantile(grown: Callable[[str], float], share: float) -> float:
    """From the histogram, straight within a bucket."""
    name, below_s, below = "anju_rules_due_lag_seconds", 0.0, 0.0
    wanted = share * grown(f"{name}_count")
    for limit_s in (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0):
        count = grown(f"{name}_bucket/{limit_s}")
        if count >= wanted:
            return below_s + (limit_s - below_s) * (wanted - below) / max(count - below, 1.0)
        below_s, below = limit_s, count
    return below_s


def _drained(watch: Watch, connection: psycopg.Connection, limit_s: float) -> Values:
    """Changes a limit of the whole site, and presses every second until all homes were looked at, or the time is up."""
    asyncio.run(_change(watch.url))
    before, presses_ms = watch.read(), list[float]()
    rearmed_s = 0.0
    looked = longest_s = 0.0
    for _ in _each_second(round(limit_s)):
        watch.check()
        presses_ms.append(watch.press(connection))
        longest_s = max(longest_s, _overdue_s(connection))
        now = watch.read()
        looked = now.counted["anju_rules_looks_total"] - before.counted["anju_rules_looks_total"]
        if not rearmed_s:
            row = connection.execute(SQL.not_swept).fetchone()
            rearmed_s = now.at_s - before.at_s if row and not row[0] else 0.0
        if rearmed_s and looked >= watch.city.homes and _overdue_s(connection) < _OVERDUE_S:
            break
    after = watch.read()
    span_s = after.at_s - before.at_s
    rate_per_s = looked / span_s
    return {
        "drain_s": max(span_s, watch.city.homes / rate_per_s),
        "drain_measured_share": min(1.0, looked / watch.city.homes),
        "drain_looks_per_s": rate_per_s,
        "drain_swept_s": rearmed_s or span_s,
        "drain_lag_max_s": longest_s,
        "drain_cores": (after.rules_s - before.rules_s + after.postgres_s - before.postgres_s) / span_s,
        **_milliseconds("drain_sos", presses_ms),
    }


async def _change(url: str) -> None:
    async with await connect(url, application_name="bench", autocommit=True) as connection:
        await change(connection, Scope(), {"day_max_l": 1900.0}, now=datetime.now(UTC), actor="bench")


def _milliseconds(name: str, latencies_ms: list[float]) -> Values:
    ranked = sorted(latencies_ms)
    return {
        f"{name}_presses": float(len(ranked)),
        f"{name}_p50_ms": statistics.median(ranked),
        f"{name}_p99_ms": ranked[min(len(ranked) - 1, int(len(ranked) * 0.99))],
        f"{name}_max_ms": ranked[-1],
    }


def _each_second(times: int) -> Iterator[None]:
    began_s = time.monotonic()
    for count in range(times):
        yield
        time.sleep(max(0.0, began_s + count + 1 - time.monotonic()))
