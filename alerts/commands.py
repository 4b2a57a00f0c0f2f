"""What a person does with alerts, from the command line and later from pages: list, show, acknowledge, close."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import DictRow, class_row, dict_row
from pydantic import JsonValue

from alerts import cases, lifecycle
from alerts.cases import Author, Writing
from alerts.errors import ChangedMeanwhile, NoSuchAlert
from alerts.lifecycle import Case, Change
from alerts.model import Kind, Outcome, Reason, Severity, State
from alerts.wording import Language, text_of
from storage import sql

_Q = sql.load(__package__, "commands.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRow:
    """One alert as a list shows it."""

    alert_id: int
    subject: str
    home_id: int | None
    home: str | None
    area: str | None
    device: str | None
    kind: Kind
    severity: Severity
    state: State
    since: datetime
    raised_at: datetime
    updated_at: datetime
    acknowledged_at: datetime | None
    closed_at: datetime | None
    outcome: Outcome | None
    times_raised: int
    reason: Reason

    def text(self, language: Language = "en") -> str:
        """The reason as a sentence."""
        return text_of(self.reason, language)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRow:
    """One line of an alert's history."""

    entry_id: int
    at: datetime
    actor: str
    source: str
    action: str
    detail: Mapping[str, JsonValue]
    event_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRow:
    """One message about an alert, and how far it has come."""

    notification_id: UUID
    channel: str
    recipient: str
    type: str
    state: str
    created_at: datetime
    attempts: int
    next_attempt_at: datetime
    last_attempt_at: datetime | None
    last_reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertDetails:
    """One alert with all there is to it."""

    alert: AlertRow
    evidence: Mapping[str, JsonValue]
    entries: Sequence[EntryRow]
    messages: Sequence[MessageRow]


async def list_alerts(
    conn: AsyncConnection[Any],
    *,
    closed: bool = False,
    home_id: int | None = None,
    area: str | None = None,
    limit: int = 100,
) -> list[AlertRow]:
    """The newest alerts first; `closed` shows those too that are over; `area` is a path and takes all below it."""
    parameters = {"closed": closed, "home_id": home_id, "area": area, "limit": limit}
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_Q.list_alerts, parameters)
        return [_alert_from(row) for row in await cursor.fetchall()]


async def show(conn: AsyncConnection[Any], alert_id: int) -> AlertDetails:
    """One alert with its evidence, history and messages.

    Raises:
        NoSuchAlert: There is none of this number.
    """
    asked = {"alert_id": alert_id}
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_Q.read_alert, asked)
        row = await cursor.fetchone()
        if row is None:
            raise NoSuchAlert(f"there is no alert {alert_id}")
        await cursor.execute(_Q.read_evidence, asked)
        evidence = await cursor.fetchone()
    async with conn.cursor(row_factory=class_row(EntryRow)) as cursor_of_entries:
        await cursor_of_entries.execute(_Q.read_entries, asked)
        entries = await cursor_of_entries.fetchall()
    async with conn.cursor(row_factory=class_row(MessageRow)) as cursor_of_messages:
        await cursor_of_messages.execute(_Q.read_messages, asked)
        sent = await cursor_of_messages.fetchall()
    return AlertDetails(
        alert=_alert_from(row), evidence=evidence["evidence"] if evidence else {}, entries=entries, messages=sent
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class By:
    """Who acts, when, and from where.

    Attributes:
        actor: An account, or a duty worker's id.
        source: `cli`, `page`, `sms`, `api`.
        now: When (aware).
        comment: What there is to say about it; stays in the history.
        seen_times_raised: How often the alert had been raised when the actor looked at it. A press since then refuses
            the change, so that nobody closes what they have not seen; None does not ask.
    """

    actor: str
    source: str
    now: datetime
    comment: str | None = None
    seen_times_raised: int | None = None


async def acknowledge(conn: AsyncConnection[Any], alert_id: int, by: By) -> None:
    """Somebody takes notice of an open alert; those already told hear of it.

    The change is a transaction of its own, or part of the caller's.

    Raises:
        NoSuchAlert: There is none of this number.
        IllegalMove: It is not open.
        ChangedMeanwhile: It was raised again since the actor looked.
    """
    await _change(conn, alert_id, by, lambda case: lifecycle.acknowledge(case, by.now))


async def close(conn: AsyncConnection[Any], alert_id: int, outcome: Outcome, by: By) -> None:
    """A person ends an alert and says how it ended; those already told hear of it.

    The change is a transaction of its own, or part of the caller's.

    Raises:
        NoSuchAlert: There is none of this number.
        IllegalMove: It is closed already, or the outcome is the service's own.
        ChangedMeanwhile: It was raised again since the actor looked.
    """
    await _change(conn, alert_id, by, lambda case: lifecycle.close(case, outcome, by.now))


async def _change(conn: AsyncConnection[Any], alert_id: int, by: By, make: Callable[[Case], Change]) -> None:
    async with conn.transaction():
        known = await cases.lock_one(conn, alert_id)
        if known is None:
            raise NoSuchAlert(f"there is no alert {alert_id}")
        case, place = known
        if by.seen_times_raised is not None and by.seen_times_raised != case.times_raised:
            raise ChangedMeanwhile(f"alert {alert_id} was raised again since you looked; look at it once more")
        writing = Writing(
            change=make(case),
            place=place,
            said=case.reason,
            author=Author(
                actor=by.actor, source=by.source, detail={} if by.comment is None else {"comment": by.comment}
            ),
            first_told=(),
        )
        (written,) = await cases.write(conn, [writing], by.now)
        if not written:
            raise ChangedMeanwhile(f"somebody else changed alert {alert_id} in the same moment; look at it once more")


def _alert_from(row: DictRow) -> AlertRow:
    fields = dict(row)
    return AlertRow(
        reason=Reason(id=fields.pop("reason_id"), values=fields.pop("reason_values")),
        kind=Kind(fields.pop("kind")),
        severity=Severity(fields.pop("severity")),
        state=State(fields.pop("state")),
        outcome=Outcome(given) if (given := fields.pop("outcome")) is not None else None,
        **fields,
    )
