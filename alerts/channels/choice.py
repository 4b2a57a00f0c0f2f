"""Which of several providers a message goes to next. Pure.

The first in the order of the settings is asked first, the next one at once when that was the provider's fault, and so
on round after round. Who has said that this message will never do is not asked again; who is down is asked last; who
may not send this number more is not asked, except for a call for help when nobody else can.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from alerts.caps import Caps, frees_at
from alerts.channels.health import Health
from alerts.channels.results import Accepted, Fault, GiveUp, Outgoing, Result, TryAgain


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One provider as it stands."""

    name: str
    caps: Caps
    health: Health


def choose(offers: Sequence[Offer], message: Outgoing, now: datetime) -> Offer | TryAgain | GiveUp:
    """The provider to ask, or how the attempt ends when there is none."""
    possible = [offer for offer in offers if _final(offer, message) is None]
    if not possible:
        finals = [tried.fault for tried in message.tried if tried.fault.is_final]
        return GiveUp(fault=finals[-1] if finals else Fault.UNREACHABLE)
    waits = {offer.name: _frees_at(offer, message, now) for offer in possible}
    if message.priority > 0:
        held = [at for at in waits.values() if at is not None]
        if len(held) == len(possible):
            return TryAgain(fault=Fault.CAP_REACHED, held_until=min(held))
        possible = [offer for offer in possible if waits[offer.name] is None]
    return min(
        possible,
        key=lambda offer: (_failures(offer, message), offer.health.is_down(now), waits[offer.name] is not None),
    )


def conclude(offers: Sequence[Offer], asked: Offer, message: Outgoing, result: Result, now: datetime) -> Result:
    """What an answer means when there are others to ask."""
    if isinstance(result, Accepted):
        return result
    fault = result.fault
    others = [offer for offer in offers if offer.name != asked.name and _final(offer, message) is None]
    if fault.is_final and not others:
        return GiveUp(fault=fault, provider=asked.name)
    failures = _failures(asked, message) + 1
    ready = any(
        _failures(offer, message) < failures
        and not offer.health.is_down(now)
        and (message.priority == 0 or _frees_at(offer, message, now) is None)
        for offer in others
    )
    # Of a lasting fault somebody is told by the log; another provider, or a changed setting, may still carry it.
    wait_s = result.retry_after_s if isinstance(result, TryAgain) else None
    return TryAgain(fault=fault, retry_after_s=wait_s, provider=asked.name, elsewhere=ready)


def _final(offer: Offer, message: Outgoing) -> Fault | None:
    return next((t.fault for t in message.tried if t.provider == offer.name and t.fault.is_final), None)


def _failures(offer: Offer, message: Outgoing) -> int:
    return sum(tried.provider == offer.name for tried in message.tried)


def _frees_at(offer: Offer, message: Outgoing, now: datetime) -> datetime | None:
    submitted = [submission.at for submission in message.submitted if submission.provider == offer.name]
    return frees_at(offer.caps, submitted, now, urgent=message.priority == 0)
