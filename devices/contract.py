"""The native MQTT contract as pydantic types: what validates a message is what documents it.

`schemas()` gives the JSON Schema of every topic; docs/schema holds a copy that a test keeps up to date.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, JsonValue, Strict, TypeAdapter, WithJsonSchema, with_config
from pydantic.json_schema import JsonSchemaValue
from typing_extensions import TypedDict

from devices import quantities
from devices.quantities import Quantity

MAX_ENTRIES: Final = 1000
MAX_CANCEL_S: Final = 3600


def _bounds(quantity: Quantity) -> Any:
    return Field(ge=quantity.minimum, le=quantity.maximum, description=f"{quantity.name} in {quantity.unit}")


_TIME_SCHEMA: Final[JsonSchemaValue] = {
    "description": "the device's time: ISO 8601 with an offset, or seconds or milliseconds since 1970; "
    "left out or null, the time of receipt counts",
    "anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}, {"type": "null"}],
}
# Parsed by devices.times, so that every driver reads times alike; Any costs nothing here.
Time = Annotated[Any, WithJsonSchema(_TIME_SCHEMA)]

_OPEN: Final = ConfigDict(extra="ignore", allow_inf_nan=False)


@with_config(_OPEN)
class Entry(TypedDict, total=False):
    """What a device measured at one instant; a field for each quantity."""

    at: Time
    water_total_l: Annotated[float, Strict(), _bounds(quantities.WATER_TOTAL)]
    battery_pct: Annotated[float, Strict(), _bounds(quantities.BATTERY)]
    battery_v: Annotated[float, Strict(), _bounds(quantities.BATTERY_VOLTAGE)]
    rssi_dbm: Annotated[float, Strict(), _bounds(quantities.LINK_RSSI)]
    motion: Annotated[float, Strict(), _bounds(quantities.MOTION)]
    temperature_c: Annotated[float, Strict(), _bounds(quantities.TEMPERATURE)]
    water_temperature_c: Annotated[float, Strict(), _bounds(quantities.WATER_TEMPERATURE)]
    pulses: Annotated[float, Strict(), _bounds(quantities.PULSES)]
    water_flow_l_per_h: Annotated[float, Strict(), _bounds(quantities.WATER_FLOW)]
    water_leak: Annotated[float, Strict(), _bounds(quantities.WATER_LEAK)]
    link_quality: Annotated[float, Strict(), _bounds(quantities.LINK_QUALITY)]
    valve_open: Annotated[float, Strict(), _bounds(quantities.VALVE_OPEN)]
    water_target_l: Annotated[float, Strict(), _bounds(quantities.WATER_TARGET)]


@with_config(_OPEN)
class ReadingMessage(Entry, total=False):
    """One instant's values, or many instants at once under `readings`, as from a meter that uploads once a day."""

    readings: Annotated[list[Entry], Field(max_length=MAX_ENTRIES)]
    # No part of the contract: seen, so that a press sent to the wrong topic still raises.
    event: Any


@with_config(_OPEN)
class EventMessage(TypedDict, total=False):
    """What a device publishes when something happens."""

    at: Time
    event: Literal[
        "button_press",
        "test_press",
        "button_action",
        "fall",
        "fall_cancelled",
        "tamper",
        "low_battery",
        "leak",
        "dry",
        "backflow",
        "fault",
        "online",
        "offline",
    ]
    id: Annotated[
        str | int, Field(description="the device's own id of this event: a repetition with it is no second event")
    ]
    battery_pct: Annotated[float, Strict(), _bounds(quantities.BATTERY)]
    cancel_s: Annotated[
        float,
        Field(
            ge=0,
            le=MAX_CANCEL_S,
            description="with a fall: for how many seconds the device has already waited for somebody to cancel it",
        ),
    ]


@with_config(_OPEN)
class MotionMessage(TypedDict, total=False):
    """A burst of raw acceleration."""

    at: Time
    hz: Annotated[float, Field(gt=0, le=1000, description="samples per second")]
    g: Annotated[
        list[tuple[float, float, float]],
        Field(min_length=1, max_length=6000, description="[x, y, z] in units of standard gravity"),
    ]


@with_config(_OPEN)
class StatusMessage(TypedDict, total=False):
    """Whether the device is connected; a last will may publish it. The bare words `online` and `offline` do as well."""

    at: Time
    status: Literal["online", "offline"]


reading_message: Final[TypeAdapter[ReadingMessage]] = TypeAdapter(ReadingMessage)
motion_message: Final[TypeAdapter[MotionMessage]] = TypeAdapter(MotionMessage)

_TOPICS: Final[dict[str, TypeAdapter[Any]]] = {
    "reading": TypeAdapter(ReadingMessage),
    "event": TypeAdapter(EventMessage),
    "motion": motion_message,
    "status": TypeAdapter(StatusMessage),
}


def schemas() -> dict[str, dict[str, JsonValue]]:
    """The JSON Schema of each native topic, by the topic's last level."""
    made: dict[str, dict[str, JsonValue]] = {}
    for topic, adapter in _TOPICS.items():
        schema = adapter.json_schema(mode="validation")
        if topic == "reading":
            del schema["properties"]["event"]
        made[topic] = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **schema,
            "title": f"anju/{{device_id}}/{topic}",
        }
    return made
