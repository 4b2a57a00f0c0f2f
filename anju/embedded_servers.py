"""The embedded servers of `anju up`, and what is remembered of them from one start to the next."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from anju.children import child_environment
from anju.embedded_broker import EmbeddedBroker, EmbeddedBrokerError
from anju.errors import CommandError
from anju.secret_files import new_file
from storage.embedded import EmbeddedPostgres
from storage.pool import connect
from storage.sql import load

_SQL = load("anju", "embedded_servers.sql")


@asynccontextmanager
async def embedded_postgres(folder: Path) -> AsyncIterator[str]:
    """The embedded PostgreSQL on a data folder, by its URL; stopped also where this process is killed."""
    server = EmbeddedPostgres(folder)
    guard = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "anju.guard",
        str(folder),
        stdin=asyncio.subprocess.PIPE,
        start_new_session=True,
        env=child_environment({}),
    )
    try:
        yield await asyncio.to_thread(server.start)
    finally:
        await asyncio.to_thread(server.stop)
        with contextlib.suppress(BrokenPipeError):
            await guard.communicate(b"q")


@contextmanager
def handed_over(file: Path, database_url: str, tell: Callable[[str], None]) -> Iterator[None]:
    """The URL for the other commands, in a file: its password has no business on a terminal. Gone with the server."""
    file.unlink(missing_ok=True)
    new_file(file, f"{database_url}\n".encode())
    tell(f"database: its URL is in {file.absolute()}")
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


@asynccontextmanager
async def embedded_broker(remembered: Path, tell: Callable[[str], None]) -> AsyncIterator[EmbeddedBroker]:
    """The embedded broker, on the ports it had before where they are still free.

    Raises:
        CommandError: it could not be started.
    """
    known = _ports(remembered)
    broker = EmbeddedBroker(port=known.get("port", 0), port_v311=known.get("port_v311", 0))
    try:
        try:
            await asyncio.to_thread(broker.start)
        except EmbeddedBrokerError:
            if not known:
                raise
            broker = EmbeddedBroker()
            await asyncio.to_thread(broker.start)
    except EmbeddedBrokerError as error:
        raise CommandError(str(error)) from error
    try:
        tell(f"broker: {broker.url} (MQTT 5), mqtt://127.0.0.1:{broker.port_v311} (MQTT 3.1.1)")
        yield broker
    finally:
        await asyncio.to_thread(broker.stop)


async def remember_broker(remembered: Path, broker: EmbeddedBroker, database_url: str) -> None:
    """When the broker's port has changed, nothing will be heard on the old one: silence must not be judged by it."""
    old = _ports(remembered).get("port")
    if old is not None and old != broker.port:
        async with await connect(database_url, application_name="anju up") as conn:
            await conn.execute(_SQL.forget_broker, {"broker": f"127.0.0.1:{old}"})
    ports = {"port": broker.port, "port_v311": broker.port_v311}
    await asyncio.to_thread(remembered.write_text, json.dumps(ports), encoding="utf-8")


def _ports(remembered: Path) -> dict[str, int]:
    try:
        known = json.loads(remembered.read_text(encoding="utf-8"))
        return {name: int(known[name]) for name in ("port", "port_v311")}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
