"""Which topic filters are wanted, and which the broker has granted; kept over reconnects."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

import structlog

from ingest.errors import ConnectionClosed, ConnectionLost, ProtocolViolation, SessionTakenOver, SubscriptionRefused
from ingest.mqtt.link import Link
from ingest.mqtt.options import Subscription

# The link is of no more use; whoever keeps it knows already, and the next one restores everything.
_LINK_ENDED: Final = (ConnectionLost, ConnectionClosed, SessionTakenOver, ProtocolViolation)


class Subscriptions:
    """The filters of one client, brought to every new link.

    Args:
        wanted: from the start.
        retry_s: pause before refused filters are asked for again: rights may be granted while we are connected.
        log: bound to the connection.

    Attributes:
        refused: filters that the broker does not grant at present, with its reason.
        granted: whether every filter is granted on the present link.
    """

    def __init__(self, wanted: Iterable[Subscription], retry_s: float, log: structlog.stdlib.BoundLogger) -> None:
        self.refused: dict[str, str] = {}
        self.granted = False
        self._wanted = {each.filter: each for each in wanted}
        self._leaving: set[str] = set()
        self._retry_s = retry_s
        self._log = log

    async def restore(self, link: Link) -> None:
        """Subscribe to everything on a new link, and to what is refused again and again, until it ends."""
        asked = list(self._wanted.values())
        try:
            while True:
                refused = await link.subscribe(asked)
                self.refused = {name: why for name, why in refused.items() if name in self._wanted}
                await self._leave(link)
                if not self.refused:
                    self.granted = True
                    return
                self._log.error("mqtt_subscription_refused", refused=self.refused)
                await asyncio.sleep(self._retry_s)
                asked = [self._wanted[name] for name in self.refused]
        except _LINK_ENDED:
            return

    async def add(self, link: Link | None, subscriptions: Sequence[Subscription]) -> None:
        """Want more; on a link that stands, subscribe at once.

        Raises:
            SubscriptionRefused: some of them are not granted.
        """
        for each in subscriptions:
            self._wanted[each.filter] = each
            self._leaving.discard(each.filter)
        if link is None:
            return
        try:
            refused = await link.subscribe(subscriptions)
        except _LINK_ENDED:
            return
        for each in subscriptions:
            self.refused.pop(each.filter, None)
        if refused:
            self.refused.update(refused)
            raise SubscriptionRefused(refused)

    async def remove(self, link: Link | None, filters: Iterable[str]) -> None:
        """Want less; without a link, the next one unsubscribes: the broker's session remembers meanwhile."""
        for name in filters:
            self._wanted.pop(name, None)
            self.refused.pop(name, None)
            self._leaving.add(name)
        if link is not None:
            await self._leave(link)

    async def _leave(self, link: Link) -> None:
        leaving = sorted(self._leaving)
        try:
            await link.unsubscribe(leaving)
        except _LINK_ENDED:
            return
        self._leaving.difference_update(leaving)
