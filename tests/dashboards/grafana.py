"""The dashboards of config/grafana as Grafana reads them: their queries, with variables and macros put in.

The macros follow Grafana's documentation of its PostgreSQL data source, and for what that leaves open its source
(pkg/tsdb/grafana-postgresql-datasource): arguments end at the first closing bracket, an unknown macro is an error.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

from tests.servers import REPOSITORY

CONFIG: Final = REPOSITORY / "config" / "grafana"
FILES: Final = sorted((CONFIG / "dashboards").glob("*.json"))

_VARIABLE: Final = re.compile(r"\$\{(\w+)(?::(\w+))?\}|\$(?!__)(\w+)\b(?!\()")
_MACRO: Final = re.compile(r"\$(\w+)\(([^)]*)\)")
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One query of a dashboard, and what shows its result."""

    board: str
    place: str
    kind: Literal["panel", "annotation", "variable"]
    source: str
    text: str
    format: str
    panel: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.board}: {self.place}"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a person looks at: the time shown, the width of a point, and the variables."""

    from_: datetime
    to: datetime
    interval: str
    variables: Mapping[str, str]
    timescaledb: bool = False


def load(file: Path) -> dict[str, Any]:
    """A dashboard as it stands in its file."""
    board: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return board


def panels(board: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """All that show something: rows do not."""
    return (panel for panel in board["panels"] if panel["type"] != "row")


def queries(file: Path) -> Iterator[Query]:
    """Every query that opening the dashboard runs."""
    board = load(file)
    for panel in panels(board):
        for target in panel["targets"]:
            yield Query(
                board=file.stem,
                place=f"{panel['title']} {target['refId']}",
                kind="panel",
                source=target["datasource"]["type"],
                text=target.get("rawSql") or target["expr"],
                format=target["format"],
                panel=panel,
            )
    for note in board["annotations"]["list"]:
        if "target" in note:
            yield Query(
                board=file.stem,
                place=f"annotation {note['name']}",
                kind="annotation",
                source=note["datasource"]["type"],
                text=note["target"]["rawSql"],
                format="table",
                panel={},
            )
    for variable in board["templating"]["list"]:
        yield Query(
            board=file.stem,
            place=f"variable {variable['name']}",
            kind="variable",
            source=variable["datasource"]["type"],
            text=variable["query"],
            format="table",
            panel={},
        )


def sql(text: str, view: View) -> str:
    """What the database is asked.

    Raises:
        ValueError: a variable is not there, its format or a macro is not known.
    """
    for_all = text.replace("$__interval", view.interval)
    named = _VARIABLE.sub(lambda found: _variable(found, view.variables), for_all)
    expanded = _MACRO.sub(lambda found: _macro(found, view), named)
    if left := re.search(r"\$[{_]\S*", expanded):
        raise ValueError(f"not expanded: {left.group()}")
    return expanded


def promql(text: str, view: View) -> str:
    """What Prometheus is asked. A rate needs four scrapes, of 15 s as provisioned.

    Raises:
        ValueError: something in it is not known.
    """
    expanded = text.replace("$__rate_interval", "1m").replace("$__interval", view.interval)
    if "$" in expanded:
        raise ValueError(f"not expanded: {expanded}")
    return expanded


def _variable(found: re.Match[str], variables: Mapping[str, str]) -> str:
    name, form = found[1] or found[3], found[2]
    if name not in variables:
        raise ValueError(f"there is no variable {name}")
    if form != "sqlstring":
        raise ValueError(f"{found.group()}: into SQL only as ${{{name}:sqlstring}}, which quotes it")
    return "'" + variables[name].replace("'", "''") + "'"


def _macro(found: re.Match[str], view: View) -> str:
    name, arguments = found[1], [each.strip() for each in found[2].split(",")]
    from_, to = _rfc3339(view.from_), _rfc3339(view.to)
    match name:
        case "__timeFrom":
            return f"'{from_}'"
        case "__timeTo":
            return f"'{to}'"
        case "__timeFilter":
            return f"{arguments[0]} BETWEEN '{from_}' AND '{to}'"
        case "__timeGroup":
            column, width = arguments
            seconds = seconds_of(width.strip("'"))
            group = (
                f"time_bucket('{seconds:.3f}s',{column})"
                if view.timescaledb
                else f"floor(extract(epoch from {column})/{seconds})*{seconds}"
            )
            # A comma straight after the macro makes Grafana name the column, for the sake of old dashboards.
            return f'{group} AS "time"' if found.string[found.end() :].startswith(",") else group
    raise ValueError(f"unknown macro {name}")


def seconds_of(width: str) -> int:
    """`15m` in seconds."""
    return int(width[:-1]) * _UNITS_S[width[-1]]


def view(now: datetime, *, timescaledb: bool = False, **variables: object) -> View:
    """The last 30 days until `now`, an hour a point."""
    return View(
        from_=now - timedelta(days=30),
        to=now,
        interval="1h",
        variables={name: str(value) for name, value in variables.items()},
        timescaledb=timescaledb,
    )


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
