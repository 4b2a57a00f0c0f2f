"""Turns a row of the table into a program.

A program looks at the fields an object has, not at all those the row knows: every message of a city passes here.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from devices import quantities
from devices.fields import FieldChoice, number, reading_of
from devices.lorawan.calls import call_in, is_set, may_call
from devices.lorawan.clocks import NO_TIME, ahead_of_utc, dated, hourly_step
from devices.lorawan.conditions import When, key_of, one_of
from devices.lorawan.interpret import LARGE, Object, Program, Step, Uplink, run
from devices.lorawan.table import EventRow, FieldRow, ListRow, ModelRow
from devices.model import JsonValue, Reason

_MAX_ITEMS: Final = 1000


class _Placed(NamedTuple):
    path: tuple[str, ...]
    when: When
    step: Step


def compile_row(row: ModelRow) -> Program:
    """The program of one model."""
    placed = _rows(row.fields, row.events, row.lists)
    if row.hourly is not None:
        placed.append(_Placed((row.hourly.base,), row.hourly.when, hourly_step(row.hourly)))
    return _tree(placed)


def no_row() -> Program:
    """The program of a model that is in no table: calls, and nothing else."""
    return _tree([])


def _rows(fields: Iterable[FieldRow], events: Iterable[EventRow], lists: Iterable[ListRow]) -> list[_Placed]:
    placed = [_Placed(tuple(row.path.split(".")), row.when, _reading(row)) for row in fields]
    placed += [_Placed(tuple(row.path.split(".")), row.when, _event(row)) for row in events]
    placed += [_Placed(tuple(row.path.split(".")), row.when, _list(row)) for row in lists]
    return placed


def _tree(placed: Iterable[_Placed]) -> Program:
    here: dict[str, list[tuple[When, Step]]] = {}
    below: dict[str, list[_Placed]] = {}
    for path, when, step in placed:
        if len(path) > 1:
            below.setdefault(path[0], []).append(_Placed(path[1:], when, step))
        else:
            here.setdefault(path[0], []).append((when, step))
    for first, inner in below.items():
        here.setdefault(first, []).append(({}, _inside(first, _tree(inner))))
    known = {name: one_of(steps) for name, steps in here.items()}
    return FieldChoice(lambda name: known.get(name) or (_call(name) if may_call(name) else None))


def _call(name: str) -> Step:
    def step(value: JsonValue, _around: Object, uplink: Uplink) -> None:
        if (kind := call_in(name, value)) is not None:
            uplink.happened(kind, name, value)

    return step


def _inside(name: str, program: Program) -> Step:
    def step(value: JsonValue, _around: Object, uplink: Uplink) -> None:
        if isinstance(value, dict):
            run(program, value, uplink)
        elif (kind := call_in(name, value)) is not None:
            uplink.happened(kind, name, value)

    return step


def _reading(row: FieldRow) -> Step:
    quantity, scale, path = quantities.by_name[row.quantity], row.scale, row.path
    at_most, loose = row.at_most, row.loose
    words = None if row.words is None else _worth(row.words)
    code, _, _, _, minimum, maximum = quantity

    def plain(value: JsonValue, _around: Object, uplink: Uplink) -> None:
        if (type(value) is float or type(value) is int) and -LARGE < value < LARGE:
            worth = float(value) if scale == 1.0 else round(value * scale, 6)
            if minimum <= worth <= maximum:
                uplink.readings.append(reading_of((code, uplink.measured_at, worth)))  # nearly all come to this
                return
        if value is not None:
            uplink.measure(path, value, quantity, scale=scale)

    def step(value: JsonValue, _around: Object, uplink: Uplink) -> None:
        if value is None:
            return
        if words is not None:
            worth = words.get(key_of(value)) if isinstance(value, str | int | float) else None
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

    return plain if words is None and at_most is None and not loose else step


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
    wanted = frozenset(map(key_of, row.any))

    def says_so(value: JsonValue) -> bool:
        if contains is not None:
            return isinstance(value, str) and contains in value.casefold()
        if not wanted:
            return is_set(value)
        return isinstance(value, str | int | float) and key_of(value) in wanted

    def step(value: JsonValue, _around: Object, uplink: Uplink) -> None:
        for each in value[:_MAX_ITEMS] if isinstance(value, list) else (value,):
            if says_so(each):
                uplink.happened(kind, leaf, each)
                return

    return step


def _list(row: ListRow) -> Step:
    program = _tree(_rows(row.fields, row.events, row.lists))
    path, time, local = row.path, row.time, row.clock == "local"

    def step(value: JsonValue, _around: Object, uplink: Uplink) -> None:
        if value is None:
            return
        if not isinstance(value, list):
            uplink.refuse(Reason.FIELD_INVALID, f"{path} is not a list")
            return
        if len(value) > _MAX_ITEMS:
            uplink.refuse(Reason.PAYLOAD_TOO_LARGE, f"{len(value)} entries in {path}, at most {_MAX_ITEMS}")
            return
        around_at = uplink.measured_at
        items = dated([item for item in value if isinstance(item, dict)], time, path, uplink)
        ahead = ahead_of_utc([at for _, at in items if at is not None], uplink.uplink_at) if local else NO_TIME
        for item, at in items:
            if at is not None or time is None or item.get(time) is None:
                uplink.measured_at = around_at if at is None else at - ahead if ahead else at
                run(program, item, uplink)
        uplink.measured_at = around_at

    return step
