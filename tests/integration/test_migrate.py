"""The schema comes up once, whoever runs the migration and however often; partitions; `anju migrate`."""

import asyncio
import json
from datetime import UTC, datetime

import psycopg
import pytest
from typer.testing import CliRunner, Result

from anju.cli import app
from anju.errors import Usage
from storage import migrate, partitions
from storage.errors import DatabaseUnavailable, SchemaOutdated
from storage.pool import connect
from tests.servers import free_port


def test_upgrade_brings_a_blank_database_to_head(blank_database_url: str) -> None:
    assert migrate.current(blank_database_url) is None
    with pytest.raises(SchemaOutdated, match="anju migrate"):
        migrate.check(blank_database_url)
    migrate.upgrade(blank_database_url)
    assert migrate.current(blank_database_url) == migrate.head()
    migrate.check(blank_database_url)
    migrate.upgrade(blank_database_url)  # nothing left to do
    migrate.check(blank_database_url)


async def test_migrators_at_once_do_not_collide(blank_database_url: str) -> None:
    await asyncio.gather(*(asyncio.to_thread(migrate.upgrade, blank_database_url) for _ in range(4)))
    migrate.check(blank_database_url)


def test_a_failing_step_leaves_nothing(blank_database_url: str) -> None:
    with psycopg.connect(blank_database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE notification_attempt ()")  # in the way of the last table of the first step
    with pytest.raises(Exception, match="already exists"):
        migrate.upgrade(blank_database_url)
    assert migrate.current(blank_database_url) is None
    with psycopg.connect(blank_database_url, autocommit=True) as connection:
        assert connection.execute("SELECT to_regclass('area')").fetchone() == (None,)
        connection.execute("DROP TABLE notification_attempt")
    migrate.upgrade(blank_database_url)
    migrate.check(blank_database_url)


def test_the_command_says_what_it_would_do_and_what_it_did(blank_database_url: str) -> None:
    def migrating(*options: str) -> Result:
        return CliRunner().invoke(app, ["migrate", *options], env={"ANJU_DATABASE_URL": blank_database_url})

    assert isinstance(migrating("--check").exception, SchemaOutdated)
    planned = migrating("--plan").stdout.splitlines()
    assert planned[0] == "0001  The spine: registry, series, quarantine, watch, alerts, outbox."
    assert planned[-1] == f"{len(planned) - 1} steps to run"
    steps = json.loads(migrating("--plan", "--json").stdout)
    assert (steps["at"], len(steps["steps"])) == (None, len(planned) - 1)
    assert migrate.current(blank_database_url) is None
    assert isinstance(migrating("--plan", "--check").exception, Usage)

    done = migrating()
    assert done.exit_code == 0
    assert done.stdout == f"the schema is at {migrate.head()} now\n"
    assert [line.split()[0] for line in done.stderr.splitlines()] == [step["revision"] for step in steps["steps"]]
    assert migrating().stdout == f"the schema was already at {migrate.head()}\n"
    assert migrating("--plan").stdout == "nothing to do\n"
    assert migrating("--check").stdout == f"this release works with the schema, which is at {migrate.head()}\n"


def test_an_unreachable_database_is_said_without_the_password() -> None:
    with pytest.raises(DatabaseUnavailable) as caught:
        migrate.check(f"postgresql://u:hush@127.0.0.1:{free_port()}/none")
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_head_is_what_alembic_takes_for_it() -> None:
    from alembic.script import ScriptDirectory

    assert ScriptDirectory(str(migrate._MIGRATIONS)).get_heads() == [migrate.head()]


async def test_partitions_are_made_once_for_every_month(database_url: str) -> None:
    span = {"from_": datetime(2026, 11, 30, 23, tzinfo=UTC), "to": datetime(2027, 2, 1, tzinfo=UTC)}

    async def ensure() -> None:
        async with await connect(database_url, application_name="test") as connection:
            await partitions.ensure(connection, **span)

    await asyncio.gather(*(ensure() for _ in range(4)))
    await ensure()
    async with await connect(database_url, application_name="test") as connection:
        rows = await (
            await connection.execute(
                "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i"
                " JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'reading'::regclass ORDER BY 1"
            )
        ).fetchall()
        assert [name for name, _ in rows] == ["reading_202611", "reading_202612", "reading_202701", "reading_202702"]
        assert rows[1][1] == "FOR VALUES FROM ('2026-12-01 00:00:00+00') TO ('2027-01-01 00:00:00+00')"
        insert = "INSERT INTO reading VALUES (1, 1, %s, now(), 5) ON CONFLICT DO NOTHING"
        for at in (span["from_"], span["to"]):
            assert (await connection.execute(insert, [at])).rowcount == 1
            assert (await connection.execute(insert, [at])).rowcount == 0
        with pytest.raises(psycopg.errors.CheckViolation):
            await connection.execute(insert, [datetime(2027, 3, 1, tzinfo=UTC)])


async def test_partitions_do_not_wait_for_a_writer(database_url: str) -> None:
    async with (
        await connect(database_url, application_name="writer") as writer,
        await connect(database_url, application_name="maker", lock_timeout_s=2) as maker,
    ):
        await partitions.ensure(maker, from_=datetime(2026, 1, 1, tzinfo=UTC), to=datetime(2026, 1, 2, tzinfo=UTC))
        await writer.execute("INSERT INTO reading VALUES (1, 1, '2026-01-05Z', now(), 5)")  # and does not commit
        await partitions.ensure(maker, from_=datetime(2026, 2, 1, tzinfo=UTC), to=datetime(2026, 2, 2, tzinfo=UTC))
