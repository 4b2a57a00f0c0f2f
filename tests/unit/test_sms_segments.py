"""How many SMS a text takes, at every edge of 3GPP TS 23.038."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.templates.segments import Alphabet, alphabet_of, length


@pytest.mark.parametrize(
    ("text", "alphabet", "places", "segments"),
    [
        ("", "gsm-7", 0, 1),
        ("a" * 160, "gsm-7", 160, 1),
        ("a" * 161, "gsm-7", 161, 2),
        ("a" * 306, "gsm-7", 306, 2),
        ("a" * 307, "gsm-7", 307, 3),
        ("€" * 80, "gsm-7", 160, 1),
        ("€" * 80 + "a", "gsm-7", 161, 2),
        # An escaped sign is not cut: the first part keeps one place empty.
        ("a" * 152 + "€" + "a" * 152, "gsm-7", 306, 3),
        ("@£$¥èéùìòÇØøÅåΔΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà_", "gsm-7", 42, 1),
        ("^{}\\[~]|€\f", "gsm-7", 20, 1),
        ("`", "ucs-2", 1, 1),
        ("ç", "ucs-2", 1, 1),  # only the capital is in the alphabet
        ("收" * 70, "ucs-2", 70, 1),
        ("收" * 71, "ucs-2", 71, 2),
        ("收" * 134, "ucs-2", 134, 2),
        ("收" * 135, "ucs-2", 135, 3),
        ("😀" * 35, "ucs-2", 70, 1),
        ("😀" * 36, "ucs-2", 72, 2),
        ("收" * 66 + "😀" + "收" * 66, "ucs-2", 134, 3),  # neither is a pair of surrogates
        ("a" * 69 + "…", "ucs-2", 70, 1),
    ],
)
def test_lengths(text: str, alphabet: str, places: int, segments: int) -> None:
    found = length(text)
    assert (found.alphabet, found.places, found.segments) == (alphabet, places, segments)


def test_a_signature_takes_its_places_and_makes_the_text_chinese() -> None:
    assert length("a" * 66, reserved=4).segments == 1
    assert length("a" * 67, reserved=4).segments == 2
    assert length("a" * 67, reserved=4).alphabet is Alphabet.UCS_2


@given(st.text(max_size=400))
def test_it_agrees_with_what_is_sent(text: str) -> None:
    found = length(text)
    if alphabet_of(text) is Alphabet.UCS_2:
        assert found.places == len(text.encode("utf-16-be", "surrogatepass")) // 2
    fit = found.alphabet.single if found.segments == 1 else found.segments * found.alphabet.part
    assert found.places <= fit
    assert length(text + "a").segments >= found.segments
