"""An orderly stop of ingest: what is committed is acknowledged before it goes, and nothing can keep it from going."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import pytest
from prometheus_client import REGISTRY
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from devices.model import Lane
from ingest import session, stopping, worker
from ingest.emergency import EmergencyWebhook
from ingest.errors import SessionTakenOver
from ingest.intake import Limits
from ingest.mqtt.options import ConnectionOptions, Endpoint
from ingest.options import SessionOptions
from ingest.writer import Writer
from storage import partitions
from storage.pool import connect
from tests.ingest_desk import DRIVERS
from tests.servers import Mosquitto, Postgres, eventually
from tests.stages import listening
from tests.traffic import Publisher, add_devices, count, left_in_session, press

StartMosquitto = Callable[..., Mosquitto]
Database = AsyncConnection[TupleRow]
#: A press and a reading of one message are two transactions, the press first.
MESSAGES = {
    Lane.URGENT: ("anju/button/event", press(battery_pct=80)),
    Lane.BULK: ("anju/button/reading", f'{{"at":"{datetime.now(UTC).isoformat()}","battery_pct":80}}'.encode()),
}
CLIENT_IDS = {Lane.URGENT: "anju-urgent-ingest", Lane.BULK: "anju-bulk"}


@contextlib.asynccontextmanager
async def ingesting(database_url: str, broker: Mosquitto) -> AsyncIterator[Callable[[], asyncio.Task[None]]]:
    """An ingest that listens; gives what tells it to stop, and returns its task."""
    stop = asyncio.Event()
    options = worker.IngestOptions(
        database_url=database_url, brokers=(Endpoint(host="127.0.0.1", port=broker.port),), worker_id="ingest"
    )
    running = asyncio.create_task(worker.run(options, stop=stop))

    def tell() -> asyncio.Task[None]:
        stop.set()
        return running

    try:
        async with await connect(database_url, application_name="test", autocommit=True) as database:
            await listening(database, "ingest")
        yield tell
    finally:
        await tell()


@contextlib.asynccontextmanager
async def held(database_url: str) -> AsyncIterator[None]:
    """Inside, transactions that store readings come to a halt."""
    async with (
        await connect(database_url, application_name="test blocker", autocommit=True) as blocker,
        blocker.transaction(),
    ):
        await blocker.execute("LOCK TABLE reading IN EXCLUSIVE MODE")
        yield


def connections_of(lane: Lane) -> str:
    """Counts what a lane has open in the database."""
    return (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        f" AND application_name = 'anju ingest {lane.value}'"
    )


async def at_halt(database: Database, lane: Lane) -> bool:
    """Whether a lane is in the middle of a transaction that cannot go on."""
    return await count(database, f"{connections_of(lane)} AND wait_event_type = 'Lock'") > 0


async def gone(database: Database, lane: Lane) -> bool:
    """Whether a lane has left the database."""
    return await count(database, connections_of(lane)) == 0


@pytest.mark.parametrize("lane", [Lane.URGENT, Lane.BULK])
async def test_the_running_commit_is_ended_and_acknowledged_before_the_session_is_left(
    lane: Lane, mosquitto: StartMosquitto, database_url: str, database: Database
) -> None:
    broker = mosquitto()
    other = Lane.BULK if lane is Lane.URGENT else Lane.URGENT
    await add_devices(database, ["button"])
    topic, payload = MESSAGES[lane]
    async with ingesting(database_url, broker) as tell_to_stop, Publisher(broker.port) as publisher:
        async with held(database_url):
            await publisher.publish(topic, payload)
            await eventually(lambda: at_halt(database, lane), 10)
            stopping = tell_to_stop()
            await eventually(lambda: gone(database, other), 10)
            # A standby that had the lease now would take the session, and the acknowledgements could not be sent.
            assert await count(database, "SELECT count(*) FROM bulk_lease") == 1
        await stopping
    assert await count(database) == 1
    assert await count(database, "SELECT count(*) FROM event") == (1 if lane is Lane.URGENT else 0)
    assert await count(database, "SELECT count(*) FROM bulk_lease") == 0
    assert await left_in_session(broker.port, CLIENT_IDS[lane], topic) == []


async def test_neither_a_stuck_database_nor_a_stuck_broker_keeps_it_from_going(
    mosquitto: StartMosquitto, durable_postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_FINISH_WITHIN_S", 0.5)
    monkeypatch.setattr(stopping, "_HEED_WITHIN_S", 0.2)
    broker, url = mosquitto(), durable_postgres.url
    topic, payload = MESSAGES[Lane.URGENT]
    async with await connect(url, application_name="test", autocommit=True) as database:
        await add_devices(database, ["button"])
        async with ingesting(url, broker) as tell_to_stop, Publisher(broker.port) as publisher, held(url):
            await publisher.publish(topic, payload)
            await eventually(lambda: at_halt(database, Lane.URGENT), 10)
            with durable_postgres.frozen(), broker.frozen():
                told_at = time.monotonic()
                await tell_to_stop()
                took_s = time.monotonic() - told_at
    assert took_s < 9, "the driver was waited for, which takes 10 s; the broker and the lease get 2 s each"
    assert await left_in_session(broker.port, CLIENT_IDS[Lane.URGENT], topic) == [topic]


async def test_without_a_database_it_goes_at_once(mosquitto: StartMosquitto, durable_postgres: Postgres) -> None:
    broker = mosquitto()
    topic, payload = MESSAGES[Lane.URGENT]
    async with ingesting(durable_postgres.url, broker) as tell_to_stop, Publisher(broker.port) as publisher:
        await asyncio.to_thread(durable_postgres.stop)
        await publisher.publish(topic, payload)
        await eventually(lambda: unstored(broker), 10)
        told_at = time.monotonic()
        await tell_to_stop()
        assert time.monotonic() - told_at < 3
    assert await left_in_session(broker.port, CLIENT_IDS[Lane.URGENT], topic) == [topic]


def unstored(broker: Mosquitto) -> bool:
    """Whether a message waits for the database in the urgent lane, as ingest's metrics tell."""
    labels = {"lane": "urgent", "broker": f"127.0.0.1:{broker.port}"}
    return (REGISTRY.get_sample_value("anju_ingest_store_retries_total", labels) or 0) > 0


async def test_a_session_that_lost_its_broker_to_another_goes_on_where_it_was(
    mosquitto: StartMosquitto, database_url: str, database: Database
) -> None:
    broker = mosquitto()
    ours, ready = asyncio.Event(), asyncio.Event()
    ours.set()
    ready.set()
    urgent = session.Session(
        Endpoint(host="127.0.0.1", port=broker.port),
        SessionOptions(
            lane=Lane.URGENT,
            worker="ingest",
            client_id=CLIENT_IDS[Lane.URGENT],
            max_batch=50,
            max_outstanding=100,
            session_expiry_s=60,
            rest_s=0.0,
            limits=Limits(),
        ),
        connection_options=ConnectionOptions,
        drivers=DRIVERS,
        writer=Writer(
            database_url,
            application_name="anju ingest urgent",
            lane=Lane.URGENT,
            broker="broker",
            worker="ingest",
            readings_ready=ready,
        ),
        emergency=EmergencyWebhook(None, None),
        may_connect=lambda: asyncio.sleep(0, ours.is_set()),
    )
    await add_devices(database, ["button"])
    await partitions.ensure(database, from_=datetime.now(UTC), to=datetime.now(UTC))
    topic, payload = MESSAGES[Lane.URGENT]
    running = asyncio.create_task(urgent.run())
    await eventually(lambda: urgent.connection.subscribed, 10)
    async with Publisher(broker.port) as publisher, held(database_url):
        await publisher.publish(topic, payload)
        await eventually(lambda: at_halt(database, Lane.URGENT), 10)
        ours.clear()
        await asyncio.to_thread(broker.restart)
        with pytest.raises(SessionTakenOver):
            await running
    assert urgent.unstored_since is not None
    acks = urgent.connection.counters.acks
    ours.set()
    running = asyncio.create_task(urgent.run())
    await eventually(lambda: urgent.connection.counters.acks > acks + 1 and urgent.unstored_since is None, 10)
    running.cancel()
    await asyncio.wait({running})
    assert await count(database, "SELECT count(*) FROM event") == 1
    assert await left_in_session(broker.port, CLIENT_IDS[Lane.URGENT], topic) == []
