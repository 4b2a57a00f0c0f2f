"""Zigbee devices behind zigbee2mqtt: `zigbee2mqtt/{friendly_name}`, `…/availability`, and `…/action` as a plain text.

What presses. An `action` with the word emergency, sos, panic, help or medical is a call. Any other action (`single`,
`on`, …) is a call where the friendly name says that the button is there for it (see `devices.naming`), and else is
recorded as a use of a button, which is a sign of life. An empty action, null and a button let go are nothing.

The same press can come three times: as JSON, as plain text, and on both lanes. zigbee2mqtt numbers nothing; with its
option `last_seen` the copies that carry it share an id. The plain text never does, hence the likeness. Friendly names
may hold `/`, so a level is taken for an attribute only when the payload is no JSON object.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Final, NamedTuple

from devices.errors import Rejected
from devices.fields import FieldChoice, Gathered, json_object, number, reading_of, short_text
from devices.model import Decoded, Event, EventKind, JsonValue, Lane, Model, Reason, Refusal
from devices.naming import names_call_button
from devices.quantities import (
    BATTERY,
    BATTERY_VOLTAGE,
    LINK_QUALITY,
    MOTION,
    TEMPERATURE,
    WATER_LEAK,
    Quantity,
)
from devices.registry import TopicFilter

NAME: Final = "zigbee2mqtt"
PREFIXES: Final[tuple[str, ...]] = ("zigbee2mqtt",)
FILTERS: Final[tuple[TopicFilter, ...]] = (TopicFilter("#", Lane.BULK),)
URGENT_FILTERS: Final[tuple[str, ...]] = ("{device}", "{device}/action")
MODELS: Final[tuple[Model, ...]] = (
    Model("TS0601_sos", True, "press, battery, link quality"),
    Model("TS0215A", True, "press, link quality"),
    Model("WXKG01LM", False, "press where its name says sos, else use of a button"),
    Model("SJCGQ11LM", False, "leak, tamper, battery, temperature, link quality"),
    Model("SmartThings water leak sensor (2018)", False, "leak, battery, temperature, link quality"),
    Model("RTCGQ01LM", False, "motion"),
    Model("RTX ZVG1", False, "battery, link quality"),
)

_NUMBERS: Final[dict[str, Quantity]] = {
    "battery": BATTERY,
    "linkquality": LINK_QUALITY,
    "temperature": TEMPERATURE,
}
_SWITCHES: Final[dict[str, Quantity]] = {"occupancy": MOTION, "presence": MOTION, "water_leak": WATER_LEAK}
_OURS: Final = FieldChoice({**_NUMBERS, **_SWITCHES, "voltage": BATTERY_VOLTAGE}.get)
_FLAGS: Final[dict[str, EventKind]] = {
    "water_leak": EventKind.LEAK,
    "tamper": EventKind.TAMPER,
    "battery_low": EventKind.LOW_BATTERY,
    "sos": EventKind.BUTTON_PRESS,
}
_ACTIONS: Final = ("action", "click")
_EVENTFUL: Final = frozenset((*_FLAGS, *_ACTIONS))
_ATTRIBUTES: Final = frozenset((*_NUMBERS, *_SWITCHES, *_EVENTFUL, "voltage"))
_AVAILABILITY: Final = {"online": EventKind.ONLINE, "offline": EventKind.OFFLINE}

_CALLS: Final = frozenset({"emergency", "sos", "panic", "help", "medical"})
_ENDINGS: Final = frozenset({"release", "released", "stop", "idle", "none"})
_WITHDRAWN: Final = frozenset({"cancel", "cancelled", "clear", "cleared", "off", "end"})
_IN_DEBRIS: Final = re.compile(rb'"(?:action|click)"\s{0,8}:\s{0,8}"\s{0,8}([A-Za-z0-9_ -]{1,40})')
_MAX_TEXT_BYTES: Final = 64
_COMMANDS: Final = frozenset({"set", "get"})
# zigbee2mqtt gives the voltage of batteries in mV and that of the mains in V.
_MILLIVOLTS_FROM: Final = 1000.0


def decode(topic: str, payload: bytes) -> Decoded:
    """Decodes one message.

    Args:
        topic: the topic it came on, without `zigbee2mqtt/`.
        payload: its bytes.

    Raises:
        Rejected: nothing of it can be used.
    """
    return decoder(topic)(payload)


def decoder(topic: str) -> Callable[[bytes], Decoded]:
    """What decodes the messages on a topic; see `devices.registry.Drivers.decoder`.

    Raises:
        Rejected: no device publishes on it.
    """
    if not topic:
        raise Rejected(Reason.TOPIC_UNKNOWN, "expected zigbee2mqtt/{friendly_name}")
    levels = topic.split("/")
    # Commands to devices and the bridge's own talk come in with the wildcard.
    if levels[0] == "bridge" or not _COMMANDS.isdisjoint(levels[-2:] if len(levels) > 2 else levels[1:]):
        return partial(_nothing, topic)
    parent = "/".join(levels[:-1])
    if parent and levels[-1] == "availability":
        return partial(_availability, parent)
    return partial(_device, topic, parent, levels[-1])


def _nothing(device: str, _payload: bytes) -> Decoded:
    return Decoded(device, [], [], [])


def _device(whole: str, parent: str, last: str, payload: bytes) -> Decoded:
    message = json_object(payload)
    if message is not None:
        return _state(whole, message)
    if parent and payload.lstrip()[:1] not in (b"{", b"["):
        return _attribute(parent, last, payload)
    if not payload:
        # A retained message is deleted in this way when a device is renamed.
        return Decoded(whole, [], [], [])
    event = _from_debris(whole, payload)
    if event is None:
        raise Rejected(Reason.PAYLOAD_INVALID, "not a JSON object", device=whole)
    return Decoded(whole, [], [event], [Refusal(Reason.PAYLOAD_INVALID, "not a JSON object")])


def _state(device: str, message: dict[str, JsonValue]) -> Decoded:
    found = Gathered()
    if found.date("last_seen", message.get("last_seen")):
        for field, quantity in _OURS.of(message):
            raw = message[field]
            if raw is None:
                continue
            if field in _NUMBERS:
                found.measure(field, raw, quantity)
            elif field == "voltage":
                if (volts := number(raw)) is not None and volts >= _MILLIVOLTS_FROM:
                    found.measure(field, volts, quantity, scale=0.001)
            elif not isinstance(raw, bool):
                found.refuse(Reason.FIELD_INVALID, f"{field} is neither true nor false")
            elif field != "presence" or "occupancy" not in message:
                found.readings.append(reading_of((quantity.code, found.measured_at, float(raw))))
    if not _EVENTFUL.isdisjoint(message):
        _events(device, message, found)
    return found.decoded(device)


def _events(device: str, message: dict[str, JsonValue], found: Gathered) -> None:
    happened: dict[EventKind, _What] = {}
    for field in _ACTIONS:
        raw = message.get(field)
        if isinstance(raw, str):
            if raw and (what := _action(device, raw)) is not None:
                happened.setdefault(what.kind, what)
        elif raw is not None:
            found.refuse(Reason.FIELD_INVALID, f"{field} is not a text")
    for field, kind in _FLAGS.items():
        if message.get(field) is True:
            happened.setdefault(kind, _What(kind, field, {}))
    if not happened:
        return
    source_id = short_text(message.get("last_seen"))
    for what in happened.values():
        found.events.append(
            Event(
                kind=what.kind,
                measured_at=found.measured_at,
                source_id=source_id,
                likeness=what.likeness,
                detail=what.detail,
            )
        )


class _What(NamedTuple):
    kind: EventKind
    likeness: str
    detail: Mapping[str, JsonValue]


@lru_cache(maxsize=1 << 10)
def _words(action: str) -> list[str]:
    return "".join(char if char.isalnum() else " " for char in action.casefold()).split()


def _action(device: str, raw: str) -> _What | None:
    words = _words(raw[:_MAX_TEXT_BYTES])
    if not words or not _ENDINGS.isdisjoint(words):
        return None
    action = "_".join(words)
    if (not _CALLS.isdisjoint(words) and _WITHDRAWN.isdisjoint(words)) or names_call_button(device):
        kind = EventKind.TEST_PRESS if "test" in words else EventKind.BUTTON_PRESS
    else:
        kind = EventKind.BUTTON_ACTION
    return _What(kind, f"action {action}", {"action": action})


def _attribute(device: str, attribute: str, payload: bytes) -> Decoded:
    """One attribute on a topic of its own, as zigbee2mqtt's `output: attribute` publishes them."""
    if attribute not in _ATTRIBUTES or len(payload) > _MAX_TEXT_BYTES:
        return Decoded(device, [], [], [])
    text = payload.decode("utf-8", "replace").strip().strip('"')
    value: JsonValue = {"true": True, "false": False, "null": None, "": None}.get(text.lower(), text)
    return _state(device, {attribute: value})


def _availability(device: str, payload: bytes) -> Decoded:
    message = json_object(payload)
    word = payload[:_MAX_TEXT_BYTES].decode("utf-8", "replace") if message is None else message.get("state")
    kind = _AVAILABILITY.get(word.strip().lower()) if isinstance(word, str) else None
    if kind is None:
        if not payload:
            return Decoded(device, [], [], [])
        raise Rejected(Reason.PAYLOAD_INVALID, "neither online nor offline", device=device)
    return Decoded(device, [], [Event(kind=kind)], [])


def _from_debris(device: str, payload: bytes) -> Event | None:
    """Makes out a press in bytes that are no JSON: a cut message, a wrong comma, a NaN."""
    found = _IN_DEBRIS.search(payload.replace(b"\0", b""))
    what = None if found is None else _action(device, found[1].decode("ascii"))
    if what is None or what.kind is not EventKind.BUTTON_PRESS:
        return None
    return Event(kind=what.kind, likeness=what.likeness, detail=what.detail)
