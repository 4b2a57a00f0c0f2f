"""Cameras that read a meter's dial, AI-on-the-edge: `watermeter/{device}/main/json`, `…/value` and the like.

Give every camera a MainTopic of its own, `watermeter/{device}`. One left at `watermeter` publishes on
`watermeter/main/…` and is the device `main`. A number sequence other than `main` is installed as `{device}/{sequence}`.

The firmware now and then writes its error text into the JSON unquoted; such a message is rejected. So is a value beside
an error: it is the last good one repeated, and would look as if nobody used water.
"""

from typing import Final

from devices.errors import Rejected
from devices.fields import Gathered, json_object
from devices.model import Decoded, Event, EventKind, Lane, Model, Reason
from devices.quantities import LINK_RSSI, WATER_TOTAL
from devices.registry import TopicFilter
from devices.times import parse_time

NAME: Final = "ai_on_the_edge"
PREFIXES: Final[tuple[str, ...]] = ("watermeter", "wasserzaehler")
FILTERS: Final[tuple[TopicFilter, ...]] = (TopicFilter("#", Lane.BULK),)
MODELS: Final[tuple[Model, ...]] = (Model("AI-on-the-edge-device", False, "total, fault, strength of the signal"),)

_SEQUENCE: Final = "main"
_RESULTS: Final = frozenset({"json", "value", "error", "timestamp"})
_CONNECTION: Final = {"connected": EventKind.ONLINE, "connection lost": EventKind.OFFLINE}
_FINE: Final = frozenset({"", "no error"})
_MAX_TEXT_BYTES: Final = 200
_L_PER_M3: Final = 1000.0


def decode(topic: str, payload: bytes) -> Decoded:
    """Decodes one message.

    Args:
        topic: the topic it came on, without the prefix.
        payload: its bytes.

    Raises:
        Rejected: nothing of it can be used.
    """
    *path, leaf = topic.split("/")
    if leaf in _RESULTS and path:
        device = "/".join(path[:-1] if path[-1] == _SEQUENCE and len(path) > 1 else path)
        if leaf == "json":
            return _json(device, payload)
        return _plain(device, leaf, _text(payload))
    device = "/".join(path)
    text = _text(payload)
    if leaf.lower() == "connection" and (kind := _CONNECTION.get(text.lower())) is not None:
        return Decoded(device or _SEQUENCE, [], [Event(kind=kind)], [])
    if leaf == "wifiRSSI":
        found = Gathered()
        found.measure(leaf, text, LINK_RSSI)
        return found.decoded(device or _SEQUENCE)
    return Decoded(device or _SEQUENCE, [], [], [])


def _json(device: str, payload: bytes) -> Decoded:
    message = json_object(payload)
    if message is None:
        raise Rejected(Reason.PAYLOAD_INVALID, "not a JSON object", device=device)
    error = message.get("error")
    if isinstance(error, str) and error.strip().lower() not in _FINE:
        raise Rejected(Reason.FIELD_INVALID, f"the camera read it with an error: {_printable(error)}", device=device)
    found = Gathered()
    try:
        found.measured_at = parse_time(message.get("timestamp"))
    except ValueError:
        # Older firmware has no offset in it, and none before the camera's clock is set.
        found.measured_at = None
    found.measure("value", message.get("value"), WATER_TOTAL, scale=_L_PER_M3)
    if not found.readings:
        raise Rejected(found.refusals[0].reason, found.refusals[0].detail, device=device)
    return found.decoded(device)


def _plain(device: str, leaf: str, text: str) -> Decoded:
    found = Gathered()
    if leaf == "value":
        found.measure("value", text, WATER_TOTAL, scale=_L_PER_M3)
        if not found.readings:
            raise Rejected(found.refusals[0].reason, found.refusals[0].detail, device=device)
    elif leaf == "timestamp" and not text:
        raise Rejected(
            Reason.TIME_INVALID, "empty: the camera has read nothing, or its clock is not set", device=device
        )
    elif leaf == "error" and text.lower() not in _FINE:
        # Said again in every round of some minutes: one event in two days.
        found.events.append(
            Event(kind=EventKind.FAULT, source_id=EventKind.FAULT.value, detail={"error": _printable(text)})
        )
    return found.decoded(device)


def _text(payload: bytes) -> str:
    return payload[:_MAX_TEXT_BYTES].decode("utf-8", "replace").strip()


def _printable(text: str) -> str:
    return "".join(char for char in text[:120] if char.isprintable())
