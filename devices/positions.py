"""Where somebody called for help: kept only where a site allows it, and only with the call itself.

A driver decodes without looking at positions. One whose messages have them offers `position(payload)` beside `decode`,
and only where positions are kept is it ever asked.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final, NamedTuple

from devices.errors import Rejected
from devices.fields import number
from devices.model import Decoded, Event, EventKind, JsonValue, Reason, Refusal

_CALLS: Final = frozenset({EventKind.BUTTON_PRESS, EventKind.FALL})


class Position(NamedTuple):
    """A place on earth, in degrees (WGS 84)."""

    latitude: float
    longitude: float


Finder = Callable[[bytes], Position | None]
"""A driver's `position`: where a message says that its device is."""


def position_of(latitude: JsonValue, longitude: JsonValue) -> Position | None:
    """A position from its two fields; None where there is none, or no fix (devices without one send 0 and 0).

    Raises:
        Rejected: they are no numbers, or nowhere on earth.
    """
    if latitude is None and longitude is None:
        return None
    north, east = number(latitude), number(longitude)
    if north is None or east is None:
        raise Rejected(Reason.FIELD_INVALID, "the position is not two numbers")
    if not (-90 <= north <= 90 and -180 <= east <= 180):
        raise Rejected(Reason.VALUE_IMPOSSIBLE, "the position is nowhere on earth")
    return Position(north, east) if north or east else None


def keeping(decode: Callable[[bytes], Decoded], find: Finder) -> Callable[[bytes], Decoded]:
    """A decoder that also puts the position into the detail of presses and falls; a wrong one is refused alone."""

    def decode_and_keep(payload: bytes) -> Decoded:
        decoded = decode(payload)
        if not any(event.kind in _CALLS for event in decoded.events):
            return decoded
        try:
            found = find(payload)
        except Rejected as rejected:
            return decoded._replace(refusals=[*decoded.refusals, Refusal(rejected.reason, rejected.detail)])
        return decoded if found is None else decoded._replace(events=[_at(event, found) for event in decoded.events])

    return decode_and_keep


def _at(event: Event, position: Position) -> Event:
    return replace(event, detail={**event.detail, "position": position._asdict()}) if event.kind in _CALLS else event
