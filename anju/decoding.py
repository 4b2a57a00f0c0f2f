"""What ingest would store of one message: the same drivers and the same intake, without a broker and a database."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from paho.mqtt.client import topic_matches_sub

from devices.model import WAKING, JsonValue, Lane, Reason
from devices.quantities import PULSES, WATER_TOTAL, Quantity, by_code
from devices.registry import Driver, Drivers, collect
from ingest.batch import Batch, Message, Refused
from ingest.copy_format import unpack_row
from ingest.intake import Intake, Limits

MAX_BYTES: Final = 1024 * 1024
"""Of a message above this ingest keeps the beginning only."""

_KEPT_OF_OVERSIZED: Final = 4096
_ALWAYS: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a message comes to.

    Attributes:
        lines: a JSON object for each reading, event and refusal, in this order. None at all: the message was
            understood, and holds nothing for us.
        rejected: nothing of it can be used.
    """

    lines: tuple[dict[str, JsonValue], ...]
    rejected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A message, and what is known of how it came in.

    Attributes:
        topic: the whole topic.
        payload: its bytes.
        received_at: when it came in: what it says without a time is of then, and the late window ends there. None:
            nobody knows, so what has no time is of now, and only a time ahead of now is implausible.
        now: the time.
        litres_per_pulse: turns the count of a pulse meter into litres; None: leave it.
    """

    topic: str
    payload: bytes
    received_at: datetime | None
    now: datetime
    litres_per_pulse: float | None = None


def decode(drivers: Drivers, case: Case) -> Outcome:
    """Decodes a message as ingest does, every device in it being installed."""
    received_at, limits = case.received_at, Limits()
    if received_at is None:
        received_at, limits = case.now, replace(limits, late_window=case.now - _ALWAYS)
    device_ids: dict[str, int] = {}
    batch = Batch()
    intake = Intake(lane=Lane.BULK, drivers=drivers, device_ids=device_ids, limits=limits)
    message = Message(case.topic, case.payload, received_at)
    if len(case.payload) > MAX_BYTES:
        message = message._replace(
            payload=case.payload[:_KEPT_OF_OVERSIZED], size_bytes=len(case.payload), irregular="oversized"
        )
    intake.sort([message], received_at, batch)
    names = list(dict.fromkeys(name for name, _ in batch.unknown))
    device_ids.update({name: number for number, name in enumerate(names)})
    intake.sort_unknown(batch)
    urgent = _is_urgent(drivers, case.topic, batch)
    lines = [*_readings(batch, names, urgent, case.litres_per_pulse), *_events(batch, urgent)]
    rejected = not lines and bool(batch.refused)
    lines += [_refusal(refused, rejected=rejected) for refused in batch.refused]
    return Outcome(lines=tuple(lines), rejected=rejected)


def decode_as(driver: Driver, case: Case, *, keep_positions: bool = False) -> Outcome:
    """Decodes a message as one family's, whatever its topic begins with.

    The first level may be a prefix that a site chose in place of the family's own; or there is none, and the topic
    begins where the family's begins after it.
    """
    prefix = case.topic.partition("/")[0]
    alone = collect([driver], keep_positions=keep_positions)
    if prefix in driver.PREFIXES:
        return decode(alone, case)
    outcome = decode(collect([driver], {driver.NAME: (prefix,)}, keep_positions=keep_positions), case)
    if outcome.rejected and outcome.lines[0]["rejected"] == Reason.TOPIC_UNKNOWN:
        return decode(alone, replace(case, topic=f"{driver.PREFIXES[0]}/{case.topic}"))
    return outcome


def _is_urgent(drivers: Drivers, topic: str, batch: Batch) -> bool:
    """Whether the message overtakes others: by its topic, or because a call in it is judged at once."""
    if any(happening.kind in WAKING for happening in batch.happenings):
        return True
    return any(topic_matches_sub(found, topic) for found in drivers.filters(Lane.URGENT))


def _readings(
    batch: Batch, names: Sequence[str], urgent: bool, litres_per_pulse: float | None
) -> Iterator[dict[str, JsonValue]]:
    for row in map(unpack_row, batch.rows):
        device, quantity = names[row.device_id], by_code[row.quantity]
        yield _reading(device, quantity, row.value, row.measured_at, urgent)
        if quantity == PULSES and litres_per_pulse is not None:
            yield _reading(device, WATER_TOTAL, round(row.value * litres_per_pulse, 6), row.measured_at, urgent)


def _reading(
    device: str, quantity: Quantity, value: float, measured_at: datetime, urgent: bool
) -> dict[str, JsonValue]:
    return {
        "device": device,
        "quantity": quantity.name,
        "unit": quantity.unit,
        "value": value,
        "measured_at": _instant(measured_at),
        "urgent": urgent,
    }


def _events(batch: Batch, urgent: bool) -> Iterator[dict[str, JsonValue]]:
    for event in batch.happenings:
        line: dict[str, JsonValue] = {
            "device": event.device_name,
            "event": event.kind.value,
            "measured_at": _instant(event.measured_at),
            "urgent": urgent,
        }
        if event.own_time is not None and event.own_time != event.measured_at:
            line["own_time"] = _instant(event.own_time)
        if event.source_id is not None:
            line["source_id"] = event.source_id
        if event.detail:
            line["detail"] = event.detail
        yield line


def _refusal(refused: Refused, *, rejected: bool) -> dict[str, JsonValue]:
    if rejected:
        return {"rejected": refused.reason.value, "detail": refused.detail}
    return {"refused": refused.reason.value, "detail": refused.detail, "device": refused.device_name}


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
