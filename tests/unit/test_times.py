"""devices.times: what devices write as a time."""

import contextlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.times import parse_time

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-21T12:00:00Z",
        "2026-11-21T12:00:00+00:00",
        "2026-11-21T20:00:00+08:00",
        "2026-11-21 12:00:00Z",
        NOON.timestamp(),
        int(NOON.timestamp()),
        int(NOON.timestamp()) * 1000,
        str(int(NOON.timestamp())),
    ],
)
def test_the_same_instant_however_written(written: object) -> None:
    parsed = parse_time(written)
    assert parsed == NOON
    assert parsed.tzinfo is UTC


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("2026-11-21T12:00:00", "without an offset"),
        ("yesterday", "could not convert"),
        ("", "could not convert"),
        (True, "cannot be a bool"),
        ([], "cannot be a list"),
        ("0001-01-01T00:00:00+23:59", "outside the years"),
        (1e300, "outside the years"),
        ("nan", "not finite"),
        (float("inf"), "not finite"),
        (10**400, "outside the years"),
    ],
)
def test_what_is_no_time_says_why(written: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_time(written)


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=8)), timezone(timedelta(hours=-9.5))])))
def test_every_aware_instant_survives_the_round_trip(instant: datetime) -> None:
    try:
        expected = instant.astimezone(UTC)
    except OverflowError:
        with pytest.raises(ValueError, match="outside the years"):
            parse_time(instant.isoformat())
        return
    assert parse_time(instant.isoformat()) == expected


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary()))
def test_nothing_but_a_value_error_comes_out(written: object) -> None:
    with contextlib.suppress(ValueError):
        assert parse_time(written).tzinfo is UTC
