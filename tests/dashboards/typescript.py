"""Grafana's own types, and the compiler that holds the dashboards against them."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests import npm
from tests.servers import missing

_PROJECT: Final = Path(__file__).parent / "types"
_INSTALLED_FROM: Final = ("package.json", "package-lock.json")
_COMPILED: Final = ("board.ts", "tsconfig.json")


def complaints(boards: Mapping[str, Mapping[str, Any]], folder: Path) -> dict[str, list[str]]:
    """What the compiler says of each dashboard, by its name; nothing of those that are right.

    JSON that is imported has its strings widened, so each becomes a constant of the type.
    """
    node = shutil.which("node")
    if node is None:
        missing("Node.js is not installed")
    for name in _COMPILED:
        shutil.copy(_PROJECT / name, folder)
    packages = npm.installed("dashboards", [_PROJECT / name for name in _INSTALLED_FROM])
    (folder / "node_modules").symlink_to(packages / "node_modules")
    (folder / "boards").mkdir()
    for name, board in boards.items():
        text = json.dumps(board, ensure_ascii=False, indent=1)
        source = f"import type {{ Board }} from '../board';\nexport const board: Board = {text};\n"
        (folder / "boards" / f"{name}.ts").write_text(source, encoding="utf-8")
    compiler = folder / "node_modules" / "typescript" / "bin" / "tsc"
    done = subprocess.run(
        [node, str(compiler), "--project", str(folder), "--pretty", "false"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        if not line.startswith(" "):
            assert line.startswith("boards/"), f"not about a dashboard: {line}"
            said.setdefault(line.removeprefix("boards/").partition(".ts(")[0], []).append(line)
    assert (done.returncode != 0) == bool(said), done.stdout + done.stderr
    return said
