"""When a message is tried again, and when it is given up. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from alerts.channels.results import Accepted, Fault, GiveUp, Outgoing, Result


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pace:
    """Doubling from `first_s` to `longest_s`; every `operator_s` while somebody must change a setting."""

    first_s: float
    longest_s: float
    operator_s: float


_URGENT: Final = _Pace(first_s=0.5, longest_s=30.0, operator_s=60.0)
_OTHERS: Final = _Pace(first_s=1.0, longest_s=300.0, operator_s=900.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The provider has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """It is tried again at this instant."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Abandoned:
    """It is tried no more."""

    fault: Fault


Step = Done | Later | Abandoned


def next_step(result: Result, message: Outgoing, now: datetime, jitter: float) -> Step:
    """What follows from an attempt.

    Args:
        result: How the attempt ended.
        message: The message, with the number of the attempt.
        now: When the attempt ended.
        jitter: A random number in [0, 1): it moves the delay by up to a quarter either way, so that many messages
            refused at once do not come back at once.
    """
    match result:
        case Accepted():
            return Done()
        case GiveUp(fault=fault):
            return Abandoned(fault=fault)
    if result.elsewhere:
        return _later(now, message, result.fault)
    if result.held_until is not None:
        # A limit that is just over would otherwise be met at once by all that wait for it.
        return _later(max(result.held_until, now) + timedelta(seconds=1.0 + jitter), message, result.fault)
    pace = _URGENT if message.priority == 0 else _OTHERS
    if result.fault.needs_operator:
        delay_s = pace.operator_s
    else:
        doublings = min(message.attempt - 1, 30)
        # A receiver that asks for an hour is asked sooner when a life may hang on it.
        delay_s = min(pace.longest_s, max(pace.first_s * 2**doublings, result.retry_after_s or 0.0))
    return _later(now + timedelta(seconds=delay_s * (0.75 + 0.5 * jitter)), message, result.fault)


def _later(at: datetime, message: Outgoing, fault: Fault) -> Step:
    return Later(at=at) if at <= message.give_up_at else Abandoned(fault=fault)
