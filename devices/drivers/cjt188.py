"""Chinese water meters that speak CJ/T 188, behind a gateway that hands their frames on: `cjt188/{gateway}`.

The payload is what came over the wire, raw or as hex digits: one frame or several, with leading FE bytes and a
gateway's own bytes around them. Frame, units and status word are as in CJ/T 188-2004, 6 and 7; the 2018 edition differs
in the order of the data identifier's bytes, and both orders are read. The device is the meter's address, 14 digits as
printed on it.

A frame answers a question that was just asked, so its time is that of receipt; the clock in it is often never set. Only
where one payload holds several frames of one meter does the clock tell them apart, as China's time.

What the status word says it says in every frame; the constant ids make that one event in two days.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Final, NamedTuple

from devices.errors import NameInvalid, Rejected
from devices.fields import Gathered
from devices.model import Decoded, Event, EventKind, Lane, Model, Reason
from devices.naming import number_on_label
from devices.quantities import VALVE_OPEN, WATER_TOTAL
from devices.registry import TopicFilter

NAME: Final = "cjt188"
PREFIXES: Final[tuple[str, ...]] = ("cjt188",)
FILTERS: Final[tuple[TopicFilter, ...]] = (TopicFilter("#", Lane.BULK),)
MODELS: Final[tuple[Model, ...]] = (
    Model("CJ/T 188 water meter", False, "total, valve, low battery, fault of the valve"),
)

_START: Final = 0x68
_END: Final = 0x16
_HEAD: Final = 11
_TAIL: Final = 2
_MAX_BYTES: Final = 4096
# Cold water, hot water, drinking water, reclaimed water.
_WATER: Final = frozenset({0x10, 0x11, 0x12, 0x13})
_KNOWN_TYPES: Final = range(0x10, 0x4A)
_ADDRESS_DIGITS: Final = 14
_HEX: Final = frozenset("0123456789abcdef")
_ANYBODY: Final = "aa" * 7

_READ_REPLY: Final = 0x81
_REPLY_BIT: Final = 0x80
_ERROR_BIT: Final = 0x40
_CURRENT: Final = frozenset({b"\x90\x1f", b"\x1f\x90"})
# Identifier, serial, total with unit, settled total with unit, clock, status.
_CURRENT_LENGTH: Final = 2 + 1 + 5 + 5 + 7 + 2
# Litres for one step of the register: it has two decimals of its unit.
_STEP_L: Final = {0x2C: 10.0, 0x29: 0.01}

_VALVE: Final = 0b011
_VALVE_OPEN: Final = 0b00
_VALVE_SHUT: Final = 0b01
_VALVE_ABNORMAL: Final = 0b11
_LOW_BATTERY: Final = 0b100
_CHINA: Final = timezone(timedelta(hours=8))


class _Frame(NamedTuple):
    medium: int
    address: str
    control: int
    data: bytes


class _Meter(NamedTuple):
    found: Gathered
    frames: list[bytes]


def decode(topic: str, payload: bytes) -> Decoded:
    """Decodes one message.

    Args:
        topic: the topic it came on, without `cjt188/`.
        payload: its bytes.

    Raises:
        Rejected: nothing of it can be used.
    """
    if not topic:
        raise Rejected(Reason.TOPIC_UNKNOWN, "expected cjt188/{gateway}")
    if len(payload) > 3 * _MAX_BYTES:
        raise Rejected(Reason.PAYLOAD_TOO_LARGE, f"{len(payload)} bytes")
    faults: list[str] = []
    frames = list(_frames(_wire(payload), faults))
    meters: dict[str, _Meter] = {}
    complaints = Gathered()
    for frame in frames:
        if frame.control & _ERROR_BIT and frame.control & _REPLY_BIT:
            complaints.refuse(Reason.FIELD_INVALID, f"meter {frame.address} answers with an error: {frame.data.hex()}")
        elif frame.medium in _WATER and frame.control == _READ_REPLY and frame.data[:2] in _CURRENT:
            meter = meters.setdefault(frame.address, _Meter(Gathered(), []))
            if frame.data not in meter.frames:
                meter.frames.append(frame.data)
    for fault in faults[:1]:
        complaints.refuse(Reason.PAYLOAD_INVALID, fault)
    for address, meter in meters.items():
        _read(address, meter)
    said = [meter.found.decoded(address) for address, meter in meters.items()]
    useful = [each for each in said if each.readings or each.events]
    if not useful:
        refusals = [refusal for each in said for refusal in each.refusals] + complaints.refusals
        if refusals or not frames:
            device = next(iter(meters), None) or (frames[0].address if frames else None)
            reason, detail = refusals[0] if refusals else (Reason.PAYLOAD_INVALID, "no frame in it")
            raise Rejected(reason, detail, device=device)
        return Decoded(topic, [], [], [])
    first, *others = useful
    useless = [refusal for each in said if each not in useful for refusal in each.refusals]
    return first._replace(refusals=[*first.refusals, *complaints.refusals, *useless], others=tuple(others))


def installed_name(text: str) -> str:
    """The address as messages have it, however its digits are grouped on the meter.

    Raises:
        NameInvalid: it is no address.
    """
    address = number_on_label(text)
    if len(address) != _ADDRESS_DIGITS or not set(address) <= _HEX:
        raise NameInvalid(f"{text!r} is no address: a meter is known by its 14 digits, zeros in front included")
    return address


def _wire(payload: bytes) -> bytes:
    """The bytes as the meter sent them. No frame is taken for digits: its first byte, 68, is the letter h."""
    try:
        return bytes.fromhex(payload.decode("ascii").strip().strip('"'))
    except ValueError:
        return payload


def _frames(wire: bytes, faults: list[str]) -> Iterator[_Frame]:
    """Finds the frames; what looks like one and is broken goes to the faults."""
    cut: str | None = None
    at = wire.find(_START)
    while at >= 0:
        following = at + 1
        rest = wire[at : at + _HEAD + 0xFF + _TAIL]
        if len(rest) < 2 or rest[1] not in _KNOWN_TYPES:
            pass
        elif len(rest) < _HEAD or len(rest) < (length := _HEAD + rest[10] + _TAIL):
            cut = cut or f"frame cut off after {len(rest)} bytes"
        elif rest[length - 1] != _END:
            cut = cut or "frame does not end where its length says"
        elif (checksum := sum(rest[: length - 2]) & 0xFF) != rest[length - 2]:
            faults.append(f"checksum is {rest[length - 2]:02x}, {checksum:02x} computed")
        else:
            cut = None
            following = at + length
            yield _Frame(rest[1], rest[8:1:-1].hex(), rest[9], rest[_HEAD : length - _TAIL])
        at = wire.find(_START, following)
    # Before a good frame it was a gateway's own byte; at the end it is a frame that is lost.
    if cut is not None:
        faults.append(cut)


def _read(address: str, meter: _Meter) -> None:
    found = meter.found
    if address == _ANYBODY:
        found.refuse(Reason.FIELD_INVALID, "the address is the one that calls all meters")
        return
    several = len(meter.frames) > 1
    for data in meter.frames:
        if len(data) < _CURRENT_LENGTH:
            found.refuse(Reason.FIELD_INVALID, f"{len(data)} bytes of data, {_CURRENT_LENGTH} expected")
            continue
        found.measured_at = _clock(data[13:20]) if several else None
        if several and found.measured_at is None:
            found.refuse(Reason.TIME_INVALID, "one of several frames of the meter, without a clock to tell it by")
            continue
        _total(data[3:7], data[7], found)
        _status(data[20], found)


def _total(register: bytes, unit: int, found: Gathered) -> None:
    steps = _decimal(register)
    step_l = _STEP_L.get(unit)
    if steps is None:
        found.refuse(Reason.FIELD_INVALID, f"total {register.hex()} is not decimal")
    elif step_l is None:
        found.refuse(Reason.FIELD_INVALID, f"no unit of water has the code {unit:02x}")
    else:
        found.measure("total", steps, WATER_TOTAL, scale=step_l)


def _status(status: int, found: Gathered) -> None:
    """The status word's first byte; the second is the maker's own."""
    valve = status & _VALVE
    if valve in (_VALVE_OPEN, _VALVE_SHUT):
        found.measure("valve", int(valve == _VALVE_OPEN), VALVE_OPEN)
    elif valve == _VALVE_ABNORMAL:
        _tell(EventKind.FAULT, "valve", found)
    if status & _LOW_BATTERY:
        _tell(EventKind.LOW_BATTERY, "battery", found)


def _tell(kind: EventKind, part: str, found: Gathered) -> None:
    if not any(event.kind is kind for event in found.events):
        found.events.append(Event(kind=kind, source_id=kind.value, detail={"part": part}))


def _decimal(low_first: bytes) -> int | None:
    digits = low_first[::-1].hex()
    return int(digits) if digits.isdecimal() else None


def _clock(low_first: bytes) -> datetime | None:
    digits = low_first[::-1].hex()
    if not digits.isdecimal():
        return None
    try:
        return datetime(
            int(digits[:4]),
            int(digits[4:6]),
            int(digits[6:8]),
            int(digits[8:10]),
            int(digits[10:12]),
            int(digits[12:14]),
            tzinfo=_CHINA,
        ).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
