"""Back-test of water: what is counted, and the plain rule beside it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from alerts.findings import Kind, Reason, Severity
from rules.backtest import plain
from rules.backtest.cases import Told
from rules.backtest.figures import MONTH_S, HomeTrial, is_short, summary, watched_s
from rules.backtest.injection import AFTER_USE, Noticed, moments
from rules.backtest.series import Series, series_of
from rules.backtest.trial import back_test
from tests.unit.backtest_worlds import AWAY, DAY, HOME, START, H, plan, record


def series(hours_l: list[int]) -> Series:
    meter = record(hours_l)
    return series_of(meter, meter.measured_s, 0)


def told(severity: Severity, *, first: bool = True) -> Told:
    return Told(
        kind=Kind.INACTIVITY,
        severity=severity,
        since=START,
        raised_at=START + 12 * H,
        reason=Reason(id="sign_of_life", values={}),
        first=first,
    )


def home_trial(alerts: int, *, months: float = 1.0, noticed: list[Noticed] | None = None, **more: object) -> HomeTrial:
    facts: dict[str, object] = {
        "meter_id": "m",
        "readings": 720,
        "interval_s": 3600,
        "watched_s": months * MONTH_S,
        "looks": 1,
        "alerts": [told(Severity.SOFT)] * alerts,
        "short_first": alerts,
        "short_hard": 0,
        "recorded": 0,
        "noticed": noticed or (),
    }
    return HomeTrial(**{**facts, **more})  # type: ignore[arg-type]


def test_rates_are_of_all_home_months_with_an_interval_over_homes() -> None:
    total = summary([home_trial(4), home_trial(0, months=3.0)])
    rate = total.first.short
    assert (rate.count, rate.per_home_month) == (4, 1.0)
    assert (rate.low, rate.high) == (0.0, 4.0)
    assert summary([home_trial(4)]).first.short.low is None
    assert total.injected is None


def test_time_without_readings_is_no_home_month() -> None:
    full = series(HOME * 10)
    gap = replace(full, measured_s=[at if place < 100 else at + 86_400.0 for place, at in enumerate(full.measured_s)])
    ends = START + 30 * DAY
    assert watched_s(full, START, ends, unbroken_s=10_800.0) == 10 * 86_400.0
    assert watched_s(gap, START, ends, unbroken_s=10_800.0) == 10 * 86_400.0 - 3600.0
    assert watched_s(full, START + DAY, START + 3 * DAY, unbroken_s=10_800.0) == 2 * 86_400.0


@pytest.mark.parametrize(("days_away", "short"), [(1, True), (2, False)])
def test_two_days_without_water_are_presumed_an_absence(days_away: int, short: bool) -> None:
    of = series([*HOME * 3, *AWAY * days_away, *HOME * 3])
    alert = replace(told(Severity.SOFT), since=START + 2 * DAY + 22 * H)
    assert is_short(alert, of, volume_l=10.0) is short
    ended = replace(alert, over_at=START + 3 * DAY + 10 * H)  # a line that speaks of any use knows better
    assert is_short(ended, of, volume_l=10.0)


def test_moments_lie_within_three_hours_of_a_use_and_away_from_the_edges() -> None:
    of = series([*HOME * 20])
    from_s, until_s = of.measured_s[0], of.measured_s[-1]
    drawn = moments(of, 200, seed=1, from_s=from_s, until_s=until_s)
    assert drawn == sorted(drawn)
    assert len(set(drawn)) == 200
    uses = [at for at, b, a in zip(of.measured_s[1:], of.totals_l[1:], of.totals_l, strict=False) if b > a]
    assert all(any(0 <= moment - use <= AFTER_USE.total_seconds() for use in uses) for moment in drawn)
    assert min(drawn) >= from_s + 86_400
    assert max(drawn) <= until_s - plain.LONGEST_H * 3600
    assert moments(of, 200, seed=2, from_s=from_s, until_s=until_s) != drawn
    assert moments(of, 5, seed=1, from_s=until_s - 3600, until_s=until_s) == []
    assert moments(series(AWAY * 20), 5, seed=1, from_s=from_s, until_s=until_s) == []


def test_the_plain_rule_counts_each_silence_once() -> None:
    of = series([*[5] * 30, *[0] * 13, *[5] * 10, *[0] * 20, 5])
    found = list(plain.silences(of, unbroken_s=10_800.0, from_s=of.measured_s[0]))
    assert [(each.elapsed_s / 3600, each.whole_s / 3600) for each in found] == [(13, 14), (20, 21)]
    later = list(plain.silences(of, unbroken_s=10_800.0, from_s=of.measured_s[60]))
    assert [each.elapsed_s / 3600 for each in later] == [20]


def test_a_gap_makes_the_plain_rule_count_anew() -> None:
    of = series([*[5] * 30, *[0] * 20, 5])
    keep = [place for place in range(len(of.measured_s)) if not 36 < place < 44]
    holed = replace(
        of, measured_s=[of.measured_s[place] for place in keep], totals_l=[of.totals_l[place] for place in keep]
    )
    (silence,) = plain.silences(holed, unbroken_s=10_800.0, from_s=of.measured_s[0])
    assert (silence.elapsed_s / 3600, silence.whole_s / 3600) == (6, 21)


def test_the_plain_rule_alarms_at_a_reading() -> None:
    of = series([*[5] * 30, *[0] * 90])
    moment_s = of.measured_s[30] + 1800.0
    found = plain.stopped(of, 31, moment_s)
    assert found.delay_s(12.0) == 11.5 * 3600.0
    assert found.delay_s(11.5) == 11.5 * 3600.0
    assert found.delay_s(80.0) is None


def test_delays_are_compared_at_the_same_number_of_false_alarms() -> None:
    of = series([*[5] * 30, *[0] * 90])
    moment_s = of.measured_s[30] + 1800.0
    noticed = Noticed(moment_s=moment_s, first_s=6 * 3600.0, hard_s=None, plain=plain.stopped(of, 31, moment_s))
    silences = [plain.Silence(hours * 3600.0, (hours + 1) * 3600.0) for hours in (8, 10, 14, 14, 60)]
    total = summary([home_trial(2, noticed=[noticed], silences=silences)])
    assert total.injected is not None
    assert total.injected.first.median_h == 6.0
    assert (total.injected.hard.median_h, total.injected.hard.missed_share) == (None, 1.0)
    assert total.injected.plain is not None
    # Two silences under 48 h are longer than ten hours: so would the plain rule have alarmed as often.
    assert 10.0 < total.injected.plain.window_h <= 10.5
    assert total.injected.plain.delay.median_h == pytest.approx(10.5, abs=0.5)


def test_an_incapacitation_is_noticed_and_the_recording_goes_on_as_if_it_had_not_been() -> None:
    meter = record(HOME * 20)
    quiet, stopped = back_test(meter, plan()), back_test(meter, plan(injections=30))
    assert quiet is not None
    assert stopped is not None
    assert stopped[1].alerts == quiet[1].alerts == []
    assert len(stopped[1].noticed) == 30
    for each in stopped[1].noticed:
        assert each.first_s is not None
        assert each.hard_s is not None
        # By the municipal limits twelve and twenty-four hours after a use in the last three hours, small ones aside.
        assert timedelta(hours=5) <= timedelta(seconds=each.first_s) <= timedelta(hours=12, minutes=6)
        assert timedelta(hours=12) <= timedelta(seconds=each.hard_s - each.first_s + 360)
