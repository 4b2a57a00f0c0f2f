"""A recording: the readings of many meters, in arrays, because files of ten million rows are to fit into memory."""

import csv
import gzip
import io
import statistics
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import gt, sub
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, Final, NamedTuple, cast

from rules.backtest.rows import Gathered, Rows

if TYPE_CHECKING:
    from _csv import Reader

COLUMNS: Final = ("meter_id", "measured_at", "total_l")
BAD_ROWS_NAMED: Final = 20
"""So many faulty rows are kept with what is wrong with them; the others are counted."""
SHORTEST_INTERVAL_S: Final = 60
_ROWS_AT_ONCE: Final = 500
"""Fewer than what makes the interpreter look for garbage."""


class RecordingRefused(ValueError):
    """The file cannot be read as a recording, or has no usable row."""


class BadRow(NamedTuple):
    """A row that is left out."""

    line: int
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterRecord:
    """One meter's readings, oldest first, one for each instant.

    Attributes:
        measured_s: epoch seconds.
        totals_l: what the register showed.
    """

    meter_id: str
    measured_s: Sequence[float]
    totals_l: Sequence[float]

    @property
    def interval_s(self) -> int:
        """The usual distance between two readings, to the minute, as an installation would say; an hour if unknown."""
        gaps_s = list(map(sub, self.measured_s[1:], self.measured_s))
        if not gaps_s:
            return 3600
        return max(SHORTEST_INTERVAL_S, round(float(statistics.median(gaps_s)) / 60) * 60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What a file holds.

    Attributes:
        meters: in the order of their names.
        rows: how many rows were used.
        bad: the first faulty rows; `bad_rows` counts all.
        repeated: rows that said again what another one had said.
        contradicted: rows that gave another value for an instant; the lowest one counts, whatever the order of rows.
    """

    meters: tuple[MeterRecord, ...]
    rows: int
    bad: tuple[BadRow, ...] = ()
    bad_rows: int = 0
    repeated: int = 0
    contradicted: int = 0


def read(path: Path, *, progress: Callable[[float], None] = lambda share: None) -> Recording:
    """Reads a CSV file or pipe, compressed with gzip where its bytes say so.

    Args:
        path: with the columns `COLUMNS` in any order; others are passed over.
        progress: told now and then which share of the file is read; never of a pipe, whose length nobody knows.

    Raises:
        RecordingRefused: it cannot be read, lacks a column, or has no good row.
    """
    try:
        with path.open("rb") as raw:
            size = path.stat().st_size if raw.seekable() else 0
            packed = raw.peek(1)[:1] == b"\x1f"  # a pipe may hold back the next byte; no text begins so
            binary: BinaryIO = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if packed else raw
            with io.TextIOWrapper(binary, encoding="utf-8-sig", errors="replace", newline="") as text:
                return _parsed(text, str(path), lambda: progress(min(1.0, raw.tell() / size)) if size else None)
    except (OSError, EOFError, zlib.error) as error:
        raise RecordingRefused(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _parsed(text: IO[str], name: str, tell: Callable[[], None]) -> Recording:
    lines = csv.reader(text)
    try:
        heading = next(lines, [])
    except csv.Error as error:
        raise RecordingRefused(f"{name} is not CSV: {error}") from error
    columns = [cell.strip() for cell in heading]
    if missing := [column for column in COLUMNS if column not in columns]:
        raise RecordingRefused(f"{name} has no column {', '.join(missing)}; it needs {', '.join(COLUMNS)}")
    id_place, at_place, total_place = (columns.index(column) for column in COLUMNS)
    gathered = Gathered((id_place, at_place, total_place))
    bad: list[BadRow] = []
    bad_rows = 0
    for rows, ends, unreadable in _batches(lines):
        tell()
        problems = [BadRow(ends[place], problem) for place, problem in gathered.take(rows)]
        if unreadable is not None:
            problems.append(unreadable)
        bad_rows += len(problems)
        bad += problems[: BAD_ROWS_NAMED - len(bad)]
    found = gathered.by_meter
    if not found:
        first = f" (line {bad[0].line}: {bad[0].problem})" if bad else ""
        raise RecordingRefused(f"{name} has no usable row{first}")
    meters, repeated, contradicted = [], 0, 0
    for meter_id in sorted(found):
        record, again, others = _in_order(meter_id, found.pop(meter_id))
        meters.append(record)
        repeated += again
        contradicted += others
    return Recording(
        meters=tuple(meters),
        rows=sum(len(meter.measured_s) for meter in meters),
        bad=tuple(bad),
        bad_rows=bad_rows,
        repeated=repeated,
        contradicted=contradicted,
    )


def _batches(lines: "Reader") -> Iterator[tuple[list[list[str]], list[int], BadRow | None]]:
    """The rows, so many at once, with the line at which each ends, and what is no CSV after the last of them."""
    while True:
        rows: list[list[str]] = []
        ends: list[int] = []
        unreadable = None
        try:
            for cells in islice(lines, _ROWS_AT_ONCE):
                rows.append(cells)
                ends.append(lines.line_num)
        except csv.Error as error:
            unreadable = BadRow(lines.line_num, f"not CSV: {error}")
        if not rows and unreadable is None:
            return
        yield rows, ends, unreadable


def _in_order(meter_id: str, rows: Rows) -> tuple[MeterRecord, int, int]:
    measured_s, totals_l = rows.measured_s, rows.totals_l
    later = measured_s[1:]
    if all(map(gt, later, measured_s)):
        return MeterRecord(meter_id=meter_id, measured_s=measured_s, totals_l=totals_l), 0, 0
    times, totals = array("d"), array("d")
    repeated = contradicted = 0
    values: set[float] = set()
    for place in sorted(range(len(measured_s)), key=measured_s.__getitem__):
        at_s, total_l = measured_s[place], totals_l[place]
        if not times or at_s > times[-1]:
            times.append(at_s)
            totals.append(total_l)
            values = {total_l}
        elif total_l in values:
            repeated += 1
        else:
            contradicted += 1
            values.add(total_l)
            totals[-1] = min(totals[-1], total_l)
    return MeterRecord(meter_id=meter_id, measured_s=times, totals_l=totals), repeated, contradicted
