"""Fixtures: real servers for every test that wants one. What they return is described in tests/servers.py."""

import contextlib
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Final

import psutil
import pytest
from hypothesis import HealthCheck, settings
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from anju.embedded_broker import EmbeddedBroker
from storage import migrate
from storage.pool import connect
from tests.servers import RUN_MARK, Mosquitto, Postgres, processes_of_this_run, server_folder
from tests.timescale import Timescale
from tests.warm import end_warm

_TEMPLATE: Final = "anju_template"

# How long an example takes says more of what else this machine does than of what is tested.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(scope="session", autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fails the run if a process that a test started outlives the tests, and ends it."""
    kept_mark, kept_temporary = os.environ.get(RUN_MARK), os.environ.get("TMPDIR")
    # The folder of all temporary files of this run, so that servers are known by where they work.
    folder = Path(tempfile.mkdtemp(prefix="anju-tests-")).resolve()
    folder.chmod(0o711)
    os.environ[RUN_MARK], os.environ["TMPDIR"] = uuid.uuid4().hex, str(folder)
    tempfile.tempdir = None  # read TMPDIR anew
    yield
    end_warm()
    _, left = psutil.wait_procs(processes_of_this_run(), timeout=3)
    described = [_describe(process) for process in left]
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    for name, value in ((RUN_MARK, kept_mark), ("TMPDIR", kept_temporary)):
        os.environ.pop(name)
        if value is not None:
            os.environ[name] = value
    tempfile.tempdir = None
    shutil.rmtree(folder, ignore_errors=True)
    if described:
        pytest.fail("tests left processes behind: " + "; ".join(described))


def _describe(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return f"{process.pid} {' '.join(process.cmdline())[:200]}"
    return f"{process.pid} (gone)"


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests see none of the developer's own ANJU_* settings."""
    for name in list(os.environ):
        if name.startswith("ANJU_") and not name.startswith("ANJU_TEST_"):
            monkeypatch.delenv(name)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that a server's account may enter, unlike `tmp_path` when we are root."""
    with server_folder() as path:
        yield path


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """The PostgreSQL that most tests share, with durability off: never kill or freeze this one."""
    with server_folder() as path, Postgres(path / "shared", durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def migrated_template(postgres_server: Postgres) -> str:
    """The name of a migrated database to be copied."""
    migrate.upgrade(postgres_server.create_database(_TEMPLATE))
    return _TEMPLATE


@pytest.fixture
def blank_database_url(postgres_server: Postgres) -> Iterator[str]:
    """A database of the test's own, without any schema."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url.rpartition("/")[2])


@pytest.fixture
def database_url(postgres_server: Postgres, migrated_template: str) -> Iterator[str]:
    """A migrated database of the test's own."""
    url = postgres_server.create_database(template=migrated_template)
    yield url
    postgres_server.drop_database(url.rpartition("/")[2])


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[AsyncConnection[TupleRow]]:
    """A connection (autocommit) to the test's own migrated database."""
    connection = await connect(database_url, application_name="test", autocommit=True)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
def durable_postgres(folder: Path) -> Iterator[Postgres]:
    """A PostgreSQL of the test's own, durability on, migrated (database of `.url`): kill, freeze and restart it."""
    with Postgres(folder / "durable", durable=True) as server:
        migrate.upgrade(server.url)
        yield server


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    """The embedded broker: MQTT 5 on `.port`, MQTT 3.1.1 on `.port_v311`."""
    with EmbeddedBroker() as server:
        yield server


@pytest.fixture
def mosquitto(folder: Path) -> Iterator[Callable[..., Mosquitto]]:
    """Starts a Mosquitto: `mosquitto()`, `mosquitto("max_inflight_messages 0")`; as many as a test wants."""
    started: list[Mosquitto] = []

    def start(config: str = "", *, default: bool = True) -> Mosquitto:
        server = Mosquitto(folder / f"mosquitto-{len(started)}", config, default=default)
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def blank_timescale_url() -> Iterator[str]:
    """A TimescaleDB without our schema; one session, so no concurrency and no time limits there."""
    with Timescale() as server:
        yield server.url


@pytest.fixture
def timescale_url(blank_timescale_url: str) -> str:
    """A migrated TimescaleDB."""
    migrate.upgrade(blank_timescale_url)
    return blank_timescale_url
