"""Buttons that are heard on both lanes of ingest, and a bulk lane that is held back."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from tests.servers import Mosquitto, eventually
from tests.traffic import count

Database = AsyncConnection[TupleRow]
EVENTS = "SELECT count(*) FROM event"


async def install(database: Database, eui: str, model: str | None, driver: str = "chirpstack") -> None:
    """An installation without what rules need, which do not run here."""
    await database.execute(
        "WITH a AS (INSERT INTO area (name, path) VALUES ('C', 'C') ON CONFLICT (path) DO UPDATE SET name = 'C'"
        " RETURNING area_id),"
        " h AS (INSERT INTO home (area_id, name, time_zone) SELECT area_id, %(eui)s, 'UTC' FROM a RETURNING home_id),"
        " d AS (INSERT INTO device (name, driver, model) VALUES (%(eui)s, %(driver)s, %(model)s) RETURNING device_id)"
        " INSERT INTO installation (device_id, home_id, installed_at)"
        " SELECT device_id, home_id, %(now)s FROM d, h",
        {"eui": eui, "driver": driver, "model": model, "now": datetime.now(UTC) - timedelta(hours=1)},
    )


async def events_number(database: Database, number: int, timeout_s: float = 15.0) -> None:
    async def enough() -> bool:
        return await count(database, EVENTS) >= number

    await eventually(enough, timeout_s)


async def bulk_heard_until(database: Database) -> datetime:
    row = await (await database.execute("SELECT heard_until FROM hearing WHERE lane = 'bulk'")).fetchone()
    assert row is not None
    heard_until: datetime = row[0]
    return heard_until


@contextlib.asynccontextmanager
async def bulk_lane_held(database: Database, broker: Mosquitto) -> AsyncIterator[None]:
    """Inside, ingest has its urgent session only; the bulk session's queue stays at the broker."""
    until = datetime.now(UTC) + timedelta(hours=1)
    await database.execute(
        "INSERT INTO bulk_lease VALUES (%(broker)s, 'somebody else', %(until)s) ON CONFLICT (broker)"
        " DO UPDATE SET worker = 'somebody else', lease_until = %(until)s",
        {"broker": f"127.0.0.1:{broker.port}", "until": until},
    )
    yield
    await database.execute("DELETE FROM bulk_lease")
