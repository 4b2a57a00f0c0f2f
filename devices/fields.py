"""Reading the fields of messages that others have designed: loosely typed, now and then impossible, or cut off."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Final, Generic, TypeVar, cast

from pydantic_core import from_json

from devices.model import Decoded, Event, JsonValue, Reading, Reason, Refusal
from devices.quantities import Quantity
from devices.times import parse_time

_MAX_NUMBER_CHARS: Final = 32
_MAX_ID_CHARS: Final = 64
# Bounds for what a stranger's messages can make us remember: 64 sets of names of 4,000 characters.
_MAX_SHAPES: Final = 64
_MAX_SHAPE_CHARS: Final = 4_000

_T = TypeVar("_T")
# Makes a Reading of a tuple in a third of the time of calling the class; there are several for every message of a city.
reading_of: Final = cast(Callable[[tuple[int, datetime | None, float]], Reading], partial(tuple.__new__, Reading))


class Gathered:
    """What a message has yielded so far.

    Attributes:
        measured_at: the device's time for everything gathered from now on; None until a time was read.
        readings: in the order of the message's fields.
        events: what happened.
        refusals: fields that could not be used.
    """

    __slots__ = ("events", "measured_at", "readings", "refusals")

    def __init__(self) -> None:
        self.measured_at: datetime | None = None
        self.readings: list[Reading] = []
        self.events: list[Event] = []
        self.refusals: list[Refusal] = []

    def date(self, field: str, raw: object) -> bool:
        """Takes the time from a field; False, and a refusal, if there is one that cannot be read."""
        if raw is None:
            return True
        try:
            self.measured_at = parse_time(raw)
        except ValueError as error:
            self.refuse(Reason.TIME_INVALID, f"{field}: {error}"[:200])
            return False
        return True

    def measure(self, field: str, raw: object, quantity: Quantity, *, scale: float = 1.0) -> None:
        """Adds a field to the readings, or to the refusals when it is no number or an impossible one.

        Args:
            field: its name, for the refusal.
            raw: its value.
            quantity: what it measures.
            scale: turns the field's unit into the quantity's: 1000 for m³.
        """
        value = raw if type(raw) is float else number(raw)
        if value is None:
            self.refuse(Reason.FIELD_INVALID, f"{field} is not a number")
            return
        if scale != 1.0:
            # The meter said 0.186 m³, not 0.18600000000000003; a microlitre is finer than any of them.
            value = round(value * scale, 6)
        code, _name, _unit, _field, minimum, maximum = quantity
        if minimum <= value <= maximum:
            self.readings.append(reading_of((code, self.measured_at, value)))
            return
        self.refuse(
            Reason.VALUE_IMPOSSIBLE,
            f"{field} is outside {quantity.minimum:g} to {quantity.maximum:g} {quantity.unit}",
        )

    def refuse(self, reason: Reason, detail: str) -> None:
        """Adds a refusal."""
        self.refusals.append(Refusal(reason, detail))

    def decoded(self, device: str) -> Decoded:
        """All of it, as what a device said."""
        return Decoded(device, self.readings, self.events, self.refusals)


class FieldChoice(Generic[_T]):
    """Which of a message's fields are ours, and what is done with each.

    A device's messages have the same fields for years, so the answer is kept for each set of names; looking at twenty
    names one by one costs as much as all the rest.

    Args:
        choose: what is done with a field of this name; None: it is not ours.
    """

    __slots__ = ("_choose", "_kept")

    def __init__(self, choose: Callable[[str], _T | None]) -> None:
        self._choose = choose
        self._kept: dict[tuple[str, ...], tuple[tuple[str, _T], ...]] = {}

    def of(self, message: Mapping[str, object]) -> tuple[tuple[str, _T], ...]:
        """Our fields of a message, in its order."""
        names = tuple(message)
        known = self._kept.get(names)
        return self._look(names) if known is None else known

    def _look(self, names: tuple[str, ...]) -> tuple[tuple[str, _T], ...]:
        chosen = tuple(_pairs(names, self._choose))
        if sum(map(len, names)) <= _MAX_SHAPE_CHARS:
            if len(self._kept) >= _MAX_SHAPES:
                self._kept.clear()
            self._kept[names] = chosen
        return chosen


def _pairs(names: Iterable[str], choose: Callable[[str], _T | None]) -> Iterable[tuple[str, _T]]:
    for name in names:
        if (what := choose(name)) is not None:
            yield name, what


def json_object(payload: bytes) -> dict[str, JsonValue] | None:
    """The payload as a JSON object; None if it is anything else."""
    try:
        message = from_json(payload, allow_inf_nan=False)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None


def number(raw: object) -> float | None:
    """A number, or a number written as a text; None if it is anything else, true and false among it."""
    kind = type(raw)
    if kind is str:
        text = cast(str, raw)
        if not text.isascii() or len(text) > _MAX_NUMBER_CHARS or "_" in text:
            return None
    elif kind is not int and kind is not float:
        return None
    try:
        return float(cast(float, raw))
    except (ValueError, OverflowError):
        return None


def short_text(raw: object) -> str | None:
    """A text or whole number that can be stored as an id; None for anything long, unprintable or of another type."""
    if isinstance(raw, str):
        return raw if 0 < len(raw) <= _MAX_ID_CHARS and raw.isprintable() else None
    if isinstance(raw, int) and not isinstance(raw, bool) and raw.bit_length() <= 64:
        return str(raw)
    return None
