"""What `anju up` shows: readings as they arrive, alerts with their reasons, and what else happens, once a second.

On a terminal it is a page that renews itself; anywhere else plain lines, one for each thing that happens.
"""

import asyncio
import contextlib
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from anju.output import printable, say
from devices.quantities import WATER_TOTAL
from storage.pool import connect
from storage.sql import load

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

_SQL = load("anju", "view.sql")
_WINDOW: Final = timedelta(seconds=30)
_READINGS_LINE_EVERY: Final = timedelta(seconds=10)
_FEED_LINES: Final = 12


class SeenReading(NamedTuple):
    """One of the latest readings of water meters."""

    device: str
    total_l: float
    measured_at: datetime
    received_at: datetime


class SeenAlert(NamedTuple):
    """One alert as it stands."""

    alert_id: int
    kind: str
    severity: str
    state: str
    reason: str
    raised_at: datetime
    times_raised: int
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """The service at an instant: the latest readings, newest first, and the alerts, newest first."""

    at: datetime
    readings: Sequence[SeenReading]
    alerts: Sequence[SeenAlert]

    @property
    def per_s(self) -> float:
        """Meter readings stored a second, over the last seconds."""
        return len(self.readings) / (_WINDOW / timedelta(seconds=1))


async def look(conn: AsyncConnection[TupleRow], now: datetime) -> Picture:
    """Takes a picture of the service."""
    span = {"quantity": WATER_TOTAL.code, "since": now - _WINDOW, "until": now + timedelta(minutes=10)}
    readings = [SeenReading(*row) async for row in await conn.execute(_SQL.readings, span)]
    closed_since = {"closed_since": now - timedelta(minutes=10)}
    alerts = [SeenAlert(*row) async for row in await conn.execute(_SQL.alerts, closed_since)]
    readings.sort(key=lambda reading: reading.received_at, reverse=True)
    return Picture(at=now, readings=readings, alerts=alerts)


def news(before: Mapping[int, SeenAlert], picture: Picture) -> Iterator[str]:
    """A line for each alert that is new, was raised again, or changed its state or severity."""
    for alert in reversed(picture.alerts):
        known = before.get(alert.alert_id)
        if known is None and alert.state == "closed":
            continue
        if known is None or (known.times_raised, known.state, known.severity) != (
            alert.times_raised,
            alert.state,
            alert.severity,
        ):
            yield describe(alert)


def describe(alert: SeenAlert) -> str:
    """An alert in one line."""
    again = f" (raised {alert.times_raised} times)" if alert.times_raised > 1 else ""
    return f"ALERT {alert.alert_id} {alert.kind} [{alert.severity}, {alert.state}] {alert.where}: {alert.reason}{again}"


class View:
    """The terminal of `anju up`."""

    def __init__(self, *, title: str) -> None:
        self._title = title
        self._feed: deque[str] = deque(maxlen=_FEED_LINES)
        self._picture: Picture | None = None
        self._live: Live | None = None

    def tell(self, line: str) -> None:
        """Shows a line of its own."""
        stamped = f"{datetime.now(UTC).astimezone():%H:%M:%S}  {printable(line.encode(), 400)}"
        if self._live is None:
            say(stamped)
        else:
            self._feed.append(stamped)
            self._live.update(self._page())

    @contextmanager
    def page(self) -> Iterator[None]:
        """Inside, a terminal shows the page; lines go on elsewhere."""
        if not sys.stdout.isatty():
            yield
            return
        from rich.live import Live

        with Live(self._page(), refresh_per_second=4, screen=False) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    async def follow(self, database_url: str, *, clock: Callable[[], datetime]) -> None:
        """Looks once a second until cancelled; a database that is away for a while is waited for."""
        known: dict[int, SeenAlert] = {}
        next_line = clock()
        while True:
            with contextlib.suppress(psycopg.Error, OSError):
                async with await connect(database_url, application_name="anju view", autocommit=True) as conn:
                    while True:
                        picture = await look(conn, clock())
                        for line in news(known, picture):
                            self.tell(line)
                        known = {alert.alert_id: alert for alert in picture.alerts}
                        next_line = self._show(picture, next_line)
                        await asyncio.sleep(1)
            await asyncio.sleep(1)

    def _show(self, picture: Picture, next_line: datetime) -> datetime:
        self._picture = picture
        if self._live is not None:
            self._live.update(self._page())
        elif picture.at >= next_line and picture.readings:
            last = picture.readings[0]
            open_alerts = sum(alert.state != "closed" for alert in picture.alerts)
            self.tell(
                f"readings: {picture.per_s:.1f}/s stored; last {last.device} {last.total_l:,.0f} L"
                f" at {last.measured_at.astimezone():%H:%M:%S}; {open_alerts} alerts open"
            )
            return picture.at + _READINGS_LINE_EVERY
        return next_line

    def _page(self) -> "RenderableType":
        from rich.console import Group
        from rich.panel import Panel
        from rich.table import Table
        from rich.text import Text

        readings = Table.grid(padding=(0, 2))
        alerts = Table.grid(padding=(0, 2))
        heading = "readings: waiting for the first"
        if self._picture is not None:
            heading = f"readings: {self._picture.per_s:.1f}/s stored"
            for reading in self._picture.readings[:6]:
                readings.add_row(
                    Text(f"{reading.measured_at.astimezone():%H:%M:%S}"),
                    Text(reading.device),
                    Text(f"{reading.total_l:,.0f} L"),
                )
            for alert in [alert for alert in self._picture.alerts if alert.state != "closed"][:12]:
                style = {"urgent": "bold red", "hard": "red", "soft": "yellow"}.get(alert.severity, "")
                alerts.add_row(
                    Text(str(alert.alert_id)), Text(alert.kind, style=style), Text(alert.where), Text(alert.reason)
                )
        return Group(
            Text(self._title, style="bold"),
            Panel(readings, title=heading, title_align="left"),
            Panel(alerts, title="open alerts", title_align="left"),
            Panel(Text("\n".join(self._feed)), title="what happens (Ctrl-C stops)", title_align="left"),
        )


async def lanes_heard(conn: AsyncConnection[TupleRow], since: datetime) -> set[str]:
    """Which lanes of ingest have heard their broker since an instant."""
    return {lane for (lane,) in await (await conn.execute(_SQL.lanes_heard, {"since": since})).fetchall()}
