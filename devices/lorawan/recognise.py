"""Whose object this is: by what the network server calls the model, else by fields that only one model's codec writes.

An installer names a device profile as he likes, so a name only counts by the words in it; and since a name can be
wrong, `devices.lorawan.reading` asks for the signature when nothing of the named model was found.
"""

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from devices.lorawan.table import ModelRow, aliases_of, load, words_of
from devices.model import JsonValue

_MAX_KEYS: Final = 200
_TABLE: Final = load()
_BY_ALIAS: Final = {alias: row for row in _TABLE.model for alias in aliases_of(row)}


def _split(signature: Collection[str]) -> tuple[frozenset[str], dict[str, str]]:
    """A signature as the fields that must be there, and the values that some of them must have."""
    pairs = [member.partition("=") for member in signature]
    return frozenset(name for name, _, _ in pairs), {name: value.casefold() for name, equals, value in pairs if equals}


_SIGNATURES: Final = [
    (*_split(signature), row)
    for row in (*_TABLE.model, None)
    for signature in (row.signatures if row else _TABLE.silent)
]


@lru_cache(maxsize=1 << 12)
def by_name(name: str) -> ModelRow | None:
    """The model that a profile, a tag or a model id names; of several the one with the longest name.

    Returns:
        None when it names none, or two alike.
    """
    words = words_of(name[:200])
    found = sorted((alias for alias in _BY_ALIAS if alias in words), key=len)
    if not found or (
        len(found) > 1 and len(found[-1]) == len(found[-2]) and _BY_ALIAS[found[-2]] != _BY_ALIAS[found[-1]]
    ):
        return None
    return _BY_ALIAS[found[-1]]


class Writer(NamedTuple):
    """Whose codec writes an object.

    Attributes:
        model: None when no one's is known to, or several could have written it.
        silent: it is an object in which nothing is ours.
    """

    model: ModelRow | None
    silent: bool


_UNKNOWN: Final = Writer(None, False)
_Candidates = tuple[tuple[Mapping[str, str], Writer], ...]


@lru_cache(maxsize=1 << 12)
def _by_keys(keys: tuple[str, ...]) -> tuple[Writer | None, _Candidates]:
    """Whose object one with these fields is, or, where their values matter, whose it can be."""
    there = frozenset(keys)
    candidates = tuple((values, Writer(row, row is None)) for needed, values, row in _SIGNATURES if needed <= there)
    return (None if any(values for values, _ in candidates) else _only(writer for _, writer in candidates)), candidates


def _only(writers: Iterable[Writer]) -> Writer:
    only: Writer | None = None
    for writer in writers:
        if only is not None and writer.model is not only.model:
            return _UNKNOWN
        only = writer
    return only or _UNKNOWN


def by_fields(found: Mapping[str, JsonValue]) -> Writer:
    """The model whose codec alone writes such an object."""
    if len(found) > _MAX_KEYS:
        return _UNKNOWN
    writer, candidates = _by_keys(tuple(found))
    if writer is not None:
        return writer
    return _only(
        writer
        for values, writer in candidates
        if not values or all(str(found[name]).casefold() == value for name, value in values.items())
    )
