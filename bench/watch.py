"""The rules role on a filled city, the readings that go on arriving beside it, and presses."""

import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import psycopg
from prometheus_client.parser import text_string_to_metric_families

from bench.children import BenchError, Child
from bench.city import SQL, City
from bench.costs import free_port, usage
from bench.days import HOUR
from bench.service import environ, python_anju
from bench.stage import Bench
from devices import quantities

_HEAR_EVERY_S: Final = 10.0
_TICK_S: Final = 1.0
_PRESS_LIMIT_S: Final = 30.0
_START_LIMIT_S: Final = 60.0


class Reading(NamedTuple):
    """What the role has counted and what it and the database have used, at one moment."""

    at_s: float
    counted: Mapping[str, float]
    rules_s: float
    postgres_s: float


@dataclass(slots=True)
class Watch:
    """The role under test, and what we know of it."""

    bench: Bench
    url: str
    city: City
    rules: Child
    metrics_port: int
    pressed: int = 0

    def read(self) -> Reading:
        """Reads the counters and the clocks.

        Raises:
            BenchError: the role has ended.
            OSError: it does not answer.
        """
        self.check()
        address = f"http://127.0.0.1:{self.metrics_port}/metrics"
        with urllib.request.urlopen(address, timeout=30) as answer:
            text = answer.read().decode()
        return Reading(
            at_s=time.monotonic(),
            counted={
                sample.name + "".join(f"/{value}" for value in sample.labels.values()): sample.value
                for family in text_string_to_metric_families(text)
                for sample in family.samples
                if sample.name.startswith("anju_rules_")
            },
            rules_s=usage(self.rules.pid).cpu_s,
            postgres_s=usage(self.bench.postgres.pid).cpu_s,
        )

    def check(self) -> None:
        """The role must still run.

        Raises:
            BenchError: it has ended.
        """
        if self.rules.process.poll() is not None:
            raise BenchError(f"rules ended with {self.rules.process.returncode}:\n{self.rules.tail()}")

    def press(self, connection: psycopg.Connection) -> float:
        """Commits a press as ingest would, and returns the milliseconds until its alert can be seen.

        Raises:
            BenchError: none came.
        """
        self.pressed += 1
        home = self.city.homes - self.pressed
        key = f"press-{self.pressed}"
        with connection.transaction():
            asked = {"home": home, "homes": self.city.homes, "key": key, "now": datetime.now(UTC)}
            connection.execute(SQL.press, asked)
            connection.execute(SQL.notify)
        began_s = time.monotonic()
        while time.monotonic() < began_s + _PRESS_LIMIT_S:
            row = connection.execute(SQL.alerted, {"subject": f"home/{home}"}).fetchone()
            if row and row[0]:
                return (time.monotonic() - began_s) * 1000
            time.sleep(0.001)
        raise BenchError(f"a press of home {home} raised nothing within {_PRESS_LIMIT_S:.0f} s")


@contextmanager
def watching(bench: Bench, url: str, city: City) -> Iterator[Watch]:
    """Starts `anju rules`, and waits until it can be asked for its counters.

    Raises:
        BenchError: it does not start.
    """
    port = free_port()
    settings = environ(url) | {"ANJU_METRICS_PORT_RULES": str(port)}
    log = bench.folder / "rules.log"
    with Child(python_anju("rules"), log=log, environ=settings, talks=False) as rules:
        watch = Watch(bench=bench, url=url, city=city, rules=rules, metrics_port=port)
        deadline = time.monotonic() + _START_LIMIT_S
        while True:
            watch.check()
            with suppress(OSError):
                watch.read()
                break
            if time.monotonic() > deadline:
                raise BenchError(f"rules did not start:\n{rules.tail()}")
            time.sleep(0.1)
        yield watch


@contextmanager
def arriving(url: str, city: City) -> Iterator[None]:
    """The readings of all homes and ingest's hearing, in a thread of its own."""
    ended = threading.Event()
    failed: list[psycopg.Error] = []

    def write() -> None:
        try:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("SET synchronous_commit = off")
                _write(connection, city, ended)
        except psycopg.Error as error:
            failed.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    if failed:
        raise failed[0]


def _write(connection: psycopg.Connection, city: City, ended: threading.Event) -> None:
    arrived, heard_s = city.arrived_until, -_HEAR_EVERY_S
    quantity = quantities.WATER_TOTAL.code
    while True:
        until = datetime.now(UTC)
        hour = arrived.replace(minute=0, second=0, microsecond=0)
        while hour <= until:
            asked = {"quantity": quantity, "hour": hour, "after": arrived, "until": min(until, hour + HOUR)}
            connection.execute(SQL.arrive, asked)
            hour += HOUR
        arrived = until
        if time.monotonic() >= heard_s + _HEAR_EVERY_S:
            heard_s = time.monotonic()
            connection.execute(SQL.hear, {"until": until, "since": city.now - timedelta(days=30)})
        if ended.wait(_TICK_S):
            return
