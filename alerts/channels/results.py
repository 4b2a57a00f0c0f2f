"""What a channel says of one attempt: accepted, try again, or give up; the reasons are a closed set (metric labels)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from pydantic import JsonValue


class Fault(StrEnum):
    """Why an attempt did not get through."""

    UNREACHABLE = "unreachable"
    CONNECTION_LOST = "connection_lost"
    TIMED_OUT = "timed_out"
    BUSY = "busy"
    SERVER_FAULT = "server_fault"
    CERTIFICATE = "certificate"
    REDIRECTED = "redirected"
    REFUSED = "refused"
    UNAUTHORIZED = "unauthorized"
    NOT_FOUND = "not_found"
    NOT_UNDERSTOOD = "not_understood"
    GONE = "gone"
    TOO_LARGE = "too_large"
    OUR_BUG = "our_bug"
    BAD_NUMBER = "bad_number"
    BLOCKED = "blocked"
    CAP_REACHED = "cap_reached"
    NO_CREDIT = "no_credit"
    TEMPLATE_REFUSED = "template_refused"
    UNDELIVERED = "undelivered"
    UNKNOWN_RECIPIENT = "unknown_recipient"

    @property
    def is_final(self) -> bool:
        """Whether the same provider would say the same of the same message again."""
        return self in _FINAL

    @property
    def needs_operator(self) -> bool:
        """Whether it lasts until somebody changes a setting, on our side or on the receiver's."""
        return self in _NEEDS_OPERATOR


_NEEDS_OPERATOR = frozenset(
    {
        Fault.CERTIFICATE,
        Fault.REDIRECTED,
        Fault.REFUSED,
        Fault.UNAUTHORIZED,
        Fault.NOT_FOUND,
        Fault.NOT_UNDERSTOOD,
        Fault.OUR_BUG,
        Fault.NO_CREDIT,
        Fault.TEMPLATE_REFUSED,
        Fault.UNKNOWN_RECIPIENT,
    }
)
_FINAL = frozenset({Fault.BAD_NUMBER, Fault.BLOCKED, Fault.UNDELIVERED, Fault.GONE, Fault.TOO_LARGE})


class Delivery(StrEnum):
    """What a provider reports of a message it had accepted."""

    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    UNDELIVERED = "undelivered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The provider has taken the message over; `provider_id` is its own name for it, where it gave one."""

    provider_id: str | None = None
    provider: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TryAgain:
    """Not this time.

    Attributes:
        fault: Why not.
        retry_after_s: When the provider wants to be asked again, where it said so.
        provider: Who was asked; None where nobody was.
        elsewhere: Another provider stands ready: it is asked at once.
        held_until: Our own limit forbids it before; nobody was asked.
    """

    fault: Fault
    retry_after_s: float | None = None
    provider: str | None = None
    elsewhere: bool = False
    held_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """The provider will never take this message."""

    fault: Fault
    provider: str | None = None


Result = Accepted | TryAgain | GiveUp


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """An earlier attempt of the same message: whom it went to, and why that was not enough."""

    provider: str
    fault: Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A message to the same recipient that a provider may have counted."""

    notification_id: UUID
    provider: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One message on its way.

    Attributes:
        notification_id: Stays the same over all attempts: the idempotency key where a provider takes one.
        alert_id: What it is about.
        priority: 0 goes first.
        body: `{"type": ..., "data": AlertFacts}`; for a person also `audience` (`staff`, `contact`, `resident`).
        created_at: When it was written.
        give_up_at: Until when it is tried.
        attempt: Counts from 1.
        recipient: An address that only the channel understands: a number in E.164, a receiver's or a chat's name.
        person_id: Whose address that is; None for the site's webhook.
        language: Of that person: `zh` or `en`.
        bundled: How many further alerts this message speaks of by their number only.
        channel: By which channel it leaves.
        tried: What became of earlier attempts, oldest first; of channels with several providers only.
        submitted: What this recipient was sent in the last 24 hours; of channels with several providers only.
    """

    notification_id: UUID
    alert_id: int
    priority: int
    body: Mapping[str, JsonValue]
    created_at: datetime
    give_up_at: datetime
    attempt: int
    recipient: str = "default"
    person_id: int | None = None
    language: str = "zh"
    bundled: int = 0
    channel: str = ""
    tried: tuple[Tried, ...] = ()
    submitted: tuple[Submission, ...] = ()


class Channel(Protocol):
    """A way out. An attempt ends in a Result, never in an exception, and within the channel's own time limit."""

    name: str

    async def send(self, message: Outgoing, now: datetime) -> Result:
        """Tries once to hand the message over."""
        ...
