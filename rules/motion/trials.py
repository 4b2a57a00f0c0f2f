"""Recorded trials: `trials.csv` says what each was, `samples.csv.gz` holds the acceleration, trial after trial."""

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import IO, Final

from rules.motion.errors import BadTrials
from rules.motion.track import Sample

TRIALS: Final = "trials.csv"
SAMPLES: Final = "samples.csv.gz"
_LARGEST: Final = 1e9
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


def read_trials(folder: Path) -> dict[str, Trial]:
    """Reads what the trials are, by name. Columns `age` and `hz` are not needed: the samples carry their own times.

    Raises:
        BadTrials: the file or a column is missing, a trial comes twice, `is_fall` is neither 0 nor 1.
    """
    path = folder / TRIALS
    trials: dict[str, Trial] = {}
    with _opened(path) as file:
        lines = _lines(path, file)
        place = _columns(path, next(lines, (0, []))[1], ("trial", "subject", "position", "activity", "is_fall"))
        for line, row in lines:
            if len(row) <= max(place.values()):
                raise BadTrials(f"{path}, line {line}: {len(row)} fields are too few")
            cell = {column: row[index].strip() for column, index in place.items()}
            if cell["is_fall"] not in {"0", "1"}:
                raise BadTrials(f"{path}, line {line}: is_fall is {cell['is_fall'][:40]!r}; right would be 0 or 1")
            if not cell["trial"] or cell["trial"] in trials:
                raise BadTrials(f"{path}, line {line}: trial {cell['trial'][:40]!r} is empty or there already")
            trials[cell["trial"]] = Trial(
                name=cell["trial"],
                subject=cell["subject"],
                position=cell["position"],
                activity=cell["activity"],
                is_fall=cell["is_fall"] == "1",
            )
    if not trials:
        raise BadTrials(f"{path}: no trial in it")
    return trials


def read_samples(folder: Path, told: Callable[[float], None] = lambda _share: None) -> Iterator[Recorded]:
    """Reads trial by trial; never holds more than one.

    Args:
        folder: with the file `samples.csv.gz`.
        told: is called now and then with the share of the file that has been read, 0 to 1.

    Raises:
        BadTrials: the file or a column is missing, a number is none, or a trial goes on after another has begun.
    """
    path = folder / SAMPLES
    done: set[str] = set()
    current = Recorded("", [], [])
    with _opened(path) as file:
        size = max(1, path.stat().st_size)
        lines = _lines(path, file)
        place = _columns(path, next(lines, (0, []))[1], ("trial", "t_s", "x_g", "y_g", "z_g"))
        trial_at, numbers_at = place["trial"], [place[column] for column in ("t_s", "x_g", "y_g", "z_g")]
        for line, row in lines:
            try:
                name = row[trial_at].strip()
                at_s, x, y, z = [float(row[index]) for index in numbers_at]
            except (IndexError, ValueError):
                raise BadTrials(f"{path}, line {line}: {_fault(row, place)}") from None
            # Sound numbers add up to one; which of them is not, matters only where they do not.
            if not abs(at_s) + abs(x) + abs(y) + abs(z) < _LARGEST:
                raise BadTrials(f"{path}, line {line}: {_fault(row, place)}")
            if name != current.trial:
                if current.times_s:
                    yield current
                done.add(current.trial)
                if name in done:
                    raise BadTrials(f"{path}, line {line}: trial {name[:40]!r} again; its samples must stand together")
                current = Recorded(name, [], [])
            current.times_s.append(at_s)
            current.samples.append((x, y, z))
            if line % _TELL_EVERY == 0:
                told(min(1.0, file.tell() / size))
    if current.times_s:
        yield current
    told(1.0)


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise BadTrials(f"{path} cannot be read: {error.strerror}") from error


def _lines(path: Path, file: IO[bytes]) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file, compressed or not, each with its line number; empty ones are left out."""
    plain = gzip.GzipFile(fileobj=file, mode="rb") if path.suffix == ".gz" else file
    with io.TextIOWrapper(plain, encoding="utf-8-sig", newline="") as text:
        rows = csv.reader(text)
        try:
            for row in rows:
                if row:
                    yield rows.line_num, row
        except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
            raise BadTrials(f"{path}, after line {rows.line_num}: {error}") from error


def _columns(path: Path, header: list[str], wanted: tuple[str, ...]) -> dict[str, int]:
    names = [name.strip().lower() for name in header]
    missing = [column for column in wanted if column not in names]
    if missing:
        raise BadTrials(f"{path}: no column {', '.join(missing)} in its first line")
    return {column: names.index(column) for column in wanted}


def _fault(row: list[str], place: Mapping[str, int]) -> str:
    for column, index in place.items():
        if index >= len(row):
            return f"no {column}"
        if column != "trial":
            try:
                number = float(row[index])
            except ValueError:
                return f"{column} is {row[index][:40]!r}, which is no number"
            if not isfinite(number) or abs(number) >= _LARGEST:
                return f"{column} is {row[index][:40]!r}, which nothing measured"
    return "its numbers are beyond anything measured"
