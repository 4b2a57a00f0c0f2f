"""Every SQL query of the dashboards runs with Grafana's rights, on both databases, and finds something to show."""

import functools
from decimal import Decimal
from typing import Any, Final

import psycopg
import pytest

from tests.dashboards import grafana
from tests.dashboards.grafana import Query
from tests.dashboards.worlds import World

_SQL: Final = [each for file in grafana.FILES for each in grafana.queries(file) if each.source != "prometheus"]
_NUMBERS: Final = (int, float, Decimal)


@pytest.mark.parametrize("place", ["plain_world", "timescale_world"])
def test_every_query_runs_as_grafanas_role_and_finds_something(place: str, request: pytest.FixtureRequest) -> None:
    world: World = request.getfixturevalue(place)
    at = functools.partial(grafana.view, world.lived.now, home=world.lived.home_id)
    views = [at(area=0), at(area=0, timescaledb=True) if world.timescaledb else at(area=world.lived.area_id)]
    faults = []
    with world.grafana() as conn:
        for number, seen in enumerate(views):
            for query in _SQL:
                try:
                    cursor = conn.execute(grafana.sql(query.text, seen).encode())
                    columns = [column.name for column in cursor.description or ()]
                    rows = cursor.fetchall()
                except (psycopg.Error, ValueError) as error:
                    faults.append(f"{query} in view {number}: {error}")
                    continue
                faults += [f"{query} in view {number}: {fault}" for fault in _faults(query, columns, rows)]
    assert faults == []
    assert len(_SQL) > 60


def _faults(query: Query, columns: list[str], rows: list[tuple[Any, ...]]) -> list[str]:
    """What Grafana could not show."""
    found = [] if rows else ["no rows"]
    if len(set(columns)) < len(columns):
        found.append(f"two columns of one name: {columns}")
    match query.kind:
        case "annotation":
            wanted = {"time", "text"}
        case "variable":
            wanted = {"__text", "__value"}
            values = [row[columns.index("__value")] for row in rows]
            if len(set(values)) < len(values) or not all(isinstance(value, str) for value in values):
                found.append("values must be texts, each once")
        case _:
            wanted = {"time"} if query.format == "time_series" else set()
    found += [f"no column {name}" for name in wanted - set(columns)]
    if query.kind == "panel" and rows and not found:
        found += _panel_faults(query, columns, rows)
    return found


def _panel_faults(query: Query, columns: list[str], rows: list[tuple[Any, ...]]) -> list[str]:
    panel, found = query.panel, []
    if query.format == "time_series":
        times = [row[columns.index("time")] for row in rows]
        if times != sorted(times):
            found.append("not in the order of time")
        others = [
            value for row in rows for name, value in zip(columns, row, strict=True) if name not in ("time", "metric")
        ]
        if not any(isinstance(value, _NUMBERS) for value in others):
            found.append("nothing to draw")
    elif panel["type"] == "stat":
        fields = panel["options"]["reduceOptions"]["fields"].strip("/^$")
        shown = rows[0][columns.index(fields)] if fields else rows[0][0]
        if len(rows) != 1 or shown is None or (not fields and not isinstance(shown, _NUMBERS)):
            found.append(f"not one figure: {rows[:2]}")
    else:
        matchers = [override["matcher"] for override in panel["fieldConfig"]["overrides"]]
        overridden = {matcher["options"] for matcher in matchers if matcher["id"] == "byName"}
        found += [f"an override of {name}, which is no column" for name in overridden - set(columns)]
        if panel["type"] == "barchart" and panel["options"]["xField"] not in columns:
            found.append("no column for the bars' names")
    return found


def test_variables_are_quoted_and_unknown_macros_refused(plain_world: World) -> None:
    seen = grafana.view(plain_world.lived.now, home="1' OR true --")
    assert grafana.sql("SELECT ${home:sqlstring}", seen) == "SELECT '1'' OR true --'"
    for wrong in (
        "SELECT $home",
        "SELECT ${home}",
        "SELECT ${area:sqlstring}",
        "SELECT $__timeGruop(a, 1h)",
        "${home:raw}",
    ):
        with pytest.raises(ValueError, match=r"no variable|only as|unknown macro|not expanded"):
            grafana.sql(wrong, seen)
