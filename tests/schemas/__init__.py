"""Databases of earlier revisions with data in them: `NNNN.sql` fills what revision NNNN brought.

The files are written against the schema of their own revision and run on every later one as well: what an earlier
release wrote must go on being welcome.
"""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from unittest import mock

import psycopg
from psycopg import sql

from storage import migrate

#: The last revision of the previous release, and the commit that it was made of; see test_migrate_previous_release.py.
PREVIOUS_REVISION: Final = "0006"
PREVIOUS_COMMIT: Final = "7e48127e53bda273ac729005a457c0a2eb49efac"

NO_HISTORY: Final = f"git has no commit {PREVIOUS_COMMIT[:7]} here, the previous release (a shallow clone?)"
#: Just after the newest row of `0001.sql` and the others.
NOW: Final = datetime(2026, 11, 5, tzinfo=UTC)
#: Those that hold up somebody who writes (PostgreSQL manual, 13.3).
STRONG_LOCKS: Final = ("ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock")
#: Alembic's own, and what a release says of itself.
_NO_DATA: Final = ("alembic_version", "schema_compatibility")
_HERE: Final = Path(__file__).parent

Rows = dict[str, list[str]]
"""The rows of each table as text, in an order of their own."""


def revisions() -> list[str]:
    """All revisions, oldest first."""
    return sorted(file.name.partition("_")[0] for file in _versions(migrate._MIGRATIONS).glob("[0-9]*_*.py"))


def migrate_to(url: str, revision: str, folder: Path) -> None:
    """Migrates as the release did whose last revision this was."""
    known = copy_of_migrations(folder / f"to-{revision}")
    for file in _versions(known).iterdir():
        if file.name.partition("_")[0] > revision:
            file.unlink()
    with mock.patch.object(migrate, "_MIGRATIONS", known):
        migrate.upgrade(url)
        assert migrate.current(url) == revision


def copy_of_migrations(folder: Path) -> Path:
    """A copy to add revisions to, or to take some away."""
    ignored = shutil.ignore_patterns("__pycache__")
    return shutil.copytree(migrate._MIGRATIONS, folder / "migrations", ignore=ignored, dirs_exist_ok=True)


def add_revision(migrations: Path, revision: str, body: str, *, after: str) -> None:
    """Adds a revision whose `upgrade` has this body to a copy of the migrations."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    text = "\n".join(
        [
            '"""A revision of a test."""',
            "from alembic import op",
            "from storage import indexes",
            f'revision, down_revision, branch_labels, depends_on = "{revision}", "{after}", None, None',
            f"def upgrade() -> None:\n{lines}",
        ]
    )
    (_versions(migrations) / f"{revision}_of_a_test.py").write_text(text, encoding="utf-8")


def fill(url: str, *, after: str = "", to: str) -> None:
    """Puts rows into every table that the revisions after one, up to another, brought."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        _make_partitions(connection)
        for file in sorted(_HERE.glob("[0-9]*.sql")):
            if after < file.stem <= to:
                with connection.transaction():
                    connection.execute(file.read_bytes())


def _make_partitions(connection: psycopg.Connection) -> None:
    """Room for the readings, where the series is natively partitioned; as the first release made it."""
    kind = connection.execute("SELECT relkind::text FROM pg_class WHERE oid = 'reading'::regclass").fetchone()
    if kind != ("p",):
        return
    for month in (9, 10, 11, 12):
        start, end = datetime(2026, month, 1, tzinfo=UTC), datetime(2026 + month // 12, month % 12 + 1, 1, tzinfo=UTC)
        connection.execute(
            sql.SQL("CREATE TABLE IF NOT EXISTS {} PARTITION OF reading FOR VALUES FROM ({}) TO ({})").format(
                sql.Identifier(f"reading_{start:%Y%m}"), start, end
            )
        )


def columns(url: str) -> dict[str, list[str]]:
    """The columns of each table of ours that holds data."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(
            "SELECT c.oid::regclass::text, array_agg(a.attname::text ORDER BY a.attnum)"
            " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid"
            " WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped"
            " AND n.nspname !~ '^(pg_|information_schema|_?timescaledb)'"
            " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')"
            " GROUP BY c.oid"
        ).fetchall()
    return {table: names for table, names in found if table not in _NO_DATA}


def rows(url: str, of: dict[str, list[str]]) -> Rows:
    """What stands in these columns."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        return {table: sorted(_texts(connection, table, names)) for table, names in of.items()}


def _texts(connection: psycopg.Connection, table: str, names: list[str]) -> list[str]:
    fields = sql.SQL(", ").join(map(sql.Identifier, names))
    query = sql.SQL("SELECT ROW({})::text FROM {}").format(fields, sql.Identifier(*table.split(".")))
    return [row[0] for row in connection.execute(query).fetchall()]


def read_every_view(url: str) -> None:
    """Reads all that every view of ours has to say of these rows."""
    with psycopg.connect(url, autocommit=True) as connection:
        views = connection.execute(
            "SELECT schemaname, viewname FROM pg_views WHERE schemaname IN ('public', 'dashboard')"
            " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.deptype = 'e'"
            " AND d.objid = to_regclass(format('%I.%I', schemaname, viewname)))"
        ).fetchall()
        assert views
        for view in views:
            connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(*view))).fetchall()


def never_filled(url: str) -> list[str]:
    """Columns (as `table.column`) that no row has a value in."""
    empty = []
    with psycopg.connect(url, autocommit=True) as connection:
        for table, names in sorted(columns(url).items()):
            counts = sql.SQL(", ").join(sql.SQL("count({})").format(sql.Identifier(name)) for name in names)
            query = sql.SQL("SELECT {} FROM {}").format(counts, sql.Identifier(*table.split(".")))
            row = connection.execute(query).fetchone()
            assert row is not None
            empty += [f"{table}.{name}" for name, count in zip(names, row, strict=True) if count == 0]
    return empty


def _versions(migrations: Path) -> Path:
    return migrations / "versions"
