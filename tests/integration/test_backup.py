"""Backups by PostgreSQL's own programs, restored into an empty server; and the service on what was restored."""

import asyncio
import contextlib
import json
import os
import re
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, LiteralString

import psycopg
import pytest
import typer
from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow
from typer.testing import CliRunner

from alerts.escalation import policy, storing
from alerts.life import commands
from alerts.life.commands import By
from alerts.model import Kind
from alerts.model import State as AlertState
from anju import doctor
from anju.checks import State
from anju.commands import database_restored
from anju.restored import AHEAD, take_up
from anju.schema import upgrade
from config.settings import load
from registry import absences, policies
from storage import migrate, privileges, roles
from storage.embedded_binaries import Binaries, server_account
from storage.pool import connect
from tests.escalation_town import contact, enrol, on_roster
from tests.servers import (
    REPOSITORY,
    Mosquitto,
    Postgres,
    eventually,
    free_port,
    make_room,
    run_program,
    wait_until,
)
from tests.stages import SECRET, Hook, Stage, listening, settings
from tests.timescale import Timescale
from tests.traffic import BUSY_BROKER, Meters, Publisher, count, flooding, install, press, stored

OUTAGE = timedelta(hours=6)
AREA = "City/District/Street/Community"
QUIET = [f"quiet-{number}" for number in range(10)]
BUTTONS = [f"button-{number}" for number in range(4)]
SILENCES = {Kind.MONITORING_LOST, Kind.MONITORING_IMPAIRED, Kind.INACTIVITY, Kind.AREA_INCIDENT}
EXAMINED = {"database", "schema", "partitions", "hearing", "clocks", "durability"}
STAGES: Final = ("ingest", "rules", "alerts", "operator")
PASSWORD = "as-good-as-any-other"
LADDER = """
[[ladder]]
name = "calls"
kinds = ["sos"]
repeat_s = 600

[[ladder.step]]
after_s = 0
tell = [{ who = "duty" }]

[[ladder.step]]
after_s = 60
tell = [{ who = "backup" }]
"""


async def settle(database: AsyncConnection[TupleRow], now: datetime) -> None:
    """Homes with quiet meters and buttons, people, a roster, a policy, an absence."""
    await install(database, [*BUTTONS], area=AREA)
    await install(database, QUIET, interval_s=900, installed_at=now - timedelta(days=2), area=AREA)
    await enrol(database, {"day": [], "night": [], "chief": [], "daughter": ["sms"]})
    for key, receiver in (("day", "desk"), ("night", "deaf"), ("chief", "chief")):
        await database.execute(
            "INSERT INTO person_address (person_id, channel, address)"
            " SELECT person_id, 'webhook', %s FROM person WHERE key = %s",
            [receiver, key],
        )
    await on_roster(database, "duty", "day", "night", area=AREA)
    await on_roster(database, "backup", "chief", area=None)
    await contact(database, 1, "daughter", "family")
    await storing.write(database, None, policy.read(LADDER), now=now, by="test")
    where = await policies.find(database)
    await policies.amend(database, where, {"silence_intervals": 4}, actor="test", now=now)
    until = now + timedelta(days=2)
    away = f"{AREA}/home of {QUIET[0]}"
    await absences.add(database, away, from_at=None, until_at=until, reason=absences.Why.HOSPITAL, by="test", now=now)


async def report_water(publisher: Publisher, now: datetime) -> None:
    for number, name in enumerate(QUIET):
        for minutes in (30, 15, 0):
            at = (now - timedelta(minutes=minutes)).isoformat()
            litres = 1000 * number + 30 - minutes
            await publisher.publish(f"anju/{name}/reading", json.dumps({"at": at, "water_total_l": litres}).encode())
    await publisher.drain()


def let_time_pass(url: str, passed: timedelta) -> None:
    """Makes the database what it would be so much later: everything in it has happened longer ago."""
    with psycopg.connect(url) as conn:
        # Neither the triggers that keep tables append-only nor references between tables have anything to say here.
        conn.execute("SET session_replication_role = replica")
        columns = conn.execute(
            "SELECT c.table_name, array_agg(c.column_name::text) FROM information_schema.columns c"
            " JOIN information_schema.tables t USING (table_schema, table_name)"
            " LEFT JOIN pg_inherits i ON i.inhrelid = c.table_name::regclass"
            " WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND i.inhrelid IS NULL"
            " AND c.data_type = 'timestamp with time zone' GROUP BY c.table_name"
        ).fetchall()
        assert {"reading", "hearing", "escalation", "home_watch", "notification"} <= {table for table, _ in columns}
        for table, names in columns:
            moves = [sql.SQL("{0} = {0} - {1}").format(sql.Identifier(name), sql.Literal(passed)) for name in names]
            conn.execute(sql.SQL("UPDATE {} SET {}").format(sql.Identifier(table), sql.SQL(", ").join(moves)))


async def accepted_ids(database: AsyncConnection[TupleRow]) -> set[str]:
    cursor = await database.execute("SELECT notification_id::text FROM notification WHERE state = 'accepted'")
    return {row[0] for row in await cursor.fetchall()}


async def all_looked_at(database: AsyncConnection[TupleRow]) -> bool:
    """Ingest hears and no home waits for a look."""
    cursor = await database.execute(
        "SELECT (SELECT min(heard_until) FROM hearing) > %(now)s - interval '15 s'"
        " AND NOT EXISTS (SELECT FROM home_watch WHERE due_at <= %(now)s OR lease_until > %(now)s)",
        {"now": datetime.now(UTC)},
    )
    return await cursor.fetchone() == (True,)


@contextlib.asynccontextmanager
async def at_work(
    database: AsyncConnection[TupleRow], folder: Path, options: Mapping[str, Mapping[str, str]]
) -> AsyncIterator[tuple[Stage, ...]]:
    """Ingest, rules and alerts as processes, killed at the end."""
    with (
        Stage("ingest", folder, options["ingest"]) as ingest,
        Stage("rules", folder, options["rules"]) as rules,
        Stage("alerts", folder, options["alerts"]) as alerts,
    ):
        await listening(database, "ingest")
        yield ingest, rules, alerts


def log_in(owner_url: str, stage: str) -> str:
    """The URL under which a stage logs in, with a role of its own."""
    return re.sub("//[^@]*@", f"//anju_{stage}_login:{PASSWORD}@", owner_url)


@pytest.mark.slow
async def test_a_dump_is_restored_and_the_service_goes_on(mosquitto: Callable[..., Mosquitto], folder: Path) -> None:
    broker = mosquitto(BUSY_BROKER)
    meters = Meters(20)
    source, target = Postgres(folder / "source", durable=False), Postgres(folder / "target", durable=True)
    with source, target, Hook() as site, Hook() as desk, Hook() as chief:
        deaf = Hook(port=free_port())
        receivers = [
            {"name": name, "url": hook.url, "secrets": [SECRET]}
            for name, hook in (("desk", desk), ("chief", chief), ("deaf", deaf))
        ]
        ways = {"webhook_url": site.url, "webhook_secret": SECRET, "webhook": json.dumps(receivers)}
        upgrade(source.url)
        dump = source.make_room("backup") / "anju.dump"

        # The service at work; a dump meanwhile; and what comes after the dump, known to people but soon to nobody else.
        async with (
            await connect(source.url, application_name="test", autocommit=True) as database,
            Publisher(broker.port) as publisher,
        ):
            now = datetime.now(UTC)
            await settle(database, now)
            await install(database, meters.names)
            async with at_work(database, folder, dict.fromkeys(STAGES, settings(source.url, broker.url, **ways))):
                await report_water(publisher, now)
                async with flooding(meters, publisher, per_s=1000):
                    for name in BUTTONS[:2]:
                        await publisher.publish(f"anju/{name}/event", press(id=name))
                    await eventually(lambda: set(BUTTONS[:2]) <= site.homes_told() & desk.homes_told(), 20)
                    numbers = {str(each.home): each.alert_id for each in await commands.list_alerts(database)}
                    by = By(actor="day", source="sms", now=datetime.now(UTC))
                    await commands.acknowledge(database, numbers[f"home of {BUTTONS[1]}"], by)
                    committed = await count(database)
                    accepted = await accepted_ids(database)
                    save = ["--format=custom", f"--file={dump}", f"--dbname={source.url}"]
                    await asyncio.to_thread(source.run_program, "pg_dump", *save)
                    with deaf:
                        await publisher.publish(f"anju/{BUTTONS[2]}/event", press(id=BUTTONS[2]))
                        await eventually(lambda: BUTTONS[2] in desk.homes_told(), 20)
                        await eventually(lambda: BUTTONS[0] in deaf.homes_told(), 20)
            at_the_crash = await stored(database)
            (lost,) = {each.alert_id for each in await commands.list_alerts(database)} - set(numbers.values())

        # Six hours later, on another server. What devices said meanwhile waits at the broker.
        load_into = ["--no-owner", "--no-privileges", "--exit-on-error", "--jobs=2", f"--dbname={target.url}"]
        await asyncio.to_thread(target.run_program, "pg_restore", *load_into, str(dump))
        migrate.check(target.url)
        with psycopg.connect(target.url) as conn:
            roles.apply(conn, [roles.Login(stage=privileges.Stage(stage), password=PASSWORD) for stage in STAGES])
        options = {stage: settings(log_in(target.url, stage), broker.url, **ways) for stage in STAGES}
        async with (
            await connect(target.url, application_name="test", autocommit=True) as database,
            Publisher(broker.port) as publisher,
        ):
            restored = await stored(database)
            assert len(restored) >= committed
            assert restored < at_the_crash
            assert set(numbers.values()) == {each.alert_id for each in await commands.list_alerts(database)}
            let_time_pass(target.url, OUTAGE)
            taken = await take_up(database, now=datetime.now(UTC))
            assert taken.known_until is not None
            assert OUTAGE <= datetime.now(UTC) - taken.known_until < OUTAGE + timedelta(minutes=2)
            assert (taken.open_alerts, taken.overdue) == (2, 1)

            before_the_crash = [hook.told() for hook in (site, desk, deaf, chief)]
            published = set(meters.published)
            await meters.publish(publisher, 1000)
            with deaf:
                async with at_work(database, folder, options) as (ingest, _, _):
                    await eventually(lambda: BUTTONS[0] in chief.homes_told(), 20)
                    await publisher.publish(f"anju/{BUTTONS[3]}/event", press(id=BUTTONS[3]))
                    await eventually(lambda: BUTTONS[3] in desk.homes_told(), 20)

                    async def caught_up() -> bool:
                        return meters.published - published <= await stored(database)

                    await eventually(caught_up, 20)
                    await eventually(partial(all_looked_at, database), 20)
                    checks = await doctor.examine(lambda: load(environ=options["operator"]))
                    assert {check.name for check in checks if check.state is State.GOOD} >= EXAMINED
                    since = [hook.told() for hook in (site, desk, deaf, chief)]
                    now_open = {str(each.home): each for each in await commands.list_alerts(database)}

                    # The same silence would be told if it had been listened to.
                    assert SILENCES & {alert.kind for alert in await commands.list_alerts(database)} == set()
                    ingest.kill()
                    await database.execute("UPDATE hearing SET heard_since = heard_since - interval '1 day'")
                    await database.execute(
                        "INSERT INTO rearm_request (area_id, requested_at) VALUES (NULL, %s)", [datetime.now(UTC)]
                    )

                    async def silence_told() -> bool:
                        return bool(SILENCES & {alert.kind for alert in await commands.list_alerts(database)})

                    await eventually(silence_told, 20)

            # What was accepted before the dump is not told again; what was accepted after it is, under its own id.
            again = [
                {each.message_id for each in after[len(before) :]} & {each.message_id for each in before}
                for before, after in zip(before_the_crash, since, strict=True)
            ]
            assert accepted.isdisjoint(set().union(*again))
            assert again[2], "what only the deaf one's own books know to be told already"
            # Who had it has it still.
            assert BUTTONS[1] not in {each.home for each in since[0][len(before_the_crash[0]) :]}
            assert now_open[f"home of {BUTTONS[1]}"].state is AlertState.ACKNOWLEDGED
            # The press that came after the dump is gone, and its number belongs to nobody else.
            assert f"home of {BUTTONS[2]}" not in now_open
            assert now_open[f"home of {BUTTONS[3]}"].alert_id > max(lost, AHEAD)
            # Of the readings what the database had committed between dump and crash is gone, and nothing else.
            final = await stored(database)
            assert {(name, at - OUTAGE, value) for name, at, value in restored} <= final
            assert meters.published - (at_the_crash - restored) <= final | restored
            assert final - {(name, at - OUTAGE, value) for name, at, value in restored} <= meters.published


def test_back_to_just_before_a_mistake(folder: Path) -> None:
    """A base backup, the log since then, and an instant: what was committed until then is there, and nothing later."""
    archive = folder / "archive"
    keeping = {"archive_mode": "on", "archive_command": f"test ! -f {archive}/%f && cp %p {archive}/%f"}
    with Postgres(folder / "site", durable=False, settings=keeping) as site:
        assert site.make_room("archive") == archive
        upgrade(site.url)
        base = site.make_room("base")
        with psycopg.connect(site.url, autocommit=True) as conn:
            asyncio.run(_homes(site.url, "before"))
            site.run_program("pg_basebackup", f"--pgdata={base}", "--checkpoint=fast", f"--dbname={site.url}")
            site.run_program("pg_verifybackup", str(base))
            asyncio.run(_homes(site.url, "after"))
            (good,) = _row(conn, "SELECT clock_timestamp()")
            conn.execute("DELETE FROM installation")
            asyncio.run(_homes(site.url, "too late"))
            # The segment that is being written is archived when it is full, after archive_timeout, or when told.
            (last,) = _row(conn, "SELECT pg_walfile_name(pg_switch_wal())")
            wait_until((archive / last).exists, 20)
        site.crash()

    (base / "recovery.signal").touch()
    back = {
        "restore_command": f"cp {archive}/%f %p",
        "recovery_target_time": good.isoformat(),
        "recovery_target_action": "promote",
    }
    with (
        Postgres(base, durable=False, settings=back) as restored,
        psycopg.connect(restored.url, autocommit=True) as conn,
    ):
        wait_until(lambda: _row(conn, "SELECT pg_is_in_recovery()") == (False,), 20)
        migrate.check(restored.url)
        assert _row(conn, "SELECT array_agg(name ORDER BY home_id) FROM home") == (["home of before", "home of after"],)
        assert _row(conn, "SELECT count(*) FROM installation WHERE removed_at IS NULL") == (2,)
        (device,) = _row(conn, "SELECT max(device_id) FROM device")

        app = typer.Typer()
        database_restored.add_to(app)
        said = CliRunner().invoke(app, ["--json"], env={"ANJU_DATABASE_URL": restored.url}, catch_exceptions=False)
        assert json.loads(said.stdout) == {
            "sequences": _row(conn, "SELECT count(*) FROM pg_sequences WHERE schemaname = 'public'")[0],
            "known_until": None,
            "open_alerts": 0,
            "overdue": 0,
            "pending": 0,
            "ahead": AHEAD,
        }
        asyncio.run(_homes(restored.url, "since"))
        # The one that came too late had a number; it is not given out again.
        assert _row(conn, "SELECT max(device_id) FROM device")[0] > device + AHEAD


def test_the_nightly_unit_makes_a_dump(postgres_server: Postgres, database_url: str) -> None:
    """Its shell line, as systemd would run it, under an account that may only read."""
    unit = (REPOSITORY / "config" / "systemd" / "anju-backup.service").read_text(encoding="utf-8")
    (line,) = re.findall(r"^ExecStart=/bin/sh -euc '(.*)'$", unit, flags=re.MULTILINE)
    script = line.replace("$$", "$").replace("%%", "%")
    with psycopg.connect(postgres_server.url, autocommit=True) as conn:
        conn.execute("CREATE ROLE reads_all LOGIN PASSWORD 'only for this test'")
        conn.execute("GRANT pg_read_all_data TO reads_all")
    account, password = "reads_all", "only%20for%20this%20test"
    reading = database_url.replace(database_url.partition("//")[2].partition("@")[0], f"{account}:{password}")
    room = make_room(postgres_server.data_dir.with_name("nightly"))
    try:
        (room / "anju-of-yesterday.dump.part").touch()
        path = Binaries.reachable_by(server_account(room), copy_beside=room).bin_dir
        subprocess.run(
            ["/bin/sh", "-euc", script],
            cwd=room,
            env={"PATH": f"{path}:{os.defpath}", "BACKUP_OF": reading},
            check=True,
            timeout=60,
        )
        (made,) = room.iterdir()
        assert re.fullmatch(r"anju-\d{8}T\d{6}Z\.dump", made.name)
        assert "TABLE DATA public alert_entry" in run_program(made, "pg_restore", "--list", str(made))
    finally:
        with psycopg.connect(postgres_server.url, autocommit=True) as conn:
            conn.execute("REVOKE pg_read_all_data FROM reads_all")
            conn.execute("DROP ROLE reads_all")


@pytest.mark.slow
def test_a_timescaledb_is_dumped_and_restored(folder: Path) -> None:
    """With the extension's own steps before and after: chunks, compressed ones too, aggregates and jobs are there."""
    dump = make_room(folder / "backup") / "anju.dump"
    with Timescale() as source, psycopg.connect(source.url, autocommit=True) as conn:
        upgrade(source.url)
        conn.execute(
            "INSERT INTO reading SELECT 1, quantity, at, at, extract(epoch FROM at) FROM quantity, LATERAL"
            " generate_series(timestamptz '2026-01-01Z', '2026-03-01Z', '6 h') at WHERE name = 'water_total'"
        )
        conn.execute("SELECT compress_chunk(c) FROM show_chunks('reading', older_than => timestamptz '2026-02-01Z') c")
        before = _series(conn)
        conn.close()  # there is one session for all
        run_program(dump, "pg_dump", "--format=custom", f"--file={dump}", f"--dbname={source.url}")
    with Timescale() as target:
        with psycopg.connect(target.url, autocommit=True) as conn:
            conn.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
            conn.execute("SELECT timescaledb_pre_restore()")
        run_program(dump, "pg_restore", "--no-owner", "--no-privileges", f"--dbname={target.url}", str(dump))
        with psycopg.connect(target.url, autocommit=True) as conn:
            conn.execute("SELECT public.timescaledb_post_restore()")
            conn.execute("SET search_path = public")
            assert _series(conn) == before
            migrate.check(target.url)


def _series(conn: psycopg.Connection[TupleRow]) -> list[TupleRow]:
    series = _row(conn, "SELECT count(*), min(measured_at), max(measured_at), sum(value) FROM reading")
    chunks = conn.execute(
        "SELECT hypertable_name, range_start, is_compressed FROM timescaledb_information.chunks ORDER BY 1, 2"
    ).fetchall()
    jobs = conn.execute(
        "SELECT proc_name, schedule_interval, config - 'mat_hypertable_id' - 'hypertable_id' "
        "FROM timescaledb_information.jobs WHERE job_id >= 1000 ORDER BY 1, 2"
    ).fetchall()
    assert series[0] > 200
    assert {compressed for _, _, compressed in chunks} == {True, False}
    assert jobs
    return [series, *chunks, *jobs]


async def _homes(url: str, name: str) -> None:
    async with await connect(url, application_name="test", autocommit=True) as database:
        await install(database, [name])


def _row(conn: psycopg.Connection[TupleRow], query: LiteralString) -> TupleRow:
    row = conn.execute(query).fetchone()
    assert row is not None
    return row
