"""A press or a fall that waits to be judged, with the home it belongs to and what is known around it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pydantic import JsonValue

from alerts.findings import Finding, Reason, Subject
from rules.snapshot import Absence

LATE_AFTER: Final = timedelta(seconds=60)
"""A call for help older than this says so: it may have been answered, or have waited too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What happened, as stored."""

    event_id: int
    measured_at: datetime
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """What raw acceleration says.

    Attributes:
        is_fall: it looks like a fall.
        said: what was seen in it, in words.
    """

    is_fall: bool
    said: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The case in which a fall was raised already.

    Attributes:
        is_open: nobody has closed it.
        is_newest: no press or fall was entered in it after this one.
        since: of the case.
        reason: what a duty worker reads now.
        evidence: what it rests on now.
    """

    is_open: bool
    is_newest: bool
    since: datetime
    reason: Reason
    evidence: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Woken:
    """One waking event.

    Attributes:
        kind: an `EventKind` that wakes; a text, for it comes from a table that a later release may have written.
        home_id: the home whose installation of the device covers the event; None if none does.
        area_id: the home's; without a home, that of the device's last installation.
        time_zone: the home's, an IANA name.
        fall: for a cancelled fall, the fall that it cancels; for a burst, the fall that the device reported itself.
        cancelled_at: for a fall, when it was cancelled on the device, if it was.
        waited_s: for how long the device had waited for a cancellation before it reported the fall; 0: not known to.
        cancel_s: for how long a fall waits for a cancellation here.
        motion: what the raw acceleration around the fall says, where there is any.
        away: the absence in which it happened.
        told: where the fall (this one, or `fall`) was raised already.
        followed: what was heard from the home since the fall; None: not asked.
    """

    kind: str
    device: str
    event: Event
    home_id: int | None
    area_id: int | None = None
    time_zone: str = "UTC"
    fall: Event | None = None
    cancelled_at: datetime | None = None
    waited_s: float = 0.0
    cancel_s: float = 0.0
    motion: Motion | None = None
    away: Absence | None = None
    told: Told | None = None
    followed: tuple[Reason, ...] | None = None

    @property
    def subject(self) -> Subject:
        """The home, else the device."""
        if self.home_id is not None:
            return Subject(home_id=self.home_id, device_name=self.device)
        return Subject(device_name=self.device, area_id=self.area_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a woken event comes to.

    Attributes:
        findings: what is said of it now.
        again_at: when it is judged again; None: it is done with.
    """

    findings: tuple[Finding, ...] = ()
    again_at: datetime | None = None
