"""Brings a database's schema up to this release, and says whether it is there.

The history is a straight line of files `migrations/versions/NNNN_name.py`. A role that only checks the schema needs
neither Alembic nor SQLAlchemy, so `storage.migrator`, which does, is imported where a migration really runs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg

from storage.errors import DatabaseUnavailable, SchemaOutdated, SchemaTooNew
from storage.pool import conninfo, is_passing_fault
from storage.sql import load

_Q: Final = load(__package__, "migrate.sql")
_MIGRATIONS: Final = Path(__file__).parent / "migrations"
#: How long `upgrade` goes on trying to get its locks.
WAIT_S: Final = 600.0
#: How long a migration may hold others up, be it that it waits in front of them or that it has what they need. Longer
#: than PostgreSQL's deadlock_timeout (1 s), after which an autovacuum that is in the way gives up.
PATIENCE_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One revision: its number, and what it is for in one sentence."""

    revision: str
    title: str


def head() -> str:
    """The revision that this release needs."""
    return max(script.name.partition("_")[0] for script in (_MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def current(url: str) -> str | None:
    """The revision that the database is at; None if it was never migrated.

    Raises:
        DatabaseUnavailable: the database cannot be reached.
    """
    with _connect(url) as connection:
        return _current(connection)


def check(url: str) -> str:
    """Passes if this release can work with the database's schema: its own, or a later one that says that it can.

    Returns:
        The revision that the database is at.

    Raises:
        SchemaOutdated: steps are missing.
        SchemaTooNew: a later release migrated it, and this one can no longer work with it.
        DatabaseUnavailable: the database cannot be reached.
    """
    needed = head()
    with _connect(url) as connection:
        found = _current(connection)
        oldest = _oldest(connection) if found is not None and found > needed else needed
    if found is None:
        raise SchemaOutdated("the database has no schema yet: run 'anju migrate'")
    if found < needed:
        raise SchemaOutdated(f"the database is at revision {found}, this release needs {needed}: run 'anju migrate'")
    if needed < oldest:
        raise SchemaTooNew(
            f"the database is at revision {found}, which works with releases from {oldest} on; this one knows {needed}:"
            " install the later release"
        )
    return found


def is_ahead(url: str) -> bool:
    """Whether a later release migrated the database, and this one can work with it.

    Raises:
        SchemaTooNew: it can no longer work with it.
        DatabaseUnavailable: the database cannot be reached.
    """
    found = current(url)
    if found is None or found <= head():
        return False
    check(url)
    return True


def plan(url: str) -> list[Step]:
    """What `upgrade` would run, oldest first; empty where nothing is missing.

    Raises:
        SchemaTooNew: a later release migrated the database, and this one can no longer work with it.
        DatabaseUnavailable: the database cannot be reached.
    """
    from storage import migrator

    if is_ahead(url):
        return []
    return [Step(revision=script.revision, title=script.doc) for script in migrator.missing(_MIGRATIONS, current(url))]


def upgrade(url: str, *, wait_s: float = WAIT_S, tell: Callable[[str], None] = lambda _: None) -> None:
    """Runs the missing steps, each in a transaction of its own; a second migrator waits and finds nothing to do.

    The stages may be at work meanwhile: a step that cannot have its locks at once steps back and tries again, so that
    nobody waits behind it for longer than `PATIENCE_S`. What was done stays when a later step fails.

    Args:
        url: of the database, as the owner of the schema; not through a pooler.
        wait_s: how long to go on trying, all steps together.
        tell: is handed one line for each step, and for each that has to wait.

    Raises:
        SchemaTooNew: a later release migrated the database, and this one can no longer work with it.
        MigrationBlocked: others were in the way for `wait_s`.
        DatabaseUnavailable: the database cannot be reached, or went away.
    """
    from storage import migrator

    if plan(url):
        migrator.run(lambda: _connect(url), _MIGRATIONS, wait_s=wait_s, patience_s=PATIENCE_S, tell=tell)


def _current(connection: psycopg.Connection) -> str | None:
    known = connection.execute(_Q.is_versioned).fetchone()
    if known is None or not known[0]:
        return None
    row = connection.execute(_Q.revision).fetchone()
    return str(row[0]) if row else None


def _oldest(connection: psycopg.Connection) -> str:
    """Which revision a release must know to work with the schema; later than any when the schema does not say."""
    row = connection.execute(_Q.oldest_revision).fetchone()
    return str(row[0]) if row else "later"


def _connect(url: str) -> psycopg.Connection:
    try:
        return psycopg.connect(
            conninfo(
                url,
                application_name="anju migrate",
                # A migrator that hangs must not keep its locks.
                idle_in_transaction_timeout_s=30,
                # Of the session, not of the site: an index of a large table may take its hours.
                statement_timeout_s=0,
                lock_timeout_s=PATIENCE_S,
            )
        )
    except psycopg.OperationalError as error:
        if not is_passing_fault(error):
            raise
        reason = str(error).splitlines()[0]
        raise DatabaseUnavailable(f"cannot reach the database: {reason}") from error
