"""Brings a database's schema up to this release, and says whether it is there.

Alembic runs the steps in `migrations/versions`, whose history is a straight line of files `NNNN_name.py`. A role that
only checks the schema needs neither Alembic nor SQLAlchemy, so those are imported where a migration really runs.
"""

from pathlib import Path
from typing import Final

import psycopg

from storage.errors import DatabaseUnavailable, SchemaOutdated, SchemaTooNew
from storage.pool import conninfo, is_passing_fault

_MIGRATIONS: Final = Path(__file__).parent / "migrations"
# Names the lock that one migrator holds; any number does, as long as nothing else uses it.
_LOCK_KEY: Final = 0x616E6A75


def head() -> str:
    """The revision that this release needs."""
    return max(script.name.partition("_")[0] for script in (_MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def current(url: str) -> str | None:
    """The revision that the database is at; None if it was never migrated.

    Raises:
        DatabaseUnavailable: the database cannot be reached.
    """
    with _connect(url) as connection:
        known = connection.execute("SELECT to_regclass('alembic_version')").fetchone()
        if known is None or known[0] is None:
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0]) if row else None


def check(url: str) -> None:
    """Passes if the database has exactly the schema that this release needs.

    Raises:
        SchemaOutdated: steps are missing.
        SchemaTooNew: a later release migrated it.
        DatabaseUnavailable: the database cannot be reached.
    """
    needed, found = head(), current(url)
    if found == needed:
        return
    if found is None:
        raise SchemaOutdated("the database has no schema yet: run 'anju migrate'")
    if found < needed:
        raise SchemaOutdated(f"the database is at revision {found}, this release needs {needed}: run 'anju migrate'")
    raise SchemaTooNew(f"the database is at revision {found}, this release knows {needed}: install the later release")


def upgrade(url: str) -> None:
    """Runs the missing steps in one transaction, all or nothing; a second migrator waits and finds nothing to do.

    Raises:
        SchemaTooNew: a later release migrated the database.
        DatabaseUnavailable: the database cannot be reached.
    """
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    found = current(url)
    if found is not None and found > head():
        raise SchemaTooNew(
            f"the database is at revision {found}, this release knows {head()}: install the later release"
        )
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    engine = create_engine("postgresql+psycopg://", creator=lambda: _connect(url), poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _connect(url: str) -> psycopg.Connection:
    try:
        return psycopg.connect(conninfo(url, application_name="anju migrate"))
    except psycopg.OperationalError as error:
        if not is_passing_fault(error):
            raise
        reason = str(error).splitlines()[0]
        raise DatabaseUnavailable(f"cannot reach the database: {reason}") from error
