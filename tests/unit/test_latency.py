"""By when a fall would be noticed by water: what it is made of, and what keeps it from being noticed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from alerts.findings import Kind
from alerts.wording import sentence
from registry.policy import Policy
from rules.dry import dryness
from rules.latency import Latency, effective_latency, local_time
from rules.library.inactivity import Inactivity
from rules.snapshot import Absence, Installation
from rules.water import cover
from tests.unit.rule_worlds import MIN, NOON, H, home, hourly, meter

LIVELY = hourly([20.0] * 24, ends=NOON - 5 * MIN)


def test_hourly_meter_and_the_municipal_line() -> None:
    known = home(replace(meter(LIVELY, interval_s=3600), heard_at=NOON - 4 * MIN))
    latency = effective_latency(known, NOON)
    assert latency.noticed_by is not None
    assert latency.interval == H
    assert latency.delay == MIN
    # Use until the next reading at 12:55, the line from there, the reading that shows it, and its way here.
    assert NOON + 12 * H + 55 * MIN <= latency.noticed_by <= NOON + 12 * H + 57 * MIN
    assert sentence(latency.reason.id, latency.reason.values, "en").startswith(
        "if somebody fell now, the missing use of water would be noticed by 2026-03-29 08:56 at the latest"
    )


@pytest.mark.parametrize("minutes", [0, 7, 31, 59])
def test_it_is_noticed_by_then(minutes: int) -> None:
    """Whenever within the hour she falls: the rule fires with a reading no later than said."""
    fall = NOON + minutes * MIN
    known = home(meter([r for r in LIVELY if r[0] <= fall], interval_s=3600), now=fall)
    latency = effective_latency(known, fall)
    assert latency.noticed_by is not None
    last_l = LIVELY[-1][1]
    # She used water up to the moment she fell; the next reading shows it.
    after = [(NOON - 5 * MIN + n * H, last_l + 15.0) for n in range(1, 40)]
    fired = [
        at
        for count in range(1, 40)
        if dryness(cover([meter([*LIVELY, *after[:count]])]), volume_l=10.0, window_s=43_200.0).lasting is not None
        for at in [after[count - 1][0]]
    ]
    assert latency.noticed_by - 2 * H <= fired[0] <= latency.noticed_by


def test_a_learned_line_takes_the_place_of_the_window() -> None:
    known = home(meter(LIVELY, interval_s=3600))
    learned = effective_latency(known, NOON, notice=lambda last_use: last_use + 5 * H)
    assert learned.line == 5 * H
    assert learned.noticed_by is not None
    assert learned.noticed_by < NOON + 6 * H + 10 * MIN


def test_daily_uploads_are_noticed_a_day_later() -> None:
    readings = hourly([*[20.0] * 8, *[0.0] * 4] * 4, ends=NOON - H)
    device = meter(readings, interval_s=86_400)
    received_s = [(NOON - 26 * H if at <= NOON - 26 * H else NOON - 2 * H).timestamp() for at, _ in readings]
    late = replace(device, water=replace(device.water, received_s=received_s))
    latency = effective_latency(home(late), NOON)
    assert latency.interval == H
    assert latency.delay is not None
    assert latency.delay > 20 * H
    assert latency.noticed_by is not None
    assert latency.noticed_by > NOON + 32 * H


def blind_because(*devices: Installation, **known: object) -> str:
    latency = effective_latency(home(*devices, **known), NOON)  # type: ignore[arg-type]
    assert latency.noticed_by is None
    assert "would not be noticed" in sentence(latency.reason.id, latency.reason.values, "en")
    return latency.reason.id


def test_what_keeps_water_from_telling() -> None:
    fine = meter(LIVELY)
    away = Absence(absence_id=1, from_at=NOON - H, until_at=NOON + 30 * H, reason="travel")
    assert blind_because() == "latency_no_meter"
    assert blind_because(fine, absences=(away,)) == "latency_away"
    assert blind_because(fine, incidents=frozenset({"water_off"})) == "latency_incident"
    assert blind_because(fine, hearing=None) == "latency_deaf"
    assert blind_because(meter(hourly([20.0] * 24, ends=NOON - 5 * H))) == "latency_meter_silent"
    assert blind_because(meter([])) == "latency_meter_silent"
    assert blind_because(fine, meter([], device="em300"), policy=Policy()) == "latency_meter_silent"
    assert blind_because(meter(hourly([40.0] * 40))) == "latency_impaired"
    coarse = replace(fine, water=replace(fine.water, step_l=100.0))
    assert blind_because(coarse) == "latency_impaired"


def test_a_register_of_ten_litres_is_blind_once_it_has_not_stood_still_for_two_days() -> None:
    def seen(hours: int) -> Latency:
        lively = meter(hourly([40.0] * hours))
        return effective_latency(home(replace(lively, water=replace(lively.water, step_l=10.0))), NOON)

    assert seen(40).noticed_by is not None
    assert seen(60).reason.id == "latency_impaired"


def test_what_is_told_already_needs_no_time() -> None:
    dry = home(meter(hourly([30.0] * 4 + [0.0] * 14)), open_kinds=frozenset({Kind.INACTIVITY}))
    assert Inactivity().evaluate(dry, NOON).findings
    assert effective_latency(dry, NOON).reason.id == "latency_already"


def test_times_by_the_clock_of_the_home() -> None:
    assert local_time(NOON + timedelta(minutes=90), NOON, "Asia/Shanghai") == "21:30"
    assert local_time(NOON + 5 * H, NOON, "Asia/Shanghai") == "2026-03-29 01:00"
    assert local_time(NOON + 15 * H, NOON, "Europe/Berlin") == "2026-03-29 05:00", "an hour was lost that night"
