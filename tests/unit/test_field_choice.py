"""devices.fields.FieldChoice and devices.lorawan.conditions: which fields count, and when."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import fields
from devices.fields import FieldChoice
from devices.lorawan.conditions import one_of
from devices.lorawan.interpret import Object, Step, Uplink
from devices.lorawan.table import Written
from devices.model import JsonValue

OURS = {"b": 2, "d": 4}


@given(st.lists(st.dictionaries(st.sampled_from("abcdef"), st.none()), max_size=30))
def test_the_same_fields_are_chosen_whatever_came_before(messages: list[dict[str, None]]) -> None:
    choice = FieldChoice(OURS.get)
    for message in messages:
        assert choice.of(message) == tuple((name, OURS[name]) for name in message if name in OURS)


def test_strangers_messages_fill_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def choose(name: str) -> int | None:
        asked.append(name)
        return OURS.get(name)

    monkeypatch.setattr(fields, "_MAX_SHAPES", 2)
    choice = FieldChoice(choose)
    long = {"x" * 5000: None, "b": None}
    for _ in range(2):
        assert choice.of(long) == (("b", 2),)
    assert len(asked) == 4, "too long to be kept"
    asked.clear()
    for message in ({"a": 1}, {"b": 1}, {"c": 1}, {"b": 1}, {"b": 1}):
        choice.of(message)
    assert asked == ["a", "b", "c", "b"], "the third set of names drops the two before it"


def taken(steps: list[tuple[Mapping[str, Written], str]], around: Object) -> list[str]:
    names: list[str] = []

    def step(name: str) -> Step:
        return lambda _value, _around, _uplink: names.append(name)

    value: JsonValue = 1
    one_of([(when, step(name)) for when, name in steps])(value, around, Uplink(None))
    return names


@pytest.mark.parametrize(
    ("around", "expected"),
    [
        ({"type": "Volume", "unit": "M3"}, ["always", "volume", "m3"]),
        ({"type": "volume"}, ["always", "volume"]),
        ({"type": "leak"}, ["always", "leak"]),
        ({"type": ["leak"]}, ["always"]),
        ({}, ["always"]),
    ],
)
def test_steps_are_taken_by_the_value_of_the_field_that_all_conditions_name(
    around: Object, expected: list[str]
) -> None:
    steps: list[tuple[Mapping[str, Written], str]] = [
        ({"type": "Volume"}, "volume"),
        ({"type": "Leak"}, "leak"),
        ({"unit": "m3", "type": "Volume"}, "m3"),
        ({}, "always"),
    ]
    assert taken(steps, around) == expected


def test_conditions_on_different_fields_are_looked_at_one_by_one() -> None:
    steps: list[tuple[Mapping[str, Written], str]] = [({"a": 0}, "a"), ({"b": True}, "b")]
    assert taken(steps, {"a": 0.0, "b": 1}) == ["a", "b"]
    assert taken(steps, {"a": "0", "b": True}) == ["b"]
