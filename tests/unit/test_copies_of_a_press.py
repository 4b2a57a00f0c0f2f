"""One press, several messages: both lanes, JSON and plain text, several devices in one message."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from devices.model import EventKind, Lane
from devices.registry import discover
from ingest.batch import Batch, Happening, Message
from ingest.intake import Intake, Limits
from ingest.repetition import Earlier, repeats

NOW = datetime(2026, 4, 17, 15, 33, 23, tzinfo=UTC)
SEEN = "2026-04-17T23:33:22+08:00"


def press(topic: str, payload: object, after_s: float = 0.0) -> Happening:
    text = payload if isinstance(payload, str) else json.dumps(payload)
    batch = Batch()
    at = NOW + timedelta(seconds=after_s)
    intake = Intake(lane=Lane.URGENT, drivers=discover(), device_ids={}, limits=Limits())
    intake.sort([Message(topic, text.encode(), at)], at, batch)
    assert [each.kind for each in batch.happenings] == [EventKind.BUTTON_PRESS]
    return batch.happenings[0]


def same(first: Happening, second: Happening) -> bool:
    earlier = Earlier(first.source_id, first.payload_hash, first.own_time, first.received_at)
    return repeats(second, [earlier], heard_until=None)


def state(**fields: object) -> Happening:
    after_s = fields.pop("after_s", 0.0)
    assert isinstance(after_s, float)
    return press("zigbee2mqtt/b", {"action": "emergency", **fields}, after_s)


PLAIN = press("zigbee2mqtt/b/action", "emergency", 0.2)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (state(linkquality=18), PLAIN, True),
        (state(last_seen=SEEN), PLAIN, True),
        (PLAIN, state(last_seen=SEEN, after_s=1.0), True),
        # The copy on the bulk lane, behind a backlog of an hour.
        (state(last_seen=SEEN), state(last_seen=SEEN, after_s=3600.0), True),
        # Pressed again: two at once out of a queue, and one by one.
        (state(last_seen=SEEN), state(last_seen="2026-04-17T23:33:24+08:00"), False),
        (state(last_seen=SEEN), state(last_seen="2026-04-17T23:33:24+08:00", after_s=2.0), False),
        (state(), state(after_s=12.0), False),
        (PLAIN, press("zigbee2mqtt/b/action", "emergency", 12.0), False),
    ],
)
def test_copies_are_one_press_and_presses_are_not_copies(
    first: Happening, second: Happening, *, expected: bool
) -> None:
    assert same(first, second) is expected
