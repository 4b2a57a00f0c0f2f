"""Limits per caller: exact for each, and bounded in memory for all."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from alerts.web.limits import RateLimit

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def test_so_many_at_once_then_as_many_per_minute() -> None:
    limit = RateLimit(per_minute=6)
    assert [limit.allows("a", NOW) for _ in range(8)] == [True] * 6 + [False] * 2
    assert limit.allows("b", NOW)
    later = NOW + timedelta(seconds=20)
    assert [limit.allows("a", later) for _ in range(3)] == [True, True, False]


@given(st.lists(st.integers(0, 30), max_size=200))
def test_never_more_than_twice_the_rate_in_any_minute(pauses_s: list[int]) -> None:
    limit, now = RateLimit(per_minute=10), NOW
    allowed: list[datetime] = []
    for pause_s in pauses_s:
        now += timedelta(seconds=pause_s)
        if limit.allows("a", now):
            allowed.append(now)
    for at in allowed:
        assert sum(at <= other < at + timedelta(minutes=1) for other in allowed) <= 20


def test_a_clock_that_goes_back_does_no_harm() -> None:
    limit = RateLimit(per_minute=1)
    assert limit.allows("a", NOW)
    assert not limit.allows("a", NOW - timedelta(hours=1))
    assert not limit.allows("a", NOW - timedelta(minutes=59, seconds=30))


def test_memory_is_bounded_and_the_latest_are_remembered() -> None:
    limit = RateLimit(per_minute=1, max_keys=100)
    for number in range(1_000):
        assert limit.allows(str(number), NOW)
    assert len(limit._left) == 100
    assert not limit.allows("999", NOW)
