"""What `anju escalation` takes for granted of a kind of alert is what docs/alerts.md says of it."""

import re

from alerts.model import Kind, Severity
from anju.ladders import severities_of
from tests.servers import REPOSITORY


def test_each_kind_has_the_severities_that_its_guide_gives_it() -> None:
    text = (REPOSITORY / "docs/alerts.md").read_text(encoding="utf-8")
    table = text.split("## Kinds")[1].split("\n## ")[0]
    said = {
        Kind(name): [Severity(each) for each in severities.split(", ")]
        for names, severities in re.findall(r"^\| ([a-z_, ]+) \| [^|]+ \| ([a-z, ]+) \|", table, re.MULTILINE)
        for name in names.split(", ")
    }
    assert said.keys() == set(Kind)
    assert {kind: severities_of(kind, list(Severity)) for kind in Kind} == said


def test_what_was_asked_for_and_never_is_so_is_shown_all_the_same() -> None:
    assert severities_of(Kind.INACTIVITY, [Severity.HARD]) == [Severity.HARD]
    assert severities_of(Kind.SOS, [Severity.SOFT]) == [Severity.SOFT]
