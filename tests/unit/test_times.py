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
    ("written", "since_1970_s"),
    [
        # As dates these would be of 1783 and 1789, at 16:15 and 23:15.
        ("1783092421615", 1_783_092_421.615),
        ("1789082302315.238", 1_789_082_302.315_238),
        ("20261322", 20_261_322),
        ("12341231", 12_341_231),
        ("2026112212", 2_026_112_212),
    ],
)
def test_digits_alone_count_from_1970(written: str, since_1970_s: float) -> None:
    assert parse_time(written).timestamp() == pytest.approx(since_1970_s, abs=1e-3)


@given(st.integers(0, 4 * 10**12), st.sampled_from(["", ".5", ".250"]))
def test_a_string_of_digits_means_what_the_number_means(number: int, fraction: str) -> None:
    written = f"{number}{fraction}"
    try:
        parsed = parse_time(written)
    except ValueError as refused:
        assert "without an offset" in str(refused)
        assert len(written) in {8, 12}
        return
    assert parsed == parse_time(float(written))


@pytest.mark.parametrize("written", ["20261121T120000Z", "20261121 200000+0800", "2026-11-21T1200Z", "20261121T12Z"])
def test_the_compact_forms_of_iso_8601_are_read(written: str) -> None:
    assert parse_time(written) == NOON


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("2026-11-21T12:00:00", "without an offset"),
        ("20261121", "without an offset"),
        ("202611211200", "without an offset"),
        ("20261121120000", "without an offset"),
        ("20261121T120000", "without an offset"),
        # Not 20:00, as if the first digit of the time were a separator.
        ("20261121120000Z", "neither ISO 8601 nor seconds"),
        ("yesterday", "neither ISO 8601 nor seconds"),
        ("", "neither ISO 8601 nor seconds"),
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
