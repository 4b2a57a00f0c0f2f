"""The times that values of an uplink have of their own."""

from datetime import UTC, datetime

import pytest

from devices.lorawan.clocks import dated
from devices.lorawan.interpret import Uplink

AT = datetime(2026, 6, 15, 14, 27, 1, 615000, UTC)


@pytest.mark.parametrize(
    "written",
    ["2026-06-15T14:27:01.615Z", "2026-06-15T16:27:01.615+02:00", "2026-06-15 14:27:01.615", 1781533621615],
)
def test_a_value_is_dated_however_its_time_is_written(written: str | int) -> None:
    uplink = Uplink(None)
    item = {"at": written}
    assert dated([item], "at", "history", uplink) == [(item, AT)]
    assert not uplink.refusals


def test_milliseconds_in_a_string_are_no_date_of_the_eighteenth_century() -> None:
    # As ISO 8601 without hyphens it reads as 24 September 1783.
    item = {"at": "1783092421615"}
    ((_, at),) = dated([item], "at", "history", Uplink(None))
    assert at == datetime.fromtimestamp(1783092421.615, UTC)
