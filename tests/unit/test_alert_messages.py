"""What leaves the house: schema and example in the docs are those of the model."""

import json
import re
from pathlib import Path

from alerts.messages import AlertEvent
from alerts.schema import webhook_schema
from alerts.wording import sentence

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_schema_in_the_docs_is_up_to_date() -> None:
    kept = (DOCS / "schema" / "webhook-alert.json").read_text(encoding="utf-8")
    assert kept == json.dumps(webhook_schema(), indent=2, ensure_ascii=False) + "\n"


def test_the_example_in_the_docs_is_true() -> None:
    page = (DOCS / "webhook.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    event = AlertEvent.model_validate_json(example)
    assert event.model_dump(mode="json") == json.loads(example)
    reason = event.data.reason
    assert (reason.text.en, reason.text.zh) == (
        sentence(reason.id, reason.values, "en"),
        sentence(reason.id, reason.values, "zh"),
    )


def test_every_field_of_the_schema_that_needs_it_is_described() -> None:
    described = {
        name
        for definition in json.loads((DOCS / "schema" / "webhook-alert.json").read_text(encoding="utf-8"))[
            "$defs"
        ].values()
        for name, field in definition.get("properties", {}).items()
        if "description" in field
    }
    assert {
        "alert_id",
        "subject",
        "home",
        "area",
        "device",
        "since",
        "times_raised",
        "outcome",
        "evidence",
    } <= described
