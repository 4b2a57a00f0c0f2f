"""Back-test of water: the stand-in for the alerts tells what the alerts would tell."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from alerts.findings import Finding, Kind, Reason, Severity, Subject, Verdict
from alerts.life.case import Action, Case, Past
from alerts.life.verdicts import judge
from alerts.model import State
from rules.backtest.cases import Cases
from tests.unit.backtest_worlds import START, H


def finding(verdict: Verdict, severity: Severity = Severity.SOFT, since: datetime = START) -> Finding:
    return Finding(
        subject=Subject(home_id=1),
        kind=Kind.INACTIVITY,
        verdict=verdict,
        severity=severity,
        since=since,
        reason=Reason(id="sign_of_life", values={}),
        evidence={},
    )


def test_what_turns_grave_is_told_twice_and_closed_once() -> None:
    cases = Cases()
    for hour, severity in ((12, Severity.SOFT), (13, Severity.SOFT), (24, Severity.HARD), (25, Severity.HARD)):
        cases.report([finding(Verdict.RAISE, severity)], START + hour * H)
    assert [(told.severity, told.raised_at, told.cleared_at, told.first) for told in cases.told] == [
        (Severity.SOFT, START + 12 * H, None, True),
        (Severity.HARD, START + 24 * H, None, False),
    ]
    cases.report([finding(Verdict.CLEAR, since=START + 30 * H)], START + 31 * H)
    assert {(told.cleared_at, told.over_at) for told in cases.told} == {(START + 31 * H, START + 30 * H)}
    assert cases.open_kinds == frozenset()


def test_what_is_recorded_is_not_told_and_recorded_once() -> None:
    cases = Cases()
    for _ in range(2):
        cases.report([finding(Verdict.RECORD)], START + 20 * H)
    assert cases.told == []
    assert len(cases.recorded) == 1
    cases.report([finding(Verdict.RAISE, since=START + H), finding(Verdict.RECORD, since=START + H)], START + 21 * H)
    assert len(cases.recorded) == 1


def test_a_copy_goes_its_own_way() -> None:
    cases = Cases()
    cases.report([finding(Verdict.RAISE)], START)
    twin = cases.copy()
    twin.report([finding(Verdict.RAISE, Severity.HARD)], START + H)
    assert [len(each.told) for each in (cases, twin)] == [1, 2]
    twin.report([finding(Verdict.CLEAR)], START + 2 * H)
    assert cases.open_kinds == {Kind.INACTIVITY}


SAID = st.tuples(
    st.sampled_from(Verdict), st.sampled_from([Severity.SOFT, Severity.HARD]), st.integers(0, 3).map(lambda n: n * H)
)


@given(st.lists(SAID, max_size=30))
def test_the_life_of_a_case_is_that_of_the_alerts(said: list[tuple[Verdict, Severity, timedelta]]) -> None:
    cases = Cases()
    current: Case | None = None
    sinces: set[datetime] = set()
    raised, graver, recorded = [], [], 0
    told_severities: set[Severity] = set()
    for place, (verdict, severity, offset) in enumerate(said):
        now = START + (10 + place) * H
        each = finding(verdict, severity, START + offset)
        cases.report([each], now)
        known = sinces | ({current.since} if current is not None else set())
        change = judge(each, current, Past(since_known=each.since in known), now)
        if change is None:
            continue
        if change.entry is Action.RECORDED:
            recorded += 1
            sinces.add(each.since)
            continue
        if change.entry is Action.RAISED:
            raised.append(now)
            told_severities = set()
        elif change.case.severity.rank > max(told.rank for told in told_severities):
            graver.append(now)
        told_severities.add(change.case.severity)
        current = change.case
        if current.state is State.CLOSED:
            sinces.add(current.since)
            current = None
    assert [told.raised_at for told in cases.told if told.first] == raised
    assert [told.raised_at for told in cases.told if not told.first] == graver
    assert len(cases.recorded) == recorded
    assert bool(cases.open_kinds) == (current is not None)
