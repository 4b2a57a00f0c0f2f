"""What is measured: each function is one run of one scenario on fresh servers, and returns plain numbers."""

import dataclasses
import json
import re
import shutil
import statistics
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psycopg

from bench import packets
from bench.arrivals import Arrivals
from bench.buttons import Presses
from bench.children import BenchError, Child
from bench.costs import usage
from bench.counter import REST_S, Order
from bench.load import METERS, PACED_TICK_S, TICK_S, Plan
from bench.peers import Peer
from bench.servers import Mosquitto
from bench.stage import Bench, Load, number

Values = dict[str, float]
_ACK_TIMEOUT_S: Final = 10.0
_LEFT_AT_BROKER_MAX: Final = 300
"""The broker's own retained $SYS messages; what nobody acknowledged comes on top."""
_PRESS: Final = re.compile(r"bench-(?:sos|home)-(\d{5})")
_ALERT_ID: Final = re.compile(r'"alert(?:_id)?"\s*:\s*"?(\d+)')


def _us(cpu_s: float, messages: int) -> float:
    return cpu_s / messages * 1e6


# ---------------------------------------------------------------------------------------------- the broker alone


def broker_alone(bench: Bench, *, resting: bool) -> Values:
    """The yardstick: the generator and a subscriber that only counts."""
    order = Order(port=0, messages=bench.size.messages, rest_s=REST_S if resting else 0.0)
    with bench.broker() as broker:
        plan = Plan(port=broker.port, messages=bench.size.messages)
        with bench.counter(dataclasses.replace(order, port=broker.port)) as counter, bench.load(plan) as load:
            before = usage(broker.pid)
            load.go()
            sent = load.wait(bench.size.timeout_s)
            counted = counter.wait_for("done", bench.size.timeout_s)
            broker_s = usage(broker.pid).since(before)
    return {
        "messages_per_s": load.messages / (number(counted, "last_s") - number(sent, "started_s")),
        "published_per_s": load.messages / (number(sent, "ended_s") - number(sent, "started_s")),
        "load_cpu_us": _us(number(sent, "cpu_s"), load.messages),
        "counter_cpu_us": _us(number(counted, "cpu_s"), load.messages),
        "broker_cpu_us": _us(broker_s, load.messages),
    }


def _backlog(bench: Bench, broker: Mosquitto) -> Load:
    plan = Plan(port=broker.port, messages=bench.size.backlog)
    with bench.load(plan) as load:
        load.go()
        load.wait(bench.size.timeout_s)
    return load


def drain_counter(bench: Bench) -> Values:
    """A backlog in the broker's queue, taken by the counting subscriber."""
    with bench.broker() as broker:
        order = Order(port=broker.port, messages=bench.size.backlog, persistent=True)
        with bench.counter(dataclasses.replace(order, register_only=True)) as registered:
            registered.process.wait(30)
        _backlog(bench, broker)
        with bench.counter(order) as counter:
            done = counter.wait_for("done", bench.size.timeout_s)
    rest = number(done, "count") - number(done, "first_count")
    return {"messages_per_s": rest / (number(done, "last_s") - number(done, "first_s"))}


# ------------------------------------------------------------------------------------------------------- the service


def throughput(bench: Bench) -> Values:
    """As fast as the broker takes them, until every message is committed and acknowledged."""
    with (
        bench.service() as running,
        psycopg.connect(running.database_url, autocommit=True) as connection,
        bench.load(Plan(port=running.broker.port, messages=bench.size.messages)) as load,
    ):
        arrivals = Arrivals.at_service(connection)
        servers = {"broker": running.broker.pid, "postgres": bench.postgres.pid}
        before, servers_before = running.cost(), {name: usage(pid) for name, pid in servers.items()}
        load.go()
        sent = load.wait(bench.size.timeout_s, meanwhile=running.check)
        committed_s = arrivals.wait(load.last_at, timeout_s=bench.size.timeout_s, check=running.check)
        _await_acks(running.broker)
        roles = running.cost().since(before)
        spent = {name: usage(pid).since(servers_before[name]) for name, pid in servers.items()}
        arrivals.verify(load.messages)
        return {
            "messages_per_s": load.messages / (committed_s - number(sent, "started_s")),
            "published_per_s": load.messages / (number(sent, "ended_s") - number(sent, "started_s")),
            "rows": float(load.messages * 2),
            "load_cpu_us": _us(number(sent, "cpu_s"), load.messages),
            **{f"{name}_cpu_us": _us(cpu_s, load.messages) for name, cpu_s in (roles | spent).items()},
            "ingest_peak_rss_mb": running.ingest_peak_rss_bytes() / 1e6,
        }


def _await_acks(broker: Mosquitto) -> None:
    deadline = time.monotonic() + _ACK_TIMEOUT_S
    while (left := broker.stored_messages()) > _LEFT_AT_BROKER_MAX:
        if time.monotonic() > deadline:
            raise BenchError(f"the broker still holds {left} messages: committed, but not acknowledged")


def drain(bench: Bench) -> Values:
    """A backlog in the broker's queue, taken by the service from its start until the last commit."""
    with bench.service() as running:
        running.stop()
        load = _backlog(bench, running.broker)
        with psycopg.connect(running.database_url, autocommit=True) as connection:
            arrivals = Arrivals.at_service(connection)
            running.start()
            first_s, rows = arrivals.wait_for_first(timeout_s=60, check=running.check)
            committed_s = arrivals.wait(load.last_at, timeout_s=bench.size.timeout_s, check=running.check)
            _await_acks(running.broker)
            arrivals.verify(load.messages)
        return {
            "messages_per_s": (load.messages - rows / 2) / (committed_s - first_s),
            "ingest_peak_rss_mb": running.ingest_peak_rss_bytes() / 1e6,
        }


def button(bench: Bench, *, saturated: bool) -> Values:
    """Presses amid meter traffic: from the socket of the button to the receiver of the webhook."""
    size = bench.size
    rate_per_s = size.saturating_rate_per_s if saturated else size.paced_rate_per_s
    plan = Plan(
        port=0,
        messages=int(rate_per_s * size.pressing_s) // METERS * METERS,
        rate_per_s=0.0 if saturated else rate_per_s,
        tick_s=TICK_S if saturated else PACED_TICK_S,
    )
    with ExitStack() as stack:
        running = stack.enter_context(bench.service())
        connection = stack.enter_context(psycopg.connect(running.database_url, autocommit=True))
        presses = Presses(port=running.broker.port, first=0, count=size.presses, rate_per_s=size.press_rate_per_s)
        arguments = json.dumps(dataclasses.asdict(presses))
        buttons = stack.enter_context(Child.module("bench.buttons", arguments, log=bench.folder / "buttons.log"))
        buttons.wait_for("ready", 30)
        load = stack.enter_context(bench.load(dataclasses.replace(plan, port=running.broker.port)))
        arrivals = Arrivals.at_service(connection)
        load.go()
        time.sleep(size.settle_s)
        buttons.tell({"go": True})
        sent = buttons.wait_for("pressed", size.timeout_s, meanwhile=running.check)["sent"]
        pressed_until_s = time.monotonic()
        loaded = load.wait(size.timeout_s, meanwhile=running.check)
        committed_s = arrivals.wait(load.last_at, timeout_s=size.timeout_s, check=running.check)
        # Two seconds for the last press; the figure itself is far below.
        time.sleep(2.0)
        latencies_ms = _match(sent, running.calls(), connection)
        arrivals.verify(load.messages)
        if not saturated and committed_s < pressed_until_s:
            raise BenchError("the meters fell silent before the last press")
        if saturated and committed_s < pressed_until_s:
            raise BenchError("the bulk lane was idle before the last press: raise saturating_rate_per_s")
        ranked = sorted(latencies_ms)
        return {
            "p50_ms": statistics.median(ranked),
            "p99_ms": ranked[min(len(ranked) - 1, int(len(ranked) * 0.99))],
            "max_ms": ranked[-1],
            "presses": float(len(ranked)),
            "meters_published_per_s": load.messages / (number(loaded, "ended_s") - number(loaded, "started_s")),
            "meters_committed_per_s": load.messages / (committed_s - number(loaded, "started_s")),
            "ingest_peak_rss_mb": running.ingest_peak_rss_bytes() / 1e6,
        }


def _match(sent: object, calls: list[tuple[float, str]], connection: psycopg.Connection) -> list[float]:
    """Milliseconds from each press to the first webhook that names its home.

    Raises:
        BenchError: a press without a webhook.
    """
    if not isinstance(sent, list):
        raise BenchError("the buttons reported no list")
    rows = connection.execute(
        "SELECT a.alert_id, h.name FROM alert a JOIN home h USING (home_id) WHERE h.name LIKE 'bench-home-%'"
    ).fetchall()
    homes = {str(alert_id): name for alert_id, name in rows}
    arrived: dict[int, float] = {}
    for arrived_s, body in calls:
        found = _PRESS.search(body)
        if found is None and (alert := _ALERT_ID.search(body)) is not None:
            found = _PRESS.search(homes.get(alert[1], ""))
        if found is not None:
            arrived.setdefault(int(found[1]), arrived_s)
    lost = [press for press, _ in sent if press not in arrived]
    if lost:
        raise BenchError(
            f"{len(lost)} of {len(sent)} presses reached no webhook (first: {lost[0]}; {len(calls)} calls)"
        )
    return [(arrived[press] - sent_s) * 1000 for press, sent_s in sent]


# --------------------------------------------------------------------------------------------------------- the peers


def peer(bench: Bench, rival: Peer, *, installed_in: Path) -> Values:
    """The throughput run with a peer in the service's place."""
    run_folder = bench.folder / "peer"
    shutil.rmtree(run_folder, ignore_errors=True)
    run_folder.mkdir()
    with ExitStack() as stack:
        broker = stack.enter_context(bench.broker())
        url = stack.enter_context(bench.postgres.database())
        rival.create_table(url)
        child = stack.enter_context(rival.start(installed_in, broker=broker, database_url=url, run_folder=run_folder))
        connection = stack.enter_context(psycopg.connect(url, autocommit=True))
        _await_peer(broker, child, connection)
        load = stack.enter_context(bench.load(Plan(port=broker.port, messages=bench.size.peer_messages)))
        arrivals = Arrivals.at_peer(connection, rows_per_message=rival.rows_per_message)

        def check() -> None:
            if child.process.poll() is not None:
                raise BenchError(f"{rival.title} ended:\n{child.tail()}")

        before, postgres_before = usage(child.pid), usage(bench.postgres.pid)
        load.go()
        sent = load.wait(bench.size.timeout_s, meanwhile=check)
        committed_s = arrivals.wait(load.last_at, timeout_s=bench.size.timeout_s, check=check)
        arrivals.verify(load.messages)
        return {
            "messages_per_s": load.messages / (committed_s - number(sent, "started_s")),
            "cpu_us": _us(usage(child.pid).since(before), load.messages),
            "postgres_cpu_us": _us(usage(bench.postgres.pid).since(postgres_before), load.messages),
        }


def _await_peer(broker: Mosquitto, child: Child, connection: psycopg.Connection) -> None:
    """Publishes a reading of a meter that is not counted until it stands in the table."""
    deadline = time.monotonic() + 60
    session = packets.connect(broker.port, "bench-readiness")
    with session.sock:
        for attempt in range(1, 200):
            at = datetime.now(UTC).isoformat()
            body = f'{{"at":"{at}","water_total_l":1.0,"battery_pct":90,"meter":"bench-probe"}}'.encode()
            session.sock.sendall(packets.publish("anju/bench-probe/reading", body, attempt))
            time.sleep(0.3)
            row = connection.execute("SELECT EXISTS (SELECT FROM bench_reading)").fetchone()
            if row and row[0]:
                return
            if child.process.poll() is not None or time.monotonic() > deadline:
                break
    raise BenchError(f"the peer was not ready:\n{child.tail()}")
