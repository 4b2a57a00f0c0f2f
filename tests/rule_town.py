"""A small town in a real database, for the tests of rules: homes, devices, readings, presses and what came of them."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from storage import partitions

H = timedelta(hours=1)
MIN = timedelta(minutes=1)


class Town:
    """One community; `now` is the moment around which everything in it happens."""

    def __init__(self, conn: AsyncConnection[Any], now: datetime) -> None:
        self.conn, self.now = conn, now
        self.areas: dict[str, int] = {}

    @classmethod
    async def found(cls, conn: AsyncConnection[Any], now: datetime | None = None) -> "Town":
        town = cls(conn, now or datetime.now(UTC))
        await partitions.ensure(conn, from_=town.now - 40 * 24 * H, to=town.now + H)
        parent = None
        for path in ("city", "city/north", "city/north/lane"):
            parent = await town._one(
                "INSERT INTO area (parent_id, name, path) VALUES (%s, %s, %s) RETURNING area_id",
                parent,
                path.rpartition("/")[2],
                path,
            )
            town.areas[path] = parent
        await town.heard()
        return town

    async def _one(self, query: str, *values: object) -> Any:
        row = await (await self.conn.execute(query, values)).fetchone()
        return None if row is None else row[0]

    async def heard(self, until: datetime | None = None, since: datetime | None = None) -> None:
        await self.conn.execute(
            "INSERT INTO hearing VALUES ('bulk', 'b1', '', %(until)s, %(since)s) ON CONFLICT (lane, broker, worker)"
            " DO UPDATE SET heard_until = excluded.heard_until, heard_since = excluded.heard_since",
            {"until": until or self.now, "since": since or self.now - 90 * 24 * H},
        )

    async def home(self, name: str, *, due_at: datetime | None = None, area: str = "city/north/lane") -> int:
        home_id: int = await self._one(
            "INSERT INTO home (area_id, name, time_zone) VALUES (%s, %s, 'Asia/Shanghai') RETURNING home_id",
            self.areas[area],
            name,
        )
        await self.conn.execute("SELECT rearm_home(%s, %s)", (home_id, due_at or self.now))
        return home_id

    async def device(
        self,
        home_id: int | None,
        name: str,
        *,
        interval_s: int | None = None,
        installed_at: datetime | None = None,
        removed_at: datetime | None = None,
    ) -> int:
        device_id: int = await self._one(
            "INSERT INTO device (name, driver) VALUES (%s, 'native') RETURNING device_id", name
        )
        if home_id is not None:
            await self.conn.execute(
                "INSERT INTO installation (device_id, home_id, interval_s, installed_at, removed_at)"
                " VALUES (%s, %s, %s, %s, %s)",
                (device_id, home_id, interval_s, installed_at or self.now - 30 * 24 * H, removed_at),
            )
        return device_id

    async def readings(
        self, device_id: int, values: Iterable[tuple[datetime, float]], *, quantity: int = 1, delay: timedelta = MIN
    ) -> None:
        cursor = self.conn.cursor()
        async with cursor.copy(
            "COPY reading (device_id, quantity, measured_at, received_at, value) FROM STDIN"
        ) as copy:
            for at, value in values:
                await copy.write_row((device_id, quantity, at, min(at + delay, self.now), value))

    async def metered_home(self, name: str, uses_l: list[float], *, ends: datetime | None = None) -> int:
        """A home whose meter reports every quarter of an hour; the n-th value is what the n-th quarter used."""
        home_id = await self.home(name)
        device_id = await self.device(home_id, f"meter-{name}", interval_s=900)
        end = ends or self.now - 5 * MIN
        total_l, values = 1000.0, []
        for number, used_l in enumerate(uses_l):
            total_l += used_l
            values.append((end - (len(uses_l) - 1 - number) * 15 * MIN, total_l))
        await self.readings(device_id, values)
        return home_id

    async def event(
        self, device: str, kind: str, *, at: datetime | None = None, wake: bool = True, detail: object = None
    ) -> int:
        """What ingest's urgent lane does for a message."""
        async with self.conn.transaction():
            received_at = datetime.now(UTC)
            event_id: int = await self._one(
                "INSERT INTO event (device_name, kind, dedup_key, payload_hash, measured_at, received_at, detail)"
                " VALUES (%s, %s, gen_random_uuid()::text, '', %s, %s, %s) RETURNING event_id",
                device,
                kind,
                at or received_at,
                received_at,
                Jsonb(detail or {}),
            )
            if wake:
                await self.conn.execute(
                    "INSERT INTO home_wake (event_id, created_at) VALUES (%s, %s)", (event_id, received_at)
                )
                await self.conn.execute("SELECT pg_notify('anju_wake', '')")
        return event_id

    async def alerts(self) -> list[tuple[str, str, str]]:
        """(subject, kind, state), in order."""
        cursor = await self.conn.execute("SELECT subject, kind, state FROM alert ORDER BY subject, kind, alert_id")
        return [tuple(row) for row in await cursor.fetchall()]

    async def watch(self, home_id: int) -> dict[str, Any]:
        cursor = await self.conn.execute(
            "SELECT due_at, rearmed, looked_until, lease_until, leased_by, failures, ongoing"
            " FROM home_watch WHERE home_id = %s",
            (home_id,),
        )
        row = await cursor.fetchone()
        assert row is not None
        assert cursor.description is not None
        return dict(zip([column.name for column in cursor.description], row, strict=True))
