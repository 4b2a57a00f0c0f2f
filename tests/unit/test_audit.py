"""What the audit concludes from what the service said: an answer that knows nothing is not a clean bill."""

import importlib.util
import json
import sys
from types import ModuleType
from typing import Any

import pytest

from tests.servers import REPOSITORY


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ci_audit", REPOSITORY / ".ci" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look for it there
    spec.loader.exec_module(module)
    return module


def said(*dependencies: dict[str, Any]) -> str:
    return json.dumps({"dependencies": dependencies, "fixes": []})


GOOD = {"name": "psycopg", "version": "3.2.9", "vulns": []}
SKIPPED = {"name": "psycopg", "skip_reason": "Dependency not found on PyPI and could not be audited"}
BAD = {"name": "jinja2", "version": "2.10", "vulns": [{"id": "PYSEC-2019-217"}, {"id": "CVE-2019-10906"}]}
NO_NETWORK = "Traceback (most recent call last):\n...\nConnectionError: Name or service not known\n"


@pytest.mark.parametrize(
    ("canary", "locked", "required", "code", "line"),
    [
        (said(BAD), said(GOOD, GOOD), False, 0, "2 packages, no known vulnerability"),
        (said(BAD), said(GOOD, BAD), False, 1, "  jinja2 2.10: PYSEC-2019-217, CVE-2019-10906"),
        (
            said(BAD),
            said(GOOD, SKIPPED),
            False,
            0,
            "NOT AUDITED for known vulnerabilities: the service does not know 1",
        ),
        (said(SKIPPED), said(SKIPPED), False, 0, "does not know that jinja2==2.10 is vulnerable"),
        (said(SKIPPED), said(SKIPPED), True, 1, "NOT AUDITED"),
        ("", "", False, 0, "NOT AUDITED for known vulnerabilities: ConnectionError: Name or service not known"),
        ("", "", True, 1, "NOT AUDITED"),
        # Only our own question went wrong, or the tool changed its tongue: it is not a clean bill either.
        (said(BAD), "[]", True, 1, "NOT AUDITED"),
        ("", said(BAD), False, 1, "known vulnerabilities"),
    ],
)
def test_what_is_concluded(audit: ModuleType, canary: str, locked: str, required: bool, code: int, line: str) -> None:
    ended, text = audit.judge(audit.read(canary, NO_NETWORK), audit.read(locked, NO_NETWORK), required=required)
    assert ended == code
    assert line in text
