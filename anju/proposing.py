"""Makes a proposal: every line within the bounds is tried on every home of an area, then the budget is shared out."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from anju.proposals import HomeProposal, LeftOut, Line, Proposal, said
from registry.policy import Policy, resolve_homes
from rules.candidates import READ, NotTried, Tried, tried
from rules.past import read_past
from rules.propose import Option, allocate
from storage.sql import load

_SQL = load("anju", "proposals.sql")

_TOGETHER: Final = 4


async def propose(
    conn: AsyncConnection[TupleRow],
    area: str,
    visits_per_week: float,
    *,
    defaults: Policy,
    now: datetime,
    progress: Callable[[float], None],
) -> Proposal:
    """Proposes a line for each home of an area and below it; writes nothing.

    Args:
        conn: a connection.
        area: its path.
        visits_per_week: so many alarms for nothing are to be expected at most, of all homes together.
        defaults: what holds where no level says anything.
        now: the time.
        progress: told now and then which share is done.
    """
    homes = await (await conn.execute(_SQL.of_area, {"area": area})).fetchall()
    policies = {
        home_id: resolved.policy
        for home_id, resolved in (
            await resolve_homes(conn, {row[0]: row[1] for row in homes}, defaults=defaults)
        ).items()
    }
    paths = {row[0]: row[2] for row in homes}
    found: list[tuple[int, Tried]] = []
    left_out: list[LeftOut] = []
    for begin in range(0, len(homes), _TOGETHER):
        zones = {row[0]: row[3] for row in homes[begin : begin + _TOGETHER]}
        for past in await read_past(conn, zones, policies, looked_back=READ, now=now):
            try:
                found.append((past.home_id, await asyncio.to_thread(tried, past, now)))
            except NotTried as why:
                left_out.append(LeftOut(home=paths[past.home_id], why=str(why)))
        progress(min(1.0, (begin + _TOGETHER) / len(homes)))
    allocation = allocate([each.options for _, each in found], visits_per_week)
    return Proposal(
        made_at=now,
        area=area,
        visits_per_week=visits_per_week,
        is_over=allocation.is_over,
        homes=tuple(
            HomeProposal(
                home=paths[home_id],
                home_id=home_id,
                now=_line(each.now),
                proposed=_line(chosen),
                policy=said(policies[home_id]),
            )
            for (home_id, each), chosen in zip(found, allocation.chosen, strict=True)
        ),
        left_out=tuple(left_out),
    )


def _line(option: Option) -> Line:
    value = option.setting.value
    assert isinstance(value, int | float)  # noqa: S101 (every setting that is tried is a number)
    return Line(
        parameter=option.setting.parameter,
        value=value,
        alarms_per_week=option.alarms_per_week,
        delay_h=option.delay_h,
    )
