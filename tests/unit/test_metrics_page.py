"""What docs/metrics.md, the alerts and their runbooks say is what the roles measure."""

import re
from pathlib import Path

from tests.measured import measured

ROOT = Path(__file__).resolve().parents[2]
#: Made by Prometheus itself or by its client library.
OTHERS = {"up"}


def rules_text() -> str:
    """All rule files of Prometheus, one after the other."""
    files = sorted((ROOT / "config" / "prometheus" / "rules").glob("*.yml"))
    assert files
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def alerts() -> list[str]:
    return re.findall(r"- alert: (\w+)", rules_text())


def test_every_metric_is_on_the_page_with_its_labels_and_no_other() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(anju_\w+)` \| ([^|]*) \| [^|]+ \|$", page, re.MULTILINE)
    told = {name: tuple(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
    assert len(rows) == len(told) > 40
    assert told == measured()


def test_rules_ask_for_metrics_that_there_are() -> None:
    known = measured().keys() | OTHERS
    text = re.sub(r"- name: \w+", "", rules_text()).replace(
        '{__name__=~"anju_(rules|alerts|probe)_loop_turned_timestamp_seconds", ',
        "".join(f"anju_{role}_loop_turned_timestamp_seconds " for role in ("rules", "alerts", "probe")),
    )
    asked = set(re.findall(r"(?<![\w:])anju_\w+", text))
    parts = {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked if name not in known}
    assert parts - known == set()
    assert len(asked) > 15


def test_every_alert_has_a_runbook_and_tests_that_fire_and_stay_quiet() -> None:
    page = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## (\w+)$", page, re.MULTILINE)
    assert sections == alerts()
    links = re.findall(r"runbook_url: (\S+)", rules_text())
    assert [link.rpartition("docs/runbooks.md#")[2] for link in links] == [name.lower() for name in alerts()]
    tests = "\n".join(
        file.read_text(encoding="utf-8") for file in (ROOT / "config" / "prometheus" / "tests").glob("*.yml")
    )
    for name in alerts():
        cases = tests.split(f"alertname: {name}\n")[1:]
        quiet = ["exp_alerts: []" in case.partition("- eval_time")[0].partition("- interval")[0] for case in cases]
        assert True in quiet, f"{name}: no test in which it stays quiet"
        assert False in quiet, f"{name}: no test in which it fires"


def test_every_runbook_says_what_it_means_what_to_look_at_and_what_to_do() -> None:
    page = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
    for section in page.split("\n## ")[1:]:
        name = section.partition("\n")[0]
        for part in ("**For the people watched.**", "**Look.**", "**Do.**"):
            assert part in section, f"{name}: {part}"
