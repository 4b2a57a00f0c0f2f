"""Turns a row of the table into a program, and runs it over an object.

A program looks at the fields an object has, not at all those the row knows: every message of a city passes here.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from devices import quantities
from devices.fields import Gathered, number, reading_of
from devices.lorawan.calls import call_in, is_set, may_call
from devices.lorawan.table import EventRow, FieldRow, HourlyRow, ListRow, ModelRow, Written
from devices.model import Event, EventKind, JsonValue, Reason
from devices.times import parse_time

_MAX_ITEMS: Final = 1000
_MAX_DETAIL_CHARS: Final = 64
_LARGE: Final = 1e15
_HOUR: Final = timedelta(hours=1)
# A clock this little ahead is wrong, not local; and no place on earth is further ahead of UTC than 14 h.
_AHEAD: Final = timedelta(minutes=10)
_FURTHEST: Final = timedelta(hours=15)

Object = Mapping[str, JsonValue]


class Uplink(Gathered):
    """What one uplink has yielded so far.

    Attributes:
        source_id: of the message; all its events have it.
        uplink_at: when the network server received it.
    """

    __slots__ = ("source_id", "uplink_at")

    def __init__(self, source_id: str | None) -> None:
        super().__init__()
        self.source_id = source_id
        self.uplink_at: datetime | None = None

    def sent(self, field: str, raw: JsonValue) -> None:
        """Takes the time of the uplink from a field. Without one that can be read, the time of receipt counts."""
        self.date(field, raw)
        self.uplink_at = self.measured_at

    def happened(self, kind: EventKind, field: str, value: JsonValue) -> None:
        """Adds an event; one of a kind is enough, whichever field told first."""
        if any(event.kind is kind for event in self.events):
            return
        detail: dict[str, JsonValue] = {}
        if not field.isprintable():  # the database refuses some of what is not
            field = "field"
        if isinstance(value, str):
            if len(value) <= _MAX_DETAIL_CHARS and value.isprintable():
                detail[field] = value
        elif isinstance(value, bool | int | float) and math.isfinite(value) and abs(value) < _LARGE:
            detail[field] = value
        self.events.append(Event(kind=kind, measured_at=self.measured_at, source_id=self.source_id, detail=detail))


Step = Callable[[JsonValue, Object, Uplink], None]
"""Looks at one field: its value, the object around it, and what was found so far."""
Program = Mapping[str, tuple[Step, ...]]


def run(program: Program, found: Object, uplink: Uplink) -> None:
    """Runs a program over an object; fields it does not know are searched for calls."""
    steps_of = program.get
    for name, value in found.items():
        steps = steps_of(name)
        if steps is None:
            if may_call(name) and (kind := call_in(name, value)) is not None:
                uplink.happened(kind, name, value)
            continue
        for step in steps:
            step(value, found, uplink)


def compile_row(row: ModelRow) -> Program:
    """The program of one model."""
    program = _program(row.fields, row.events, row.lists)
    if row.hourly is not None:
        program[row.hourly.base] = (*program.get(row.hourly.base, ()), _hourly(row.hourly))
    return program


def _program(
    fields: Iterable[FieldRow], events: Iterable[EventRow], lists: Iterable[ListRow]
) -> dict[str, tuple[Step, ...]]:
    placed = [(row.path, _reading(row)) for row in fields]
    placed += [(row.path, _event(row)) for row in events]
    placed += [(row.path, _list(row)) for row in lists]
    return _tree([(tuple(path.split(".")), step) for path, step in placed])


def _tree(placed: list[tuple[tuple[str, ...], Step]]) -> dict[str, tuple[Step, ...]]:
    here: dict[str, list[Step]] = {}
    below: dict[str, list[tuple[tuple[str, ...], Step]]] = {}
    for (first, *rest), step in placed:
        if rest:
            below.setdefault(first, []).append((tuple(rest), step))
        else:
            here.setdefault(first, []).append(step)
    for first, inner in below.items():
        here.setdefault(first, []).append(_inside(first, _tree(inner)))
    return {name: tuple(steps) for name, steps in here.items()}


def _inside(name: str, program: Program) -> Step:
    def step(value: JsonValue, _around: Object, uplink: Uplink) -> None:
        if isinstance(value, dict):
            run(program, value, uplink)
        elif (kind := call_in(name, value)) is not None:
            uplink.happened(kind, name, value)

    return step


def _applies(when: Mapping[str, Written]) -> Callable[[Object], bool]:
    wanted = tuple((name, _key(value)) for name, value in when.items())

    def applies(around: Object) -> bool:
        for name, value in wanted:
            there = around.get(name)
            if not isinstance(there, str | int | float) or _key(there) != value:
                return False
        return True

    return applies


def _reading(row: FieldRow) -> Step:
    quantity, scale, path = quantities.by_name[row.quantity], row.scale, row.path
    at_most, loose = row.at_most, row.loose
    words = None if row.words is None else _worth(row.words)
    applies = _applies(row.when) if row.when else None
    code, _, _, _, minimum, maximum = quantity

    def plain(value: JsonValue, _around: Object, uplink: Uplink) -> None:
        if (type(value) is float or type(value) is int) and -_LARGE < value < _LARGE:
            worth = float(value) if scale == 1.0 else round(value * scale, 6)
            if minimum <= worth <= maximum:
                uplink.readings.append(reading_of((code, uplink.measured_at, worth)))  # nearly all come to this
                return
        if value is not None:
            uplink.measure(path, value, quantity, scale=scale)

    def step(value: JsonValue, around: Object, uplink: Uplink) -> None:
        if value is None or (applies is not None and not applies(around)):
            return
        if words is not None:
            worth = words.get(_key(value)) if isinstance(value, str | int | float) else None
            if worth is None:
                uplink.refuse(Reason.FIELD_INVALID, f"{path} has a value that is not known")
            else:
                uplink.readings.append(reading_of((quantity.code, uplink.measured_at, worth)))
            return
        if loose and isinstance(value, str):
            value = _leading_number(value)
        if at_most is not None and (given := number(value)) is not None and given > at_most:
            return
        uplink.measure(path, value, quantity, scale=scale)

    return plain if applies is None and words is None and at_most is None and not loose else step


def _key(value: str | int | float) -> str | int | float:
    return value.casefold() if isinstance(value, str) else value


def _worth(words: Mapping[str, float]) -> dict[str | int | float, float]:
    """What words are worth, with numbers and flags as themselves: 1, 1.0 and true are found alike."""
    flags = {"false": 0, "true": 1}
    return {
        key: worth
        for word, worth in words.items()
        for key in (word.casefold(), int(word) if word.isdigit() else flags.get(word, word))
    }


def _leading_number(text: str) -> str:
    text = text.strip()[:32]
    end = next((at for at, char in enumerate(text) if char not in "+-.0123456789"), len(text))
    return text[:end]


def _event(row: EventRow) -> Step:
    kind, leaf, contains = row.kind, row.path.rpartition(".")[2], row.contains
    wanted = frozenset(map(_key, row.any))
    applies = _applies(row.when) if row.when else None

    def says_so(value: JsonValue) -> bool:
        if contains is not None:
            return isinstance(value, str) and contains in value.casefold()
        if not wanted:
            return is_set(value)
        return isinstance(value, str | int | float) and _key(value) in wanted

    def step(value: JsonValue, around: Object, uplink: Uplink) -> None:
        if applies is not None and not applies(around):
            return
        for each in value[:_MAX_ITEMS] if isinstance(value, list) else (value,):
            if says_so(each):
                uplink.happened(kind, leaf, each)
                return

    return step


def _list(row: ListRow) -> Step:
    program = _program(row.fields, row.events, row.lists)
    path, time, local = row.path, row.time, row.clock == "local"
    applies = _applies(row.when) if row.when else None

    def step(value: JsonValue, around: Object, uplink: Uplink) -> None:
        if value is None or (applies is not None and not applies(around)):
            return
        if not isinstance(value, list):
            uplink.refuse(Reason.FIELD_INVALID, f"{path} is not a list")
            return
        if len(value) > _MAX_ITEMS:
            uplink.refuse(Reason.PAYLOAD_TOO_LARGE, f"{len(value)} entries in {path}, at most {_MAX_ITEMS}")
            return
        around_at = uplink.measured_at
        dated = [(item, _time_of(item, time, path, uplink)) for item in value if isinstance(item, dict)]
        ahead = _ahead([at for _, at in dated if at is not None], uplink.uplink_at) if local else timedelta(0)
        for item, at in dated:
            if at is not None or time is None or item.get(time) is None:
                uplink.measured_at = around_at if at is None else at - ahead
                run(program, item, uplink)
        uplink.measured_at = around_at

    return step


def _time_of(item: Object, field: str | None, path: str, uplink: Uplink) -> datetime | None:
    if field is None or (raw := item.get(field)) is None:
        return None
    try:
        return _instant(raw)
    except ValueError as error:
        uplink.refuse(Reason.TIME_INVALID, f"{path}.{field}: {error}"[:200])
        return None


def _instant(raw: JsonValue) -> datetime:
    """A time, read as UTC where it has no offset."""
    if isinstance(raw, str):
        try:
            read = datetime.fromisoformat(raw)
        except ValueError:
            return parse_time(raw)
        if read.tzinfo is None:
            return read.replace(tzinfo=UTC)
    return parse_time(raw)


def _ahead(times: list[datetime], uplink_at: datetime | None) -> timedelta:
    """By how much a meter's clock is ahead of UTC: as many full hours as bring its newest time before the uplink.

    A clock behind UTC cannot be told from an upload that is late: its values count as that much older than they are.
    """
    if uplink_at is None or not times or not _AHEAD < max(times) - uplink_at <= _FURTHEST:
        return timedelta(0)
    return -((uplink_at - max(times)) // _HOUR) * _HOUR


def _hourly(row: HourlyRow) -> Step:
    quantity = quantities.by_name[row.quantity]
    applies = _applies(row.when)
    names = [row.step.replace("{n}", str(n)) for n in range(1, row.count + 1)]

    def step(value: JsonValue, around: Object, uplink: Uplink) -> None:
        if not applies(around):
            return
        steps = [number(around.get(name)) for name in names]
        total = number(value)
        try:
            clock = _instant(around.get(row.time))
            last = (clock - _ahead([clock], uplink.uplink_at)).replace(minute=0, second=0, microsecond=0)
            first = last - _HOUR * len(names)
        except (ValueError, OverflowError) as error:
            uplink.refuse(Reason.TIME_INVALID, f"{row.time}: {error}"[:200])
            return
        if total is None or not all(each is not None and each >= 0 for each in steps):
            uplink.refuse(Reason.FIELD_INVALID, f"{row.base}, or an hour after it, is not a number")
            return
        around_at = uplink.measured_at
        for hour, more in enumerate((0.0, *(each or 0.0 for each in steps))):
            total += more
            uplink.measured_at = first + hour * _HOUR
            uplink.measure(row.base, total, quantity, scale=row.scale)
        uplink.measured_at = around_at

    return step
