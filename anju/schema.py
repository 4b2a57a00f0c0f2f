"""Brings the database to what this release needs: its schema, the quantities that drivers know, and who may do what."""

from collections.abc import Callable

import psycopg

from devices.quantities import ALL
from storage import migrate, roles
from storage.pool import conninfo
from storage.sql import load

_SQL = load("anju", "schema.sql")


def upgrade(database_url: str, *, wait_s: float = migrate.WAIT_S, tell: Callable[[str], None] = lambda _: None) -> None:
    """Runs the missing migrations and writes the quantities; a second run changes nothing.

    Args:
        database_url: of the owner of the schema.
        wait_s: how long to go on trying while others hold what a migration needs.
        tell: is handed one line for each step, and for each that has to wait.

    Raises:
        storage.errors.StorageError: the database cannot be reached, is too busy, or was migrated by a later release
            that this one cannot work with.
    """
    if migrate.is_ahead(database_url):
        return  # what a later release named and allowed is not ours to take back
    migrate.upgrade(database_url, wait_s=wait_s, tell=tell)
    rows = [{"quantity": known.code, "name": known.name, "unit": known.unit} for known in ALL]
    with psycopg.connect(conninfo(database_url, application_name="anju migrate")) as conn, conn.cursor() as cursor:
        cursor.executemany(_SQL.put_quantity, rows)
        roles.renew(conn)
