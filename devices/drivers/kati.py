"""Kati (iMEDE) 4G watches: `iMEDE_watch/sos`, `…/fallDown`, `…/hb` and others; the device is the watch's IMEI.

An SOS or a fall comes without a time and without an id. It raises whatever the message looks like, on its own topic or
by its `status` on another; without an IMEI it is an SOS of an unknown device. The position in it is looked at only
where the site keeps positions. The watch's clock shows local time without an offset: the time of receipt counts.
"""

import re
from typing import Final

from devices.errors import NameInvalid, Rejected
from devices.fields import Gathered, json_object, number, short_text
from devices.model import Decoded, Event, EventKind, JsonValue, Lane, Model, Reason
from devices.naming import number_on_label
from devices.positions import Position, position_of
from devices.quantities import BATTERY
from devices.registry import TopicFilter

NAME: Final = "kati"
PREFIXES: Final[tuple[str, ...]] = ("iMEDE_watch",)
FILTERS: Final[tuple[TopicFilter, ...]] = (
    *(TopicFilter(name, Lane.URGENT) for name in ("sos", "SOS", "fallDown")),
    *(TopicFilter(name, Lane.BULK) for name in ("hb", "VitalSign", "AP55", "onlineTrigger", "location", "sleepdata")),
)
MODELS: Final[tuple[Model, ...]] = (Model("Kati watch", True, "press, fall, battery, low battery"),)

_ALARM_TOPICS: Final = {"sos": EventKind.BUTTON_PRESS, "falldown": EventKind.FALL}
_STATUSES: Final = {
    "sos": EventKind.BUTTON_PRESS,
    "falldown": EventKind.FALL,
    "online": EventKind.ONLINE,
    "offline": EventKind.OFFLINE,
}
_ALARMS: Final = frozenset(_ALARM_TOPICS.values())
# The watch reports itself low nowhere; below this it lasts a few hours.
_LOW_PCT: Final = 15.0
_IMEI: Final = re.compile("[0-9]{8,17}")
_IMEI_IN_DEBRIS: Final = re.compile(rb'"IMEI"\s{0,8}:\s{0,8}"?([0-9]{8,17})')


def decode(topic: str, payload: bytes) -> Decoded:
    """Decodes one message.

    Args:
        topic: the topic it came on, without `iMEDE_watch/`.
        payload: its bytes.

    Raises:
        Rejected: nothing of it can be used.
    """
    alarm = _ALARM_TOPICS.get(topic.casefold())
    message = json_object(payload)
    found = Gathered()
    if message is None:
        if alarm is None or not payload:
            raise Rejected(Reason.PAYLOAD_INVALID, "not a JSON object")
        found.refuse(Reason.PAYLOAD_INVALID, "not a JSON object")
        found.events.append(Event(kind=alarm))
        imei = _IMEI_IN_DEBRIS.search(payload)
        return found.decoded("" if imei is None else imei[1].decode("ascii"))
    status = message.get("status")
    said = _STATUSES.get("".join(status[:32].casefold().split())) if isinstance(status, str) else None
    kind = said if said in _ALARMS else alarm or said
    device = short_text(message.get("IMEI")) or ""
    if not device and kind not in _ALARMS:
        raise Rejected(Reason.FIELD_INVALID, "no IMEI in it")
    if kind is not None:
        found.events.append(Event(kind=kind))
    _battery(message.get("battery"), found)
    return found.decoded(device)


def position(payload: bytes) -> Position | None:
    """Where the watch says it is.

    Raises:
        Rejected: nowhere on earth.
    """
    location = (json_object(payload) or {}).get("location")
    fix = location.get("GPS") if isinstance(location, dict) else None
    return position_of(fix.get("latitude"), fix.get("longitude")) if isinstance(fix, dict) else None


def installed_name(text: str) -> str:
    """The IMEI as messages have it, however its digits are grouped on the label.

    Raises:
        NameInvalid: it is no IMEI.
    """
    imei = number_on_label(text)
    if _IMEI.fullmatch(imei) is None:
        raise NameInvalid(f"{text!r} is no IMEI: a watch is known by its 15 digits")
    return imei


def _battery(raw: JsonValue, found: Gathered) -> None:
    if raw is None:
        return
    found.measure("battery", raw, BATTERY)
    if found.readings and (number(raw) or 0.0) <= _LOW_PCT:
        # In every heartbeat until it is charged: one event in two days.
        found.events.append(Event(kind=EventKind.LOW_BATTERY, source_id=EventKind.LOW_BATTERY.value))
