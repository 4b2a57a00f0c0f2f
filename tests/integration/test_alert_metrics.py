"""What is counted of alerts is what is in the database, and how long people took."""

from datetime import datetime, timedelta

from prometheus_client import REGISTRY
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from alerts.dispatch import Dispatcher
from alerts.findings import Verdict
from alerts.life import commands
from alerts.life.commands import By
from tests.alert_cases import NOON, dry, press, register_homes, report_now


def by_state(kind: str, severity: str, state: str) -> float | None:
    return REGISTRY.get_sample_value("anju_alerts_open", {"kind": kind, "severity": severity, "state": state})


def taken(severity: str) -> tuple[float, float]:
    """How many were taken, and after how many seconds together."""
    name = "anju_alerts_acknowledge_seconds"
    count, total_s = (REGISTRY.get_sample_value(f"{name}_{part}", {"severity": severity}) for part in ("count", "sum"))
    return count or 0.0, total_s or 0.0


def li(now: datetime) -> By:
    return By(actor="li", source="page", now=now)


async def test_alerts_by_state_and_the_time_until_somebody_takes_them(
    database_url: str, database: AsyncConnection[TupleRow]
) -> None:
    first, second = await register_homes(database, 2)
    dispatcher = Dispatcher(database_url=database_url, channels=(), worker="counting", clock=lambda: NOON)
    await report_now(database, press(1, home_id=first), dry(home_id=first), dry(home_id=second), now=NOON)
    await dispatcher._count(database)
    assert (by_state("sos", "urgent", "open"), by_state("inactivity", "hard", "open")) == (1, 2)

    before, before_s = taken("urgent")
    (row,) = await (await database.execute("SELECT alert_id FROM alert WHERE kind = 'sos'")).fetchall()
    await commands.acknowledge(database, row[0], li(NOON + timedelta(seconds=40)))
    await commands.on_the_way(database, row[0], li(NOON + timedelta(seconds=90)))
    assert taken("urgent") == (before + 1, before_s + 40)

    await report_now(database, dry(Verdict.CLEAR, home_id=second), now=NOON + timedelta(minutes=5))
    await dispatcher._count(database)
    assert by_state("sos", "urgent", "open") == 0, "what is not there any more is 0, not gone"
    assert by_state("sos", "urgent", "attending") == 1
    assert by_state("inactivity", "hard", "open") == 1
