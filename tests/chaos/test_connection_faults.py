"""The MQTT connection under cut, slow and garbled traffic, and against brokers that misbehave."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import mqtt5
import pytest

from ingest.errors import ConnectionLost, IngestError, ProtocolViolation, SessionTakenOver, SubscriptionRefused
from ingest.mqtt.connection import Connection
from ingest.mqtt.options import ConnectionOptions, Endpoint, Subscription
from tests.mqtt_peers import FakeBroker, Script, next_packet, publish_all, until_disconnect
from tests.servers import Mosquitto, eventually
from tests.tcp_proxy import TcpProxy

StartMosquitto = Callable[..., Mosquitto]
# Not the fixture's default, which writes the whole queue to disk after every change of it.
LAZY = "autosave_on_changes false\nautosave_interval 1800\nmax_inflight_messages 1000\n"
CONNACK = mqtt5.ConnAckPacket().write()


@contextlib.asynccontextmanager
async def running(
    port: int, *, on_lost: Callable[[IngestError], None] | None = None, **more: Any
) -> AsyncIterator[Connection]:
    given: dict[str, Any] = {
        "client_id": "ingest",
        "subscriptions": (Subscription("anju/#"),),
        "backoff_min_s": 0.01,
        "backoff_max_s": 0.05,
        "connect_timeout_s": 2.0,
    }
    connection = Connection(
        Endpoint.parse(f"mqtt://127.0.0.1:{port}"), ConnectionOptions(**given | more), on_lost=on_lost
    )
    task = asyncio.create_task(connection.run())
    try:
        yield connection
    finally:
        await connection.close()
        with contextlib.suppress(SessionTakenOver):
            await task


async def everything_arrives(
    server: Mosquitto, proxy: TcpProxy, trouble: Callable[[], asyncio.Task[None]] | None, count: int, **more: Any
) -> Connection:
    """Publish behind the proxy's back while there is trouble in it; every message must come."""
    expected = {b"%d" % number for number in range(count)}
    seen: set[bytes] = set()
    async with running(proxy.port, **more) as connection:
        await eventually(lambda: connection.subscribed, 10)
        task = trouble() if trouble else None
        messages = [(f"anju/d{number % 5}/reading", b"%d" % number) for number in range(count)]
        publishing = asyncio.create_task(publish_all(server.port, messages, at_once=100))
        try:
            async with asyncio.timeout(60):
                while seen != expected:
                    for delivery in await connection.receive(100):
                        await asyncio.sleep(0)  # a commit
                        seen.update(packet.payload for packet in delivery.packets)
                        connection.ack(delivery.generation, delivery.packet_ids)
            assert seen == expected
        finally:
            if task:
                task.cancel()
            await publishing
    return connection


async def test_nothing_is_lost_when_the_connection_is_cut_again_and_again(mosquitto: StartMosquitto) -> None:
    server = mosquitto(LAZY)

    async def cutting() -> None:
        while True:
            await asyncio.sleep(0.02)
            await proxy.cut()

    async with TcpProxy(server.port) as proxy:
        connection = await everything_arrives(server, proxy, lambda: asyncio.create_task(cutting()), 10_000)
    assert connection.counters.losses > 3
    assert connection.counters.violations == 0


async def test_a_byte_at_a_time_is_as_good_as_a_chunk(mosquitto: StartMosquitto) -> None:
    server = mosquitto(LAZY)
    async with TcpProxy(server.port) as proxy:
        proxy.step_bytes = 1
        connection = await everything_arrives(server, proxy, None, 300)
    assert (connection.counters.losses, connection.counters.messages) == (1, 300)


async def test_a_slow_line_delays_but_does_not_break(mosquitto: StartMosquitto) -> None:
    server = mosquitto(LAZY)
    async with TcpProxy(server.port) as proxy:
        proxy.step_bytes, proxy.delay_s = 997, 0.002
        connection = await everything_arrives(server, proxy, None, 2000, keep_alive_s=1)
    assert (connection.counters.losses, connection.counters.messages) == (1, 2000)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the codec's panics
async def test_garbled_bytes_cost_a_reconnect_and_no_more(mosquitto: StartMosquitto) -> None:
    server = mosquitto(LAZY)
    chance = random.Random(7)

    def garble(data: bytes) -> bytes:
        # Fixed headers only: a garbled packet id would acknowledge another message, which no client can notice.
        if chance.random() < 0.3 and data[:1] == b"\x32":
            return b"\xf7" + data[1:]
        return data

    async with TcpProxy(server.port) as proxy:
        proxy.garble = garble
        connection = await everything_arrives(server, proxy, None, 3000)
    assert connection.counters.violations > 0


async def test_a_stalled_line_is_given_up_and_dialled_anew(mosquitto: StartMosquitto) -> None:
    server = mosquitto(LAZY)
    reasons: list[IngestError] = []
    async with (
        TcpProxy(server.port) as proxy,
        running(proxy.port, keep_alive_s=1, on_lost=reasons.append) as connection,
    ):
        await eventually(lambda: connection.subscribed)
        stalled_at = time.monotonic()
        proxy.stall()
        await eventually(lambda: bool(reasons))
        assert time.monotonic() - stalled_at > 0.5, "not before its keep-alive"
        assert isinstance(reasons[0], ConnectionLost)
        assert "silent" in str(reasons[0])
        await proxy.cut()
        proxy.flow()
        await eventually(lambda: connection.subscribed)


async def test_a_broker_frozen_for_less_than_the_keep_alive_is_waited_for(mosquitto: StartMosquitto) -> None:
    server = mosquitto(LAZY)
    async with running(server.port, keep_alive_s=3) as connection:
        await eventually(lambda: connection.subscribed)
        with server.frozen():
            await asyncio.sleep(1.5)
        await connection.publish("anju/d/reading", b"after")
        assert connection.generation == 1


async def test_a_publish_under_way_fails_when_the_connection_goes(mosquitto: StartMosquitto) -> None:
    server = mosquitto(LAZY)
    async with TcpProxy(server.port) as proxy, running(proxy.port) as connection:
        await eventually(lambda: connection.subscribed)
        proxy.stall()
        publishing = asyncio.create_task(connection.publish("anju/d/reading", b""))
        await asyncio.sleep(0.05)
        await proxy.cut()
        with pytest.raises(ConnectionLost):
            await asyncio.wait_for(publishing, 2)
        proxy.flow()
        await eventually(lambda: connection.subscribed)
        await connection.publish("anju/d/reading", b"")


async def test_memory_stays_bounded_when_nobody_takes_and_the_line_flaps(mosquitto: StartMosquitto) -> None:
    server = mosquitto(LAZY)
    async with TcpProxy(server.port) as proxy, running(proxy.port, max_outstanding_messages=300) as connection:
        await eventually(lambda: connection.subscribed)
        messages = [("anju/d/reading", b"%d" % number) for number in range(5000)]
        await publish_all(server.port, messages)
        for _ in range(20):
            await eventually(lambda: connection.outstanding_messages > 300)
            await proxy.cut()
            await asyncio.sleep(0.03)
        assert connection.outstanding_messages < 2 * 300 + 128 * 1024 / 25
        seen: set[bytes] = set()
        async with asyncio.timeout(30):
            while len(seen) < 5000:
                for delivery in await connection.receive(1000):
                    seen.update(packet.payload for packet in delivery.packets)
                    connection.ack(delivery.generation, delivery.packet_ids)


def answering(*packets: bytes, subscribes: bool = True) -> Script:
    """A broker that takes CONNECT (and SUBSCRIBE), then says this and reads on in silence."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await next_packet(reader)
        writer.write(CONNACK)
        if subscribes:
            subscribe = await next_packet(reader)
            assert isinstance(subscribe, mqtt5.SubscribePacket)
            granted = [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE] * len(subscribe.topic_filters)
            writer.write(mqtt5.SubAckPacket(subscribe.packet_id, granted).write())
        for packet in packets:
            writer.write(packet)
        await until_disconnect(reader)

    return script


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_garbage_after_connack_is_only_ever_a_reconnect() -> None:
    chance = random.Random(11)
    sound = mqtt5.PublishPacket(
        "anju/d/reading", b"x" * 50, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=3, user_properties=[("a", "b")]
    ).write()

    async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await next_packet(reader)
        writer.write(CONNACK)
        if chance.random() < 0.5:
            writer.write(chance.randbytes(chance.randrange(1, 200)))
        else:
            packet = bytearray(sound * 3)
            for _ in range(chance.randrange(1, 6)):
                packet[chance.randrange(len(packet))] = chance.randrange(256)
            writer.write(packet)
        await writer.drain()
        await asyncio.sleep(0.002)

    async with FakeBroker(garbage) as fake, running(fake.port) as connection:
        taking = asyncio.create_task(take_for_ever(connection))
        await eventually(lambda: fake.connections > 150, 30)
        assert not taking.done()
        assert connection.counters.violations > 20
        taking.cancel()


async def take_for_ever(connection: Connection) -> None:
    while True:
        for delivery in await connection.receive(100):
            connection.ack(delivery.generation, delivery.packet_ids)


@pytest.mark.parametrize(
    "nonsense",
    [
        CONNACK,
        mqtt5.PubAckPacket(9).write(),
        mqtt5.UnsubAckPacket(1, [mqtt5.UnsubAckReasonCode.SUCCESS]).write(),
        mqtt5.PingReqPacket().write(),
        b"\x90\xff\xff\xff\x7f",
    ],
    ids=["second-connack", "unasked-puback", "unasked-unsuback", "pingreq", "huge-suback"],
)
async def test_what_no_broker_may_send_is_a_violation(nonsense: bytes) -> None:
    reasons: list[IngestError] = []
    scripts = (answering(nonsense), answering())
    async with FakeBroker(*scripts) as fake, running(fake.port, on_lost=reasons.append) as connection:
        await eventually(lambda: connection.generation == 2 and connection.subscribed)
        assert isinstance(reasons[0], ProtocolViolation)


async def test_a_message_before_connack_is_a_violation_and_not_delivered() -> None:
    async def hasty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await next_packet(reader)
        writer.write(mqtt5.PublishPacket("anju/d/reading", b"").write())
        await until_disconnect(reader)

    async with FakeBroker(hasty, answering()) as fake, running(fake.port) as connection:
        await eventually(lambda: connection.subscribed)
        assert (connection.counters.messages, connection.counters.failed_attempts) == (0, 1)


async def test_a_takeover_that_is_told_ends_the_run() -> None:
    told = mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER).write()
    last = mqtt5.PublishPacket("anju/d/event", b"press", qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=1).write()
    async with FakeBroker(answering(last + told)) as fake:
        options = ConnectionOptions(client_id="ingest", subscriptions=(Subscription("anju/#"),))
        connection = Connection(Endpoint.parse(f"mqtt://127.0.0.1:{fake.port}"), options)
        with pytest.raises(SessionTakenOver):
            await asyncio.wait_for(connection.run(), 5)
        (delivery,) = await connection.receive(10)
        assert delivery.packets[0].payload == b"press"
        assert fake.connections == 1


@pytest.mark.parametrize(
    ("code", "slowly"),
    [
        (mqtt5.ConnAckReasonCode.NOT_AUTHORIZED, True),
        (mqtt5.ConnAckReasonCode.CLIENT_ID_NOT_VALID, True),
        (mqtt5.ConnAckReasonCode.SERVER_BUSY, False),
    ],
)
async def test_a_refusal_is_tried_again_at_its_own_pace(code: mqtt5.ConnAckReasonCode, slowly: bool) -> None:
    async def refusing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await next_packet(reader)
        writer.write(mqtt5.ConnAckPacket(reason_code=code).write())
        await until_disconnect(reader)

    async with FakeBroker(refusing) as fake, running(fake.port, refused_retry_s=0.4):
        started = time.monotonic()
        await eventually(lambda: fake.connections >= 3)
        assert (time.monotonic() - started > 0.7) == slowly


async def test_a_refused_filter_is_loud_and_asked_for_again() -> None:
    asked: list[list[str]] = []

    async def choosy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await next_packet(reader)
        writer.write(CONNACK)
        while isinstance(subscribe := await next_packet(reader), mqtt5.SubscribePacket):
            patterns = [each.pattern for each in subscribe.topic_filters]
            asked.append(patterns)
            no = mqtt5.SubAckReasonCode.NOT_AUTHORIZED if len(asked) < 3 else mqtt5.SubAckReasonCode(1)
            codes = [no if name == "secret/#" else mqtt5.SubAckReasonCode(1) for name in patterns]
            writer.write(mqtt5.SubAckPacket(subscribe.packet_id, codes).write())

    subscriptions = (Subscription("anju/#"), Subscription("secret/#"))
    async with (
        FakeBroker(choosy) as fake,
        running(fake.port, subscriptions=subscriptions, refused_retry_s=0.2) as connection,
    ):
        await eventually(lambda: connection.refused == {"secret/#": "NOT_AUTHORIZED"})
        assert connection.connected
        assert not connection.subscribed
        with pytest.raises(SubscriptionRefused):
            await connection.subscribe(Subscription("secret/#"))
        await eventually(lambda: connection.subscribed)
        assert not connection.refused
        assert asked == [["anju/#", "secret/#"], ["secret/#"], ["secret/#"]]


async def test_a_server_keep_alive_overrides_ours() -> None:
    pings: list[float] = []

    async def impatient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await next_packet(reader)
        writer.write(mqtt5.ConnAckPacket(server_keep_alive=1).write())
        while not isinstance(packet := await next_packet(reader), mqtt5.DisconnectPacket):
            if isinstance(packet, mqtt5.PingReqPacket):
                pings.append(time.monotonic())
                writer.write(mqtt5.PingRespPacket().write())

    async with FakeBroker(impatient) as fake, running(fake.port, keep_alive_s=60) as connection:
        await eventually(lambda: len(pings) >= 4)
        assert pings[3] - pings[0] == pytest.approx(1.5, abs=0.4)
        assert connection.generation == 1


async def test_a_broker_that_never_answers_connect_is_given_up() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await until_disconnect(reader)

    async with FakeBroker(mute, answering()) as fake, running(fake.port, connect_timeout_s=0.2) as connection:
        await eventually(lambda: connection.subscribed)
        assert connection.counters.failed_attempts == 1
