"""Where presses share a topic with telemetry, the urgent sessions subscribe to the installed call buttons one by one.

ChirpStack, The Things Stack and zigbee2mqtt publish all that a device says on one topic. The bulk session hears it all;
of the buttons the urgent sessions hear it too, and whichever copy comes second is recognised as a repetition. So what
is installed decides what is subscribed to, and is looked at every other second.

A call button is known by its model or its name. Besides, an installed device that has called once is one, whatever it
is listed as.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import psycopg
import structlog
from psycopg import AsyncConnection

from devices.model import WAKING
from devices.registry import Drivers
from ingest.errors import SubscriptionRefused
from ingest.listening import Epoch, Listening
from ingest.mqtt.connection import Connection
from ingest.mqtt.options import Subscription
from storage.pool import connect, is_passing_fault
from storage.sql import load

_Q: Final = load(__package__, "subscriptions.sql")
_log = structlog.get_logger()

_LOOK_EVERY_S: Final = 2.0
# What the number of the newest installation does not show: a removal, another model, a transaction that took its time.
_READ_ALL_EVERY_S: Final = 60.0
# Transactions that were slow to commit may hold events older than the newest one seen.
_EVENTS_AGAIN: Final = 1_000


class Installed(NamedTuple):
    """An installed device.

    Attributes:
        device: the name it publishes under.
        driver: name of its driver.
        model: as the installation names it.
    """

    device: str
    driver: str
    model: str | None


def urgent_filters(installed: Iterable[Installed], called: Collection[str], drivers: Drivers) -> frozenset[str]:
    """The topic filters of the call buttons among installed devices (pure).

    Args:
        installed: the devices.
        called: names of devices that have pressed or fallen before.
        drivers: whose topics are mixed.
    """
    return frozenset(
        name
        for each in installed
        for name in drivers.urgent_filters(each.driver, each.model, each.device, has_called=each.device in called)
    )


class CallButtons:
    """Keeps the subscriptions of the urgent sessions to what is installed.

    Without the database they stay as they are; the brokers remember them, too.

    Args:
        database_url: where the installations are.
        drivers: whose topics are mixed.
        clock: tells the time.
    """

    def __init__(
        self, database_url: str, drivers: Drivers, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._url = database_url
        self._drivers = drivers
        self._clock = clock
        self._wanted: frozenset[str] = frozenset()
        self._called: set[str] = set()
        self._newest_event = 0
        self._listening: dict[Connection, Listening] = {}

    def heard_since(self, connection: Connection, device: str, topic: str) -> datetime | None:
        """Since when an urgent session has heard a device's messages on a topic without a break; None: it does not.

        Args:
            connection: the session's.
            device: the name it publishes under.
            topic: of a message of it.
        """
        listening = self._listening.get(connection)
        driver = self._drivers.by_prefix.get(topic.partition("/")[0])
        if listening is None or driver is None:
            return None
        templates = self._drivers.urgent_templates().get(driver.NAME, ())
        return listening.since(topic, [each.replace("{device}", device) for each in templates], _epoch(connection))

    async def keep(self, connections: Sequence[Connection]) -> None:
        """Looks at what is installed, and subscribes and unsubscribes accordingly, until it is cancelled.

        Args:
            connections: of the urgent sessions; nobody else subscribes there to what is subscribed to here.
        """
        while True:
            try:
                async with await connect(
                    self._url,
                    application_name="anju ingest call buttons",
                    autocommit=True,
                    connect_timeout_s=5.0,
                    statement_timeout_s=30.0,
                ) as database:
                    await self._follow(database, connections)
            except (psycopg.Error, OSError, TimeoutError) as error:
                if not is_passing_fault(error):
                    raise
                _log.warning("call_buttons_postponed", reason=type(error).__name__)
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _follow(self, database: AsyncConnection[Any], connections: Sequence[Connection]) -> None:
        now_s = asyncio.get_running_loop().time
        newest: object = None
        installed: list[Installed] = []
        read_at_s = float("-inf")
        while True:
            row = await (await database.execute(_Q.newest_installation)).fetchone()
            due = row != newest or now_s() - read_at_s >= _READ_ALL_EVERY_S
            if due:
                newest, read_at_s = row, now_s()
                cursor = await database.execute(
                    _Q.installed_devices,
                    {"drivers": list(self._drivers.urgent_templates()), "now": self._clock()},
                )
                installed = [Installed._make(each) for each in await cursor.fetchall()]
            if await self._anybody_new_called(database) or due:
                await self._bring(connections, urgent_filters(installed, self._called, self._drivers))
            self._take_down(connections)
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _anybody_new_called(self, database: AsyncConnection[Any]) -> bool:
        cursor = await database.execute(
            _Q.called, {"after": self._newest_event - _EVENTS_AGAIN, "kinds": [kind.value for kind in WAKING]}
        )
        before = len(self._called)
        for event_id, device in await cursor.fetchall():
            self._newest_event = max(self._newest_event, event_id)
            self._called.add(device)
        return len(self._called) > before

    async def _bring(self, connections: Sequence[Connection], wanted: frozenset[str]) -> None:
        more, less = sorted(wanted - self._wanted), sorted(self._wanted - wanted)
        if not (more or less):
            return
        self._wanted = wanted
        for listening in self._listening.values():
            listening.given_up(less)
        _log.info("call_buttons_changed", subscribed=len(more), unsubscribed=len(less), total=len(wanted))
        await asyncio.gather(*(_change(connection, more, less) for connection in connections))

    def _take_down(self, connections: Sequence[Connection]) -> None:
        at = self._clock()
        for connection in connections:
            if connection.subscribed:
                granted = self._wanted.difference(connection.refused)
                self._listening.setdefault(connection, Listening()).granted(granted, _epoch(connection), at)


def _epoch(connection: Connection) -> Epoch:
    return Epoch(connection.counters.connects, connection.counters.pauses)


async def _change(connection: Connection, more: Sequence[str], less: Sequence[str]) -> None:
    try:
        if more:
            await connection.subscribe(*map(Subscription, more))
    except SubscriptionRefused as refused:
        # A press of these devices is still heard on the bulk lane, but may wait there behind everything else.
        _log.error("call_buttons_refused", reason=str(refused)[:500])
    if less:
        await connection.unsubscribe(*less)
