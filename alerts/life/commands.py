"""What people do with alerts, from the command line, a page, an SMS or a call, and the escalation in their stead.

Each command is a transaction of its own, or part of the caller's. Those who were already told hear of it.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from psycopg import AsyncConnection

from alerts.errors import NoSuchPerson, NothingSaid
from alerts.life import acting, handling
from alerts.life.acting import By
from alerts.life.case import Action, Change
from alerts.life.cases import Locked, Recipient
from alerts.life.ending import close, close_probe, reopen
from alerts.life.reading import AlertDetails, AlertRow, EntryRow, MessageRow, list_alerts, related, show
from alerts.life.teaching import Closing
from storage import sql

__all__ = [
    "AlertDetails",
    "AlertRow",
    "By",
    "Closing",
    "EntryRow",
    "MessageRow",
    "acknowledge",
    "assign",
    "close",
    "close_probe",
    "comment",
    "decline",
    "lapse",
    "list_alerts",
    "mute",
    "on_scene",
    "on_the_way",
    "related",
    "reopen",
    "show",
    "unmute",
]

_Q = sql.load(__package__, "commands.sql")
_BEGINNINGS: Final = [
    str(action)
    for action in (
        Action.RAISED_AGAIN,
        Action.UPDATED,
        Action.GIVEN_BACK,
        Action.LAPSED,
        Action.REOPENED,
        Action.UNMUTED,
    )
]


async def acknowledge(conn: AsyncConnection[Any], alert_id: int, by: By) -> None:
    """Somebody takes an alert. After a further call somebody must again, the same or another one.

    Raises:
        NoSuchAlert: There is none of this number.
        AlreadySo: The actor has it.
        IllegalMove: Somebody else has it, or it is closed.
        ChangedMeanwhile: It was raised again since the actor looked.
    """
    await _change(conn, alert_id, by, lambda at: handling.acknowledge(at.case, by.actor, by.now, telling=at.telling))


async def on_the_way(conn: AsyncConnection[Any], alert_id: int, by: By) -> None:
    """Somebody is on the way, and has thereby taken the alert.

    Raises:
        NoSuchAlert: There is none of this number.
        AlreadySo: The actor is on the way.
        IllegalMove: It is closed.
        ChangedMeanwhile: It was raised again since the actor looked.
    """
    await _change(conn, alert_id, by, lambda at: handling.on_the_way(at.case, by.actor, by.now, telling=at.telling))


async def on_scene(conn: AsyncConnection[Any], alert_id: int, by: By) -> None:
    """Somebody has arrived.

    Raises:
        NoSuchAlert: There is none of this number.
        AlreadySo: The actor is there.
        IllegalMove: It is closed.
        ChangedMeanwhile: It was raised again since the actor looked.
    """
    await _change(conn, alert_id, by, lambda at: handling.on_scene(at.case, by.actor, by.now, telling=at.telling))


async def decline(conn: AsyncConnection[Any], alert_id: int, by: By) -> None:
    """Somebody cannot: the next step follows at once. Who had the alert gives it back, and the telling begins anew.

    Raises:
        NoSuchAlert: There is none of this number.
        AlreadySo: The actor said so since the telling began.
        IllegalMove: It is closed.
        ChangedMeanwhile: It was raised again since the actor looked.
    """
    async with conn.transaction():
        at = await acting.lock(conn, alert_id, by)
        asked = {"alert_id": alert_id, "actor": by.actor, "beginnings": _BEGINNINGS}
        row = await (await conn.execute(_Q.declined_before, asked)).fetchone()
        already = row is not None and row[0]
        await acting.write(conn, at, handling.decline(at.case, by.actor, telling=at.telling, already=already), by)


async def lapse(conn: AsyncConnection[Any], alert_id: int, by: By) -> None:
    """Nobody followed up what was acknowledged: the alert is open again. For the escalation alone.

    A caller that holds the alert's escalation row must have locked it together with the alert's.

    Raises:
        NoSuchAlert: There is none of this number.
        IllegalMove: Nobody has it, somebody is on the scene, or it is closed.
    """
    await _change(conn, alert_id, by, lambda at: handling.lapse(at.case))


async def assign(conn: AsyncConnection[Any], alert_id: int, to: str, by: By) -> None:
    """Names who is to see to an alert, or hands it over; they are told. Acknowledging stays theirs to do.

    Args:
        conn: A connection.
        alert_id: Which.
        to: A person's key.
        by: Who says so.

    Raises:
        NoSuchAlert: There is none of this number.
        NoSuchPerson: Nobody has this key, or not any more.
        AlreadySo: It is theirs.
        IllegalMove: It is closed.
        ChangedMeanwhile: It was raised again since the actor looked.
    """
    async with conn.transaction():
        at = await acting.lock(conn, alert_id, by)
        row = await (await conn.execute(_Q.person_told, {"key": to})).fetchone()
        if row is None:
            raise NoSuchPerson(f"nobody who can be told has the key {to!r}")
        person_id, channel, address = row
        told = (Recipient(channel=channel, recipient=address, person_id=person_id),)
        await acting.write(
            conn, at, handling.assign(at.case, to), by, first_told=told if channel and to != by.actor else ()
        )


async def comment(conn: AsyncConnection[Any], alert_id: int, by: By) -> None:
    """Enters what somebody has to say, also of a closed alert.

    Raises:
        NoSuchAlert: There is none of this number.
        NothingSaid: `by.comment` is empty.
        ChangedMeanwhile: It was raised again since the actor looked.
    """
    if not (by.comment or "").strip():
        raise NothingSaid("there is nothing to enter: a comment needs words")
    await _change(conn, alert_id, by, lambda at: handling.comment(at.case))


async def mute(conn: AsyncConnection[Any], alert_id: int, until: datetime, by: By) -> None:
    """Nobody is told of a technical alert before `until` (aware, at most 30 days ahead); then from step one.

    Raises:
        NoSuchAlert: There is none of this number.
        AlreadySo: It is muted until then.
        IllegalMove: It is not technical or is closed, or `until` is past or too far off.
        ChangedMeanwhile: It was raised again since the actor looked.
    """
    await _change(conn, alert_id, by, lambda at: handling.mute(at.case, until, by.now))


async def unmute(conn: AsyncConnection[Any], alert_id: int, by: By) -> None:
    """It is told again, from step one.

    Raises:
        NoSuchAlert: There is none of this number.
        AlreadySo: It is not muted.
        IllegalMove: It is closed.
        ChangedMeanwhile: It was raised again since the actor looked.
    """
    await _change(conn, alert_id, by, lambda at: handling.unmute(at.case, by.now))


async def _change(conn: AsyncConnection[Any], alert_id: int, by: By, make: Callable[[Locked], Change]) -> None:
    async with conn.transaction():
        at = await acting.lock(conn, alert_id, by)
        await acting.write(conn, at, make(at), by)
