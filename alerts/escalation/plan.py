"""What is done with an alert that is due: who is told, what the history says, when it is due again. Pure.

While nobody has taken it, the ladder is climbed again and again; once somebody has, they are reminded, and lose it
again when nothing follows. Who has said that they cannot come is left out for as long as the alert lasts, unless nobody
else is left. Whatever goes in, somebody is told, or the plan says that there is nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pydantic import JsonValue

from alerts.escalation.composing import is_urgent, message, nobody, not_before, only_due, unseen
from alerts.escalation.follow_up import follow_up
from alerts.escalation.model import (
    Action,
    Circle,
    Due,
    Entry,
    Load,
    Message,
    Phase,
    Planned,
)
from alerts.escalation.policy import Tell, next_digest
from alerts.escalation.reach import Reached, Someone, Way, contacts_in_turn, reach
from alerts.escalation.timetable import Slot, index_of, next_round, period, timetable
from alerts.messages import MessageType
from alerts.model import Severity, State


def plan(due: Due, circle: Circle, loads: Mapping[int, Load], now: datetime) -> Planned:
    """What is to be done.

    Args:
        due: The alert, not closed.
        circle: Those around it.
        loads: By person, what they have been sent of late.
        now: The time (aware).
    """
    until = due.case.muted_until
    if due.case.severity is Severity.TECHNICAL and until is not None and until > now:
        return only_due(due, replace(due.row, due_at=until))
    circle = replace(circle, cannot=due.declined)
    if due.row.phase is Phase.AWAITING and due.case.state is not State.OPEN:
        return follow_up(due, circle, loads, now)
    return _climb(due, circle, loads, now)


# ---------------------------------------------------------------------------------------------- nobody has taken it


@dataclass(slots=True)
class _Telling:
    """What the slots that are carried out together come to."""

    people: dict[tuple[str, str], tuple[Someone, Way, Tell, Slot, Reached]] = field(default_factory=dict)
    fell: list[JsonValue] = field(default_factory=list)
    codes: list[JsonValue] = field(default_factory=list)
    staff_missing: bool = False

    def add(self, slot: Slot, due: Due, circle: Circle) -> bool:
        """Carries out a slot; whether it reaches anybody."""
        self.codes.append(slot.code)
        reached_any = False
        for tell in slot.step.tell:
            if slot.contact > 0 and tell.who != "contacts":
                continue
            reached = reach(tell, circle, due.case.severity, turn=due.row.round, place=slot.contact)
            if reached.fell is not None:
                self.fell.append(reached.fell.detail())
            if tell.is_staff and not reached.people:
                self.staff_missing = True
            for someone in reached.people:
                reached_any = True
                for way in someone.ways:
                    self.people.setdefault((way.channel, way.address), (someone, way, tell, slot, reached))
            if slot.step.ask and reached_any:
                break
        return reached_any


def _climb(due: Due, circle: Circle, loads: Mapping[int, Load], now: datetime) -> Planned:
    row = due.row
    slots = timetable(circle.ladder, contacts_in_turn(circle))
    every = period(circle.ladder, slots)
    begun_at = row.started_at + row.round * every
    index = index_of(slots, row.step)
    if index is None:  # the ladder was changed and has become shorter
        number, begun_at = max(row.round, 0) + 1, now
        row, index = replace(row, round=number), 0
    due = replace(due, row=row)
    first = index == 0
    telling = _Telling()
    # A round is left only where somebody was told, so whoever is past its beginning need not look for that.
    told_before = index > 0 or row.round > 0 or any(told.run == row.run for told in due.told.values())
    reached = False
    position = index
    # What an outage has delayed is made up for in one go; and where nobody could be asked, the next step comes at once.
    while position < len(slots):
        is_due = position == index or begun_at + timedelta(seconds=slots[position].after_s) <= now
        if not is_due and (reached or told_before or telling.staff_missing):
            break
        reached |= telling.add(slots[position], due, circle)
        position += 1
    if not reached and (telling.staff_missing or (position == len(slots) and not told_before)):
        return nobody(due, circle, telling.fell, now)
    if position < len(slots):
        next_at = max(now, begun_at + timedelta(seconds=slots[position].after_s))
        onward = replace(row, due_at=next_at, step=slots[position].code)
    else:
        number, next_at = next_round(row.started_at, row.round, every, now)
        onward = replace(row, due_at=next_at, round=number, step=slots[0].code)
    found = _messages(telling, due, circle, loads, now, first=first and row.round == 0)
    return Planned(
        row=replace(onward, phase=Phase.TELLING),
        run=row.run,
        round=row.round,
        messages=found,
        entry=_entry(telling, due, circle, found),
        nobody=telling.staff_missing,
    )


def _messages(
    telling: _Telling, due: Due, circle: Circle, loads: Mapping[int, Load], now: datetime, *, first: bool
) -> tuple[Message, ...]:
    found = []
    digest_at = None if is_urgent(due) else next_digest(circle.ladder, circle.zone, now)
    asks = not is_urgent(due)
    for someone, way, tell, slot, reached in telling.people.values():
        if someone.person is None and due.row.round == 0:
            continue  # the desk has heard it with the change itself
        if first and way in due.heard and not unseen(due, way):
            continue
        kind = MessageType.ASK if slot.step.ask and asks else due.why if first else MessageType.ESCALATED
        person_id = None if someone.person is None else someone.person.person_id
        wanted = not_before(due, person_id, loads, now) if digest_at is None else digest_at
        instead_of = tell.who if reached.stands_in else None
        found.append(
            message(due, (someone, way), kind, leaves_at=wanted, step=slot.code, now=now, instead_of=instead_of)
        )
    return tuple(found)


def _entry(telling: _Telling, due: Due, circle: Circle, found: tuple[Message, ...]) -> Entry | None:
    if not circle.staffed and not found:
        return None  # a site with a duty desk and nobody else: the desk has heard of it
    people: dict[str, JsonValue] = {}
    for someone, way, tell, _, reached in telling.people.values():
        key = "desk" if someone.person is None else someone.person.key
        as_ = reached.fell.told if reached.stands_in and reached.fell is not None else tell.who
        told = people.setdefault(key, {"as": as_, "by": []})
        if isinstance(told, dict) and isinstance(told["by"], list):
            told["by"].append(way.channel)
    detail: dict[str, JsonValue] = {
        "run": due.row.run,
        "round": due.row.round,
        "steps": telling.codes,
        "ladder": circle.ladder.name,
        "people": people,
    }
    if telling.fell:
        detail["fell_upward"] = telling.fell
    return Entry(action=Action.TOLD, detail=detail)
