"""What people answer is done: one transaction keeps the answer, changes the alert and writes what is said in return.

Each answer counts once, by its provider's id, whatever repeats it. Nothing here decides what a text means
(`alerts.replies.meaning`) or what a case may do (`alerts.life.verdicts`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import structlog
from prometheus_client import Counter
from psycopg import AsyncConnection

from alerts.channels.inbound_values import InboundReply
from alerts.channels.webhook import SITE
from alerts.life.commands import By, Closing
from alerts.links import Link
from alerts.messages import MessageType
from alerts.replies import answers, deeds, meaning, record, respondents
from alerts.replies.deeds import Does, Result
from alerts.replies.meaning import AskWhich, Means, NothingOpen, Understood, Wish
from alerts.replies.record import Arrived
from alerts.replies.respondents import Sender
from storage import sql

log = structlog.get_logger()

_Q = sql.load(__package__, "replies.sql")
REPLIES: Final = Counter(
    "anju_alerts_replies_total", "Answers that came, by what became of them", ["through", "result"]
)
_ANSWER_EVERY: Final = timedelta(minutes=1)
#: An answer that comes later answers nothing any more.
_ANSWER_FOR: Final = timedelta(minutes=10)


class Through(StrEnum):
    """How an answer came; the `source` of its entry."""

    SMS = "sms"
    VOICE = "voice"
    LINK = "link"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of an answer.

    Attributes:
        result: Just that.
        earlier: Of a repeated one: what had become of it the first time.
        wish: What was wanted, unless it was to close or to note something.
        alert_id: Of which alert.
        closing: What closing it offers.
        language: Of whoever answered.
    """

    result: Result
    earlier: Result | None = None
    wish: Wish | None = None
    alert_id: int | None = None
    closing: Closing | None = None
    language: str | None = None


async def take(conn: AsyncConnection[Any], reply: InboundReply, now: datetime) -> Taken:
    """An SMS, or a key pressed in a call: understood, kept, done, and answered by SMS where it could not be done.

    Raises:
        psycopg.Error: Nothing was kept; the provider may repeat it.
    """
    through = Through.SMS if reply.reference is None else Through.VOICE
    arrived = Arrived(provider=reply.provider, provider_id=reply.provider_id, said=reply.text)
    async with conn.transaction():
        about, person_id = await respondents.sender_of(conn, reply)
        sender = None if person_id is None else await respondents.lock(conn, person_id)
        understood = meaning.understand(reply.text)
        language = None if sender is None else sender.language
        reply_id = await record.keep(conn, arrived, sender, about, now)
        if reply_id is None:
            earlier = await record.earlier(conn, arrived)
            repeated = Taken(result=Result.REPEATED, earlier=earlier, wish=understood.wish, language=language)
            return _counted(through, repeated, sender)
        if sender is None:
            taken = Taken(result=Result.UNKNOWN_SENDER, wish=understood.wish)
        elif understood.wish is Wish.NO_MORE:
            taken = Taken(result=Result.NO_MORE, wish=understood.wish)
        else:
            taken = await _answered(
                conn, reply, sender=sender, understood=understood, about=about, through=through, now=now
            )
        await record.settle(conn, reply_id, taken.result, taken.alert_id)
    return _counted(through, taken, sender)


async def press(conn: AsyncConnection[Any], link: Link, does: Does, once: str, now: datetime) -> Taken:
    """A button on the page of a link; `once` is the page's own number, so that a page sent twice counts once.

    Raises:
        psycopg.Error: Nothing was kept.
    """
    named = f"{link.alert_id}/{link.person_id}/{once}"
    arrived = Arrived(provider="link", provider_id=named, said=deeds.name_of(does))
    async with conn.transaction():
        sender = await respondents.lock(conn, link.person_id)
        if sender is None:
            return _counted(Through.LINK, Taken(result=Result.UNKNOWN_SENDER, alert_id=link.alert_id), None)
        reply_id = await record.keep(conn, arrived, sender, link.alert_id, now)
        if reply_id is None:
            earlier = await record.earlier(conn, arrived)
            repeated = Taken(result=Result.REPEATED, earlier=earlier, alert_id=link.alert_id)
            return _counted(Through.LINK, repeated, sender)
        by = await respondents.acting(conn, sender, link.alert_id, Through.LINK, now)
        taken = await _done(conn, link.alert_id, does, by)
        await record.settle(conn, reply_id, taken.result, taken.alert_id)
    return _counted(Through.LINK, taken, sender)


async def call_back(
    conn: AsyncConnection[Any],
    *,
    desks: frozenset[str],
    call_id: str,
    alert_id: int,
    does: Does,
    actor: str,
    now: datetime,
) -> Taken:
    """A desk that was told by webhook calls back.

    Args:
        conn: A connection.
        desks: The receivers that it may be. An alert that none of them was sent is to it one that is not there.
        call_id: The same for all repetitions; of one desk, so that none can use up the ids of another.
        alert_id: Of which alert.
        does: What it wants.
        actor: A person's key, or an account of the desk's own.
        now: Aware.

    Raises:
        psycopg.Error: Nothing was kept; the desk may repeat it.
    """
    provider = "webhook" if SITE in desks else f"webhook/{min(desks)}"
    arrived = Arrived(provider=provider, provider_id=call_id, said=deeds.name_of(does))
    async with conn.transaction():
        sender = await respondents.by_key(conn, actor)
        reply_id = await record.keep(conn, arrived, sender, None, now)
        if reply_id is None:
            earlier = await record.earlier(conn, arrived)
            repeated = Taken(result=Result.REPEATED, earlier=earlier, alert_id=alert_id)
            return _counted(Through.WEBHOOK, repeated, sender)
        if not await respondents.was_sent(conn, alert_id, desks):
            taken = Taken(result=Result.UNKNOWN_ALERT, alert_id=alert_id)
        elif sender is None:
            taken = await _done(conn, alert_id, does, By(actor=actor, source=Through.WEBHOOK, now=now))
        else:
            by = await respondents.acting(conn, sender, alert_id, Through.WEBHOOK, now)
            taken = await _done(conn, alert_id, does, by)
        await record.settle(conn, reply_id, taken.result, taken.alert_id)
    return _counted(Through.WEBHOOK, taken, sender)


async def _answered(
    conn: AsyncConnection[Any],
    reply: InboundReply,
    *,
    sender: Sender,
    understood: Understood,
    about: int | None,
    through: Through,
    now: datetime,
) -> Taken:
    told_of = await respondents.told_of(conn, sender, about)
    choice = meaning.choose(understood.code, told_of)
    codes: tuple[str, ...] = ()
    match choice:
        case NothingOpen():
            taken = Taken(result=Result.NOTHING_OPEN, wish=understood.wish)
        case _ if understood.wish is Wish.UNCLEAR:
            taken = Taken(result=Result.UNCLEAR, wish=understood.wish)
        case AskWhich(codes=codes):
            taken = Taken(result=Result.ASKED_WHICH, wish=understood.wish)
        case Means(alert_id=alert_id):
            by = await respondents.acting(conn, sender, alert_id, through, now)
            taken = await _done(conn, alert_id, understood.wish, by)
    if through is Through.SMS:
        newest = told_of[0].alert_id if told_of else None
        await _say(conn, sender, taken, codes, number=reply.from_, alert_id=taken.alert_id or newest, now=now)
    return Taken(result=taken.result, wish=taken.wish, alert_id=taken.alert_id, language=sender.language)


async def _done(conn: AsyncConnection[Any], alert_id: int, does: Does, by: By) -> Taken:
    result, closing = await deeds.do(conn, alert_id, does, by)
    return Taken(result=result, wish=does if isinstance(does, Wish) else None, alert_id=alert_id, closing=closing)


async def _say(
    conn: AsyncConnection[Any],
    sender: Sender,
    taken: Taken,
    codes: Sequence[str],
    *,
    number: str,
    alert_id: int | None,
    now: datetime,
) -> None:
    """An SMS in return, of the alert it is about or of the last one the person heard of; at most one in a minute."""
    if answers.to_reply(taken.result, codes, sender.language) is None:
        return
    if alert_id is None:
        asked = {"recipient": number, "person_id": sender.person_id}
        row = await (await conn.execute(_Q.last_told, asked)).fetchone()
        if row is None:
            return
        alert_id = row[0]
    relation = await respondents.relation_to(conn, sender.person_id, alert_id)
    await conn.execute(
        _Q.answer,
        {
            "recipient": number,
            "person_id": sender.person_id,
            "alert_id": alert_id,
            "type": str(MessageType.ANSWER),
            "audience": "staff" if relation is None else "resident" if relation == "resident" else "contact",
            "text": answers.to_reply(taken.result, codes, sender.language, resident=relation == "resident"),
            "now": now,
            "since": now - _ANSWER_EVERY,
            "give_up_at": now + _ANSWER_FOR,
        },
    )


def _counted(through: Through, taken: Taken, sender: Sender | None) -> Taken:
    REPLIES.labels(through=through, result=taken.result).inc()
    known = {"through": str(through), "result": str(taken.result), "alert_id": taken.alert_id}
    if sender is None and through is not Through.WEBHOOK:
        log.warning("reply_from_unknown", **known)
    elif taken.result is Result.NO_MORE:
        log.warning("reply_wants_no_more", person_id=None if sender is None else sender.person_id, **known)
    else:
        log.info("reply_taken", person_id=None if sender is None else sender.person_id, **known)
    return taken
