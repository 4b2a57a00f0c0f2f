"""Which database errors are worth another try."""

import psycopg
import pytest
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import PoolTimeout

from storage.errors import StorageError
from storage.pool import conninfo, is_passing_fault


@pytest.mark.parametrize(
    "error",
    [
        psycopg.OperationalError("the connection is closed"),
        psycopg.InterfaceError("connection lost"),
        PoolTimeout("no connection"),
        ConnectionRefusedError(),
        TimeoutError(),
        errors.AdminShutdown(),
        errors.CannotConnectNow(),
        errors.CrashShutdown(),
        errors.QueryCanceled(),
        errors.SerializationFailure(),
        errors.DeadlockDetected(),
        errors.LockNotAvailable(),
        errors.IdleInTransactionSessionTimeout(),
        errors.TransactionTimeout(),
        errors.DiskFull(),
        errors.OutOfMemory(),
        errors.TooManyConnections(),
        errors.IoError(),
        errors.ReadOnlySqlTransaction(),
        errors.FeatureNotSupported("cached plan must not change result type"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_worth_another_try(error: BaseException) -> None:
    assert is_passing_fault(error)


@pytest.mark.parametrize(
    "error",
    [
        errors.UniqueViolation(),
        errors.CheckViolation(),
        errors.NotNullViolation(),
        errors.NumericValueOutOfRange(),
        errors.UntranslatableCharacter(),
        errors.InvalidTextRepresentation(),
        errors.BadCopyFileFormat(),
        errors.UndefinedTable(),
        errors.UndefinedColumn(),
        errors.SyntaxError(),
        errors.InsufficientPrivilege(),
        errors.InFailedSqlTransaction(),
        errors.FeatureNotSupported("no such thing"),
        errors.DataCorrupted(),
        psycopg.ProgrammingError("no result"),
        psycopg.DataError("NUL in text"),
        ValueError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_fails_however_often_it_is_tried(error: BaseException) -> None:
    assert not is_passing_fault(error)


def test_what_the_url_says_wins_and_limits_come_with_the_connection() -> None:
    url = "postgresql://u:p@h/d?application_name=mine&options=-c%20work_mem%3D1MB"
    given = conninfo_to_dict(conninfo(url, application_name="anju", lock_timeout_s=1.5, statement_timeout_s=None))
    assert given["application_name"] == "mine"
    assert given["options"] == "-c timezone=UTC -c lock_timeout=1500 -c work_mem=1MB"
    assert (given["password"], given["keepalives_idle"]) == ("p", "10")


@pytest.mark.parametrize("url", ["mysql://u:hush@h/d", "postgresql://u:hush@[h/d", "host=h nonsense"])
def test_an_unreadable_url_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(StorageError) as caught:
        conninfo(url, application_name="anju")
    assert "hush" not in str(caught.value)
