"""Connections to PostgreSQL, opened in one way, and which of their errors are worth another try."""

from typing import Any, Final

import psycopg
from psycopg import AsyncConnection, errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from storage.errors import StorageError

# Classes of SQLSTATE that time or another connection may cure (PostgreSQL manual, appendix A).
_PASSING_CLASSES: Final = frozenset(
    {
        "08",  # the connection
        "40",  # serialization failure, deadlock: the transaction was rolled back whole
        "53",  # disk full, out of memory, too many connections
        "57",  # shut down, starting up, cancelled (also by statement_timeout)
        "58",  # an error of the system below, such as I/O
    }
)
_PASSING_STATES: Final = frozenset(
    {
        "25006",  # read only: a standby, or a primary that was just demoted
        "25P03",  # idle in a transaction for too long: the server hung up
        "25P04",  # the transaction took too long: the server hung up
        "55006",  # object in use
        "55P03",  # lock_timeout or NOWAIT
    }
)


def is_passing_fault(error: BaseException) -> bool:
    """Says whether a database error may go away by itself, so that the same work is worth another try.

    True for lost or refused connections, shutdown, failover, deadlock and serialization failures, time limits and
    exhausted resources. False for refused data and for faulty SQL, which fail again however often they are tried.
    """
    if not isinstance(error, psycopg.Error):
        return isinstance(error, OSError | TimeoutError)
    state = error.sqlstate
    if state is None:  # raised by the client: no answer from the server
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    if isinstance(error, errors.FeatureNotSupported):
        # A prepared statement outlived a migration; psycopg prepares it anew after the rollback.
        return "cached plan" in str(error)
    return state[:2] in _PASSING_CLASSES or state in _PASSING_STATES


def conninfo(
    url: str,
    *,
    application_name: str,
    connect_timeout_s: float = 10.0,
    idle_in_transaction_timeout_s: float | None = None,
    statement_timeout_s: float | None = None,
    lock_timeout_s: float | None = None,
) -> str:
    """Completes a database URL with the settings that every connection of ours has.

    The session's limits travel with the connection request, so no statement runs before they hold. What the URL itself
    says wins. A time limit of None leaves the server's own.

    Raises:
        StorageError: the URL cannot be read.
    """
    limits_s = {
        "idle_in_transaction_session_timeout": idle_in_transaction_timeout_s,
        "statement_timeout": statement_timeout_s,
        "lock_timeout": lock_timeout_s,
    }
    session = ["-c timezone=UTC", *(f"-c {name}={round(s * 1000)}" for name, s in limits_s.items() if s is not None)]
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # The driver's message may quote the URL, password included.
        raise StorageError(
            "the database URL cannot be read; it looks like postgresql://user:password@host/name"
        ) from None
    ours: dict[str, Any] = {
        "application_name": application_name,
        "connect_timeout": max(2, round(connect_timeout_s)),  # libpq counts in whole seconds, from 2
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        # A peer that is gone without a word is noticed by unacknowledged data too, not by keepalives alone.
        "tcp_user_timeout": 20_000,
    }
    options = " ".join([*session, str(given.pop("options", None) or "")]).strip()
    return make_conninfo("", **{**ours, **given, "options": options})


async def connect(
    url: str,
    *,
    application_name: str,
    autocommit: bool = False,
    connect_timeout_s: float = 10.0,
    idle_in_transaction_timeout_s: float | None = None,
    statement_timeout_s: float | None = None,
    lock_timeout_s: float | None = None,
) -> AsyncConnection[TupleRow]:
    """Opens one connection with the settings of `conninfo`; times come back as UTC.

    Raises:
        psycopg.OperationalError: the database cannot be reached (a passing fault).
        StorageError: the URL cannot be read.
    """
    return await AsyncConnection.connect(
        conninfo(
            url,
            application_name=application_name,
            connect_timeout_s=connect_timeout_s,
            idle_in_transaction_timeout_s=idle_in_transaction_timeout_s,
            statement_timeout_s=statement_timeout_s,
            lock_timeout_s=lock_timeout_s,
        ),
        autocommit=autocommit,
    )


def open_pool(
    url: str,
    *,
    application_name: str,
    max_size: int,
    min_size: int = 1,
    autocommit: bool = False,
    wait_timeout_s: float = 10.0,
    idle_in_transaction_timeout_s: float | None = None,
    statement_timeout_s: float | None = None,
    lock_timeout_s: float | None = None,
) -> AsyncConnectionPool[AsyncConnection[TupleRow]]:
    """Makes a pool that opens when entered: `async with open_pool(...) as pool`.

    Entering it does not wait for the database; the first use does, up to `wait_timeout_s`, and then raises
    `psycopg_pool.PoolTimeout`, a passing fault. A connection that died in the pool is replaced before it is handed out.
    """
    return AsyncConnectionPool(
        conninfo(
            url,
            application_name=application_name,
            idle_in_transaction_timeout_s=idle_in_transaction_timeout_s,
            statement_timeout_s=statement_timeout_s,
            lock_timeout_s=lock_timeout_s,
        ),
        kwargs={"autocommit": autocommit},
        min_size=min_size,
        max_size=max_size,
        timeout=wait_timeout_s,
        # Attempts go on while somebody waits; psycopg_pool spaces them ever wider until this limit, then starts anew.
        reconnect_timeout=wait_timeout_s,
        check=AsyncConnectionPool.check_connection,
        open=False,
        name=application_name,
    )
