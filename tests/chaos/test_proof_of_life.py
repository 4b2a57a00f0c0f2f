"""Synthetic presses through real stages; a stage that is frozen (alive, but idle) silences the dead-man signal."""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from alerts.life import commands
from anju.proof import worker
from anju.proof.worker import ProofOptions
from ingest.mqtt.options import Endpoint
from tests.servers import Mosquitto, eventually
from tests.stages import SECRET, Hook, Stage, listening, settings

PRESS_EVERY_S, PRESS_LIMIT_S = 0.5, 2.0
LOST_AFTER_S = 3 * PRESS_EVERY_S + PRESS_LIMIT_S


@dataclass(slots=True)
class Monitor:
    """An outside monitor: remembers when it was called."""

    calls: list[float] = field(default_factory=list)
    url: str = ""

    def called_since(self, instant: float) -> bool:
        return any(at > instant for at in self.calls)


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    seen = Monitor()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.calls.append(time.monotonic())
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name is the base class's)
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    seen.url = f"http://127.0.0.1:{server.server_port}/ping"
    yield seen
    server.shutdown()
    server.server_close()


@contextlib.asynccontextmanager
async def proving(options: ProofOptions) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(worker.run(options, stop=stop))
        try:
            yield
        finally:
            stop.set()


def kinds_told(hook: Hook) -> list[str]:
    told = []
    for post in list(hook.posts):
        data = post.message()["data"]
        assert isinstance(data, dict)
        told.append(f"{data['kind']} {data['state']}")
    return told


async def test_presses_come_through_and_a_frozen_stage_is_noticed(
    mosquitto: Callable[..., Mosquitto],
    database_url: str,
    database: AsyncConnection[TupleRow],
    folder: Path,
    monitor: Monitor,
) -> None:
    broker = mosquitto()
    with Hook() as hook, Hook() as recorder:
        receiver = [{"name": "recorder", "url": recorder.url, "secrets": [SECRET]}]
        stages = settings(
            database_url, broker.url, webhook_url=hook.url, webhook_secret=SECRET, webhook=json.dumps(receiver)
        )
        options = ProofOptions(
            database_url=database_url,
            broker=Endpoint.parse(broker.url),
            press_every=timedelta(seconds=PRESS_EVERY_S),
            press_limit=timedelta(seconds=PRESS_LIMIT_S),
            recorder="recorder",
            receivers=("default", "recorder"),
            dead_man_url=monitor.url,
            check_every=timedelta(seconds=0.1),
            signal_every=timedelta(seconds=0.2),
        )

        async def came_through() -> int:
            cursor = await database.execute("SELECT count(*) FROM probe_run WHERE dispatched_at IS NOT NULL")
            row = await cursor.fetchone()
            assert row is not None
            return int(row[0])

        with (
            Stage("ingest", folder, stages),
            Stage("rules", folder, stages) as rules,
            Stage("alerts", folder, stages) as alerts,
        ):
            await listening(database, "ingest")
            async with proving(options):

                async def several_came_through() -> bool:
                    return await came_through() >= 3

                await eventually(several_came_through, 30)
                began = time.monotonic()
                await eventually(lambda: monitor.called_since(began), 10)
                assert kinds_told(hook) == []  # told to nobody
                # One press an hour passes a real channel, signed and marked.
                assert [post.message()["type"] for post in recorder.posts] == ["anju.probe"]
                assert await commands.list_alerts(database) == []

                for number, frozen in enumerate((rules, alerts), start=1):
                    with frozen.frozen():
                        # Its process lives; its work is not done.
                        await asyncio.sleep(LOST_AFTER_S)  # by then the alarm is due, whatever the machine is doing
                        began = time.monotonic()

                        async def alarmed() -> bool:
                            open_alerts = await commands.list_alerts(database)
                            return [alert.kind for alert in open_alerts] == ["probe_lost"]

                        await eventually(alarmed, 20)
                        before = len(monitor.calls)
                        await asyncio.sleep(1.0)
                        assert len(monitor.calls) == before, "an outside monitor was told that all is well"
                    began = time.monotonic()
                    await eventually(lambda since=began: monitor.called_since(since), 30)  # type: ignore[misc]

                    async def over(times: int = number) -> bool:
                        return kinds_told(hook).count("probe_lost closed") == times

                    await eventually(over, 20)
        assert {told.split()[0] for told in kinds_told(hook)} == {"probe_lost"}
        assert rules.log.count("Traceback") == alerts.log.count("Traceback") == 0
