"""`anju person contact`, `contacts` and `import`: who is called about which home, one by one or out of a file."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anju import context as ctx
from anju.errors import InputRefused
from anju.output import say, show_json, show_table
from anju.people import JSON, KEY, NUMBERS, REGION, check_region, plain, refusals, ways

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow

    from registry.people import Contact


class Kin(StrEnum):
    """What a contact is to the residents of a home."""

    RESIDENT = "resident"
    FAMILY = "family"
    NEIGHBOUR = "neighbour"
    KEY_HOLDER = "key_holder"
    OTHER = "other"


_HOME = Annotated[str, typer.Argument(help="The home: path of its area and its name.", metavar="AREA/HOME")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command()(contact)
    app.command(name="contacts")(contacts_)
    app.command(name="import")(import_)


def contact(
    context: typer.Context,
    *,
    home: _HOME,
    key: KEY,
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

    with refusals():
        if remove:
            left = ctx.with_database(context, lambda conn: contacts.remove(conn, home, key))
            say(f"{key} is no contact of {left.name}, {left.area} any more")
            return
        put = ctx.with_database(
            context, lambda conn: contacts.put(conn, home, key, Relation(relation.value), position=position)
        )
    where, place = put
    say(f"{key} is called about {where.name}, {where.area}: {relation.value}, number {place}")


def contacts_(context: typer.Context, *, home: _HOME, numbers: NUMBERS = False, as_json: JSON = False) -> None:
    """List who is called about a home, in calling order."""
    from registry.installing import find_home
    from registry.people import read_contacts

    async def work(conn: "AsyncConnection[TupleRow]") -> "Sequence[Contact]":
        home_id, _ = await find_home(conn, home)
        return (await read_contacts(conn, [home_id])).get(home_id, ())

    with refusals():
        found = ctx.with_database(context, work)
    if as_json:
        show_json(
            [
                {"position": n, "relation": each.relation, **plain(each.person, numbers=numbers)}
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
            (n, each.person.key, each.person.name, each.relation, ways(each.person, numbers=numbers))
            for n, each in enumerate(found, start=1)
        ],
    )


def import_(
    context: typer.Context,
    *,
    file: Annotated[Path, typer.Argument(help="A CSV file.", metavar="FILE.csv", exists=True, dir_okay=False)],
    region: REGION = None,
    encoding: Annotated[str, typer.Option(help="How the file stands for text, such as gb18030.")] = "utf-8-sig",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check the file; write nothing.")] = False,
    as_json: JSON = False,
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
    check_region(region)
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
