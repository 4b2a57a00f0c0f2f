"""Delivery receipts: sent is not delivered, delivered is not read; in whatever order, however often, also too early.

A receipt may overtake the record of the attempt it is about: it is kept, and applied when the attempt is recorded. A
message that raised an alert and was not delivered is sent once more by the next provider, or the next step of the
escalation comes at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import structlog
from psycopg import AsyncConnection
from psycopg.rows import class_row

from alerts import metrics
from alerts.channels.results import Delivery
from alerts.outbox import NEWS
from storage import sql

log = structlog.get_logger()

_Q = sql.load(__package__, "receipts.sql")
#: That something was not delivered ends it, unless it was after all.
_RANKS: Final = {delivery: rank for rank, delivery in enumerate(("sent", "undelivered", "delivered", "read"), start=1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """The message that a receipt is about.

    Attributes:
        newest: Whether the receipt is about its latest attempt.
        alert_open: Whether nobody has taken the alert yet.
    """

    notification_id: UUID
    alert_id: int
    channel: str
    priority: int
    state: str
    delivery: str | None
    give_up_at: datetime
    newest: bool
    alert_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequence:
    """What follows from a receipt.

    Attributes:
        delivery: What is now known of the message; None: nothing new.
        again: It is sent once more, by another provider.
        hurry: The next step of the escalation comes at once.
    """

    delivery: Delivery | None = None
    again: bool = False
    hurry: bool = False


def decide(message: Message, delivery: Delivery, now: datetime) -> Consequence:
    """What a receipt changes. Pure: the same set of receipts ends in the same state in whatever order it comes."""
    known = _RANKS[message.delivery] if message.delivery is not None else 0
    if _RANKS[delivery] <= known:
        return Consequence()
    if delivery in (Delivery.DELIVERED, Delivery.READ):
        return Consequence(delivery=delivery)
    if not message.newest or message.state != "accepted":
        return Consequence()  # it is on its way by another provider meanwhile, or was given up
    if delivery is Delivery.SENT:
        return Consequence(delivery=delivery)
    matters = message.priority < NEWS and message.alert_open and now < message.give_up_at
    # A call that nobody took would be placed again and again; somebody else is told instead.
    by_sms = message.channel == "sms"
    return Consequence(delivery=delivery, again=matters and by_sms, hurry=matters and not by_sms)


async def record_receipt(  # noqa: PLR0917
    conn: AsyncConnection[Any], provider: str, provider_id: str, delivery: str, detail: str, now: datetime
) -> bool:
    """Keeps a receipt and what follows from it, in one transaction.

    Args:
        conn: A connection; inside a transaction of the caller's it is part of that.
        provider: Its name in the settings.
        provider_id: Its own name for the message.
        delivery: `sent`, `delivered`, `read` or `undelivered`.
        detail: The provider's code for the reason; never a number, a name or a text.
        now: Aware.

    Returns:
        Whether it was new. A repeated receipt changes nothing.

    Raises:
        ValueError: `delivery` is none of the four.
    """
    reported = Delivery(delivery)
    about = {"provider": provider, "provider_id": provider_id}
    async with conn.transaction():
        await lock(conn, [(provider, provider_id)])
        cursor = await conn.execute(_Q.keep_receipt, about | {"delivery": reported, "detail": detail, "now": now})
        if await cursor.fetchone() is None:
            return False
        await _apply(conn, provider, provider_id, reported, now)
    metrics.RECEIPTS.labels(reported).inc()
    return True


async def lock(conn: AsyncConnection[Any], pairs: Sequence[tuple[str, str]]) -> None:
    """Keeps receipts of these messages waiting, or waits for them, until the transaction ends."""
    await conn.execute(_Q.lock_pairs, {"pairs": [f"{provider}/{provider_id}" for provider, provider_id in pairs]})


async def catch_up(conn: AsyncConnection[Any], pairs: Sequence[tuple[str, str]], now: datetime) -> None:
    """Applies the receipts that came before these attempts were recorded."""
    known = {"providers": [pair[0] for pair in pairs], "provider_ids": [pair[1] for pair in pairs]}
    cursor = await conn.execute(_Q.receipts_before, known)
    for provider, provider_id, delivery in await cursor.fetchall():
        await _apply(conn, provider, provider_id, Delivery(delivery), now)


async def _apply(
    conn: AsyncConnection[Any], provider: str, provider_id: str, delivery: Delivery, now: datetime
) -> None:
    async with conn.cursor(row_factory=class_row(Message)) as cursor:
        await cursor.execute(_Q.find_message, {"provider": provider, "provider_id": provider_id})
        message = await cursor.fetchone()
    if message is None:
        return
    follows = decide(message, delivery, now)
    if follows.delivery is None:
        return
    about = {"notification_id": message.notification_id, "now": now}
    arrived = follows.delivery in (Delivery.DELIVERED, Delivery.READ)
    await conn.execute(_Q.set_delivery, about | {"delivery": follows.delivery, "arrived": arrived})
    if follows.again or follows.hurry:
        said = {"alert_id": message.alert_id, "channel": message.channel, "provider": provider}
        await conn.execute(_Q.enter_undelivered, about | said)
        log.warning("message_undelivered", notification_id=str(message.notification_id), alert_id=message.alert_id)
    if follows.again:
        await conn.execute(_Q.send_again, about | {"news": NEWS})
    if follows.hurry:
        await conn.execute(_Q.hurry, about)
