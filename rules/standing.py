"""What devices say of their own state, and for how long it holds.

A state is said again in every message while it lasts, and never that it is over. Of what a device says again under one
id, ingest keeps one event in 48 h.
"""

from datetime import timedelta
from typing import Final

from devices.model import EventKind
from rules.snapshot import Installation, Said

SAYS_AGAIN: Final = (
    EventKind.LOW_BATTERY,
    EventKind.TAMPER,
    EventKind.LEAK,
    EventKind.DRY,
    EventKind.BACKFLOW,
    EventKind.FAULT,
)
"""The kinds that are states, not instants."""

_KEPT_AGAIN_AFTER: Final = timedelta(hours=48)
_SLACK: Final = timedelta(hours=1)


def standing(device: Installation, kind: EventKind) -> Said | None:
    """When a device last said a state that is not known to be over.

    It is over where the device was heard after it would have said so again. One that is not heard says nothing.
    """
    said = device.said.get(kind)
    if said is None:
        return None
    over = device.heard_at is not None and device.heard_at > said.received_at + _KEPT_AGAIN_AFTER + _SLACK
    return None if over else said
