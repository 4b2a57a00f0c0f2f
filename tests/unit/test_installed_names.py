"""What an installer types off a label, and the name that the device's messages carry."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.errors import NameInvalid
from devices.registry import discover

DRIVERS = discover()
EUI = "24e124535b316056"


@pytest.mark.parametrize(
    ("driver", "typed", "name"),
    [
        ("chirpstack", EUI, EUI),
        ("chirpstack", EUI.upper(), EUI),
        ("chirpstack", "24-E1-24-53-5B-31-60-56", EUI),
        ("chirpstack", "24:e1:24:53:5b:31:60:56", EUI),
        ("chirpstack", "DevEUI: 24E1 2453 5B31 6056", EUI),
        ("chirpstack", "eui-" + EUI, EUI),
        ("chirpstack", "２４E124535B316056", EUI),
        ("things_stack", "eui-" + EUI, "eui-" + EUI),
        ("things_stack", "24-E1-24-53-5B-31-60-56", "eui-" + EUI),
        ("things_stack", EUI.upper(), "eui-" + EUI),
        ("things_stack", EUI, EUI),  # an id of its own, as it stands
        ("things_stack", "Kitchen-1", "kitchen-1"),
        ("kati", "86-506712-345678-9", "865067123456789"),
        ("cjt188", "0000 1234 5678 90", "00001234567890"),
        ("native", "M-1", "M-1"),
        ("zigbee2mqtt", "Hall/SOS 1", "Hall/SOS 1"),
        ("nobody's", "X", "X"),
    ],
)
def test_a_name_off_a_label(driver: str, typed: str, name: str) -> None:
    assert DRIVERS.installed_name(driver, typed) == name
    assert DRIVERS.installed_name(driver, name) == name


@pytest.mark.parametrize(
    ("driver", "typed"),
    [
        ("chirpstack", EUI[:-1]),
        ("chirpstack", "hall"),
        ("things_stack", "sos_1"),
        ("things_stack", "x" * 37),
        ("kati", "watch"),
        ("cjt188", "12345678"),
    ],
)
def test_what_can_be_no_name_of_a_family(driver: str, typed: str) -> None:
    with pytest.raises(NameInvalid, match=f"'{typed}' is no "):
        DRIVERS.installed_name(driver, typed)
    assert driver not in DRIVERS.spellings(typed)


@given(st.text(max_size=40))
def test_any_text_has_a_name_or_none_and_the_name_stays(typed: str) -> None:
    for driver, name in DRIVERS.spellings(typed).items():
        assert DRIVERS.installed_name(driver, name) == name
        assert name.isascii()


def test_topics_carry_the_names_that_are_installed() -> None:
    """A driver's own name for a device is one that it installs as it stands."""
    for topic, payload in (
        (f"application/1/device/{EUI}/event/up", b'{"object": {"press": "short"}}'),
        ("v3/app/devices/eui-70b3d57ed0001234/up", b'{"uplink_message": {"decoded_payload": {"press": "short"}}}'),
        ("iMEDE_watch/sos", b'{"IMEI": "865067123456789"}'),
    ):
        driver = DRIVERS.by_prefix[topic.partition("/")[0]].NAME
        name = DRIVERS.decode(topic, payload).device
        assert DRIVERS.installed_name(driver, name) == name
