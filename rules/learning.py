"""What is learned of a home, from what, and from when on it counts. Pure.

A home is learned once a week, at an epoch of its own, from what was measured and received before it; the profile
counts from a day after. So what a look at any instant finds depends on the data alone, not on when anybody looked or
learned, and the homes of a city are not learned at one moment.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from zlib import crc32

from devices.meters import CLOCK_STEP_S
from registry.policy import Policy
from rules.calendars import is_workday
from rules.flow import net_cover
from rules.presence import outside
from rules.profile import HISTORY, Profile, learn
from rules.snapshot import Installation, Learned, instant
from rules.zones import zone

PERIOD: Final = timedelta(days=7)
COUNTS_AFTER: Final = timedelta(days=1)
LOOKED_BACK: Final = HISTORY + 2 * PERIOD
"""How far back the series must be read to learn what counts now and what counted before."""
_START: Final = datetime(2000, 1, 3, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """All that is needed to learn one home.

    Attributes:
        installations: with their series over `LOOKED_BACK`.
        not_lived: spans in which nobody was home, or somebody was in need: they are not learned.
        epoch_at: the epoch to be learned.
        known: what is learned already.
    """

    home_id: int
    time_zone: str
    policy: Policy
    installations: tuple[Installation, ...]
    not_lived: tuple[tuple[datetime, datetime], ...]
    epoch_at: datetime
    known: tuple[Learned, ...] = ()


def epoch(home_id: int, now: datetime) -> datetime:
    """The last moment, once a week, at which a home's habits were to be learned."""
    return now - (now - _first(home_id)) % PERIOD


@lru_cache(maxsize=1024)
def _first(home_id: int) -> datetime:
    offset_s = crc32(home_id.to_bytes(8, "big")) % int(PERIOD.total_seconds())
    return _START + timedelta(seconds=offset_s)


def next_change(home_id: int, now: datetime) -> datetime:
    """When the next profile of a home begins to count."""
    counts_at = epoch(home_id, now) + COUNTS_AFTER
    return counts_at if counts_at > now else counts_at + PERIOD


def counting(profiles: Iterable[Learned], now: datetime) -> tuple[Learned, ...]:
    """Those that count already."""
    return tuple(each for each in profiles if each.from_at <= now)


def learned(history: History) -> tuple[Learned, ...]:
    """The profile of this epoch and the one before it, oldest first."""
    before_at = history.epoch_at - PERIOD
    before = next((each for each in history.known if each.from_at == before_at + COUNTS_AFTER), None)
    return (before or _learned(history, before_at), _learned(history, history.epoch_at))


def _learned(history: History, at: datetime) -> Learned:
    """What was learned at an epoch."""
    meters = [_known_at(meter, at) for meter in history.installations if meter.meters_water]
    segments = outside(net_cover(meters), history.not_lived)
    local = zone(history.time_zone)
    country = history.policy.holidays
    profile = learn(segments, until=at, zone=local, is_workday=lambda day: is_workday(country, day))
    return Learned(from_at=at + COUNTS_AFTER, profile=profile)


def _known_at(meter: Installation, at: datetime) -> Installation:
    """A meter with what was measured and received before an instant."""
    water, at_s = meter.water, at.timestamp()
    if not water.received_s:
        # Received within this of when it was measured.
        end = bisect_left(water.measured_s, at_s - CLOCK_STEP_S)
        return replace(meter, water=replace(water, measured_s=water.measured_s[:end], totals_l=water.totals_l[:end]))
    kept = [place for place, received_s in enumerate(water.received_s) if received_s < at_s]
    return replace(
        meter,
        water=replace(
            water,
            measured_s=[water.measured_s[place] for place in kept],
            totals_l=[water.totals_l[place] for place in kept],
            received_s=[water.received_s[place] for place in kept],
        ),
    )


def to_stored(profiles: Iterable[Learned]) -> list[dict[str, Any]]:
    """The `profiles` column."""
    return [
        {"from_s": each.from_at.timestamp(), "profile": None if each.profile is None else each.profile.to_json()}
        for each in profiles
    ]


def from_stored(profiles: Sequence[Mapping[str, Any]]) -> tuple[Learned, ...]:
    """The reverse of `to_stored`; a profile that this release cannot read is left out."""
    return tuple(
        Learned(
            from_at=instant(each["from_s"]),
            profile=None if each["profile"] is None else Profile.from_json(each["profile"]),
        )
        for each in profiles
    )
