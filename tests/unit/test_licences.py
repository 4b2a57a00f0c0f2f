"""What the service is made of may be used, changed and handed on: somebody looks at every licence that is new here."""

import re
from importlib import metadata
from typing import Final

from tests.servers import REPOSITORY

# Anything goes with these; the last three ask to hand on changes to the library itself, of which there are none.
_KNOWN: Final = re.compile(
    r"MIT(-0| License)?|BSD( License|-[23]-Clause)?|Apache([- ]2\.0| Software License)|ISC( License.*)?|PSF-2\.0"
    r"|Python Software Foundation License|Mozilla Public License 2\.0.*|MPL-2\.0|LGPL-3\.0-only"
)


def _licences(name: str) -> list[str]:
    """What the package says of itself: an expression, else classifiers, else a word."""
    found = metadata.metadata(name)
    if "License-Expression" in found:
        return [found["License-Expression"]]
    classified = [each for each in found.get_all("Classifier") or [] if each.startswith("License ::")]
    return [each.rpartition("::")[2].strip() for each in classified] or found.get_all("License") or []


def _is_known(licence: str) -> bool:
    alternatives = re.split(r"\s+OR\s+", licence.strip("()"))
    return any(all(_KNOWN.fullmatch(part) for part in re.split(r"\s+AND\s+", each)) for each in alternatives)


def test_every_locked_dependency_has_a_licence_that_is_known() -> None:
    lock = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
    names = re.findall(r"^([A-Za-z0-9._-]+)==", lock, re.MULTILINE)
    unknown = {}
    seen = 0
    for name in names:
        try:
            licences = _licences(name)
        except metadata.PackageNotFoundError:
            continue  # for another platform
        seen += 1
        if not any(_is_known(licence) for licence in licences):
            unknown[name] = licences
    assert unknown == {}
    assert seen > len(names) * 0.9


def test_an_expression_is_read_as_it_is_meant() -> None:
    assert _is_known("EPL-2.0 OR BSD-3-Clause")
    assert _is_known("Apache-2.0 AND MIT")
    assert not _is_known("Apache-2.0 AND GPL-3.0-only")
    assert not _is_known("None")
