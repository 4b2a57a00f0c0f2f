"""Changes of cases on their way into the database: each with its entry, messages and escalation in one statement."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb
from pydantic import JsonValue

from alerts import messages
from alerts.life import cases
from alerts.life.case import Action, Change, Escalation
from alerts.model import Reason
from alerts.wording import text_of
from storage import sql

_Q = sql.load(__package__, "cases.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who changes a case, from where, and what there is to remember of it."""

    actor: str
    source: str
    detail: Mapping[str, JsonValue]
    event_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """A change on its way into the database.

    Attributes:
        change: What the case becomes.
        place: Where it is.
        said: The reason that the message gives.
        author: Who did it.
        first_told: Who hears of it for the first time; those already told hear of it too when it is news to them.
    """

    change: Change
    place: cases.Place
    said: Reason
    author: Author
    first_told: Sequence[cases.Recipient]


async def write(conn: AsyncConnection[Any], writings: Sequence[Writing], now: datetime) -> list[int | None]:
    """Writes changes with their entries, messages and escalation, in one round trip.

    Returns:
        The number of each one's alert; None where somebody else changed or opened the case meanwhile.
    """
    # A pipeline saves round trips, and costs more than it saves where there is one.
    async with conn.pipeline() if len(writings) > 1 else contextlib.nullcontext():
        cursors = [
            await conn.execute(
                _statement(writing.change),
                _parameters(writing, now),
                prepare=True,
            )
            for writing in writings
        ]
        rows = [await cursor.fetchone() for cursor in cursors]
        return [None if row is None else row[0] for row in rows]


def _statement(change: Change) -> LiteralString:
    if change.case.alert_id is None:
        return _Q.open_case
    # Figures are refreshed at each look: planning and starting the rest would take longer than doing it.
    return _Q.refresh_case if change.tell is None and change.escalation is None else _Q.change_case


def _parameters(writing: Writing, now: datetime) -> dict[str, object]:
    case, change, place = writing.change.case, writing.change, writing.place
    parameters: dict[str, object] = {
        "severity": str(case.severity),
        "state": str(case.state),
        "since": case.since,
        "closed_at": case.closed_at,
        "outcome": case.outcome and str(case.outcome),
        "reason_id": case.reason.id,
        "reason_values": Jsonb(dict(case.reason.values)),
        "reason": text_of(case.reason, "en"),
        "evidence": Jsonb(dict(case.evidence)),
        "now": now,
        "actor": writing.author.actor,
        "source": writing.author.source,
        "action": change.entry and str(change.entry),
        "detail": Jsonb(_detail(writing)),
        "event_id": writing.author.event_id,
        "escalation": None if place.probe else change.escalation and str(change.escalation),
        "due_at": _due_at(change, now),
        "together": cases.TOGETHER,
        "tell": change.tell is not None,
        "priority": 0,
        "body": None,
        "give_up_at": now,
        "channels": [],
        "recipients": [],
        "person_ids": [],
    }
    if change.tell is not None:
        facts = cases.facts_of(case, place, writing.said)
        parameters |= {
            "priority": messages.priority(change.tell, case.severity),
            "body": Jsonb({"type": str(change.tell), "data": facts.model_dump(mode="json")}),
            "give_up_at": now + messages.give_up_after(case.severity),
            "channels": [to.channel for to in writing.first_told],
            "recipients": [to.recipient for to in writing.first_told],
            "person_ids": [to.person_id for to in writing.first_told],
        }
    if case.alert_id is None:
        subject = place.subject
        return parameters | {
            "subject": subject.key,
            "home_id": subject.home_id,
            "area_id": place.area_id,
            "device_name": subject.device_name,
            "kind": str(case.kind),
            "raised_at": case.raised_at,
            "probe": place.probe,
        }
    return parameters | {
        "alert_id": case.alert_id,
        "version": case.version,
        "news": change.tell in messages.NEWS and not place.probe,
        "acknowledged_at": case.acknowledged_at,
        "acknowledged_by": case.acknowledged_by,
        "assigned_to": case.assigned_to,
        "on_the_way_at": case.on_the_way_at,
        "on_scene_at": case.on_scene_at,
        "muted_until": case.muted_until,
        "sign_of_life_at": case.sign_of_life_at,
        "times_raised": case.times_raised,
    }


def _due_at(change: Change, now: datetime) -> datetime:
    """When the escalation has its next thing to do."""
    until = change.case.muted_until
    begins = change.escalation in (Escalation.START, Escalation.HOLD)
    return max(now, until) if begins and until is not None else now


def _detail(writing: Writing) -> dict[str, JsonValue]:
    """What the entry remembers: of the case as it was then, since the alert itself moves on."""
    case = writing.change.case
    detail: dict[str, JsonValue] = {"state": str(case.state), "severity": str(case.severity)}
    detail |= {**writing.change.detail, **writing.author.detail}
    if case.outcome is not None:
        detail["outcome"] = str(case.outcome)
    if writing.change.entry in _ENTRIES_WITH_REASON:
        detail |= {
            "since": case.since.isoformat(),
            "reason": {"id": writing.said.id, "values": dict(writing.said.values), "text": text_of(writing.said, "en")},
            "evidence": dict(case.evidence),
        }
    return detail


_ENTRIES_WITH_REASON = frozenset(
    {Action.RAISED, Action.RAISED_AGAIN, Action.UPDATED, Action.SIGN_OF_LIFE, Action.CLEARED, Action.RECORDED}
)
