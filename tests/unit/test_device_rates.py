"""What one device may send: nobody is refused who keeps to it, and nobody gets more for long."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.model import EventKind, Lane, Reason
from devices.registry import discover
from ingest.batch import Batch, Message
from ingest.intake import Intake, Limits
from ingest.rates import DeviceRates, RateLimit, cost, unlimited

NOW: Final = datetime(2026, 11, 20, 8, tzinfo=UTC)
DRIVERS: Final = discover()
LIMIT: Final = RateLimit(per_s=10, burst=1_000)
METER, OTHER = 7, 8


def send(rates: DeviceRates, device_id: int, messages: int, readings: int = 1) -> int:
    """How many of a device's messages are taken."""
    return sum(rates.take(device_id, cost(readings, 200)) for _ in range(messages))


@given(
    seconds=st.lists(st.integers(0, 2_000), min_size=1, max_size=60),
    burst=st.integers(1, 5_000),
    per_s=st.floats(0.5, 200),
)
def test_nobody_gets_more_than_the_limit_but_for_what_came_before_it_was_noticed(
    seconds: Sequence[int], burst: int, per_s: float
) -> None:
    rates = DeviceRates(limit=RateLimit(per_s=per_s, burst=burst))
    rates.settle(0)
    taken = 0
    for second, sent in enumerate(seconds, 1):
        taken += send(rates, METER, sent)
        rates.settle(second)
    noticed_late = max(seconds) + 1
    assert taken <= burst + per_s * len(seconds) + noticed_late


@given(
    seconds=st.lists(st.integers(0, 10), min_size=1, max_size=200),
    flood=st.integers(0, 3_000),
    once=st.integers(0, 500),
)
def test_who_keeps_to_it_is_never_refused_whatever_others_do(seconds: Sequence[int], flood: int, once: int) -> None:
    rates = DeviceRates(limit=LIMIT)
    rates.settle(0)
    assert send(rates, METER, once) == once
    for second, sent in enumerate(seconds, 1):
        send(rates, OTHER, flood)
        assert send(rates, METER, sent) == sent
        rates.settle(second)


def test_a_flood_ends_up_at_the_rate_and_leaves_nothing_behind() -> None:
    rates = DeviceRates(limit=LIMIT)
    rates.settle(0)
    taken = []
    for second in range(1, 121):
        taken.append(send(rates, METER, 500))
        rates.settle(second)
    assert sum(taken[:3]) >= 1_000
    assert sum(taken[-60:]) == pytest.approx(60 * LIMIT.per_s, abs=20)
    for second in range(121, 121 + 101):
        rates.settle(second)
    assert METER not in rates.watched
    assert not rates._levels
    assert send(rates, METER, 900) == 900


def test_bytes_and_readings_count_alike() -> None:
    assert cost(1, 200) == 1
    assert cost(96, 6_000) == 97
    assert cost(1, 1 << 20) == 257


def test_a_clock_that_stands_still_gives_nothing_away() -> None:
    rates = DeviceRates(limit=LIMIT)
    for _ in range(10):
        rates.settle(5.0)
        send(rates, METER, 300)
    assert rates.heard == {METER: 3_000}
    rates.settle(6.0)
    assert not rates.take(METER, 1)


def test_without_a_limit_nothing_is_remembered() -> None:
    rates = unlimited()
    for second in range(5):
        assert send(rates, METER, 10_000) == 10_000
        rates.settle(second)
    assert not rates.watched
    assert not rates._levels


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.rates._MAX_LEVELS", 10)
    rates = DeviceRates(limit=LIMIT)
    rates.settle(0)
    for device_id in range(100):
        send(rates, device_id, 50)
    rates.settle(1)
    assert len(rates._levels) == 10
    assert not rates.heard


class Ingest:
    """An intake with a limit, a device that is installed, and a clock of its own."""

    def __init__(self, *, burst: int, per_s: float = 1, lane: Lane = Lane.BULK) -> None:
        self.now_s = 0.0
        self.rates = DeviceRates(limit=RateLimit(per_s=per_s, burst=burst))
        self.intake = Intake(
            lane=lane,
            drivers=DRIVERS,
            device_ids={"meter": METER, "quiet": OTHER},
            limits=Limits(),
            rates=self.rates,
            monotonic=lambda: self.now_s,
        )

    def sort(self, *messages: tuple[str, object], retain: bool = False) -> Batch:
        """One read, a second after the last."""
        self.now_s += 1.0
        batch = Batch()
        packets = [Message(topic, json.dumps(body).encode(), NOW, retain=retain) for topic, body in messages]
        self.intake.sort(packets, NOW, batch)
        return batch

    def flood(self) -> None:
        """Until the meter is refused."""
        for _ in range(20):
            self.sort(*[reading("meter", number) for number in range(100)])
        assert self.sort(reading("meter")).refused


def reading(device: str, minutes: int = 0) -> tuple[str, object]:
    at = NOW - timedelta(minutes=minutes)
    return f"anju/{device}/reading", {"water_total_l": 100_000 - minutes, "at": at.isoformat()}


def test_a_month_of_readings_at_once_is_within_the_default() -> None:
    from config.settings import Settings

    defaults = Settings()
    ingest = Ingest(burst=defaults.device_readings_burst, per_s=defaults.device_readings_per_s)
    month = [reading("meter", 15 * number) for number in range(3_000)]
    refused = [each for start in range(0, 3_000, 100) for each in ingest.sort(*month[start : start + 100]).refused]
    assert refused == []


def test_what_floods_goes_to_quarantine_with_its_reason_and_others_are_stored() -> None:
    ingest = Ingest(burst=300)
    ingest.flood()
    batch = ingest.sort(*[reading("meter", number) for number in range(30)], reading("quiet"))
    assert len(batch.rows) - len([each for each in batch.row_messages if "meter" in each.topic]) == 1
    (reason,) = {each.reason for each in batch.refused}
    assert reason is Reason.RATE_EXCEEDED
    assert {each.device_name for each in batch.refused} == {"meter"}
    assert not any(each.urgent for each in batch.refused)
    assert batch.refused[0].detail == "over 1 readings a second, and 300 at once are used up"


@pytest.mark.parametrize("event", ["button_press", "fall", "tamper"])
def test_a_press_of_a_device_that_floods_is_never_refused(event: str) -> None:
    ingest = Ingest(burst=300)
    ingest.flood()
    batch = ingest.sort(*[("anju/meter/event", {"event": event, "at": NOW.isoformat()})] * 50)
    assert len(batch.happenings) == 50
    assert {each.kind for each in batch.happenings} == {EventKind(event)}
    assert not batch.refused


def test_ways_around_are_counted_too() -> None:
    ingest = Ingest(burst=300)
    ingest.flood()
    assert ingest.sort(reading("meter"), retain=True).refused[0].reason is Reason.RATE_EXCEEDED
    spoilt = "anju/meter/reading", {"water_total_l": 5, "battery_pct": "full", "at": NOW.isoformat()}
    assert [each.reason for each in ingest.sort(spoilt, spoilt).refused][-1] is Reason.RATE_EXCEEDED


def test_the_limit_is_each_devices_own_not_that_of_the_gateway_it_comes_through() -> None:
    ids = {f"0x{number:016x}": number for number in range(400)}
    ingest = Ingest(burst=300)
    intake = Intake(
        lane=Lane.BULK,
        drivers=DRIVERS,
        device_ids=ids,
        limits=Limits(),
        rates=ingest.rates,
        monotonic=lambda: ingest.now_s,
    )
    for _ in range(20):
        ingest.now_s += 1
        batch = Batch()
        packets = [Message(f"zigbee2mqtt/{name}", b'{"battery":90,"voltage":3000}', NOW) for name in ids]
        intake.sort(packets, NOW, batch)
        assert not [each for each in batch.refused if each.reason is Reason.RATE_EXCEEDED]
