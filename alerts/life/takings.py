"""How soon alerts are taken, by whomever and from wherever: read from the history, each taking once.

Of several processes one reads at a time. It reads what was entered since it began: what is taken while none reads is in
the history, and in no metric.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final, LiteralString, NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import class_row

from alerts.life.case import Action
from storage import sql

_Q = sql.load(__package__, "takings.sql")
_TAKES: Final = [str(action) for action in (Action.ACKNOWLEDGED, Action.ON_THE_WAY, Action.ON_SCENE)]
_FREES: Final = [str(action) for action in (Action.GIVEN_BACK, Action.LAPSED, Action.REOPENED)]


class Taking(NamedTuple):
    """Somebody took an alert that nobody had.

    Attributes:
        entry_id: The entry that says so.
        severity: Of the alert, as it then was.
        after: How long after it was raised first.
    """

    entry_id: int
    severity: str
    after: timedelta


class Seen(NamedTuple):
    """How far the history was read. Pure.

    Numbers are given before entries are committed, so a lower one may show after a higher one: what lies above the
    newest entry of the reading before the last is read once more.

    Attributes:
        settled: Up to here nothing is read any more.
        newest: The newest entry at the last reading.
        counted: Takings above `settled` that were read.
    """

    settled: int
    newest: int
    counted: frozenset[int] = frozenset()

    def after(self, found: Iterable[int], newest: int) -> "Seen":
        """As it stands once these takings above `settled` are read too; `newest` was asked for before them."""
        return Seen(self.newest, newest, frozenset(number for number in found if number > self.newest))


class Takings:
    """Reads them for as long as its connection lasts, if no other process does."""

    def __init__(self, conn: AsyncConnection[Any]) -> None:
        self._conn = conn
        self._seen: Seen | None = None

    @property
    def reads(self) -> bool:
        """Whether it is this one that reads."""
        return self._seen is not None

    async def fresh(self) -> list[Taking]:
        """What was taken since the last call; nothing at the first one, and while another process reads."""
        if self._seen is None:
            if await self._one(_Q.try_lock):
                newest = await self._one(_Q.newest)
                self._seen = Seen(newest, newest)
            return []
        newest = await self._one(_Q.newest)
        async with self._conn.cursor(row_factory=class_row(Taking)) as cursor:
            await cursor.execute(_Q.takings, {"since": self._seen.settled, "takes": _TAKES, "frees": _FREES})
            found = await cursor.fetchall()
        fresh = [taking for taking in found if taking.entry_id not in self._seen.counted]
        self._seen = self._seen.after((taking.entry_id for taking in found), newest)
        return fresh

    async def _one(self, query: LiteralString) -> int:
        row = await (await self._conn.execute(query)).fetchone()
        return 0 if row is None else int(row[0])
