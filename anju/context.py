"""What every command needs: the settings, a connection, and an event loop that Ctrl-C ends without a traceback."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

import typer

from anju.errors import Usage

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow

    from config.settings import Settings
    from devices.registry import Drivers

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Globals:
    """What was said before the name of the command."""

    config_file: Path | None = None


def config_file(context: typer.Context) -> Path | None:
    """The file that `--config` named."""
    given = context.find_object(Globals)
    return None if given is None else given.config_file


def settings(context: typer.Context, *required: str, overrides: Mapping[str, str] = MappingProxyType({})) -> "Settings":
    """Loads the settings, and stops where one is wrong or a required one is missing.

    Args:
        context: of the command.
        required: settings the command cannot do without.
        overrides: variables that win over the environment.
    """
    from config.settings import load, overridden

    return load(config_file(context), overridden(os.environ, overrides)).require(*required)


@asynccontextmanager
async def database(url: str) -> AsyncIterator["AsyncConnection[TupleRow]"]:
    """A connection whose schema is the one this release needs."""
    from storage import migrate
    from storage.pool import connect

    await asyncio.to_thread(migrate.check, url)
    conn = await connect(url, application_name="anju command", autocommit=True, lock_timeout_s=10)
    async with conn:
        yield conn


def with_database(
    context: typer.Context, work: "Callable[[AsyncConnection[TupleRow]], Awaitable[T]]", *required: str
) -> T:
    """Runs a command's work on a connection of its own."""
    url = database_url(settings(context, "database_url", *required))

    async def main() -> T:
        async with database(url) as conn:
            return await work(conn)

    return asyncio.run(main())


def database_url(loaded: "Settings") -> str:
    """The database's URL, password included: for connecting only, never for output."""
    if loaded.database_url is None:
        raise Usage("ANJU_DATABASE_URL is not set")
    return loaded.database_url.get_secret_value()


def drivers(loaded: "Settings") -> "Drivers":
    """The drivers, below the prefixes and with the positions that the settings have.

    Raises:
        SettingsError: a prefix is named twice, or for a driver that there is not.
    """
    from config.errors import SettingsError
    from devices.errors import DriverConflict
    from devices.registry import discover

    try:
        return discover(loaded.topic_prefixes, keep_positions=loaded.keep_positions)
    except DriverConflict as conflict:
        raise SettingsError(f"ANJU_TOPIC_PREFIXES: {conflict}") from None
