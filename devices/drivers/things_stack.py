"""LoRaWAN devices behind The Things Stack v3: `v3/{app}/devices/{id}/up`, as JSON.

A device is known by its id in the topic, not by its DevEUI: only the id can be subscribed to, and a message without
an EUI has it too. The ids that the console proposes (`eui-70b3d5…`) are unique everywhere; whoever chooses others must
not use one in two applications.

What an uplink says stands in `decoded_payload`, which the model's payload formatter makes of it; `devices.lorawan`
knows what it means. Where it holds no reading, or is of a model that nobody knows, `normalized_payload` counts. An
event's id is the LoRaWAN session with the frame's number, so that copies on either lane are one event.

The Things Stack's own broker speaks MQTT 3.1.1 at QoS 0 only: a bridge brings its topics to the site's broker.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from devices.errors import NameInvalid, Rejected
from devices.fields import json_object, short_text
from devices.lorawan import reading
from devices.lorawan.compiling import compile_row
from devices.lorawan.eui import eui_of
from devices.lorawan.interpret import Uplink, run
from devices.lorawan.places import place_in
from devices.lorawan.servers import Message, decode_message, picker
from devices.lorawan.table import FieldRow, ListRow, ModelRow
from devices.model import Decoded, Lane, Reason
from devices.positions import Position
from devices.registry import TopicFilter

NAME: Final = "things_stack"
PREFIXES: Final[tuple[str, ...]] = ("v3",)
FILTERS: Final[tuple[TopicFilter, ...]] = (TopicFilter("+/devices/+/up", Lane.BULK),)
URGENT_FILTERS: Final[tuple[str, ...]] = ("+/devices/{device}/up",)
MODELS: Final = reading.MODELS

_HINT: Final = "expected The Things Stack's JSON"
# Of its API reference: letters and digits with single dashes between them, up to 36.
_ID: Final = re.compile("(?=.{3,36}$)[a-z0-9](?:-?[a-z0-9]){2,}")
_OPEN: Final = ConfigDict(extra="ignore")
_SWITCH: Final = {"false": 0.0, "true": 1.0}
# The units are those of the normalised payload's schema: litres, volts, °C.
_NORMALIZED: Final = compile_row(
    ModelRow(
        names=("The Things Stack normalised",),
        yields="whatever the formatter normalises",
        lists=(
            ListRow(
                path="normalized_payload",
                time="time",
                fields=(
                    FieldRow(path="metering.water.total", quantity="water_total"),
                    FieldRow(path="water.leak", quantity="water_leak", words=_SWITCH),
                    FieldRow(path="water.temperature.min", quantity="water_temperature"),
                    FieldRow(path="air.temperature", quantity="temperature"),
                    FieldRow(path="action.motion.detected", quantity="motion", words=_SWITCH),
                    FieldRow(path="battery", quantity="battery_voltage"),
                ),
            ),
        ),
    )
)


@with_config(_OPEN)
class _Versions(TypedDict, total=False):
    brand_id: Any
    model_id: Any


@with_config(_OPEN)
class _UplinkMessage(TypedDict, total=False):
    session_key_id: Any
    f_cnt: Any
    frm_payload: Any
    decoded_payload: Any
    normalized_payload: Any
    version_ids: _Versions
    received_at: Any


@with_config(_OPEN)
class _Event(TypedDict, total=False):
    received_at: Any
    uplink_message: _UplinkMessage


_PICK: Final = picker(_Event)


def decoder(topic: str) -> Callable[[bytes], Decoded]:
    """What decodes the messages on one topic.

    Args:
        topic: without `v3/`.

    Raises:
        Rejected: it is no uplink's topic.
    """
    levels = topic.split("/")
    if len(levels) != 4 or levels[1] != "devices" or levels[3] != "up":
        raise Rejected(Reason.TOPIC_UNKNOWN, "expected v3/{application}/devices/{id}/up")
    return partial(decode_message, _PICK, _up, _HINT, levels[2])


def decode(topic: str, payload: bytes) -> Decoded:
    """Decodes one message.

    Args:
        topic: the topic it came on, without `v3/`.
        payload: its bytes.

    Raises:
        Rejected: nothing of it can be used.
    """
    return decoder(topic)(payload)


def position(payload: bytes) -> Position | None:
    """Where the device says it is, in what its payload formatter writes.

    Raises:
        Rejected: nowhere on earth.
    """
    sent = (json_object(payload) or {}).get("uplink_message")
    return place_in(sent.get("decoded_payload")) if isinstance(sent, dict) else None


def installed_name(text: str) -> str:
    """The end device's id: lower-case; for an EUI typed off a label, the id that the console makes of it.

    Raises:
        NameInvalid: it is no id of The Things Stack.
    """
    if _ID.fullmatch(text):
        return text
    eui = eui_of(text)
    name = text.lower() if eui is None else f"eui-{eui}"
    if _ID.fullmatch(name) is None:
        raise NameInvalid(
            f"{text!r} is no end device's id: 3 to 36 lower-case letters, digits and single dashes, such as eui-70b3d5…"
        )
    return name


def _up(message: Message) -> Uplink:
    sent = message.get("uplink_message")
    if not isinstance(sent, dict):
        raise Rejected(Reason.PAYLOAD_INVALID, "no uplink_message")
    received_at = message.get("received_at") or sent.get("received_at")
    uplink = Uplink(_source_id(sent) or short_text(received_at))
    uplink.sent("received_at", received_at)
    normalized, found = sent.get("normalized_payload"), sent.get("decoded_payload")
    try:
        if isinstance(found, dict):
            reading.read(found, _names(sent.get("version_ids")), uplink)
        elif found is not None:
            raise Rejected(Reason.FIELD_INVALID, "decoded_payload is not an object")
        elif sent.get("frm_payload"):
            raise Rejected(Reason.PAYLOAD_INVALID, "not decoded: give the device the payload formatter of its model")
    except Rejected:
        if normalized is None:
            raise
    if normalized is not None and not uplink.readings:
        run(_NORMALIZED, {"normalized_payload": normalized}, uplink)
    return uplink


def _source_id(sent: Message) -> str | None:
    session = short_text(sent.get("session_key_id"))
    # The first frame of a session has number 0, which protobuf's JSON leaves out.
    frame = short_text(sent.get("f_cnt", 0))
    return None if session is None or frame is None else f"{session}/{frame}"


def _names(versions: Any) -> list[str]:
    if not isinstance(versions, dict):
        return []
    maker, model = versions.get("brand_id"), versions.get("model_id")
    return [name for name in (model, f"{maker} {model}") if isinstance(name, str)] if isinstance(model, str) else []
