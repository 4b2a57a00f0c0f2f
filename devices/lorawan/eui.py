"""The DevEUI, which tells LoRaWAN devices apart: labels, consoles and topics each write it in a way of their own."""

import re
from typing import Final

from devices.naming import number_on_label

_EUI: Final = re.compile("(?:0x|(?:dev)?eui[=_]?)?([0-9a-f]{16})")


def eui_of(text: str) -> str | None:
    """A DevEUI as 16 hex digits in lower case; None if the text is none.

    `24E124535B316056`, `24-E1-24-53-5B-31-60-56`, `24:e1:…` and `DevEUI: 24E1…` are all alike.
    """
    found = _EUI.fullmatch(number_on_label(text))
    return None if found is None else found[1]
