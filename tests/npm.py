"""npm packages that tests use: installed once, kept between runs outside the repository."""

import contextlib
import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import platformdirs

from tests.servers import missing


def installed(name: str, files: Sequence[Path]) -> Path:
    """A folder with these files and the packages that the lock file among them names.

    Args:
        name: what the folder is for.
        files: `package.json`, `package-lock.json`, and what is to stand beside them; others make another folder.
    """
    npm = shutil.which("npm")
    if npm is None:
        missing("npm is not installed")
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    ready = platformdirs.user_cache_path("anju-test") / f"{name}-{digest}"
    if ready.is_dir():
        return ready
    ready.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=ready.parent))
    try:
        for file in files:
            (making / file.name).write_bytes(file.read_bytes())
        done = subprocess.run(
            [npm, "ci", "--no-audit", "--no-fund"], cwd=making, capture_output=True, text=True, timeout=300, check=False
        )
        if done.returncode != 0:
            missing(f"npm ci failed: {done.stderr.strip()[-500:]}")
        with contextlib.suppress(OSError):  # another run was faster
            making.rename(ready)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return ready
