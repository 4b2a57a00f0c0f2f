"""Cases in the database: read with what went before, written together with their entry and messages."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb
from pydantic import JsonValue

from alerts import messages
from alerts.lifecycle import Action, Case, Change, Past
from alerts.messages import AlertFacts, MessageReason, ReasonText
from alerts.model import Finding, Kind, Outcome, Reason, Severity, State, Subject, gateway_of
from alerts.wording import text_of
from storage import sql

_Q = sql.load(__package__, "cases.sql")
_BY_SERVICE = [str(outcome) for outcome in Outcome if not outcome.by_person]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Whom a message goes to: a channel, and an address that only this channel understands."""

    channel: str
    recipient: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a case is: its subject, and the names a person knows it by."""

    subject: Subject
    home: str | None
    area_id: int | None
    area: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the database knows of a finding's case."""

    current: Case | None
    past: Past
    place: Place


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
    place: Place
    said: Reason
    author: Author
    first_told: Sequence[Recipient]


async def read(conn: AsyncConnection[Any], findings: Sequence[Finding]) -> list[Known]:
    """What is known of each finding's case, in one round trip and without a lock: `write` notices changes."""
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            _Q.read_cases,
            {
                "subjects": [finding.subject.key for finding in findings],
                "kinds": [str(finding.kind) for finding in findings],
                "sinces": [finding.since for finding in findings],
                "event_ids": [finding.event_id for finding in findings],
                "home_ids": [finding.subject.home_id for finding in findings],
                "area_ids": [finding.subject.area_id for finding in findings],
                "by_service": _BY_SERVICE,
            },
            prepare=True,
        )
        rows = await cursor.fetchall()
    return [_known(finding, row) for finding, row in zip(findings, rows, strict=True)]


async def lock(conn: AsyncConnection[Any], findings: Sequence[Finding]) -> None:
    """Keeps others from changing the open cases of these findings until the transaction ends."""
    await conn.execute(
        _Q.lock_open,
        {
            "subjects": [finding.subject.key for finding in findings],
            "kinds": [str(finding.kind) for finding in findings],
        },
    )


def _known(finding: Finding, row: DictRow) -> Known:
    case = case_from(row) if row["alert_id"] is not None else None
    closed = case is not None and case.state is State.CLOSED
    return Known(
        current=None if closed else case,
        past=Past(
            event_entered=row["event_entered"],
            since_known=row["since_known"],
            closed_by_person=case if closed else None,
        ),
        place=Place(subject=finding.subject, home=row["home"], area_id=row["area_id"], area=row["area"]),
    )


async def lock_one(conn: AsyncConnection[Any], alert_id: int) -> tuple[Case, Place] | None:
    """Locks and reads one case and where it is; None when there is none of this number."""
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_Q.lock_one, {"alert_id": alert_id})
        row = await cursor.fetchone()
    if row is None:
        return None
    subject = Subject(
        home_id=row["home_id"],
        device_name=row["device_name"],
        area_id=row["area_id"],
        gateway=gateway_of(row["subject"]),
    )
    return case_from(row), Place(subject=subject, home=row["home"], area_id=row["area_id"], area=row["area"])


async def write(conn: AsyncConnection[Any], writings: Sequence[Writing], now: datetime) -> list[bool]:
    """Writes changes with their entries and messages, in one round trip.

    Returns:
        For each whether it was written; False where somebody else changed or opened the case meanwhile.
    """
    # A pipeline saves round trips, and costs more than it saves where there is one.
    async with conn.pipeline() if len(writings) > 1 else contextlib.nullcontext():
        cursors = [
            await conn.execute(
                _Q.open_case if writing.change.case.alert_id is None else _Q.change_case,
                _parameters(writing, now),
                prepare=True,
            )
            for writing in writings
        ]
        return [await cursor.fetchone() is not None for cursor in cursors]


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
        "tell": change.tell is not None,
        "priority": 0,
        "body": None,
        "give_up_at": now,
        "channels": [],
        "recipients": [],
    }
    if change.tell is not None:
        facts = facts_of(case, place, writing.said)
        parameters |= {
            "priority": messages.priority(change.tell, case.severity),
            "body": Jsonb({"type": str(change.tell), "data": facts.model_dump(mode="json")}),
            "give_up_at": now + messages.give_up_after(case.severity),
            "channels": [to.channel for to in writing.first_told],
            "recipients": [to.recipient for to in writing.first_told],
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
        }
    return parameters | {
        "alert_id": case.alert_id,
        "version": case.version,
        "acknowledged_at": case.acknowledged_at,
        "sign_of_life_at": case.sign_of_life_at,
        "times_raised": case.times_raised,
    }


def _detail(writing: Writing) -> dict[str, JsonValue]:
    """What the entry remembers: of the case as it was then, since the alert itself moves on."""
    case = writing.change.case
    detail: dict[str, JsonValue] = {"state": str(case.state), "severity": str(case.severity), **writing.author.detail}
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


def facts_of(case: Case, place: Place, said: Reason) -> AlertFacts:
    """What a message tells of a case."""
    return AlertFacts(
        subject=place.subject.key,
        home_id=place.subject.home_id,
        home=place.home,
        area=place.area,
        device=place.subject.device_name,
        kind=case.kind,
        severity=case.severity,
        state=case.state,
        since=case.since,
        raised_at=case.raised_at,
        times_raised=case.times_raised,
        outcome=case.outcome,
        reason=MessageReason(
            id=said.id,
            values=dict(said.values),
            text=ReasonText(en=text_of(said, "en"), zh=text_of(said, "zh")),
        ),
        evidence=dict(case.evidence),
    )


def case_from(row: DictRow) -> Case:
    """A case from a row that has its columns."""
    return Case(
        alert_id=row["alert_id"],
        version=row["version"],
        kind=Kind(row["kind"]),
        severity=Severity(row["severity"]),
        state=State(row["state"]),
        since=row["since"],
        raised_at=row["raised_at"],
        reason=Reason(id=row["reason_id"], values=row["reason_values"]),
        evidence=row["evidence"],
        times_raised=row["times_raised"],
        acknowledged_at=row["acknowledged_at"],
        closed_at=row["closed_at"],
        outcome=row["outcome"] and Outcome(row["outcome"]),
        sign_of_life_at=row["sign_of_life_at"],
    )
