"""Migrations while ingest writes and rules look: nobody waits long for them, and they wait for nobody for ever."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from rules.engine import Engine
from storage import migrate, migrator
from storage.errors import DatabaseUnavailable, MigrationBlocked
from storage.migration_watch import Watch
from storage.pool import connect
from tests import schemas
from tests.ingest_desk import Desk, reading
from tests.schemas import NOW
from tests.servers import Postgres, eventually

#: What a statement may take beside the migration on a busy machine.
MARGIN_S: Final = 1.5
TEMPLATE: Final = "previous_with_data"


@pytest.fixture(scope="module")
def previous_with_data(postgres_server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a database as the previous release left it, with a large series."""
    url = postgres_server.create_database(TEMPLATE)
    schemas.migrate_to(url, schemas.PREVIOUS_REVISION, tmp_path_factory.mktemp("previous"))
    schemas.fill(url, to=schemas.PREVIOUS_REVISION)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO reading SELECT 100 + device, 1, at, at, extract(epoch FROM at) / 1000"
            " FROM generate_series(1, 100) device,"
            " generate_series(timestamptz '2026-10-01Z', '2026-10-20Z', '15 min') at"
        )
    return TEMPLATE


@pytest.fixture
def url(postgres_server: Postgres, previous_with_data: str) -> Iterator[str]:
    made = postgres_server.create_database(template=previous_with_data)
    yield made
    postgres_server.drop_database(made.rpartition("/")[2])


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Adds revisions of the test's own at the end of the history: `later("9998", "op.execute(...)")`."""
    migrations = schemas.copy_of_migrations(tmp_path)

    def add(revision: str, body: str) -> None:
        schemas.add_revision(migrations, revision, body, after=migrate.head())

    monkeypatch.setattr(migrate, "_MIGRATIONS", migrations)
    return add


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spares the tests waiting; the figure that operators get is tested once."""
    monkeypatch.setattr(migrate, "PATIENCE_S", 0.5)


class Waits:
    """How long each kind of work took at most, and how often it was done."""

    def __init__(self) -> None:
        self.longest_s: dict[str, float] = {}
        self.done: dict[str, int] = {}

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[None]:
        began_s = time.monotonic()
        yield
        took_s = time.monotonic() - began_s
        self.longest_s[name] = max(took_s, self.longest_s.get(name, 0.0))
        self.done[name] = self.done.get(name, 0) + 1


@contextlib.asynccontextmanager
async def at_work(url: str) -> AsyncIterator[Waits]:
    """Inside, a writer stores readings and presses, and an engine looks at homes."""
    waits, stop = Waits(), asyncio.Event()

    async def write() -> None:
        async with Desk(url) as desk:
            number = 0
            while not stop.is_set():
                number += 1
                at = NOW + timedelta(seconds=number)
                with waits.timed("readings"):
                    await desk.store(*(reading(f"m-{meter}", at, 9000 + number, received_at=at) for meter in (1, 2, 3)))
                await asyncio.sleep(0.005)

    async def press() -> None:
        async with await connect(url, application_name="test press", autocommit=True) as connection:
            number = 0
            while not stop.is_set():
                number += 1
                with waits.timed("presses"):
                    await connection.execute(
                        "INSERT INTO event (device_name, device_id, kind, dedup_key, payload_hash, measured_at,"
                        " received_at) VALUES ('btn-1', 4, 'button_press', %s, '', %s, %s)",
                        [f"n{number}", NOW, NOW],
                    )
                await asyncio.sleep(0.005)

    async def look() -> None:
        async with await connect(url, application_name="test rules", autocommit=True) as connection:
            engine = Engine(clock=lambda: NOW, compares_clocks=False)
            while not stop.is_set():
                await connection.execute("UPDATE home_watch SET due_at = %s, lease_until = NULL", [NOW])
                with waits.timed("looks"):
                    await engine.look(connection)
                await asyncio.sleep(0.005)

    async with asyncio.TaskGroup() as group:
        for work in (write, press, look):
            group.create_task(work())
        await eventually(lambda: {"readings", "presses", "looks"} <= waits.done.keys(), 20)
        waits.longest_s.clear()
        try:
            yield waits
        finally:
            stop.set()


@contextlib.asynccontextmanager
async def transaction(url: str, statement: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """Inside, somebody has done something and not committed it."""
    async with await connect(url, application_name="a long report") as connection:
        await connection.execute(statement)
        yield connection


async def test_an_upgrade_from_the_previous_release_holds_nobody_up(url: str) -> None:
    async with at_work(url) as waits:
        lines: list[str] = []
        await asyncio.to_thread(migrate.upgrade, url, tell=lines.append)
    print(waits.longest_s, waits.done, *lines, sep="\n")
    migrate.check(url)
    assert max(waits.longest_s.values()) < 2.0 + MARGIN_S
    assert [line.split()[0] for line in lines if "done in" in line] == schemas.revisions()[6:]


async def test_behind_a_long_transaction_the_migrator_steps_back_and_the_others_go_on(
    url: str, later: Callable[..., None]
) -> None:
    await asyncio.to_thread(migrate.upgrade, url)
    later("9999", 'op.execute("ALTER TABLE reading ADD COLUMN note text")')
    lines: list[str] = []
    async with at_work(url) as waits:
        async with transaction(url, "SELECT count(*) FROM reading"):
            upgrading = asyncio.create_task(asyncio.to_thread(migrate.upgrade, url, tell=lines.append))
            await eventually(lambda: len(lines) >= 2, 20)
            assert not upgrading.done()
            done = dict(waits.done)
        await asyncio.wait_for(upgrading, 20)
        await eventually(lambda: all(waits.done[work] > times for work, times in done.items()), 20)
    print(waits.longest_s, waits.done, *lines, sep="\n")
    assert max(waits.longest_s.values()) < 2.0 + MARGIN_S
    assert lines[0].startswith("9999 (A revision of a test): waits for reading, in use by a long report (pid ")
    assert "idle in transaction" in lines[0]
    assert "done in" in lines[-1]
    migrate.check(url)


async def test_a_step_that_takes_too_long_with_its_locks_is_taken_back(
    url: str, later: Callable[..., None], impatient: None
) -> None:
    await asyncio.to_thread(migrate.upgrade, url)
    later("9998", 'op.execute("ALTER TABLE area ADD COLUMN note text")')
    later("9999", 'op.execute("ALTER TABLE event ADD COLUMN note text")\nop.execute("SELECT pg_sleep(60)")')
    async with at_work(url) as waits:
        with pytest.raises(MigrationBlocked, match=r"gave up on 9999 .*: held up test press \(pid"):
            await asyncio.to_thread(migrate.upgrade, url, wait_s=0)
    assert waits.longest_s["presses"] < migrate.PATIENCE_S + MARGIN_S
    assert migrate.current(url) == "9998"  # what was done stays


async def test_an_owner_without_any_other_right_sees_whom_it_holds_up(url: str) -> None:
    owner = f"owner_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(url, autocommit=True) as superuser:
        superuser.execute(f"CREATE ROLE {owner} LOGIN PASSWORD 'unimportant'")
        superuser.execute(f"CREATE TABLE owned (); ALTER TABLE owned OWNER TO {owner}")
        as_owner = make_conninfo(url, user=owner, password="unimportant")

        def hold_up() -> str:
            with psycopg.connect(as_owner) as migrating:
                watch = Watch(migrating, lambda: psycopg.connect(as_owner), 0.5, time.monotonic() + 60)
                migrating.execute("LOCK TABLE owned")
                with pytest.raises(psycopg.errors.QueryCanceled), watch:
                    migrating.execute("SELECT pg_sleep(60)")
            return watch.obstacle

        async with await connect(url, application_name="a rule", autocommit=True) as other:
            holding = asyncio.create_task(asyncio.to_thread(hold_up))
            held = "SELECT count(*) FROM pg_locks WHERE relation = 'owned'::regclass AND granted"
            await eventually(lambda: superuser.execute(held).fetchone() == (1,), 20)
            await asyncio.wait_for(other.execute("SELECT FROM owned"), 20)
            assert await holding == f"held up a rule (pid {other.info.backend_pid}, state unknown) for 0.5 s"
        superuser.execute(f"DROP OWNED BY {owner}")
        superuser.execute(f"DROP ROLE {owner}")


def test_a_connection_that_breaks_is_a_passing_fault(url: str, later: Callable[..., None]) -> None:
    migrate.upgrade(url)
    later("9999", 'op.execute("SELECT pg_terminate_backend(pg_backend_pid())")')
    with pytest.raises(DatabaseUnavailable, match=r"went away during 9999 .*run it again"):
        migrate.upgrade(url)


async def test_giving_up_names_who_was_in_the_way(url: str, later: Callable[..., None], impatient: None) -> None:
    await asyncio.to_thread(migrate.upgrade, url)
    later("9999", 'op.execute("ALTER TABLE alert ADD COLUMN note text")')
    async with transaction(url, "SELECT 1 FROM alert"):
        with pytest.raises(
            MigrationBlocked, match=r"gave up on 9999 .*: waits for alert, in use by a long report \(pid"
        ):
            await asyncio.to_thread(migrate.upgrade, url, wait_s=0)
    await asyncio.to_thread(migrate.upgrade, url, wait_s=0)
    assert migrate.current(url) == "9999"


async def test_a_second_migrator_waits_for_the_first_and_gives_up_in_time(url: str) -> None:
    lines: list[str] = []
    async with transaction(url, f"SELECT pg_advisory_xact_lock({migrator._LOCK_KEY})"):  # as the previous release does
        with pytest.raises(MigrationBlocked, match="another migrator"):
            await asyncio.to_thread(migrate.upgrade, url, wait_s=0)
        upgrading = asyncio.create_task(asyncio.to_thread(migrate.upgrade, url, tell=lines.append))
        await eventually(lambda: lines == ["another migrator is at work; waits until it is done"], 20)
        assert migrate.current(url) == schemas.PREVIOUS_REVISION
    await asyncio.wait_for(upgrading, 20)
    migrate.check(url)


async def test_an_index_is_made_while_others_write(url: str, later: Callable[..., None]) -> None:
    await asyncio.to_thread(migrate.upgrade, url)
    later("9999", 'indexes.make_concurrently("event_at", "event (received_at) WHERE device_id IS NOT NULL")')
    with psycopg.connect(url, autocommit=True) as connection:
        # As an attempt leaves it that was cut off.
        connection.execute("CREATE INDEX event_at ON event (kind)")
        connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'event_at'::regclass")
    async with at_work(url) as waits:
        async with transaction(url, "UPDATE event SET own_time = NULL"):
            both = [asyncio.create_task(asyncio.to_thread(migrate.upgrade, url)) for _ in range(2)]
            began = dict(waits.done)
            await eventually(lambda: all(waits.done[work] > times + 20 for work, times in began.items()), 30)
            assert not any(task.done() for task in both)
        await asyncio.wait_for(asyncio.gather(*both), 30)
    assert max(waits.longest_s.values()) < MARGIN_S
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(
            "SELECT indisvalid, pg_get_indexdef(indexrelid) FROM pg_index WHERE indexrelid = 'event_at'::regclass"
        ).fetchone()
    assert found is not None
    assert (found[0], "received_at" in found[1]) == (True, True)
    assert migrate.current(url) == "9999"
