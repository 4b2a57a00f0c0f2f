"""CSV files as people save them: encoding, columns, lines. Pure; what the cells mean is the caller's."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Final
from unicodedata import category

from registry.errors import Fault, ImportRefused

_MAX_TEXT: Final = 200


def decoded(data: bytes, encoding: str) -> str:
    """A file's text.

    Raises:
        ImportRefused: it is no text in that encoding, or there is no such encoding.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) and encoding == "utf-8-sig":
        raise _refused("the file is UTF-16 text: save it as 'CSV UTF-8', or say --encoding utf-16")
    try:
        return data.decode(encoding)
    except LookupError:
        raise _refused(f"there is no encoding named {encoding!r}: try utf-8 or gb18030") from None
    except UnicodeError as error:
        line = data.count(b"\n", 0, error.start if isinstance(error, UnicodeDecodeError) else 0) + 1
        problem = f"is not {encoding.removesuffix('-sig').upper()} text"
        if encoding != "gb18030" and _is_gbk(data):
            problem += "; it may be GBK: save it as 'CSV UTF-8', or say --encoding gb18030"
        raise _refused(problem, line) from None


def records(
    text: str, columns: Sequence[str], required: Sequence[str], faults: list[Fault]
) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Line numbers and cells by column, every known column present and stripped; empty lines are passed over.

    Args:
        text: the file's.
        columns: all that are known.
        required: those that the header must have.
        faults: takes what is wrong with single lines.

    Raises:
        ImportRefused: the header is faulty or missing.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    line = 0
    try:
        for record in reader:
            start, line = line + 1, reader.line_num
            cells = [cell.strip() for cell in record]
            if not any(cells):
                continue
            if header is None:
                header = [cell.lower() for cell in cells]
                _check_header(header, columns, required)
            elif len(cells) != len(header):
                problem = f"has {len(cells)} cells, the header has {len(header)}"
                faults.append(Fault(line=start, column=None, problem=problem))
            else:
                yield start, dict.fromkeys(columns, "") | dict(zip(header, cells, strict=True))
    except csv.Error as error:
        faults.append(Fault(line=line + 1, column=None, problem=f"is not CSV: {error}"))
    if header is None and not faults:
        raise _refused(f"the file is empty; its first line must name the columns: {','.join(columns)}")


def check_text(cells: Mapping[str, str], fault: Callable[[str, str], None]) -> None:
    """Names cells that are too long or hold what no cell should."""
    for column, text in cells.items():
        if len(text) > _MAX_TEXT:
            fault(column, f"is longer than {_MAX_TEXT} characters")
        elif any(category(character) in ("Cc", "Cs") for character in text):
            fault(column, "has a line break or a control character in it")


def _check_header(header: Sequence[str], columns: Sequence[str], required: Sequence[str]) -> None:
    if len(header) == 1 and any(mark in header[0] for mark in ";\t"):
        raise _refused("columns must be separated by commas", 1)
    faults = []
    for column in header:
        if column not in columns:
            close = get_close_matches(column, columns, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(columns)}"
            faults.append(f"unknown column {column!r}; {hint}")
    faults += [f"the column {column!r} is missing" for column in required if column not in header]
    twice = sorted({column for column in header if column and header.count(column) > 1})
    faults += [f"the column {column!r} stands there twice" for column in twice]
    if faults:
        raise ImportRefused([Fault(line=1, column=None, problem=problem) for problem in faults])


def _refused(problem: str, line: int | None = None) -> ImportRefused:
    return ImportRefused([Fault(line=line, column=None, problem=problem)])


def _is_gbk(data: bytes) -> bool:
    try:
        data.decode("gb18030")
    except UnicodeDecodeError:
        return False
    return True
