"""Devices that run Tasmota: `tele/{device}/SENSOR|STATE|LWT` and `stat/{device}/RESULT`.

Counters give pulses; what a pulse is worth stands with the installation. The first counter is the device itself, the
second one is installed as `{device}/C2`, and so on. Its clock shows local time, as a rule without an offset: then the
time of receipt counts.

A button or switch that is used raises where the device's name says that it is there to call for help (see
`devices.naming`), and else is recorded as used. The state of a switch in SENSOR is no press: it is repeated every few
minutes, and which of ON and OFF is at rest depends on the wiring.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final

from devices.errors import Rejected
from devices.fields import FieldChoice, Gathered, json_object, number
from devices.model import Decoded, Event, EventKind, JsonValue, Lane, Model, Reason, Refusal
from devices.naming import names_call_button
from devices.quantities import LINK_RSSI, PULSES, TEMPERATURE
from devices.registry import TopicFilter

NAME: Final = "tasmota"
PREFIXES: Final[tuple[str, ...]] = ("tele", "stat")
# Results are few and hold the presses; so nothing of them needs to come on the bulk lane as well.
FILTERS: Final[tuple[TopicFilter, ...]] = (
    TopicFilter("+/RESULT", Lane.URGENT),
    TopicFilter("+/SENSOR", Lane.BULK),
    TopicFilter("+/STATE", Lane.BULK),
    TopicFilter("+/LWT", Lane.BULK),
)
MODELS: Final[tuple[Model, ...]] = (
    Model("Tasmota counter", False, "pulses, temperature, strength of the signal"),
    Model("Tasmota button", True, "press where its name says sos, else use of a button"),
)

_COUNTERS: Final = {f"{name}{index}": index for name in ("C", "Counter") for index in range(1, 9)}
_OURS: Final = FieldChoice(_COUNTERS.get)
_INPUTS: Final = frozenset(f"{name}{index}" for name in ("Button", "Switch") for index in range(1, 33))
_AT_REST: Final = frozenset({"OFF", "CLEAR", ""})
_IN_DEBRIS: Final = re.compile(
    rb'"(?:Button|Switch)[0-9]{1,2}"\s{0,8}:\s{0,8}\{\s{0,8}"Action"\s{0,8}:\s{0,8}"([A-Z0-9_]{1,16})"'
)
_LWT: Final = {b"online": EventKind.ONLINE, b"offline": EventKind.OFFLINE}


def decoder(topic: str) -> Callable[[bytes], Decoded]:
    """What decodes the messages on one topic.

    Args:
        topic: without `tele/` or `stat/`.

    Raises:
        Rejected: it is none of the topics that are subscribed to.
    """
    device, _, kind = topic.partition("/")
    understand = _UNDERSTAND.get(kind)
    if not device or understand is None:
        raise Rejected(Reason.TOPIC_UNKNOWN, "expected tele/{device}/SENSOR, STATE or LWT, or stat/{device}/RESULT")
    return partial(understand, device)


def decode(topic: str, payload: bytes) -> Decoded:
    """Decodes one message.

    Args:
        topic: the topic it came on, without `tele/` or `stat/`.
        payload: its bytes.

    Raises:
        Rejected: nothing of it can be used.
    """
    return decoder(topic)(payload)


def _last_will(device: str, payload: bytes) -> Decoded:
    kind = _LWT.get(payload.strip().lower())
    if kind is not None:
        return Decoded(device, [], [Event(kind=kind)], [])
    if not payload:
        return Decoded(device, [], [], [])
    raise Rejected(Reason.PAYLOAD_INVALID, "neither Online nor Offline", device=device)


def _result(device: str, payload: bytes) -> Decoded:
    message = json_object(payload)
    if message is None:
        found = _IN_DEBRIS.search(payload)
        event = None if found is None else _used(device, found[1].decode("ascii"))
        if event is None:
            raise Rejected(Reason.PAYLOAD_INVALID, "not a JSON object", device=device)
        return Decoded(device, [], [event], [Refusal(Reason.PAYLOAD_INVALID, "not a JSON object")])
    for name in _INPUTS.intersection(message):
        entry = message[name]
        action = entry.get("Action") if isinstance(entry, dict) else None
        if isinstance(action, str) and (event := _used(device, action)) is not None:
            return Decoded(device, [], [event], [])
    return Decoded(device, [], [], [])


def _used(device: str, action: str) -> Event | None:
    word = action.strip().upper()
    if word in _AT_REST:
        return None
    kind = EventKind.BUTTON_PRESS if names_call_button(device) else EventKind.BUTTON_ACTION
    return Event(kind=kind, detail={"action": word} if word.isascii() and word.isprintable() else {})


def _telemetry(device: str, payload: bytes) -> Decoded:
    message = json_object(payload)
    if message is None:
        raise Rejected(Reason.PAYLOAD_INVALID, "not a JSON object", device=device)
    at = _time(message.get("Time"))
    own = _dated(at)
    counters: dict[int, Gathered] = {}
    grouped = message.get("COUNTER")
    for group in (message, grouped) if isinstance(grouped, dict) else (message,):
        for name, index in _OURS.of(group):
            counted = own if index == 1 else counters.get(index)
            if counted is None:
                counted = counters[index] = _dated(at)
            counted.measure(name, group[name], PULSES)
    wifi = message.get("Wifi")
    if isinstance(wifi, dict) and wifi.get("Signal") is not None:
        own.measure("Wifi.Signal", wifi["Signal"], LINK_RSSI)
    for sensor, values in message.items():
        if isinstance(values, dict) and values.get("Temperature") is not None:
            _temperature(sensor, values["Temperature"], message.get("TempUnit"), own)
            break
    if not counters:
        return own.decoded(device)
    others = tuple(gathered.decoded(f"{device}/C{index}") for index, gathered in sorted(counters.items()))
    return own.decoded(device)._replace(others=others)


def _dated(at: datetime | None) -> Gathered:
    gathered = Gathered()
    gathered.measured_at = at
    return gathered


def _temperature(sensor: str, raw: JsonValue, unit: JsonValue, own: Gathered) -> None:
    value = number(raw)
    name = "".join(char for char in sensor[:24] if char.isprintable())
    own.measure(f"{name}.Temperature", (value - 32) / 1.8 if value is not None and unit == "F" else raw, TEMPERATURE)


def _time(raw: JsonValue) -> datetime | None:
    if not isinstance(raw, str):
        return None
    try:
        at = datetime.fromisoformat(raw)
        return None if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


_UNDERSTAND: Final[dict[str, Callable[[str, bytes], Decoded]]] = {
    "SENSOR": _telemetry,
    "STATE": _telemetry,
    "LWT": _last_will,
    "RESULT": _result,
}
