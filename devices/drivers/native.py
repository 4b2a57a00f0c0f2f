"""Anju's own JSON, for devices and gateways that can be told what to send: `anju/{device}/reading|event|motion|status`.

The contract is `devices.contract`. Two rules go beyond it. A field that is impossible is refused alone and the rest of
the message is kept. And a press or a fall that can be made out at all becomes an event, however broken the message
around it: in an `event` message that is no JSON, and in one sent to the wrong topic.
"""

import re
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final, cast

from pydantic import JsonValue, ValidationError
from pydantic_core import from_json

from devices.contract import MAX_CANCEL_S, MAX_ENTRIES, motion_message, reading_message
from devices.errors import Rejected
from devices.model import MAX_EVENT_ID, Decoded, Event, EventKind, Lane, Reading, Reason, Refusal
from devices.quantities import BATTERY, by_field
from devices.registry import TopicFilter
from devices.times import parse_time

NAME: Final = "native"
PREFIXES: Final[tuple[str, ...]] = ("anju",)
FILTERS: Final[tuple[TopicFilter, ...]] = (
    TopicFilter("+/event", Lane.URGENT),
    TopicFilter("+/motion", Lane.URGENT),
    TopicFilter("+/reading", Lane.BULK),
    TopicFilter("+/status", Lane.BULK),
)

_CODES: Final = {field: quantity.code for field, quantity in by_field.items()}
_ALARMS: Final = (EventKind.BUTTON_PRESS, EventKind.FALL)
_ALARM: Final = re.compile(rb'"event"\s{0,8}:\s{0,8}"\s{0,8}(button[_ -]?press|fall)\s{0,8}"', re.IGNORECASE)
_validate_reading: Final = reading_message.validator.validate_json
# Calling the class would take three times as long, and this is done for every message of a city.
_decoded: Final = cast(Callable[[tuple[object, ...]], Decoded], partial(tuple.__new__, Decoded))


def decoder(topic: str) -> Callable[[bytes], Decoded]:
    """What decodes the messages on one topic: everything about the topic is done here, once.

    Args:
        topic: without `anju/`.

    Raises:
        Rejected: it is no topic of the contract.
    """
    levels = topic.split("/")
    if len(levels) != 2 or levels[1] not in _DECODERS:
        raise Rejected(Reason.TOPIC_UNKNOWN, "expected anju/{device}/reading, event, motion or status")
    return partial(_DECODERS[levels[1]], levels[0])


def decode(topic: str, payload: bytes) -> Decoded:
    """Decodes one message.

    Args:
        topic: the topic it came on, without `anju/`.
        payload: its bytes.

    Returns:
        What it says, with the parts that were refused.

    Raises:
        Rejected: nothing of it can be used.
    """
    return decoder(topic)(payload)


def _reading(device: str, payload: bytes) -> Decoded:
    try:
        message = _validate_reading(payload)
    except ValidationError:
        return _salvage(device, payload)
    try:
        at = message.pop("at", None)
        measured_at = None if at is None else parse_time(at)
    except ValueError:
        return _salvage(device, payload)
    if "readings" in message or "event" in message:
        return _salvage(device, payload)
    if not message:
        raise Rejected(Reason.PAYLOAD_INVALID, "no known quantity in the message")
    return _decoded((device, [(_CODES[field], measured_at, value) for field, value in message.items()], (), (), ()))


def _salvage(device: str, payload: bytes) -> Decoded:
    """The careful way: field by field, for uploads of many instants and for messages with a fault somewhere."""
    message = _json_object(payload)
    if message is None:
        alarm = _alarm(device, payload)
        if alarm is None:
            raise Rejected(Reason.PAYLOAD_INVALID, "not a JSON object")
        return alarm
    refusals: list[Refusal] = []
    readings: list[Reading] = []
    _entry(message, "", readings, refusals)
    entries = message.get("readings")
    if isinstance(entries, list):
        if len(entries) > MAX_ENTRIES:
            refusals.append(
                Refusal(Reason.PAYLOAD_TOO_LARGE, f"{len(entries)} entries in readings, at most {MAX_ENTRIES}")
            )
            entries = []
        for index, entry in enumerate(entries):
            if isinstance(entry, dict):
                _entry(entry, f"readings[{index}].", readings, refusals)
            else:
                refusals.append(Refusal(Reason.FIELD_INVALID, f"readings[{index}] is not an object"))
    elif entries is not None:
        refusals.append(Refusal(Reason.FIELD_INVALID, "readings is not a list"))
    events: list[Event] = []
    if "event" in message and (kind := _kind_of(message["event"])) in _ALARMS:
        events.append(_event_from(message, kind, refusals))
    if not readings and not events and not refusals:
        raise Rejected(Reason.PAYLOAD_INVALID, "no known quantity in the message")
    return Decoded(device, readings, events, refusals)


def _entry(entry: dict[str, JsonValue], where: str, readings: list[Reading], refusals: list[Refusal]) -> None:
    known = [field for field in entry if field in _CODES]
    if not known:
        return
    measured_at = None
    if entry.get("at") is not None:
        try:
            measured_at = parse_time(entry["at"])
        except ValueError as error:
            refusals.append(Refusal(Reason.TIME_INVALID, f"{where}at: {error}"[:200]))
            return
    for field in known:
        value, refusal = _value(field, entry[field], where)
        if refusal is not None:
            refusals.append(refusal)
        else:
            readings.append(Reading(_CODES[field], measured_at, value))


def _value(field: str, raw: JsonValue, where: str) -> tuple[float, Refusal | None]:
    quantity = by_field[field]
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return 0.0, Refusal(Reason.FIELD_INVALID, f"{where}{field} is not a number")
    if not quantity.minimum <= raw <= quantity.maximum:
        return 0.0, Refusal(
            Reason.VALUE_IMPOSSIBLE,
            f"{where}{field} is outside {quantity.minimum:g} to {quantity.maximum:g} {quantity.unit}",
        )
    return float(raw), None


def _event(device: str, payload: bytes) -> Decoded:
    message = _json_object(payload)
    if message is None:
        alarm = _alarm(device, payload)
        if alarm is None:
            raise Rejected(Reason.PAYLOAD_INVALID, "not a JSON object")
        return alarm
    kind = _kind_of(message.get("event"))
    if kind is None:
        raise Rejected(Reason.EVENT_UNKNOWN, "no event of this name is known")
    refusals: list[Refusal] = []
    event = _event_from(message, kind, refusals)
    readings: list[Reading] = []
    if BATTERY.field in message:
        value, refusal = _value(BATTERY.field, message[BATTERY.field], "")
        if refusal is None:
            readings.append(Reading(BATTERY.code, event.measured_at, value))
        else:
            refusals.append(refusal)
    return Decoded(device, readings, [event], refusals)


def _event_from(message: dict[str, JsonValue], kind: EventKind, refusals: list[Refusal]) -> Event:
    measured_at = None
    if message.get("at") is not None:
        try:
            measured_at = parse_time(message["at"])
        except ValueError as error:
            refusals.append(Refusal(Reason.TIME_INVALID, f"at: {error}"[:200]))
    source_id = message.get("id")
    if isinstance(source_id, int) and not isinstance(source_id, bool):
        source_id = str(source_id) if source_id.bit_length() <= 128 else None
    if source_id is not None and not (
        isinstance(source_id, str) and 0 < len(source_id) <= MAX_EVENT_ID and _storable(source_id)
    ):
        refusals.append(Refusal(Reason.FIELD_INVALID, f"id is not a text of 1 to {MAX_EVENT_ID} characters"))
        source_id = None
    detail: dict[str, float] = {}
    if kind is EventKind.FALL and message.get("cancel_s") is not None:
        cancel_s = message["cancel_s"]
        if isinstance(cancel_s, int | float) and not isinstance(cancel_s, bool) and 0 <= cancel_s <= MAX_CANCEL_S:
            detail["cancel_s"] = cancel_s
        else:
            refusals.append(Refusal(Reason.FIELD_INVALID, f"cancel_s is not a number from 0 to {MAX_CANCEL_S}"))
    return Event(kind=kind, measured_at=measured_at, source_id=source_id, detail=detail)


def _motion(device: str, payload: bytes) -> Decoded:
    alarm = _alarm(device, payload) if b"event" in payload.replace(b"\0", b"") else None
    try:
        message = motion_message.validate_json(payload)
    except ValidationError as error:
        if alarm is not None:
            return alarm
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "message"
        raise Rejected(Reason.PAYLOAD_INVALID, f"{where}: {first['msg']}"[:200]) from None
    if "g" not in message or "hz" not in message:
        if alarm is not None:
            return alarm
        raise Rejected(Reason.PAYLOAD_INVALID, "a motion message needs hz and g")
    refusals: list[Refusal] = []
    measured_at: datetime | None = None
    if message.get("at") is not None:
        try:
            measured_at = parse_time(message["at"])
        except ValueError as error:
            refusals.append(Refusal(Reason.TIME_INVALID, f"at: {error}"[:200]))
    burst = Event(
        kind=EventKind.ACCELERATION_BURST,
        measured_at=measured_at,
        detail={"hz": message["hz"], "g": [list(sample) for sample in message["g"]]},
    )
    return Decoded(device, [], [burst, *(alarm.events if alarm is not None else ())], refusals)


_STATUS: Final = {"online": EventKind.ONLINE, "offline": EventKind.OFFLINE}


def _status(device: str, payload: bytes) -> Decoded:
    word = _STATUS.get(payload[:16].decode("utf-8", "replace").strip().lower()) if len(payload) <= 16 else None
    if word is not None:
        return Decoded(device, [], [Event(kind=word)], [])
    message = _json_object(payload)
    alarm = _alarm(device, payload)
    if alarm is not None:
        return alarm
    if message is None:
        raise Rejected(Reason.PAYLOAD_INVALID, "neither online, offline nor a JSON object")
    refusals: list[Refusal] = []
    status = message.get("status")
    kind = _STATUS.get(status.strip().lower()) if isinstance(status, str) else None
    if kind is None:
        raise Rejected(Reason.PAYLOAD_INVALID, "status is neither online nor offline")
    return Decoded(device, [], [_event_from(message, kind, refusals)], refusals)


def _alarm(device: str, payload: bytes) -> Decoded | None:
    """A press or a fall in a message that is broken, or on a topic where none belongs; None if there is none."""
    message = _json_object(payload)
    if message is None:
        kind = _recognise(payload)
        if kind is None:
            return None
        return Decoded(device, [], [Event(kind=kind)], [Refusal(Reason.PAYLOAD_INVALID, "not a JSON object")])
    kind = _kind_of(message.get("event"))
    if kind not in _ALARMS:
        return None
    refusals: list[Refusal] = []
    return Decoded(device, [], [_event_from(message, kind, refusals)], refusals)


def _json_object(payload: bytes) -> dict[str, JsonValue] | None:
    try:
        message = from_json(payload, allow_inf_nan=False)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None


def _kind_of(name: JsonValue) -> EventKind | None:
    if not isinstance(name, str):
        return None
    word = name.strip().lower().replace("-", "_").replace(" ", "_")
    if word == "buttonpress":
        word = EventKind.BUTTON_PRESS.value
    try:
        kind = EventKind(word)
    except ValueError:
        return None
    return None if kind is EventKind.ACCELERATION_BURST else kind


def _recognise(payload: bytes) -> EventKind | None:
    """Makes out a press or a fall in bytes that are no JSON: a cut message, a wrong comma, UTF-16."""
    found = _ALARM.search(payload.replace(b"\0", b""))
    if found is None:
        return None
    return EventKind.FALL if found[1].lower() == b"fall" else EventKind.BUTTON_PRESS


def _storable(text: str) -> bool:
    return "\0" not in text and text.isprintable()


_DECODERS: Final[dict[str, Callable[[str, bytes], Decoded]]] = {
    "reading": _reading,
    "event": _event,
    "motion": _motion,
    "status": _status,
}
