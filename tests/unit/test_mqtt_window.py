"""What is outstanding: a model that counts message by message agrees with the window that counts by the chunk."""

from datetime import UTC, datetime

import mqtt5
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ingest.mqtt.framing import Publish
from ingest.mqtt.window import Delivery, Window

NOW = datetime(2026, 11, 21, 8, 15, tzinfo=UTC)


def message(packet_id: int | None, payload: bytes = b"") -> mqtt5.PublishPacket:
    qos = mqtt5.QoS.AT_MOST_ONCE if packet_id is None else mqtt5.QoS.AT_LEAST_ONCE
    return mqtt5.PublishPacket("t", payload, qos=qos, packet_id=packet_id)


def delivery(generation: int, packet_ids: list[int | None], size: int = 10) -> Delivery:
    packets: list[Publish] = [message(packet_id) for packet_id in packet_ids]
    return Delivery.of(generation, NOW, packets, [size + n for n in range(len(packets))])


class WindowAgreesWithModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.window = Window(20, 400)
        self.generation = 1
        self.window.begin(1)
        self.next_id = 1
        self.queue: list[tuple[int, int | None, int]] = []
        self.unacked: dict[int, int] = {}
        self.seen: list[tuple[int, int]] = []

    @rule(kinds=st.lists(st.booleans(), min_size=1, max_size=6), size=st.integers(1, 60))
    def arrive(self, kinds: list[bool], size: int) -> None:
        ids: list[int | None] = []
        for acknowledged in kinds:
            ids.append(self.next_id if acknowledged else None)
            self.next_id += acknowledged
        each = delivery(self.generation, ids, size)
        self.window.arrived(each)
        for packet_id, wire in zip(ids, each.sizes, strict=True):
            self.queue.append((self.generation, packet_id, wire))
            if packet_id is not None:
                self.unacked[packet_id] = wire
                self.seen.append((self.generation, packet_id))

    @rule(count=st.integers(1, 8))
    def take(self, count: int) -> None:
        taken = [
            (d.generation, p.packet_id, s)
            for d in self.window.take(count)
            for p, s in zip(d.packets, d.sizes, strict=True)
        ]
        assert taken == self.queue[:count]
        del self.queue[:count]

    @precondition(lambda self: self.seen)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        generation, packet_id = data.draw(st.sampled_from(self.seen))
        ids = self.window.acknowledge(generation, [packet_id, packet_id])
        valid = generation == self.generation and packet_id in self.unacked
        assert ids == ([packet_id] if valid else [])
        if valid:
            del self.unacked[packet_id]

    @rule()
    def reconnect(self) -> None:
        self.generation += 1
        self.window.begin(self.generation)
        self.unacked.clear()

    @invariant()
    def agrees(self) -> None:
        loose = [
            wire for generation, packet_id, wire in self.queue if generation != self.generation or packet_id is None
        ]
        messages, total = len(self.unacked) + len(loose), sum(self.unacked.values()) + sum(loose)
        assert (self.window.messages, self.window.bytes) == (messages, total)
        assert self.window.queued == bool(self.queue)
        assert self.window.full == (messages > 20 or total > 400)
        assert self.window.slack == (messages <= 10 and total <= 200)


TestWindow = WindowAgreesWithModel.TestCase
TestWindow.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_a_packet_id_used_twice_by_the_broker_is_acknowledged_once() -> None:
    window = Window(100, 1000)
    window.begin(1)
    window.arrived(delivery(1, [5, 5, 6]))
    assert (window.messages, window.bytes) == (2, 11 + 12)
    assert window.acknowledge(1, [5, 5, 6]) == [5, 6]
    assert (window.messages, window.bytes) == (0, 0)


def test_a_split_delivery_keeps_time_and_generation() -> None:
    window = Window(100, 1000)
    window.begin(3)
    window.arrived(delivery(3, [1, None, 2, 3]))
    (first,) = window.take(3)
    (second,) = window.take(3)
    assert (first.packet_ids, second.packet_ids) == ([1, 2], [3])
    assert {first.generation, second.generation} == {3}
    assert {first.received_at, second.received_at} == {NOW}
