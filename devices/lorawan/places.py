"""Where a tracker says it is, in a codec's object; where gateways are, which networks also tell, is nobody's call.

The fields are those of the Abeeway, Moko and Digital Matter codecs. What one calls cached is of another time.
"""

from typing import Final

from devices.model import JsonValue
from devices.positions import Position, position_of

_FIELDS: Final = (
    ("latitude", "longitude"),
    ("gpsLatitude", "gpsLongitude"),
    ("latitudeDeg", "longitudeDeg"),
    ("lat", "lon"),
)
_INSIDE: Final = ("position", "gnssFix", "gps")
_DEEPEST: Final = 3


def place_in(found: JsonValue, *, depth: int = 0) -> Position | None:
    """The position in an object, or in its part that is one; None if it has none.

    Raises:
        Rejected: it is nowhere on earth.
    """
    if not isinstance(found, dict) or depth == _DEEPEST:
        return None
    for latitude, longitude in _FIELDS:
        if latitude in found and longitude in found:
            return position_of(found[latitude], found[longitude])
    for part in _INSIDE:
        if (place := place_in(found.get(part), depth=depth + 1)) is not None:
            return place
    return None
