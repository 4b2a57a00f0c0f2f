"""Every PromQL query of the dashboards is understood by Prometheus and asks for what is measured."""

import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.dashboards import grafana
from tests.measured import measured
from tests.prometheus import CONFIG, files, program

_PROMQL: Final = [each for file in grafana.FILES for each in grafana.queries(file) if each.source == "prometheus"]


def test_prometheus_understands_every_query(tmp_path: Path) -> None:
    seen = grafana.view(datetime.now(UTC))
    rules = [
        f"      - record: dashboard:query:{number}\n        expr: |-\n          {grafana.promql(query.text, seen)}\n"
        for number, query in enumerate(_PROMQL)
    ]
    file = tmp_path / "queries.yml"
    file.write_text("groups:\n  - name: dashboards\n    rules:\n" + "".join(rules), encoding="utf-8")
    done = subprocess.run(
        [program("promtool"), "check", "rules", str(file)], capture_output=True, text=True, timeout=60, check=False
    )
    assert f"{len(_PROMQL)} rules found" in done.stdout, done.stdout + done.stderr


def test_every_metric_and_label_of_a_query_is_measured_or_recorded() -> None:
    labels = {name: {*of, "role", "instance", "job"} for name, of in measured().items()}
    for rule in files("rules"):
        text = (CONFIG / rule).read_text(encoding="utf-8")
        for name in re.findall(r"- record: (\S+)", text):
            levels = name.partition(":")[0]
            labels[name] = set() if levels == "anju" else set(levels.split("_"))
    labels |= {"up": {"role", "instance", "job"}, "ALERTS": {"alertname", "alertstate", "severity"}}
    for query in _PROMQL:
        names = set(re.findall(r"\b(?:[a-z_]+:)?anju_\w+(?::\w+)?|\banju:\w+:\w+|\bup\b|\bALERTS\b", query.text))
        if "{__name__=~" in query.text:
            (pattern,) = re.findall(r'__name__=~"([^"]*)"', query.text)
            names = {name for name in labels if re.fullmatch(pattern, name)}
        names = {re.sub(r"_(bucket|sum|count)$", "", name) if name not in labels else name for name in names}
        assert names, str(query)
        assert names <= labels.keys(), f"{query}: {names - labels.keys()}"
        known = set.union(*(labels[name] for name in names)) | {"le", "__name__"}
        used = {label for each in re.findall(r"\bby \(([^)]*)\)", query.text) for label in re.findall(r"\w+", each)}
        (legend,) = (target["legendFormat"] for target in query.panel["targets"] if target["expr"] == query.text)
        used |= set(re.findall(r"\{\{(\w+)\}\}", legend))
        used |= set(re.findall(r"(\w+)=[~\"]", query.text))
        assert used <= known, f"{query}: {used - known}"
