"""The types that drivers produce and ingest stores.

`Reading`, `Refusal` and `Decoded` are named tuples because one of each is made for every message of a city; events are
rare and are dataclasses that check themselves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

JsonValue = None | bool | int | float | str | list["JsonValue"] | Mapping[str, "JsonValue"]

MAX_DEVICE_NAME = 128
MAX_EVENT_ID = 128


class Lane(StrEnum):
    """The way a topic takes through ingest: urgent messages have a session and a connection of their own."""

    URGENT = "urgent"
    BULK = "bulk"


class EventKind(StrEnum):
    """What can happen at an instant."""

    BUTTON_PRESS = "button_press"
    TEST_PRESS = "test_press"
    # A button that is no call button was used: a sign of life, never an alarm.
    BUTTON_ACTION = "button_action"
    FALL = "fall"
    FALL_CANCELLED = "fall_cancelled"
    TAMPER = "tamper"
    LOW_BATTERY = "low_battery"
    LEAK = "leak"
    # A water meter has air instead of water in it, or water runs through it the wrong way.
    DRY = "dry"
    BACKFLOW = "backflow"
    # A device says that it is out of order.
    FAULT = "fault"
    ACCELERATION_BURST = "acceleration_burst"
    ONLINE = "online"
    OFFLINE = "offline"


CALLING = frozenset({EventKind.BUTTON_PRESS, EventKind.FALL, EventKind.FALL_CANCELLED})
"""The events that are a call for help by themselves, and the one that takes a call back."""

WAKING = CALLING | {EventKind.ACCELERATION_BURST}
"""The events that are judged at once. A burst of acceleration is one: only rules can say whether it is a fall."""


class Reason(StrEnum):
    """Why a message, or a part of one, is in quarantine: the closed set behind every counter and filter."""

    TOPIC_UNKNOWN = "topic_unknown"
    PAYLOAD_TOO_LARGE = "payload_too_large"
    PAYLOAD_INVALID = "payload_invalid"
    FIELD_INVALID = "field_invalid"
    VALUE_IMPOSSIBLE = "value_impossible"
    EVENT_UNKNOWN = "event_unknown"
    MODEL_UNKNOWN = "model_unknown"
    TIME_INVALID = "time_invalid"
    TIME_IMPLAUSIBLE = "time_implausible"
    DEVICE_UNKNOWN = "device_unknown"
    DEVICE_NAME_INVALID = "device_name_invalid"
    RETAINED_EVENT = "retained_event"
    RATE_EXCEEDED = "rate_exceeded"
    STORAGE_REFUSED = "storage_refused"


class Reading(NamedTuple):
    """One measured value.

    Attributes:
        quantity: code of the quantity (see `devices.quantities`).
        measured_at: the device's own time, aware; None when it gave none.
        value: in the quantity's unit.
    """

    quantity: int
    measured_at: datetime | None
    value: float


class Refusal(NamedTuple):
    """A part of a message that was refused while the rest was kept."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened at an instant.

    Attributes:
        kind: what happened.
        measured_at: the device's own time, aware; None when it gave none or none that can be read.
        source_id: the source's own id of this event, where it gives one.
        likeness: what its copies have in common where they differ as messages (a JSON one and a plain one); stands in
            for the payload wherever a copy without an id is compared. None: the payload itself.
        detail: further fields worth keeping.
    """

    kind: EventKind
    measured_at: datetime | None = None
    source_id: str | None = None
    likeness: str | None = None
    detail: Mapping[str, JsonValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.measured_at is not None and self.measured_at.tzinfo is None:
            raise ValueError("measured_at must be aware")
        if self.source_id is not None and not 0 < len(self.source_id) <= MAX_EVENT_ID:
            raise ValueError(f"source_id must have 1 to {MAX_EVENT_ID} characters")


class Decoded(NamedTuple):
    """All that one message says.

    Attributes:
        device: the name under which the device publishes.
        readings: what it measured: each quantity, measured_at and value, as `Reading` names them. On the hot path they
            are bare tuples, so unpack them.
        events: what happened.
        refusals: parts that were refused although the rest is good.
        others: what the same message says of further devices, as where a gateway sends several meters' frames at once.
    """

    device: str
    readings: Sequence[tuple[int, datetime | None, float]]
    events: Sequence[Event]
    refusals: Sequence[Refusal]
    others: "tuple[Decoded, ...]" = ()


class Model(NamedTuple):
    """A device on the market that a driver is known to read, because a test vector shows it.

    Attributes:
        name: as printed on it or used by its gateway; what an installation names as its model.
        presses: whether it is worn or pressed to call for help: then it is listened to on the urgent lane.
        yields: what comes of it, for people.
    """

    name: str
    presses: bool
    yields: str
