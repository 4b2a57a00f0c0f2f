"""The dashboards are what Grafana's own types allow, and slips are told."""

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from tests.dashboards import grafana
from tests.dashboards.typescript import complaints


def _first(board: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(panel for panel in board["panels"] if panel["type"] == kind)


#: What a slip of the hand or of the editor leaves behind.
_SLIPS: Final[Mapping[str, Callable[[dict[str, Any]], object]]] = {
    "unknown_field_of_board": lambda b: b.update(refreshes="10s"),
    "unknown_field_of_panel": lambda b: _first(b, "stat").update(colour="red"),
    "unknown_field_of_query": lambda b: _first(b, "table")["targets"][0].update(rawSQL=""),
    "unknown_kind_of_panel": lambda b: _first(b, "table").update(type="tabel"),
    "option_that_is_not": lambda b: _first(b, "stat")["options"].update(colourMode="none"),
    "value_that_is_not": lambda b: _first(b, "stat")["options"].update(colorMode="blink"),
    "drawing_that_is_not": lambda b: _first(b, "timeseries")["fieldConfig"]["defaults"]["custom"].update(
        drawStyle="bar"
    ),
    "override_that_is_not": lambda b: _first(b, "table")["fieldConfig"]["overrides"][0]["properties"][0].update(
        id="mapping"
    ),
    "foreign_data_source": lambda b: _first(b, "table")["targets"][0]["datasource"].update(uid="P4A5E"),
    "query_of_another_source": lambda b: _first(b, "table").update(
        datasource={"type": "prometheus", "uid": "anju-prometheus"}
    ),
    "format_that_is_not": lambda b: _first(b, "table")["targets"][0].update(format="tabel"),
    "query_without_a_name": lambda b: _first(b, "table")["targets"][0].pop("refId"),
    "text_for_a_number": lambda b: _first(b, "stat")["fieldConfig"]["defaults"]["thresholds"]["steps"][1].update(
        value="1"
    ),
    "title_in_one_language": lambda b: _first(b, "stat").update(title="Urgent"),
    "variable_refreshed_never_known": lambda b: b["templating"]["list"][0].update(refresh=3),
    "annotation_without_a_query": lambda b: b["annotations"]["list"][1]["target"].pop("rawSql"),
}


def test_dashboards_are_right_by_grafanas_types_and_slips_are_not(tmp_path: Path) -> None:
    boards = {file.stem: grafana.load(file) for file in grafana.FILES}
    assert len(boards) == 5
    small = copy.deepcopy(boards["duty-overview"])
    small["panels"] = [_first(small, kind) for kind in ("stat", "table", "timeseries")]
    slips: dict[str, dict[str, Any]] = {}
    for name, slip in _SLIPS.items():
        slips[name] = copy.deepcopy(small)
        slip(slips[name])
    said = complaints({**boards, "small": small, **slips}, tmp_path)
    assert {name: lines for name, lines in said.items() if name not in slips} == {}
    assert slips.keys() - said.keys() == set(), "slips that passed"
