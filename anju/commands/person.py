"""`anju person`: who may be told, how they are reached, who is called about a home."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from anju import context as ctx
from anju.commands import person_contacts
from anju.errors import Usage
from anju.output import complain, say, show_json, show_table
from anju.people import JSON, KEY, NUMBERS, REGION, check_region, plain, refusals, ways

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow

    from registry.importing import HomeKey
    from registry.people import Person, Relation

app = typer.Typer(
    help="See and change who may be told, how they are reached, and who is called about a home.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


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


_LANGUAGE = Annotated[Tongue | None, typer.Option(help="In which they are told.", show_default="the site's")]
_PHONE = Annotated[list[str] | None, typer.Option(help="A number for SMS and calls; may be repeated.", metavar="N")]
_SMS = Annotated[list[str] | None, typer.Option(help="A number for SMS alone; the first is tried first.", metavar="N")]
_VOICE = Annotated[list[str] | None, typer.Option(help="A number for calls alone.", metavar="N")]
_CHAT = Annotated[list[str] | None, typer.Option(help="A chat of the settings, by its name.", metavar="NAME")]
_WEBHOOK = Annotated[list[str] | None, typer.Option(help="A receiver of the settings, by its name.", metavar="NAME")]


@app.command()
def add(
    context: typer.Context,
    *,
    key: KEY,
    name: Annotated[str, typer.Option(help="What they are called; never leaves the registry.", show_default=False)],
    language: _LANGUAGE = None,
    phone: _PHONE = None,
    sms: _SMS = None,
    voice: _VOICE = None,
    chat: _CHAT = None,
    webhook: _WEBHOOK = None,
    region: REGION = None,
) -> None:
    """Take somebody in."""
    from registry import enrolling
    from registry.enrolling import Said

    site_language = ctx.settings(context).language
    with refusals():
        addresses = _addresses(phone, {"sms": sms, "voice": voice, "chat": chat, "webhook": webhook}, region)
        said = Said(name=name, language=language and language.value, addresses=addresses)
        made = ctx.with_database(context, lambda conn: enrolling.add(conn, key, said, language=site_language))
    say(f"{made.key}: {ways(made, numbers=False) or 'no address yet, so nobody can tell them'}")


@app.command(name="set")
def set_(
    context: typer.Context,
    *,
    key: KEY,
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
    region: REGION = None,
) -> None:
    """Change what is said of somebody; a channel that is named replaces all that was known of it."""
    from registry import enrolling
    from registry.enrolling import Said

    with refusals():
        addresses = _addresses(phone, {"sms": sms, "voice": voice, "chat": chat, "webhook": webhook}, region)
        for way in without or ():
            if way.value in addresses:
                raise Usage(f"--without {way.value} does not go with a new address on it")
            addresses = {**addresses, way.value: ()}
        said = Said(name=name, language=language and language.value, addresses=addresses, active=active or None)
        if said == Said():
            raise Usage("nothing to set: say what is to change, see `anju person set --help`")
        after, changed = ctx.with_database(context, lambda conn: enrolling.amend(conn, key, said))
    say(f"{key}: {ways(after, numbers=False) or 'no address'}" if changed else f"{key}: nothing changed")


@app.command()
def retire(context: typer.Context, *, key: KEY) -> None:
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

    with refusals():
        changed, named = ctx.with_database(context, work)
    say(f"{key}: retired, is told nothing any more" if changed else f"{key}: is retired already")
    for roster in named:
        complain(f"still on the roster {roster}, where others now answer for them")


@app.command(name="list")
def list_(
    context: typer.Context,
    *,
    retired: Annotated[bool, typer.Option("--all", help="Also those who were retired.")] = False,
    numbers: NUMBERS = False,
    as_json: JSON = False,
) -> None:
    """List who may be told, by key; numbers are masked."""
    from registry import people

    found = ctx.with_database(context, lambda conn: people.listed(conn, retired=retired))
    if as_json:
        show_json([plain(person, numbers=numbers) for person in found])
        return
    if not found:
        say("nobody is on record; `anju person add` takes somebody in")
        return
    show_table(
        ("Key", "Name", "Language", "Reached by", "State"),
        [
            (each.key, each.name, each.language, ways(each, numbers=numbers), "" if each.active else "retired")
            for each in found
        ],
    )


@app.command()
def show(context: typer.Context, *, key: KEY, numbers: NUMBERS = False, as_json: JSON = False) -> None:
    """Show one person, and the homes about which they are called."""
    from registry import contacts, people

    async def work(conn: "AsyncConnection[TupleRow]") -> "tuple[Person, list[tuple[HomeKey, Relation, int]]]":
        found = await people.person(conn, key)
        return found, await contacts.homes_of(conn, found.person_id)

    with refusals():
        found, homes = ctx.with_database(context, work)
    if as_json:
        of = [{"area": home.area, "home": home.name, "relation": r, "position": p} for home, r, p in homes]
        show_json({**plain(found, numbers=numbers), "homes": of})
        return
    say(f"{found.key}: {found.name}, {found.language}{'' if found.active else ', retired'}")
    say(f"reached by: {ways(found, numbers=numbers) or 'nothing'}")
    for home, relation, position in homes:
        say(f"called about {home.name}, {home.area}: {relation}, number {position}")


def _addresses(
    phone: list[str] | None, given: Mapping[str, list[str] | None], region: str | None
) -> dict[str, tuple[str, ...]]:
    from registry.addresses import AddressInvalid, normalised

    if phone and (given["sms"] or given["voice"]):
        raise Usage("--phone is for SMS and calls: give it alone, or --sms and --voice")
    check_region(region)
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


person_contacts.add_to(app)
