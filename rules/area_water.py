"""Reads the meters of areas in which a few homes are dry, or whose water is shut off: a sample, every few minutes."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import AsyncConnection

from registry.policy import Policy
from rules.areas import Together, Town
from rules.pacing import Slices
from rules.profile.history import silences
from rules.series import serving_of, with_series
from rules.shut_off import DAYS, LIVED, SAMPLE, Metered, Read, shut_off, still_off
from rules.snapshot import Installation
from rules.water import cover
from rules.zones import zone
from storage.sql import load

_SQL = load(__package__, "area_water.sql")

EVERY: Final = timedelta(minutes=5)
_AT_ONCE: Final = 3
_SAMPLED_AREAS: Final = 100
_LONGEST: Final = timedelta(days=28)
_USED_BEFORE: Final = timedelta(days=DAYS + 1)


class _Sample(NamedTuple):
    homes: Sequence[Metered]
    asked: int
    time_zone: str


class _Said(NamedTuple):
    turn: int
    together: Together | None
    metered: int
    areas: Mapping[int, int]


@dataclass(slots=True)
class AreaWater:
    """What one process knows of the water of areas; another one that looks in turn reads it for itself.

    All read anew at the same moments, and nothing older counts: so one never takes back what another has just found.
    """

    _said: dict[int, _Said] = field(default_factory=dict, init=False)
    _read_last: dict[int, int] = field(default_factory=dict, init=False)

    async def read(
        self,
        conn: AsyncConnection[Any],
        suspected: Sequence[int],
        *,
        standing_since_s: Mapping[int, float],
        town: Town,
        policies: Mapping[int, Policy],
        now: datetime,
    ) -> Read:
        """What the meters say.

        Args:
            conn: in a transaction.
            suspected: areas in which homes are dry, the most urgent first; only some are read at one look.
            standing_since_s: area -> since when an incident of it holds; each is read.
            town: the areas.
            policies: area -> its limits, of all of these.
            now: the time of the look.

        Raises:
            psycopg.Error: as the database says.
        """
        turn = int(now.timestamp() // EVERY.total_seconds())
        self._said = {area: said for area, said in self._said.items() if said.turn == turn}
        self._read_last = {area: last for area in suspected if (last := self._read_last.get(area, 0))}
        unread = [area for area in suspected if area not in self._said and area not in standing_since_s]
        unread.sort(key=lambda area: self._read_last.get(area, 0))
        unread = [area for area in standing_since_s if area not in self._said] + unread[:_AT_ONCE]
        for area in unread:
            self._read_last[area] = turn
            self._said[area] = await self._read(
                conn, area, turn, standing_since_s.get(area), town=town, policy=policies[area], now=now
            )
        wanted = {area: said for area in (*standing_since_s, *suspected) if (said := self._said.get(area)) is not None}
        return Read(
            together={area: said.together for area, said in wanted.items() if said.together is not None},
            metered={area: said.metered for area, said in wanted.items()},
            areas={home: own for said in wanted.values() for home, own in said.areas.items()},
        )

    async def _read(
        self,
        conn: AsyncConnection[Any],
        area: int,
        turn: int,
        since_s: float | None,
        *,
        town: Town,
        policy: Policy,
        now: datetime,
    ) -> _Said:
        now_s = now.timestamp()
        if since_s is None:
            sample = await _sampled(conn, town.below(area), policy, now - _USED_BEFORE, now)
            clock = zone(sample.time_zone)
            # In a thread: a press must not wait for the arithmetic of a week.
            together = await asyncio.to_thread(
                shut_off, sample.homes, least_homes=policy.area_homes, zone=clock, now_s=now_s
            )
        else:
            earliest = max(now - _LONGEST, now - timedelta(seconds=now_s - since_s) - 2 * LIVED)
            sample = await _sampled(conn, town.below(area), policy, earliest, now)
            together = still_off(sample.homes, since_s, least_homes=policy.area_homes, share=policy.area_share)
        watched = town.watched.get(area, sample.asked)
        metered = round(watched * len(sample.homes) / sample.asked) if sample.asked else 0
        return _Said(turn, together, metered, {home.home_id: home.area_id for home in sample.homes})


async def _sampled(
    conn: AsyncConnection[Any], areas: Sequence[int], policy: Policy, earliest: datetime, now: datetime
) -> _Sample:
    # Of a whole city some areas, evenly: those beside each other have the same mains.
    step = -(-len(areas) // _SAMPLED_AREAS) or 1
    asked = areas[::step]
    cursor = await conn.execute(
        _SQL.sampled,
        {"areas": list(asked), "each": max(1, SAMPLE // max(1, len(asked))), "earliest": earliest},
        binary=True,
    )
    rows = await cursor.fetchall()
    area_of = {row[0]: row[1] for row in rows}
    serving = [serving_of((row[0], *row[3:]), earliest) for row in rows]
    limits = dict.fromkeys(area_of, policy)
    of_home: dict[int, list[Installation]] = {}
    for device in await with_series(conn, serving, limits, None, late_window=now - earliest, now=now):
        if device.installation.meters_water:
            of_home.setdefault(device.home_id, []).append(device.installation)
    slices, homes = Slices(), list[Metered]()
    for home_id, meters in of_home.items():
        if segments := cover(meters):
            homes.append(
                Metered(
                    home_id,
                    area_of[home_id],
                    [(segment.at_s[0], segment.at_s[-1]) for segment in segments],
                    [silence.since_s for silence in silences(segments)],
                )
            )
        await slices.give_way()
    return _Sample(homes, len(area_of), str(rows[0][2]) if rows else "UTC")
