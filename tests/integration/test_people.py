"""People and contacts in a real database: what commands and files write, refuse and show."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from psycopg import AsyncConnection

from registry import contacts, enrolling, people, people_import
from registry.applying import apply as import_homes
from registry.enrolling import Said
from registry.errors import ImportRefused, InstallationRefused
from registry.importing import read_rows as read_homes
from registry.people import Person, PersonRefused, Relation
from registry.people_import import PeopleImported
from storage.pool import connect
from tests.integration.cli import anju

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
LI, WANG, SUN = "+8613800138000", "+8613800138001", "+8613800138002"
FILE = """key,name,language,phone,home,relation,position
duty-1,P. One,,+86 138 0013 8000,,,
kin-1,P. Two,en,+86 138 0013 8001,City/Lane/1,family,1
kin-1,P. Two,en,+86 138 0013 8001,City/Lane/2,neighbour,
kin-2,P. Three,,+86 138 0013 8002,City/Lane/1,key_holder,2
"""


@pytest.fixture
async def homes(database: AsyncConnection[Any]) -> AsyncConnection[Any]:
    await import_homes(database, read_homes(b"area,home\nCity/Lane,1\nCity/Lane,2\n", drivers=["native"]), now=NOW)
    return database


async def add(conn: AsyncConnection[Any], key: str, *numbers: str, **known: Any) -> Person:
    said = Said(name=f"P. {key}", addresses={"sms": numbers, "voice": numbers[:1]}, **known)
    return await enrolling.add(conn, key, said, language="zh")


async def file(conn: AsyncConnection[Any], text: str) -> PeopleImported:
    return await people_import.apply(conn, people_import.read_rows(text.encode()), language="zh")


async def called(conn: AsyncConnection[Any], home: int = 1) -> list[tuple[str, str, int]]:
    found = (await people.read_contacts(conn, [home])).get(home, ())
    return [(each.person.key, each.relation.value, each.position) for each in found]


async def test_what_is_said_of_somebody_is_read_back_in_order(database: AsyncConnection[Any]) -> None:
    made = await add(database, "li", WANG, LI)
    assert (made.key, made.language, made.active) == ("li", "zh", True)
    assert (made.on("sms"), made.on("voice"), made.on("chat")) == ((WANG, LI), (WANG,), ())
    assert await people.read_people(database, ["li", "nobody"]) == {"li": made}
    after, changed = await enrolling.amend(database, "li", Said(language="en", addresses={"sms": (LI, SUN)}))
    assert changed
    assert (after.language, after.on("sms"), after.on("voice"), after.name) == ("en", (LI, SUN), (WANG,), "P. li")
    assert await enrolling.amend(database, "li", Said(language="en")) == (after, False)
    for key in ("sun", "li"):
        with pytest.raises(PersonRefused, match=r"there is (no|a) person"):
            await (enrolling.amend(database, key, Said(name="x")) if key == "sun" else add(database, key))


async def test_a_number_is_one_persons_and_free_again_when_they_retire(database: AsyncConnection[Any]) -> None:
    li = await add(database, "li", LI)
    with pytest.raises(PersonRefused, match="that of 'li' already"):
        await add(database, "wang", LI)
    assert [each.key for each in await people.listed(database)] == ["li"], "nothing was written"
    assert await people.person_by_address(database, "sms", LI) == li
    assert await people.person_by_address(database, "voice", LI) == li
    retired, _ = await enrolling.amend(database, "li", Said(active=False))
    assert not retired.active
    assert await people.person_by_address(database, "sms", LI) is None
    assert await people.read_people(database, ["li"]) == {}
    assert (await people.read_people(database, ["li"], retired=True))["li"] == retired
    await add(database, "wang", LI)
    with pytest.raises(PersonRefused, match="that of 'wang' already"):
        await enrolling.amend(database, "li", Said(active=True))
    back, _ = await enrolling.amend(database, "li", Said(active=True, addresses={"sms": (), "voice": ()}))
    assert (back.active, back.addresses) == (True, ())


async def test_a_chat_may_be_shared_and_is_then_nobodys(database: AsyncConnection[Any]) -> None:
    await enrolling.add(database, "li", Said(name="L", addresses={"chat": ("room",)}), language="zh")
    assert (await people.person_by_address(database, "chat", "room")) is not None
    await enrolling.add(database, "wang", Said(name="W", addresses={"chat": ("room",)}), language="zh")
    assert await people.person_by_address(database, "chat", "room") is None


async def test_two_who_give_one_number_to_two_people_do_not_both_succeed(
    database: AsyncConnection[Any], database_url: str
) -> None:
    async def work(key: str) -> Person:
        async with await connect(database_url, application_name="other", autocommit=True) as conn:
            return await add(conn, key, LI)

    outcomes = await asyncio.gather(*(work(f"p{n}") for n in range(4)), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Person", *["PersonRefused"] * 3]


async def test_contacts_stand_in_calling_order(homes: AsyncConnection[Any]) -> None:
    for key in ("a", "b", "c"):
        await add(homes, key)
        await contacts.put(homes, "City/Lane/1", key, Relation.FAMILY, position=None)
    assert [key for key, *_ in await called(homes)] == ["a", "b", "c"]
    home, place = await contacts.put(homes, "City/Lane/1", "c", Relation.KEY_HOLDER, position=1)
    assert (home.name, place) == ("1", 1)
    assert await called(homes) == [("c", "key_holder", 1), ("a", "family", 2), ("b", "family", 3)]
    await contacts.remove(homes, "City/Lane/1", "a")
    assert await called(homes) == [("c", "key_holder", 1), ("b", "family", 2)]
    await enrolling.amend(homes, "c", Said(active=False))
    assert await called(homes) == [("b", "family", 2)], "the retired are not called"
    assert await people.read_contacts(homes, [2]) == {}
    with pytest.raises(PersonRefused, match="retired"):
        await contacts.put(homes, "City/Lane/2", "c", Relation.OTHER, position=None)
    with pytest.raises(PersonRefused, match="no contact"):
        await contacts.remove(homes, "City/Lane/1", "a")
    with pytest.raises(InstallationRefused):
        await contacts.put(homes, "City/Lane/9", "a", Relation.OTHER, position=None)


async def test_a_file_is_written_whole_and_twice_changes_nothing(homes: AsyncConnection[Any]) -> None:
    assert await file(homes, FILE) == PeopleImported(added=3, changed=0, unchanged=0, homes_changed=2)
    assert await called(homes) == [("kin-1", "family", 1), ("kin-2", "key_holder", 2)]
    assert await called(homes, 2) == [("kin-1", "neighbour", 1)]
    found = await people.read_people(homes, ["duty-1", "kin-1"])
    assert [(each.language, each.on("sms"), each.on("voice")) for each in found.values()] == [
        ("zh", (LI,), (LI,)),
        ("en", (WANG,), (WANG,)),
    ]
    assert await file(homes, FILE) == PeopleImported(added=0, changed=0, unchanged=3, homes_changed=0)
    # What a file does not mention stays.
    said = "key,name,home,position\nkin-2,P. Three,City/Lane/1,1\nduty-1,P. First,,\n"
    assert await file(homes, said) == PeopleImported(added=0, changed=1, unchanged=1, homes_changed=1)
    assert await called(homes) == [("kin-2", "other", 1), ("kin-1", "family", 2)]
    assert (await people.person(homes, "duty-1")).on("sms") == (LI,)


async def test_a_file_with_one_fault_writes_nothing(homes: AsyncConnection[Any]) -> None:
    await add(homes, "li", SUN)
    await add(homes, "gone")
    await enrolling.amend(homes, "gone", Said(active=False))
    for content, said in (
        (FILE, ["line 5, phone: +86********002 is the number of 'li' already: answers from it are theirs"]),
        (FILE.replace("Lane/1", "Lane/7"), ["line 3, home: ", "line 5, home: "]),
        ("key,name\nnew,N\ngone,G\n", ["line 3, key: 'gone' is retired; `anju person set gone --active`"]),
    ):
        with pytest.raises(ImportRefused) as refused:
            await file(homes, content)
        assert len(refused.value.faults) == len(said)
        assert all(str(fault).startswith(text) for fault, text in zip(refused.value.faults, said, strict=True))
        assert [each.key for each in await people.listed(homes)] == ["li"]


def test_the_command_line(homes: AsyncConnection[Any], database_url: str, tmp_path: Path) -> None:
    def run(*words: str) -> Any:
        return anju("person", *words, ANJU_DATABASE_URL=database_url)

    made = run("add", "duty-1", "--name", "P. One", "--phone", "138 0013 8000", "--region", "CN", "--chat", "room")
    assert (made.code, made.out) == (0, "duty-1: chat room, sms +86********000, voice +86********000\n")
    assert run("add", "duty-1", "--name", "P. One").code == 5
    assert "no country code" in run("add", "x", "--name", "X", "--sms", "13800138001").err
    assert run("add", "X", "--name", "X").code == 2
    assert run("set", "duty-1").code == 2
    assert run("set", "nobody", "--name", "x").code == 5
    listed = run("list")
    assert "P. One" in listed.out
    assert LI not in listed.out
    assert LI in run("list", "--numbers").out
    assert run("contact", "City/Lane/1", "duty-1", "--relation", "neighbour").out == (
        "duty-1 is called about 1, City/Lane: neighbour, number 1\n"
    )
    shown = run("show", "duty-1", "--json").json()
    assert shown["homes"] == [{"area": "City/Lane", "home": "1", "relation": "neighbour", "position": 1}]
    assert [each["key"] for each in run("contacts", "City/Lane/1", "--json").json()] == ["duty-1"]
    assert run("set", "duty-1", "--without", "chat", "--language", "en").code == 0
    assert run("contact", "City/Lane/1", "duty-1", "--remove").code == 0
    csv = tmp_path / "people.csv"
    csv.write_text(FILE.replace("P. One", ""), encoding="utf-8")
    refused = run("import", str(csv))
    assert (refused.code, refused.err.splitlines()[0]) == (3, "line 2, name: is empty")
    csv.write_text(FILE, encoding="utf-8")
    assert run("import", str(csv)).out == "2 added, 0 changed, 1 unchanged; contacts of 2 homes changed\n"
    assert run("retire", "duty-1").out == "duty-1: retired, is told nothing any more\n"
    assert "duty-1" not in run("list").out
    assert "retired" in run("list", "--all").out
