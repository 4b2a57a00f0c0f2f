"""Writes what was planned: messages, entries and when each alert is due again, in one statement."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb
from pydantic import JsonValue

from alerts.escalation.model import Due, Message, Planned
from alerts.messages import MessageType, give_up_after
from alerts.model import Severity
from storage import sql

_Q = sql.load(__package__, "escalation.sql")
_PUT_OFF: Final = timedelta(seconds=60)
_TOLD_AGAIN: Final = timedelta(hours=1)


async def write(conn: AsyncConnection[Any], planned: Sequence[tuple[Due, Planned]], now: datetime) -> None:
    """Writes plans; part of the caller's transaction, in which the alerts are locked."""
    told = [(due, plan, message) for due, plan in planned for message in plan.messages]
    entered = [(due, plan.entry) for due, plan in planned if plan.entry is not None]
    moved = [(due, plan.row) for due, plan in planned if not plan.lapses]
    await conn.execute(
        _Q.write,
        {
            "now": now,
            "withdrawn": [each for _, _, message in told for each in message.withdraws],
            "alerts": [due.alert_id for due, _, _ in told],
            "channels": [message.channel for _, _, message in told],
            "recipients": [message.recipient for _, _, message in told],
            "people": [None if message.person is None else message.person.person_id for _, _, message in told],
            "priorities": [message.priority for _, _, message in told],
            "bodies": [Jsonb(body_of(message, due.facts)) for due, _, message in told],
            "not_before": [message.not_before for _, _, message in told],
            "give_up_at": [message.give_up_at for _, _, message in told],
            "runs": [plan.run for _, plan, _ in told],
            "rounds": [plan.round for _, plan, _ in told],
            "steps": [message.step for _, _, message in told],
            "replaced": [message.replaces for _, _, message in told],
            "entry_alerts": [due.alert_id for due, _ in entered],
            "actions": [str(entry.action) for _, entry in entered],
            "details": [Jsonb(dict(entry.detail)) for _, entry in entered],
            "row_alerts": [due.alert_id for due, _ in moved],
            "phases": [str(row.phase) for _, row in moved],
            "due": [row.due_at for _, row in moved],
            "row_rounds": [row.round for _, row in moved],
            "row_steps": [row.step for _, row in moved],
            "reminders": [row.reminders for _, row in moved],
        },
        prepare=True,
    )


def body_of(message: Message, facts: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """What the channel is given to say."""
    body: dict[str, JsonValue] = {"type": str(message.type), "data": dict(facts)}
    if message.person is not None:
        body["audience"] = message.audience
    if message.instead_of is not None:
        body["instead_of"] = message.instead_of
    return body


async def put_off(conn: AsyncConnection[Any], alert_id: int, *, fault: str, desk: bool, now: datetime) -> None:
    """Puts off an alert that a fault of ours keeps from being told; the duty desk hears of it at most once an hour."""
    await conn.execute(
        _Q.push_out,
        {
            "alert": alert_id,
            "now": now,
            "until": now + _PUT_OFF,
            "since": now - _TOLD_AGAIN,
            "detail": Jsonb({"fault": fault}),
            "type": str(MessageType.ESCALATED),
            "give_up_at": now + give_up_after(Severity.HARD),
            "tell": desk,
        },
    )
