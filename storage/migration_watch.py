"""Who is in the way of a migration, and whom it is in the way of: seen from a connection beside it."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, LiteralString, Self

import psycopg
from psycopg.rows import class_row

from storage.errors import StorageError
from storage.sql import load

_Q: Final = load(__package__, "migration_watch.sql")
_EVERY_S: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session of the database, as its own monitoring shows it; what we may not see of others is None."""

    pid: int
    application_name: str | None
    state: str | None

    def __str__(self) -> str:
        return f"{self.application_name or 'a session'} (pid {self.pid}, {self.state or 'state unknown'})"


class Watch:
    """While it is entered, cancels a migration that holds others up; may be entered again for another try.

    On the one-session PostgreSQL of tests it sees nothing, and does no harm.

    Args:
        migrating: the connection that the migration runs on.
        connect: makes another one.
        patience_s: how long somebody may wait for the migration.
        deadline_s: until when, by the monotonic clock, the migration may wait for somebody.
    """

    def __init__(
        self,
        migrating: psycopg.Connection,
        connect: Callable[[], psycopg.Connection],
        patience_s: float,
        deadline_s: float,
    ) -> None:
        self.deadline_s = deadline_s
        self.obstacle = ""
        self._migrating = migrating
        self._pid = migrating.info.backend_pid
        self._connect = connect
        self._patience_s = patience_s
        self._held_up_since_s: dict[int, float] = {}
        self._over = threading.Event()
        # Nothing is cancelled once the step is over: the connection then serves the next one.
        self._cancelling = threading.Lock()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.obstacle = "others were in the way"
        self._held_up_since_s = {}
        self._over.clear()
        self._thread = threading.Thread(target=self._look_on, name="migration watch", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._cancelling:
            self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _look_on(self) -> None:
        # Most steps are over before there is anything to see.
        if self._over.wait(_EVERY_S):
            return
        try:
            with self._connect() as beside:
                beside.autocommit = True
                while not self._over.is_set():
                    self._look(beside)
                    self._over.wait(_EVERY_S)
        except (psycopg.Error, StorageError):
            # What remains is lock_timeout, which the server itself sees to.
            return

    def _look(self, beside: psycopg.Connection) -> None:
        now_s = time.monotonic()
        holders = _sessions(beside, _Q.in_its_way, self._pid)
        held_up = {session.pid: session for session in _sessions(beside, _Q.held_up_by_it, self._pid)}
        if holders:
            wanted = beside.execute(_Q.what_it_waits_for, [self._pid]).fetchone()
            what = wanted[0] if wanted and wanted[0] else "a transaction to end"
            self.obstacle = f"waits for {what}, in use by {', '.join(map(str, holders))}"
        self._held_up_since_s = {pid: self._held_up_since_s.get(pid, now_s) for pid in held_up}
        waiting_too_long = [
            held_up[pid] for pid, since_s in self._held_up_since_s.items() if now_s - since_s >= self._patience_s
        ]
        if waiting_too_long and not holders:
            self.obstacle = f"held up {', '.join(map(str, waiting_too_long))} for {self._patience_s:g} s"
        if waiting_too_long or (holders and now_s > self.deadline_s):
            with self._cancelling:
                if not self._over.is_set():
                    self._migrating.cancel_safe(timeout=5)


def _sessions(beside: psycopg.Connection, query: LiteralString, pid: int) -> list[Session]:
    with beside.cursor(row_factory=class_row(Session)) as cursor:
        return cursor.execute(query, [pid]).fetchall()
