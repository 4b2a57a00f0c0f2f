"""The database roles of the stages: exactly the rights that their queries need, and no others, on real databases."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from psycopg import Connection, sql

from anju.doctor import State, rights_check
from anju.schema import upgrade
from ingest.copy_format import HEADER, TRAILER, microseconds, pack_row
from storage import roles
from storage.errors import RolesRefused
from storage.privileges import Grant, Privilege, Stage, table
from storage.roles import Login
from storage.sql import load
from tests.servers import REPOSITORY, Postgres
from tests.timescale import Timescale

_PASSWORD: Final = "correct horse battery staple"
_NOW: Final = datetime(2026, 11, 2, 8, tzinfo=UTC)

# Run by whoever owns the schema: no stage needs rights for these.
_OWNERS: Final = frozenset(
    {
        "anju/demo.sql",
        "anju/restored.sql",
        "anju/schema.sql",
        "anju/embedded_servers.sql",
        "storage/indexes.sql",
        "storage/migration_watch.sql",
        "storage/roles.sql",
    }
)
_TIMESCALE_ONLY: Final = frozenset({"refresh_use_history(integer, jsonb)"})
# What every stage asks of the schema's version before it works.
_VERSION: Final = frozenset({"alembic_version", "schema_compatibility"})
# Written by the function rearm_home with the caller's rights.
_REARMED: Final = "home_watch"
# The files whose queries a stage runs; of a file that stages share, the queries that this one does not.
_FILES: Final[dict[Stage, dict[str, frozenset[str]]]] = {
    Stage.INGEST: {
        "ingest/ingest.sql": frozenset(),
        "ingest/quarantine.sql": frozenset({"claim_for_replay", "mark_replayed"}),
        "ingest/subscriptions.sql": frozenset(),
        "storage/partitions.sql": frozenset(),
    },
    Stage.RULES: {
        "alerts.life/cases.sql": frozenset({"lock_one", "adopt", "is_telling"}),
        "registry/policy.sql": frozenset({"add", "request_rearm"}),
        "rules/area_watch.sql": frozenset(),
        "rules/area_water.sql": frozenset(),
        "rules/engine.sql": frozenset(),
        "rules/hearing.sql": frozenset(),
        "rules/learner.sql": frozenset(),
        "rules/loading.sql": frozenset(),
        "rules/series.sql": frozenset(),
        "rules/supervision.sql": frozenset(),
        "rules/sweep.sql": frozenset(),
        "rules/wake.sql": frozenset(),
    },
    Stage.ALERTS: {
        "alerts/outbox.sql": frozenset(),
        "alerts/receipts.sql": frozenset(),
        "alerts.escalation/escalation.sql": frozenset(),
        "alerts.life/cases.sql": frozenset(),
        "alerts.life/commands.sql": frozenset(),
        "alerts.life/reading.sql": frozenset(),
        "alerts.life/takings.sql": frozenset(),
        "alerts.replies/replies.sql": frozenset(),
        "alerts.roster/storing.sql": frozenset({"write", "history"}),
        "alerts.web/pages.sql": frozenset(),
        "registry/people.sql": frozenset(),
    },
    Stage.PROBE: {
        "alerts.life/cases.sql": frozenset({"lock_one", "adopt", "is_telling"}),
        "anju.proof/proof.sql": frozenset({"mark_probe_home"}),
    },
    Stage.KEEP: {
        "anju.keeping/keeping.sql": frozenset(),
        "storage/partitions.sql": frozenset(),
        "storage/retention.sql": frozenset(),
        "storage/series.sql": frozenset(),
    },
    Stage.OPERATOR: {
        "alerts.escalation/escalation.sql": frozenset({"claim", "waiting", "write", "push_out"}),
        "alerts.escalation/storing.sql": frozenset(),
        "alerts.life/cases.sql": frozenset(),
        "alerts.life/commands.sql": frozenset(),
        "alerts.life/reading.sql": frozenset(),
        "alerts.replies/replies.sql": frozenset(),
        "alerts.report/reading.sql": frozenset(),
        "alerts.roster/storing.sql": frozenset(),
        "anju/brokers.sql": frozenset(),
        "anju/doctor.sql": frozenset(),
        "anju/homes.sql": frozenset(),
        "anju/proposals.sql": frozenset(),
        "anju/telling_checks.sql": frozenset(),
        "anju/view.sql": frozenset(),
        "ingest/quarantine.sql": frozenset(
            {"keep", "count", "kept_lately", "kept_ids", "delete", "sizes", "drop_old_counts"}
        ),
        "ingest/ingest.sql": frozenset({"write_hearing", "take_bulk_lease", "drop_bulk_lease", "read_hearing"}),
        "registry/absences.sql": frozenset(),
        "registry/applying.sql": frozenset(),
        "registry/contacts.sql": frozenset(),
        "registry/devices.sql": frozenset(),
        "registry/enrolling.sql": frozenset(),
        "registry/installations.sql": frozenset(),
        "registry/installing.sql": frozenset(),
        "registry/issuing.sql": frozenset(),
        "registry/people.sql": frozenset(),
        "registry/policies.sql": frozenset(),
        "registry/policy.sql": frozenset(),
        "rules/learner.sql": frozenset({"enrol", "due", "write"}),
        "rules/loading.sql": frozenset(),
        "rules/series.sql": frozenset(),
        "rules/supervision.sql": frozenset(),
        "storage/series.sql": frozenset({"fit", "note_job", "note_success", "note_failure"}),
    },
}
# Only where the series is a hypertable.
_TIMESCALE_QUERIES: Final = frozenset({"size_of_hypertable", "jobs"})


def _queries(stage: Stage, *, timescale: bool = False) -> Iterator[tuple[str, str]]:
    """The queries of a stage with the names of their parameters replaced by numbers: place, text."""
    for file, others in _FILES.get(stage, {}).items():
        package, _, name = file.partition("/")
        queries = load(package, name)
        for query in queries:
            if query not in others and (timescale or query not in _TIMESCALE_QUERIES):
                yield f"{file}: {query}", _numbered(getattr(queries, query))


def _numbered(query: str) -> str:
    numbers: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        if match[0] == "%%":
            return "%"
        name = match[1] or f"_{len(numbers)}"
        # Of the parameters that are only added to something, PostgreSQL cannot tell the type.
        typed = "::interval" if name == "cancel_within" else ""
        return f"${numbers.setdefault(name, len(numbers) + 1)}{typed}"

    return re.sub(r"%%|%\((\w+)\)s|%s", number, query)


def _refused(connection: Connection[Any], query: str) -> str | None:
    """Whether the rights of the session's role do not suffice for a query; it is planned, and nothing runs."""
    bare = re.sub(r"--.*", "", query).split(maxsplit=1)[0].upper()
    if bare == "SET":
        return None  # of the session's own
    connection.execute("SAVEPOINT asked")
    try:
        if bare == "COPY":
            with connection.cursor() as cursor, cursor.copy(query.encode()) as copy:
                copy.write(HEADER + TRAILER)
        else:
            planned = b"" if bare in {"LISTEN", "LOCK", "CREATE"} else b"EXPLAIN (GENERIC_PLAN) "
            connection.execute(planned + query.encode())
            if bare == "CREATE":
                return None  # a temporary table that later queries need
    except psycopg.errors.InsufficientPrivilege as error:
        return error.diag.message_primary
    finally:
        if bare != "CREATE":
            connection.execute("ROLLBACK TO SAVEPOINT asked")
    return None


def _as(connection: Connection[Any], stage: Stage) -> None:
    connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(stage.group)))


@pytest.fixture(scope="module")
def owner_url(postgres_server: Postgres) -> Iterator[str]:
    """A migrated database whose stages have their roles."""
    url = postgres_server.create_database()
    upgrade(url)
    with psycopg.connect(url) as connection:
        roles.apply(connection, [Login(stage=stage, password=_PASSWORD) for stage in Stage])
    yield url
    postgres_server.drop_database(url.rpartition("/")[2])


@pytest.fixture
def connection(owner_url: str) -> Iterator[Connection[Any]]:
    """The owner's connection; all is rolled back."""
    with psycopg.connect(owner_url, prepare_threshold=None) as connection:
        yield connection
        connection.rollback()


def test_every_table_and_function_has_its_entry(connection: Connection[Any]) -> None:
    assert set(roles.relations(connection)) == table().relations
    assert set(roles.functions(connection)) == set(table().functions) - _TIMESCALE_ONLY


def test_every_file_of_queries_belongs_to_a_stage_or_to_the_owner() -> None:
    packages = ("anju", "alerts", "ingest", "registry", "rules", "storage")
    files = {
        f"{'.'.join(file.parent.relative_to(REPOSITORY).parts)}/{file.name}"
        for package in packages
        for file in Path(REPOSITORY / package).rglob("*.sql")
        if "migrations" not in file.parts
    }
    assert files - {"storage/migrate.sql"} == _OWNERS | {file for stage in _FILES.values() for file in stage}


@pytest.mark.parametrize("stage", _FILES)
def test_a_stage_may_run_each_of_its_queries(connection: Connection[Any], stage: Stage) -> None:
    _as(connection, stage)
    found = {place: refused for place, query in _queries(stage) if (refused := _refused(connection, query))}
    assert found == {}


@pytest.mark.parametrize("stage", _FILES)
def test_a_stage_has_no_right_that_none_of_its_queries_needs(connection: Connection[Any], stage: Stage) -> None:
    queries = [query for _, query in _queries(stage)]
    idle = []
    for query in queries:  # those that make what others need
        if query.startswith("CREATE"):
            connection.execute(query.encode())
            connection.execute(f"GRANT ALL ON reading_stage TO {stage.group}".encode())
    for grant in table().grants:
        # People look at everything with the operator's login.
        is_look = grant.privilege is Privilege.SELECT and (stage is Stage.OPERATOR or grant.relation in _VERSION)
        if grant.stage is stage and not is_look and grant.relation != _REARMED:
            asked = [query for query in queries if re.search(rf"\b{grant.relation}\b", query)]
            connection.execute("SAVEPOINT given")
            connection.execute(_revoked(grant))
            _as(connection, stage)
            if not any(_refused(connection, query) for query in asked):
                idle.append((grant.relation, grant.privilege.value, grant.columns))
            connection.execute("ROLLBACK TO SAVEPOINT given")
    assert idle == []


def _revoked(grant: Grant) -> sql.Composed:
    columns = sql.SQL(", ").join(map(sql.Identifier, grant.columns))
    return sql.SQL("REVOKE {}{} ON {} FROM {}").format(
        sql.SQL(grant.privilege.value),
        sql.SQL(" ({})").format(columns) if grant.columns else sql.SQL(""),
        sql.Identifier(grant.relation),
        sql.Identifier(grant.stage.group),
    )


@pytest.mark.parametrize(
    ("stage", "statement"),
    [
        (Stage.INGEST, "SELECT name FROM resident"),
        (Stage.INGEST, "SELECT name FROM person"),
        (Stage.INGEST, "SELECT address FROM person_address"),
        (Stage.INGEST, "SELECT name FROM home"),
        (Stage.INGEST, "UPDATE reading SET value = 0"),
        (Stage.INGEST, "DELETE FROM event"),
        (Stage.INGEST, "INSERT INTO alert DEFAULT VALUES"),
        (Stage.INGEST, "INSERT INTO device (name, driver) VALUES ('made-up', 'native')"),
        (Stage.INGEST, "UPDATE quarantine SET replayed_at = NULL"),
        (Stage.RULES, "INSERT INTO reading VALUES (1, 1, now(), now(), 1)"),
        (Stage.RULES, "INSERT INTO event (device_name) VALUES ('made-up')"),
        (Stage.RULES, "SELECT name FROM person"),
        (Stage.RULES, "SELECT name FROM resident"),
        (Stage.RULES, "SELECT address FROM person_address"),
        (Stage.RULES, "INSERT INTO policy (parameters) VALUES ('{}')"),
        (Stage.RULES, "UPDATE notification SET body = '{}'"),
        (Stage.RULES, "INSERT INTO broker_credential DEFAULT VALUES"),
        (Stage.ALERTS, "DELETE FROM alert_entry"),
        (Stage.ALERTS, "UPDATE alert_entry SET actor = 'somebody'"),
        (Stage.ALERTS, "DELETE FROM alert"),
        (Stage.ALERTS, "DELETE FROM notification"),
        (Stage.ALERTS, "UPDATE reply SET reply_id = DEFAULT; DELETE FROM reply"),
        (Stage.ALERTS, "SELECT value FROM reading"),
        (Stage.ALERTS, "UPDATE person SET name = 'somebody'"),
        (Stage.ALERTS, "INSERT INTO roster (role) VALUES ('duty')"),
        (Stage.ALERTS, "INSERT INTO escalation_policy (definition) VALUES ('{}')"),
        (Stage.PROBE, "SELECT name FROM resident"),
        (Stage.PROBE, "SELECT name FROM person"),
        (Stage.PROBE, "SELECT value FROM reading"),
        (Stage.PROBE, "DELETE FROM alert"),
        (Stage.PROBE, "DELETE FROM alert_entry"),
        (Stage.PROBE, "UPDATE home SET probe = true"),
        (Stage.PROBE, "UPDATE installation SET removed_at = now()"),
        (Stage.PROBE, "DELETE FROM notification"),
        (Stage.ALERTS, "SELECT forget_probe_messages(now())"),
        (Stage.OPERATOR, "DELETE FROM alert_entry"),
        (Stage.OPERATOR, "DELETE FROM alert"),
        (Stage.OPERATOR, "UPDATE policy SET parameters = '{}'"),
        (Stage.OPERATOR, "DELETE FROM policy"),
        (Stage.OPERATOR, "UPDATE roster SET definition = '{}'"),
        (Stage.OPERATOR, "DELETE FROM escalation_policy"),
        (Stage.OPERATOR, "DELETE FROM broker_credential"),
        (Stage.OPERATOR, "UPDATE reading SET value = 0"),
        (Stage.OPERATOR, "DELETE FROM reading"),
        (Stage.OPERATOR, "UPDATE alembic_version SET version_num = '0001'"),
    ],
)
def test_a_stage_cannot_reach_further(connection: Connection[Any], stage: Stage, statement: str) -> None:
    _as(connection, stage)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())


_TOLD: Final = """
WITH raised AS (
    INSERT INTO alert (subject, kind, severity, state, since, raised_at, updated_at, reason_id, reason_values, reason,
                       evidence, probe)
    VALUES (%(subject)s, 'sos', 'urgent', 'open', %(at)s, %(at)s, %(at)s, 'sos', '{}', 'text', '{}', %(probe)s)
    RETURNING alert_id
)
INSERT INTO notification (notification_id, alert_id, channel, recipient, priority, body, state, created_at,
                          next_attempt_at, give_up_at)
SELECT gen_random_uuid(), alert_id, 'webhook', 'default', 0, '{}', 'accepted', %(at)s, %(at)s, %(at)s FROM raised
"""


def test_the_probe_forgets_its_own_old_messages_and_no_others(connection: Connection[Any]) -> None:
    for subject, probe, age in (("a", True, 8), ("b", True, 1), ("c", False, 8)):
        asked = {"subject": subject, "probe": probe, "at": _NOW - timedelta(days=age)}
        connection.execute(_TOLD, asked)
    connection.execute(
        "INSERT INTO notification_attempt (notification_id, attempt, started_at, duration_s, result, reason)"
        " SELECT notification_id, 1, created_at, 0.1, 'accepted', 'ok' FROM notification"
    )
    _as(connection, Stage.PROBE)
    connection.execute(load("anju.proof", "proof.sql").forget_messages, {"before": _NOW - timedelta(days=7)})
    connection.execute("RESET ROLE")
    left = (
        "SELECT subject FROM alert JOIN notification USING (alert_id) JOIN notification_attempt USING (notification_id)"
    )
    assert connection.execute(f"{left} ORDER BY 1").fetchall() == [("b",), ("c",)]
    assert connection.execute("SELECT count(*) FROM alert").fetchone() == (3,)


@pytest.mark.parametrize("stage", Stage)
def test_nobody_but_the_owner_can_empty_drop_or_make_things(connection: Connection[Any], stage: Stage) -> None:
    _as(connection, stage)
    refused = []
    attempts = [f"TRUNCATE {name}" for name in ("reading", "alert_entry", "quarantine", "home_watch")]
    attempts += ["DROP TABLE reading", "ALTER TABLE alert_entry DISABLE TRIGGER ALL", "CREATE TABLE mine (x integer)"]
    attempts += ["CREATE SCHEMA mine", "CREATE FUNCTION rearm_home(text) RETURNS void LANGUAGE sql AS ''"]
    for attempt in attempts:
        connection.execute("SAVEPOINT tried")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(attempt.encode())
        refused.append(attempt)
        connection.execute("ROLLBACK TO SAVEPOINT tried")
    assert refused == attempts


def test_dashboards_see_nothing_of_what_is_not_made_for_them(connection: Connection[Any]) -> None:
    names = roles.relations(connection)
    _as(connection, Stage.DASHBOARDS)
    seen = [
        name
        for name in names
        for privilege in ("SELECT", "INSERT", "UPDATE", "DELETE")
        if (row := connection.execute("SELECT has_any_column_privilege(%s, %s)", [name, _column(privilege)]).fetchone())
        and row[0]
    ]
    assert seen == []


def _column(privilege: str) -> str:
    return "INSERT" if privilege == "DELETE" else privilege


def test_what_is_more_is_taken_away_again(connection: Connection[Any]) -> None:
    connection.execute("GRANT ALL ON resident TO anju_ingest")
    connection.execute("GRANT UPDATE (name) ON person TO anju_rules")
    connection.execute("GRANT SELECT ON person_address TO PUBLIC")
    connection.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
    connection.execute("GRANT anju_alerts TO anju_ingest_login")
    connection.execute("CREATE FUNCTION left_over() RETURNS integer LANGUAGE sql AS 'SELECT 1'")
    roles.apply(connection, [Login(stage=Stage.INGEST)])
    for stage, attempt in (
        (Stage.INGEST, "SELECT FROM resident"),
        (Stage.INGEST, "SELECT FROM person_address"),
        (Stage.INGEST, "CREATE TABLE mine ()"),
        (Stage.INGEST, "SELECT left_over()"),
        (Stage.RULES, "UPDATE person SET name = 'somebody'"),
    ):
        connection.execute("SAVEPOINT tried")
        _as(connection, stage)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(attempt.encode())
        connection.execute("ROLLBACK TO SAVEPOINT tried")
    row = connection.execute("SELECT pg_has_role('anju_ingest_login', 'anju_alerts', 'MEMBER')").fetchone()
    assert row == (False,)


def test_a_migration_gives_the_rights_anew(owner_url: str) -> None:
    with psycopg.connect(owner_url) as connection:
        connection.execute("REVOKE ALL ON reading FROM anju_ingest")
    upgrade(owner_url)
    with psycopg.connect(owner_url) as connection:
        row = connection.execute("SELECT has_table_privilege('anju_ingest', 'reading', 'INSERT')").fetchone()
    assert row == (True,)


def test_the_operators_doctor_sees_who_works_with_all_rights(owner_url: str, connection: Connection[Any]) -> None:
    asked = load("anju", "doctor.sql").mighty_sessions
    theirs = psycopg.conninfo.make_conninfo(owner_url, user=Stage.RULES.login, password=_PASSWORD)
    _as(connection, Stage.OPERATOR)
    with (
        psycopg.connect(owner_url, application_name="anju ingest bulk"),
        psycopg.connect(theirs, application_name="anju-rules-engine"),
    ):
        assert connection.execute(asked).fetchall() == [("anju ingest bulk",)]
    assert rights_check(["anju ingest bulk"]).state is State.WARNING
    assert rights_check([]).state is State.GOOD


def test_two_that_give_rights_at_once_do_not_disturb_each_other(owner_url: str) -> None:
    def renew() -> bool:
        with psycopg.connect(owner_url) as connection:
            return roles.renew(connection)

    with ThreadPoolExecutor(4) as several:
        assert all(several.map(lambda _: renew(), range(8)))


def test_a_login_is_let_in_by_its_password_and_is_in_its_group_alone(owner_url: str) -> None:
    for stage in Stage:
        theirs = psycopg.conninfo.make_conninfo(owner_url, user=stage.login, password=_PASSWORD)
        with psycopg.connect(theirs) as connection:
            member_of = connection.execute(
                "SELECT array_agg(rolname::text) FROM pg_roles"
                " WHERE pg_has_role(oid, 'MEMBER') AND rolname <> current_user"
            ).fetchone()
        assert member_of == ([stage.group],)
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        psycopg.connect(psycopg.conninfo.make_conninfo(theirs, password="another one altogether"))


def test_the_password_is_in_no_statement(connection: Connection[Any]) -> None:
    logins = [Login(stage=Stage.KEEP, password=_PASSWORD)]
    statements = [each.as_string(connection) for each in roles._logins(connection, logins)]
    assert any("SCRAM-SHA-256$" in each for each in statements)
    assert not any(_PASSWORD in each for each in statements)
    assert "PASSWORD" not in roles.script(connection, logins)


def test_the_printed_script_gives_the_same_rights(postgres_server: Postgres, owner_url: str) -> None:
    listed = (
        "SELECT table_name, grantee, privilege_type FROM information_schema.role_table_grants"
        " WHERE grantee LIKE 'anju%' AND table_schema = 'public' ORDER BY 1, 2, 3"
    )
    url = postgres_server.create_database()
    try:
        upgrade(url)
        with psycopg.connect(url) as other, psycopg.connect(owner_url) as connection:
            other.execute("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM anju_ingest, anju_rules")
            other.commit()
            other.autocommit = True
            other.execute(roles.script(other).encode())
            wanted = connection.execute(listed).fetchall()
            assert other.execute(listed).fetchall() == wanted
            assert len(wanted) > 100
    finally:
        postgres_server.drop_database(url.rpartition("/")[2])


class TestRefusals:
    """What must be right before anything is changed; one transaction each, rolled back."""

    def test_without_the_right_to_make_roles(self, connection: Connection[Any]) -> None:
        connection.execute("CREATE ROLE small_owner")
        connection.execute("ALTER TABLE alembic_version OWNER TO small_owner")
        connection.execute("ALTER ROLE anju_keep RENAME TO anju_keep_away")
        connection.execute("SET ROLE small_owner")
        with pytest.raises(RolesRefused, match=r"anju_keep.*CREATEROLE"):
            roles.apply(connection)

    def test_by_another_than_the_owner(self, connection: Connection[Any]) -> None:
        connection.execute("CREATE ROLE stranger CREATEROLE")
        connection.execute("SET ROLE stranger")
        with pytest.raises(RolesRefused, match="does not own the schema"):
            roles.apply(connection)

    def test_a_role_of_the_same_name_that_may_do_more(self, connection: Connection[Any]) -> None:
        connection.execute("ALTER ROLE anju_probe_login SUPERUSER")
        with pytest.raises(RolesRefused, match=r"anju_probe_login already.*whole server"):
            roles.apply(connection, [Login(stage=Stage.PROBE)])

    def test_a_group_that_logs_in(self, connection: Connection[Any]) -> None:
        connection.execute("ALTER ROLE anju_probe LOGIN")
        with pytest.raises(RolesRefused, match=r"anju_probe already.*can log in"):
            roles.apply(connection)

    def test_without_a_schema(self, blank_database_url: str) -> None:
        with psycopg.connect(blank_database_url) as connection, pytest.raises(RolesRefused, match="anju migrate"):
            roles.apply(connection)


@pytest.fixture(scope="module")
def hypertable() -> Iterator[Connection[Any]]:
    """The owner's connection to a TimescaleDB whose stages have their roles."""
    with Timescale() as server:
        upgrade(server.url)
        with psycopg.connect(server.url, prepare_threshold=None) as connection:
            roles.apply(connection)
            connection.execute("INSERT INTO device (name, driver) VALUES ('meter', 'native')")
            connection.commit()
            yield connection


class TestTimescaleDB:
    """The same rights where the series is a hypertable: chunks, packed ones, aggregates and jobs are not in the way."""

    def test_a_stage_may_run_each_of_its_queries(self, hypertable: Connection[Any]) -> None:
        assert set(roles.relations(hypertable)) == table().relations
        assert set(roles.functions(hypertable)) == set(table().functions)
        found: dict[str, str] = {}
        for stage in _FILES:
            _as(hypertable, stage)
            asked = _queries(stage, timescale=True)
            found |= {place: refused for place, query in asked if (refused := _refused(hypertable, query))}
            hypertable.rollback()
        assert found == {}

    def test_ingest_writes_new_chunks_and_packed_ones_and_rules_read_them(self, hypertable: Connection[Any]) -> None:
        write = load("ingest", "ingest.sql")
        rows = [(1, 1, _NOW - timedelta(days=10 * number), _NOW, float(number)) for number in range(8)]

        def append(*rows: tuple[Any, ...]) -> int:
            _as(hypertable, Stage.INGEST)
            hypertable.execute(write.create_stage)
            packed = [pack_row(row[0], row[1], microseconds(row[2]), microseconds(row[3]), row[4]) for row in rows]
            with hypertable.cursor() as cursor:
                with cursor.copy(write.copy_stage) as copy:
                    copy.write(b"".join((HEADER, *packed, TRAILER)))
                new = cursor.execute(write.append_readings).rowcount
                cursor.execute(write.keep_conflicts)
            hypertable.execute("RESET ROLE")
            hypertable.commit()
            return new

        assert append(*rows) == 8
        hypertable.execute("SELECT compress_chunk(c) FROM show_chunks('reading', older_than => %s) AS c", [_NOW])
        hypertable.commit()
        known, late = (1, 1, rows[7][2], _NOW, 99.0), (1, 1, rows[7][2] + timedelta(hours=1), _NOW, 7.5)
        assert append(known, late) == 1
        _as(hypertable, Stage.RULES)
        assert hypertable.execute("SELECT count(*) FROM reading").fetchone() == (9,)
        hypertable.execute("RESET ROLE")
        assert hypertable.execute("SELECT value, stored_value FROM reading_conflict").fetchall() == [(99.0, 7.0)]
        # It would stand in the way of whoever makes one in this session.
        hypertable.execute("DROP TABLE pg_temp.reading_stage")
        hypertable.commit()

    @pytest.mark.parametrize(
        ("stage", "statement"),
        [
            (Stage.INGEST, "UPDATE reading SET value = 0"),
            (Stage.RULES, "INSERT INTO reading VALUES (1, 1, now(), now(), 1)"),
            (Stage.RULES, "SELECT drop_chunks('reading', now())"),
            (Stage.OPERATOR, "DELETE FROM reading"),
            (Stage.DASHBOARDS, "SELECT value FROM reading"),
            (Stage.DASHBOARDS, "SELECT * FROM use_per_hour"),
        ],
    )
    def test_a_stage_cannot_reach_further(self, hypertable: Connection[Any], stage: Stage, statement: str) -> None:
        _as(hypertable, stage)
        with pytest.raises(psycopg.Error, match=r"permission denied|must be owner"):
            hypertable.execute(statement.encode())
        hypertable.rollback()

    def test_nor_by_way_of_the_chunks(self, hypertable: Connection[Any]) -> None:
        # A chunk of its own: other tests, which leave some, may run after it or beside it. It stays when it is empty.
        hypertable.execute("INSERT INTO reading VALUES (1, 2, %(now)s, %(now)s, 1)", {"now": _NOW})
        hypertable.execute("DELETE FROM reading WHERE quantity = 2")
        hypertable.commit()
        chunks = hypertable.execute("SELECT c::text FROM show_chunks('reading') AS c").fetchall()
        assert chunks
        for stage in (Stage.ALERTS, Stage.DASHBOARDS):
            for (chunk,) in chunks:
                _as(hypertable, stage)
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    hypertable.execute(f"SELECT value FROM {chunk}".encode())
                hypertable.rollback()
