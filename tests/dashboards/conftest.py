"""Two worlds, each made once: on plain PostgreSQL and on TimescaleDB."""

from collections.abc import Iterator

import pytest

from tests.dashboards.worlds import World, settle
from tests.servers import Postgres
from tests.timescale import Timescale


@pytest.fixture(scope="package")
def plain_world(postgres_server: Postgres) -> Iterator[World]:
    """On plain PostgreSQL, where Grafana has a login."""
    url = postgres_server.create_database()
    yield settle(url, password="for-grafana-in-tests")
    postgres_server.drop_database(url.rpartition("/")[2])


@pytest.fixture(scope="package")
def timescale_world() -> Iterator[World]:
    """On TimescaleDB, which has one login here."""
    with Timescale() as server:
        yield settle(server.url)
