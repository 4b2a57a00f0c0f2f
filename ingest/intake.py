"""From messages to a batch: decode, judge times, sort into rows, events and quarantine (pure).

This is the hot path: every message of a city passes `Intake.sort`. Hence one pass, local names, and no object per
reading but its packed bytes.
"""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Final

from devices.errors import Rejected
from devices.model import MAX_DEVICE_NAME, Decoded, Event, Lane, Reason, Refusal
from devices.registry import Decoder, Drivers
from ingest.batch import Batch, Happening, Message, Packet, Refused
from ingest.beacon import BEACON_PREFIX, Beacon
from ingest.copy_format import EPOCH, MICROSECOND, PACK_ROW, microseconds, pack_row
from ingest.rates import DeviceRates, cost, unlimited

# About 400 bytes each. When there are more, all are forgotten and looked up again, which costs a microsecond each.
_TOPICS_KEPT: Final = 50_000
# When so many messages come together, those of every eighth time are counted for the limits, and count eightfold: what
# floods is in each, and counting them all would cost 3 % of ingest.
_BUSY: Final = 50
_COUNT_ONE_IN: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Which times are plausible.

    Attributes:
        late_window: a reading may be this much older than its receipt.
        future_tolerance: a reading may be dated this much after its receipt.
    """

    late_window: timedelta = timedelta(days=35)
    future_tolerance: timedelta = timedelta(minutes=10)

    def plausible(self, measured_at: datetime, received_at: datetime) -> bool:
        """Whether a device's time can be right."""
        return received_at - self.late_window <= measured_at <= received_at + self.future_tolerance


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """How one session sorts what it receives.

    Attributes:
        lane: the lane its messages come on.
        drivers: who decodes what.
        device_ids: the known devices; readings of others end in `Batch.unknown` for a look into the database.
        limits: which times are plausible.
        beacon: the session's own beacon; None where there is no session, as in a replay.
        rates: how much each device may send; a message with an event is never limited.
        monotonic: seconds of a clock that never goes back.
    """

    lane: Lane
    drivers: Drivers
    device_ids: Mapping[str, int]
    limits: Limits
    beacon: Beacon | None = None
    rates: DeviceRates = field(default_factory=unlimited)
    monotonic: Callable[[], float] = time.monotonic
    _decoders: dict[str, Decoder] = field(init=False, repr=False, default_factory=dict)
    _turns: "count[int]" = field(init=False, repr=False, default_factory=lambda: count(1))

    def sort(self, packets: Sequence[Packet], received_at: datetime, batch: Batch) -> None:
        """Decodes messages that were read together and adds what they come to to a batch.

        Args:
            packets: the messages, in order.
            received_at: when they were read, aware.
            batch: filled further.
        """
        earliest, latest = received_at - self.limits.late_window, received_at + self.limits.future_tolerance
        received_us = microseconds(received_at)
        decoders, rows, ends, messages = self._decoders, batch.rows, batch.row_ends, batch.row_messages
        append, known, pack = rows.append, self.device_ids.get, PACK_ROW
        rates = self.rates
        rates.settle(self.monotonic())
        heard, watched = rates.heard, rates.watched
        weight = 1 if len(packets) < _BUSY else 0 if next(self._turns) % _COUNT_ONE_IN else _COUNT_ONE_IN
        for packet in packets:
            try:
                topic = packet.topic
                decoder = decoders.get(topic) or self._decoder(topic)
                payload = packet.payload
                decoded = decoder(payload)
            except Rejected as rejected:
                self._rejected(packet, received_at, rejected, batch)
                continue
            device, readings, events, refusals, others = decoded
            if events or refusals or others or packet.retain or (device_id := known(device)) is None:
                self._sort_carefully(Message.of(packet, received_at), decoded, batch)
                continue
            if device_id in watched:
                if not rates.admit(device_id, cost(len(readings), len(payload))):
                    self._flooding(batch, Message.of(packet, received_at), device)
                    continue
            elif weight:
                heard[device_id] = heard.get(device_id, 0) + weight * cost(len(readings), len(payload))
            before = len(rows)
            last_at, measured_us = None, received_us
            for quantity, measured_at, value in readings:
                if measured_at is not last_at:
                    if measured_at is None:
                        measured_us = received_us
                    elif earliest <= measured_at <= latest:
                        measured_us = (measured_at - EPOCH) // MICROSECOND  # microseconds(), spelled out as well
                    else:
                        del rows[before:]
                        self._sort_readings(decoded, Message.of(packet, received_at), device_id, batch)
                        break
                    last_at = measured_at
                # pack_row(), spelled out: the call alone would cost a fifth of it.
                append(pack(5, 4, device_id, 2, quantity, 8, measured_us, 8, received_us, 8, value))
            else:
                ends.append(len(rows))
                messages.append(packet)

    def _decoder(self, topic: str) -> Decoder:
        if len(self._decoders) >= _TOPICS_KEPT:
            self._decoders.clear()
        decoder = self._decoders[topic] = self.drivers.decoder(topic)
        return decoder

    def sort_unknown(self, batch: Batch) -> None:
        """Deals with `Batch.unknown` after the database was asked: found devices are stored, the others quarantined."""
        unknown, batch.unknown = batch.unknown, []
        for device, message in unknown:
            device_id = self.device_ids.get(device)
            if device_id is None:
                self._refuse(batch, message, device, Refusal(Reason.DEVICE_UNKNOWN, "no such device is installed"))
            else:
                decoded = self.drivers.decode(message.topic, message.payload)
                for part in (decoded, *decoded.others):
                    if part.device == device:
                        self._sort_readings(part, message, device_id, batch)

    def _rejected(self, packet: Packet, received_at: datetime, rejected: Rejected, batch: Batch) -> None:
        if self.beacon is not None and packet.topic.startswith(BEACON_PREFIX):
            heard = self.beacon.read(packet.topic, packet.payload)
            if heard is not None:
                batch.heard_until = heard
            return
        message = Message.of(packet, received_at)
        levels = message.topic.split("/", 2)
        device = _printable(rejected.device or (levels[1] if len(levels) > 1 else ""))
        self._refuse(batch, message, device, Refusal(rejected.reason, rejected.detail))

    def _sort_carefully(self, message: Message, decoded: Decoded, batch: Batch) -> None:
        """The way of messages that are more than good readings of one known device."""
        device, readings, events, refusals, others = decoded
        for other in others:
            self._sort_carefully(message, other, batch)
        if not (readings or events or refusals or others):
            batch.understood_nothing += 1
        urgent = bool(events)
        fault = _name_fault(device)
        if fault is not None:
            device = _printable(device) or "(unnamed)"
            self._refuse(batch, message, device, Refusal(Reason.DEVICE_NAME_INVALID, fault), urgent=urgent)
        for event in events:
            self._sort_event(event, message, device, batch)
        if refusals:
            first = refusals[0]
            if len(refusals) > 1:
                first = first._replace(detail=f"{first.detail} (and {len(refusals) - 1} more)")
            self._refuse(batch, message, device, first, urgent=urgent)
        if not readings or fault is not None:
            return
        device_id = self.device_ids.get(device)
        if device_id is None:
            batch.unknown.append((device, message))
        elif not events and not self.rates.take(device_id, cost(len(readings), len(message.payload))):
            self._flooding(batch, message, device)
        else:
            self._sort_readings(decoded, message, device_id, batch)

    def _flooding(self, batch: Batch, message: Message, device: str) -> None:
        limit = self.rates.limit
        detail = f"over {limit.per_s:g} readings a second, and {limit.burst:g} at once are used up"
        self._refuse(batch, message, device, Refusal(Reason.RATE_EXCEEDED, detail))

    def _sort_readings(self, decoded: Decoded, message: Message, device_id: int, batch: Batch) -> None:
        received_at = message.received_at
        received_us = microseconds(received_at)
        undated = implausible = 0
        for quantity, measured_at, value in decoded.readings:
            if measured_at is None:
                if message.retain:
                    undated += 1
                    continue
                measured_us = received_us
            elif self.limits.plausible(measured_at, received_at):
                measured_us = microseconds(measured_at)
            else:
                implausible += 1
                continue
            batch.rows.append(pack_row(device_id, quantity, measured_us, received_us, value))
        total = len(decoded.readings)
        if undated:
            refusal = Refusal(Reason.TIME_INVALID, f"{undated} of {total} readings have no time in a retained message")
            self._refuse(batch, message, decoded.device, refusal)
        if implausible:
            detail = f"{implausible} of {total} readings are dated ahead, or before the late window"
            self._refuse(batch, message, decoded.device, Refusal(Reason.TIME_IMPLAUSIBLE, detail))
        batch.row_ends.append(len(batch.rows))
        batch.row_messages.append(message)

    def _sort_event(self, event: Event, message: Message, device: str, batch: Batch) -> None:
        received_at, own_time = message.received_at, event.measured_at
        plausible = own_time is not None and self.limits.plausible(own_time, received_at)
        if message.retain and not plausible:
            # Nobody knows when it was published; a phantom alarm at every reconnect would teach people to look away.
            refusal = Refusal(Reason.RETAINED_EVENT, "retained, without a plausible time")
            self._refuse(batch, message, device, refusal, urgent=True)
            return
        likeness = message.payload if event.likeness is None else event.likeness.encode()
        batch.happenings.append(
            Happening(
                device_name=device,
                kind=event.kind,
                source_id=event.source_id,
                payload_hash=hashlib.blake2b(likeness, digest_size=16).digest(),
                own_time=own_time,
                measured_at=own_time if own_time is not None and plausible else received_at,
                received_at=received_at,
                duplicate=message.duplicate,
                detail=event.detail,
                message=message,
            )
        )

    def _refuse(self, batch: Batch, message: Message, device: str, refusal: Refusal, *, urgent: bool = False) -> None:
        if message.irregular == "oversized":
            refusal = Refusal(Reason.PAYLOAD_TOO_LARGE, f"{message.size_bytes} bytes")
        batch.refused.append(Refused(message, device, refusal.reason, refusal.detail, urgent))


def _name_fault(device: str) -> str | None:
    if not device:
        return "the topic's device level is empty"
    if len(device) > MAX_DEVICE_NAME:
        return f"longer than {MAX_DEVICE_NAME} characters"
    if not device.isprintable():
        return "has characters that cannot be printed"
    return None


def _printable(text: str) -> str:
    return "".join(c for c in text if c.isprintable())[:MAX_DEVICE_NAME]
