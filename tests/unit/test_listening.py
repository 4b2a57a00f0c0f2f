"""ingest.listening: what the bulk lane brings late is a copy only if the urgent session cannot have missed it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.model import EventKind
from ingest.batch import Happening, Message
from ingest.listening import Epoch, Listening, matches, twin_since
from ingest.repetition import Earlier, repeats

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
TOPIC = "zigbee2mqtt/b"


def at(after_s: float) -> datetime:
    return NOW + timedelta(seconds=after_s)


def message(after_s: float, *, packet_id: int | None = 1, retain: bool = False) -> Message:
    return Message(TOPIC, b"emergency", at(after_s), packet_id=packet_id, retain=retain)


def press(after_s: float, twin: datetime | None = None) -> Happening:
    return Happening(
        device_name="b",
        kind=EventKind.BUTTON_PRESS,
        source_id=None,
        payload_hash=b"emergency",
        own_time=None,
        measured_at=at(after_s),
        received_at=at(after_s),
        duplicate=False,
        detail={},
        message=message(after_s),
        twin_since=twin,
    )


def stored(event: Happening) -> Earlier:
    return Earlier(event.source_id, event.payload_hash, event.own_time, event.received_at)


@pytest.mark.parametrize(
    ("twin_s", "same"),
    [
        (0.0, True),  # published after the bulk lane was heard for the last time, a little before the press came
        (30.0, True),  # the clocks of two machines differ a little
        (31.0, False),  # that press was heard before this message can have been published
        (None, False),
    ],
)
def test_a_copy_of_minutes_ago_is_one_where_the_urgent_session_has_heard_its_twin(
    twin_s: float | None, *, same: bool
) -> None:
    late = press(600.0, None if twin_s is None else at(twin_s))
    assert repeats(late, [stored(press(0.5))], heard_until=None) is same


def test_no_event_heard_since_no_copy() -> None:
    assert not repeats(press(600.0, at(0.0)), [], heard_until=None)


@pytest.mark.parametrize(
    ("brought", "heard_until", "since", "known"),
    [
        (message(0), at(-100), at(-200), True),
        (message(0), at(-100), at(-129), False),  # the button was subscribed to at about that time
        (message(0), at(-100), at(-50), False),
        (message(0), at(-100), None, False),
        (message(0), None, at(-200), False),
        (message(0, packet_id=None), at(-100), at(-200), False),  # at QoS 0 the other copy may be lost
        (message(0, retain=True), at(-100), at(-200), False),
    ],
)
def test_when_a_twin_is_certain(
    brought: Message, heard_until: datetime | None, since: datetime | None, *, known: bool
) -> None:
    assert twin_since(brought, heard_until, since) == (heard_until if known else None)


def test_a_break_ends_what_was_heard_and_a_filter_given_up_is_heard_no_more() -> None:
    listening, first, second = Listening(), Epoch(1, 0), Epoch(2, 0)
    listening.granted([TOPIC, "v3/+/devices/b/up"], first, at(0))
    listening.granted([TOPIC], first, at(60))
    assert listening.since(TOPIC, [TOPIC, f"{TOPIC}/action"], first) == at(0)
    assert listening.since("v3/homes/devices/b/up", ["v3/+/devices/b/up"], first) == at(0)
    assert listening.since("zigbee2mqtt/c", [TOPIC], first) is None
    assert listening.since(TOPIC, [TOPIC], second) is None, "another connection since, not taken down yet"
    listening.granted([TOPIC], second, at(90))
    assert listening.since(TOPIC, [TOPIC], second) == at(90)
    listening.given_up([TOPIC])
    assert listening.since(TOPIC, [TOPIC], second) is None


@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        ("a/+/c", "a/b/c", True),
        ("a/+/c", "a/b/d", False),
        ("a/+", "a/b/c", False),
        ("a/+/c", "a/c", False),
        ("a", "a", True),
    ],
)
def test_filters_match_level_by_level(topic_filter: str, topic: str, *, expected: bool) -> None:
    assert matches(topic_filter, topic) is expected


@dataclass(frozen=True)
class Break:
    """The urgent session is away; its queue at the broker may be lost with what came meanwhile."""

    start_s: int
    length_s: int
    queue_lost: bool


@dataclass
class Outcome:
    """What became of the presses.

    Attributes:
        heard_by_urgent: the presses that the urgent session was handed.
        copies: those whose message on the bulk lane was taken for a copy for the sole reason of a twin.
        events: how many were stored.
    """

    heard_by_urgent: set[int] = field(default_factory=set)
    copies: list[int] = field(default_factory=list)
    events: int = 0


def play(
    presses_s: Collection[int], gone: Sequence[Break], *, subscribed_s: int, held: range, skew_s: int = 0
) -> Outcome:
    """A broker, an urgent session with breaks, and a bulk session that stands still for a while, second by second."""
    outcome, listening, known = Outcome(), Listening(), list[Earlier]()
    epoch, up, queue = 0, True, list[int]()
    bulk_queue: list[tuple[int, bool]] = []  # when, and whether it is a press; else it is a beacon
    bulk_heard_until: datetime | None = None
    for now_s in range(-120, 2000):
        away = next((each for each in gone if each.start_s <= now_s < each.start_s + each.length_s), None)
        if away is not None:
            up = False
            if away.queue_lost:
                queue.clear()
        elif not up:
            up, epoch = True, epoch + 1
        if now_s in presses_s:
            bulk_queue.append((now_s, True))
            if now_s >= subscribed_s and not (away and away.queue_lost):
                queue.append(now_s)
        if up:
            for each in queue:
                outcome.heard_by_urgent.add(each)
                if not repeats(press(now_s), known, heard_until=None):
                    known.append(stored(press(now_s)))
            queue.clear()
            if now_s >= subscribed_s and now_s % 2 == 0:
                listening.granted([TOPIC], Epoch(epoch, 0), at(now_s))
        if now_s in held:
            continue
        if now_s % 10 == 0:
            bulk_queue.append((now_s, False))
        committed_until = bulk_heard_until
        for sent_s, is_press in bulk_queue:
            if not is_press:
                bulk_heard_until = at(sent_s + skew_s)
                continue
            since = listening.since(TOPIC, [TOPIC], Epoch(epoch, 0)) if up else None
            with_twin = press(now_s, twin_since(message(now_s), committed_until, since))
            if not repeats(with_twin, known, heard_until=None):
                known.append(stored(with_twin))
            elif not repeats(press(now_s), known, heard_until=None):
                outcome.copies.append(sent_s)
        bulk_queue.clear()
    outcome.events = len(known)
    return outcome


@settings(max_examples=300, deadline=None)
@given(
    presses_s=st.sets(st.integers(0, 1000), min_size=1, max_size=12),
    gone=st.lists(st.builds(Break, st.integers(0, 900), st.integers(1, 200), st.booleans()), max_size=3),
    subscribed_s=st.integers(-100, 800),
    held=st.builds(lambda start, length: range(start, start + length), st.integers(0, 900), st.integers(0, 900)),
    skew_s=st.integers(-15, 15),
)
def test_no_press_that_the_urgent_session_missed_is_taken_for_a_copy(
    presses_s: set[int], gone: list[Break], subscribed_s: int, held: range, skew_s: int
) -> None:
    outcome = play(presses_s, gone, subscribed_s=subscribed_s, held=held, skew_s=skew_s)
    assert outcome.heard_by_urgent.issuperset(outcome.copies)


def test_of_a_backlog_of_minutes_every_copy_is_recognised_where_nothing_was_missed() -> None:
    presses_s = (50, 310, 400, 405, 500, 590)
    outcome = play(presses_s, [], subscribed_s=-100, held=range(300, 900))
    assert outcome.copies == [310, 400, 405, 500, 590]
    assert outcome.events == 5, "405 is 400 again"


def test_a_press_during_a_break_is_told_when_the_bulk_lane_brings_it() -> None:
    lost = Break(start_s=450, length_s=100, queue_lost=True)
    outcome = play((310, 500, 600), [lost], subscribed_s=-100, held=range(300, 900))
    assert outcome.heard_by_urgent == {310, 600}
    assert outcome.copies == []
    # All three come at once from the bulk lane's queue, long after the two were told: one more event.
    assert outcome.events == 3
