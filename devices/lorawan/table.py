"""The table of models: `models.toml`, read and checked once, when the first driver that needs it is loaded."""

import tomllib
from collections import Counter
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from devices.errors import TableInvalid
from devices.model import EventKind
from devices.quantities import by_name

Written = bool | int | str
"""A value as a codec writes it; texts are compared without regard to case."""


def _known_quantity(name: str) -> str:
    if name not in by_name:
        raise ValueError(f"no quantity is named {name!r}")
    return name


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FieldRow(_Row):
    """A field that is a reading.

    Attributes:
        path: dotted.
        quantity: by name.
        scale: the value times this is in the quantity's unit.
        words: what the codec's words (or numbers, as text) are worth, where it writes no number.
        loose: the number is followed by other text, as in `3.4V`.
        at_most: above it the field means something else and is passed over.
        when: other fields of the same object must have these values.
    """

    path: Annotated[str, Field(min_length=1)]
    quantity: Annotated[str, AfterValidator(_known_quantity)]
    scale: float = 1.0
    words: dict[str, float] | None = None
    loose: bool = False
    at_most: float | None = None
    when: dict[str, Written] = {}


class EventRow(_Row):
    """A field that says that something happened.

    Attributes:
        path: dotted. If a list is there, its members count.
        kind: what happened.
        any: values that say so; none given: `true`, a number but 0, or `yes`.
        contains: a text with this in it says so.
        when: other fields of the same object must have these values.
    """

    path: Annotated[str, Field(min_length=1)]
    kind: EventKind
    any: tuple[Written, ...] = ()
    contains: str | None = None
    when: dict[str, Written] = {}


class ListRow(_Row):
    """A list of objects, each read for itself.

    Attributes:
        path: dotted.
        time: of a member's own time; none: the uplink's counts.
        clock: `local`: the times have no offset from UTC, and some meters keep the time of their place.
        fields: readings of a member.
        events: events of a member.
        lists: lists in a member.
        when: other fields of the object that has the list must have these values.
    """

    path: Annotated[str, Field(min_length=1)]
    time: str | None = None
    clock: Literal["utc", "local"] = "utc"
    fields: tuple[FieldRow, ...] = ()
    events: tuple[EventRow, ...] = ()
    lists: tuple["ListRow", ...] = ()
    when: dict[str, Written] = {}


class HourlyRow(_Row):
    """A total and what was added to it in each hour since; the last one ends with the last full hour before `time`.

    Attributes:
        base: field of the first total.
        step: fields of the hours, with `{n}` from 1.
        count: of hours.
        time: field of the device's time.
        quantity: by name.
        scale: the values times this are in the quantity's unit.
        when: other fields must have these values.
    """

    base: str
    step: str
    count: Annotated[int, Field(ge=1, le=200)]
    time: str
    quantity: Annotated[str, AfterValidator(_known_quantity)]
    scale: float = 1.0
    when: dict[str, Written] = {}


class ModelRow(_Row):
    """One codec and the models it serves.

    Attributes:
        names: of the models, maker first; as an installation names them.
        aliases: further words by which a device profile, a tag or a model id names them.
        presses: whether they are worn or pressed to call for help.
        yields: what comes of them, for people.
        signatures: sets of fields (`field` or `field=value`) of which each is in no other model's objects.
        fields: readings.
        events: events.
        lists: lists of objects.
        hourly: a series of hours.
    """

    names: Annotated[tuple[str, ...], Field(min_length=1)]
    aliases: tuple[str, ...] = ()
    presses: bool = False
    yields: Annotated[str, Field(min_length=1)]
    signatures: tuple[Annotated[frozenset[str], Field(min_length=1)], ...] = ()
    fields: tuple[FieldRow, ...] = ()
    events: tuple[EventRow, ...] = ()
    lists: tuple[ListRow, ...] = ()
    hourly: HourlyRow | None = None


class Table(_Row):
    """All rows.

    Attributes:
        model: the rows of models.
        silent: sets of fields of objects in which nothing is ours, such as answers to a configuration.
    """

    model: tuple[ModelRow, ...]
    silent: tuple[frozenset[str], ...] = ()


def words_of(text: str) -> str:
    """A name as its words, lower-case and with a space around each: `WS101-868M` is ` ws101 868m `."""
    return f" {' '.join(''.join(char if char.isalnum() else ' ' for char in text.casefold()).split())} "


def aliases_of(row: ModelRow) -> frozenset[str]:
    """The words that name a row's models: their names without the maker, and the aliases."""
    return frozenset(words_of(text) for text in (*(name.partition(" ")[2] for name in row.names), *row.aliases))


def parse(text: str) -> Table:
    """Reads and checks a table.

    Raises:
        TableInvalid: it is no TOML, or a row is wrong, or two rows share a name, or a signature leaves open whose
            object an object is.
    """
    try:
        table = Table.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise TableInvalid(f"the table of LoRaWAN models: {error}") from error
    named = Counter(alias for row in table.model for alias in aliases_of(row))
    for alias, rows in named.items():
        if rows > 1 or not alias.strip():
            raise TableInvalid(f"the table of LoRaWAN models: {rows} rows are named {alias.strip()!r}")
    signed = [(row.names[0], signature) for row in table.model for signature in row.signatures]
    signed += [("silent", signature) for signature in table.silent]
    for number, (name, signature) in enumerate(signed):
        for other, wider in signed[:number] + signed[number + 1 :]:
            if other != name and signature <= wider | {member.partition("=")[0] for member in wider}:
                raise TableInvalid(
                    f"the table of LoRaWAN models: an object with {', '.join(sorted(wider))} is {name}'s and {other}'s"
                )
    return table


@cache
def load() -> Table:
    """The table that Anju comes with.

    Raises:
        TableInvalid: see `parse`.
    """
    return parse(files(__package__).joinpath("models.toml").read_text(encoding="utf-8"))
