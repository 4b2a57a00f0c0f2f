"""What the end of a case teaches: an absence is offered to be noted, a leak is handed on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, Literal

from alerts.life.case import Case
from alerts.life.cases import Place
from alerts.model import Kind, Outcome

AbsenceReason = Literal["hospital", "family", "other"]

#: How long an absence is offered for where nobody knows; whoever notes it says better.
_OFFERED_FOR: Final = timedelta(days=7)
_REASONS: Final[Mapping[Outcome, AbsenceReason]] = MappingProxyType(
    {Outcome.FALSE_HOSPITAL: "hospital", Outcome.FALSE_AT_FAMILY: "family", Outcome.FALSE_AWAY: "other"}
)
#: Kinds whose `since` is when the resident was last noticed.
_SINCE_LAST_NOTICED: Final = frozenset({Kind.INACTIVITY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An absence that follows from the outcome; noting it stays a person's to do.

    Attributes:
        home_id: Whose.
        home: The home's name.
        area: The path of its area.
        reason: One of the reasons of absences.
        from_at: Since when nobody has been home, as far as is known.
        until_at: A guess, to be corrected.
    """

    home_id: int
    home: str
    area: str
    reason: AbsenceReason
    from_at: datetime
    until_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What follows from closing an alert: what is offered, and the leak alert that it was handed on to."""

    offers: tuple[Offer, ...] = ()
    leak_alert_id: int | None = None


def absence_offer(case: Case, place: Place, outcome: Outcome, now: datetime) -> Offer | None:
    """The absence that an outcome speaks of; None where it speaks of none, or the case is about no home."""
    reason = _REASONS.get(outcome)
    home_id = place.subject.home_id
    if reason is None or home_id is None or place.home is None or place.area is None:
        return None
    return Offer(
        home_id=home_id,
        home=place.home,
        area=place.area,
        reason=reason,
        from_at=min(case.since, now) if case.kind in _SINCE_LAST_NOTICED else now,
        until_at=now + _OFFERED_FOR,
    )
