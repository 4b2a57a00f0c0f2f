"""A pytest plugin: every connection of the service gets the rights of its stage alone, whatever the test logs in as.

    python -m pytest -p tests.restricted tests/integration tests/acceptance

runs tests that know nothing of roles as if each stage and each command had a login of its own. What a test itself asks,
and what migrates, keeps the owner's rights. Not part of the usual run: the queries that a stage runs are checked one by
one in tests/integration/test_database_roles.py.
"""

import functools
import os
import tempfile
from pathlib import Path
from typing import Any, Final

import psycopg

import storage.pool
from storage import migrate, roles
from storage.privileges import Stage

_GROUP_OF: Final = {
    "anju ingest": Stage.INGEST,
    "anju-rules": Stage.RULES,
    "anju-alerts": Stage.ALERTS,
    "anju-probe-check": Stage.PROBE,  # not its presses: nobody has installed its button here
    "anju-keep": Stage.KEEP,
    "anju keep": Stage.KEEP,
    "anju command": Stage.OPERATOR,
    "anju doctor": Stage.OPERATOR,
    "anju view": Stage.OPERATOR,
    "anju health": Stage.PROBE,  # it asks what every stage may
}
_MARK: Final = "ANJU_TEST_RESTRICTED"


def restrict() -> None:
    """From here on this process is restricted; to be called before anything else of the service is imported."""
    plain = storage.pool.conninfo
    migrated = migrate.upgrade

    @functools.wraps(plain)
    def conninfo(url: str, *, application_name: str, **limits: Any) -> str:
        made = plain(url, application_name=application_name, **limits)
        for name, stage in _GROUP_OF.items():
            if application_name.startswith(name):
                options = psycopg.conninfo.conninfo_to_dict(made)["options"]
                return psycopg.conninfo.make_conninfo(made, options=f"{options} -c role={stage.group}")
        return made

    @functools.wraps(migrated)
    def upgrade(url: str, **how: Any) -> Any:
        done = migrated(url, **how)
        with psycopg.connect(plain(url, application_name="anju migrate")) as connection:
            roles.apply(connection)
        return done

    storage.pool.conninfo = conninfo
    migrate.upgrade = upgrade


def pytest_configure() -> None:
    """Restricts this process, and those that it starts."""
    os.environ[_MARK] = "1"
    folder = Path(tempfile.mkdtemp(prefix="anju-restricted-"))
    here = Path(__file__).resolve().parent.parent
    (folder / "sitecustomize.py").write_text(
        f"import sys; sys.path.insert(0, {str(here)!r})\nfrom tests.restricted import restrict\nrestrict()\n",
        encoding="utf-8",
    )
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    restrict()
