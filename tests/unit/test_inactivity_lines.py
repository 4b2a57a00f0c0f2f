"""Two strengths, the first use of a day, and absences: what each line says, and that they are one case."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.findings import Finding, Kind, Severity, Verdict
from alerts.wording import sentence
from registry.policy import Policy
from rules.library.inactivity import Inactivity
from rules.library.uncovered import Uncovered
from rules.presence import away_at, joined, outside
from rules.segment import Segment
from rules.silence import silences
from rules.snapshot import Absence, Snapshot
from rules.water import cover
from tests.unit.rule_worlds import MIN, NOON, H, home, hourly, meter

RULE = Inactivity()
TOLD = frozenset({Kind.INACTIVITY})


def judged(snapshot: Snapshot, now: datetime = NOON) -> list[Finding]:
    return list(RULE.evaluate(snapshot, now).findings)


def said(finding: Finding) -> str:
    return sentence(finding.reason.id, finding.reason.values, "en")


@pytest.mark.parametrize(("dry_hours", "severity"), [(12, Severity.SOFT), (23, Severity.SOFT), (24, Severity.HARD)])
def test_somebody_asks_after_twelve_hours_and_goes_after_twenty_four(dry_hours: int, severity: Severity) -> None:
    (finding,) = judged(home(meter(hourly([30] * 9 + [0] * 5 + [30] * 9 + [0] * dry_hours)), looked_until=NOON - 3 * H))
    assert (finding.severity, finding.since) == (severity, NOON - dry_hours * H)


def test_a_preset_may_make_twelve_hours_hard() -> None:
    policy = Policy(inactivity_hard_window_h=12.0, inactivity_hard_volume_l=10.0)
    (finding,) = judged(home(meter(hourly([30] * 30 + [0] * 12)), policy=policy))
    assert finding.severity is Severity.HARD
    assert "limit 10 L in 12 h" in said(finding)


def test_little_use_is_hard_only_where_a_programme_says_so() -> None:
    """Nine litres in a day are less than ten, however often they run."""
    drips = home(meter(hourly([30] * 10 + [0, 0, 0, 1.5] * 6)), looked_until=NOON - 3 * H)
    assert [finding.severity for finding in judged(drips)] == [Severity.SOFT]
    (finding,) = judged(replace(drips, policy=Policy(inactivity_hard_volume_l=10.0)))
    assert finding.severity is Severity.HARD
    assert "(9 L in that time); limit 10 L in 1 d" in said(finding)


def test_what_was_hard_stays_hard_until_it_is_over() -> None:
    """24 h without use, then a little: the hard line is no longer crossed, the soft one still is."""
    uses = [30] * 10 + [0] * 25 + [4] + [0] * 3
    snapshot = home(meter(hourly(uses)), looked_until=NOON - H, ongoing={"inactivity": NOON - 29 * H}, open_kinds=TOLD)
    assert [(f.verdict, f.severity) for f in judged(snapshot)] == [(Verdict.RAISE, Severity.HARD)]


def test_a_window_may_be_short_by_the_seconds_a_meter_is_early() -> None:
    readings = hourly([30] * 10 + [0] * 12)
    early = [*readings[:-1], (NOON - timedelta(seconds=40), readings[-1][1])]
    assert judged(home(meter(early)))
    earlier = [*readings[:-1], (NOON - 6 * MIN, readings[-1][1])]
    assert not judged(home(meter(earlier)))


FIRST_USE = Policy(inactivity_first_use_by="10:00", inactivity_window_h=20.0)


def shanghai(hour: int, minute: int = 0) -> datetime:
    return datetime.fromisoformat(f"2026-03-28T{hour:02}:{minute:02}:00+08:00")


@pytest.mark.parametrize(
    ("last_use", "now", "fires"),
    [
        (shanghai(0) - 2 * H, shanghai(9), False),
        (shanghai(0) - 2 * H, shanghai(10), True),
        (shanghai(0), shanghai(10), True),
        (shanghai(1), shanghai(10), False),
        (shanghai(6), shanghai(16), False),
    ],
)
def test_no_use_since_midnight_by_a_time_of_day(last_use: datetime, now: datetime, fires: bool) -> None:
    dry = round((now - last_use) / H)
    snapshot = home(meter(hourly([30] * 8 + [0] * dry, ends=now)), now=now, policy=FIRST_USE, looked_until=now - 2 * H)
    found = judged(snapshot, now)
    assert bool(found) is fires
    if fires:
        assert said(found[0]).startswith(f"no water for {dry} h: none today by 10:00")
        assert found[0].since == last_use


def test_the_first_use_line_is_looked_at_when_the_time_comes() -> None:
    now = shanghai(7)
    snapshot = home(meter(hourly([30] * 8 + [0] * 9, ends=now), heard_at=now), now=now, policy=FIRST_USE)
    assert RULE.evaluate(snapshot, now).next_due == shanghai(10)


def away(from_at: datetime, until_at: datetime, number: int = 1) -> Absence:
    return Absence(absence_id=number, from_at=from_at, until_at=until_at, reason="travel")


def test_an_absence_suspends_and_explains() -> None:
    dry = meter(hourly([30] * 10 + [0] * 30))
    absences = (away(NOON - 40 * H, NOON + 5 * H),)
    quiet = home(dry, absences=absences)
    assert judged(quiet) == []
    assert RULE.evaluate(quiet, NOON).next_due == NOON + 5 * H
    told = home(dry, absences=absences, ongoing={"inactivity": NOON - 30 * H}, open_kinds=TOLD)
    (finding,) = judged(told)
    assert (finding.verdict, finding.reason.id) == (Verdict.CLEAR, "inactivity_away")
    assert said(finding) == "nobody is expected home until 2026-03-29 01:00"
    assert RULE.evaluate(told, NOON).ongoing_since is None


def test_after_an_absence_the_time_counts_from_its_end() -> None:
    dry = meter(hourly([30] * 10 + [0] * 60))
    assert judged(home(dry, absences=(away(NOON - 50 * H, NOON - 11 * H),))) == []
    (finding,) = judged(home(dry, absences=(away(NOON - 50 * H, NOON - 13 * H),), looked_until=NOON - 13 * H))
    assert (finding.severity, finding.since) == (Severity.SOFT, NOON - 13 * H)


def test_a_limit_that_was_raised_ends_a_case_without_speaking_of_life() -> None:
    dry = meter(hourly([30] * 20 + [0] * 13))
    told = home(dry, policy=Policy(inactivity_window_h=20.0), ongoing={"inactivity": NOON - 13 * H}, open_kinds=TOLD)
    (finding,) = judged(told)
    assert (finding.verdict, finding.reason.id) == (Verdict.CLEAR, "inactivity_line_moved")


SPANS = st.lists(st.tuples(st.integers(0, 90), st.integers(1, 30)), max_size=4)


@given(uses=st.lists(st.sampled_from([0.0, 5.0]), min_size=5, max_size=80), spans=SPANS)
def test_outside_absences_nothing_is_lost_and_nothing_inside_is_kept(
    uses: list[float], spans: list[tuple[int, int]]
) -> None:
    start = NOON - len(uses) * H
    absences = [away(start + begin * H, start + (begin + length) * H) for begin, length in spans]
    readings = hourly(uses)
    kept = outside(cover([meter(readings)]), [(each.from_at, each.until_at) for each in absences])
    instants = [at_s for segment in kept for at_s in segment.at_s]
    assert instants == sorted(set(instants))
    edges = {edge for span in joined([(each.from_at, each.until_at) for each in absences]) for edge in span}
    for at, _ in readings:
        inside = away_at(absences, at) is not None and at.timestamp() not in edges
        assert (at.timestamp() in instants) is not inside


@given(
    uses=st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.4, 1.0, 7.0]), min_size=2, max_size=60), hours=st.integers(1, 12)
)
def test_silences_as_the_definition_says(uses: list[float], hours: int) -> None:
    readings = hourly(uses)
    found = silences(cover([meter(readings)]), use_l=1.0, limit=lambda since_s: since_s + hours * 3600.0)
    expected, last, base_l = set(), readings[0][0], readings[0][1]
    for at, total_l in readings[1:]:
        if total_l - base_l >= 1.0 - 1e-9:
            last, base_l = at, total_l
        elif at - last >= hours * H:
            expected.add(at)
    fired = {at for at, _ in readings for s in found.spells if s.fired_s <= at.timestamp() <= s.until_s}
    assert fired == expected
    assert (found.lasting is not None) == (readings[-1][0] in expected)
    assert found.tail_since_s == last.timestamp()


def test_a_silence_goes_on_over_a_break_in_the_cover_until_use_is_seen() -> None:
    def segment(*points: tuple[float, float]) -> Segment:
        return Segment([at for at, _ in points], [total for _, total in points], [total for _, total in points])

    silent = segment((0, 10), (3600, 20), (7200, 20), (10_800, 20))
    limit = 2 * 3600.0
    for later, lasts in (((14_400, 0), (18_000, 0)), True), (((14_400, 0), (18_000, 5)), False):
        found = silences([silent, segment(*later)], use_l=1.0, limit=lambda since_s: since_s + limit)
        assert [(s.since_s, s.fired_s, s.until_s, s.lasts) for s in found.spells] == [(3600, 10_800, 10_800, lasts)]
        assert found.decided


def test_a_shut_valve_is_no_inactivity_and_no_calm() -> None:
    shut = replace(meter(hourly([30] * 10 + [0] * 14)), valve_shut=True)
    assert judged(home(shut)) == []
    told = home(shut, ongoing={"inactivity": NOON - 14 * H}, open_kinds=TOLD)
    assert judged(told) == []
    assert RULE.evaluate(told, NOON).ongoing_since == NOON - 14 * H
    (impairment,) = Uncovered().evaluate(home(shut), NOON).impairments
    assert sentence(impairment.reason.id, impairment.reason.values, "en") == (
        "the valve of meter meter-1 is shut: use is not judged"
    )


def test_a_coarse_register_that_has_not_moved_in_a_day_is_hard() -> None:
    coarse = meter(hourly([200] * 5 + [0] * 24))
    coarse = replace(coarse, water=replace(coarse.water, step_l=10.0))
    (finding,) = judged(home(coarse))
    assert finding.severity is Severity.HARD
