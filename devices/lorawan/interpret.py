"""Runs a model's program over an object, and gathers what one uplink yields."""

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from devices.fields import FieldChoice, Gathered
from devices.model import Event, EventKind, JsonValue

LARGE: Final = 1e15
"""No value of ours is larger."""
_MAX_DETAIL_CHARS: Final = 64

Object = Mapping[str, JsonValue]


class Uplink(Gathered):
    """What one uplink has yielded so far.

    Attributes:
        source_id: of the message; all its events have it.
        uplink_at: when the network server received it.
    """

    __slots__ = ("source_id", "uplink_at")

    def __init__(self, source_id: str | None) -> None:
        # Gathered's own, spelled out: one is made for every message.
        self.readings, self.events, self.refusals = [], [], []
        self.measured_at = None
        self.source_id = source_id
        self.uplink_at: datetime | None = None

    def sent(self, field: str, raw: JsonValue) -> None:
        """Takes the time of the uplink from a field. Without one that can be read, the time of receipt counts."""
        if raw is not None:
            self.date(field, raw)
            self.uplink_at = self.measured_at

    def happened(self, kind: EventKind, field: str, value: JsonValue) -> None:
        """Adds an event; one of a kind is enough, whichever field told first."""
        for event in self.events:
            if event.kind is kind:
                return
        detail: dict[str, JsonValue] = {}
        if not field.isprintable():  # the database refuses some of what is not
            field = "field"
        if isinstance(value, str):
            if len(value) <= _MAX_DETAIL_CHARS and value.isprintable():
                detail[field] = value
        elif isinstance(value, bool | int | float) and math.isfinite(value) and abs(value) < LARGE:
            detail[field] = value
        self.events.append(Event(kind=kind, measured_at=self.measured_at, source_id=self.source_id, detail=detail))


Step = Callable[[JsonValue, Object, Uplink], None]
"""Looks at one field: its value, the object around it, and what was found so far."""
Program = FieldChoice[Step]


def run(program: Program, found: Object, uplink: Uplink) -> None:
    """Runs a program over an object; fields it does not know are searched for calls."""
    for name, step in program.of(found):
        step(found[name], found, uplink)
