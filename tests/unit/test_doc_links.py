"""Every link on a page leads to a file that is there, and to a heading of it."""

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "config").rglob("*.md")),
    ROOT / "bench" / "README.md",
]


@cache
def text_of(page: Path) -> str:
    """A page without its code: what looks like a link in there is none."""
    text = page.read_text(encoding="utf-8")
    return re.sub(r"^(```|~~~).*?^\1[ \t]*$|`[^`\n]+`(?!\])", "", text, flags=re.MULTILINE | re.DOTALL)


@cache
def anchors_of(page: Path) -> frozenset[str]:
    """The anchors that the usual renderers make of the headings."""
    text = re.sub(r"^(```|~~~).*?^\1[ \t]*$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    anchors: list[str] = []
    for heading in re.findall(r"^#{1,6}[ \t]+(.+?)[ \t]*#*$", text, flags=re.MULTILINE):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        plain = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        number = sum(
            anchor == plain or re.fullmatch(re.escape(plain) + r"-\d+", anchor) is not None for anchor in anchors
        )
        anchors.append(f"{plain}-{number}" if number else plain)
    return frozenset(anchors)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    nowhere = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        if re.match(r"(https?|mailto):", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        if not found.exists() or (anchor and found.suffix == ".md" and anchor not in anchors_of(found)):
            nowhere.append(target)
    assert nowhere == []


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = [page.relative_to(ROOT / "docs") for page in (ROOT / "docs").rglob("*.md") if page.name != "index.md"]
    assert [str(page) for page in pages if f"({page})" not in index] == []
