"""Claims alerts that are due, and reads what was told in them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row

from alerts.escalation.model import Due, Phase, Row, Told, Waiting
from alerts.life import cases
from alerts.life.case import Action
from alerts.life.cases import Place
from alerts.messages import MessageType
from alerts.model import Subject, gateway_of
from storage import sql

_Q = sql.load(__package__, "escalation.sql")
_BEGINNINGS: Final = (
    MessageType.RAISED,
    MessageType.RAISED_AGAIN,
    MessageType.UPDATED,
    MessageType.LAPSED,
    MessageType.REOPENED,
)
_WORDS: Final = [
    str(action)
    for action in (
        Action.ACKNOWLEDGED,
        Action.ON_THE_WAY,
        Action.ON_SCENE,
        Action.ASSIGNED,
        Action.DECLINED,
        Action.GIVEN_BACK,
    )
]
_CALLS: Final = frozenset({*_BEGINNINGS, MessageType.ESCALATED, MessageType.ASK})


class Claimed(NamedTuple):
    """An alert that is due, and where it is."""

    due: Due
    area_id: int | None
    zone: ZoneInfo
    newest: tuple[int | None, int | None]


async def claim(
    conn: AsyncConnection[Any], locked: list[int], *, now: datetime, limit: int, only: int | None = None
) -> list[Claimed]:
    """Locks alerts that are due, calls for help first; those that somebody is changing just now are left for later.

    Args:
        conn: In the transaction that will carry them out.
        locked: Gets their numbers, even if one of them then cannot be read.
        now: The time.
        limit: How many at the most.
        only: The number of the one that is meant; None: any.
    """
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_Q.claim, {"now": now, "limit": limit, "only": only}, prepare=True)
        rows = await cursor.fetchall()
    locked += [row["alert_id"] for row in rows]
    history = await _history(conn, [row for row in rows if not _is_fresh(row)], now)
    related = await cases.related_ids(conn, [row["alert_id"] for row in rows]) if rows else {}
    return [_claimed(row, history, related.get(row["alert_id"], ())) for row in rows]


class _History(NamedTuple):
    told: dict[int, dict[int, Told]]
    waiting: dict[int, list[Waiting]]
    whys: dict[int, MessageType]
    heard: dict[int, set[tuple[str, str]]]
    declined: dict[int, set[str]]
    nobody: set[tuple[int, int]]


def _is_fresh(row: DictRow) -> bool:
    """Nothing can have been told in it yet."""
    return (row["run"], row["round"], row["step"]) == (1, 0, 0) and row["due_at"] == row["started_at"]


async def _history(conn: AsyncConnection[Any], rows: Sequence[DictRow], now: datetime) -> _History:
    history = _History({}, {}, {}, {}, {}, set())
    if not rows:
        return history
    asked = {"alerts": [row["alert_id"] for row in rows]}
    async with conn.pipeline():
        told = await conn.execute(_Q.told, {**asked, "now": now}, prepare=True)
        waiting = await conn.execute(_Q.waiting, {**asked, "now": now}, prepare=True)
        whys = await conn.execute(_Q.whys, {**asked, "types": [str(each) for each in _BEGINNINGS]}, prepare=True)
        heard = await conn.execute(_Q.heard, {**asked, "lapsed": str(MessageType.LAPSED)}, prepare=True)
        declined = await conn.execute(_Q.declined, {**asked, "words": _WORDS}, prepare=True)
        nobody = await conn.execute(_Q.nobodies, asked, prepare=True)
        for alert_id, person_id, run, at in await told.fetchall():
            history.told.setdefault(alert_id, {})[person_id] = Told(run=run, at=at)
        for alert_id, notification_id, channel, recipient, kind, attempts, next_attempt_at in await waiting.fetchall():
            history.waiting.setdefault(alert_id, []).append(
                Waiting(
                    notification_id=notification_id,
                    channel=channel,
                    recipient=recipient,
                    call=kind in _CALLS,
                    attempts=attempts,
                    next_attempt_at=next_attempt_at,
                )
            )
        for alert_id, kind in await whys.fetchall():
            history.whys[alert_id] = MessageType(kind)
        for alert_id, channel, recipient in await heard.fetchall():
            history.heard.setdefault(alert_id, set()).add((channel, recipient))
        for alert_id, key in await declined.fetchall():
            history.declined.setdefault(alert_id, set()).add(key)
        history.nobody.update(await nobody.fetchall())
    return history


def _place(row: DictRow) -> Place:
    subject = Subject(
        home_id=row["home_id"],
        device_name=row["device_name"],
        area_id=row["area_id"],
        gateway=gateway_of(row["subject"]),
    )
    return Place(subject=subject, home=row["home"], area_id=row["area_id"], area=row["area"])


def _claimed(row: DictRow, history: _History, related: Sequence[int]) -> Claimed:
    case = cases.case_from(row)
    alert_id: int = row["alert_id"]
    facts = cases.facts_of(case, _place(row), case.reason, related)
    holders = [key for key in (case.assigned_to, case.acknowledged_by) if key is not None]
    due = Due(
        alert_id=alert_id,
        case=case,
        row=Row(
            phase=Phase(row["phase"]),
            due_at=row["due_at"],
            run=row["run"],
            started_at=row["started_at"],
            round=row["round"],
            step=row["step"],
            reminders=row["reminders"],
        ),
        facts=facts.model_dump(mode="json"),
        holders=holders,
        declined=frozenset(history.declined.get(alert_id, ())),
        why=history.whys.get(alert_id, MessageType.RAISED),
        told=history.told.get(alert_id, {}),
        waiting=history.waiting.get(alert_id, ()),
        heard=frozenset(history.heard.get(alert_id, ())),
        nobody_entered=(alert_id, row["run"]) in history.nobody,
    )
    return Claimed(due, row["near_area_id"], ZoneInfo(row["time_zone"]), (row["newest_roster"], row["newest_policy"]))
