"""Water meters heard by wmbusmeters: `wmbusmeters/{name}`, one JSON object for each telegram.

The device is the topic's `{name}`, so that two gateways that hear one meter publish as one device. `timestamp` is the
gateway's and in UTC. The meter's own clock (`meter_datetime`) comes without an offset and is not used.

What a meter says of itself (`status`, `current_status`, `current_alarms`) it repeats in every telegram, thousands of
times a day; here each is an event once a day. What was (`PREV_…`, `…_THIS_MONTH`) is not told again.

Totals at a target date are `WATER_TARGET`, dated by the meter's calendar as if that were UTC. Meters repeat them for a
year; one that is too old to be stored is left out, as is one in whose place the meter has a mark for "none yet".
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from typing import Final

from devices.errors import Rejected
from devices.fields import FieldChoice, Gathered, json_object, number, reading_of
from devices.model import Decoded, Event, EventKind, JsonValue, Lane, Model, Reason
from devices.quantities import (
    BATTERY,
    BATTERY_VOLTAGE,
    LINK_RSSI,
    TEMPERATURE,
    WATER_FLOW,
    WATER_TARGET,
    WATER_TEMPERATURE,
    WATER_TOTAL,
    Quantity,
)
from devices.registry import TopicFilter

NAME: Final = "wmbusmeters"
PREFIXES: Final[tuple[str, ...]] = ("wmbusmeters",)
FILTERS: Final[tuple[TopicFilter, ...]] = (TopicFilter("+", Lane.BULK),)

_TOTAL: Final = "total"
_TARGET: Final = "total at a target date"
_STATUS: Final = "status"
# Named as wmbusmeters names its drivers: what `meter` or `driver` says in the message.
MODELS: Final[tuple[Model, ...]] = tuple(
    Model(name, False, ", ".join(yields))
    for yields, names in (
        (
            (_TOTAL,),
            "actislink apator08 apator162 apator172 emerlin868 ev200 hydrodigit iperl mkradio3 mkradio4 op041a rfmtx1 "
            "topaseskr weh_07 werhlemodwm",
        ),
        ((_TARGET,), "mkradio4a"),
        ((_TOTAL, _TARGET), "istawater lse_07_17"),
        ((_TARGET, _STATUS), "engelmann_faw"),
        (
            (_TOTAL, _STATUS),
            "aventieswm dme_07 fiowater iwmtx5 kadenwater kamwater maddalena minomess picoflux supercom587 ultrimis "
            "ultrimisv2 watertech zenner0b",
        ),
        (
            (_TOTAL, _TARGET, _STATUS),
            "apatorna1 aptmbusna aquastream dme173 evo868 gwfwater hydrus itron izar izarv2 q400 qwater qwaterv2 uiws "
            "waterstarm",
        ),
    )
    for name in names.split()
)

# A flow or temperature of exactly this is the meter's mark for "not measured".
_UNMEASURED_C: Final = frozenset({127.0, -128.0, -100.0})
_MEASURED: Final[dict[str, tuple[Quantity, float]]] = {
    "total_m3": (WATER_TOTAL, 1000.0),
    "flow_m3h": (WATER_FLOW, 1000.0),
    "volume_flow_m3h": (WATER_FLOW, 1000.0),
    "current_flow_m3h": (WATER_FLOW, 1000.0),
    "flow_temperature_c": (WATER_TEMPERATURE, 1.0),
    "external_temperature_c": (TEMPERATURE, 1.0),
    "battery_pct": (BATTERY, 1.0),
    "battery_v": (BATTERY_VOLTAGE, 1.0),
    "voltage_v": (BATTERY_VOLTAGE, 1.0),
    "rssi_dbm": (LINK_RSSI, 1.0),
}
_MARKED: Final = frozenset({"flow_temperature_c", "external_temperature_c", "rssi_dbm"})
_TARGETS: Final[dict[str, tuple[str, ...]]] = {
    "target_m3": ("target_date", "target_datetime"),
    "historic_m3": ("historic_datetime",),
    "due_m3": ("due_date",),
    "due_date_m3": ("due_date",),
    "due_17_date_m3": ("due_17_date",),
    "total_at_date_m3": ("at_date",),
    "total_at_set_date_m3": ("set_date",),
    "consumption_at_set_date_m3": ("set_date", "set_datetime"),
    "consumption_at_reporting_date_m3": ("reporting_date",),
    "last_month_total_m3": ("last_month_measure_date",),
}
# What is done with a field: its quantity and scale, or None for a total at a target date.
_OURS: Final[FieldChoice[tuple[Quantity, float] | tuple[None, float]]] = FieldChoice(
    lambda field: (None, 1000.0) if field in _TARGETS else _MEASURED.get(field)
)
_STATUSES: Final = ("status", "current_status", "current_alarms")
_FLAGS: Final[dict[str, EventKind]] = {
    word: kind
    for kind, words in {
        EventKind.LEAK: "LEAK LEAKAGE LEAKING LEAK_FLOW_LOW LEAK_FLOW_HIGH BURST BURSTING",
        EventKind.DRY: "DRY",
        EventKind.BACKFLOW: "REVERSE REVERSED REVERSE_FLOW BACKFLOW BACK_FLOW",
        EventKind.TAMPER: "TAMPER SENSOR_FRAUD MECHANICAL_FRAUD MAGNETIC_FRAUD FRAUD",
        EventKind.LOW_BATTERY: "LOW_BATTERY BATTERY_LOW POWER_LOW",
        EventKind.FAULT: "PERMANENT_ERROR METER_BLOCKED",
    }.items()
    for word in words.split()
}
_NOT_WATER: Final = frozenset({"gas", "electricity", "heat", "cooling", "heat/cooling load", "heat cost allocation"})
# A water meter whose telegrams call its medium gas.
_WATER_ALL_THE_SAME: Final = "apator08"
_MAX_STATUS_CHARS: Final = 400
_MAX_DATE_CHARS: Final = 20
_TARGET_KEPT: Final = timedelta(days=34)
# Between the meter's calendar and ours there is at most a day.
_CALENDARS_APART: Final = timedelta(days=1)
_NO_TIME: Final = timedelta(0)


def decoder(topic: str) -> Callable[[bytes], Decoded]:
    """What decodes the messages on one topic.

    Args:
        topic: without `wmbusmeters/`.

    Raises:
        Rejected: it is no meter's.
    """
    if not topic or "/" in topic:
        raise Rejected(Reason.TOPIC_UNKNOWN, "expected wmbusmeters/{name}")
    return partial(_telegram, topic)


def decode(topic: str, payload: bytes) -> Decoded:
    """Decodes one message.

    Args:
        topic: the topic it came on, without `wmbusmeters/`.
        payload: its bytes.

    Raises:
        Rejected: nothing of it can be used.
    """
    return decoder(topic)(payload)


def _telegram(device: str, payload: bytes) -> Decoded:
    message = json_object(payload)
    if message is None:
        raise Rejected(Reason.PAYLOAD_INVALID, "not a JSON object")
    media, meter = message.get("media"), message.get("meter", message.get("driver"))
    if "media" not in message and "total_m3" not in message:
        raise Rejected(Reason.PAYLOAD_INVALID, "neither media nor total_m3 in it")
    if isinstance(media, str) and media in _NOT_WATER and meter != _WATER_ALL_THE_SAME:
        return Decoded(device, [], [], [])
    found = Gathered()
    if found.date("timestamp", message.get("timestamp")):
        for field, (quantity, scale) in _OURS.of(message):
            raw = message[field]
            if raw is None:
                continue
            if quantity is None:
                _target(field, message, found, scale)
            elif field not in _MARKED or not _is_mark(field, raw):
                found.measure(field, raw, quantity, scale=scale)
    _status(message, found)
    return found.decoded(device)


def _is_mark(field: str, raw: JsonValue) -> bool:
    value = number(raw)
    if field == "rssi_dbm":
        # Receivers that do not know the strength say 0, or count from another end.
        return value is not None and value >= 0.0
    return value in _UNMEASURED_C


def _target(field: str, message: dict[str, JsonValue], found: Gathered, scale: float) -> None:
    at = None
    for name in _TARGETS[field]:
        said = message.get(name)
        if isinstance(said, str) and len(said) <= _MAX_DATE_CHARS and (at := _calendar(said)) is not None:
            break
    if at is None:
        return
    if found.measured_at is not None:
        age = found.measured_at - at
        if age > _TARGET_KEPT or -_CALENDARS_APART <= age < _NO_TIME:
            return
    value, total = number(message[field]), number(message.get("total_m3"))
    # A total of the past above the one of today is a mark, as is one below nothing.
    if value is None or not 0.0 <= value * scale <= WATER_TARGET.maximum or (total is not None and value > total):
        return
    found.readings.append(reading_of((WATER_TARGET.code, at, round(value * scale, 6))))


@lru_cache(maxsize=1 << 12)
def _calendar(text: str) -> datetime | None:
    """A date of a meter's calendar. All meters name the same few, over and over."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    # Meters begin their calendar with the year 2000.
    return at.replace(tzinfo=UTC) if at.tzinfo is None and at.year > 2000 else None


def _status(message: dict[str, JsonValue], found: Gathered) -> None:
    said: dict[EventKind, list[str]] = {}
    for field in _STATUSES:
        raw = message.get(field)
        if raw is None or raw == "OK" or not isinstance(raw, str):
            continue
        for word in raw[:_MAX_STATUS_CHARS].upper().replace(",", " ").split():
            kind = _FLAGS.get(word)
            if kind is not None and word not in said.setdefault(kind, []):
                said[kind].append(word)
    if not said:
        return
    day = None if found.measured_at is None else found.measured_at.date().isoformat()
    for kind, words in said.items():
        # Without a time of its own: a repetition with another time would be another event.
        source_id = None if day is None else f"{kind.value} {day}"
        found.events.append(
            Event(kind=kind, source_id=source_id, likeness=kind.value, detail={"status": " ".join(words)})
        )
