"""Runs the steps that a database lacks while the stages are at work in it, by Alembic.

DDL needs locks that nothing else may hold, and whoever wants the table next waits behind the waiting DDL. So a step
waits for a lock only briefly, is rolled back whole and tried again after an ever longer pause.
"""

import time
from collections.abc import Callable
from itertools import chain, repeat
from pathlib import Path
from typing import Final, cast

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from psycopg import errors
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from storage.errors import DatabaseUnavailable, MigrationBlocked
from storage.migration_watch import Watch
from storage.pool import is_passing_fault

# Names the lock that one migrator holds; any number does, as long as nothing else uses it.
_LOCK_KEY: Final = 0x616E6A75
_TURN_EVERY_S: Final = 0.2
_PAUSES_S: Final = (1.0, 2.0, 4.0, 8.0)
_LONGEST_PAUSE_S: Final = 15.0
# The step was rolled back because of what others did at the time.
_IN_THE_WAY: Final = (errors.LockNotAvailable, errors.DeadlockDetected, errors.QueryCanceled, errors.ObjectInUse)

Tell = Callable[[str], None]


def missing(migrations: Path, found: str | None) -> list[Script]:
    """The steps after a revision (None: all), oldest first."""
    scripts = ScriptDirectory(str(migrations))
    return [*scripts.iterate_revisions("head", found or "base")][::-1]


def run(
    connect: Callable[[], psycopg.Connection], migrations: Path, *, wait_s: float, patience_s: float, tell: Tell
) -> None:
    """Runs what is missing; see `storage.migrate.upgrade`.

    Args:
        connect: makes a connection as the owner of the schema.
        migrations: Alembic's folder.
        wait_s: how long to go on trying, all steps together.
        patience_s: how long somebody may wait for a step.
        tell: is handed one line for each step, and for each that has to wait.
    """
    deadline_s = time.monotonic() + wait_s
    engine = create_engine("postgresql+psycopg://", creator=connect, poolclass=NullPool)
    with engine.connect() as connection:
        _take_turn(connection, deadline_s, wait_s, tell)
        config = Config()
        config.set_main_option("script_location", str(migrations).replace("%", "%%"))
        config.attributes["connection"] = connection
        found = MigrationContext.configure(connection).get_current_revision()
        connection.rollback()
        for script in missing(migrations, found):
            _run_step(connection, config, script, Watch(_driver(connection), connect, patience_s, deadline_s), tell)


def _run_step(connection: Connection, config: Config, script: Script, watch: Watch, tell: Tell) -> None:
    step = f"{script.revision} ({script.doc.rstrip('.')})"
    for pause_s in chain(_PAUSES_S, repeat(_LONGEST_PAUSE_S)):
        began_s = time.monotonic()
        try:
            with watch:
                command.upgrade(config, script.revision)
        except (psycopg.Error, DBAPIError) as raised:
            error = raised.orig if isinstance(raised, DBAPIError) else raised
            if not isinstance(error, _IN_THE_WAY):
                if isinstance(error, psycopg.Error) and is_passing_fault(error):
                    reason = str(error).splitlines()[0]
                    raise DatabaseUnavailable(
                        f"the database went away during {step}: {reason}; earlier steps stay, run it again"
                    ) from raised
                raise
            if not connection.closed:
                connection.rollback()
            if time.monotonic() + pause_s > watch.deadline_s:
                raise MigrationBlocked(
                    f"gave up on {step}: {watch.obstacle}; earlier steps stay. End what is in the way, or wait longer"
                    " (--wait)"
                ) from raised
            tell(f"{step}: {watch.obstacle}; stepped back, tries again in {pause_s:.0f} s")
            time.sleep(pause_s)
        else:
            tell(f"{step}: done in {time.monotonic() - began_s:.1f} s")
            return


def _take_turn(connection: Connection, deadline_s: float, wait_s: float, tell: Tell) -> None:
    """Waits until no other migrator is at work.

    By asking again and again: who waits inside a statement keeps its snapshot, and an index that the other one makes
    concurrently would wait for that.
    """
    told = False
    while not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK_KEY}).scalar_one():
        connection.rollback()
        if time.monotonic() > deadline_s:
            raise MigrationBlocked(f"another migrator has been at work for {wait_s:.0f} s; it may be left to finish")
        if not told:
            tell("another migrator is at work; waits until it is done")
            told = True
        time.sleep(_TURN_EVERY_S)
    connection.commit()


def _driver(connection: Connection) -> psycopg.Connection:
    return cast(psycopg.Connection, connection.connection.driver_connection)
