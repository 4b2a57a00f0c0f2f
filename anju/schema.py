"""Brings the database to what this release needs: its schema, and the names of the quantities that drivers know."""

import psycopg

from devices.quantities import ALL
from storage import migrate
from storage.pool import conninfo
from storage.sql import load

_SQL = load("anju", "schema.sql")


def upgrade(database_url: str) -> None:
    """Runs the missing migrations and writes the quantities; a second run changes nothing.

    Raises:
        storage.errors.StorageError: the database cannot be reached, or was migrated by a later release.
    """
    migrate.upgrade(database_url)
    rows = [{"quantity": known.code, "name": known.name, "unit": known.unit} for known in ALL]
    with psycopg.connect(conninfo(database_url, application_name="anju migrate")) as conn, conn.cursor() as cursor:
        cursor.executemany(_SQL.put_quantity, rows)
