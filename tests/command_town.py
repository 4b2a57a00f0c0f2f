"""What tests of commands on alerts share: people who can be told, alerts, the row of their telling, who heard what."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from alerts.findings import Finding, Kind, Reason, Severity, Subject, Verdict
from alerts.life import commands
from alerts.life.commands import By
from tests.alert_cases import NOON, press, report_now

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


async def enrol_four(database: AsyncConnection[Any]) -> None:
    """Four people, `duty-1` to `duty-4`, each with a number."""
    await database.execute(
        "INSERT INTO person (key, name, language)"
        " SELECT 'duty-' || n, 'Person ' || n, 'en' FROM generate_series(1, 4) n"
    )
    await database.execute(
        "INSERT INTO person_address (person_id, channel, address)"
        " SELECT person_id, 'sms', '+8613800000' || lpad(person_id::text, 3, '0') FROM person"
    )


@dataclass(frozen=True, slots=True)
class Telling:
    """An escalation's row."""

    phase: str
    due_at: datetime
    run: int
    started_at: datetime
    round: int
    step: int
    reminders: int


async def telling(conn: AsyncConnection[Any], alert_id: int) -> Telling | None:
    row = await (
        await conn.execute(
            "SELECT phase, due_at, run, started_at, round, step, reminders FROM escalation WHERE alert_id = %s",
            [alert_id],
        )
    ).fetchone()
    return None if row is None else Telling(*row)


async def stepped(
    conn: AsyncConnection[Any], alert_id: int, person: int, *, state: str = "accepted", **more: Any
) -> None:
    """A message of the escalation to a person, and the escalation at its next step."""
    message = {"channel": "sms", "attempts": int(state == "accepted"), "lease_until": None, "audience": None} | more
    body = {"type": "anju.alert.raised", "data": {}} | (
        {} if message["audience"] is None else {"audience": message["audience"]}
    )
    await conn.execute(
        "INSERT INTO notification (notification_id, alert_id, channel, recipient, person_id, priority, body, state,"
        " created_at, next_attempt_at, give_up_at, attempts, lease_until, run, round, step)"
        " VALUES (gen_random_uuid(), %s, %s, %s, %s, 0, %s, %s, %s, %s, %s, %s, %s, 1, 0, 0)",
        [
            alert_id,
            message["channel"],
            f"address-{person}",
            person,
            Jsonb(body),
            state,
            NOON,
            NOON,
            NOON + HOUR,
            message["attempts"],
            message["lease_until"],
        ],
    )
    await conn.execute(
        "UPDATE escalation SET due_at = %s, step = 1, round = 1, reminders = 2 WHERE alert_id = %s",
        [NOON + HOUR, alert_id],
    )


async def heard(conn: AsyncConnection[Any], kind: str) -> list[tuple[str, int | None, str | None]]:
    """Who was told this: channel, person, audience."""
    cursor = await conn.execute(
        "SELECT channel, person_id, body ->> 'audience' FROM notification WHERE body ->> 'type' = %s"
        " ORDER BY created_at, 2 NULLS FIRST, 1",
        [f"anju.alert.{kind}"],
    )
    return [(row[0], row[1], row[2]) for row in await cursor.fetchall()]


async def pending(conn: AsyncConnection[Any]) -> dict[int, str]:
    cursor = await conn.execute("SELECT person_id, state FROM notification WHERE run > 0")
    return {row[0]: row[1] for row in await cursor.fetchall()}


def by(actor: str = "duty-1", after: timedelta = MINUTE, **more: Any) -> By:
    return By(actor=actor, source="page", now=NOON + after, **more)


def battery(home_id: int = 1, severity: Severity = Severity.TECHNICAL) -> Finding:
    return Finding(
        subject=Subject(home_id=home_id),
        kind=Kind.BATTERY_LOW,
        verdict=Verdict.RAISE,
        severity=severity,
        since=NOON,
        reason=Reason(id="tamper", values={"device": "btn-1"}),
        evidence={},
    )


async def raised(conn: AsyncConnection[Any], finding: Finding | None = None) -> int:
    await report_now(conn, finding or press(1), now=NOON)
    return max(alert.alert_id for alert in await commands.list_alerts(conn))


async def raised_probe(conn: AsyncConnection[Any], event_id: int) -> int:
    await report_now(conn, press(event_id, home_id=3), now=NOON)
    return max(alert.alert_id for alert in await commands.list_alerts(conn, probes=True))
