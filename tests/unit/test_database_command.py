"""`anju database roles` refuses what makes no sense before it asks the database; privileges are read strictly."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from anju.cli import app
from anju.errors import CommandError, InputRefused, Usage
from storage.privileges import Privilege, Stage, _parsed, table
from storage.roles import password_fault

NOWHERE = {"ANJU_DATABASE_URL": "postgresql://anju@127.0.0.1:1/anju"}


@pytest.mark.parametrize(
    ("login", "kind", "said"),
    [
        ("web=/tmp/x", Usage, "the stages are ingest, rules"),
        ("ingest=", Usage, "not STAGE or STAGE=FILE"),
        ("=file", Usage, "not STAGE or STAGE=FILE"),
        ("ingest={folder}/none", InputRefused, "cannot be read"),
        ("ingest={folder}/short", InputRefused, "has 5 characters"),
        ("ingest={folder}/bytes", InputRefused, "is no text"),
        ("ingest={folder}/lines", InputRefused, "printable ones of ASCII"),
    ],
)
def test_a_login_that_cannot_be_is_refused(login: str, kind: type[CommandError], said: str, tmp_path: Path) -> None:
    (tmp_path / "short").write_text("short\n", encoding="utf-8")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe" * 20)
    (tmp_path / "lines").write_text("first-line-of\ntwo-lines-of-it\n", encoding="utf-8")
    with pytest.raises(kind, match=said):
        CliRunner().invoke(
            app, ["database", "roles", "--login", login.format(folder=tmp_path)], env=NOWHERE, catch_exceptions=False
        )


def test_a_stage_is_named_once() -> None:
    arguments = ["database", "roles", "--login", "ingest", "--login", "ingest"]
    with pytest.raises(Usage, match="twice"):
        CliRunner().invoke(app, arguments, env=NOWHERE, catch_exceptions=False)


@pytest.mark.parametrize(
    ("password", "fault"),
    [
        ("twelve-chars", None),
        ("a pass phrase of words", None),
        ("short", "5 characters"),
        ("p" * 501, "501 characters"),
        ("pässword-of-some", "ASCII"),
        ("twelve\tchars-or-so", "ASCII"),
    ],
)
def test_a_bad_password_is_named(password: str, fault: str | None) -> None:
    found = password_fault(password)
    assert found is None if fault is None else fault in (found or "")


def test_privileges_are_read_with_their_columns() -> None:
    (select, update) = _parsed(Stage.ALERTS, "person", "select update(person_id, key)")
    assert (select.privilege, select.columns) == (Privilege.SELECT, ())
    assert (update.privilege, update.columns) == (Privilege.UPDATE, ("person_id", "key"))


@pytest.mark.parametrize("text", ["selct", "select all", "truncate", "select; insert", "update()"])
def test_a_privilege_that_there_is_not_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no list of privileges"):
        list(_parsed(Stage.RULES, "home", text))


def test_the_table_keeps_its_promises() -> None:
    given = {(each.stage, each.relation, each.privilege) for each in table().grants}
    assert not [each for each in given if each[0] is Stage.DASHBOARDS]
    for append_only in ("alert_entry", "policy", "roster", "escalation_policy", "event"):
        changing = {Privilege.UPDATE, Privilege.DELETE}
        assert not [each for each in given if each[1] == append_only and each[2] in changing]
    assert {each[0] for each in given if each[1:] == ("reading", Privilege.DELETE)} == {Stage.KEEP}
    assert {each[0] for each in given if each[1] == "resident"} == {Stage.OPERATOR}
    assert {each[0] for each in given if each[1] == "person_address"} == {Stage.ALERTS, Stage.OPERATOR}
