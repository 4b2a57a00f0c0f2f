"""How many SMS a text takes: 3GPP TS 23.038 (alphabets) and TS 23.040 (parts of a long message). Pure.

A text of the GSM 7 bit alphabet has 160 places, any other text 70 of UTF-16; each part of a longer one gives a few of
them to its header. A sign of the extension table takes two places, one outside the basic plane two units of UTF-16, and
neither is ever cut in two.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION: Final = frozenset("\f^{}\\[~]|€")


class Alphabet(StrEnum):
    """How a text travels."""

    GSM_7 = "gsm-7"
    UCS_2 = "ucs-2"

    @property
    def single(self) -> int:
        """How many places one message has."""
        return 160 if self is Alphabet.GSM_7 else 70

    @property
    def part(self) -> int:
        """How many places each part of a longer message has."""
        return 153 if self is Alphabet.GSM_7 else 67


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """What a text takes: places of its alphabet, and messages."""

    alphabet: Alphabet
    places: int
    segments: int


def alphabet_of(text: str) -> Alphabet:
    """GSM 7 bit where every sign is in it."""
    return Alphabet.GSM_7 if all(sign in _BASIC or sign in _EXTENSION for sign in text) else Alphabet.UCS_2


def length(text: str, *, reserved: int = 0) -> Length:
    """What a text takes. `reserved` places are for what the provider puts in front, such as 【…】; the signs of such a
    signature are Chinese, so it makes the text UCS-2.
    """
    alphabet = Alphabet.UCS_2 if reserved else alphabet_of(text)
    sizes = [_size(sign, alphabet) for sign in text]
    places = reserved + sum(sizes)
    if places <= alphabet.single:
        return Length(alphabet=alphabet, places=places, segments=1)
    segments, used = divmod(reserved, alphabet.part)
    segments += 1
    for size in sizes:
        if used + size > alphabet.part:
            segments, used = segments + 1, 0
        used += size
    return Length(alphabet=alphabet, places=places, segments=segments)


def _size(sign: str, alphabet: Alphabet) -> int:
    if alphabet is Alphabet.GSM_7:
        return 2 if sign in _EXTENSION else 1
    return 2 if ord(sign) > 0xFFFF else 1
