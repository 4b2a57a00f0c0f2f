"""Databases in which people have lived, and how to come in as their owner and as Grafana does."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import AsyncConnection

from anju.schema import upgrade
from storage import roles
from storage.privileges import Stage
from tests.dashboards.town import Lived, live


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A database with a town in it.

    Attributes:
        login: of Grafana; empty where the server knows one login alone, and the role is taken on instead.
    """

    url: str
    lived: Lived
    login: Mapping[str, str]
    timescaledb: bool

    def owner(self) -> psycopg.Connection[Any]:
        """A connection (autocommit) that may do anything."""
        return psycopg.connect(self.url, autocommit=True)

    def grafana(self) -> psycopg.Connection[Any]:
        """A connection (autocommit) with Grafana's rights, and the time zone that Grafana asks for."""
        conn = psycopg.connect(psycopg.conninfo.make_conninfo(self.url, **self.login), autocommit=True)
        if not self.login:
            conn.execute("SET ROLE anju_dashboards")
        conn.execute("SET TIME ZONE 'UTC'")
        return conn


def settle(url: str, password: str | None = None) -> World:
    """Makes a world of a blank database: with a login of Grafana's own where a password is given."""
    upgrade(url)
    now = datetime.now(UTC).replace(microsecond=0)

    async def fill() -> Lived:
        async with await AsyncConnection.connect(url, autocommit=True) as conn:
            return await live(conn, now)

    lived = asyncio.run(fill())
    with psycopg.connect(url) as conn:
        if password is not None:
            roles.apply(conn, [roles.Login(stage=Stage.DASHBOARDS, password=password)])
        else:
            # By hand, since the small TimescaleDB refuses rights on the database itself.
            conn.execute(
                "CREATE ROLE anju_dashboards; GRANT USAGE ON SCHEMA dashboard TO anju_dashboards;"
                " GRANT SELECT ON ALL TABLES IN SCHEMA dashboard TO anju_dashboards"
            )
        row = conn.execute("SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
    login = {} if password is None else {"user": Stage.DASHBOARDS.login, "password": password}
    return World(url=url, lived=lived, login=login, timescaledb=row == (1,))
