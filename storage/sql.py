"""Named SQL: blocks of a `.sql` file that lies next to the code which runs them.

A block starts with a line `-- name: claim_due` and ends where the next one starts. Text before the first block may be
comments only.
"""

import re
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import LiteralString

_NAME_LINE = re.compile(r"^--[ \t]*name:(.*)$", re.MULTILINE)
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Queries:
    """The queries of one file; each is an attribute under its name.

    A name that the file does not have raises AttributeError, so a module that binds its queries when it is imported
    fails there and not at the first call.
    """

    __slots__ = ("_queries", "_source")

    def __init__(self, source: str, queries: Mapping[str, str]) -> None:
        self._source = source
        self._queries = dict(queries)

    def __getattr__(self, name: str) -> LiteralString:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            # The files are part of the program, as trusted as the literals that psycopg asks for.
            return self._queries[name]
        except KeyError:
            known = ", ".join(self._queries) or "none"
            raise AttributeError(f"{self._source} has no query named {name!r} (it has: {known})") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._queries)

    def __dir__(self) -> list[str]:
        return [*object.__dir__(self), *self._queries]

    def __repr__(self) -> str:
        return f"<Queries of {self._source}: {', '.join(self._queries)}>"


def load(package: str, filename: str) -> Queries:
    """Reads the named queries of a file inside a package: `Q = load(__package__, "queries.sql")`.

    Raises:
        ValueError: the file has a faulty or repeated name, an empty block, or SQL before its first name.
    """
    text = resources.files(package).joinpath(filename).read_text(encoding="utf-8")
    return parse(text, source=f"{package}/{filename}")


def parse(text: str, *, source: str) -> Queries:
    """Splits the text of a `.sql` file into its named blocks; see `load`."""
    marks = list(_NAME_LINE.finditer(text))
    preamble = text[: marks[0].start()] if marks else text
    if any(line.strip() and not line.lstrip().startswith("--") for line in preamble.splitlines()):
        raise ValueError(f"{source}: SQL before the first '-- name:' line")
    queries: dict[str, str] = {}
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        name = mark.group(1).strip()
        if not _NAME.fullmatch(name):
            raise ValueError(f"{source}: {name!r} is no query name (lower case, digits and _)")
        if name in queries:
            raise ValueError(f"{source}: two queries are named {name!r}")
        body = text[mark.end() : following.start() if following else len(text)].strip()
        if not any(line.strip() and not line.lstrip().startswith("--") for line in body.splitlines()):
            raise ValueError(f"{source}: query {name!r} is empty")
        queries[name] = body
    return Queries(source, queries)
