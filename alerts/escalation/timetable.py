"""A ladder as a timetable: one slot for each moment of a round. Pure.

A slot's code says which it is for as long as the ladder stays as it is, whoever is on duty: the number of its step
times 100, plus the place of the contact whose turn it is.
"""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from alerts.escalation.policy import Ladder, Step

_CODES_A_STEP: Final = 100
_LAST_ROUND: Final = 32_000


class Slot(NamedTuple):
    """One moment of a round.

    Attributes:
        code: Which it is.
        after_s: After the beginning of the round.
        step: What is done.
        contact: The place of the contact who is told; the others of the step are told with the first.
    """

    code: int
    after_s: int
    step: Step
    contact: int


def timetable(ladder: Ladder, contacts: int) -> tuple[Slot, ...]:
    """The slots of a round in order of time.

    Args:
        ladder: The ladder.
        contacts: How many there are.
    """
    slots = [
        Slot(number * _CODES_A_STEP + contact, step.after_s + contact * ladder.contact_every_s, step, contact)
        for number, step in enumerate(ladder.steps)
        for contact in range(_turns(step, contacts))
    ]
    return tuple(sorted(slots, key=lambda slot: (slot.after_s, slot.code)))


def _turns(step: Step, contacts: int) -> int:
    in_turn = any(tell.who == "contacts" for tell in step.tell) and not step.ask
    return min(max(1, contacts), _CODES_A_STEP) if in_turn else 1


def index_of(slots: tuple[Slot, ...], code: int) -> int | None:
    """Where to go on; with a code that the ladder no longer has, at the next one. None: the round is over."""
    for index, slot in enumerate(slots):
        if slot.code == code:
            return index
    later = [index for index, slot in enumerate(slots) if slot.code > code]
    return min(later, default=None)


def period(ladder: Ladder, slots: tuple[Slot, ...]) -> timedelta:
    """From the beginning of one round to that of the next."""
    return timedelta(seconds=slots[-1].after_s + ladder.repeat_s)


def next_round(started_at: datetime, current: int, every: timedelta, now: datetime) -> tuple[int, datetime]:
    """The number and the beginning of the round after this one; rounds that an outage has swallowed are left out."""
    number = max(current + 1, (now - started_at) // every + 1)
    if number > _LAST_ROUND:  # the column ends; after months the number says nothing any more
        return _LAST_ROUND, now + every
    return number, started_at + number * every
