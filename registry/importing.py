"""Reads and checks an import file; pure, and complete before anything is written.

One row names a home and, where the cells are filled, a resident and a device of it; a home with two devices has two
rows. `registry.applying` writes what this module has passed.
"""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from devices.errors import NameInvalid
from registry.csv_rows import check_text, decoded, records
from registry.errors import DeviceRefused, Fault, ImportRefused

REQUIRED: Final = ("area", "home")
COLUMNS: Final = (
    *REQUIRED,
    "resident",
    "time_zone",
    "device",
    "driver",
    "model",
    "interval_s",
    "litres_per_pulse",
    "resolution_l",
    "gateway",
)
DEFAULT_TIME_ZONE: Final = "Asia/Shanghai"
DEFAULT_DRIVER: Final = "native"
DEFAULT_INTERVAL_S: Final = 900
"""A device without a stated interval is expected every 15 minutes: one that is not watched for silence must say so."""

_MAX_DEVICE_NAME: Final = 128
_MAX_INTERVAL_S: Final = 31 * 24 * 3600
_NOT_IN_TOPICS: Final = frozenset("+#")
_DEVICE_COLUMNS: Final = ("driver", "model", "interval_s", "litres_per_pulse", "resolution_l", "gateway")

Naming = Callable[[str, str], str]
"""From a driver's name and a device's, as somebody wrote it, to the name that messages carry; raises `NameInvalid`."""


class _Known(NamedTuple):
    drivers: Collection[str]
    naming: Naming


class HomeKey(NamedTuple):
    """What tells a home from all others."""

    area: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRow:
    """One device as the file describes it.

    Attributes:
        interval_s: the reporting interval; None for a device that reports only when something happens.
        litres_per_pulse: for meters that count pulses.
        resolution_l: litres of the register's last digit; None: to be told from what it shows.
        gateway: the gateway it is heard through, where several devices share one.
    """

    name: str
    driver: str
    model: str | None
    interval_s: int | None
    litres_per_pulse: float | None
    resolution_l: float | None = None
    gateway: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRow:
    """One row that passed every check, with defaults filled in."""

    line: int
    home: HomeKey
    time_zone: str
    resident: str | None
    device: DeviceRow | None


def as_written(_driver: str, name: str) -> str:
    """The naming of those who write names as messages carry them."""
    return name


def read_rows(
    data: bytes,
    *,
    drivers: Collection[str],
    naming: Naming = as_written,
    default_time_zone: str = DEFAULT_TIME_ZONE,
    encoding: str = "utf-8-sig",
) -> tuple[ImportRow, ...]:
    """Reads a CSV file.

    Args:
        data: the file's bytes.
        drivers: the names of the drivers that exist.
        naming: from a device's name in the file to the one that its messages carry.
        default_time_zone: what an empty `time_zone` means.
        encoding: how the bytes stand for text; the default is UTF-8 with or without a byte order mark.

    Raises:
        ImportRefused: with every fault of the file.
    """
    text = decoded(data, encoding)
    faults: list[Fault] = []
    rows: list[ImportRow] = []
    cells_at: dict[tuple[str, ...], int] = {}
    for line, cells in records(text, COLUMNS, REQUIRED, faults):
        content = tuple(cells[column] for column in COLUMNS)
        if (first := cells_at.setdefault(content, line)) != line:
            faults.append(Fault(line=line, column=None, problem=f"is the same as line {first}"))
            continue
        row = _read_row(line, cells, _Known(drivers, naming), default_time_zone, faults)
        if row is not None:
            rows.append(row)
    faults.extend(_contradictions(rows))
    if not rows and not faults:
        faults.append(Fault(line=None, column=None, problem="the file has a header but no rows"))
    if faults:
        raise ImportRefused(sorted(faults, key=lambda fault: fault.line or 0))
    return tuple(rows)


def check_device(cells: Mapping[str, str], *, drivers: Collection[str], naming: Naming = as_written) -> DeviceRow:
    """Checks the description of one device as that of a row of a file.

    Args:
        cells: `device`, and as far as wanted `driver`, `model`, `interval_s`, `litres_per_pulse`, `resolution_l`
            and `gateway`; what is empty or absent takes the defaults of an import.
        drivers: the names of the drivers that exist.
        naming: from a device's name as typed to the one that its messages carry.

    Raises:
        DeviceRefused: with every fault.
    """
    faults: list[Fault] = []

    def fault(column: str, problem: str) -> None:
        faults.append(Fault(line=None, column=column, problem=problem))

    filled = dict.fromkeys(COLUMNS, "") | {column: text.strip() for column, text in cells.items()}
    check_text(filled, fault)
    if not filled["device"]:
        fault("device", "is empty")
    device = _device(filled, _Known(drivers, naming), fault)
    if device is None or faults:
        raise DeviceRefused(faults)
    return device


def _read_row(
    line: int, cells: Mapping[str, str], known: _Known, default_time_zone: str, faults: list[Fault]
) -> ImportRow | None:
    before = len(faults)

    def fault(column: str, problem: str) -> None:
        faults.append(Fault(line=line, column=column, problem=problem))

    check_text(cells, fault)
    area = _area(cells["area"], fault)
    if not cells["home"]:
        fault("home", "is empty")
    time_zone = cells["time_zone"] or default_time_zone
    if not _is_time_zone(time_zone):
        fault("time_zone", f"{time_zone!r} is not a time zone; an example is {DEFAULT_TIME_ZONE}")
    device = _device(cells, known, fault)
    if len(faults) > before:
        return None
    home = HomeKey(area, cells["home"])
    return ImportRow(line=line, home=home, time_zone=time_zone, resident=cells["resident"] or None, device=device)


def _area(text: str, fault: Callable[[str, str], None]) -> str:
    parts = [part.strip() for part in text.split("/")]
    if not text:
        fault("area", "is empty; it is a path such as city/district/street/community")
    elif not all(parts):
        fault("area", f"{text!r} has an empty part; it is a path such as city/district/street/community")
    return "/".join(parts)


def _is_time_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder, such as "Asia"
        return False
    return True


def _device(cells: Mapping[str, str], known: _Known, fault: Callable[[str, str], None]) -> DeviceRow | None:
    name = cells["device"]
    if not name:
        for column in _DEVICE_COLUMNS:
            if cells[column]:
                fault(column, "is filled, but the row names no device")
        return None
    if len(name) > _MAX_DEVICE_NAME:
        fault("device", f"is longer than {_MAX_DEVICE_NAME} characters")
    driver = cells["driver"] or DEFAULT_DRIVER
    # Friendly names of zigbee2mqtt may take in several levels of a topic; nobody's name can have a wildcard.
    if bad := sorted(_NOT_IN_TOPICS.union("/" if driver == DEFAULT_DRIVER else "").intersection(name)):
        fault("device", f"{name!r} has {' '.join(bad)} in it, which an MQTT topic level cannot have")
    if driver not in known.drivers:
        close = get_close_matches(driver, known.drivers, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(sorted(known.drivers))}"
        fault("driver", f"there is no driver {driver!r}; {hint}")
    try:
        name = known.naming(driver, name)
    except NameInvalid as invalid:
        fault("device", str(invalid))
    return DeviceRow(
        name=name,
        driver=driver,
        model=cells["model"] or None,
        interval_s=_interval_s(cells["interval_s"], fault),
        litres_per_pulse=_litres("litres_per_pulse", cells, fault),
        resolution_l=_litres("resolution_l", cells, fault),
        gateway=cells["gateway"] or None,
    )


def _interval_s(text: str, fault: Callable[[str, str], None]) -> int | None:
    if not text:
        return DEFAULT_INTERVAL_S
    try:
        seconds = int(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= _MAX_INTERVAL_S:
        fault(
            "interval_s",
            f"{text!r} is not a whole number of seconds up to {_MAX_INTERVAL_S}"
            " (0: the device reports only when something happens)",
        )
    return seconds or None


def _litres(column: str, cells: Mapping[str, str], fault: Callable[[str, str], None]) -> float | None:
    text = cells[column]
    if not text:
        return None
    try:
        litres = float(text)
    except ValueError:
        litres = math.nan
    if not 0 < litres <= 1e6:
        fault(column, f"{text!r} is not a number of litres above 0, such as 1 or 0.5")
    return litres


def _contradictions(rows: Sequence[ImportRow]) -> Iterator[Fault]:
    """Rows that are good alone and cannot both be true."""
    zone_of: dict[HomeKey, ImportRow] = {}
    row_of: dict[str, tuple[ImportRow, DeviceRow]] = {}
    for row in rows:
        first = zone_of.setdefault(row.home, row)
        if first.time_zone != row.time_zone:
            problem = f"{row.time_zone} here, {first.time_zone} for the same home in line {first.line}"
            yield Fault(line=row.line, column="time_zone", problem=problem)
        if row.device is None:
            continue
        other, described = row_of.setdefault(row.device.name, (row, row.device))
        if other.home != row.home:
            problem = f"{row.device.name!r} is in another home in line {other.line}"
            yield Fault(line=row.line, column="device", problem=problem)
        elif described != row.device:
            problem = f"{row.device.name!r} is described otherwise in line {other.line}"
            yield Fault(line=row.line, column="device", problem=problem)
