"""What every command ends with: an exit code, and one line that says what to do."""

import psycopg
import pytest

from alerts.errors import NoSuchAlert
from anju.cli import guarded
from anju.errors import Exit, InputRefused, NotPossible, Unreachable, Usage
from config.errors import SettingsError
from ingest.errors import BrokerUnreachable, EndpointInvalid
from registry.errors import Fault, ImportRefused
from storage.errors import DatabaseUnavailable, SchemaOutdated


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Usage("x"), Exit.USAGE),
        (InputRefused("x"), Exit.REFUSED),
        (Unreachable("x"), Exit.UNREACHABLE),
        (NotPossible("x"), Exit.NOT_POSSIBLE),
        (SettingsError("x"), Exit.USAGE),
        (EndpointInvalid("x"), Exit.USAGE),
        (BrokerUnreachable("x"), Exit.UNREACHABLE),
        (DatabaseUnavailable("x"), Exit.UNREACHABLE),
        (SchemaOutdated("x"), Exit.FAILED),
        (NoSuchAlert("x"), Exit.NOT_POSSIBLE),
        (psycopg.OperationalError("x"), Exit.UNREACHABLE),
        (psycopg.errors.UndefinedTable("x"), Exit.FAILED),
        (ExceptionGroup("several", [ExceptionGroup("one", [Unreachable("x")])]), Exit.UNREACHABLE),
    ],
)
def test_a_foreseen_error_is_one_line_and_a_code(
    error: Exception, code: Exit, capsys: pytest.CaptureFixture[str]
) -> None:
    def run() -> None:
        raise error

    assert guarded(run) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("anju: ")
    assert said.err.count("\n") == 1


def test_an_import_names_every_fault(capsys: pytest.CaptureFixture[str]) -> None:
    def run() -> None:
        raise ImportRefused(
            [Fault(line=2, column="home", problem="is empty"), Fault(line=9, column=None, problem="no")]
        )

    assert guarded(run) == Exit.REFUSED
    assert capsys.readouterr().err.splitlines() == [
        "line 2, home: is empty",
        "line 9: no",
        "anju: 2 faults found, nothing was imported",
    ]


def test_a_password_in_an_error_is_blotted_out(capsys: pytest.CaptureFixture[str]) -> None:
    def run() -> None:
        raise psycopg.OperationalError("cannot connect to postgresql://anju:s3cret@db/anju")

    guarded(run)
    assert "s3cret" not in capsys.readouterr().err


def test_our_own_bugs_are_not_hidden() -> None:
    def run() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        guarded(run)

    def run_group() -> None:
        raise ExceptionGroup("several", [Unreachable("x"), ZeroDivisionError()])

    with pytest.raises(ExceptionGroup):
        guarded(run_group)


def test_interrupted_and_ended_are_told_by_their_code() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    def ended() -> None:
        raise SystemExit(3)

    assert guarded(interrupted) == 130
    assert guarded(ended) == 3
    assert guarded(lambda: None) == 0
