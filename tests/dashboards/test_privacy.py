"""Nobody's name, number or words can be reached with Grafana's rights, whatever is asked."""

import importlib
import pkgutil
from collections.abc import Iterator
from string import Formatter
from typing import Any, Final

import psycopg
import pytest
from psycopg import Connection, errors, sql

from alerts import sentences
from tests.dashboards.town import SECRETS
from tests.dashboards.worlds import World

_CANARY: Final = "canary-1"
#: Columns of text that are shown on purpose: ids that operators give, and the service's own words.
_SHOWN: Final = {
    # Ids: of places, of things, and by which rosters name people (docs/dashboards.md says: no names in them).
    "area.path",
    "area_trouble.gateway",
    "device.driver",
    "device.model",
    "device.name",
    "home.time_zone",
    "installation.gateway",
    "person.key",
    # Written by the service alone, out of closed sets, ids and figures.
    "alert.kind",
    "alert.outcome",
    "alert.reason",
    "alert_entry.action",
    "event.kind",
    "hearing.broker",
    "notification.channel",
    "quarantine_count.reason",
    "quantity.name",
    "quantity.unit",
}
#: Words that would name a person, and no sentence of the service may ask for.
_NAMING: Final = {
    "name",
    "resident",
    "person",
    "contact",
    "phone",
    "number",
    "address",
    "home",
    "who",
    "text",
    "comment",
}


@pytest.fixture
def owner(plain_world: World) -> Iterator[Connection[Any]]:
    """What it does is taken back."""
    with plain_world.owner() as conn, conn.transaction(force_rollback=True):
        # As the database itself: neither triggers nor references keep a planted text out.
        conn.execute("SET LOCAL session_replication_role = replica")
        yield conn


def _views(conn: Connection[Any]) -> list[str]:
    rows = conn.execute("SELECT table_name FROM information_schema.views WHERE table_schema = 'dashboard'").fetchall()
    assert len(rows) > 15
    return sorted(row[0] for row in rows)


def _seen(conn: Connection[Any], views: list[str]) -> str:
    """All that all views say."""
    each = [sql.SQL("SELECT shown::text FROM dashboard.{} AS shown").format(sql.Identifier(view)) for view in views]
    return "\n".join(row[0] for row in conn.execute(sql.SQL(" UNION ALL ").join(each)).fetchall())


def test_no_name_number_or_word_of_the_town_is_shown(owner: Connection[Any]) -> None:
    views = _views(owner)
    said = _seen(owner, views)
    assert "btn-1" in said
    assert "duty-1" in said
    assert [secret for secret in SECRETS if secret in said] == []
    names = "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'dashboard'"
    columns = {row[0] for row in owner.execute(names).fetchall()}
    assert {each for each in columns if each.rpartition(".")[2] in ("name", "title")} == {"device.name"}


def test_a_text_planted_anywhere_is_shown_only_where_we_mean_it(owner: Connection[Any]) -> None:
    views = _views(owner)
    columns = owner.execute(
        "SELECT c.table_name, c.column_name, c.data_type FROM information_schema.columns c"
        " JOIN information_schema.tables t USING (table_schema, table_name)"
        " WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.is_generated = 'NEVER'"
        " AND c.data_type IN ('text', 'character varying', 'jsonb', 'json', 'bytea', 'ARRAY')"
        " AND c.table_name NOT LIKE 'reading\\_2%' AND c.table_name NOT LIKE 'alembic%'"
    ).fetchall()
    assert len(columns) > 60
    shown, planted, closed = set(), set(), set()
    for table, column, kind in columns:
        try:
            with owner.transaction(force_rollback=True):
                if _plant(owner, table, column, kind):
                    planted.add(f"{table}.{column}")
                    if _CANARY in _seen(owner, views):
                        shown.add(f"{table}.{column}")
        except (errors.CheckViolation, errors.UniqueViolation):
            closed.add(f"{table}.{column}")
    assert shown <= _SHOWN, "texts that Grafana can reach"
    assert {"area.path", "device.name", "alert.reason"} <= shown, "what is shown on purpose was not found either"
    # A column that the town leaves empty proves nothing.
    for secret in ("home.name", "resident.name", "person.name", "person_address.address", "notification.recipient"):
        assert secret in planted
    assert {"notification.body", "alert.evidence", "alert_entry.detail", "absence.noted_by", "event.detail"} <= planted


def _plant(conn: Connection[Any], table: str, column: str, kind: str) -> bool:
    """Puts the text into one row's column; whether there was a row."""
    value = {
        "jsonb": sql.SQL("jsonb_build_object('said', {}::text)"),
        "json": sql.SQL("json_build_object('said', {}::text)"),
        "bytea": sql.SQL("convert_to({}, 'UTF8')"),
        "ARRAY": sql.SQL("ARRAY[{}]"),
    }.get(kind, sql.SQL("{}")).format(sql.Literal(_CANARY))
    # Every row where that may be, else one: what is unique would refuse a second.
    for which in (sql.SQL("true"), sql.SQL("ctid = (SELECT min(ctid) FROM {})").format(sql.Identifier(table))):
        try:
            with conn.transaction():
                query = sql.SQL("UPDATE {} SET {} = {} WHERE {}").format(
                    sql.Identifier(table), sql.Identifier(column), value, which
                )
                return conn.execute(query).rowcount > 0
        except errors.UniqueViolation:
            continue
    return False


def test_who_took_an_alert_is_a_key_and_no_account(owner: Connection[Any]) -> None:
    taken = "SELECT DISTINCT taken_by FROM dashboard.alert WHERE taken_by IS NOT NULL ORDER BY 1"
    assert owner.execute(taken).fetchall() == [("duty-1",), ("other account",)]


def test_sentences_of_the_service_ask_for_figures_and_ids_alone() -> None:
    asked = set()
    for module in pkgutil.iter_modules(sentences.__path__):
        for template in getattr(importlib.import_module(f"alerts.sentences.{module.name}"), "TEMPLATES", {}).values():
            for text in (template.en, template.zh):
                asked |= {name for _, name, _, _ in Formatter().parse(text) if name}
    assert {"device", "gateway", "used_l"} <= asked
    assert asked & _NAMING == set()


def test_grafanas_login_reads_the_views_and_nothing_else(plain_world: World) -> None:
    with plain_world.owner() as conn:
        views = _views(conn)
        relations = conn.execute(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND n.nspname NOT IN"
            " ('pg_catalog', 'information_schema', 'pg_toast', 'dashboard') AND n.nspname NOT LIKE 'pg_temp%'"
        ).fetchall()
    assert len(relations) > 40
    with plain_world.grafana() as conn:
        who = conn.execute("SELECT current_user, session_user, rolsuper FROM pg_roles WHERE rolname = current_user")
        assert who.fetchone() == ("anju_dashboards_login", "anju_dashboards_login", False)
        assert _seen(conn, views)
        for schema, name in relations:
            with pytest.raises(errors.InsufficientPrivilege):
                conn.execute(sql.SQL("SELECT FROM {} LIMIT 1").format(sql.Identifier(schema, name)))
        for forbidden in (
            "UPDATE dashboard.area SET path = ''",
            "DELETE FROM dashboard.home",
            "CREATE TABLE public.mine (a integer)",
            "CREATE VIEW dashboard.mine AS SELECT 1",
            "COPY (SELECT * FROM dashboard.kind) TO 'somewhere'",
        ):
            with pytest.raises((errors.InsufficientPrivilege, psycopg.errors.ObjectNotInPrerequisiteState)):
                conn.execute(forbidden.encode())
        # A function with its owner's rights would be a way around.
        callable_ = conn.execute(
            "SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
            " WHERE p.prosecdef AND has_function_privilege(p.oid, 'EXECUTE')"
        )
        assert callable_.fetchall() == []
