"""Reads what the figures of a month are made from. No SQL here decides anything but which rows are wanted."""

from datetime import datetime
from typing import Any, Final

from psycopg import AsyncConnection

from alerts.life.case import Action
from alerts.life.verdicts import FOUND_BY_PERSON
from alerts.model import Kind, Outcome, Severity
from alerts.report.figures import Past
from alerts.report.month import Month, Served, padded
from alerts.report.table import Report, report
from registry.importing import DEFAULT_TIME_ZONE
from storage.sql import load

_SQL = load(__package__, "reading.sql")

_ANSWERS: Final = [Action.ACKNOWLEDGED.value, Action.ON_THE_WAY.value, Action.ON_SCENE.value, Action.CLOSED.value]
_SETTING_OUT: Final = [Action.ON_THE_WAY.value, Action.ON_SCENE.value]
_ENDINGS: Final = [Action.CLOSED.value, Action.CLEARED.value]


async def read_report(conn: AsyncConnection[Any], area: str, month: Month, *, now: datetime) -> Report:
    """The report of an area, "" for the site, and a month."""
    begins, ends = padded(month)
    async with conn.transaction():
        await conn.execute(_SQL.one_view)
        cursor = await conn.execute(_SQL.homes, {"area": area, "begins": begins, "ends": ends})
        homes = [
            Served(area=path, time_zone=zone, periods=list(zip(since, until, strict=True)))
            for path, zone, since, until in await cursor.fetchall()
        ]
        zones = [home.time_zone for home in homes]
        default = max(sorted(set(zones)), key=zones.count) if zones else DEFAULT_TIME_ZONE
        cursor = await conn.execute(
            _SQL.alerts,
            {
                "area": area,
                "begins": begins,
                "ends": min(ends, now),
                "by_hand": list(FOUND_BY_PERSON),
                "unseen": [Outcome.RECORDED.value, Outcome.PROBE.value],
                "answers": _ANSWERS,
                "setting_out": _SETTING_OUT,
                "on_scene": Action.ON_SCENE.value,
                "endings": _ENDINGS,
            },
        )
        alerts = [
            Past(
                area=path,
                time_zone=zone or default,
                kind=Kind(kind),
                severity=Severity(severity),
                raised_at=raised_at,
                answered_at=answered_at,
                set_out=set_out_at is not None,
                on_scene_at=on_scene_at,
                closed_at=closed_at,
                outcome=None if outcome is None else Outcome(outcome),
            )
            for (
                path, zone, kind, severity, raised_at, outcome, answered_at, set_out_at, on_scene_at, closed_at
            ) in await cursor.fetchall()
        ]  # fmt: skip
    return report(area, month, alerts, homes, now)
