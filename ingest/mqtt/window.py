"""What was read and not yet given back: the queue towards the caller, and the bound on memory (pure).

A message is outstanding until it is acknowledged on the connection it came on; one that needs no acknowledgement, or
whose connection has gone, until the caller has taken it. What the caller holds beyond that is the caller's.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ingest.mqtt.framing import Publish


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Messages that one read brought, in order.

    Attributes:
        generation: the connection they came on; goes back with the acknowledgement.
        received_at: when that read happened (UTC).
        packets: the messages: topic, payload, packet_id, qos, retain, duplicate.
        sizes: bytes of each on the wire.
        packet_ids: of the messages that are to be acknowledged (QoS 1), in order.
    """

    generation: int
    received_at: datetime
    packets: Sequence[Publish]
    sizes: Sequence[int]
    packet_ids: Sequence[int]

    @classmethod
    def of(cls, generation: int, received_at: datetime, packets: Sequence[Publish], sizes: Sequence[int]) -> "Delivery":
        """Group the messages of one read."""
        ids = [packet_id for packet in packets if (packet_id := packet.packet_id) is not None]
        return cls(generation=generation, received_at=received_at, packets=packets, sizes=sizes, packet_ids=ids)

    def split(self, count: int) -> tuple["Delivery", "Delivery"]:
        """The first `count` messages, and the rest."""
        first, rest = slice(None, count), slice(count, None)
        return (
            Delivery.of(self.generation, self.received_at, self.packets[first], self.sizes[first]),
            Delivery.of(self.generation, self.received_at, self.packets[rest], self.sizes[rest]),
        )


class Window:
    """Counts what is outstanding, and says when to stop reading and when to go on.

    Args:
        max_messages: reading stops above this many outstanding messages,
        max_bytes: or above this many bytes; it goes on below half of both.
    """

    def __init__(self, max_messages: int, max_bytes: int) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._queue: deque[Delivery] = deque()
        self._generation = 0
        self._unacked: dict[int, int] = {}
        self._unacked_bytes = 0
        # Queued messages that are not in _unacked: QoS 0, and those of earlier generations.
        self._loose_messages = 0
        self._loose_bytes = 0

    @property
    def messages(self) -> int:
        """Outstanding messages."""
        return len(self._unacked) + self._loose_messages

    @property
    def bytes(self) -> int:
        """Outstanding bytes, as on the wire."""
        return self._unacked_bytes + self._loose_bytes

    @property
    def queued(self) -> bool:
        """Whether there is something to take."""
        return bool(self._queue)

    @property
    def full(self) -> bool:
        """Whether reading has to stop."""
        return self.messages > self._max_messages or self.bytes > self._max_bytes

    @property
    def slack(self) -> bool:
        """Whether reading may go on."""
        return 2 * self.messages <= self._max_messages and 2 * self.bytes <= self._max_bytes

    def begin(self, generation: int) -> None:
        """A new connection: what came on earlier ones cannot be acknowledged any more, only taken."""
        self._generation = generation
        self._unacked.clear()
        self._unacked_bytes = 0
        self._loose_messages = sum(len(delivery.packets) for delivery in self._queue)
        self._loose_bytes = sum(sum(delivery.sizes) for delivery in self._queue)

    def arrived(self, delivery: Delivery) -> None:
        """Queue what was read on the present connection."""
        self._queue.append(delivery)
        messages, acknowledged = len(delivery.packets), len(delivery.packet_ids)
        unacked = self._unacked
        before = len(unacked)
        if messages == acknowledged:
            unacked.update(zip(delivery.packet_ids, delivery.sizes, strict=True))
            self._unacked_bytes += sum(delivery.sizes)
        else:
            sized = list(zip(delivery.packets, delivery.sizes, strict=True))
            unacked.update((packet.packet_id, size) for packet, size in sized if packet.packet_id is not None)
            self._unacked_bytes += sum(size for packet, size in sized if packet.packet_id is not None)
            self._loose_messages += messages - acknowledged
            self._loose_bytes += sum(size for packet, size in sized if packet.packet_id is None)
        if len(unacked) != before + acknowledged:
            # The broker used a packet id again before its acknowledgement: one of the two answers for both.
            self._unacked_bytes = sum(unacked.values())

    def take(self, max_messages: int) -> list[Delivery]:
        """Everything queued, up to a limit, in order."""
        taken: list[Delivery] = []
        while self._queue and max_messages > 0:
            delivery = self._queue.popleft()
            if len(delivery.packets) > max_messages:
                delivery, rest = delivery.split(max_messages)
                self._queue.appendleft(rest)
            max_messages -= len(delivery.packets)
            self._release_loose(delivery)
            taken.append(delivery)
        return taken

    def acknowledge(self, generation: int, packet_ids: Iterable[int]) -> list[int]:
        """Give messages back.

        Returns:
            The packet ids to acknowledge to the broker: none of an earlier generation, none twice.
        """
        if generation != self._generation:
            return []
        pop = self._unacked.pop
        ids: list[int] = []
        freed_bytes = 0
        for packet_id in packet_ids:
            if (size := pop(packet_id, None)) is not None:
                freed_bytes += size
                ids.append(packet_id)
        self._unacked_bytes -= freed_bytes
        return ids

    def _release_loose(self, delivery: Delivery) -> None:
        if delivery.generation != self._generation:
            self._loose_messages -= len(delivery.packets)
            self._loose_bytes -= sum(delivery.sizes)
        elif len(delivery.packets) != len(delivery.packet_ids):
            sized = zip(delivery.packets, delivery.sizes, strict=True)
            self._loose_messages -= len(delivery.packets) - len(delivery.packet_ids)
            self._loose_bytes -= sum(size for packet, size in sized if packet.packet_id is None)
