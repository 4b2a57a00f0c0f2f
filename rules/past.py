"""What homes have lived through: the whole series of their meters, for whoever wants to try a policy on them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import AsyncConnection

from alerts.findings import Outcome, Subject
from registry.policy import Policy
from rules.series import serving_of, with_series
from rules.snapshot import Installation
from storage.sql import load

_SQL = load(__package__, "learner.sql")

# Somebody was in need, or nobody was home: no alarm of that time was for nothing.
_NOT_LIVED = (Outcome.GENUINE, Outcome.FALSE_AWAY, Outcome.FALSE_AT_FAMILY, Outcome.FALSE_HOSPITAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """One home, and what came of it.

    Attributes:
        meters: the devices installed now that meter water, with their series.
        not_lived: spans in which nobody was home, or somebody was in need.
    """

    home_id: int
    time_zone: str
    policy: Policy
    meters: tuple[Installation, ...]
    not_lived: tuple[tuple[datetime, datetime], ...] = ()


async def read_past(
    conn: AsyncConnection[Any],
    homes: Mapping[int, str],
    policies: Mapping[int, Policy],
    *,
    looked_back: timedelta,
    now: datetime,
) -> list[Past]:
    """Reads what homes have lived through.

    Args:
        conn: any connection; reads only.
        homes: home_id -> time zone.
        policies: home_id -> what holds for it now.
        looked_back: how far the series reach back.
        now: the time.
    """
    earliest, wanted = now - looked_back, list(homes)
    installed = await conn.execute(_SQL.installations, {"homes": wanted, "earliest": earliest}, binary=True)
    serving = [serving_of(row, earliest) for row in await installed.fetchall() if row[7] is None]
    rows = await conn.execute(
        _SQL.not_lived,
        {
            "homes": wanted,
            "subjects": [Subject(home_id=home_id).key for home_id in wanted],
            "outcomes": list(_NOT_LIVED),
            "earliest": earliest,
        },
    )
    spans: dict[int, list[tuple[datetime, datetime]]] = {}
    for home_id, from_at, until_at in await rows.fetchall():
        spans.setdefault(home_id, []).append((from_at, until_at))
    of_home: dict[int, list[Installation]] = {}
    for device in await with_series(conn, serving, policies, None, late_window=looked_back, now=now):
        if device.installation.meters_water:
            of_home.setdefault(device.home_id, []).append(device.installation)
    return [
        Past(
            home_id=home_id,
            time_zone=time_zone,
            policy=policies[home_id],
            meters=tuple(of_home.get(home_id, ())),
            not_lived=tuple(spans.get(home_id, ())),
        )
        for home_id, time_zone in homes.items()
    ]
