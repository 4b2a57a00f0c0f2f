"""Recorded trials: `trials.csv` says what each was, `samples.csv.gz` holds the acceleration, trial after trial.

Either may be compressed or not, under its name with or without `.gz`; its bytes say which.
"""

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, cast

from rules.motion.errors import BadTrials
from rules.motion.track import Sample

TRIALS: Final = "trials.csv"
SAMPLES: Final = "samples.csv.gz"
_LARGEST_G: Final = 1e9
_LATEST_S: Final = 1e13  # beyond it a clock cannot tell samples apart
_TELL_EVERY: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One recording of one person doing one thing."""

    name: str
    subject: str
    position: str
    activity: str
    is_fall: bool


@dataclass(frozen=True, slots=True)
class Recorded:
    """The samples of one trial: times in seconds, acceleration along three axes in g."""

    trial: str
    times_s: list[float]
    samples: list[Sample]


class LeftOut(NamedTuple):
    """A row that is of no use: its trial, empty where it names none, and what is wrong with it."""

    path: Path
    line: int
    trial: str
    problem: str


def refuse(row: LeftOut) -> None:
    """For whom no row may be missing.

    Raises:
        BadTrials: always.
    """
    raise BadTrials(f"{row.path}, line {row.line}: {row.problem}")


def path_of(folder: Path, name: str) -> Path:
    """The file of that name, or the one with or without `.gz` where only that is there."""
    path, other = folder / name, folder / (name.removesuffix(".gz") if name.endswith(".gz") else f"{name}.gz")
    return other if other.exists() and not path.exists() else path


def read_trials(folder: Path, *, left_out: Callable[[LeftOut], None] = refuse) -> dict[str, Trial]:
    """Reads what the trials are, by name. Columns `age` and `hz` are not needed: the samples carry their own times.

    Args:
        folder: with the file `TRIALS`.
        left_out: is told of each row with too few fields, an `is_fall` other than 0 and 1, no name, or a name that
            another one has already.

    Raises:
        BadTrials: the file or a column is missing, or no trial is in it.
    """
    path = path_of(folder, TRIALS)
    trials: dict[str, Trial] = {}
    with _opened(path) as file:
        lines = _lines(path, file)
        place = _columns(path, next(lines, (0, []))[1], ("trial", "subject", "position", "activity", "is_fall"))
        for line, row in lines:
            cell = {column: row[index].strip() for column, index in place.items() if index < len(row)}
            name = cell.get("trial", "")
            if problem := _trial_fault(row, cell, place, trials):
                left_out(LeftOut(path, line, name, problem))
                continue
            trials[name] = Trial(
                name=name,
                subject=cell["subject"],
                position=cell["position"],
                activity=cell["activity"],
                is_fall=cell["is_fall"] == "1",
            )
    if not trials:
        raise BadTrials(f"{path}: no trial in it")
    return trials


def read_samples(
    folder: Path,
    told: Callable[[float], None] = lambda _share: None,
    *,
    left_out: Callable[[LeftOut], None] = refuse,
) -> Iterator[Recorded]:
    """Reads trial by trial; never holds more than one, and gives none without a sample.

    Args:
        folder: with the file `SAMPLES`.
        told: is called now and then with the share of the file that has been read, 0 to 1.
        left_out: is told of each sample with a number that is none, and of those that stand apart from their trial's.

    Raises:
        BadTrials: the file or a column is missing, or it cannot be read to its end.
    """
    path = path_of(folder, SAMPLES)
    done: set[str] = set()
    current = Recorded("", [], [])
    with _opened(path) as file:
        size = max(1, path.stat().st_size)
        lines = _lines(path, file)
        place = _columns(path, next(lines, (0, []))[1], ("trial", "t_s", "x_g", "y_g", "z_g"))
        trial_at, numbers_at = place["trial"], [place[column] for column in ("t_s", "x_g", "y_g", "z_g")]
        for line, row in lines:
            if line % _TELL_EVERY == 0:
                told(min(1.0, file.tell() / size))
            try:
                name = row[trial_at].strip()
                at_s, x, y, z = [float(row[index]) for index in numbers_at]
            except (IndexError, ValueError):
                left_out(_unusable(path, line, row, place))
                continue
            # Sound numbers add up to one; which of them is not, matters only where they do not.
            if not (name and abs(at_s) < _LATEST_S and abs(x) + abs(y) + abs(z) < _LARGEST_G):
                left_out(_unusable(path, line, row, place))
                continue
            if name != current.trial:
                if name in done:
                    left_out(LeftOut(path, line, name, f"trial {name[:40]!r} again; its samples must stand together"))
                    continue
                if current.times_s:
                    yield current
                done.add(current.trial)
                current = Recorded(name, [], [])
            current.times_s.append(at_s)
            current.samples.append((x, y, z))
    if current.times_s:
        yield current
    told(1.0)


def _opened(path: Path) -> io.BufferedReader:
    try:
        return path.open("rb")
    except OSError as error:
        raise BadTrials(f"{path} cannot be read: {error.strerror}") from error


def _lines(path: Path, file: io.BufferedReader) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file, each with its line number; blank ones are passed over, one that is no CSV is empty."""
    line = 0
    try:
        packed = file.peek(2)[:2] == b"\x1f\x8b"
        binary: BinaryIO = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if packed else file
        with io.TextIOWrapper(binary, encoding="utf-8-sig", errors="replace", newline="") as text:
            rows = csv.reader(text)
            while True:
                try:
                    row = next(rows)
                except StopIteration:
                    return
                except csv.Error:
                    yield rows.line_num, []
                    continue
                line = rows.line_num
                if row:
                    yield line, row
    except (OSError, EOFError, zlib.error) as error:
        raise BadTrials(f"{path}, after line {line}: {error}") from error


def _columns(path: Path, header: list[str], wanted: tuple[str, ...]) -> dict[str, int]:
    names = [name.strip().lower() for name in header]
    missing = [column for column in wanted if column not in names]
    if missing:
        raise BadTrials(f"{path}: no column {', '.join(missing)} in its first line")
    return {column: names.index(column) for column in wanted}


def _trial_fault(
    row: list[str], cell: Mapping[str, str], place: Mapping[str, int], before: Mapping[str, Trial]
) -> str | None:
    if len(cell) < len(place):
        return f"{len(row)} fields are too few"
    if cell["is_fall"] not in {"0", "1"}:
        return f"is_fall is {cell['is_fall'][:40]!r}; right would be 0 or 1"
    if not cell["trial"] or cell["trial"] in before:
        return f"trial {cell['trial'][:40]!r} is empty or there already"
    return None


def _unusable(path: Path, line: int, row: list[str], place: Mapping[str, int]) -> LeftOut:
    named = row[place["trial"]].strip() if place["trial"] < len(row) else ""
    return LeftOut(path, line, named, _fault(row, place))


def _fault(row: list[str], place: Mapping[str, int]) -> str:
    for column, index in place.items():
        if index >= len(row) or (column == "trial" and not row[index].strip()):
            return f"no {column}"
        if column != "trial":
            try:
                number = float(row[index])
            except ValueError:
                return f"{column} is {row[index][:40]!r}, which is no number"
            if not isfinite(number) or abs(number) >= (_LATEST_S if column == "t_s" else _LARGEST_G):
                return f"{column} is {row[index][:40]!r}, which nothing measured"
    return "its numbers are beyond anything measured"
