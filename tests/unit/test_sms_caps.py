"""How many messages one number may have: never more than a cap, and never held longer than it needs."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.caps import DAY, KNOWN, NO_CAPS, Cap, Caps, frees_at
from tests.alert_cases import NOON

MINUTE = timedelta(minutes=1)


def at(*seconds_ago: float) -> list[datetime]:
    return [NOON - timedelta(seconds=seconds) for seconds in seconds_ago]


def test_there_is_room_until_the_cap_is_reached() -> None:
    caps = Caps(limits=(Cap(most=2, window=MINUTE),))
    assert frees_at(caps, at(59), NOON, urgent=False) is None
    assert frees_at(caps, at(59, 1), NOON, urgent=False) == NOON + timedelta(seconds=1)
    assert frees_at(caps, at(60, 1), NOON, urgent=False) is None
    assert frees_at(caps, at(1, 59, 30), NOON, urgent=False) == NOON + timedelta(seconds=30)


def test_every_cap_holds() -> None:
    caps = Caps(limits=(Cap(most=1, window=timedelta(seconds=30)), Cap(most=3, window=timedelta(hours=1))))
    assert frees_at(caps, at(10), NOON, urgent=True) == NOON + timedelta(seconds=20)
    assert frees_at(caps, at(3000, 2000, 1000), NOON, urgent=True) == NOON + timedelta(seconds=600)


@pytest.mark.parametrize(("sent", "urgent", "held"), [(39, False, False), (40, False, True), (40, True, False)])
def test_a_fifth_of_a_day_is_kept_back_for_calls_for_help(sent: int, urgent: bool, held: bool) -> None:
    submitted = at(*(3600 + number for number in range(sent)))
    assert (frees_at(KNOWN["aliyun"], submitted, NOON, urgent=urgent) is not None) is held


def test_nothing_is_kept_back_of_short_windows_and_never_all() -> None:
    short = Caps(limits=(Cap(most=2, window=MINUTE),), kept_back_share=0.9)
    assert frees_at(short, at(1), NOON, urgent=False) is None
    day = Caps(limits=(Cap(most=2, window=DAY),), kept_back_share=0.9)
    assert frees_at(day, [], NOON, urgent=False) is None
    assert frees_at(day, at(1), NOON, urgent=False) is not None


def test_without_caps_there_is_always_room() -> None:
    assert frees_at(NO_CAPS, at(*range(1000)), NOON, urgent=False) is None


@pytest.mark.parametrize(("most", "window"), [(0, MINUTE), (1, timedelta()), (1, DAY + MINUTE)])
def test_a_cap_that_is_none_is_refused(most: int, window: timedelta) -> None:
    with pytest.raises(ValueError, match="within a day"):
        Cap(most=most, window=window)


limits = st.lists(
    st.builds(Cap, most=st.integers(1, 6), window=st.integers(1, 86_400).map(lambda s: timedelta(seconds=s))),
    max_size=3,
)


@given(limits, st.lists(st.integers(0, 100_000), max_size=30), st.booleans())
def test_whoever_waits_as_long_as_told_finds_room_and_the_caps_hold(
    of: list[Cap], seconds_ago: list[int], urgent: bool
) -> None:
    caps = Caps(limits=tuple(of))
    submitted = at(*seconds_ago)
    when = frees_at(caps, submitted, NOON, urgent=urgent)
    if when is not None:
        assert when > NOON
        assert frees_at(caps, submitted, when - timedelta(microseconds=1), urgent=urgent) is not None
    sent_at = when or NOON
    assert frees_at(caps, submitted, sent_at, urgent=urgent) is None
    for cap in of:
        within = [one for one in [*submitted, sent_at] if sent_at - cap.window < one <= sent_at]
        assert len(within) <= cap.most
