"""Requests of ours that the broker answers by packet id: PUBLISH, SUBSCRIBE, UNSUBSCRIBE."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias, TypeVar, cast

import mqtt5

from ingest.errors import IngestError, ProtocolViolation, PublishRefused
from ingest.mqtt.options import Subscription

Answer: TypeAlias = mqtt5.PubAckPacket | mqtt5.SubAckPacket | mqtt5.UnsubAckPacket
_A = TypeVar("_A", mqtt5.PubAckPacket, mqtt5.SubAckPacket, mqtt5.UnsubAckPacket)
_PACKET_IDS: Final = 65_535
_PUBLISH_OVERHEAD_BYTES: Final = 10  # fixed header, topic length, packet id, property length, at most
_FILTERS_PER_PACKET: Final = 200


class Requests:
    """The requests of one connection that wait for their answer.

    A request whose caller gave up keeps its packet id until the broker has answered.

    Args:
        write: sends bytes.
    """

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._waiting: dict[int, tuple[type[Answer], asyncio.Future[Answer]]] = {}
        self._last_id = 0
        self._publishing = 0

    async def publish(self, topic: str, payload: bytes, limits: mqtt5.ConnAckPacket) -> None:
        """Publish at QoS 1 and wait for the acknowledgement.

        Raises:
            ValueError: not a topic one can publish to.
            PublishRefused: by the broker, or its limits forbid the message.
            IngestError: the connection ended before the answer.
        """
        mqtt5.PublishPacket(topic, b"")  # so that nothing fails once a packet id is taken
        if self._publishing >= limits.receive_max:
            raise PublishRefused("the broker's Receive Maximum is reached")
        size = len(topic.encode()) + len(payload) + _PUBLISH_OVERHEAD_BYTES
        if limits.max_packet_size is not None and size > limits.max_packet_size:
            raise PublishRefused(f"larger than the broker's {limits.max_packet_size} bytes")
        packet_id, future = self._open(mqtt5.PubAckPacket)
        packet = mqtt5.PublishPacket(topic, payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=packet_id)
        self._write(packet.write())
        code = (await future).reason_code
        if int(code) >= 0x80:
            raise PublishRefused(f"broker refused the message: {code.name}")

    async def subscribe(self, subscriptions: Sequence[Subscription]) -> dict[str, str]:
        """Subscribe, without copies of retained messages.

        Returns:
            The filters that were refused, or granted at a lower QoS than asked, with the broker's reason.

        Raises:
            ProtocolViolation: the answer is for another number of filters.
            IngestError: the connection ended before the answer.
        """
        batches = [
            subscriptions[at : at + _FILTERS_PER_PACKET] for at in range(0, len(subscriptions), _FILTERS_PER_PACKET)
        ]
        futures = []
        for batch in batches:
            packet_id, future = self._open(mqtt5.SubAckPacket)
            self._write(mqtt5.SubscribePacket(packet_id, [_topic_filter(each) for each in batch]).write())
            futures.append(future)
        refused: dict[str, str] = {}
        for batch, future in zip(batches, futures, strict=True):
            codes = (await future).reason_codes
            if len(codes) != len(batch):
                raise ProtocolViolation("SUBACK for another number of filters")
            for subscription, code in zip(batch, codes, strict=True):
                if int(code) >= 0x80 or int(code) < subscription.qos:
                    refused[subscription.filter] = code.name
        return refused

    async def unsubscribe(self, filters: Sequence[str]) -> None:
        """Unsubscribe; a filter that was not subscribed to is no error.

        Raises:
            IngestError: the connection ended before the answer.
        """
        for at in range(0, len(filters), _FILTERS_PER_PACKET):
            packet_id, future = self._open(mqtt5.UnsubAckPacket)
            self._write(mqtt5.UnsubscribePacket(packet_id, list(filters[at : at + _FILTERS_PER_PACKET])).write())
            await future

    def answered(self, answer: Answer) -> ProtocolViolation | None:
        """Hand an answer to who waits for it; a violation if nobody asked."""
        kind, future = self._waiting.get(answer.packet_id, (None, None))
        if future is None or kind is not type(answer):
            return ProtocolViolation(f"{type(answer).__name__} without a request")
        del self._waiting[answer.packet_id]
        self._publishing -= kind is mqtt5.PubAckPacket
        if not future.done():
            future.set_result(answer)
        return None

    def fail(self, error: IngestError) -> None:
        """No answer will come any more."""
        waiting, self._waiting, self._publishing = self._waiting, {}, 0
        for _, future in waiting.values():
            if not future.done():
                future.set_exception(error)
                future.exception()  # marked as seen: its caller may be gone already

    def _open(self, kind: type[_A]) -> tuple[int, asyncio.Future[_A]]:
        """A free packet id, and the future of the answer to it."""
        if len(self._waiting) >= _PACKET_IDS:
            raise PublishRefused("every packet id is in use")
        packet_id = self._last_id % _PACKET_IDS + 1
        while packet_id in self._waiting:
            packet_id = packet_id % _PACKET_IDS + 1
        self._last_id = packet_id
        future: asyncio.Future[_A] = asyncio.get_running_loop().create_future()
        self._waiting[packet_id] = (kind, cast(asyncio.Future[Answer], future))
        self._publishing += kind is mqtt5.PubAckPacket
        return packet_id, future


def _topic_filter(subscription: Subscription) -> mqtt5.TopicFilter:
    return mqtt5.TopicFilter(
        subscription.filter,
        max_qos=mqtt5.QoS(subscription.qos),
        retain_as_published=False,
        retain_handling=mqtt5.RetainHandling.SEND_NEVER,
    )
