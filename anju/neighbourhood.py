"""A made-up neighbourhood: who lives there, with which devices, and how much water each home has used at any instant.

Pure. A home's meter index is a function of the seed, the home and the instant alone, so the same past comes out however
often it is published, and a later start goes on where an earlier one stopped.
"""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from types import MappingProxyType
from typing import Final, NamedTuple

LOCAL_OFFSET: Final = timedelta(hours=8)
TIME_ZONE: Final = "Asia/Shanghai"
AREA_ROOT: Final = "Demo City"

_HOMES_PER_COMMUNITY: Final = 12
_STREETS: Final = ("Willow Street", "Lantern Street", "Osmanthus Street", "Heron Street")
_DAY_S: Final = 86_400.0


class _Draw(NamedTuple):
    """A habit of the day: water runs at a chance moment within it, evenly over some minutes."""

    from_h: float
    to_h: float
    share: float
    minutes: float


# Nowhere less than 10 L in twelve hours: not over the afternoon, and not from the earliest last draw of the evening to
# the latest first one of the morning.
_HABIT: Final = (
    _Draw(0.5, 4.5, 0.05, 2),
    _Draw(6.0, 7.5, 0.30, 20),
    _Draw(11.0, 12.5, 0.20, 15),
    _Draw(17.0, 18.5, 0.25, 25),
    _Draw(20.5, 22.0, 0.20, 12),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedHome:
    """One home of the neighbourhood and what is installed in it."""

    number: int
    area: str
    name: str
    resident: str
    meter: str
    button: str
    pendant: str
    seed: int

    def water_total_l(self, at: datetime, *, dry_since: datetime | None = None) -> float:
        """The meter's index at an instant; it stands still after `dry_since`."""
        if dry_since is not None:
            at = min(at, dry_since)
        local_s = (at.astimezone(UTC) + LOCAL_OFFSET).replace(tzinfo=UTC).timestamp()
        day, second = divmod(local_s, _DAY_S)
        daily_l = 90.0 + 90.0 * _chance(self.seed, self.number, "daily")
        base_l = 10_000 + 40_000 * _chance(self.seed, self.number, "index")
        # Days are counted from 2024-01-01 so that indexes look like those of a meter a few years old.
        total_l = base_l + daily_l * (day - 19_723)
        for draw in _HABIT:
            start_h = draw.from_h + (draw.to_h - draw.from_h) * _chance(self.seed, self.number, day, draw.from_h)
            part = (second - start_h * 3600) / (draw.minutes * 60)
            total_l += daily_l * draw.share * min(1.0, max(0.0, part))
        return float(math.floor(total_l))

    def battery_pct(self, at: datetime) -> int:
        """The meter's battery; it loses about a point a month."""
        months = (at - datetime(2024, 1, 1, tzinfo=UTC)).days // 30
        return max(20, 100 - months - int(10 * _chance(self.seed, self.number, "battery")))


def build(homes: int, *, seed: int = 1) -> tuple[SimulatedHome, ...]:
    """Makes a neighbourhood of so many homes; a smaller one is always the beginning of a larger one."""
    return tuple(_home(number, seed) for number in range(1, homes + 1))


def import_csv(
    homes: Sequence[SimulatedHome], *, interval_s: int, intervals_s: Mapping[str, int] = MappingProxyType({})
) -> bytes:
    """The neighbourhood as a file for `anju import`: every home with a meter, a button and a pendant.

    Args:
        homes: who lives there.
        interval_s: how often meters say they report.
        intervals_s: meters that say otherwise.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["area", "home", "resident", "time_zone", "device", "driver", "model", "interval_s"])
    for home in homes:
        for device, model, reports_every_s in (
            (home.meter, "simulated meter", intervals_s.get(home.meter, interval_s)),
            (home.button, "simulated button", 0),
            (home.pendant, "simulated pendant", 0),
        ):
            row = [home.area, home.name, home.resident, TIME_ZONE, device, "native", model, reports_every_s]
            writer.writerow(row)
    return text.getvalue().encode()


def instants(first: datetime, last: datetime, step: timedelta) -> Iterator[datetime]:
    """The instants from `first` to `last`, both included where the step meets them."""
    at = first
    while at <= last:
        yield at
        at += step


def _home(number: int, seed: int) -> SimulatedHome:
    community, within = divmod(number - 1, _HOMES_PER_COMMUNITY)
    street, block = divmod(community, 4)
    street_name = _STREETS[street % len(_STREETS)]
    if street >= len(_STREETS):
        street_name += f" {street // len(_STREETS) + 1}"
    return SimulatedHome(
        number=number,
        area=f"{AREA_ROOT}/Riverside/{street_name}/Community {block + 1}",
        name=f"Building {within // 4 + 1}, flat {(within % 4 + 1) * 100 + 1}",
        resident=f"Made-up Resident {number}",
        meter=f"sim-meter-{number:05d}",
        button=f"sim-button-{number:05d}",
        pendant=f"sim-pendant-{number:05d}",
        seed=seed,
    )


def _chance(*of: object) -> float:
    """A number in [0, 1) that depends on its arguments alone, on every machine alike."""
    digest = blake2b(repr(of).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
