"""A recording: the readings of many meters, in arrays, because files of ten million rows are to fit into memory."""

import csv
import gzip
import io
import statistics
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import gt, sub
from pathlib import Path
from typing import IO, BinaryIO, Final, NamedTuple, cast

from devices.quantities import WATER_TOTAL
from devices.times import parse_time

COLUMNS: Final = ("meter_id", "measured_at", "total_l")
BAD_ROWS_NAMED: Final = 20
"""So many faulty rows are kept with what is wrong with them; the others are counted."""
SHORTEST_INTERVAL_S: Final = 60
_EARLIEST_S: Final = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
_LATEST_S: Final = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
_TELL_EVERY_ROWS: Final = 20_000


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


@dataclass(slots=True)
class _Rows:
    measured_s: "array[float]" = field(default_factory=lambda: array("d"))
    totals_l: "array[float]" = field(default_factory=lambda: array("d"))


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
    places = [columns.index(column) for column in COLUMNS]
    found: dict[str, _Rows] = {}
    bad: list[BadRow] = []
    bad_rows = 0
    for cells, unreadable in _cells(lines):
        if lines.line_num % _TELL_EVERY_ROWS == 0:
            tell()
        if unreadable is None and not cells:
            continue
        problem = unreadable or _take(found, cells, places)
        if problem is not None:
            bad_rows += 1
            if len(bad) < BAD_ROWS_NAMED:
                bad.append(BadRow(lines.line_num, problem))
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


def _cells(lines: "Iterator[list[str]]") -> Iterator[tuple[list[str], str | None]]:
    while True:
        try:
            yield next(lines), None
        except StopIteration:
            return
        except csv.Error as error:
            yield [], f"not CSV: {error}"


def _take(found: dict[str, _Rows], cells: Sequence[str], places: Sequence[int]) -> str | None:
    """Keeps a row; what is wrong with it, if it cannot be kept."""
    id_place, at_place, total_place = places
    try:
        meter_id, at, total = cells[id_place].strip(), cells[at_place].strip(), cells[total_place]
    except IndexError:
        return "fewer cells than columns"
    rows = found.get(meter_id)
    if rows is None and (not meter_id or not meter_id.isprintable() or "\ufffd" in meter_id):
        return "meter_id is empty" if not meter_id else f"meter_id {meter_id!r} is not printable text"
    try:
        measured_s = parse_time(at).timestamp()
    except ValueError:
        return f"measured_at {at[:40]!r} is no time with an offset, such as 2026-11-21T08:15:00+08:00"
    if not _EARLIEST_S <= measured_s < _LATEST_S:
        return f"measured_at {at[:40]!r} lies outside the years 2000 to 2099"
    try:
        total_l = float(total)
    except ValueError:
        return f"total_l {total.strip()[:40]!r} is no number"
    if not WATER_TOTAL.minimum <= total_l <= WATER_TOTAL.maximum:  # as infinity and what is no number do not
        return f"total_l {total.strip()[:40]!r} is no register's total"
    if rows is None:
        rows = found[meter_id] = _Rows()
    rows.measured_s.append(measured_s)
    rows.totals_l.append(total_l)
    return None


def _in_order(meter_id: str, rows: _Rows) -> tuple[MeterRecord, int, int]:
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
