"""When everything that was published is committed: asked of the table, by each publisher's last message.

A publisher's messages keep their order on their way, and a batch commits whole, so the last ones of all publishers
stand for all; the full count, made after the clock has stopped, proves it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, LiteralString, Self

import psycopg

from bench.children import BenchError
from bench.load import METERS, meter_names

_POLL_S: Final = 0.01

_SERVICE_METERS: Final[LiteralString] = "SELECT device_id FROM device WHERE name = ANY(%s)"
_SERVICE_LAST: Final[LiteralString] = (
    "SELECT count(*) FROM reading WHERE device_id = ANY(%s) AND quantity = ANY(%s) AND measured_at = %s"
)
_SERVICE_ALL: Final[LiteralString] = "SELECT count(*) FROM reading WHERE device_id = ANY(%s)"
_PEER_LAST: Final[LiteralString] = "SELECT count(*) FROM bench_reading WHERE device = ANY(%s) AND measured_at = %s"
_PEER_LAST_NARROW: Final[LiteralString] = (
    "SELECT count(*) FROM bench_reading WHERE device = ANY(%s) AND quantity = ANY('{1,2}') AND measured_at = %s"
)
_PEER_ALL: Final[LiteralString] = "SELECT count(*) FROM bench_reading WHERE device = ANY(%s)"


@dataclass(slots=True, kw_only=True)
class Arrivals:
    """One table that readings of the bench's meters arrive in."""

    connection: psycopg.Connection
    last_query: LiteralString
    all_query: LiteralString
    key: list[object] = field(default_factory=list)
    meters: object
    rows_per_message: int

    @classmethod
    def at_service(cls, connection: psycopg.Connection) -> Self:
        """The service's own table."""
        devices = [row[0] for row in connection.execute(_SERVICE_METERS, (meter_names(METERS),))]
        quantities = [row[0] for row in connection.execute("SELECT quantity FROM quantity")]
        if len(devices) != METERS:
            raise BenchError(f"{len(devices)} of {METERS} meters are installed")
        return cls(
            connection=connection, last_query=_SERVICE_LAST, all_query=_SERVICE_ALL, key=[devices, quantities],
            meters=devices, rows_per_message=2,
        )  # fmt: skip

    @classmethod
    def at_peer(cls, connection: psycopg.Connection, *, rows_per_message: int) -> Self:
        """A peer's table."""
        names = meter_names(METERS)
        return cls(
            connection=connection, last_query=_PEER_LAST_NARROW if rows_per_message == 2 else _PEER_LAST,
            all_query=_PEER_ALL, key=[names], meters=names, rows_per_message=rows_per_message,
        )  # fmt: skip

    def count(self) -> int:
        """All rows of the bench's meters."""
        row = self.connection.execute(self.all_query, (self.meters,)).fetchone()
        return int(row[0]) if row else 0

    def complete(self, last_at: datetime) -> bool:
        """Whether the last message of every meter is committed."""
        row = self.connection.execute(self.last_query, (*self.key, last_at)).fetchone()
        return row is not None and row[0] == METERS * self.rows_per_message

    def wait(self, last_at: datetime, *, timeout_s: float, check: Callable[[], None]) -> float:
        """Waits until all is committed and returns that moment (monotonic seconds).

        Raises:
            BenchError: not within the time.
        """
        deadline = time.monotonic() + timeout_s
        while not self.complete(last_at):
            check()
            if time.monotonic() > deadline:
                raise BenchError(f"{self.count()} rows after {timeout_s:.0f} s: readings are missing")
            time.sleep(_POLL_S)
        return time.monotonic()

    def wait_for_first(self, *, timeout_s: float, check: Callable[[], None]) -> tuple[float, int]:
        """Waits for the first commit.

        Returns:
            The moment at which it was seen (monotonic seconds) and the rows that stood there at that moment.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            rows = self.count()
            if rows:
                return time.monotonic(), rows
            check()
            if time.monotonic() > deadline:
                raise BenchError(f"nothing was stored within {timeout_s:.0f} s")
            time.sleep(_POLL_S)

    def verify(self, messages: int) -> None:
        """The proof of a run: as many rows as were published.

        Raises:
            BenchError: fewer or more.
        """
        rows, expected = self.count(), messages * self.rows_per_message
        if rows != expected:
            raise BenchError(f"{rows} rows stored, {expected} expected: the run counts for nothing")
