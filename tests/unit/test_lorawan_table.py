"""devices.lorawan.table and recognise: a table that leaves something open stops the start; whose object is whose."""

import pytest

from devices.errors import TableInvalid
from devices.lorawan import recognise
from devices.lorawan.table import load, parse

ROW = """
[[model]]
names = ["Acme {name}"]
yields = "pulses"
signatures = [{signature}]
fields = [{{ path = "{path}", quantity = "{quantity}" }}]
"""


def row(name: str = "A1", signature: str = '["a"]', path: str = "a", quantity: str = "pulses") -> str:
    return ROW.format(name=name, signature=signature, path=path, quantity=quantity)


def test_the_table_has_rows_and_every_model_says_what_it_yields() -> None:
    assert len(load().model) > 20
    assert all(name.partition(" ")[2] for each in load().model for name in each.names)


def test_two_models_with_fields_of_their_own_are_a_table() -> None:
    table = parse(row() + row("A2", '["b"], ["c=7", "d"]'))
    assert [each.names for each in table.model] == [("Acme A1",), ("Acme A2",)]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[model]", "TOML|Expected"),
        (row(quantity="warmth"), "no quantity is named 'warmth'"),
        (row() + row(signature='["b"]'), "2 rows are named 'a1'"),
        (row() + row("A2"), "is Acme A1's and Acme A2's"),
        (row(signature='["a", "b"]') + row("A2", '["b"]'), "with a, b is Acme A2's and Acme A1's"),
        (row(signature='["a=1", "b"]') + row("A2", '["a=1"]'), "with a=1, b is Acme A2's and Acme A1's"),
        (row(signature='["a=1", "b"]') + row("A2", '["a"]'), "with a=1, b is Acme A2's and Acme A1's"),
        ('silent = [["a"]]\n' + row(signature='["a", "b"]'), "with a, b is silent's and Acme A1's"),
        (row(path=""), "at least 1 character"),
        (row() + "colour = 'red'", "Extra inputs"),
        (row(signature="[]"), "at least 1 item"),
    ],
)
def test_what_is_wrong_or_left_open_stops_the_start(text: str, complaint: str) -> None:
    with pytest.raises(TableInvalid, match=complaint):
        parse(text)


@pytest.mark.parametrize(
    ("named", "model"),
    [
        ("Milesight WS101", "Milesight WS101"),
        ("ws101-868M (class A)", "Milesight WS101"),
        ("WS101_SOS", "Milesight WS101"),
        ("EM300-DI-HALL", "Milesight EM300-DI"),
        ("Qalcosonic W1 Enhanced", "Axioma Qalcosonic W1"),
        ("flowiq2200-02k73a", "Kamstrup flowIQ 2200"),
        ("lw001-bgpro", "Moko LW001-BG"),
        ("abeeway-compact-tracker", "Abeeway Compact Tracker"),
        ("OXON Oxobutton 2", "Oxon Oxobutton 2"),
        ("Oxobutton", "Oxon Oxobutton Q"),
        ("t0007705-seal", "Tektelic SEAL"),
        ("Test device-profile", None),
        ("xws101", None),
        ("WS101 or R312A", None),
        ("", None),
    ],
)
def test_a_model_is_known_by_the_words_of_its_name(named: str, model: str | None) -> None:
    found = recognise.by_name(named)
    assert (found.names[0] if found else None) == model


def test_an_object_is_known_by_fields_that_only_one_codec_writes() -> None:
    def of(found: dict[str, object]) -> str | None:
        writer = recognise.by_fields(found)  # type: ignore[arg-type]
        return writer.model.names[0] if writer.model else None

    assert of({"battery": 16, "button_event": {}}) == "Milesight WS101"
    assert of({"Device": "R312A", "Volt": 3}) == "Netvox R312A"
    assert of({"Device": "R999", "Volt": 3}) is None
    assert of({"valueCounter": 1, "flowCounter": 2, "vif": 13}) == "B METERS IWM-LR3"
    assert of({"press": "short", "values": []}) is None, "a WS101's and a flowIQ's: nobody's"
    assert of({"battery": 92}) is None
    assert of({f"field{number}": 1 for number in range(300)} | {"press": "short"}) is None
    assert recognise.by_fields({"Cmd": "SetButtonPressTimeRsp", "Status": "Success"}).silent
