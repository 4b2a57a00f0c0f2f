"""An alert that is not there, played through by the plan that counts: who would be told when. Changes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection

from alerts.escalation.circle import Kept, circles
from alerts.escalation.claiming import Claimed
from alerts.escalation.composing import loaded
from alerts.escalation.model import Circle, Due, Load, Message, Phase, Row, Told
from alerts.escalation.plan import plan
from alerts.life.case import Case
from alerts.model import Kind, Reason, Severity, State
from storage import sql

_Q = sql.load(__package__, "escalation.sql")
_MOST: Final = 200
_AT_MOST: Final = timedelta(days=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What the alert would be.

    Attributes:
        area_id: Where; None: nowhere in particular.
        home_id: Of which home; None: of none.
        kind: Which condition.
        severity: How grave.
        at: When it would be raised (aware).
        channels: The ways out that this installation has.
    """

    area_id: int | None
    home_id: int | None
    kind: Kind
    severity: Severity
    at: datetime
    channels: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What would be done at a time."""

    at: datetime
    messages: tuple[Message, ...]
    fell_upward: tuple[Mapping[str, Any], ...]
    nobody: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """The first round of the ladder, and when it would begin again."""

    circle: Circle
    moments: tuple[Moment, ...]
    again_at: datetime


async def around(conn: AsyncConnection[Any], scene: Scene) -> Circle:
    """Those around the alert."""
    return await _around(conn, _due(scene), scene, scene.at, Kept())


async def rehearse(conn: AsyncConnection[Any], scene: Scene) -> Rehearsal:
    """Plays the first round, as if nobody took it."""
    due, kept = _due(scene), Kept()
    first = circle = await _around(conn, due, scene, scene.at, kept)
    moments: list[Moment] = []
    loads: dict[int, Load] = {}
    while due.row.round == 0 and len(moments) < _MOST and due.row.due_at <= scene.at + _AT_MOST:
        now = due.row.due_at
        circle = await _around(conn, due, scene, now, kept)
        done = plan(due, circle, loads, now)
        told = dict(due.told)
        for message in done.messages:
            if message.person is not None:
                number = message.person.person_id
                told[number] = Told(run=1, at=message.not_before)
                loads[number] = loaded(loads.get(number, Load()), message, now)
        fell = done.entry.detail.get("fell_upward", []) if done.entry is not None else []
        moments.append(
            Moment(
                at=now,
                messages=done.messages,
                fell_upward=tuple(each for each in fell if isinstance(each, dict)) if isinstance(fell, list) else (),
                nobody=done.nobody,
            )
        )
        if done.nobody and not done.messages:
            break  # from here on it is the same each minute
        due = replace(due, row=done.row, told=told)
    return Rehearsal(circle=first, moments=tuple(moments), again_at=due.row.due_at)


async def area_of_home(conn: AsyncConnection[Any], home_id: int) -> int:
    """The area that a home is in."""
    row = await (await conn.execute(_Q.around, {"home": home_id})).fetchone()
    assert row is not None, "the home was there a moment ago"  # noqa: S101
    return int(row[0])


async def _around(conn: AsyncConnection[Any], due: Due, scene: Scene, now: datetime, kept: Kept) -> Circle:
    newest = await (await conn.execute(_Q.newest)).fetchone()
    rosters, policies = newest if newest is not None else (None, None)
    claimed = Claimed(due, scene.area_id, await _zone(conn, scene), (rosters, policies))
    (found,) = await circles(conn, [claimed], kept=kept, channels=scene.channels, now=now)
    return found


async def _zone(conn: AsyncConnection[Any], scene: Scene) -> ZoneInfo:
    if scene.home_id is not None:
        row = await (await conn.execute(_Q.around, {"home": scene.home_id})).fetchone()
        return ZoneInfo(row[1] if row is not None else "UTC")
    row = await (await conn.execute(_Q.zone_of_area, {"area": scene.area_id})).fetchone()
    return ZoneInfo(row[0] if row is not None else "UTC")


def _due(scene: Scene) -> Due:
    case = Case(
        alert_id=None,
        kind=scene.kind,
        severity=scene.severity,
        state=State.OPEN,
        since=scene.at,
        raised_at=scene.at,
        reason=Reason(id="rehearsal", values={}),
        evidence={},
    )
    row = Row(phase=Phase.TELLING, due_at=scene.at, run=1, started_at=scene.at)
    return Due(alert_id=0, case=case, row=row, facts={"home_id": scene.home_id})
