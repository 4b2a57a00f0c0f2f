"""Small pure decisions of ingest: hearing, what quarantine keeps, when the emergency webhook is used."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.model import EventKind, Reason
from ingest.batch import Happening, Message, Refused
from ingest.beacon import Hearing, advance
from ingest.emergency import body, mark, overdue
from ingest.quarantine import Kept, oversize, surplus, without_copies, worth_keeping

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_hearing_goes_on_while_beacons_come_and_starts_anew_after_a_gap() -> None:
    hearing = advance(None, NOW)
    assert hearing == Hearing(NOW, NOW)
    hearing = advance(hearing, NOW + 60 * SECOND)
    assert hearing == Hearing(NOW, NOW + 60 * SECOND)
    assert advance(hearing, NOW + 10 * SECOND) == hearing
    assert advance(hearing, NOW + 121 * SECOND) == Hearing(NOW + 121 * SECOND, NOW + 121 * SECOND)


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=50))
def test_hearing_never_goes_back(seconds: list[int]) -> None:
    hearing = None
    for second in seconds:
        before, hearing = hearing, advance(hearing, NOW + second * SECOND)
        assert hearing.since <= hearing.until
        if before is not None:
            assert hearing.until >= before.until


def refused(device: str, *, urgent: bool = False) -> Refused:
    return Refused(Message("t", b"", NOW), device, Reason.PAYLOAD_INVALID, "", urgent)


@given(st.lists(st.sampled_from(["a", "b"]), max_size=120))
def test_of_a_batch_the_ends_of_each_group_are_kept(devices: list[str]) -> None:
    kept = worth_keeping([refused(device) for device in devices])
    for device in "ab":
        assert sum(each.device_name == device for each in kept) == min(40, devices.count(device))


def test_urgent_messages_are_always_kept() -> None:
    assert len(worth_keeping([refused("a", urgent=True) for _ in range(100)])) == 100


def test_what_another_worker_heard_too_is_kept_once_and_what_came_later_again() -> None:
    first = refused("a")
    kept = [Kept("a", first.reason.value, "t", b"", NOW)]
    assert without_copies([first], kept) == []
    later = first._replace(message=first.message._replace(received_at=NOW + timedelta(seconds=11)))
    assert without_copies([later], kept) == [later]
    sent_again = later._replace(message=later.message._replace(duplicate=True))
    assert without_copies([sent_again], kept) == []
    assert without_copies([refused("b")], kept) == [refused("b")]


@given(st.integers(0, 200))
def test_the_first_and_the_last_twenty_stay(count: int) -> None:
    ids = list(range(count))
    assert len(ids) - len(surplus(ids)) == min(count, 40)
    assert all(20 <= each < count - 20 for each in surplus(ids))


@given(st.lists(st.integers(0, 1000), max_size=30), st.integers(0, 5000))
def test_the_oldest_go_until_the_rest_fits(sizes: list[int], limit: int) -> None:
    newest_first = list(enumerate(sizes))
    evicted = oversize(newest_first, limit)
    rest = newest_first[: len(sizes) - len(evicted)]
    assert sum(size for _, size in rest) <= limit
    assert evicted == [each for each, _ in newest_first[len(rest) :]]
    if evicted:
        assert sum(size for _, size in newest_first[: len(rest) + 1]) > limit


def happening(kind: EventKind, age_s: float, *, source_id: str | None = None, duplicate: bool = False) -> Happening:
    at = NOW - age_s * SECOND
    return Happening(
        device_name="b",
        kind=kind,
        source_id=source_id,
        payload_hash=b"h",
        own_time=None,
        measured_at=at,
        received_at=at,
        duplicate=duplicate,
        detail={},
        message=Message("anju/b/event", b"", at),
    )


@pytest.mark.parametrize("source_id", [None, "1"])
def test_a_press_that_waits_ten_seconds_is_told_once(source_id: str | None) -> None:
    press = happening(EventKind.BUTTON_PRESS, 20, source_id=source_id)
    copies = [
        happening(EventKind.BUTTON_PRESS, 12, source_id=source_id),
        happening(EventKind.BUTTON_PRESS, 10, source_id=source_id, duplicate=True),
    ]
    others = [
        happening(EventKind.BUTTON_PRESS, 9.9, source_id="2"),
        happening(EventKind.TAMPER, 60),
        happening(EventKind.ACCELERATION_BURST, 60),  # nobody has judged it yet
    ]
    assert overdue([press, *copies, *others], NOW, {}) == [press]
    assert overdue([press, *copies, *others], NOW, {mark(press): [press.received_at]}) == []


def test_presses_that_look_alike_are_each_told() -> None:
    """A button that sends neither id nor time, pressed again in the same outage and in the next one."""
    first, second = happening(EventKind.BUTTON_PRESS, 45), happening(EventKind.BUTTON_PRESS, 30)
    assert overdue([first, second], NOW, {}) == [first, second]
    assert overdue([first, second], NOW, {mark(first): [first.received_at]}) == [second]
    assert overdue([first, second], NOW, {mark(first): [first.received_at, second.received_at]}) == []
    assert overdue([second], NOW, {mark(second): [NOW - 90_000 * SECOND]}) == [second]


def test_the_emergency_text_names_the_device_and_what_to_do() -> None:
    text = body(happening(EventKind.FALL, 12)).decode()
    assert "device b" in text
    assert "fall" in text
    assert "send somebody" in text
