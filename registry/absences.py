"""Absences: when nobody is home, why, until when, and who said so.

While one lasts, inactivity is not judged; a press or a fall raises an alert as ever. Whatever is noted re-arms the home
in the same transaction.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from registry.errors import RegistryError
from registry.installing import find_home
from storage.sql import load

_SQL = load(__package__, "absences.sql")

LONGEST: Final = timedelta(days=180)
"""Who is away for longer has moved: the devices are to be taken out, or the absence noted anew."""


class Why(StrEnum):
    """Why nobody is home."""

    HOSPITAL = "hospital"
    TRAVEL = "travel"
    FAMILY = "family"
    OTHER = "other"


class AbsenceInvalid(RegistryError):
    """What was given is no absence; nothing was written."""


class AbsenceRefused(RegistryError):
    """What is noted already does not allow it, or there is no such absence; nothing was written."""


class Noted(NamedTuple):
    """An absence as it is on record.

    Attributes:
        area: the path of its home's area.
        until_at: when it was to end.
        ended_at: when it did, where somebody has said so; equal to `from_at` where it never was.
    """

    absence_id: int
    area: str
    home: str
    from_at: datetime
    until_at: datetime
    reason: Why
    noted_at: datetime
    noted_by: str
    ended_at: datetime | None
    ended_by: str | None

    @property
    def over_at(self) -> datetime:
        """When it ends, or did."""
        return self.until_at if self.ended_at is None else self.ended_at

    def state(self, now: datetime) -> str:
        """One word or two for people: coming, away, over, or taken back."""
        if self.over_at <= self.from_at:
            return "taken back"
        if now < self.from_at:
            return "coming"
        return "away" if now < self.over_at else "over"


async def add(
    conn: AsyncConnection[TupleRow],
    home: str,
    *,
    from_at: datetime | None,
    until_at: datetime,
    reason: Why,
    by: str,
    now: datetime,
) -> Noted:
    """Notes that nobody is home from one instant to another; both may lie in the past.

    Args:
        conn: a connection on which no transaction is open.
        home: path of its area and its name, with a slash between them.
        from_at: since when; None: from now on.
        until_at: until when.
        reason: why.
        by: who says so.
        now: the time.

    Raises:
        AbsenceInvalid: it ends before it begins, or lasts longer than `LONGEST`.
        AbsenceRefused: another absence of the home falls into that time.
        InstallationRefused: there is no such home.
    """
    from_at = now if from_at is None else from_at
    check(from_at, until_at)
    async with conn.transaction():
        home_id, key = await find_home(conn, home)
        await conn.execute(_SQL.lock_home, {"home": home_id})
        span = {"home": home_id, "from": from_at, "until": until_at}
        other = await (await conn.execute(_SQL.overlapping, span)).fetchone()
        if other is not None:
            number, begins, ends, why = other
            raise AbsenceRefused(
                f"{key.name}, {key.area}, is noted as absent already: {number} ({why}) from {_shown(begins)} to"
                f" {_shown(ends)}; to prolong it, let this one begin where it ends (--from {_iso(ends)}),"
                f" or end it first (`anju absence end {number}`)"
            )
        row = await (await conn.execute(_SQL.add, {**span, "reason": reason.value, "by": by, "now": now})).fetchone()
        assert row is not None  # noqa: S101 (an insert without a conflict clause returns its row)
        await conn.execute(_SQL.rearm, {"home": home_id, "now": now})
        return await _one(conn, row[0])


async def listed(
    conn: AsyncConnection[TupleRow], *, home: str | None, area: str | None, over: bool, now: datetime
) -> list[Noted]:
    """Absences by when they end.

    Args:
        conn: a connection.
        home: only this home's: path of its area and its name.
        area: only those in this area and below it.
        over: also those that are over.
        now: the time.

    Raises:
        InstallationRefused: there is no such home.
    """
    home_id = None if home is None else (await find_home(conn, home))[0]
    rows = await conn.execute(_SQL.listed, {"home": home_id, "area": area, "over": over, "now": now})
    return [_noted(row) for row in await rows.fetchall()]


async def end(conn: AsyncConnection[TupleRow], which: str, *, at: datetime | None, by: str, now: datetime) -> Noted:
    """Ends an absence; takes it back where it has not begun.

    Args:
        conn: a connection on which no transaction is open.
        which: its number, or a home, of which it must be the only one that is not over, or the one that lasts.
        at: when it ended; None: now.
        by: who says so.
        now: the time.

    Raises:
        AbsenceInvalid: it cannot have ended then.
        AbsenceRefused: there is none, or more than one.
        InstallationRefused: there is no such home.
    """
    async with conn.transaction():
        home_id, absence_id = await _which(conn, which, now)
        await conn.execute(_SQL.lock_home, {"home": home_id})
        found = await _one(conn, absence_id)
        ended_at = ending(found, at, now)
        await conn.execute(_SQL.end, {"absence": absence_id, "at": ended_at, "by": by})
        await conn.execute(_SQL.rearm, {"home": home_id, "now": now})
        return await _one(conn, absence_id)


def check(from_at: datetime, until_at: datetime) -> None:
    """Whether that can be an absence (pure).

    Raises:
        AbsenceInvalid: it ends before it begins, or lasts longer than `LONGEST`.
    """
    if until_at <= from_at:
        raise AbsenceInvalid(f"an absence from {_shown(from_at)} cannot end at {_shown(until_at)}, before it begins")
    if until_at - from_at > LONGEST:
        latest = from_at + LONGEST
        raise AbsenceInvalid(
            f"an absence lasts {LONGEST.days} days at most, here until {_shown(latest)}; it can be prolonged then"
        )


def ending(absence: Noted, at: datetime | None, now: datetime) -> datetime:
    """When an absence is to count as ended (pure).

    Raises:
        AbsenceInvalid: `at` lies ahead, before it began, or after it was over.
        AbsenceRefused: it is over.
    """
    state = absence.state(now)
    if at is None:
        if state in ("over", "taken back"):
            raise AbsenceRefused(
                f"absence {absence.absence_id} is over since {_shown(absence.over_at)}; if it ended earlier,"
                " say when (--at)"
            )
        return max(absence.from_at, now) if state == "away" else absence.from_at
    if at > now:
        raise AbsenceInvalid(f"{_shown(at)} lies ahead: an absence ends when somebody is back")
    if at < absence.from_at:
        raise AbsenceInvalid(
            f"absence {absence.absence_id} began only at {_shown(absence.from_at)}: it cannot end before;"
            " at that very time, it is taken back"
        )
    if at >= absence.over_at:
        raise AbsenceInvalid(f"absence {absence.absence_id} ends at {_shown(absence.over_at)} as it is")
    return at


async def _which(conn: AsyncConnection[TupleRow], which: str, now: datetime) -> tuple[int, int]:
    if which.isascii() and which.isdigit():
        row = None
        if len(which) < 19:
            row = await (await conn.execute(_SQL.home_of, {"absence": int(which)})).fetchone()
        if row is None:
            raise AbsenceRefused(f"there is no absence {which}; `anju absence list --all` has them all")
        return row[0], int(which)
    home_id, key = await find_home(conn, which)
    numbers = [row[0] async for row in await conn.execute(_SQL.of_home, {"home": home_id, "now": now})]
    found = [await _one(conn, number) for number in numbers]
    lasting = [absence for absence in found if absence.state(now) == "away"] or found
    if len(lasting) == 1:
        return home_id, lasting[0].absence_id
    if not lasting:
        raise AbsenceRefused(f"{key.name}, {key.area}, is not noted as absent")
    coming = ", ".join(f"{absence.absence_id} from {_shown(absence.from_at)}" for absence in lasting)
    raise AbsenceRefused(f"{key.name}, {key.area}, is away more than once: {coming}; name one by its number")


async def _one(conn: AsyncConnection[TupleRow], absence_id: int) -> Noted:
    row = await (await conn.execute(_SQL.absence, {"absence": absence_id})).fetchone()
    assert row is not None  # noqa: S101 (absences are never deleted)
    return _noted(row)


def _noted(row: TupleRow) -> Noted:
    number, area, home, from_at, until_at, reason, *rest = row
    return Noted(number, area, home, from_at, until_at, Why(reason), *rest)


def _shown(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
