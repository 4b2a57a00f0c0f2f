"""Our MQTT connection against real brokers."""

import asyncio
import contextlib
import inspect
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path

import aiomqtt
import mqtt5
import pytest
import uvloop

from anju.embedded_broker import EmbeddedBroker
from ingest.errors import (
    ConnectionClosed,
    ConnectionLost,
    IngestError,
    PublishRefused,
    SessionTakenOver,
)
from ingest.mqtt.connection import Connection
from ingest.mqtt.irregular import IrregularPublish
from ingest.mqtt.options import ConnectionOptions, Endpoint, Subscription
from ingest.mqtt.window import Delivery
from tests.mqtt_peers import publish_all
from tests.servers import Mosquitto, eventually, free_port, missing
from tests.tcp_proxy import TcpProxy

StartMosquitto = Callable[..., Mosquitto]
# The fixture's default writes the whole queue to disk after every change of it: too slow for thousands of messages.
LAZY = "autosave_on_changes false\nautosave_interval 1800\n"
EVERYTHING = (Subscription("anju/#"),)


@contextlib.asynccontextmanager
async def connected(
    port: int,
    *,
    url: str | None = None,
    wait: bool = True,
    on_lost: Callable[[IngestError], None] | None = None,
    **more: object,
) -> AsyncIterator[Connection]:
    given = {"client_id": "ingest", "subscriptions": EVERYTHING, "backoff_min_s": 0.02, "backoff_max_s": 0.2} | more
    options = ConnectionOptions(**given)  # type: ignore[arg-type]
    connection = Connection(Endpoint.parse(url or f"mqtt://127.0.0.1:{port}"), options, on_lost=on_lost)
    running = asyncio.create_task(connection.run())
    try:
        if wait:
            await eventually(lambda: connection.subscribed)
        yield connection
    finally:
        await connection.close()
        with contextlib.suppress(SessionTakenOver):
            await running


async def collect(connection: Connection, count: int, *, ack: bool = True, timeout_s: float = 20.0) -> list[bytes]:
    """The payloads of exactly so many messages, and no more right after them."""
    payloads: list[bytes] = []
    async with asyncio.timeout(timeout_s):
        while len(payloads) < count:
            for delivery in await connection.receive(1000):
                payloads += [packet.payload for packet in delivery.packets]
                if ack:
                    assert connection.ack(delivery.generation, delivery.packet_ids) == len(delivery.packet_ids)
    assert len(payloads) == count
    return payloads


def numbered(count: int, start: int = 0) -> list[tuple[str, bytes]]:
    return [(f"anju/d{number % 7}/reading", b"%d" % number) for number in range(start, start + count)]


def bodies(count: int, start: int = 0) -> list[bytes]:
    return [payload for _, payload in numbered(count, start)]


async def test_messages_come_in_order_and_are_not_sent_again_once_acknowledged(mosquitto: StartMosquitto) -> None:
    server = mosquitto(LAZY)
    async with connected(server.port) as connection:
        await publish_all(server.port, numbered(2000))
        assert await collect(connection, 2000) == bodies(2000)
        assert (connection.outstanding_messages, connection.outstanding_bytes) == (0, 0)
    async with connected(server.port) as connection:
        assert connection.session_present
        await publish_all(server.port, numbered(1, 5000))
        assert await collect(connection, 1) == bodies(1, 5000)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connection.receive(1), 0.3)


async def test_a_delivery_tells_all_there_is_to_know(mosquitto: StartMosquitto) -> None:
    server = mosquitto()
    async with connected(server.port) as connection, aiomqtt.Client("127.0.0.1", server.port) as peer:
        await peer.publish("anju/d/status", b"online", qos=0, retain=True)
        await peer.publish("anju/d/event", b"press", qos=1)
        deliveries: list[Delivery] = []
        while sum(len(delivery.packets) for delivery in deliveries) < 2:
            deliveries += await connection.receive(10)
        status, event = (packet for delivery in deliveries for packet in delivery.packets)
        assert (status.topic, status.payload, status.packet_id, int(status.qos)) == (
            "anju/d/status",
            b"online",
            None,
            0,
        )
        assert not status.retain, "a live copy is not retained"
        assert (event.payload, int(event.qos), event.duplicate) == (b"press", 1, False)
        assert event.packet_id in deliveries[-1].packet_ids
        assert abs(deliveries[-1].received_at.timestamp() - time.time()) < 5
        assert {delivery.generation for delivery in deliveries} == {connection.generation}
        assert connection.outstanding_messages == 1
    async with connected(server.port, client_id="later") as later:
        with pytest.raises(TimeoutError):  # no copy of what is retained
            await asyncio.wait_for(later.receive(1), 0.3)


async def test_what_was_not_acknowledged_comes_again_marked_and_old_acknowledgements_are_dropped(
    mosquitto: StartMosquitto,
) -> None:
    server = mosquitto(LAZY)
    reasons: list[IngestError] = []
    async with TcpProxy(server.port) as proxy, connected(proxy.port, on_lost=reasons.append) as connection:
        await publish_all(server.port, numbered(10))
        first: list[Delivery] = []
        while sum(len(delivery.packets) for delivery in first) < 10:
            first += await connection.receive(10)
        packet_ids = [packet_id for delivery in first for packet_id in delivery.packet_ids]
        assert connection.ack(1, packet_ids[:4]) == 4
        assert connection.ack(1, packet_ids[:4]) == 0, "twice"
        await publish_all(server.port, numbered(1, 100))
        await collect(connection, 1, ack=False)  # so the broker has seen the acknowledgements
        await proxy.cut()
        await eventually(lambda: connection.generation > 1 and connection.subscribed)
        assert connection.session_present
        assert isinstance(reasons[0], ConnectionLost)
        assert connection.ack(1, packet_ids[4:]) == 0
        again: list[Delivery] = []
        while sum(len(delivery.packets) for delivery in again) < 7:
            again += await connection.receive(10)
        packets = [packet for delivery in again for packet in delivery.packets]
        assert [packet.payload for packet in packets] == bodies(6, 4) + bodies(1, 100)
        assert all(packet.duplicate for packet in packets)
        assert connection.counters.acks_dropped == 4 + 6
        for delivery in again:
            connection.ack(delivery.generation, delivery.packet_ids)
        assert connection.outstanding_messages == 0


async def test_what_was_queued_while_we_were_away_is_delivered(mosquitto: StartMosquitto) -> None:
    server = mosquitto(LAZY)
    async with connected(server.port):
        pass
    await publish_all(server.port, numbered(3000))
    async with connected(server.port, wait=False) as connection:
        assert await collect(connection, 3000) == bodies(3000)
        await eventually(lambda: connection.subscribed)


async def test_messages_before_the_suback_are_delivered_first(mosquitto: StartMosquitto) -> None:
    server = mosquitto(LAZY + "max_inflight_messages 0")
    async with connected(server.port):
        pass
    await publish_all(server.port, numbered(3000))
    async with connected(server.port, wait=False, max_outstanding_messages=100, receive_maximum=65_535) as connection:
        await eventually(lambda: connection.paused)
        first = await connection.receive(1)
        assert not connection.subscribed, "the SUBACK is behind the queue"
        connection.ack(first[0].generation, first[0].packet_ids)
        assert first[0].packets[0].payload == b"0"
        await collect(connection, 2999)
        await eventually(lambda: connection.subscribed)


@pytest.mark.parametrize("kind", ["mosquitto", "embedded"])
async def test_another_client_takes_the_session_over_with_everything_in_it(
    kind: str, request: pytest.FixtureRequest
) -> None:
    if kind == "mosquitto":
        port = request.getfixturevalue("mosquitto")().port
    else:
        embedded: EmbeddedBroker = request.getfixturevalue("broker")
        port = embedded.port
    options = ConnectionOptions(client_id="ingest", subscriptions=EVERYTHING)
    ours = True

    async def may_connect() -> bool:  # neither broker says that a session was taken over
        return ours

    mine = Connection(Endpoint.parse(f"mqtt://127.0.0.1:{port}"), options, may_connect=may_connect)
    running = asyncio.create_task(mine.run())
    await eventually(lambda: mine.subscribed)
    async with aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5) as peer:
        for payload in bodies(5):
            await peer.publish("anju/d/reading", payload, qos=1)
        await eventually(lambda: mine.outstanding_messages == 5)
        ours = False
        async with connected(port, wait=False) as theirs:
            with pytest.raises(SessionTakenOver):
                await asyncio.wait_for(running, 5)
            assert not mine.connected
            assert await collect(theirs, 5) == bodies(5)
            assert theirs.session_present
        taken = await mine.receive(10)
        assert [packet.payload for delivery in taken for packet in delivery.packets] == bodies(5)
        assert mine.ack(taken[0].generation, taken[0].packet_ids) == 0
        with pytest.raises(ConnectionClosed):
            await mine.receive(10)


async def test_keep_alive_goes_on_while_reading_is_paused(mosquitto: StartMosquitto) -> None:
    server = mosquitto(LAZY)
    async with connected(server.port, keep_alive_s=1, max_outstanding_messages=10) as connection:
        await publish_all(server.port, numbered(200))
        await eventually(lambda: connection.paused)
        paused_at = time.monotonic()
        held = await connection.receive(10_000)
        await eventually(lambda: time.monotonic() - paused_at > 3.5)
        assert connection.connected
        assert connection.paused
        for delivery in held:
            connection.ack(delivery.generation, delivery.packet_ids)
        count = sum(len(delivery.packets) for delivery in held)
        if count < 200:
            assert await collect(connection, 200 - count) == bodies(200 - count, count)
        assert (connection.generation, connection.counters.losses) == (1, 0)


@pytest.mark.parametrize("config", ["", "max_inflight_messages 0"])
async def test_a_stalled_consumer_bounds_the_memory_and_the_broker_keeps_the_rest(
    mosquitto: StartMosquitto, config: str
) -> None:
    server = mosquitto(LAZY + config)
    total, limit = 50_000, 2000
    async with connected(server.port, max_outstanding_messages=limit, receive_maximum=65_535) as connection:
        await publish_all(server.port, numbered(total))
        await eventually(lambda: connection.paused)
        await asyncio.sleep(0.5)  # for the broker to send more, if it could
        assert 0 < connection.outstanding_messages < limit + 128 * 1024 / 20
        held = await connection.receive(total)
        seen = [packet.payload for delivery in held for packet in delivery.packets]
        for delivery in held:
            connection.ack(delivery.generation, delivery.packet_ids)
        seen += await collect(connection, total - len(seen), timeout_s=60)
        assert seen == bodies(total)
        assert connection.counters.losses == 0


async def test_a_wrong_password_is_tried_again_slowly(mosquitto: StartMosquitto, folder: Path) -> None:
    passwords = folder / "passwords"
    made = await asyncio.create_subprocess_exec("mosquitto_passwd", "-c", "-b", str(passwords), "anju", "right")
    assert await made.wait() == 0
    passwords.chmod(0o644)
    server = mosquitto(f"allow_anonymous false\npassword_file {passwords}", default=False)
    wrong = f"mqtt://anju:wrong@127.0.0.1:{server.port}"
    async with connected(server.port, url=wrong, wait=False, refused_retry_s=0.4) as connection:
        started = time.monotonic()
        await eventually(lambda: connection.counters.failed_attempts == 3)
        assert time.monotonic() - started > 0.7
        assert not connection.connected
    async with connected(server.port, url=f"mqtt://anju:right@127.0.0.1:{server.port}") as connection:
        assert connection.connected


@pytest.fixture
def certificates(folder: Path) -> Path:
    """An authority, a certificate by it for `localhost`, and an authority that signed nothing."""

    def openssl(*arguments: str) -> None:
        try:
            subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
        except FileNotFoundError:
            missing("openssl is not installed")

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    for name in ("ca", "other"):
        extensions = ("-addext", "keyUsage=critical,keyCertSign", "-addext", "basicConstraints=critical,CA:TRUE")
        openssl(
            "req", "-x509", *key, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}", *extensions
        )
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (folder / "extensions").write_text("subjectAltName=DNS:localhost\n")
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "extensions")
    openssl("x509", "-req", "-in", "server.csr", *signed, "-out", "server.pem")
    (folder / "server.key").chmod(0o644)
    return folder


async def test_tls_trusts_the_given_authority_and_checks_the_name(
    mosquitto: StartMosquitto, certificates: Path
) -> None:
    server = mosquitto(f"certfile {certificates}/server.pem\nkeyfile {certificates}/server.key")
    url = f"mqtts://localhost:{server.port}"
    async with connected(0, url=url, ca_file=certificates / "ca.pem", max_outstanding_messages=100) as connection:
        await connection.publish("anju/d/reading", b"x" * 900_000)
        (payload,) = await collect(connection, 1)
        assert payload == b"x" * 900_000
        for number in range(400):  # more than may be outstanding: pausing works on TLS too
            await connection.publish("anju/d/reading", b"%d" % number, qos=0)
        assert await collect(connection, 400) == bodies(400)
    other = certificates / "other.pem"
    for bad_url, ca_file in ((url, other), (f"mqtts://127.0.0.1:{server.port}", certificates / "ca.pem")):
        async with connected(0, url=bad_url, ca_file=ca_file, wait=False, refused_retry_s=60.0) as connection:
            await eventually(lambda: connection.counters.failed_attempts)
            assert not connection.connected


async def test_a_broker_that_comes_later_is_found(mosquitto: StartMosquitto, folder: Path) -> None:
    server = Mosquitto(folder / "late")
    async with connected(server.port, wait=False) as connection:
        await eventually(lambda: connection.counters.failed_attempts >= 3)
        with pytest.raises(ConnectionLost):
            await connection.publish("anju/d/reading", b"")
        with server:
            await eventually(lambda: connection.subscribed)
        await eventually(lambda: not connection.connected)


async def test_closing_interrupts_a_wait_for_the_next_attempt() -> None:
    async with connected(free_port(), wait=False, backoff_min_s=60.0, backoff_max_s=60.0) as connection:
        await eventually(lambda: connection.counters.failed_attempts == 1)
        started = time.monotonic()
        await connection.close()
        assert time.monotonic() - started < 1
        with pytest.raises(ConnectionClosed):
            await connection.receive(1)


async def test_filters_come_and_go_at_run_time_and_over_reconnects(mosquitto: StartMosquitto) -> None:
    server = mosquitto()
    async with TcpProxy(server.port) as proxy, connected(proxy.port, subscriptions=()) as connection:
        await connection.subscribe(Subscription("anju/a/event"), Subscription("anju/b/event"))
        await publish_all(server.port, [("anju/a/event", b"1"), ("anju/b/event", b"2"), ("anju/c/event", b"no")])
        assert await collect(connection, 2) == [b"1", b"2"]
        await connection.unsubscribe("anju/a/event")
        await publish_all(server.port, [("anju/a/event", b"no"), ("anju/b/event", b"3")])
        assert await collect(connection, 1) == [b"3"]
        await connection.publish("elsewhere", b"")  # answered after our acknowledgement was read
        await proxy.stop()
        await eventually(lambda: not connection.connected)
        await connection.unsubscribe("anju/b/event")
        await connection.subscribe(Subscription("anju/c/event"))
        await proxy.start()
        await eventually(lambda: connection.subscribed)
        await publish_all(server.port, [("anju/b/event", b"no"), ("anju/c/event", b"4")])
        assert await collect(connection, 1) == [b"4"]


async def test_many_filters_are_subscribed_to(mosquitto: StartMosquitto) -> None:
    server = mosquitto()
    filters = tuple(Subscription(f"anju/device-{number:05}/event") for number in range(1001))
    async with connected(server.port, subscriptions=filters) as connection:
        await publish_all(server.port, [(filters[0].filter, b"first"), (filters[-1].filter, b"last")])
        assert await collect(connection, 2) == [b"first", b"last"]


async def test_an_oversized_message_arrives_marked_and_does_not_come_again(mosquitto: StartMosquitto) -> None:
    server = mosquitto()
    async with connected(server.port, max_packet_bytes=200_000) as connection:
        payload = b"ab" * 1_000_000
        await publish_all(server.port, [("anju/d/reading", payload), ("anju/d/reading", b"next")])
        packets: list[mqtt5.PublishPacket | IrregularPublish] = []
        while len(packets) < 2:
            for delivery in await connection.receive(10):
                packets += delivery.packets
                connection.ack(delivery.generation, delivery.packet_ids)
        big, following = packets
        assert isinstance(big, IrregularPublish)
        assert (big.topic, big.payload, big.payload_bytes) == ("anju/d/reading", payload[:4096], len(payload))
        assert following.payload == b"next"
    async with connected(server.port) as connection:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connection.receive(1), 0.3)


async def test_publishing_obeys_the_brokers_limits(mosquitto: StartMosquitto) -> None:
    server = mosquitto("max_packet_size 1000")
    async with connected(server.port) as connection:
        with pytest.raises(PublishRefused):
            await connection.publish("anju/d/reading", b"x" * 1000)
        with pytest.raises(ValueError, match="topic"):
            await connection.publish("anju/+/reading", b"")
        await connection.publish("anju/d/reading", b"x" * 900)
        await collect(connection, 1)


async def test_a_session_that_the_broker_forgot_is_counted(mosquitto: StartMosquitto) -> None:
    server = mosquitto("persistence false")
    async with connected(server.port) as connection:
        await asyncio.to_thread(server.restart)
        await eventually(lambda: connection.generation > 1 and connection.subscribed, 10)
        assert connection.counters.sessions_missing == 1
        assert not connection.session_present


async def test_cancelled_receivers_lose_nothing(mosquitto: StartMosquitto) -> None:
    server = mosquitto(LAZY)
    async with connected(server.port) as connection:
        publishing = asyncio.create_task(publish_all(server.port, numbered(300), at_once=1))
        seen: list[bytes] = []
        while len(seen) < 300:
            try:
                deliveries = await asyncio.wait_for(connection.receive(7), 0.001)
            except TimeoutError:
                continue
            for delivery in deliveries:
                seen += [packet.payload for packet in delivery.packets]
                connection.ack(delivery.generation, delivery.packet_ids)
        await publishing
        assert seen == bodies(300)


async def test_resting_between_small_reads_makes_them_larger(mosquitto: StartMosquitto) -> None:
    server = mosquitto(LAZY + "max_inflight_messages 0")
    reads = []
    for rest_s in (0.0, 0.02):
        async with connected(server.port, rest_s=rest_s, client_id=f"rest-{rest_s}") as connection:
            await publish_all(server.port, numbered(3000), at_once=20)
            assert await collect(connection, 3000) == bodies(3000)
            reads.append(connection.counters.reads)
    assert reads[1] < reads[0] / 2


async def test_the_embedded_broker_sends_again_what_was_not_acknowledged(broker: EmbeddedBroker) -> None:
    async with connected(broker.port) as connection:
        for payload in bodies(20):
            await connection.publish("anju/d/reading", payload)
        held = [*await connection.receive(5)]
        while sum(len(delivery.packets) for delivery in held) < 5:
            held += await connection.receive(5 - sum(len(delivery.packets) for delivery in held))
        for delivery in held:
            connection.ack(delivery.generation, delivery.packet_ids)
        await connection.publish("anju/d/reading", b"20")  # after the acknowledgements
    async with connected(broker.port) as connection:
        assert await collect(connection, 16) == bodies(16, 5)


@pytest.mark.parametrize(
    "scenario",
    [
        test_what_was_not_acknowledged_comes_again_marked_and_old_acknowledgements_are_dropped,
        test_messages_before_the_suback_are_delivered_first,
        test_keep_alive_goes_on_while_reading_is_paused,
        test_a_broker_that_comes_later_is_found,
        test_an_oversized_message_arrives_marked_and_does_not_come_again,
        test_resting_between_small_reads_makes_them_larger,
    ],
)
def test_uvloop_makes_no_difference(
    scenario: Callable[..., Coroutine[None, None, None]], request: pytest.FixtureRequest
) -> None:
    wanted = inspect.signature(scenario).parameters
    uvloop.run(scenario(**{name: request.getfixturevalue(name) for name in wanted}))


def test_tls_on_uvloop(mosquitto: StartMosquitto, certificates: Path) -> None:
    uvloop.run(test_tls_trusts_the_given_authority_and_checks_the_name(mosquitto, certificates))
