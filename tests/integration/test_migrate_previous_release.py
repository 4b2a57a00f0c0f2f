"""The previous release, out of git's history, works on while this one migrates, and beside it afterwards."""

import asyncio
import contextlib
import os
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator, Callable, Iterator
from io import BytesIO
from pathlib import Path
from unittest import mock

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from anju.checks import State
from anju.doctor import examine
from config.settings import load
from storage import migrate
from storage.errors import SchemaTooNew
from storage.pool import connect
from tests import schemas
from tests.schemas import PREVIOUS_COMMIT, PREVIOUS_REVISION
from tests.servers import REPOSITORY, Mosquitto, eventually, wait_until
from tests.stages import SECRET, Hook, Stage, listening, settings
from tests.traffic import Publisher, install, press


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The previous release, unpacked."""
    packed = subprocess.run(
        ["git", "archive", "--format=tar", PREVIOUS_COMMIT], cwd=REPOSITORY, capture_output=True, check=False
    )
    if packed.returncode != 0:
        pytest.skip(schemas.NO_HISTORY)
    folder = tmp_path_factory.mktemp("previous")
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


@contextlib.contextmanager
def started(folder: Path, environment: dict[str, str], *, release: Path, name: str) -> Iterator[dict[str, Stage]]:
    """Every stage that carries a press, of one release."""
    with contextlib.ExitStack() as stack:
        yield {
            role: stack.enter_context(Stage(role, folder, environment, name=f"{name}-{role}", source=release))
            for role in ("ingest", "rules", "alerts")
        }


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[AsyncConnection[TupleRow]]:
    async with await connect(url, application_name="test", autocommit=True) as connection:
        yield connection


def homes_told(hook: Hook) -> list[object]:
    data = [post.message()["data"] for post in list(hook.posts)]
    return [each["home"] for each in data if isinstance(each, dict) and each["kind"] == "sos"]


def migrate_as(release: Path, url: str) -> None:
    migrated = subprocess.run(
        [sys.executable, "-m", "anju", "migrate"],
        cwd=release,
        env={**os.environ, "ANJU_DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert migrated.returncode == 0, migrated.stderr


async def pressed_and_told(publisher: Publisher, hook: Hook, button: str) -> None:
    await publisher.publish(f"anju/{button}/event", press(id=button))
    await eventually(lambda: homes_told(hook).count(f"home of {button}") == 1, 30)


async def test_it_works_on_while_and_after_the_database_is_migrated(
    previous: Path,
    blank_database_url: str,
    mosquitto: Callable[..., Mosquitto],
    folder: Path,
    tmp_path: Path,
) -> None:
    url, broker = blank_database_url, mosquitto()
    await asyncio.to_thread(migrate_as, previous, url)
    assert migrate.current(url) == PREVIOUS_REVISION
    buttons = ["before", "after", "beside", "alone"]
    with Hook() as hook:
        environment = settings(url, broker.url, webhook_url=hook.url, webhook_secret=SECRET)
        async with connected(url) as database, Publisher(broker.port) as publisher:
            await install(database, buttons)
            with started(folder, environment, release=previous, name="old") as old:
                await listening(database, "old-ingest")
                await pressed_and_told(publisher, hook, "before")
                await asyncio.to_thread(migrate.upgrade, url)
                await pressed_and_told(publisher, hook, "after")
                with started(folder, environment, release=REPOSITORY, name="new"):
                    await listening(database, "new-ingest")
                    await pressed_and_told(publisher, hook, "beside")
                    assert [role for role, stage in old.items() if not stage.running] == []
                    assert [stage.stop() for stage in old.values()] == [0, 0, 0]
                    await pressed_and_told(publisher, hook, "alone")

                # This release could not yet ask the schema what it works with.
                old["rules"].start()
                wait_until(lambda: not old["rules"].running, 20)
                assert "install the later release" in old["rules"].log
        assert sorted(map(str, homes_told(hook))) == sorted(f"home of {button}" for button in buttons)


def later_release(folder: Path, body: str) -> Path:
    """The migrations of a release after this one."""
    migrations = schemas.copy_of_migrations(folder)
    schemas.add_revision(migrations, "9999", body, after=migrate.head())
    return migrations


def test_this_release_starts_on_a_later_schema_that_only_adds(database_url: str, folder: Path, tmp_path: Path) -> None:
    with mock.patch.object(migrate, "_MIGRATIONS", later_release(tmp_path, 'op.execute("CREATE TABLE news (x int)")')):
        migrate.upgrade(database_url)
    assert migrate.current(database_url) == "9999"
    assert migrate.check(database_url) == "9999"
    examined = asyncio.run(examine(lambda: load(None, {"ANJU_DATABASE_URL": database_url})))
    (schema,) = [check for check in examined if check.name == "schema"]
    assert (schema.state, schema.found) == (State.GOOD, f"at 9999, a later release's; this one needs {migrate.head()}")
    migrate.upgrade(database_url)  # the migrate service of a release that is rolled back
    assert migrate.current(database_url) == "9999"
    with Stage("rules", folder, settings(database_url, "mqtt://127.0.0.1:1")) as rules:
        wait_until(lambda: "role_started" in rules.log, 20)
        with psycopg.connect(database_url, autocommit=True) as connection:
            query = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'anju-rules-%'"
            wait_until(lambda: connection.execute(query).fetchone() != (0,), 20)
        assert rules.stop() == 0


def test_this_release_refuses_a_later_schema_that_takes_something_away(database_url: str, tmp_path: Path) -> None:
    breaking = (
        'op.execute("ALTER TABLE event RENAME COLUMN detail TO details")\n'
        "op.execute(\"UPDATE schema_compatibility SET oldest_revision = '9999'\")"
    )
    with mock.patch.object(migrate, "_MIGRATIONS", later_release(tmp_path, breaking)):
        migrate.upgrade(database_url)
        migrate.check(database_url)
    for refused in (migrate.check, migrate.plan, migrate.upgrade):
        with pytest.raises(SchemaTooNew, match=r"works with releases from 9999 on; .* install the later release"):
            refused(database_url)
