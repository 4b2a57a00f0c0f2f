"""Messages of the escalation: when each may leave, and which waiting ones it makes needless. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from pydantic import JsonValue

from alerts import messages
from alerts.escalation.model import DESK, Action, Circle, Due, Entry, Load, Message, Phase, Planned, Row, Waiting
from alerts.escalation.reach import Someone, Way
from alerts.messages import MessageType
from alerts.model import Severity

AGAIN_AFTER: Final = timedelta(seconds=60)
"""Who was told hears of the same alert again no sooner, when telling starts anew; and non-urgent messages wait so long
for others that go with them."""
MANY_WAITING: Final = 5
RETRY: Final = timedelta(seconds=60)


def is_urgent(due: Due) -> bool:
    """Whether somebody calls for help: what is said of it is never held back for other alerts."""
    return due.case.severity is Severity.URGENT


def only_due(due: Due, row: Row) -> Planned:
    """Nothing is to be said; it is due again later."""
    return Planned(row=row, run=row.run, round=row.round)


def loaded(load: Load, message: Message, now: datetime) -> Load:
    """What a person has been sent once this message is written too; see `Load`."""
    if message.priority == 0:
        return load
    if message.not_before <= now:
        return replace(load, last_at=now)
    soon = message.not_before <= now + AGAIN_AFTER
    waiting = load.waiting + (message.replaces is None)
    return replace(load, held_until=message.not_before if soon else load.held_until, waiting=waiting)


def not_before(due: Due, person_id: int | None, loads: Mapping[int, Load], now: datetime) -> datetime:
    """When a message may leave: at once, unless the person was told of this alert or of others just now."""
    if person_id is None:
        return now
    earliest = now
    told = due.told.get(person_id)
    if told is not None and told.run < due.row.run:
        earliest = max(earliest, told.at + AGAIN_AFTER)
    if is_urgent(due):
        return earliest
    load = loads.get(person_id, Load())
    if load.held_until is not None and load.held_until > now:
        return max(earliest, load.held_until)
    if load.last_at is not None and load.last_at + AGAIN_AFTER > now:
        return max(earliest, load.last_at + AGAIN_AFTER)
    if load.waiting > MANY_WAITING:
        return max(earliest, now + AGAIN_AFTER)
    return earliest


def message(
    due: Due,
    to: tuple[Someone, Way],
    kind: MessageType,
    *,
    leaves_at: datetime,
    step: int,
    now: datetime,
    instead_of: str | None = None,
) -> Message:
    """A message to somebody.

    Args:
        due: What it is about.
        to: Who, and how.
        kind: Why they are told.
        leaves_at: When it may leave; sooner where one that nobody has seen yet may, since it takes that one's place.
        step: The code of the slot that says it.
        now: The time (aware).
        instead_of: Whom it should have gone to, where that failed.
    """
    someone, way = to
    severity = due.case.severity
    same = _waiting(due, way)
    newest = unseen(due, way)
    if newest is not None:
        leaves_at = max(now, min(leaves_at, newest.next_attempt_at))
    return Message(
        channel=way.channel,
        recipient=way.address,
        person=someone.person,
        type=kind,
        audience=someone.audience,
        priority=Severity.URGENT.rank - severity.rank,
        not_before=leaves_at,
        give_up_at=leaves_at + messages.give_up_after(severity),
        step=step,
        instead_of=instead_of,
        replaces=None if newest is None else newest.notification_id,
        withdraws=tuple(each.notification_id for each in same if each is not newest),
    )


def _waiting(due: Due, way: Way) -> list[Waiting]:
    """Calls to the same address that have not left."""
    return [each for each in due.waiting if (each.channel, each.recipient) == way and each.call]


def unseen(due: Due, way: Way) -> Waiting | None:
    """One of them that nobody can have seen."""
    return next((each for each in _waiting(due, way) if each.attempts == 0), None)


def nobody(due: Due, circle: Circle, fell: list[JsonValue], now: datetime) -> Planned:
    """Tried again each minute; the history and the duty desk hear of it once in a run."""
    row = replace(due.row, due_at=now + RETRY, phase=Phase.TELLING)
    planned = Planned(row=row, run=row.run, round=row.round, nobody=True)
    if due.nobody_entered:
        return planned
    detail: dict[str, JsonValue] = {"run": row.run, "round": row.round, "ladder": circle.ladder.name}
    if fell:
        detail["fell_upward"] = fell
    entry = Entry(action=Action.NOBODY, detail=detail)
    if "webhook" not in circle.channels:
        return replace(planned, entry=entry)
    desk = Someone(None, (Way("webhook", DESK),), "staff")
    told = message(
        due,
        (desk, desk.ways[0]),
        MessageType.ESCALATED,
        leaves_at=now,
        step=row.step,
        now=now,
        instead_of="anybody",
    )
    return replace(planned, entry=entry, messages=(told,))
