"""`anju person`: who may be told, how they are reached, who is called about a home."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anju import context as ctx
from anju.errors import InputRefused, NotPossible, Usage
from anju.output import JSON_OPTION, complain, say, show_json, show_table

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow

    from registry.importing import HomeKey
    from registry.people import Contact, Person, Relation

app = typer.Typer(
    help="See and change who may be told, how they are reached, and who is called about a home.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class Kin(StrEnum):
    """What a contact is to the residents of a home."""

    RESIDENT = "resident"
    FAMILY = "family"
    NEIGHBOUR = "neighbour"
    KEY_HOLDER = "key_holder"
    OTHER = "other"


class Tongue(StrEnum):
    """In which language somebody is told."""

    ZH = "zh"
    EN = "en"


class Way(StrEnum):
    """How somebody can be reached."""

    SMS = "sms"
    VOICE = "voice"
    CHAT = "chat"
    WEBHOOK = "webhook"


_KEY = Annotated[str, typer.Argument(help="By which they are named, such as duty-1.", metavar="KEY")]
_HOME = Annotated[str, typer.Argument(help="The home: path of its area and its name.", metavar="AREA/HOME")]
_LANGUAGE = Annotated[Tongue | None, typer.Option(help="In which they are told.", show_default="the site's")]
_PHONE = Annotated[list[str] | None, typer.Option(help="A number for SMS and calls; may be repeated.", metavar="N")]
_SMS = Annotated[list[str] | None, typer.Option(help="A number for SMS alone; the first is tried first.", metavar="N")]
_VOICE = Annotated[list[str] | None, typer.Option(help="A number for calls alone.", metavar="N")]
_CHAT = Annotated[list[str] | None, typer.Option(help="A chat of the settings, by its name.", metavar="NAME")]
_WEBHOOK = Annotated[list[str] | None, typer.Option(help="A receiver of the settings, by its name.", metavar="NAME")]
_REGION = Annotated[
    str | None, typer.Option(help="The country of numbers without a country code, such as CN.", metavar="COUNTRY")
]
_NUMBERS = Annotated[bool, typer.Option("--numbers", help="Show telephone numbers in full.")]
_JSON = Annotated[bool, JSON_OPTION]


@app.command()
def add(
    context: typer.Context,
    *,
    key: _KEY,
    name: Annotated[str, typer.Option(help="What they are called; never leaves the registry.", show_default=False)],
    language: _LANGUAGE = None,
    phone: _PHONE = None,
    sms: _SMS = None,
    voice: _VOICE = None,
    chat: _CHAT = None,
    webhook: _WEBHOOK = None,
    region: _REGION = None,
) -> None:
    """Take somebody in."""
    from registry import enrolling
    from registry.enrolling import Said

    site_language = ctx.settings(context).language
    with _refusals():
        addresses = _addresses(phone, {"sms": sms, "voice": voice, "chat": chat, "webhook": webhook}, region)
        said = Said(name=name, language=language and language.value, addresses=addresses)
        made = ctx.with_database(context, lambda conn: enrolling.add(conn, key, said, language=site_language))
    say(f"{made.key}: {_ways(made, numbers=False) or 'no address yet, so nobody can tell them'}")


@app.command(name="set")
def set_(
    context: typer.Context,
    *,
    key: _KEY,
    name: Annotated[str | None, typer.Option(help="What they are called.", show_default=False)] = None,
    language: Annotated[Tongue | None, typer.Option(help="In which they are told.", show_default=False)] = None,
    phone: _PHONE = None,
    sms: _SMS = None,
    voice: _VOICE = None,
    chat: _CHAT = None,
    webhook: _WEBHOOK = None,
    without: Annotated[
        list[Way] | None, typer.Option(help="A channel on which they are not reached any more.", show_default=False)
    ] = None,
    active: Annotated[bool, typer.Option("--active", help="Bring back somebody who was retired.")] = False,
    region: _REGION = None,
) -> None:
    """Change what is said of somebody; a channel that is named replaces all that was known of it."""
    from registry import enrolling
    from registry.enrolling import Said

    with _refusals():
        addresses = _addresses(phone, {"sms": sms, "voice": voice, "chat": chat, "webhook": webhook}, region)
        for way in without or ():
            if way.value in addresses:
                raise Usage(f"--without {way.value} does not go with a new address on it")
            addresses = {**addresses, way.value: ()}
        said = Said(name=name, language=language and language.value, addresses=addresses, active=active or None)
        if said == Said():
            raise Usage("nothing to set: say what is to change, see `anju person set --help`")
        after, changed = ctx.with_database(context, lambda conn: enrolling.amend(conn, key, said))
    say(f"{key}: {_ways(after, numbers=False) or 'no address'}" if changed else f"{key}: nothing changed")


@app.command()
def retire(context: typer.Context, *, key: _KEY) -> None:
    """Tell somebody nothing any more; what they did stays on record. Rosters that still name them are listed."""
    from alerts.roster import storing
    from registry import enrolling
    from registry.enrolling import Said

    async def work(conn: "AsyncConnection[TupleRow]") -> tuple[bool, list[str]]:
        _, changed = await enrolling.amend(conn, key, Said(active=False))
        named = [
            f"{each.role} of {each.area or 'the site'}"
            for each in await storing.listed(conn)
            if each.roster is not None and key in each.roster.people()
        ]
        return changed, named

    with _refusals():
        changed, named = ctx.with_database(context, work)
    say(f"{key}: retired, is told nothing any more" if changed else f"{key}: is retired already")
    for roster in named:
        complain(f"still on the roster {roster}, where others now answer for them")


@app.command(name="list")
def list_(
    context: typer.Context,
    *,
    retired: Annotated[bool, typer.Option("--all", help="Also those who were retired.")] = False,
    numbers: _NUMBERS = False,
    as_json: _JSON = False,
) -> None:
    """List who may be told, by key; numbers are masked."""
    from registry import people

    found = ctx.with_database(context, lambda conn: people.listed(conn, retired=retired))
    if as_json:
        show_json([_plain(person, numbers=numbers) for person in found])
        return
    if not found:
        say("nobody is on record; `anju person add` takes somebody in")
        return
    show_table(
        ("Key", "Name", "Language", "Reached by", "State"),
        [
            (each.key, each.name, each.language, _ways(each, numbers=numbers), "" if each.active else "retired")
            for each in found
        ],
    )


@app.command()
def show(context: typer.Context, *, key: _KEY, numbers: _NUMBERS = False, as_json: _JSON = False) -> None:
    """Show one person, and the homes about which they are called."""
    from registry import contacts, people

    async def work(conn: "AsyncConnection[TupleRow]") -> "tuple[Person, list[tuple[HomeKey, Relation, int]]]":
        found = await people.person(conn, key)
        return found, await contacts.homes_of(conn, found.person_id)

    with _refusals():
        found, homes = ctx.with_database(context, work)
    if as_json:
        of = [{"area": home.area, "home": home.name, "relation": r, "position": p} for home, r, p in homes]
        show_json({**_plain(found, numbers=numbers), "homes": of})
        return
    say(f"{found.key}: {found.name}, {found.language}{'' if found.active else ', retired'}")
    say(f"reached by: {_ways(found, numbers=numbers) or 'nothing'}")
    for home, relation, position in homes:
        say(f"called about {home.name}, {home.area}: {relation}, number {position}")


@app.command()
def contact(
    context: typer.Context,
    *,
    home: _HOME,
    key: _KEY,
    relation: Annotated[Kin, typer.Option(help="What they are to the residents.")] = Kin.OTHER,
    position: Annotated[
        int | None,
        typer.Option(
            min=1, max=99, help="1 is called first; others move back.", show_default="where they are, or last"
        ),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="They are not called about it any more.")] = False,
) -> None:
    """Let somebody be called about a home, in calling order."""
    from registry import contacts
    from registry.people import Relation

    with _refusals():
        if remove:
            left = ctx.with_database(context, lambda conn: contacts.remove(conn, home, key))
            say(f"{key} is no contact of {left.name}, {left.area} any more")
            return
        put = ctx.with_database(
            context, lambda conn: contacts.put(conn, home, key, Relation(relation.value), position=position)
        )
    where, place = put
    say(f"{key} is called about {where.name}, {where.area}: {relation.value}, number {place}")


@app.command(name="contacts")
def contacts_(context: typer.Context, *, home: _HOME, numbers: _NUMBERS = False, as_json: _JSON = False) -> None:
    """List who is called about a home, in calling order."""
    from registry.installing import find_home
    from registry.people import read_contacts

    async def work(conn: "AsyncConnection[TupleRow]") -> "Sequence[Contact]":
        home_id, _ = await find_home(conn, home)
        return (await read_contacts(conn, [home_id])).get(home_id, ())

    with _refusals():
        found = ctx.with_database(context, work)
    if as_json:
        show_json(
            [
                {"position": n, "relation": each.relation, **_plain(each.person, numbers=numbers)}
                for n, each in enumerate(found, start=1)
            ]
        )
        return
    if not found:
        say("nobody is called about this home; `anju person contact` says who is")
        return
    show_table(
        ("Position", "Key", "Name", "Relation", "Reached by"),
        [
            (n, each.person.key, each.person.name, each.relation, _ways(each.person, numbers=numbers))
            for n, each in enumerate(found, start=1)
        ],
    )


@app.command(name="import")
def import_(
    context: typer.Context,
    *,
    file: Annotated[Path, typer.Argument(help="A CSV file.", metavar="FILE.csv", exists=True, dir_okay=False)],
    region: _REGION = None,
    encoding: Annotated[str, typer.Option(help="How the file stands for text, such as gb18030.")] = "utf-8-sig",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check the file; write nothing.")] = False,
    as_json: _JSON = False,
) -> None:
    """Import people, and who is called about which home, from a CSV file.

    Columns: key and name, and as far as wanted language, phone (for both) or sms and voice, chat, webhook (several
    separated by ;), home (AREA/HOME), relation, position. One row for each person, or for each home of a person.

    Every faulty row is named, and nothing is written while one is faulty. Running it twice changes nothing. What the
    file does not mention or leaves empty stays as it is.
    """
    from registry.people_import import apply, read_rows

    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputRefused(f"{file} cannot be read: {error.strerror}") from error
    _check_region(region)
    rows = read_rows(content, region=region, encoding=encoding)
    if dry_run:
        show_json({"rows": len(rows)}) if as_json else say(f"{len(rows)} rows, no fault found, nothing written")
        return
    language = ctx.settings(context).language
    result = ctx.with_database(context, lambda conn: apply(conn, rows, language=language))
    if as_json:
        show_json(result._asdict())
        return
    say(
        f"{result.added} added, {result.changed} changed, {result.unchanged} unchanged;"
        f" contacts of {result.homes_changed} homes changed"
    )


def _addresses(
    phone: list[str] | None, given: Mapping[str, list[str] | None], region: str | None
) -> dict[str, tuple[str, ...]]:
    from registry.addresses import AddressInvalid, normalised

    if phone and (given["sms"] or given["voice"]):
        raise Usage("--phone is for SMS and calls: give it alone, or --sms and --voice")
    _check_region(region)
    named = {**given, **({"sms": phone, "voice": phone} if phone else {})}
    found: dict[str, tuple[str, ...]] = {}
    for channel, texts in named.items():
        try:
            addresses = [normalised(channel, text, region=region) for text in texts or ()]
        except AddressInvalid as invalid:
            raise Usage(f"--{'phone' if phone and channel in ('sms', 'voice') else channel} {invalid}") from None
        if addresses:
            found[channel] = tuple(dict.fromkeys(addresses))
    return found


def _check_region(region: str | None) -> None:
    from registry.addresses import knows_region

    if region is not None and not knows_region(region):
        raise Usage(f"--region: {region!r} is no country; right would be CN")


def _ways(person: "Person", *, numbers: bool) -> str:
    from registry.addresses import masked

    return ", ".join(
        f"{each.channel} {each.address if numbers else masked(each.channel, each.address)}" for each in person.addresses
    )


def _plain(person: "Person", *, numbers: bool) -> dict[str, object]:
    from registry.addresses import masked

    return {
        "key": person.key,
        "name": person.name,
        "language": person.language,
        "active": person.active,
        "addresses": [
            {
                "channel": each.channel,
                "address": each.address if numbers else masked(each.channel, each.address),
                "position": each.position,
            }
            for each in person.addresses
        ],
    }


@contextmanager
def _refusals() -> Iterator[None]:
    """Tells whose turn it is: whoever typed it, or whoever knows what is on record."""
    from registry.enrolling import PersonInvalid
    from registry.people import PersonRefused

    try:
        yield
    except PersonInvalid as invalid:
        raise Usage(str(invalid)) from None
    except PersonRefused as refused:
        raise NotPossible(str(refused)) from None
