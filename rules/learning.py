"""What is learned of a home, from what, and from when on it counts. Pure.

A home is learned once a week, at an epoch of its own, from what was measured and received before it; the profile
counts from a day after. Where that was too little, it is tried again each day of the week, at the same time of day. So
what a look at any instant finds depends on the data alone, not on when anybody looked or learned, and the homes of a
city are not learned at one moment.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from typing import Any, Final
from zlib import crc32

from devices.meters import CLOCK_STEP_S
from registry.policy import Policy
from rules.calendars import is_workday
from rules.course import Course
from rules.flow import net_cover
from rules.presence import outside
from rules.profile import HISTORY, LEAST_HISTORY, Profile
from rules.profile.learning import profile_of
from rules.profile.lived import Past, past_of
from rules.profile.local import Clock, IsWorkday, clock
from rules.profile.pricing import EVERY
from rules.profile.recalled import recalled
from rules.segment import Segment
from rules.snapshot import Installation, Learned, instant
from rules.water import stretches
from rules.zones import zone

PERIOD: Final = timedelta(days=7)
COUNTS_AFTER: Final = timedelta(days=1)
TRIED_AGAIN: Final = timedelta(days=1)
"""So soon a home is learned again of which too little was known."""
LOOKED_BACK: Final = HISTORY + 2 * PERIOD
"""How far back the series must be read to learn what counts now and what counted before."""
_NEVER: Final = datetime.max.replace(tzinfo=UTC)
_START: Final = datetime(2000, 1, 3, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """All that is needed to learn one home.

    Attributes:
        installations: with their series over `LOOKED_BACK`.
        not_lived: spans in which nobody was home, or somebody was in need: they are not learned.
        epoch_at: the moment to be learned at: an epoch, or so many `TRIED_AGAIN` after one.
        known: what is learned already.
        strictness: of the only line that is asked for, an index of `STRICTNESS_H`; None: all, as they are to be stored.
    """

    home_id: int
    time_zone: str
    policy: Policy
    installations: tuple[Installation, ...]
    not_lived: tuple[tuple[datetime, datetime], ...]
    epoch_at: datetime
    known: tuple[Learned, ...] = ()
    strictness: int | None = None


def epoch(home_id: int, now: datetime) -> datetime:
    """The last moment, once a week, at which a home's habits were to be learned."""
    return now - (now - _first(home_id)) % PERIOD


@lru_cache(maxsize=1024)
def _first(home_id: int) -> datetime:
    offset_s = crc32(home_id.to_bytes(8, "big")) % int(PERIOD.total_seconds())
    return _START + timedelta(seconds=offset_s)


def learned_at(home_id: int, now: datetime) -> datetime:
    """The last moment at which a home's habits were to be learned, had they not been known."""
    return now - (now - _first(home_id)) % TRIED_AGAIN


def learned_next(home_id: int, at: datetime, profiles: Sequence[Learned]) -> datetime:
    """When a home is to be learned next, given what was learned at a moment."""
    return epoch(home_id, at) + PERIOD if is_known(profiles) else at + TRIED_AGAIN


def is_known(profiles: Sequence[Learned]) -> bool:
    """Whether the newest of what was learned is a line."""
    return bool(profiles) and profiles[-1].profile is not None


def next_change(home_id: int, now: datetime, profiles: Sequence[Learned]) -> datetime:
    """When the next profile of a home may begin to count, given those that count now."""
    # Nothing at all counts only until the home is first learned: then it is looked at.
    period, at = (PERIOD, epoch) if is_known(profiles) or not profiles else (TRIED_AGAIN, learned_at)
    counts_at = at(home_id, now) + COUNTS_AFTER
    return counts_at if counts_at > now else counts_at + period


def counting(profiles: Iterable[Learned], now: datetime) -> tuple[Learned, ...]:
    """Those that count already."""
    return tuple(each for each in profiles if each.from_at <= now)


def learned(history: History) -> tuple[Learned, ...]:
    """What counted last week, and what was learned in this one up to the moment, oldest first."""
    weekly_at = epoch(history.home_id, history.epoch_at)
    before_at = weekly_at - PERIOD
    earlier = [each for each in history.known if before_at <= each.from_at - COUNTS_AFTER < weekly_at]
    before = earlier or _tried(history, before_at, weekly_at - TRIED_AGAIN)
    return (before[-1], *_tried(history, weekly_at, history.epoch_at))


def _tried(history: History, weekly_at: datetime, until: datetime) -> list[Learned]:
    """What was learned at an epoch; where that was nothing, and something later, up to an instant, that too."""
    tried = [_learned(history, weekly_at)]
    at = weekly_at + TRIED_AGAIN
    while not is_known(tried) and at <= until:
        tried = [tried[0], _learned(history, at)]
        at += TRIED_AGAIN
    return tried if is_known(tried) else tried[:1]


def _learned(history: History, at: datetime) -> Learned:
    """What was learned at an epoch."""
    if at - _first_read_at(history) < LEAST_HISTORY:
        return Learned(from_at=at + COUNTS_AFTER, profile=None)
    meters = [_known_at(meter, at) for meter in history.installations if meter.meters_water]
    local = clock(zone(history.time_zone), _workdays(history.policy.holidays))
    since_s, until_s = (at - HISTORY).timestamp(), at.timestamp()
    past = None if history.not_lived else _recalled(meters, since_s, until_s, local)
    if past is None:
        past = past_of(outside(net_cover(meters), history.not_lived), since_s, until_s, local)
    asked = EVERY if history.strictness is None else (history.strictness,)
    return Learned(from_at=at + COUNTS_AFTER, profile=profile_of(past, until=at, asked=asked))


def _first_read_at(history: History) -> datetime:
    """Nothing was covered before; later than every epoch where nothing was ever read."""
    first_s = (meter.water.measured_s[0] for meter in history.installations if meter.water.measured_s)
    return min(map(instant, first_s), default=_NEVER)


def _recalled(meters: Sequence[Installation], since_s: float, until_s: float, local: Clock) -> Past | None:
    """What a home's one meter says, where all that it ever showed is known; None where it is to be worked out."""
    if len(meters) != 1 or meters[0].removed_at is not None:
        return None
    match stretches(meters[0]):
        case [Segment(at_s=at_s, course=Course() as course)] if at_s[0] >= meters[0].installed_at.timestamp():
            begin = bisect_left(course.at_s, at_s[0])
            return recalled(course, begin, begin + len(at_s), since_s=since_s, until_s=until_s, clock=local)
    return None


@lru_cache(maxsize=64)
def _workdays(country: str) -> IsWorkday:
    """The same function for the same country: by it a clock is known again."""
    return partial(is_workday, country)


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
