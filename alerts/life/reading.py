"""Alerts as people see them: lists, one alert with its history and messages, and what is seen with it as one case."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import DictRow, class_row, dict_row
from pydantic import JsonValue

from alerts.errors import NoSuchAlert
from alerts.life import cases
from alerts.model import Attending, Kind, Outcome, Reason, Severity, State
from alerts.wording import Language, text_of
from storage import sql

_Q = sql.load(__package__, "reading.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How many alerts of a kind and severity are in a state."""

    kind: str
    severity: str
    state: str
    alerts: int


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
    acknowledged_by: str | None
    assigned_to: str | None
    on_the_way_at: datetime | None
    on_scene_at: datetime | None
    muted_until: datetime | None
    closed_at: datetime | None
    outcome: Outcome | None
    times_raised: int
    reason: Reason

    @property
    def attending(self) -> Attending | None:
        """How far whoever goes there has come."""
        if self.on_scene_at is not None:
            return Attending.ON_SCENE
        return None if self.on_the_way_at is None else Attending.ON_THE_WAY

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
    """One message about an alert, and how far it has come; `person` is the key of whoever it is for."""

    notification_id: UUID
    channel: str
    recipient: str
    person: str | None
    type: str
    state: str
    delivery: str | None
    created_at: datetime
    attempts: int
    next_attempt_at: datetime
    last_attempt_at: datetime | None
    last_reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertDetails:
    """One alert with all there is to it; `related` are the others of its home that are seen with it as one case."""

    alert: AlertRow
    evidence: Mapping[str, JsonValue]
    entries: Sequence[EntryRow]
    messages: Sequence[MessageRow]
    related: Sequence[AlertRow]


async def list_alerts(
    conn: AsyncConnection[Any],
    *,
    closed: bool = False,
    probes: bool = False,
    home_id: int | None = None,
    area: str | None = None,
    limit: int = 100,
) -> list[AlertRow]:
    """Alerts that are not closed, the gravest first, of these the newest; then, where asked for, the closed ones.

    Args:
        conn: A connection.
        closed: Also those that are over.
        probes: Also the service's own, by which it proves that it lives.
        home_id: Only this home's.
        area: A path: only those in this area and below it.
        limit: At most so many.
    """
    return await _rows(
        conn, _Q.list_alerts, {"closed": closed, "probes": probes, "home_id": home_id, "area": area, "limit": limit}
    )


async def related(conn: AsyncConnection[Any], alert_id: int) -> list[AlertRow]:
    """The other alerts of the same home that were open at the same time, or within two hours; the newest first."""
    found = (await cases.related_ids(conn, [alert_id])).get(alert_id, [])
    return await _rows(conn, _Q.read_alerts, {"alert_ids": found}) if found else []


async def show(conn: AsyncConnection[Any], alert_id: int) -> AlertDetails:
    """One alert with its evidence, history, messages and related alerts.

    Raises:
        NoSuchAlert: There is none of this number.
    """
    asked = {"alert_id": alert_id}
    rows = await _rows(conn, _Q.read_alerts, {"alert_ids": [alert_id]})
    if not rows:
        raise NoSuchAlert(f"there is no alert {alert_id}")
    evidence = await (await conn.execute(_Q.read_evidence, asked)).fetchone()
    async with conn.cursor(row_factory=class_row(EntryRow)) as cursor_of_entries:
        await cursor_of_entries.execute(_Q.read_entries, asked)
        entries = await cursor_of_entries.fetchall()
    async with conn.cursor(row_factory=class_row(MessageRow)) as cursor_of_messages:
        await cursor_of_messages.execute(_Q.read_messages, asked)
        sent = await cursor_of_messages.fetchall()
    return AlertDetails(
        alert=rows[0],
        evidence=evidence[0] if evidence else {},
        entries=entries,
        messages=sent,
        related=await related(conn, alert_id),
    )


def by_case(alerts: Sequence[AlertRow]) -> list[list[AlertRow]]:
    """Alerts grouped as a duty worker sees them: those of one home together, the home with the gravest first.

    Within a home the order stays; homes with alerts that are not closed come before those without.
    """
    homes: dict[str, list[AlertRow]] = {}
    for alert in alerts:
        homes.setdefault(alert.subject if alert.home_id is None else f"home/{alert.home_id}", []).append(alert)
    return sorted(homes.values(), key=lambda home: max(_gravity(alert) for alert in home), reverse=True)


def _gravity(alert: AlertRow) -> int:
    return -1 if alert.state is State.CLOSED else alert.severity.rank


async def _rows(conn: AsyncConnection[Any], query: str, parameters: Mapping[str, object]) -> list[AlertRow]:
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query, parameters)
        return [_alert_from(row) for row in await cursor.fetchall()]


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


async def count_open(conn: AsyncConnection[Any]) -> list[Standing]:
    """How many alerts are not closed, by kind, severity and state."""
    async with conn.cursor(row_factory=class_row(Standing)) as cursor:
        await cursor.execute(_Q.count_open)
        return await cursor.fetchall()
