"""What the drivers of network servers have in common."""

from collections.abc import Callable
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from devices.errors import Rejected
from devices.fields import json_object, number
from devices.lorawan.interpret import Uplink
from devices.model import WAKING, Decoded, JsonValue, Reason, Refusal
from devices.quantities import LINK_RSSI

_MAX_GATEWAYS: Final = 200

Message = dict[str, Any]
"""A network server's message: a JSON object of which nothing is certain."""


Pick = Callable[[bytes], Message]
"""Reads of a payload the fields that are looked at; the others need not become objects. See `picker`."""


def picker(shape: type[Any]) -> Pick:
    """What reads of a payload the fields of a TypedDict; it raises `pydantic.ValidationError` where their types differ.

    The gateways' accounts of one uplink are kilobytes, and none of it is ours.
    """
    validate: Pick = TypeAdapter(shape).validator.validate_json
    return validate


def decode_message(
    pick: Pick, understand: Callable[[Message], Uplink], hint: str, device: str, payload: bytes
) -> Decoded:
    """Decodes a message: the fast way if it is as the server documents it, else with whatever can be made out.

    Args:
        pick: reads the fields that `understand` looks at.
        understand: turns a message into what it says; it must stand any type of any field.
        hint: what to look at when the payload is no JSON.
        device: who sent it.
        payload: its bytes.

    Raises:
        Rejected: nothing of it can be used.
    """
    try:
        message: Message | None = pick(payload)
    except ValidationError:
        message = json_object(payload)
    try:
        if message is not None:
            uplink = understand(message)
            readings, events, refusals = uplink.readings, uplink.events, uplink.refusals
            if not (readings or events or refusals):
                _hear(payload, uplink)
            return Decoded(device, readings, events, refusals)
        return _decode_beginning(device, payload, understand, hint)
    except Rejected as rejected:
        raise Rejected(rejected.reason, rejected.detail, device=device) from None


def _decode_beginning(device: str, payload: bytes, understand: Callable[[Message], Uplink], hint: str) -> Decoded:
    """Makes out a press or a fall in a message that is cut off. Readings are left: a cut number is a wrong number."""
    try:
        beginning = from_json(payload, allow_inf_nan=False, allow_partial=True)
        calls = understand(beginning).events if isinstance(beginning, dict) else []
    except (ValueError, Rejected):
        calls = []
    calls = [event for event in calls if event.kind in WAKING]
    if not calls:
        raise Rejected(Reason.PAYLOAD_INVALID, f"not a JSON object; {hint}")
    return Decoded(device, [], calls, [Refusal(Reason.PAYLOAD_INVALID, "not a whole JSON object")])


def _hear(payload: bytes, uplink: Uplink) -> None:
    """Adds how strongly a gateway heard the device: nothing else in the message tells that it lives."""
    message: JsonValue = json_object(payload)
    if isinstance(message, dict) and isinstance(message.get("uplink_message"), dict):
        message = message["uplink_message"]
    if not isinstance(message, dict):
        return
    heard = message.get("rxInfo", message.get("rx_metadata"))
    if not isinstance(heard, list):
        return
    strengths = [number(each.get("rssi")) for each in heard[:_MAX_GATEWAYS] if isinstance(each, dict)]
    known = [each for each in strengths if each is not None and LINK_RSSI.minimum <= each <= LINK_RSSI.maximum]
    if known:
        uplink.measure("rssi", max(known), LINK_RSSI)
