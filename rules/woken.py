"""A press or a fall that waits to be judged, with the home it belongs to."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from alerts.findings import Subject

LATE_AFTER: Final = timedelta(seconds=60)
"""A call for help older than this says so: it may have been answered, or have waited too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What happened, as stored."""

    event_id: int
    measured_at: datetime
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Woken:
    """One waking event.

    Attributes:
        kind: an `EventKind` that wakes; a text, for it comes from a table that a later release may have written.
        home_id: the home whose installation of the device covers the event; None if none does.
        area_id: without a home, the area of the device's last installation.
        fall: for a cancelled fall, the fall that it cancels, if there is one.
        cancelled_at: for a fall, when it was cancelled on the device, if it was.
    """

    kind: str
    device: str
    event: Event
    home_id: int | None
    area_id: int | None = None
    fall: Event | None = None
    cancelled_at: datetime | None = None

    @property
    def subject(self) -> Subject:
        """The home, else the device."""
        if self.home_id is not None:
            return Subject(home_id=self.home_id, device_name=self.device)
        return Subject(device_name=self.device, area_id=self.area_id)
