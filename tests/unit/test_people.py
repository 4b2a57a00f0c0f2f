"""Numbers, calling orders and files of people: what is taken, what is refused, what others may see."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.addresses import AddressInvalid, masked, normalised
from registry.contacts import Placed, Wanted, ordered
from registry.enrolling import PersonInvalid, Said, check
from registry.errors import ImportRefused
from registry.people import Relation
from registry.people_import import COLUMNS, read_rows

FAMILY = Relation.FAMILY


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("channel", "text", "region", "stored"),
    [
        ("sms", "+86 138 0013 8000", None, "+8613800138000"),
        ("sms", "138-0013-8000", "CN", "+8613800138000"),
        ("voice", "010-12345678", "CN", "+861012345678"),
        ("sms", "０086 １３８００１３８０００", "CN", "+8613800138000"),
        ("sms", "07400 123456", "GB", "+447400123456"),
        ("chat", " duty-room ", None, "duty-room"),
    ],
)
def test_an_address_is_stored_in_one_form(channel: str, text: str, region: str | None, stored: str) -> None:
    assert normalised(channel, text, region=region) == stored


@pytest.mark.parametrize(
    ("channel", "text", "region", "why"),
    [
        ("sms", "13800138000", None, "no country code"),
        ("sms", "138", "CN", "too short"),
        ("sms", "+861380013800012345", None, "too long"),
        ("sms", "010-12345678", "CN", "landline"),
        ("voice", "+861012345678 ext. 5", None, "extension"),
        ("voice", "none", "CN", "no telephone number"),
        ("chat", "the duty room", None, "without spaces"),
        ("webhook", "", None, "no name"),
    ],
)
def test_what_cannot_be_reached_is_refused_without_repeating_it(
    channel: str, text: str, region: str | None, why: str
) -> None:
    with pytest.raises(AddressInvalid, match=why) as refused:
        normalised(channel, text, region=region)
    assert not text or text not in str(refused.value)


@given(st.text(max_size=40))
def test_any_text_is_a_number_or_refused(text: str) -> None:
    try:
        stored = normalised("voice", text, region="CN")
    except AddressInvalid:
        return
    assert stored.startswith("+")
    assert normalised("voice", stored) == stored


@given(st.text(alphabet="0123456789", min_size=0, max_size=15).map("+".__add__))
def test_a_masked_number_gives_little_away(number: str) -> None:
    shown = masked("sms", number)
    assert len(shown) == len(number)
    assert sum(a == "*" for a in shown) >= len(number) - 6
    assert masked("chat", "duty-room") == "duty-room"


# ---------------------------------------------------------------- calling order


def placed(*people: int) -> tuple[Placed, ...]:
    return tuple(Placed(each, FAMILY, n) for n, each in enumerate(people, start=1))


def order(before: tuple[Placed, ...], **wanted: int | None) -> list[int]:
    asked = {int(key[1:]): Wanted(FAMILY, position) for key, position in wanted.items()}
    return [each.person_id for each in ordered(before, asked)]


def test_others_make_room() -> None:
    assert order(placed(1, 2, 3), p4=1) == [4, 1, 2, 3]
    assert order(placed(1, 2, 3), p4=None) == [1, 2, 3, 4]
    assert order(placed(1, 2, 3), p4=9) == [1, 2, 3, 4]
    assert order(placed(1, 2, 3), p1=3) == [2, 3, 1]
    assert order(placed(1, 2, 3), p3=2, p1=1) == [1, 3, 2]
    assert order((), p5=2, p4=1) == [4, 5]


@given(
    st.lists(st.integers(1, 9), unique=True),
    st.dictionaries(st.integers(1, 9), st.one_of(st.none(), st.integers(1, 12))),
)
def test_placing_twice_changes_nothing(people: list[int], asked: dict[int, int | None]) -> None:
    taken = [position for position in asked.values() if position is not None]
    wanted = {key: Wanted(FAMILY, position) for key, position in asked.items()}
    once = ordered(placed(*people), wanted)
    assert [each.position for each in once] == list(range(1, len(once) + 1))
    assert {each.person_id for each in once} == {*people, *asked}
    if len(set(taken)) == len(taken):
        assert ordered(once, wanted) == once


# ---------------------------------------------------------------- files


FILE = """key,name,language,phone,home,relation,position
duty-1,P. One,zh,138 0013 8000,,,
kin-1,P. Two,en,+44 7400 123456; 13900139000,City/Lane/1-101,family,1
kin-1,P. Two,en,+44 7400 123456; 13900139000,City/Lane/1-102,neighbour,
"""


def test_a_file_becomes_rows() -> None:
    one, two, three = read_rows(FILE.encode(), region="CN")
    assert (one.key, one.home, one.wanted) == ("duty-1", None, None)
    assert one.said.addresses == {"sms": ("+8613800138000",), "voice": ("+8613800138000",)}
    assert two.said == three.said
    assert two.said.addresses["sms"] == ("+447400123456", "+8613900139000")
    assert (two.wanted, three.wanted) == (Wanted(FAMILY, 1), Wanted(Relation.NEIGHBOUR, None))


def faults(text: str, **known: Any) -> list[str]:
    with pytest.raises(ImportRefused) as refused:
        read_rows(text.encode(), **known)
    return [str(fault) for fault in refused.value.faults]


def test_every_fault_is_named_and_no_number_is_repeated() -> None:
    found = faults(
        "key,name,language,phone,sms,home,relation,position\n"
        "Duty 1,,fr,13800138000,,,family,\n"
        "a,A,,,12,City/1,friend,x\n"
        "b,B,,+8613800138000,+8613800138000,,,\n"
    )
    assert [fault.partition(": ")[0] for fault in found] == [
        "line 2, key",
        "line 2, name",
        "line 2, language",
        "line 2, phone",
        "line 2, relation",
        "line 3, sms",
        "line 3, relation",
        "line 4, sms",
    ]
    assert not any("13800138000" in fault for fault in found)


def test_rows_that_cannot_both_be_true_are_named() -> None:
    head = "key,name,phone,home,relation,position\n"
    assert faults(head + "a,A,,,,\na,B,,,,\n") == ["line 3, key: 'a' is described otherwise in line 2"]
    same = "+8613800138000"
    assert faults(head + f"a,A,{same},,,\nb,B,{same},,,\n") == [
        "line 3, phone: is the number of 'a' in line 2: answers from it are one person's"
    ]
    assert faults(head + "a,A,,C/1,,1\nb,B,,C/1,,1\n") == ["line 3, position: 1 is that of 'a' in line 2"]
    assert faults(head + "a,A,,C/1,,1\na,A,,C/1,,2\n") == ["line 3, home: is the same home and person as in line 2"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"key,name\n", "has a header but no rows"),
        (b"key;name\na;A\n", "separated by commas"),
        (b"key,nmae\na,A\n", "did you mean 'name'?"),
        (b"key\na\n", "the column 'name' is missing"),
        (b"key,name,key\na,A,b\n", "stands there twice"),
        (b"key,name\na\n", "has 1 cells, the header has 2"),
        ("key,name\na,李\n".encode("gb18030"), "it may be GBK"),
        ("key,name\na,A\n".encode("utf-16"), "UTF-16"),
        (b'key,name\na,"A', "is not CSV"),
    ],
)
def test_a_file_that_is_none_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(ImportRefused) as refused:
        read_rows(content)
    assert any(said in str(fault) for fault in refused.value.faults), refused.value.faults


@given(st.binary(max_size=200), st.lists(st.sampled_from(COLUMNS), unique=True))
def test_any_bytes_are_read_or_refused(content: bytes, columns: list[str]) -> None:
    try:
        read_rows(",".join(columns).encode() + b"\n" + content, region="CN")
    except ImportRefused as refused:
        assert refused.faults


def test_what_describes_nobody_is_refused() -> None:
    for key, said in (("A", Said(name="x")), ("a", Said(name=" ")), ("a", Said(language="fr"))):
        with pytest.raises(PersonInvalid):
            check(key, said)
    with pytest.raises(PersonInvalid, match="no channel"):
        check("a", Said(addresses={"fax": ("1",)}))
