"""A street of homes with meters on a real PostgreSQL, lived in by the clock, whose water can be cut."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection

from rules.area_watch import AreaWatch
from rules.engine import Engine
from storage import partitions
from tests.rule_town import MIN, H, Town
from tests.unit.water_worlds import quarters_of_use

ZONE: Final = ZoneInfo("Asia/Shanghai")
MONDAY: Final = datetime(2026, 3, 2, tzinfo=ZONE)
QUARTER: Final = 15 * MIN
DAY: Final = 24 * H
USE_L: Final = 12.0
HISTORY_DAYS: Final = 9


class Street:
    """Homes whose people live by the clock; their meters report every quarter of an hour, each at its own minute."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.engine = Engine(clock=lambda: town.now, compares_clocks=False)
        self.areas = [AreaWatch(), AreaWatch()]  # two processes, which look in turns
        self.homes: list[int] = []
        self.devices: list[int] = []
        self.dry_from: dict[int, datetime] = {}
        self.cut: tuple[datetime, datetime] | None = None
        self._uses: list[frozenset[int]] = []
        self._totals_l: list[float] = []
        self._sent_at: list[datetime] = []

    @classmethod
    async def build(cls, conn: AsyncConnection[Any], homes: int, *, now: datetime) -> "Street":
        """A street whose meters have reported since `MONDAY`."""
        await partitions.ensure(conn, from_=MONDAY - DAY, to=now + 4 * DAY)
        street = cls(await Town.found(conn, now.astimezone(UTC)))
        for place in range(homes):
            street.homes.append(await street.town.home(f"h{place}"))
            street.devices.append(
                await street.town.device(street.homes[-1], f"meter-{place}", interval_s=900, installed_at=MONDAY)
            )
            street._uses.append(frozenset(quarters_of_use(place, HISTORY_DAYS + 4)))
            street._totals_l.append(1000.0)
            street._sent_at.append(MONDAY + timedelta(seconds=1 + place * 557 % 899))
        await street.report()
        return street

    async def report(self) -> None:
        """What the meters have measured and not yet sent."""
        rows = []
        for place, device in enumerate(self.devices):
            while (at := self._sent_at[place] + QUARTER) <= self.town.now:
                self._sent_at[place] = at
                if self._uses_water(place, at):
                    self._totals_l[place] += USE_L
                rows.append((device, 1, at, at, self._totals_l[place]))
        async with self.town.conn.cursor().copy(
            "COPY reading (device_id, quantity, measured_at, received_at, value) FROM STDIN"
        ) as copy:
            for row in rows:
                await copy.write_row(row)

    def _uses_water(self, place: int, at: datetime) -> bool:
        if at >= self.dry_from.get(place, at + DAY):
            return False
        if self.cut is not None and self.cut[0] < at <= self.cut[1]:
            return False
        return (at - MONDAY) // QUARTER in self._uses[place]

    async def run(self, until: datetime, *, step: timedelta = 2 * MIN) -> None:
        while self.town.now < until:
            self.town.now += step
            await self.report()
            await self.town.heard()
            while await self.engine.look(self.town.conn):
                pass
            self.areas.reverse()
            await self.areas[0].look(self.town.conn, self.town.now)

    async def messages(self) -> Counter[tuple[str, str]]:
        cursor = await self.town.conn.execute(
            "SELECT a.kind, n.body ->> 'type' FROM notification n JOIN alert a USING (alert_id)"
        )
        return Counter((kind, name.rpartition(".")[2]) for kind, name in await cursor.fetchall())

    async def rows(self, query: str, values: Iterable[object] = ()) -> list[tuple[Any, ...]]:
        return await (await self.town.conn.execute(query, tuple(values))).fetchall()
