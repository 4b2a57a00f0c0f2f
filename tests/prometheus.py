"""Our configuration of Prometheus, and its own tools to try it with."""

import shutil
import subprocess
from typing import Final

from tests.servers import REPOSITORY, missing

CONFIG: Final = REPOSITORY / "config" / "prometheus"


def program(name: str) -> str:
    found = shutil.which(name)
    return found if found is not None else missing(f"{name} is not installed (Debian's package prometheus)")


def promtool(*arguments: str) -> str:
    """What promtool says; it must be content."""
    done = subprocess.run(
        [program("promtool"), *arguments], cwd=CONFIG, capture_output=True, text=True, timeout=60, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def files(folder: str) -> list[str]:
    found = [str(file.relative_to(CONFIG)) for file in sorted((CONFIG / folder).glob("*.yml"))]
    assert found
    return found
