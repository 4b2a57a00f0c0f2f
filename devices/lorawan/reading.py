"""From a codec's object to what it says: the way in for the network servers' drivers."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from devices.errors import Rejected
from devices.lorawan.compiling import compile_row, no_row
from devices.lorawan.interpret import Program, Uplink, run
from devices.lorawan.recognise import by_fields, by_name
from devices.lorawan.table import ModelRow, load
from devices.model import JsonValue, Model, Reason
from devices.quantities import by_field

MODELS: Final = tuple(Model(name, row.presses, row.yields) for row in load().model for name in row.names)
"""Every model of the table, for the drivers' own `MODELS`."""

_PROGRAMS: Final[Mapping[int, Program]] = MappingProxyType({id(row): compile_row(row) for row in load().model})
_NO_PROGRAM: Final[Program] = no_row()
_SHOWN_FIELDS: Final = 8


def read(found: dict[str, JsonValue], names: Iterable[str], uplink: Uplink) -> None:
    """Reads a codec's object.

    Understood are the models of the table and, in the object of any model, a press or a fall in a field whose name
    leaves no doubt. An object that no model of the table writes may have the native messages' fields
    (`water_total_l`, `battery_pct`, …): so a site can write a codec of its own.

    Args:
        found: the object.
        names: what the network server calls the model, best first.
        uplink: filled.

    Raises:
        Rejected: no model of the table writes such an object, and nothing in it is ours.
    """
    named: ModelRow | None = None
    for name in names:
        if (named := by_name(name)) is not None:
            run(_PROGRAMS[id(named)], found, uplink)
            if uplink.readings or uplink.events or uplink.refusals:
                return
            break
    signed, silent = by_fields(found)
    if signed is not None and signed is not named:
        run(_PROGRAMS[id(signed)], found, uplink)
        return
    if named is not None or signed is not None or silent or not found:
        return
    run(_NO_PROGRAM, found, uplink)
    for field, value in found.items():
        if field in by_field and value is not None:
            uplink.measure(field, value, by_field[field])
    if not (uplink.readings or uplink.events or uplink.refusals):
        raise Rejected(Reason.MODEL_UNKNOWN, _unknown(found))


def _unknown(found: Mapping[str, JsonValue]) -> str:
    fields = ", ".join(
        "".join(char for char in name[:24] if char.isprintable()) for name in list(found)[:_SHOWN_FIELDS]
    )
    return f"no known model has the fields {fields}; name the device profile after the model"
