"""The series on TimescaleDB and on plain PostgreSQL: one schema, and the same answers."""

import contextlib
import importlib.util
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from anju.keeping import tasks
from anju.keeping.options import KeepOptions
from anju.keeping.round import do, show
from anju.keeping.tasks import Work
from devices import meters
from devices.quantities import BATTERY, WATER_TOTAL
from rules.engine import Engine
from rules.learner import enrol, learn_step
from storage import migrate, retention, roles, series
from storage.errors import TimescaleTooOld
from storage.pool import connect
from storage.retention import Retention
from tests.ingest_desk import NOW, Desk, reading
from tests.integration.series_worlds import START, Meter, Reading, register, send
from tests.integration.series_worlds import meters as a_meter
from tests.rule_town import Town
from tests.servers import REPOSITORY, Postgres
from tests.timescale import Timescale
from tests.traffic import add_devices

DAY = timedelta(days=1)
MIN = timedelta(minutes=1)
HOURS = "SELECT device_id, hour_at, use_l, readings FROM use_per_hour WHERE device_id = ANY(%s) ORDER BY 1, 2"
HOMES = "SELECT DISTINCT home_id FROM installation WHERE device_id = ANY(%s) ORDER BY 1"
DAYS = "SELECT device_id, home_id, day_on, use_l, hours FROM use_per_day WHERE device_id = ANY(%s) ORDER BY 1, 2, 3"


@pytest.fixture(scope="module")
def timescale() -> Iterator[str]:
    """A migrated TimescaleDB for all tests of this module: one session, jobs run when called."""
    with Timescale() as server:
        migrate.upgrade(server.url)
        yield server.url


@pytest.fixture(scope="module")
def plain(postgres_server: Postgres, migrated_template: str) -> Iterator[str]:
    """A migrated PostgreSQL without TimescaleDB, with room from 2025 to 2027."""
    url = postgres_server.create_database(template=migrated_template)
    with psycopg.connect(url, autocommit=True) as conn:
        for month in range(24):
            at = datetime(2025 + month // 12, month % 12 + 1, 1, tzinfo=UTC)
            conn.execute("SELECT make_reading_partition(%s)", [at])
    yield url
    postgres_server.drop_database(url.rpartition("/")[2])


def opened(url: str) -> psycopg.Connection[TupleRow]:
    return psycopg.connect(url, autocommit=True, options="-c timezone=UTC")


def run_jobs(conn: psycopg.Connection[Any], *procedures: str) -> list[str]:
    """Runs the jobs of the series as the scheduler would; returns their procedures."""
    jobs = conn.execute(
        "SELECT job_id, proc_name FROM timescaledb_information.jobs WHERE job_id >= 1000 ORDER BY job_id"
    ).fetchall()
    ran = [(job, name) for job, name in jobs if not procedures or name in procedures]
    for job, _ in ran:
        conn.execute(f"CALL run_job({job})".encode())
    return [str(name) for _, name in ran]


def refresh(conn: psycopg.Connection[Any]) -> None:
    # The refresh policy alone would do for what is not older than the late window; these worlds stand still in time.
    conn.execute("CALL refresh_continuous_aggregate('register_per_hour', NULL, NULL)")


def test_every_job_runs_and_packs_what_is_past_the_late_window(timescale: str) -> None:
    """First of all here: what was never aggregated would make the jobs walk over all the time between."""
    now = datetime.now(UTC)
    # Six hours from noon on lie in one chunk; from any other hour they may lie in two.
    noon = now.replace(hour=12, minute=0, second=0, microsecond=0)

    def readings(device: int, from_: datetime) -> None:
        conn.execute(
            "INSERT INTO reading SELECT %(device)s, 1, at, at, extract(epoch FROM at - %(begin)s) / 900"
            " FROM generate_series(%(from_)s::timestamptz, %(from_)s::timestamptz + interval '6 hours', '1 hour') at",
            {"device": device, "begin": noon - 200 * DAY, "from_": from_},
        )

    with opened(timescale) as conn:
        # In no home: nobody looks at it.
        made = conn.execute(
            "INSERT INTO device (name, driver) VALUES ('jobs', 'native') RETURNING device_id"
        ).fetchone()
        assert made is not None
        device = made[0]
        for days in (100, 60, 34, 1):
            readings(device, noon - days * DAY)
        assert sorted(run_jobs(conn)) == [
            "policy_compression",
            "policy_compression",
            "policy_refresh_continuous_aggregate",
            "refresh_use_history",
        ]
        chunks = conn.execute(
            "SELECT range_end < %s, is_compressed FROM timescaledb_information.chunks"
            " WHERE hypertable_name = 'reading'",
            [now - 36 * DAY],
        ).fetchall()
        assert sorted(chunks) == [(False, False), (False, False), (True, True), (True, True)]
        # All hours are stored, though the policy alone looks back over the late window only.
        stored = conn.execute(
            "SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name)"
            " FROM timescaledb_information.continuous_aggregates"
        ).fetchone()
        assert stored is not None
        hours = f"SELECT count(*) FROM {stored[0]} WHERE device_id = {device}".encode()
        assert conn.execute(hours).fetchone() == (4 * 7,)
        # Replayed from quarantine, long after the late window: shows after the daily job.
        readings(device, noon - 110 * DAY)
        assert conn.execute(hours).fetchone() == (4 * 7,)
        run_jobs(conn, "refresh_use_history")
        assert conn.execute(hours).fetchone() == (5 * 7,)
        assert len(conn.execute(HOURS, [[device]]).fetchall()) == 5 * 7


async def test_rules_find_the_same_on_both(timescale: str, plain: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks and learning, over chunks in the columnstore and partitions; what they find and write is the same."""
    # PGlite answers at a Sync only, and a pipeline that is read from sends a Flush: here each query goes by itself.
    monkeypatch.setattr(AsyncConnection, "pipeline", lambda _: contextlib.nullcontext())
    found = []
    for url in (timescale, plain):
        async with await connect(url, application_name="test", autocommit=True) as conn:
            await conn.execute("TRUNCATE reading")
            town = await Town.found(conn, datetime(2026, 11, 20, 9, tzinfo=UTC))
            await town.metered_home("dry", [20.0] * 8 + [0.0] * 52)
            await town.metered_home("leak", [2.0] * 300)
            lively = await town.metered_home("lively", [])
            installed = "UPDATE installation SET installed_at = %s"
            await conn.execute(installed, [town.now - 60 * DAY])
            (device,) = await (  # type: ignore[misc]
                await conn.execute("SELECT device_id FROM device WHERE name = 'meter-lively'")
            ).fetchone()
            hours = [
                (town.now - number * 60 * MIN - 5 * MIN, 9e5 - number * 6.0 - number % 24) for number in range(1300)
            ]
            await town.readings(device, hours)
            if url == timescale:
                await conn.execute(
                    "SELECT compress_chunk(c, true) FROM show_chunks('reading', older_than => %s) c",
                    [town.now - 8 * DAY],
                )
            await enrol(conn)
            await learn_step(conn, town.now, homes=200)
            looked = await Engine(clock=lambda: town.now, compares_clocks=False).look(conn)  # noqa: B023
            alerts = await (
                await conn.execute("SELECT kind, severity, since, reason FROM alert ORDER BY kind, since, reason")
            ).fetchall()
            watches = await (
                await conn.execute("SELECT due_at, looked_until, ongoing FROM home_watch ORDER BY home_id")
            ).fetchall()
            profile = await (
                await conn.execute("SELECT profiles FROM home_profile WHERE home_id = %s", [lively])
            ).fetchone()
            if url == timescale:
                assert (await series.size(conn, pack_before=town.now)).packed >= 5
            found.append((looked, alerts, watches, profile))
    assert found[0] == found[1]
    assert {row[0] for row in found[0][1]} >= {"inactivity"}
    assert found[0][0] >= 3


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(world=st.lists(a_meter(), min_size=8, max_size=8))
def test_use_is_the_same_on_both(timescale: str, plain: str, world: list[Meter]) -> None:
    answers = []
    for url in (timescale, plain):
        with opened(url) as conn:
            devices = register(conn, world)
            send(conn, devices, world, late=False)
            if url == timescale:
                refresh(conn)
            send(conn, devices, world, late=True)
            if url == timescale:
                refresh(conn)
            place = {device: number for number, device in enumerate(devices)}
            home = {
                h: n
                for n, (h,) in enumerate(
                    conn.execute(
                        "SELECT DISTINCT home_id FROM installation WHERE device_id = ANY(%s) ORDER BY 1", [devices]
                    )
                )
            }
            hours = [(place[d], *rest) for d, *rest in conn.execute(HOURS, [devices]).fetchall()]
            days = [(place[d], home[h], *rest) for d, h, *rest in conn.execute(DAYS, [devices]).fetchall()]
            answers.append((hours, days))
    assert answers[0] == answers[1]
    hours, days = answers[0]
    assert {row[0] for row in hours} == set(range(len(world))), "every meter shows"
    assert sum(row[-1] for row in hours) == sum(len(meter.readings) for meter in world)
    assert all(row[-1] <= 25 for row in days)


def test_no_use_between_hours_or_over_gaps_is_lost(plain: str) -> None:
    """What a steady register shows is all there, and where one breaks `devices.meters` agrees about what is known."""
    at, total_l, sent = START, 999_000.0, []
    for number in range(400):
        sent.append(Reading(at=at, total_l=total_l % 1e6, late=False))
        at += (15 if number % 50 else 700) * MIN
        total_l += number % 13
    world = [Meter(zone="Europe/Berlin", readings=tuple(sent), moved_at=None)]
    with opened(plain) as conn:
        devices = register(conn, world)
        send(conn, devices, world, late=False)
        hours = conn.execute(HOURS, [devices]).fetchall()
        days = conn.execute(DAYS, [devices]).fetchall()
    (run,) = meters.runs([each.at.timestamp() for each in sent], [each.total_l for each in sent])
    used_l = run.totals_l[-1] - run.totals_l[0]
    assert used_l > 1_000, "the register rolled over on the way"
    assert sum(row[2] or 0.0 for row in hours) == pytest.approx(used_l)
    assert sum(row[3] for row in days) == pytest.approx(used_l)
    long_day = next(row for row in days if row[2].isoformat() == "2026-10-25")
    assert long_day[4] <= 25


def test_the_limits_are_those_of_meters(plain: str) -> None:
    def used(before_l: float, after_l: float, elapsed_s: float = 900.0) -> float | None:
        with opened(plain) as conn:
            row = conn.execute("SELECT register_used_l(%s, %s, %s)", [before_l, after_l, elapsed_s]).fetchone()
        assert row is not None
        return None if row[0] is None else float(row[0])

    assert used(0, meters.ABSURD_AT_ONCE_L) == meters.ABSURD_AT_ONCE_L
    assert used(0, meters.ABSURD_AT_ONCE_L + 1) is None
    assert used(0, meters.ABSURD_FLOW_L_PER_H * 2, 7200) == meters.ABSURD_FLOW_L_PER_H * 2
    assert used(1000, 1000 - meters.BACKFLOW_L) == -meters.BACKFLOW_L
    assert used(1000, 1000 - meters.BACKFLOW_L - 1) is None
    for whole_l in meters._REGISTER_WRAPS:
        assert used(whole_l - 7, 3) == pytest.approx(10)


async def test_late_rows_go_into_packed_chunks_once(timescale: str) -> None:
    """The write path itself: COPY, then by way of the temporary table, into chunks that are in the columnstore."""
    old = NOW - 30 * DAY
    async with await connect(timescale, application_name="test", autocommit=True) as conn:
        await add_devices(conn, ["packed"])
        async with Desk(timescale) as desk:
            await desk.store(*(reading("packed", old + number * MIN, number) for number in range(0, 100, 2)))
        await conn.execute(
            "SELECT compress_chunk(c, true) FROM show_chunks('reading', older_than => %s) c", [NOW - 8 * DAY]
        )
        async with Desk(timescale) as desk:
            # Again what is packed, what is new among it, and another value for a known instant.
            await desk.store(*(reading("packed", old + number * MIN, number) for number in range(100)))
            await desk.store(*(reading("packed", old + number * MIN, number) for number in range(100)))
            await desk.store(reading("packed", old, 77), reading("packed", old + 1 * DAY, 200))
            totals = desk.writer.totals
        rows = await (
            await conn.execute(
                "SELECT measured_at, value FROM reading JOIN device USING (device_id) WHERE name = 'packed' ORDER BY 1"
            )
        ).fetchall()
        kept = await (await conn.execute("SELECT value, stored_value FROM reading_conflict")).fetchall()
    assert rows == [(old + number * MIN, float(number)) for number in range(100)] + [(old + DAY, 200.0)]
    assert kept == [(77.0, 0.0)]
    assert (totals.readings, totals.repeated_readings, totals.conflicts) == (51, 150, 1)


async def test_jobs_fit_a_longer_late_window_and_come_back(timescale: str) -> None:
    async def offsets() -> list[str]:
        cursor = await conn.execute(
            "SELECT coalesce(config ->> 'compress_after', config ->> 'start_offset')"
            " FROM timescaledb_information.jobs WHERE job_id >= 1000 AND config IS NOT NULL ORDER BY job_id"
        )
        return [row[0] for row in await cursor.fetchall()]

    async with await connect(timescale, application_name="test", autocommit=True) as conn:
        assert await series.fit(conn, 10 * DAY) is False
        assert await series.fit(conn, 89.5 * DAY) is True
        assert sorted(await offsets()) == ["91 days", "91 days", "98 days"]
        assert await series.fit(conn, 89.5 * DAY) is False
        assert await series.fit(conn, 35 * DAY) is True
        assert sorted(await offsets()) == ["36 days", "36 days", "43 days"]


async def test_a_job_that_fails_is_told(timescale: str) -> None:
    """The scheduler does not run here: what it would have noted is put in its place."""
    now = datetime.now(UTC).replace(microsecond=0)
    async with await connect(timescale, application_name="test", autocommit=True) as conn:
        await series.note_jobs(conn, now - 3 * DAY)
        await conn.execute(
            "INSERT INTO _timescaledb_internal.bgw_job_stat"
            " SELECT id, %s, %s, %s, %s, false, 9, '0', '0', 2, 7, 0, 7, 0, 0"
            " FROM _timescaledb_config.bgw_job WHERE proc_name = 'policy_refresh_continuous_aggregate'",
            [now, now, now, now - 2 * DAY],
        )
        await series.note_jobs(conn, now)
        known = {task.task: task for task in await series.done(conn)}
        await conn.execute("DELETE FROM _timescaledb_internal.bgw_job_stat")
    assert (known["hours"].succeeded_at, known["hours"].failures) == (now - 2 * DAY, 7)
    never = known["columnstore"]
    assert (never.succeeded_at, never.known_since, never.failures) == (None, now - 3 * DAY, 0)


@pytest.mark.parametrize("kind", ["timescale", "plain"])
async def test_retention_drops_whole_parts_and_deletes_the_rest(kind: str, timescale: str, plain: str) -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    url = timescale if kind == "timescale" else plain
    options = KeepOptions(
        database_url=url,
        late_window=35 * DAY,
        retention=Retention(of={WATER_TOTAL.code: 400 * DAY, BATTERY.code: 100 * DAY}, others=300 * DAY),
        replies_kept=90 * DAY,
    )
    async with await connect(url, application_name="test", autocommit=True) as conn:
        await conn.execute("TRUNCATE reading, keep_retention, reading_conflict")
        await conn.execute("DELETE FROM installation")
        await conn.execute("DELETE FROM device")
        await add_devices(conn, [f"kept-{number}" for number in range(120)])
        await conn.execute(
            "INSERT INTO reading SELECT device_id, quantity, at, at, 5 FROM device, unnest(ARRAY[1, 2, 4]) quantity,"
            " generate_series('2025-09-01Z'::timestamptz, '2026-11-01Z', '10 days') at"
        )
        old, new = now - 450 * DAY, now - 50 * DAY
        await conn.execute(
            "INSERT INTO reading_conflict VALUES (1, 1, %(old)s, %(old)s, 1, 2), (1, 1, %(new)s, %(new)s, 1, 2)",
            {"old": old, "new": new},
        )
        if kind == "timescale":
            await conn.execute(
                "SELECT compress_chunk(c) FROM show_chunks('reading', older_than => %s) c", [now - 36 * DAY]
            )
        work = Work(conn=conn, options=options, now=now)
        (report,) = await do(work, ["retention"])
        assert not report.failed, report.text
        oldest: dict[int, datetime] = dict(
            await (await conn.execute("SELECT quantity, min(measured_at) FROM reading GROUP BY quantity")).fetchall()
        )
        # Whole parts: up to a chunk or a month longer. One by one: up to a week longer.
        assert now - 440 * DAY < oldest[1] < now - 390 * DAY
        assert now - 117 * DAY < oldest[2] < now - 90 * DAY
        assert now - 317 * DAY < oldest[4] < now - 290 * DAY
        kept_conflicts = await (await conn.execute("SELECT measured_at FROM reading_conflict")).fetchall()
        assert kept_conflicts == [(new,)]
        (again,) = await do(work, ["retention"])
        assert again.text == "dropped 0 parts, deleted 0 readings and 0 second values"
        assert await retention.due(conn, options.retention.delete_before([1, 2, 4], now)) == {}


@pytest.mark.parametrize("kind", ["timescale", "plain"])
async def test_a_keepers_round_with_the_rights_of_its_stage_alone(kind: str, timescale: str, plain: str) -> None:
    url = timescale if kind == "timescale" else plain
    with opened(url) as owner, owner.transaction():
        roles.apply(owner)
    options = KeepOptions(
        database_url=url,
        late_window=50 * DAY,
        retention=Retention(of={BATTERY.code: 200 * DAY}, others=300 * DAY),
        replies_kept=90 * DAY,
    )
    async with await connect(url, application_name="test", autocommit=True) as conn:
        await conn.execute("INSERT INTO device (name, driver) VALUES ('kept', 'native')")
        await conn.execute(
            "INSERT INTO reading SELECT max(device_id), quantity, at, at, 5 FROM device, unnest(ARRAY[1, 2]) quantity,"
            " generate_series('2025-11-01Z'::timestamptz, '2026-11-01Z', '10 days') at GROUP BY quantity, at"
        )
        await conn.execute("DELETE FROM keep_retention")
        await conn.execute("SET ROLE anju_keep")
        try:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await conn.execute("TRUNCATE reading")
            reports = await do(Work(conn=conn, options=options, now=datetime(2026, 11, 22, tzinfo=UTC)), tasks.ALL)
            await show(conn)
        finally:
            await conn.execute("RESET ROLE")
        oldest: dict[int, datetime] = dict(
            await (await conn.execute("SELECT quantity, min(measured_at) FROM reading GROUP BY quantity")).fetchall()
        )
    assert [(report.task, report.failed) for report in reports] == [(name, False) for name in tasks.ALL]
    assert datetime(2026, 1, 1, tzinfo=UTC) < oldest[1] < datetime(2026, 2, 15, tzinfo=UTC)
    assert datetime(2026, 4, 20, tzinfo=UTC) < oldest[2] < datetime(2026, 5, 20, tzinfo=UTC)
    if kind == "timescale":
        assert reports[3].text == "fitted to the late window"


def test_an_old_timescaledb_is_refused_before_anything_is_done(timescale: str, monkeypatch: pytest.MonkeyPatch) -> None:
    step = importlib.util.spec_from_file_location("step", REPOSITORY / "storage/migrations/versions/0007_series.py")
    assert step is not None
    assert step.loader is not None
    module = importlib.util.module_from_spec(step)
    step.loader.exec_module(module)
    with opened(timescale) as conn:
        bind = SimpleNamespace(connection=SimpleNamespace(driver_connection=conn))
        monkeypatch.setattr(module, "op", SimpleNamespace(get_bind=lambda: bind))
        monkeypatch.setattr("storage.timescale.OLDEST", (99, 0, 0))
        with pytest.raises(TimescaleTooOld, match=r"before 99\.0\.0 it loses readings"):
            module.upgrade()
