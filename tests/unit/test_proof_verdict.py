"""Whether the service does its work: each debt by its own limit, and what the operators read of it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.findings import Kind, Verdict
from alerts.wording import text_of
from anju.proof.verdict import Gap, Limits, Work, gaps
from anju.proof.worker import alarm

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
NOTHING = Work(call_since=None, look_since=None, telling_since=None, message_since=None)
LIMITS = Limits(press=timedelta(minutes=3))


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def test_nothing_owed_is_all_well() -> None:
    assert gaps(NOTHING, LIMITS, through_at=ago(seconds=59), now=NOW) == frozenset()


@pytest.mark.parametrize(
    ("owed", "gap", "limit"),
    [
        ("call_since", Gap.CALLS, LIMITS.call),
        ("look_since", Gap.LOOKS, LIMITS.look),
        ("telling_since", Gap.TELLING, LIMITS.telling),
        ("message_since", Gap.MESSAGES, LIMITS.message),
    ],
)
def test_each_debt_counts_only_past_its_limit(owed: str, gap: Gap, limit: timedelta) -> None:
    def with_debt_since(since: datetime) -> Work:
        return Work(
            **{"call_since": None, "look_since": None, "telling_since": None, "message_since": None, owed: since}
        )

    assert gaps(with_debt_since(NOW - limit), LIMITS, through_at=NOW, now=NOW) == frozenset()
    late = with_debt_since(NOW - limit - timedelta(seconds=1))
    assert gaps(late, LIMITS, through_at=NOW, now=NOW) == {gap}


def test_presses_that_do_not_come_through_count_although_nothing_is_owed() -> None:
    assert gaps(NOTHING, LIMITS, through_at=ago(minutes=3, seconds=1), now=NOW) == {Gap.PRESSES}
    assert gaps(NOTHING, Limits(press=None), through_at=ago(days=3), now=NOW) == frozenset()


@given(st.sets(st.sampled_from(Gap)))
def test_the_operators_read_every_gap_in_both_languages(found: set[Gap]) -> None:
    finding = alarm(frozenset(found), ago(minutes=5), NOW)
    assert finding.kind is Kind.PROBE_LOST
    assert finding.verdict is (Verdict.RAISE if found else Verdict.CLEAR)
    english, chinese = text_of(finding.reason, "en"), text_of(finding.reason, "zh")
    assert english.count(";") == (1 + len(found) if found else 0)
    assert chinese.count("；") == len(found)
