"""How commands answer: tables and sentences for people, JSON for programs."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum

import typer

JSON_OPTION = typer.Option("--json", help="Print JSON, for programs.", show_default=False)


def show_json(value: object) -> None:
    """Prints a value as JSON; instants become ISO 8601 in UTC, named tuples and dataclasses come as mappings."""
    json.dump(value, sys.stdout, ensure_ascii=False, indent=2, default=_plain)
    sys.stdout.write("\n")


def show_json_line(value: object) -> None:
    """Prints a value as JSON on one line, for programs that read line by line."""
    sys.stdout.write(f"{json.dumps(value, ensure_ascii=False, default=_plain)}\n")


def say(sentence: str) -> None:
    """Prints a sentence to standard output."""
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


def complain(sentence: str) -> None:
    """Prints a sentence to standard error."""
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints rows under their headings: drawn on a terminal, tab-separated where a program reads."""
    cells = [[_cell(value) for value in row] for row in rows]
    if not sys.stdout.isatty():
        for row in [[column.lower() for column in columns], *cells]:
            say("\t".join(" ".join(cell.split()) for cell in row))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def instant(at: datetime | None) -> str:
    """An instant for people, in the terminal's time zone."""
    return "never" if at is None else at.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def printable(payload: bytes, limit: int = 200) -> str:
    """Bytes as text that cannot move the cursor or recolour a terminal."""
    text = payload[: limit + 1].decode("utf-8", "backslashreplace")
    shown = "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
    return shown if len(shown) <= limit else shown[:limit] + "…"


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, bytes):
        return printable(value, 80)
    return str(value)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
