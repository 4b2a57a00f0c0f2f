"""What each step does to those who are at work: which locks it takes, and that released steps never change."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import psycopg
import pytest

from storage import migrate
from tests import schemas
from tests.servers import REPOSITORY, missing

VERSIONS: Final = REPOSITORY / "storage" / "migrations" / "versions"
#: Steps of this release on; those before ran when there was nothing to hold up.
NEW: Final = [revision for revision in schemas.revisions() if revision > schemas.PREVIOUS_REVISION]
#: The strong locks that a step takes on what was there before it: each only for a moment, see docs/upgrade.md.
KNOWN_LOCKS: Final[dict[str, set[str]]] = {}


@pytest.mark.parametrize("revision", NEW)
def test_a_step_locks_nothing_that_others_work_with(revision: str, blank_database_url: str, tmp_path: Path) -> None:
    before = schemas.revisions()[schemas.revisions().index(revision) - 1]
    schemas.migrate_to(blank_database_url, before, tmp_path)
    schemas.fill(blank_database_url, to=before)
    (file,) = VERSIONS.glob(f"{revision}_*.sql")
    with psycopg.connect(blank_database_url) as connection:
        there = [row[0] for row in connection.execute("SELECT oid FROM pg_class").fetchall()]
        connection.execute(file.read_bytes())
        locked = connection.execute(
            "SELECT DISTINCT relation::regclass::text FROM pg_locks"
            " WHERE pid = pg_backend_pid() AND relation = ANY(%s) AND mode = ANY(%s)",
            [there, list(schemas.STRONG_LOCKS)],
        ).fetchall()
        connection.rollback()
    assert {table for (table,) in locked} == KNOWN_LOCKS.get(revision, set())


def test_released_steps_never_change() -> None:
    listed = subprocess.run(
        ["git", "ls-tree", "-r", "--name-only", schemas.PREVIOUS_COMMIT, "storage/migrations/versions"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip(schemas.NO_HISTORY)
    released = listed.stdout.split()
    assert max(Path(name).name for name in released).startswith(schemas.PREVIOUS_REVISION)
    for name in released:
        shown = subprocess.run(
            ["git", "show", f"{schemas.PREVIOUS_COMMIT}:{name}"], cwd=REPOSITORY, capture_output=True, check=True
        )
        assert (REPOSITORY / name).read_bytes() == shown.stdout, f"{name} was released: write a new revision"


def test_every_step_says_which_releases_it_leaves_behind() -> None:
    for revision in NEW:
        (file,) = VERSIONS.glob(f"{revision}_*.sql")
        text = file.read_text(encoding="utf-8")
        only_adds = text.startswith("-- Additions only: the previous release goes on working on this schema.")
        raises = f"UPDATE schema_compatibility SET oldest_revision = '{revision}'" in text
        assert only_adds != raises, f"{file.name}: see docs/upgrade.md, Writing a migration"


def test_every_step_has_a_title(blank_database_url: str) -> None:
    steps = migrate.plan(blank_database_url)
    assert [step.revision for step in steps] == schemas.revisions()
    assert all(step.title and "\n" not in step.title for step in steps)


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("CREATE INDEX by_value ON event (kind);", "require-concurrent-index-creation"),
        ("ALTER TABLE alert ADD COLUMN area_name text NOT NULL;", "adding-required-field"),
        ("ALTER TABLE alert ADD CONSTRAINT sane CHECK (version > 0);", "constraint-missing-not-valid"),
        ("ALTER TABLE reading ALTER COLUMN value TYPE numeric;", "changing-column-type"),
    ],
)
def test_the_linter_refuses_what_holds_others_up(statement: str, rule: str, tmp_path: Path) -> None:
    squawk = Path(sys.prefix, "bin", "squawk")
    if not squawk.exists():
        missing("squawk-cli is not installed")
    (tmp_path / "9999_bad.sql").write_text(statement, encoding="utf-8")
    done = subprocess.run(
        [squawk, "--config", REPOSITORY / ".squawk.toml", "--reporter", "gcc", tmp_path / "9999_bad.sql"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, rule in done.stdout) == (1, True), done.stdout
