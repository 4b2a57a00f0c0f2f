"""Bytes to packets: any bytes, any cuts, any size."""

from collections.abc import Sequence
from itertools import pairwise

import mqtt5
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import ProtocolViolation
from ingest.mqtt.framing import CAPACITY_BYTES, Chunk, Control, FrameReader, Publish
from ingest.mqtt.irregular import KEPT_PAYLOAD_BYTES, IrregularPublish
from ingest.mqtt.packets import acks

MIB = 1024 * 1024
QOS1 = mqtt5.QoS.AT_LEAST_ONCE
# Text that is no UTF-8 panics inside the codec; Python is told of it twice.
codec_may_panic = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def publish(topic: str = "anju/d/reading", payload: bytes = b"{}", packet_id: int = 7, **more: object) -> bytes:
    return mqtt5.PublishPacket(topic, payload, qos=QOS1, packet_id=packet_id, **more).write()  # type: ignore[arg-type]


def read(data: bytes, cuts: Sequence[int] = (), max_packet_bytes: int = MIB) -> Chunk:
    """Everything in `data`, fed in pieces, as one chunk."""
    frames = FrameReader(max_packet_bytes)
    whole = Chunk([], [], [])
    edges = [0, *sorted(cuts), len(data)]
    for start, end in pairwise(edges):
        for chunk in frames.feed(data[start:end]):
            assert len(chunk.publishes) == len(chunk.sizes)
            whole.publishes += chunk.publishes
            whole.sizes += chunk.sizes
            whole.controls += chunk.controls
            if chunk.fault:
                whole.fault = chunk.fault
                return whole
        assert frames.buffered_bytes <= max(CAPACITY_BYTES, max_packet_bytes)
        assert len(frames.room()) > 0
    return whole


topics = st.text(st.characters(codec="utf-8", exclude_characters="\0#+"), min_size=1, max_size=40)
messages = st.builds(
    lambda topic, payload, qos, packet_id, retain, duplicate, pairs: mqtt5.PublishPacket(
        topic,
        payload,
        qos=mqtt5.QoS(qos),
        packet_id=packet_id if qos else None,
        retain=retain,
        duplicate=duplicate and bool(qos),
        user_properties=pairs,
    ),
    topics,
    st.binary(max_size=300),
    st.integers(0, 1),
    st.integers(1, 65_535),
    st.booleans(),
    st.booleans(),
    st.lists(st.tuples(st.text("ab", max_size=3), st.text("ab", max_size=3)), max_size=2),
)
controls = st.one_of(
    st.builds(mqtt5.PingRespPacket),
    st.builds(mqtt5.PubAckPacket, st.integers(1, 65_535)),
    st.builds(lambda present: mqtt5.ConnAckPacket(session_present=present), st.booleans()),
    st.builds(lambda i: mqtt5.SubAckPacket(i, [mqtt5.SubAckReasonCode.NOT_AUTHORIZED]), st.integers(1, 65_535)),
    st.just(mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER)),
)
streams = st.lists(st.one_of(messages, controls), max_size=20)


@given(streams, st.data())
def test_any_cuts_of_a_stream_give_its_packets_in_order(packets: list[Publish | Control], data: st.DataObject) -> None:
    wires = [packet.write() for packet in packets if not isinstance(packet, IrregularPublish)]
    stream = b"".join(wires)
    chunk = read(stream, data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    assert chunk.fault is None
    expected = [packet for packet in packets if isinstance(packet, mqtt5.PublishPacket)]
    assert chunk.publishes == expected
    assert chunk.controls == [packet for packet in packets if not isinstance(packet, mqtt5.PublishPacket)]
    assert chunk.sizes == [len(packet.write()) for packet in expected]


@given(messages, messages)
def test_a_truncated_packet_waits_and_is_whole_later(first: mqtt5.PublishPacket, second: mqtt5.PublishPacket) -> None:
    wire = second.write()
    for cut in range(len(wire)):
        frames = FrameReader(MIB)
        (early,) = frames.feed(first.write() + wire[:cut])
        assert early.publishes == [first]
        assert early.fault is None
        (late,) = frames.feed(wire[cut:])
        assert late.publishes == [second]


@codec_may_panic
@settings(deadline=None)  # the first panic loads debug symbols
@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=4))
def test_random_bytes_give_packets_or_a_violation(data: bytes, cuts: list[int]) -> None:
    chunk = read(data, [min(cut, len(data)) for cut in cuts])
    assert chunk.fault is None or isinstance(chunk.fault, ProtocolViolation)


@codec_may_panic
@settings(deadline=None)  # the first panic loads debug symbols
@given(streams.filter(bool), st.data())
def test_flipped_bits_give_packets_or_a_violation(packets: list[mqtt5.PublishPacket], data: st.DataObject) -> None:
    stream = bytearray(b"".join(packet.write() for packet in packets))
    for at in data.draw(st.lists(st.integers(0, len(stream) * 8 - 1), min_size=1, max_size=5)):
        stream[at // 8] ^= 1 << at % 8
    chunk = read(bytes(stream), data.draw(st.lists(st.integers(0, len(stream)), max_size=3)), max_packet_bytes=2000)
    assert chunk.fault is None or isinstance(chunk.fault, ProtocolViolation)
    for packet in chunk.publishes:
        assert isinstance(packet, mqtt5.PublishPacket | IrregularPublish)
        assert packet.packet_id != 0


def test_what_came_before_garbage_is_kept() -> None:
    chunk = read(publish() + b"\xff\xff\xff\xff\xff\xff" + publish())
    assert len(chunk.publishes) == 1
    assert isinstance(chunk.fault, ProtocolViolation)


@pytest.mark.parametrize(
    "packet",
    [
        mqtt5.ConnectPacket("x"),
        mqtt5.PingReqPacket(),
        mqtt5.SubscribePacket(1, [mqtt5.TopicFilter("a")]),
        mqtt5.PubRelPacket(1),
        mqtt5.PublishPacket("a", b"", qos=mqtt5.QoS.EXACTLY_ONCE, packet_id=1),
    ],
)
def test_what_a_broker_never_sends_us_is_a_violation(packet: mqtt5.PingReqPacket) -> None:
    assert read(packet.write()).fault is not None


@pytest.mark.parametrize("payload_bytes", [2000, CAPACITY_BYTES, 3 * MIB])
@pytest.mark.parametrize("step", [977, 65_536])
def test_an_oversized_message_comes_out_in_its_place_without_being_buffered(payload_bytes: int, step: int) -> None:
    limit = 1000 if payload_bytes == 2000 else 100_000
    payload = bytes(range(256)) * (payload_bytes // 256 + 1)
    big = publish("anju/big/reading", payload[:payload_bytes], 8, retain=True, user_properties=[("k", "v")])
    stream = publish(packet_id=6) + big + publish(packet_id=9)
    chunk = read(stream, range(step, len(stream), step), max_packet_bytes=limit)
    assert chunk.fault is None
    assert [packet.packet_id for packet in chunk.publishes] == [6, 8, 9]
    irregular = chunk.publishes[1]
    assert isinstance(irregular, IrregularPublish)
    assert irregular == IrregularPublish(
        topic="anju/big/reading",
        payload=payload[: min(payload_bytes, KEPT_PAYLOAD_BYTES)],
        payload_bytes=payload_bytes,
        packet_id=8,
        qos=QOS1,
        retain=True,
        duplicate=False,
        reason="oversized",
    )


def test_a_large_message_within_the_limit_is_whole_and_the_memory_is_given_back() -> None:
    frames = FrameReader(MIB)
    payload = b"x" * (MIB - 100)
    chunks = frames.feed(publish(payload=payload))
    assert frames.buffered_bytes == CAPACITY_BYTES
    (packet,) = [packet for chunk in chunks for packet in chunk.publishes]
    assert packet.payload == payload


def test_an_oversized_message_may_have_properties_longer_than_any_buffer() -> None:
    pairs = [("k", "v" * 60_000)] * 5
    chunk = read(publish(payload=b"p" * 10, packet_id=3, user_properties=pairs), max_packet_bytes=200_000)
    (packet,) = chunk.publishes
    assert isinstance(packet, IrregularPublish)
    assert (packet.packet_id, packet.payload, packet.payload_bytes) == (3, b"", 10)


def test_a_huge_control_packet_is_a_violation() -> None:
    assert read(b"\x90\xff\xff\x7f").fault is not None


@codec_may_panic
def test_a_topic_that_is_no_utf8_comes_out_to_be_quarantined() -> None:
    wire = publish("anju/d?/reading", b"payload", packet_id=300).replace(b"?", b"\xff")
    chunk = read(wire + publish(packet_id=9))
    assert chunk.fault is None
    first, second = chunk.publishes
    assert isinstance(first, IrregularPublish)
    assert (first.topic, first.payload, first.packet_id, first.reason) == (
        "anju/d\ufffd/reading",
        b"payload",
        300,
        "malformed",
    )
    assert second.packet_id == 9


@given(st.lists(st.integers(1, 65_535), max_size=50))
def test_acknowledgements_are_what_the_codec_writes(packet_ids: list[int]) -> None:
    assert acks(packet_ids) == b"".join(mqtt5.PubAckPacket(packet_id).write() for packet_id in packet_ids)
