"""From a finding to a telephone: how long the first message takes, by itself and in a storm.

The role under test is the real `anju alerts`, with a webhook and an SMS gateway over HTTP. Findings are reported as
rules report them, in a transaction; the clock starts before that, and stops when a request has arrived whole.
"""

import asyncio
import base64
import json
import random
import secrets
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection

from alerts.findings import Finding, Kind, Reason, Severity, Subject, Verdict, report
from alerts.roster import storing
from alerts.roster.model import Role, read
from bench.children import BenchError, Child
from bench.costs import free_port, usage
from bench.service import environ, python_anju
from bench.stage import Bench
from storage import migrate
from storage.pool import connect

Values = dict[str, float]
_PROVIDER_S: Final = 0.2
_READY_TIMEOUT_S: Final = 60.0
_STORM_TIMEOUT_S: Final = 60.0
_WARM_UP: Final = 10
_STORM_IN_ONE_GO: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """The alerts role, and those whom it tells."""

    url: str
    alerts: Child
    desk: Child
    operator: Child

    def check(self) -> None:
        """The role must still run.

        Raises:
            BenchError: it has ended.
        """
        if self.alerts.process.poll() is not None:
            raise BenchError(f"alerts ended with {self.alerts.process.returncode}:\n{self.alerts.tail()}")

    def at_desk(self) -> dict[int, float]:
        """When each alert first came to the webhook."""
        return _first((json.loads(body)["data"]["alert_id"], at_s) for at_s, body in _calls(self.desk))

    def at_operator(self) -> dict[int, float]:
        """When each alert's first SMS came to the gateway."""
        with psycopg.connect(self.url) as conn:
            rows = conn.execute("SELECT notification_id::text, alert_id FROM notification").fetchall()
        alert_of: Mapping[str, int] = dict(rows)
        return _first((alert_of[json.loads(body)["reference"]], at_s) for at_s, body in _calls(self.operator))


def _calls(receiver: Child) -> list[tuple[float, str]]:
    receiver.tell({"want": "calls"})
    calls = receiver.wait_for("calls", 30)["calls"]
    return [(float(at_s), str(body)) for at_s, body in calls] if isinstance(calls, list) else []


def _first(calls: Iterator[tuple[int, float]]) -> dict[int, float]:
    first: dict[int, float] = {}
    for alert_id, at_s in calls:
        first[alert_id] = min(at_s, first.get(alert_id, at_s))
    return first


def telling(bench: Bench) -> Values:
    """One alert after the other, then all at once to a provider that takes its time."""
    with bench.postgres.database() as url, _role(bench, url, answer_after_s=0.0) as role:
        alone = asyncio.run(_alone(role, bench.size.told_alone, bench.size.press_rate_per_s))
    with bench.postgres.database() as url, _role(bench, url, answer_after_s=_PROVIDER_S) as role:
        storm = asyncio.run(_storm(role, bench.size.told_in_storm))
    return alone | storm


async def _alone(role: Telling, count: int, rate_per_s: float) -> Values:
    chance = random.Random(1)
    begun: dict[int, float] = {}
    async with await connect(role.url, application_name="bench", autocommit=True) as conn:
        await _found(conn, _WARM_UP + count)
        for number in range(1, _WARM_UP + count + 1):
            role.check()
            begun[number] = time.monotonic()
            await _report(conn, [number])
            await asyncio.sleep(chance.uniform(0.5, 1.5) / rate_per_s)
        await _all_told(role, conn, _WARM_UP + count)
    desk, operator = role.at_desk(), role.at_operator()
    measured = range(_WARM_UP + 1, _WARM_UP + count + 1)
    first = [min(desk[n], operator[n]) - begun[n] for n in measured]
    sms = [operator[n] - begun[n] for n in measured]
    return _milliseconds("first", first) | _milliseconds("sms", sms)


async def _storm(role: Telling, count: int) -> Values:
    async with await connect(role.url, application_name="bench", autocommit=True) as conn:
        await _found(conn, _WARM_UP + count)
        for number in range(1, _WARM_UP + 1):
            await _report(conn, [number])
        await _all_told(role, conn, _WARM_UP)
        begun: dict[int, float] = {}
        before, began_s = usage(role.alerts.pid), time.monotonic()
        numbers = list(range(_WARM_UP + 1, _WARM_UP + count + 1))
        for first in range(0, count, _STORM_IN_ONE_GO):
            batch = numbers[first : first + _STORM_IN_ONE_GO]
            at_s = time.monotonic()
            await _report(conn, batch)
            begun |= dict.fromkeys(batch, at_s)
        reported_s = time.monotonic() - began_s
        await _all_told(role, conn, _WARM_UP + count)
        cpu_s = usage(role.alerts.pid).since(before)
    desk, operator = role.at_desk(), role.at_operator()
    sms = [operator[n] - begun[n] for n in numbers]
    return {
        "storm_alerts": float(count),
        "storm_reported_s": reported_s,
        "storm_sms_p50_s": statistics.median(sms),
        "storm_sms_max_s": max(sms),
        "storm_desk_max_s": max(desk[n] - begun[n] for n in numbers),
        "storm_cpu_ms": cpu_s / (2 * count) * 1000,
        "storm_over_s": max(operator.values()) - began_s,
    }


def _milliseconds(name: str, spans_s: list[float]) -> Values:
    ranked = sorted(spans_s)
    return {
        f"{name}_p50_ms": statistics.median(ranked) * 1000,
        f"{name}_p99_ms": ranked[min(len(ranked) - 1, int(len(ranked) * 0.99))] * 1000,
        f"{name}_max_ms": ranked[-1] * 1000,
    }


async def _report(conn: AsyncConnection[Any], numbers: list[int]) -> None:
    """Presses in these homes, each the first: alert numbers are those of the homes."""
    at = datetime.now(UTC)
    findings = [
        Finding(
            subject=Subject(home_id=number, device_name=f"btn-{number}"),
            kind=Kind.SOS,
            verdict=Verdict.RAISE,
            severity=Severity.URGENT,
            since=at,
            reason=Reason(id="sos_pressed", values={"device": f"btn-{number}"}),
            evidence={"event_id": number},
            event_id=number,
        )
        for number in numbers
    ]
    async with conn.transaction():
        await report(conn, findings, at)


async def _all_told(role: Telling, conn: AsyncConnection[Any], alerts: int) -> None:
    deadline = time.monotonic() + _STORM_TIMEOUT_S
    while True:
        role.check()
        row = await (
            await conn.execute(
                "SELECT count(*) FILTER (WHERE channel = 'sms'), count(*) FILTER (WHERE channel = 'webhook')"
                " FROM notification WHERE state = 'accepted'"
            )
        ).fetchone()
        if row is not None and min(row) >= alerts:
            return
        if time.monotonic() > deadline:
            raise BenchError(f"of {alerts} alerts only {row} messages were accepted in {_STORM_TIMEOUT_S:.0f} s")
        await asyncio.sleep(0.2)


async def _found(conn: AsyncConnection[Any], homes: int) -> None:
    """A community with a duty worker."""
    await conn.execute("INSERT INTO area (name, path) VALUES ('One', 'Bench/One')")
    await conn.execute(
        "INSERT INTO home (area_id, name, time_zone) SELECT area_id, 'Door ' || n, 'Asia/Shanghai'"
        " FROM area, generate_series(1, %s) n ORDER BY n",
        [homes],
    )
    await conn.execute(
        "WITH worker AS (INSERT INTO person (key, name, language) VALUES ('duty-1', 'Duty', 'zh') RETURNING person_id)"
        " INSERT INTO person_address (person_id, channel, address)"
        " SELECT person_id, 'sms', '+8613800000000' FROM worker"
    )
    roster = read({"always": ["duty-1"]})
    await storing.write(conn, None, Role.DUTY, roster, now=datetime.now(UTC), by="bench")
    await conn.execute("ANALYZE")


@contextmanager
def _role(bench: Bench, url: str, *, answer_after_s: float) -> Iterator[Telling]:
    migrate.upgrade(url)
    with ExitStack() as stack:
        ports = free_port(), free_port()
        receivers = []
        for name, port in zip(("desk", "operator"), ports, strict=True):
            order = json.dumps({"port": port, "answer_after_s": answer_after_s})
            log = bench.folder / f"{name}.log"
            receivers.append(stack.enter_context(Child.module("bench.webhook", order, log=log)))
            receivers[-1].wait_for("ready", _READY_TIMEOUT_S)
        desk_port, operator_port = ports
        settings = bench.folder / "alerts.toml"
        settings.write_text(
            '[[sms]]\nprovider = "http"\nname = "gateway"\n'
            f'url = "http://127.0.0.1:{operator_port}/send"\n'
            'json = { to = "{to}", text = "{text}", reference = "{reference}" }\n'
        )
        environment = environ(url) | {
            "ANJU_CONFIG": str(settings),
            "ANJU_WEBHOOK_URL": f"http://127.0.0.1:{desk_port}/hook",
            "ANJU_WEBHOOK_SECRET": "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode(),
            "ANJU_WORKER_ID": "bench",
            "ANJU_LOG_LEVEL": "warning",
        }
        alerts = stack.enter_context(
            Child(python_anju("alerts"), log=bench.folder / "alerts.log", environ=environment, talks=False)
        )
        role = Telling(url=url, alerts=alerts, desk=receivers[0], operator=receivers[1])
        _await_ready(role)
        yield role


def _await_ready(role: Telling) -> None:
    deadline = time.monotonic() + _READY_TIMEOUT_S
    with psycopg.connect(role.url, autocommit=True) as conn:
        while True:
            role.check()
            row = conn.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name IN ('anju-alerts-claim', 'anju-alerts-escalate')"
            ).fetchone()
            if row is not None and row[0] == 2:
                return
            if time.monotonic() > deadline:
                raise BenchError(f"the alerts role was not ready in {_READY_TIMEOUT_S:.0f} s:\n{role.alerts.tail()}")
            time.sleep(0.1)
