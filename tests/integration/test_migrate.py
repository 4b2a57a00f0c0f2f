"""The schema comes up on PostgreSQL and TimescaleDB, once, whoever runs the migration and however often."""

import asyncio
from datetime import UTC, datetime

import psycopg
import pytest

from storage import migrate, partitions
from storage.errors import DatabaseUnavailable, SchemaOutdated, SchemaTooNew
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


def test_a_database_of_the_first_release_is_taken_along_with_its_data(blank_database_url: str) -> None:
    with psycopg.connect(blank_database_url, autocommit=True) as connection:
        connection.execute((migrate._MIGRATIONS / "versions" / "0001_core.sql").read_bytes())
        connection.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
        connection.execute("INSERT INTO alembic_version VALUES ('0001')")
        connection.execute("INSERT INTO area (name, path) VALUES ('City', 'City')")
        connection.execute("INSERT INTO home (area_id, name, time_zone) VALUES (1, '1-101', 'Asia/Shanghai')")
        connection.execute("INSERT INTO device (name, driver) VALUES ('m-1', 'native')")
        connection.execute(
            "INSERT INTO installation (device_id, home_id, interval_s, installed_at) VALUES (1, 1, 900, '2026-11-01Z')"
        )
        connection.execute("INSERT INTO reading_conflict VALUES (1, 1, '2026-11-02Z', '2026-11-02Z', 5, 6)")
    with pytest.raises(SchemaOutdated, match="revision 0001"):
        migrate.check(blank_database_url)
    migrate.upgrade(blank_database_url)
    migrate.check(blank_database_url)
    with psycopg.connect(blank_database_url, autocommit=True) as connection:
        found = connection.execute("SELECT device_id, interval_s, resolution_l FROM installation").fetchall()
        assert found == [(1, 900, None)]
        connection.execute("UPDATE installation SET resolution_l = 100")
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute("UPDATE installation SET resolution_l = 0")


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


def test_a_database_of_a_later_release_is_refused(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaTooNew, match="later release"):
        migrate.check(database_url)
    with pytest.raises(SchemaTooNew):
        migrate.upgrade(database_url)


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


async def test_timescale_has_the_same_schema_as_a_hypertable(blank_timescale_url: str) -> None:
    await asyncio.to_thread(migrate.upgrade, blank_timescale_url)
    await asyncio.to_thread(migrate.upgrade, blank_timescale_url)
    await asyncio.to_thread(migrate.check, blank_timescale_url)
    async with await connect(blank_timescale_url, application_name="test", autocommit=True) as connection:
        found = await connection.execute("SELECT hypertable_name FROM timescaledb_information.hypertables")
        assert ("reading",) in await found.fetchall()
        at = datetime(2031, 5, 5, tzinfo=UTC)
        await partitions.ensure(connection, from_=at, to=at)  # does nothing, and nothing is needed
        insert = "INSERT INTO reading VALUES (1, 1, %s, %s, 5) ON CONFLICT DO NOTHING"
        assert (await connection.execute(insert, [at, at])).rowcount == 1
        assert (await connection.execute(insert, [at, at])).rowcount == 0
        read = await (await connection.execute("SELECT measured_at FROM reading")).fetchone()
        assert read == (at,)
