"""How long readings are kept: what the settings mean, and before when what goes."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anju.checks import State
from anju.keeping import options
from anju.series_checks import retention_check, tasks_check
from config.errors import SettingsError
from config.settings import load
from devices import quantities
from devices.quantities import BATTERY, PULSES, WATER_TOTAL
from storage.errors import TimescaleTooOld
from storage.retention import Retention
from storage.series import Done
from storage.timescale import refuse_old

DAY = timedelta(days=1)
NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
CODES = [known.code for known in quantities.ALL]


def kept(text: str, **more: str) -> Retention:
    environ = {"ANJU_DATABASE_URL": "postgresql://h/n", "ANJU_RETENTION_DAYS": text, **more}
    return options.of_settings(load(environ=environ)).retention


def test_what_is_not_named_goes_by_the_built_in_days() -> None:
    found = kept("battery=200")
    assert found.of[WATER_TOTAL.code] == found.of[PULSES.code] == 1100 * DAY
    assert found.of[BATTERY.code] == 200 * DAY
    assert found.others == 400 * DAY
    assert found.drop_before(NOW) == NOW - 1100 * DAY
    before = found.delete_before(CODES, NOW)
    assert WATER_TOTAL.code not in before, "goes with whole parts"
    assert NOW - 208 * DAY < before[BATTERY.code] <= NOW - 200 * DAY


def test_for_ever_drops_nothing_whole() -> None:
    found = kept("water_total=0,others=0,battery=100")
    assert found.drop_before(NOW) is None
    assert set(found.delete_before(CODES, NOW)) == {PULSES.code, BATTERY.code}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("water=900", "names water, which is no quantity"),
        ("water_total=168", "keeps water_total for 168 days; 169 are the least"),
        ("battery=48", "keeps battery for 48 days; 49 are the least"),
    ],
)
def test_what_rules_still_read_is_never_to_go(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        kept(text)
    settings = load(environ={"ANJU_DATABASE_URL": "postgresql://h/n", "ANJU_RETENTION_DAYS": text})
    assert retention_check(settings).state is State.FAULT
    assert kept("water_total=169,battery=49").of[BATTERY.code] == 49 * DAY


def test_a_longer_late_window_asks_for_longer_retention() -> None:
    with pytest.raises(SettingsError, match="keeps others for 400 days; 414 are the least"):
        kept("", ANJU_LATE_WINDOW_DAYS="400")


days = st.one_of(st.none(), st.integers(50, 2000).map(lambda n: n * DAY))


@given(of=st.dictionaries(st.sampled_from(CODES), days), others=days, passed=st.integers(0, 10_000))
def test_nothing_goes_early_and_nothing_stays_a_week_too_long(
    of: dict[int, timedelta | None], others: timedelta | None, passed: int
) -> None:
    retention = Retention(of=of, others=others)
    now = NOW + timedelta(minutes=passed)
    whole, single = retention.drop_before(now), retention.delete_before(CODES, now)
    for code in CODES:
        limit = of.get(code, others)
        if limit is None:
            assert whole is None
            assert code not in single
            continue
        gone_before = single.get(code, whole)
        assert gone_before is not None
        assert now - limit - 7 * DAY < gone_before <= now - limit


def test_tasks_are_judged_by_when_they_were_last_done() -> None:
    def task(name: str, ago: timedelta | None, *, known: timedelta = 30 * DAY, fault: str = "") -> Done:
        at = None if ago is None else NOW - ago
        return Done(task=name, known_since=NOW - known, succeeded_at=at, failures=0, fault=fault)

    assert tasks_check([], NOW).state is State.WARNING
    assert tasks_check([task("retention", DAY / 2), task("columnstore", None, known=DAY / 2)], NOW).state is State.GOOD
    found = tasks_check([task("retention", 2 * DAY, fault="55P03"), task("hours", None), task("sizes", DAY / 24)], NOW)
    assert found.state is State.FAULT
    assert "retention (55P03), hours" in found.found


@pytest.mark.parametrize("version", [None, "2.18.1", "2.23.0-dev", "3.0.0"])
def test_a_timescaledb_that_will_do_passes(version: str | None) -> None:
    refuse_old(version)


@pytest.mark.parametrize("version", ["2.18.0", "2.17.2", "1.9.9-rc1"])
def test_an_old_timescaledb_is_refused_with_what_to_do(version: str) -> None:
    with pytest.raises(TimescaleTooOld, match=r"ALTER EXTENSION timescaledb UPDATE"):
        refuse_old(version)
