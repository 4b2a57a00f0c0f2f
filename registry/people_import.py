"""People and contacts from a CSV file: every fault named, all or nothing, and a second run changes nothing.

A row describes a person and, where `home` is filled, says that they are called about that home. Who is called about two
homes has two rows. What a file does not mention, or leaves empty, stays.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from registry import contacts, enrolling
from registry.addresses import NUMBERS, AddressInvalid, masked, normalised
from registry.contacts import Wanted
from registry.csv_rows import check_text, decoded, records
from registry.enrolling import Said
from registry.errors import Fault, ImportRefused, InstallationRefused
from registry.installing import find_home
from registry.people import CHANNELS, LANGUAGES, Person, Relation, read_people

REQUIRED: Final = ("key", "name")
COLUMNS: Final = (*REQUIRED, "language", "phone", *CHANNELS, "home", "relation", "position")
_MAX_POSITION: Final = 99


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRow:
    """One row that passed every check.

    Attributes:
        said: of the person; equal in all rows of a key.
        home: path of an area and a home's name; None: the row names none.
    """

    line: int
    key: str
    said: Said
    home: str | None
    wanted: Wanted | None


class PeopleImported(NamedTuple):
    """What an import did, counted in people and in contacts of homes."""

    added: int
    changed: int
    unchanged: int
    homes_changed: int


def read_rows(data: bytes, *, region: str | None = None, encoding: str = "utf-8-sig") -> tuple[PersonRow, ...]:
    """Reads a file (pure).

    Args:
        data: its bytes.
        region: the country of numbers without a country code.
        encoding: how the bytes stand for text.

    Raises:
        ImportRefused: with every fault of the file.
    """
    faults: list[Fault] = []
    rows = []
    for line, cells in records(decoded(data, encoding), COLUMNS, REQUIRED, faults):
        row = _row(line, cells, region, faults)
        if row is not None:
            rows.append(row)
    faults.extend(_contradictions(rows))
    if not rows and not faults:
        faults.append(Fault(line=None, column=None, problem="the file has a header but no rows"))
    if faults:
        raise ImportRefused(sorted(faults, key=lambda fault: fault.line or 0))
    return tuple(rows)


async def apply(conn: AsyncConnection[TupleRow], rows: Sequence[PersonRow], *, language: str) -> PeopleImported:
    """Writes rows in one transaction.

    Args:
        conn: a connection on which no transaction is open.
        rows: what `read_rows` passed.
        language: of people who are new and of whom the file does not say it.

    Raises:
        ImportRefused: homes that are not on record, numbers that are somebody else's; nothing was written.
    """
    first = {row.key: row for row in reversed(rows)}
    async with conn.transaction():
        await enrolling.lock(conn)
        before = await read_people(conn, first, retired=True)
        homes = await _homes(conn, rows)
        _check_active(first, before)
        await _check_numbers(conn, first)
        new = {key: row.said for key, row in first.items() if key not in before}
        await enrolling.add_all(conn, new, language=language)
        changed = 0
        for key, row in first.items():
            if key in before and not _holds(before[key], row.said):
                await enrolling.amend(conn, key, row.said)
                changed += 1
        homes_changed = await _write_contacts(conn, rows, homes)
    added = len(first) - len(before)
    return PeopleImported(added, changed, len(before) - changed, homes_changed)


async def _homes(conn: AsyncConnection[TupleRow], rows: Sequence[PersonRow]) -> Mapping[str, int]:
    found: dict[str, int] = {}
    faults = []
    for row in rows:
        if row.home is None or row.home in found:
            continue
        try:
            found[row.home] = (await find_home(conn, row.home))[0]
        except InstallationRefused as refused:
            faults.append(Fault(line=row.line, column="home", problem=str(refused)))
    if faults:
        raise ImportRefused(faults)
    return found


def _check_active(rows: Mapping[str, PersonRow], before: Mapping[str, Person]) -> None:
    faults = [
        Fault(line=rows[key].line, column="key", problem=f"{key!r} is retired; `anju person set {key} --active`")
        for key, person in before.items()
        if not person.active
    ]
    if faults:
        raise ImportRefused(sorted(faults, key=lambda fault: fault.line or 0))


async def _check_numbers(conn: AsyncConnection[TupleRow], rows: Mapping[str, PersonRow]) -> None:
    wanted = {number: key for key, row in rows.items() for number in _numbers(row.said)}
    faults = []
    for number, owner in (await enrolling.numbers_of_others(conn, wanted)).items():
        problem = f"{masked('sms', number)} is the number of {owner!r} already: answers from it are theirs"
        faults.append(Fault(line=rows[wanted[number]].line, column="phone", problem=problem))
    if faults:
        raise ImportRefused(sorted(faults, key=lambda fault: fault.line or 0))


async def _write_contacts(conn: AsyncConnection[TupleRow], rows: Sequence[PersonRow], homes: Mapping[str, int]) -> int:
    people = await read_people(conn, {row.key for row in rows}, retired=True)
    wanted: dict[int, dict[int, Wanted]] = {}
    for row in rows:
        if row.home is not None and row.wanted is not None:
            wanted.setdefault(homes[row.home], {})[people[row.key].person_id] = row.wanted
    if not wanted:
        return 0
    await contacts.lock_homes(conn, list(wanted))
    before = await contacts.placed(conn, list(wanted))
    changed = 0
    for home_id, each in wanted.items():
        was = before.get(home_id, ())
        changed += await contacts.write(conn, home_id, was, contacts.ordered(was, each))
    return changed


def _row(line: int, cells: Mapping[str, str], region: str | None, faults: list[Fault]) -> PersonRow | None:
    before = len(faults)

    def fault(column: str, problem: str) -> None:
        faults.append(Fault(line=line, column=column, problem=problem))

    check_text(cells, fault)
    key = cells["key"]
    if not enrolling.KEY.fullmatch(key):
        fault("key", f"{key!r} is no key: lower-case letters, digits and . _ -, 40 at most, such as duty-1")
    if not cells["name"]:
        fault("name", "is empty")
    language = cells["language"].lower() or None
    if language is not None and language not in LANGUAGES:
        fault("language", f"{language!r} is no language: {' or '.join(LANGUAGES)}")
    said = Said(name=cells["name"], language=language, addresses=_addresses(cells, region, fault))
    wanted = _wanted(cells, fault)
    if len(faults) > before:
        return None
    return PersonRow(line=line, key=key, said=said, home=cells["home"] or None, wanted=wanted)


def _addresses(
    cells: Mapping[str, str], region: str | None, fault: Callable[[str, str], None]
) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for column in ("phone", *CHANNELS):
        if column in NUMBERS and cells["phone"] and cells[column]:
            fault(column, "stands beside phone, which is for both: give sms and voice, or phone alone")
            continue
        for text in filter(None, (part.strip() for part in cells[column].split(";"))):
            try:
                for channel in ("sms", "voice") if column == "phone" else (column,):
                    address = normalised(channel, text, region=region)
                    found[channel] = tuple(dict.fromkeys((*found.get(channel, ()), address)))
            except AddressInvalid as invalid:
                fault(column, str(invalid))
    return found


def _wanted(cells: Mapping[str, str], fault: Callable[[str, str], None]) -> Wanted | None:
    if not cells["home"]:
        for column in ("relation", "position"):
            if cells[column]:
                fault(column, "is filled, but the row names no home")
        return None
    relation = cells["relation"].lower() or Relation.OTHER.value
    if relation not in list(Relation):
        fault("relation", f"{relation!r} is none of {', '.join(Relation)}")
        return None
    text = cells["position"]
    if not text:
        return Wanted(Relation(relation), None)
    if not (text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= _MAX_POSITION):
        fault("position", f"{text!r} is not a whole number from 1 to {_MAX_POSITION}")
        return None
    return Wanted(Relation(relation), int(text))


def _contradictions(rows: Sequence[PersonRow]) -> Iterator[Fault]:
    """Rows that are good alone and cannot both be true."""
    of_key: dict[str, PersonRow] = {}
    of_number: dict[str, PersonRow] = {}
    of_contact: dict[tuple[str, str], PersonRow] = {}
    of_place: dict[tuple[str, int], PersonRow] = {}
    for row in rows:
        first = of_key.setdefault(row.key, row)
        if first.said != row.said:
            yield Fault(line=row.line, column="key", problem=f"{row.key!r} is described otherwise in line {first.line}")
        for number in _numbers(row.said):
            other = of_number.setdefault(number, row)
            if other.key != row.key:
                problem = f"is the number of {other.key!r} in line {other.line}: answers from it are one person's"
                yield Fault(line=row.line, column="phone", problem=problem)
        if row.home is None or row.wanted is None:
            continue
        if (same := of_contact.setdefault((row.home, row.key), row)) is not row:
            yield Fault(line=row.line, column="home", problem=f"is the same home and person as in line {same.line}")
        if row.wanted.position is not None:
            there = of_place.setdefault((row.home, row.wanted.position), row)
            if there is not row:
                problem = f"{row.wanted.position} is that of {there.key!r} in line {there.line}"
                yield Fault(line=row.line, column="position", problem=problem)


def _numbers(said: Said) -> frozenset[str]:
    return frozenset(number for channel in NUMBERS for number in said.addresses.get(channel, ()))


def _holds(person: Person, said: Said) -> bool:
    """Whether all that is said of somebody is so."""
    return (
        said.name == person.name
        and said.language in (None, person.language)
        and all(person.on(channel) == addresses for channel, addresses in said.addresses.items())
    )
