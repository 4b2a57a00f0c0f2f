"""What the pages say of settings and commands is what there is."""

from pathlib import Path

from typer.main import get_command

from anju.cli import app
from anju.commands.drivers import models_table
from config.settings import Settings, variable_of
from devices.registry import discover

ROOT = Path(__file__).resolve().parents[2]


def test_every_setting_is_on_its_page() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    missing = [key for key in Settings.model_fields if f"| `{key}` | `{variable_of(key)}`" not in page]
    assert missing == []


def test_every_command_is_on_its_page() -> None:
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    names = list(get_command(app).commands)  # type: ignore[attr-defined]
    assert len(names) == 30
    assert [name for name in names if f"`{name}" not in page] == []


def test_every_family_and_model_is_on_its_page() -> None:
    page = (ROOT / "docs" / "devices.md").read_text(encoding="utf-8")
    families = discover().families
    table = page.partition("drivers --markdown -->\n")[2].partition("<!-- end of models -->")[0]
    assert table.strip() == models_table(families.values()), "`anju drivers --markdown` prints it anew"
    assert [name for name in families if f"\n| `{name}` | " not in page] == []


def test_links_between_pages_lead_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "README.zh-CN.md", *sorted((ROOT / "docs").glob("*.md"))]
    for page in pages:
        for part in page.read_text(encoding="utf-8").split("](")[1:]:
            target = part.partition(")")[0].partition("#")[0]
            found = not target or target.startswith("https://") or (page.parent / target).exists()
            assert found, f"{page.name}: {target}"
