"""The dashboards agree with each other, with what is provisioned, and with the words of the pages."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alerts.life.case import Action
from alerts.model import Kind, Outcome, Severity, State
from alerts.report.reading import _ANSWERS
from alerts.web import words
from tests.dashboards import grafana
from tests.dashboards.worlds import World
from tests.servers import REPOSITORY


def test_dashboards_agree_with_each_other_and_with_what_is_provisioned() -> None:
    boards = {board["uid"]: board for board in map(grafana.load, grafana.FILES)}
    assert len(boards) == len(grafana.FILES)
    sources = (grafana.CONFIG / "provisioning" / "datasources" / "anju.yaml").read_text(encoding="utf-8")
    provisioned = set(re.findall(r"^ +uid: (\S+)$", sources, re.MULTILINE))
    for board in boards.values():
        ids = [panel["id"] for panel in board["panels"]]
        assert len(set(ids)) == len(ids)
        assert _overlaps(board) == [], board["title"]
        used = {target["datasource"]["uid"] for panel in grafana.panels(board) for target in panel["targets"]}
        assert used <= provisioned
        for uid, arguments in re.findall(r"'url': '/d/([\w-]+)\?([^']*)'", str(board)):
            asked = {variable["name"] for variable in boards[uid]["templating"]["list"]}
            assert {argument.partition("=")[0].removeprefix("var-") for argument in arguments.split("&")} <= asked


def test_files_are_laid_out_alike_so_that_a_change_reads_as_one() -> None:
    for file in grafana.FILES:
        laid_out = json.dumps(grafana.load(file), ensure_ascii=False, indent=2) + "\n"
        assert file.read_text(encoding="utf-8") == laid_out, f"python -m json.tool --no-ensure-ascii --indent 2 {file}"


def test_an_empty_cell_does_not_say_what_an_empty_table_says() -> None:
    # Grafana shows the default text of a table without rows in each cell without a value, too.
    for file in grafana.FILES:
        for panel in grafana.panels(grafana.load(file)):
            if panel["type"] == "table":
                first = panel["fieldConfig"]["overrides"][0]
                assert first["matcher"] == {"id": "byRegexp", "options": "/.*/"}
                assert first["properties"] == [{"id": "noValue", "value": "—"}]


def _overlaps(board: Mapping[str, Any]) -> list[tuple[int, int]]:
    taken: dict[tuple[int, int], int] = {}
    overlaps = []
    for panel in board["panels"]:
        at = panel["gridPos"]
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                if (x, y) in taken or x >= 24:
                    overlaps.append((taken.get((x, y), 0), panel["id"]))
                taken[x, y] = panel["id"]
    return overlaps


def test_no_secret_and_no_way_out_stands_in_grafanas_files() -> None:
    for file in grafana.CONFIG.rglob("*"):
        if file.suffix in (".yaml", ".ini"):
            for line in file.read_text(encoding="utf-8").splitlines():
                if re.match(r"\s*(\w*password|secret_key)\s*[:=]", line):
                    assert re.search(r"[:=] \$__file\{/run/secrets/\w+\}$", line), line
    ini = (grafana.CONFIG / "grafana.ini").read_text(encoding="utf-8")
    for off in ("reporting_enabled", "check_for_updates", "external_enabled", "allow_sign_up", "news_feed_enabled"):
        assert f"\n{off} = false\n" in ini


def test_what_must_be_set_is_said() -> None:
    page = (REPOSITORY / "docs" / "dashboards.md").read_text(encoding="utf-8")
    text = "".join(
        file.read_text(encoding="utf-8") for file in grafana.CONFIG.rglob("*") if file.suffix in (".yaml", ".ini")
    )
    asked = set(re.findall(r"\$(?:__env\{)?([A-Z][A-Z_]+)", text)) | set(re.findall(r"\$__file\{([^}]+)\}", text))
    assert len(asked) == 10
    assert {name for name in asked if f"`{name}`" not in page} == set()


def test_the_types_are_those_of_the_grafana_that_runs() -> None:
    package = json.loads((Path(__file__).parent / "types" / "package.json").read_text(encoding="utf-8"))
    version = package["devDependencies"]["@grafana/schema"]
    compose = (REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8")
    assert re.findall(r"image: grafana/grafana:(\S+)", compose) == [version]
    panels = [panel for file in grafana.FILES for panel in grafana.panels(grafana.load(file))]
    assert {panel["pluginVersion"] for panel in panels} == {version}


def test_words_are_those_of_the_pages(plain_world: World) -> None:
    with plain_world.owner() as conn:
        said = dict(conn.execute("SELECT kind, said FROM dashboard.kind").fetchall())
    # A new kind needs a migration that replaces the view; until then its own name stands there.
    assert said == {kind: " · ".join(words.KINDS[kind]) for kind in Kind}
    for closed in (Severity, State, Outcome):
        values = {str(value) for value in closed} - {"probe"}
        mapped = [keys for keys in _mapped_values() if keys & values]
        assert mapped, closed
        assert all(keys == values for keys in mapped), closed
    texts = " ".join(query.text for file in grafana.FILES for query in grafana.queries(file))
    for action in re.findall(r"s\.action IN \(([^)]*)\)", texts):
        assert set(re.findall(r"\w+", action)) <= {str(each) for each in Action}
    migration = (REPOSITORY / "storage/migrations/versions/0008_dashboards.sql").read_text(encoding="utf-8")
    assert f"s.action IN ({', '.join(map(repr, _ANSWERS))})" in migration


def _mapped_values() -> list[set[str]]:
    found = []
    for file in grafana.FILES:
        for panel in grafana.panels(grafana.load(file)):
            for override in panel["fieldConfig"]["overrides"]:
                for each in override["properties"]:
                    if each["id"] == "mappings":
                        found.append({key for mapping in each["value"] for key in mapping["options"]})
    return found
