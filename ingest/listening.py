"""Since when an urgent session has been listening to each call button without a break (pure).

A message that the bulk lane brings minutes late has often no time of its own and no id. But if the urgent session was
subscribed to its topic before the broker can have got it, and has been listening ever since, then the same message was
handed to that session too: whatever it says is stored.

Here a break is whatever could let a message pass the session by: another connection, even to the same session at the
broker, and a pause in reading, while the broker's queue may run over.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from ingest.batch import Message

# The bulk lane's beacons may bear the time of another machine, and brokers need not keep the order of two senders.
MARGIN: Final = timedelta(seconds=30)


class Epoch(NamedTuple):
    """A stretch of listening; two that differ have a break between them.

    Attributes:
        connects: connections made so far.
        pauses: pauses in reading made so far.
    """

    connects: int
    pauses: int


class Listening:
    """Since when each topic filter of one session has been granted, in the present stretch."""

    def __init__(self) -> None:
        self._epoch: Epoch | None = None
        self._since: dict[str, datetime] = {}

    def granted(self, filters: Iterable[str], epoch: Epoch, at: datetime) -> None:
        """Takes down that filters are granted now; those that were before in the same stretch keep their time."""
        if epoch != self._epoch:
            self._epoch = epoch
            self._since.clear()
        for each in filters:
            self._since.setdefault(each, at)

    def given_up(self, filters: Iterable[str]) -> None:
        """Forgets filters; to be called before they are unsubscribed from."""
        for each in filters:
            self._since.pop(each, None)

    def since(self, topic: str, filters: Iterable[str], epoch: Epoch) -> datetime | None:
        """Since when messages on a topic have been heard without a break; None: they are not, or not for certain.

        Args:
            topic: of the message.
            filters: those that may match it.
            epoch: the present stretch.
        """
        if epoch != self._epoch:
            return None
        known = [self._since[each] for each in filters if each in self._since and matches(each, topic)]
        return min(known, default=None)


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a filter with whole levels of `+`, and no `#`, matches a topic."""
    wanted, there = topic_filter.split("/"), topic.split("/")
    return len(wanted) == len(there) and all(want in ("+", level) for want, level in zip(wanted, there, strict=True))


def twin_since(
    message: Message, bulk_heard_until: datetime | None, listening_since: datetime | None
) -> datetime | None:
    """From when on the urgent session must have got its own copy of a message that the bulk lane brings; None: unknown.

    Args:
        message: as the bulk lane received it. At QoS 0 a copy may be lost; a retained one was never handed on.
        bulk_heard_until: until when the bulk session had committed what it was sent. Whatever comes after that, the
            broker got later: a session's queue keeps its order. (A message that was sent before and comes again may be
            older; then it is committed already.)
        listening_since: see `Listening.since`; asked after the urgent session has heard a beacon that was sent when the
            message was here.
    """
    if message.retain or message.packet_id is None or bulk_heard_until is None or listening_since is None:
        return None
    return bulk_heard_until if listening_since <= bulk_heard_until - MARGIN else None
