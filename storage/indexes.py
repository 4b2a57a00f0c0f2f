"""Indexes made while others write, for the migrations that need them."""

from typing import Final, cast

import psycopg
from alembic import op
from psycopg import sql

from storage.sql import load

_Q: Final = load(__package__, "indexes.sql")


def make_concurrently(name: str, on: str) -> None:
    """Makes an index without holding up those who write to the table; the only work of its revision.

    It runs outside of any transaction: what it leaves behind when it fails, an index that is not valid, the next try
    removes. Not for `reading`: a natively partitioned table takes no such index, see docs/upgrade.md.

    Args:
        name: of the index.
        on: what follows ON in CREATE INDEX, e.g. `alert (home_id, since DESC) WHERE state <> 'closed'`.
    """
    with op.get_context().autocommit_block():
        driver = cast(psycopg.Connection, op.get_bind().connection.driver_connection)
        # It waits for transactions older than itself, and holds nobody up meanwhile.
        driver.execute(_Q.wait_as_long_as_it_takes)
        index = sql.Identifier(name)
        row = driver.execute(_Q.is_valid, [name]).fetchone()
        if row is not None and not row[0]:
            driver.execute(sql.SQL(_Q.remove).format(index=index))
        if row is None or not row[0]:
            # `on` is part of the program, like the .sql files.
            driver.execute(sql.SQL(_Q.make).format(index=index, on=sql.SQL(on)))
        driver.execute(_Q.wait_briefly_again)
