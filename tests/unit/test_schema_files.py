"""docs/schema holds the JSON Schema that the code has."""

import json

import pytest

from devices.contract import schemas
from tests.servers import REPOSITORY


@pytest.mark.parametrize("topic", sorted(schemas()))
def test_the_published_schema_is_the_code(topic: str) -> None:
    published = json.loads((REPOSITORY / "docs" / "schema" / f"{topic}.json").read_text(encoding="utf-8"))
    assert published == schemas()[topic], "run: python -m anju schema --write docs/schema"
