"""Devices that run ESPHome with `topic_prefix: esphome/{device}`: one topic for each entity.

What an entity measures is told by its object id: `sensor/{id}/state` with the name of a field of the native contract
(`water_total_l`, `pulses`, `temperature_c`, …), with `water_total_m3` or with `wifi_signal`. A call for help is a
binary sensor of the id `sos`, `panic` or `emergency`; movement and leaks are named as in `_SWITCHES`. Other entities
are nothing to us. ESPHome sends no times.
"""

from typing import Final

from devices.errors import Rejected
from devices.fields import Gathered
from devices.model import Decoded, Event, EventKind, Lane, Model, Reason
from devices.quantities import LINK_RSSI, MOTION, WATER_LEAK, WATER_TOTAL, Quantity, by_field
from devices.registry import TopicFilter

NAME: Final = "esphome"
PREFIXES: Final[tuple[str, ...]] = ("esphome",)
_SWITCHES: Final[dict[str, Quantity]] = {
    "motion": MOTION,
    "occupancy": MOTION,
    "presence": MOTION,
    "water_leak": WATER_LEAK,
    "leak": WATER_LEAK,
    "moisture": WATER_LEAK,
}
_CALLS: Final = ("sos", "panic", "emergency")
FILTERS: Final[tuple[TopicFilter, ...]] = (
    *(TopicFilter(f"+/binary_sensor/{name}/state", Lane.URGENT) for name in _CALLS),
    *(TopicFilter(f"+/binary_sensor/{name}/state", Lane.BULK) for name in _SWITCHES),
    TopicFilter("+/sensor/+/state", Lane.BULK),
    TopicFilter("+/status", Lane.BULK),
)
MODELS: Final[tuple[Model, ...]] = (
    Model("ESPHome pulse meter", False, "water total or pulses, strength of the signal"),
    Model("ESPHome binary sensor", True, "press, motion, leak"),
)

_SENSORS: Final[dict[str, tuple[Quantity, float]]] = {
    **{field: (quantity, 1.0) for field, quantity in by_field.items()},
    "water_total_m3": (WATER_TOTAL, 1000.0),
    "wifi_signal": (LINK_RSSI, 1.0),
}
_STATUS: Final = {"online": EventKind.ONLINE, "offline": EventKind.OFFLINE}
_MAX_TEXT_BYTES: Final = 64
# What a sensor says that has measured nothing yet.
_UNMEASURED: Final = frozenset({"", "nan", "unknown", "unavailable"})


def decode(topic: str, payload: bytes) -> Decoded:
    """Decodes one message.

    Args:
        topic: the topic it came on, without `esphome/`.
        payload: its bytes.

    Raises:
        Rejected: nothing of it can be used.
    """
    device, *rest = topic.split("/")
    text = payload[:_MAX_TEXT_BYTES].decode("utf-8", "replace").strip()
    match rest:
        case ["status"]:
            return _status(device, text)
        case ["sensor", name, "state"]:
            return _sensor(device, name, text)
        case ["binary_sensor", name, "state"]:
            return _binary(device, name, text)
        case _:
            raise Rejected(
                Reason.TOPIC_UNKNOWN, "expected esphome/{device}/sensor or binary_sensor/{id}/state, or status"
            )


def _status(device: str, text: str) -> Decoded:
    kind = _STATUS.get(text.lower())
    if kind is None:
        if not text:
            return Decoded(device, [], [], [])
        raise Rejected(Reason.PAYLOAD_INVALID, "neither online nor offline", device=device)
    return Decoded(device, [], [Event(kind=kind)], [])


def _sensor(device: str, name: str, text: str) -> Decoded:
    known = _SENSORS.get(name)
    if known is None or text.lower() in _UNMEASURED:
        return Decoded(device, [], [], [])
    found = Gathered()
    found.measure(name, text, known[0], scale=known[1])
    if found.refusals:
        raise Rejected(found.refusals[0].reason, found.refusals[0].detail, device=device)
    return found.decoded(device)


def _binary(device: str, name: str, text: str) -> Decoded:
    state = text.upper()
    if name in _CALLS:
        # Anything but OFF on this topic is nearer to a call than to none.
        pressed = state not in ("OFF", "")
        return Decoded(device, [], [Event(kind=EventKind.BUTTON_PRESS)] if pressed else [], [])
    quantity = _SWITCHES.get(name)
    if quantity is None:
        return Decoded(device, [], [], [])
    if state not in ("ON", "OFF"):
        raise Rejected(Reason.PAYLOAD_INVALID, f"{name} is neither ON nor OFF", device=device)
    found = Gathered()
    found.measure(name, float(state == "ON"), quantity)
    if quantity is WATER_LEAK and state == "ON":
        found.events.append(Event(kind=EventKind.LEAK))
    return found.decoded(device)
