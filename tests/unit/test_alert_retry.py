"""When messages are tried again: bounded, never silently gone, urgent ones soon."""

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.channels.http import Answer, retry_after_s
from alerts.channels.results import Accepted, Fault, GiveUp, Outgoing, TryAgain
from alerts.channels.webhook import read_answer
from alerts.messages import MessageType, give_up_after, priority
from alerts.model import Severity
from alerts.retry import Abandoned, Done, Later, next_step
from tests.alert_cases import NOON


def message(*, attempt: int = 1, urgent: bool = True) -> Outgoing:
    return Outgoing(
        notification_id=UUID(int=1),
        alert_id=1,
        priority=0 if urgent else 1,
        body={},
        created_at=NOON,
        give_up_at=NOON + timedelta(hours=24),
        attempt=attempt,
    )


@given(
    st.sampled_from(list(Fault)),
    st.integers(1, 10_000),
    st.booleans(),
    st.floats(0, 1, exclude_max=True),
    st.one_of(st.none(), st.floats(0, 999_999)),
)
def test_try_again_means_soon_enough_and_not_at_once(
    fault: Fault, attempt: int, urgent: bool, jitter: float, retry_after_s: float | None
) -> None:
    step = next_step(
        TryAgain(fault=fault, retry_after_s=retry_after_s), message(attempt=attempt, urgent=urgent), NOON, jitter
    )
    assert isinstance(step, Later)
    longest_s = {(True, True): 60, (True, False): 30, (False, True): 900, (False, False): 300}[
        urgent, fault.needs_operator
    ]
    assert timedelta(seconds=0.3) < step.at - NOON <= timedelta(seconds=longest_s * 1.25)


def test_the_first_urgent_repetitions_come_quickly() -> None:
    delays = [
        (step.at - NOON).total_seconds()
        for attempt in range(1, 9)
        if isinstance(step := next_step(TryAgain(fault=Fault.UNREACHABLE), message(attempt=attempt), NOON, 0.5), Later)
    ]
    assert delays == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_a_message_is_given_up_only_by_its_time_or_by_the_receiver() -> None:
    before, after = NOON + timedelta(hours=23), NOON + timedelta(hours=24)
    refused = TryAgain(fault=Fault.REFUSED)
    assert isinstance(next_step(refused, message(attempt=900), before, 0.9), Later)
    assert next_step(refused, message(attempt=900), after, 0.9) == Abandoned(fault=Fault.REFUSED)
    assert next_step(GiveUp(fault=Fault.GONE), message(), NOON, 0) == Abandoned(fault=Fault.GONE)
    assert next_step(Accepted(), message(), after, 0) == Done()


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, Accepted()),
        (204, Accepted()),
        (301, TryAgain(fault=Fault.REDIRECTED)),
        (307, TryAgain(fault=Fault.REDIRECTED)),
        (400, TryAgain(fault=Fault.REFUSED)),
        (401, TryAgain(fault=Fault.UNAUTHORIZED)),
        (403, TryAgain(fault=Fault.UNAUTHORIZED)),
        (404, TryAgain(fault=Fault.NOT_FOUND)),
        (408, TryAgain(fault=Fault.TIMED_OUT)),
        (410, GiveUp(fault=Fault.GONE)),
        (413, GiveUp(fault=Fault.TOO_LARGE)),
        (418, TryAgain(fault=Fault.REFUSED)),
        (429, TryAgain(fault=Fault.BUSY)),
        (500, TryAgain(fault=Fault.SERVER_FAULT)),
        (503, TryAgain(fault=Fault.SERVER_FAULT)),
        (999, TryAgain(fault=Fault.NOT_UNDERSTOOD)),
    ],
)
def test_what_a_status_means(status: int, expected: object) -> None:
    assert read_answer(Answer(status=status)) == expected


@pytest.mark.parametrize(
    ("given_header", "expected"),
    [("30", 30.0), ("", None), ("-1", None), ("٣", None), ("soon", None), ("9" * 400, None)],
)
def test_retry_after_is_read_with_care(given_header: str, expected: float | None) -> None:
    assert retry_after_s(given_header) == expected
    answer = read_answer(Answer(status=429, retry_after_s=expected))
    assert answer == TryAgain(fault=Fault.BUSY, retry_after_s=expected)


def test_calls_for_help_go_first_and_news_last() -> None:
    assert [priority(MessageType.RAISED, severity) for severity in Severity] == [3, 2, 1, 0]
    assert {priority(MessageType.CLOSED, severity) for severity in Severity} == {4}
    assert give_up_after(Severity.URGENT) == timedelta(hours=24)


@given(st.sampled_from(list(Fault)), st.integers(1, 1_000), st.booleans(), st.floats(0, 1, exclude_max=True))
def test_where_another_provider_stands_ready_there_is_no_waiting(
    fault: Fault, attempt: int, urgent: bool, jitter: float
) -> None:
    refused = TryAgain(fault=fault, elsewhere=True, retry_after_s=600)
    assert next_step(refused, message(attempt=attempt, urgent=urgent), NOON, jitter) == Later(at=NOON)


def test_our_own_limits_are_waited_out_however_long_and_not_by_all_at_once() -> None:
    held = TryAgain(fault=Fault.CAP_REACHED, held_until=NOON + timedelta(hours=9))
    steps = [next_step(held, message(urgent=False), NOON, jitter) for jitter in (0, 0.9)]
    assert steps[0] == Later(at=NOON + timedelta(hours=9, seconds=1))
    assert steps[1] == Later(at=NOON + timedelta(hours=9, seconds=1.9))
    too_late = TryAgain(fault=Fault.CAP_REACHED, held_until=NOON + timedelta(hours=25))
    assert next_step(too_late, message(urgent=False), NOON, 0) == Abandoned(fault=Fault.CAP_REACHED)
