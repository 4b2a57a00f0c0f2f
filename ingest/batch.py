"""What a batch of messages comes to: rows to append, events, and what goes to quarantine."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from devices.model import EventKind, JsonValue, Reason
from ingest.copy_format import unpack_row
from ingest.mqtt.irregular import IrregularPublish


class Packet(Protocol):
    """What is read of a received message; the codec's packets and `Message` have it."""

    @property
    def topic(self) -> str:
        """The topic it came on."""
        ...

    @property
    def payload(self) -> bytes:
        """Its bytes."""
        ...

    @property
    def retain(self) -> bool:
        """Whether the broker kept it for new subscribers."""
        ...

    @property
    def duplicate(self) -> bool:
        """Whether the broker may have sent it before."""
        ...

    @property
    def packet_id(self) -> int | None:
        """The broker's number for it; None at QoS 0."""
        ...


class Message(NamedTuple):
    """One message as it was received.

    Attributes:
        topic: the topic it came on.
        payload: its bytes; of an oversized one the beginning.
        received_at: when it was read from the socket, or first was, if it comes from quarantine.
        retain: the broker marked it as an old message kept for new subscribers.
        duplicate: the broker says that it may have sent it before.
        size_bytes: the payload's size as sent, where that is more than `payload` holds.
        irregular: why the codec could not read it as a whole: `oversized` or `malformed`.
        packet_id: the broker's number for it; None at QoS 0, at which a copy for another session may be lost.
    """

    topic: str
    payload: bytes
    received_at: datetime
    retain: bool = False
    duplicate: bool = False
    size_bytes: int | None = None
    irregular: str | None = None
    packet_id: int | None = None

    @classmethod
    def of(cls, packet: Packet, received_at: datetime) -> "Message":
        """A packet with the time it was read; unchanged if it is a message already."""
        if isinstance(packet, Message):
            return packet
        message = cls(
            topic=packet.topic.replace("\0", ""),
            payload=packet.payload,
            received_at=received_at,
            retain=packet.retain,
            duplicate=packet.duplicate,
            packet_id=packet.packet_id,
        )
        if isinstance(packet, IrregularPublish):
            return message._replace(size_bytes=packet.payload_bytes, irregular=packet.reason)
        return message


class Refused(NamedTuple):
    """A message for quarantine, with the reason; urgent when a press, a fall or another event was made out in it."""

    message: Message
    device_name: str
    reason: Reason
    detail: str
    urgent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """An event as it is stored.

    Attributes:
        device_name: the name under which the device publishes.
        kind: what happened.
        source_id: the source's own id of the event.
        payload_hash: of the event's likeness, else of the whole message: to recognise a repetition without ids.
        own_time: the device's time however implausible; None when it gave none.
        measured_at: the device's time where plausible, else the time of receipt.
        received_at: when the message was read.
        duplicate: the broker says that it may have sent the message before.
        detail: further fields.
        message: what it came in.
        twin_since: the urgent session is known to have got a copy of the message, then or later; None: not known.
    """

    device_name: str
    kind: EventKind
    source_id: str | None
    payload_hash: bytes
    own_time: datetime | None
    measured_at: datetime
    received_at: datetime
    duplicate: bool
    detail: Mapping[str, JsonValue]
    message: Message
    twin_since: datetime | None = None


@dataclass(slots=True)
class Batch:
    """The work of one transaction; filled by `ingest.intake`, stored by `ingest.writer`.

    Attributes:
        rows: readings, each in COPY's binary form (see `ingest.copy_format`).
        row_ends: for each message of `row_messages` the number of rows up to and with it.
        row_messages: the messages that the rows came from, in order.
        happenings: events, in order.
        refused: messages for quarantine.
        unknown: messages with readings of devices that are not in the device list, with the devices' names.
        heard_until: the time of the last beacon of ours among the messages.
        understood_nothing: messages that are right and say nothing we store, such as an empty action.
    """

    rows: list[bytes] = field(default_factory=list)
    row_ends: list[int] = field(default_factory=list)
    row_messages: list[Packet] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    unknown: list[tuple[str, Message]] = field(default_factory=list)
    heard_until: datetime | None = None
    understood_nothing: int = 0

    @property
    def empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.rows or self.happenings or self.refused or self.unknown or self.heard_until)

    def owner_of(self, row: int) -> Message:
        """The message that a row came from."""
        packet = self.row_messages[bisect_right(self.row_ends, row)]
        return Message.of(packet, unpack_row(self.rows[row]).received_at)
