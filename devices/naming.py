"""What names say: that a device is there to call for help, which model it is, and which number a label has.

A plain wireless button is sold for lamps; only its owner can say that it is a call button, and says so in its name.
"""

import unicodedata
from functools import lru_cache
from typing import Final

_WORDS: Final = frozenset({"sos", "panic", "emergency"})
# Chinese is written without spaces: call for help, emergency, distress call.
_PARTS: Final = ("求助", "紧急", "呼救")


@lru_cache(maxsize=1 << 10)
def names_call_button(name: str) -> bool:
    """Whether a device or model name has the word sos, panic or emergency in it, a number after it or not.

    `sos-12`, `hall/SOS` and `TS0601_sos` do; `sosnowa-5`, a street, does not.
    """
    words = "".join(char if char.isalnum() else " " for char in name.casefold()).split()
    return any(word.rstrip("0123456789") in _WORDS for word in words) or any(part in name for part in _PARTS)


def number_on_label(text: str) -> str:
    """A number as typed off a label, without what groups its digits, and in lower case: `24-E1:24 53` is `24e12453`.

    Digits of a Chinese keyboard (`１２`) are those of any other.
    """
    return "".join(char for char in unicodedata.normalize("NFKC", text).casefold() if char not in " -:./")


def same_model(known: str, named: str) -> bool:
    """Whether an installation means a known model: spelt alike but for case and signs, with its maker or without.

    `WS101`, `ws-101` and `milesight WS101` all mean the Milesight WS101.
    """
    given = _letters(named)
    return given != "" and given in (_letters(known), _letters(known.partition(" ")[2]))


def _letters(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())
