"""A recording that publishes as if it were now: `anju replay`.

The file has the columns `meter_id`, `measured_at` (ISO 8601 with an offset) and `total_l`; other columns are ignored.
All instants move by the same span, so that the last one falls on the start of the replay.
"""

import asyncio
import csv
import gzip
import io
import json
import math
import statistics
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from anju.errors import InputRefused
from anju.publishing import Message, Publisher, paced
from anju.simulate import stamp
from devices.times import parse_time

COLUMNS: Final = ("meter_id", "measured_at", "total_l")
_NOT_IN_TOPICS: Final = frozenset("/+#\0")


class RecordedRow(NamedTuple):
    """One reading of a recording."""

    measured_at: datetime
    meter: str
    total_l: float


class BadRow(NamedTuple):
    """A row that cannot be published."""

    line: int
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A recording in the order of time, and the rows of the file that are not in it."""

    rows: tuple[RecordedRow, ...]
    bad: tuple[BadRow, ...]

    def shifted(self, now: datetime) -> "Recording":
        """The same recording, moved so that its last reading was taken at `now`."""
        shift = now - self.rows[-1].measured_at
        moved = tuple(RecordedRow(row.measured_at + shift, row.meter, row.total_l) for row in self.rows)
        return Recording(rows=moved, bad=self.bad)

    def since(self, instant: datetime) -> "Recording":
        """The part of the recording from an instant on."""
        return Recording(rows=tuple(row for row in self.rows if row.measured_at >= instant), bad=self.bad)

    def older_than(self, instant: datetime) -> int:
        """How many readings lie before an instant."""
        return sum(row.measured_at < instant for row in self.rows)

    def intervals_s(self) -> dict[str, int]:
        """Each meter's usual distance between two readings, to the minute; an hour where it has one reading only."""
        instants: dict[str, list[datetime]] = {}
        for row in self.rows:
            instants.setdefault(row.meter, []).append(row.measured_at)
        return {meter: _usual_gap_s(times) for meter, times in instants.items()}


def read(path: Path) -> Recording:
    """Reads a CSV file, compressed with gzip where its bytes say so.

    Raises:
        InputRefused: it cannot be read, lacks a column, or has no good row.
    """
    try:
        data = path.read_bytes()
        if data.startswith(b"\x1f\x8b"):
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise InputRefused(f"{path} cannot be read: {error}") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputRefused(f"{path} is not UTF-8 text") from None
    rows: list[RecordedRow] = []
    bad: list[BadRow] = []
    reader = csv.DictReader(io.StringIO(text, newline=""))
    if missing := [column for column in COLUMNS if column not in (reader.fieldnames or ())]:
        raise InputRefused(f"{path} has no column {', '.join(missing)}; it needs {', '.join(COLUMNS)}")
    try:
        for cells in reader:
            try:
                rows.append(_row(cells["meter_id"], cells["measured_at"], cells["total_l"]))
            except ValueError as error:
                bad.append(BadRow(reader.line_num, str(error)))
    except csv.Error as error:
        bad.append(BadRow(reader.line_num, f"not CSV: {error}"))
    if not rows:
        first = f" (line {bad[0].line}: {bad[0].problem})" if bad else ""
        raise InputRefused(f"{path} has no row that can be published{first}")
    rows.sort()
    return Recording(rows=tuple(rows), bad=tuple(bad))


async def replay(
    publisher: Publisher,
    recording: Recording,
    *,
    rate_per_s: float | None,
    stop: asyncio.Event,
    published: Callable[[int], None],
) -> None:
    """Publishes a recording, one message for each reading, and tells `published` how far it is.

    Every reading counts once acknowledged. When `stop` is set, what is under way is still finished.
    """

    def messages() -> Iterator[Message]:
        for row in recording.rows:
            if stop.is_set():
                return
            yield Message(
                f"anju/{row.meter}/reading", f'{{"at":"{stamp(row.measured_at)}","water_total_l":{row.total_l!r}}}'
            )

    async for message in paced(messages(), per_s=rate_per_s):
        await publisher.submit(message)
        published(publisher.acknowledged)
    await publisher.drain()
    published(publisher.acknowledged)


def import_csv(recording: Recording, *, area: str) -> bytes:
    """The recording's meters as a file for `anju import`: a home for each."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["area", "home", "device", "interval_s"])
    for meter, interval_s in sorted(recording.intervals_s().items()):
        writer.writerow([area, f"Home of {meter}", meter, interval_s])
    return text.getvalue().encode()


def _row(meter: str | None, measured_at: str | None, total_l: str | None) -> RecordedRow:
    meter = (meter or "").strip()
    if not meter or len(meter) > 128 or _NOT_IN_TOPICS.intersection(meter):
        raise ValueError(f"meter_id {json.dumps(meter[:40])} cannot be part of an MQTT topic")
    try:
        at = parse_time((measured_at or "").strip())
    except ValueError:
        raise ValueError(f"measured_at {(measured_at or '')[:40]!r} is not a time with an offset") from None
    try:
        total = float(total_l or "")
    except ValueError:
        total = math.nan
    if not math.isfinite(total):
        raise ValueError(f"total_l {(total_l or '')[:40]!r} is not a number")
    return RecordedRow(at, meter, total)


def _usual_gap_s(instants: Sequence[datetime]) -> int:
    gaps = [(later - earlier) / timedelta(seconds=1) for earlier, later in pairwise(instants)]
    return max(60, round(statistics.median(gaps) / 60) * 60) if gaps else 3600
