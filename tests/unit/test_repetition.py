"""ingest.repetition: the same press again, or a new one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from devices.model import EventKind
from ingest.batch import Happening, Message
from ingest.repetition import Earlier, dedup_key, repeats

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
STUCK = datetime(2026, 11, 1, tzinfo=UTC)


def press(
    after_s: float = 0.0,
    *,
    source_id: str | None = None,
    payload: bytes = b"same",
    own_time: datetime | None = None,
    duplicate: bool = False,
) -> Happening:
    at = NOW + timedelta(seconds=after_s)
    return Happening(
        device_name="b",
        kind=EventKind.BUTTON_PRESS,
        source_id=source_id,
        payload_hash=payload,
        own_time=own_time,
        measured_at=at,
        received_at=at,
        duplicate=duplicate,
        detail={},
        message=Message("anju/b/event", payload, at),
    )


def stored(happening: Happening) -> Earlier:
    return Earlier(happening.source_id, happening.payload_hash, happening.own_time, happening.received_at)


@pytest.mark.parametrize(
    ("new", "same"),
    [
        (press(0.2), True),
        (press(10), True),
        (press(10.1), False),
        (press(-3), True),  # another worker stamped it a little later and was faster
        (press(0.2, payload=b"other"), False),
        (press(30, duplicate=True), True),
        (press(0.2, payload=b"other", source_id="1"), False),
        (press(0.2, source_id="1"), True),  # alike: the plain copy of a press whose other copy carries an id
    ],
)
def test_without_ids_an_equal_payload_within_ten_seconds_is_the_same(new: Happening, *, same: bool) -> None:
    heard_until = NOW - timedelta(seconds=5)
    assert repeats(new, [stored(press())], heard_until=heard_until) is same


def test_a_redelivered_press_from_before_the_session_was_last_heard_is_new() -> None:
    hour_later = press(3600, duplicate=True)
    assert not repeats(hour_later, [stored(press())], heard_until=NOW + timedelta(minutes=59))


@pytest.mark.parametrize(
    ("new", "same"),
    [
        (press(1, source_id="7"), True),
        (press(3600, source_id="7", payload=b"reencoded by a gateway"), True),
        (press(3600, source_id="8"), False),
        (press(49 * 3600, source_id="7"), False),  # the source counts from the start again
        (press(120, source_id="7", own_time=NOW + timedelta(seconds=120)), False),
        (press(120, source_id="7", own_time=NOW + timedelta(seconds=1)), True),
    ],
)
def test_with_ids_the_id_decides_unless_the_times_differ(new: Happening, *, same: bool) -> None:
    assert repeats(new, [stored(press(source_id="7", own_time=NOW))], heard_until=None) is same


def test_a_clock_stuck_at_one_instant_swallows_no_press() -> None:
    known: list[Earlier] = []
    for after_s in (0, 15, 40, 300):
        new = press(after_s, own_time=STUCK)
        assert not repeats(new, known, heard_until=NOW)
        known.append(stored(new))


def test_the_very_same_receipt_is_the_same_event_whatever_else() -> None:
    again = replace(press(), duplicate=False)
    assert repeats(again, [stored(press())], heard_until=None)


def test_events_that_are_not_one_receipt_have_different_keys() -> None:
    other_payload = press(payload=b"other", source_id="7")
    events = [press(source_id="7"), press(50 * 3600, source_id="7"), other_payload, press(), press(11)]
    assert len({dedup_key(each) for each in events}) == len(events)
    assert dedup_key(press()) == dedup_key(press())
