"""How alerts end: closed by a person with what follows from it, closed as a probe, reopened after a mistake."""

from datetime import datetime
from typing import Any, Final

from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation

from alerts.errors import ChangedMeanwhile, IllegalMove, NoSuchAlert
from alerts.life import acting, cases, closing
from alerts.life import writing as case_writing
from alerts.life.acting import By
from alerts.life.teaching import Closing, absence_offer
from alerts.life.writing import Author, Writing
from alerts.model import Kind, Outcome, State, Subject
from storage import sql

_Q = sql.load(__package__, "commands.sql")

#: Losing the race for a home's leak case this often in a row does not happen.
_TRIES: Final = 5


async def close(conn: AsyncConnection[Any], alert_id: int, outcome: Outcome, by: By) -> Closing:
    """A person ends an alert and says how it ended.

    A leak that was found while seeing to something else is handed on to the home's leak alert in the same transaction.

    Returns:
        What follows: an absence to be noted, the leak alert.

    Raises:
        NoSuchAlert: There is none of this number.
        IllegalMove: It is closed already, or the outcome is the service's own.
        ChangedMeanwhile: It was raised again since the actor looked.
    """
    async with conn.transaction():
        row = await (await conn.execute(_Q.read_subject, {"alert_id": alert_id})).fetchone()
        if row is None:
            raise NoSuchAlert(f"there is no alert {alert_id}")
        kind, home_id = row
        leak_in = home_id if outcome is Outcome.LEAK and kind != Kind.LEAK else None
        # As reporters do: the cases of one home in the order of their kinds, so that none waits for each other.
        leak_first = kind > Kind.LEAK
        leak_id = await _hand_on(conn, alert_id, leak_in, by) if leak_first else None
        at = await acting.lock(conn, alert_id, by)
        await acting.write(conn, at, closing.close(at.case, outcome, by.now), by)
        if not leak_first:
            leak_id = await _hand_on(conn, alert_id, leak_in, by)
        offer = absence_offer(at.case, at.place, outcome, by.now)
        if offer is not None:
            asked = {"home_id": offer.home_id, "now": by.now}
            absent = await (await conn.execute(_Q.is_absent, asked)).fetchone()
            offer = offer if absent is None else None
    return Closing(offers=() if offer is None else (offer,), leak_alert_id=leak_id)


async def _hand_on(conn: AsyncConnection[Any], alert_id: int, home_id: int | None, by: By) -> int | None:
    """Enters a leak in the home's leak case, or opens one; returns its number. None where there is nothing to do."""
    if home_id is None:
        return None
    asked = {"subject": Subject(home_id=home_id).key, "kind": str(Kind.LEAK)}
    for _ in range(_TRIES):
        row = await (await conn.execute(_Q.open_of_kind, asked)).fetchone()
        known = None if row is None else await cases.lock_one(conn, row[0])
        if known is not None and known.case.state is State.CLOSED:
            continue
        place = await cases.place_of_home(conn, home_id) if known is None else known.place
        change = closing.hand_on(None if known is None else known.case, home_id, alert_id, by.now)
        writing = Writing(
            change=change,
            place=place,
            said=change.case.reason,
            author=Author(actor=by.actor, source=by.source, detail=by.detail),
            first_told=place.watchers if change.tell is not None else (),
        )
        (written,) = await case_writing.write(conn, [writing], by.now)
        if written is not None:
            return written
    raise ChangedMeanwhile(f"others keep opening and closing the leak alert of home {home_id}; try again")


async def close_probe(conn: AsyncConnection[Any], alert_id: int, now: datetime) -> None:
    """Ends the alert of one of the service's own presses; nobody is told.

    Raises:
        NoSuchAlert: There is none of this number.
        IllegalMove: It is a real one, or closed already.
    """
    async with conn.transaction():
        at = await acting.lock(conn, alert_id, by := By(actor="probe", source="alerts", now=now))
        if not at.place.probe:
            raise IllegalMove(f"alert {alert_id} is no probe: a person closes it")
        await acting.write(conn, at, closing.close_probe(at.case, now), by)


async def reopen(conn: AsyncConnection[Any], alert_id: int, by: By) -> None:
    """It was closed by mistake: it is open again, and the telling begins anew.

    Raises:
        NoSuchAlert: There is none of this number.
        IllegalMove: It is not closed, was closed more than 24 h ago, or a newer one of its kind is open.
    """
    try:
        async with conn.transaction():
            at = await acting.lock(conn, alert_id, by)
            asked = {"subject": at.place.subject.key, "kind": str(at.case.kind)}
            row = await (await conn.execute(_Q.open_of_kind, asked)).fetchone()
            newer = row[0] if row is not None and row[0] != alert_id else None
            await acting.write(conn, at, closing.reopen(at.case, by.now, newer=newer), by)
    except UniqueViolation:
        raise IllegalMove("cannot reopen this alert: a newer one of its kind was opened in this moment") from None
