"""The embedded broker: what the quick start relies on."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator

import aiomqtt
import psutil
import pytest

from anju.embedded_broker import EmbeddedBroker, EmbeddedBrokerError
from tests.servers import listens, wait_until


async def test_old_and_new_mqtt_hear_each_other(broker: EmbeddedBroker) -> None:
    async with (
        aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as new,
        aiomqtt.Client("127.0.0.1", broker.port_v311, protocol=aiomqtt.ProtocolVersion.V311) as old,
    ):
        await new.subscribe("t/#", qos=1)
        await old.publish("t/old", b"1", qos=1)
        await new.publish("t/new", b"2" * 1_000_000, qos=1)
        received = {str(message.topic): message.payload async for message in _first(new, 2)}
        assert received == {"t/old": b"1", "t/new": b"2" * 1_000_000}


async def _first(client: aiomqtt.Client, count: int) -> AsyncIterator[aiomqtt.Message]:
    async for message in client.messages:
        yield message
        count -= 1
        if not count:
            return


async def test_a_session_keeps_what_came_while_its_client_was_away(broker: EmbeddedBroker) -> None:
    def subscriber() -> aiomqtt.Client:
        return aiomqtt.Client("127.0.0.1", broker.port_v311, identifier="keeper", clean_session=False)

    async with subscriber() as client:
        await client.subscribe("t/#", qos=1)
    async with aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as publisher:
        for number in range(500):
            await publisher.publish("t/x", str(number).encode(), qos=1)
    async with subscriber() as client:
        assert [int(m.payload) async for m in _first(client, 500)] == list(range(500))


def test_stopping_frees_the_ports_and_leaves_nothing() -> None:
    with EmbeddedBroker() as server:
        pid, ports = server.pid, (server.port, server.port_v311)
        assert pid is not None
        assert os.getsid(pid) == pid  # out of reach for Ctrl-C in our terminal
        assert all(listens(port) for port in ports)
    assert not psutil.pid_exists(pid)
    assert not any(listens(port) for port in ports)
    server.stop()


def test_a_taken_port_is_refused_in_plain_words(broker: EmbeddedBroker) -> None:
    with pytest.raises(EmbeddedBrokerError, match=f"127.0.0.1:{broker.port}"):
        EmbeddedBroker(port=broker.port).start()
    assert broker.pid is not None


def test_it_ends_with_the_process_that_started_it() -> None:
    script = "import time; from anju.embedded_broker import EmbeddedBroker as B; b = B(); b.start()\n"
    script += "print(b.pid, b.port, flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid, port = map(int, process.stdout.readline().split())
        assert listens(port)
        process.kill()
    wait_until(lambda: not listens(port))
    wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
