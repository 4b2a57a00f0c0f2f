"""What the commands of people share: what is typed, and how somebody is shown."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from anju.errors import NotPossible, Usage
from anju.output import JSON_OPTION

if TYPE_CHECKING:
    from registry.people import Person

KEY = Annotated[str, typer.Argument(help="By which they are named, such as duty-1.", metavar="KEY")]
REGION = Annotated[
    str | None, typer.Option(help="The country of numbers without a country code, such as CN.", metavar="COUNTRY")
]
NUMBERS = Annotated[bool, typer.Option("--numbers", help="Show telephone numbers in full.")]
JSON = Annotated[bool, JSON_OPTION]


def check_region(region: str | None) -> None:
    """Refuses what is no country.

    Raises:
        Usage: just that.
    """
    from registry.addresses import knows_region

    if region is not None and not knows_region(region):
        raise Usage(f"--region: {region!r} is no country; right would be CN")


def ways(person: "Person", *, numbers: bool) -> str:
    """How somebody is reached, for people; numbers are masked unless they are asked for."""
    from registry.addresses import masked

    return ", ".join(
        f"{each.channel} {each.address if numbers else masked(each.channel, each.address)}" for each in person.addresses
    )


def plain(person: "Person", *, numbers: bool) -> dict[str, object]:
    """Somebody as JSON, likewise."""
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
def refusals() -> Iterator[None]:
    """Tells whose turn it is: whoever typed it, or whoever knows what is on record."""
    from registry.enrolling import PersonInvalid
    from registry.people import PersonRefused

    try:
        yield
    except PersonInvalid as invalid:
        raise Usage(str(invalid)) from None
    except PersonRefused as refused:
        raise NotPossible(str(refused)) from None
