"""Which of several steps for one field are taken: those whose conditions hold in the object around it."""

from collections.abc import Callable, Mapping

from devices.lorawan.interpret import Object, Step, Uplink
from devices.lorawan.table import Written
from devices.model import JsonValue

When = Mapping[str, Written]
"""What other fields of the same object must be."""


def one_of(steps: list[tuple[When, Step]]) -> Step:
    """One step of those for one field: the unconditional ones, then those whose conditions hold."""
    plain = [step for when, step in steps if not when]
    conditional = [(when, step) for when, step in steps if when]
    if conditional:
        plain.append(_choice(conditional))
    if len(plain) == 1:
        return plain[0]

    def all_of(value: JsonValue, around: Object, uplink: Uplink) -> None:
        for step in plain:
            step(value, around, uplink)

    return all_of


def _choice(steps: list[tuple[When, Step]]) -> Step:
    """The steps whose conditions hold, found by the value of a field that all conditions name, if there is one."""
    field = next((name for name in steps[0][0] if all(name in when for when, _ in steps)), None)
    if field is None:
        checked = tuple((_applies(when), step) for when, step in steps)

        def those_that_apply(value: JsonValue, around: Object, uplink: Uplink) -> None:
            for applies, step in checked:
                if applies(around):
                    step(value, around, uplink)

        return those_that_apply
    by_value: dict[str | int | float, list[tuple[Callable[[Object], bool] | None, Step]]] = {}
    for when, step in steps:
        others = {name: wanted for name, wanted in when.items() if name != field}
        by_value.setdefault(key_of(when[field]), []).append((_applies(others) if others else None, step))

    def those_of_this_value(value: JsonValue, around: Object, uplink: Uplink) -> None:
        there = around.get(field)
        if not isinstance(there, str | int | float):
            return
        for applies, step in by_value.get(key_of(there), ()):
            if applies is None or applies(around):
                step(value, around, uplink)

    return those_of_this_value


def _applies(when: When) -> Callable[[Object], bool]:
    wanted = tuple((name, key_of(value)) for name, value in when.items())

    def applies(around: Object) -> bool:
        for name, value in wanted:
            there = around.get(name)
            if not isinstance(there, str | int | float) or key_of(there) != value:
                return False
        return True

    return applies


def key_of(value: str | int | float) -> str | int | float:
    """A value as it is compared: texts without regard to case."""
    return value.casefold() if isinstance(value, str) else value
