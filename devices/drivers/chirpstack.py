"""LoRaWAN devices behind ChirpStack v4: `application/{id}/device/{eui}/event/up|join|status`, as JSON.

A device is known by its DevEUI in lower case. What an uplink says stands in `object`, which the codec of the device
profile makes of it; `devices.lorawan` knows what the models' codecs write. Presses and telemetry share the `up` topic,
so the urgent session subscribes to that of each installed call button.

Two gateways that hear one telegram are one message already, with one `deduplicationId`: the id of the event, on
whichever lane a copy comes and however late. `time` is when a gateway received the uplink, by the gateway's clock.

An uplink in which nothing is ours, such as an answer to a configuration, is stored as the strength at which it was
heard, and a join as `online`: the device lives.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from devices.errors import NameInvalid, Rejected
from devices.fields import json_object, short_text
from devices.lorawan import reading
from devices.lorawan.eui import eui_of
from devices.lorawan.interpret import Uplink
from devices.lorawan.places import place_in
from devices.lorawan.servers import Message, decode_message, picker
from devices.model import Decoded, EventKind, Lane, Reason
from devices.positions import Position
from devices.quantities import BATTERY
from devices.registry import TopicFilter

NAME: Final = "chirpstack"
PREFIXES: Final[tuple[str, ...]] = ("application",)
FILTERS: Final[tuple[TopicFilter, ...]] = (
    TopicFilter("+/device/+/event/up", Lane.BULK),
    TopicFilter("+/device/+/event/join", Lane.BULK),
    TopicFilter("+/device/+/event/status", Lane.BULK),
)
URGENT_FILTERS: Final[tuple[str, ...]] = ("+/device/{device}/event/up",)
MODELS: Final = reading.MODELS

_HINT: Final = "ChirpStack's MQTT integration must have json=true"
_EUI_CHARS: Final = 16
# What version 3 and some devices send where no level is known.
_NO_LEVEL: Final = 255
_OPEN: Final = ConfigDict(extra="ignore")


@with_config(_OPEN)
class _DeviceInfo(TypedDict, total=False):
    deviceProfileName: Any
    tags: Any


@with_config(_OPEN)
class _Event(TypedDict, total=False):
    deduplicationId: Any
    time: Any
    deviceInfo: _DeviceInfo
    object: Any
    data: Any
    batteryLevel: Any
    batteryLevelUnavailable: Any
    externalPowerSource: Any


_PICK: Final = picker(_Event)


def decoder(topic: str) -> Callable[[bytes], Decoded]:
    """What decodes the messages on one topic.

    Args:
        topic: without `application/`.

    Raises:
        Rejected: it is none of the topics that are subscribed to.
    """
    levels = topic.split("/")
    if len(levels) != 5 or levels[1] != "device" or levels[3] != "event" or levels[4] not in _UNDERSTAND:
        raise Rejected(Reason.TOPIC_UNKNOWN, "expected application/{id}/device/{eui}/event/up, join or status")
    eui, understand = levels[2], _UNDERSTAND[levels[4]]
    device = eui.lower() if len(eui) == _EUI_CHARS else eui
    return partial(decode_message, _PICK, understand, _HINT, device)


def decode(topic: str, payload: bytes) -> Decoded:
    """Decodes one message.

    Args:
        topic: the topic it came on, without `application/`.
        payload: its bytes.

    Raises:
        Rejected: nothing of it can be used.
    """
    return decoder(topic)(payload)


def position(payload: bytes) -> Position | None:
    """Where the device says it is, in what its codec writes.

    Raises:
        Rejected: nowhere on earth.
    """
    return place_in((json_object(payload) or {}).get("object"))


def installed_name(text: str) -> str:
    """The DevEUI as topics have it, however a label or a console writes it: `24-E1-24-…`, `eui-24e124…`.

    Raises:
        NameInvalid: it is no DevEUI.
    """
    eui = eui_of(text)
    if eui is None:
        raise NameInvalid(f"{text!r} is no DevEUI: a device is known by the 16 hex digits on its label")
    return eui


def _begin(message: Message) -> Uplink:
    at = message.get("time")
    uplink = Uplink(short_text(message.get("deduplicationId")) or short_text(at))
    uplink.sent("time", at)
    return uplink


def _up(message: Message) -> Uplink:
    uplink = _begin(message)
    found = message.get("object")
    if isinstance(found, dict):
        reading.read(found, _names(message.get("deviceInfo")), uplink)
    elif found is not None:
        raise Rejected(Reason.FIELD_INVALID, "object is not an object")
    elif message.get("data"):
        raise Rejected(Reason.PAYLOAD_INVALID, "not decoded: give the device's profile the codec of its model")
    return uplink


def _names(info: Any) -> list[str]:
    if not isinstance(info, dict):
        return []
    name, tags = info.get("deviceProfileName"), info.get("tags")
    names = [name] if isinstance(name, str) else []
    if tags and isinstance(tags, dict) and isinstance(model := tags.get("model"), str):
        names.insert(0, model)
    return names


def _join(message: Message) -> Uplink:
    uplink = _begin(message)
    uplink.happened(EventKind.ONLINE, "join", None)
    return uplink


def _status(message: Message) -> Uplink:
    uplink = _begin(message)
    level = message.get("batteryLevel")
    known = not (message.get("batteryLevelUnavailable") or message.get("externalPowerSource"))
    if known and level is not None and level != _NO_LEVEL:
        uplink.measure("batteryLevel", level, BATTERY)
    return uplink


_UNDERSTAND: Final = {"up": _up, "join": _join, "status": _status}
