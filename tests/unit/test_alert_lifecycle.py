"""The life of a case, without a database: the table of moves, and verdicts against a model."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.errors import IllegalMove
from alerts.findings import Finding, Kind, Severity, Verdict
from alerts.life.case import Case, Change, Past
from alerts.life.closing import close
from alerts.life.handling import acknowledge
from alerts.life.moves import MOVES, Move, move
from alerts.life.verdicts import REARM_AFTER, judge
from alerts.messages import MessageType
from alerts.model import Outcome, State
from tests.alert_cases import NOON, dry, press

HOUR = timedelta(hours=1)
DOCS = Path(__file__).resolve().parents[2] / "docs"


def opened(finding: Finding) -> Case:
    change = judge(finding, None, Past(), NOON)
    assert change is not None
    return replace(change.case, alert_id=1)


@pytest.mark.parametrize(("state", "wanted"), [(state, wanted) for state in State for wanted in Move])
def test_every_move_is_in_the_table_or_illegal(state: State, wanted: Move) -> None:
    if (state, wanted) in MOVES:
        assert move(state, wanted) is MOVES[state, wanted]
    else:
        with pytest.raises(IllegalMove, match=f"cannot {wanted.words} an alert that is {state}"):
            move(state, wanted)


def test_a_closed_case_is_only_reopened_or_commented_on() -> None:
    closed = {wanted: after for (state, wanted), after in MOVES.items() if state is State.CLOSED}
    assert closed == {Move.COMMENT: State.CLOSED, Move.REOPEN: State.OPEN}


def test_only_three_moves_open_a_case_that_somebody_had() -> None:
    back = {wanted for (state, wanted), after in MOVES.items() if after is State.OPEN and state is not State.OPEN}
    assert back == {Move.GIVE_BACK, Move.LAPSE, Move.REOPEN}


def test_the_table_in_the_docs_is_the_table() -> None:
    page = (DOCS / "alerts.md").read_text(encoding="utf-8")
    documented = [line for line in page.splitlines() if line.startswith("| `") and line.count("|") == 4]
    assert documented == [f"| `{state}` | `{wanted}` | `{after}` |" for (state, wanted), after in MOVES.items()]


def test_closing_needs_an_outcome_that_a_person_gives() -> None:
    case = opened(press(1))
    for outcome in Outcome:
        if outcome.by_person:
            assert close(case, outcome, NOON).case.outcome is outcome
        else:
            with pytest.raises(IllegalMove):
                close(case, outcome, NOON)


def test_sign_of_life_ends_an_open_case_and_only_notes_it_in_a_taken_one() -> None:
    case = opened(dry())
    cleared = judge(dry(Verdict.CLEAR), case, Past(), NOON + HOUR)
    assert cleared is not None
    assert (cleared.case.state, cleared.case.outcome) == (State.CLOSED, Outcome.RESOLVED_BY_SIGN_OF_LIFE)
    assert cleared.tell is MessageType.CLEARED

    taken = acknowledge(case, "duty-1", NOON).case
    noted = judge(dry(Verdict.CLEAR), taken, Past(), NOON + HOUR)
    assert noted is not None
    assert (noted.case.state, noted.tell, noted.case.sign_of_life_at) == (State.ACKNOWLEDGED, None, NOON + HOUR)
    assert judge(dry(Verdict.CLEAR), noted.case, Past(), NOON + 2 * HOUR) is None
    # The same episode, reported by a look that was overtaken, is not told; a later one is.
    late = judge(dry(), noted.case, Past(), NOON + 2 * HOUR)
    assert late is None
    again = judge(dry(since=NOON + HOUR), noted.case, Past(), NOON + 14 * HOUR)
    assert again is not None
    assert (again.tell, again.case.times_raised, again.case.sign_of_life_at) == (MessageType.RAISED_AGAIN, 2, None)


class TestAfterAPersonClosed:
    case = opened(dry(since=NOON))
    closed = close(case, Outcome.FALSE_AWAY, NOON + 14 * HOUR).case

    def raised(self, since_h: float, now_h: float, closed: Case | None = None) -> Change | None:
        past = Past(closed_by_person=closed or self.closed)
        return judge(dry(since=NOON + since_h * HOUR), None, past, NOON + now_h * HOUR)

    def test_the_same_episode_is_never_raised_again(self) -> None:
        assert self.raised(0, 14.25) is None
        assert self.raised(-1, 500) is None

    def test_an_episode_that_began_later_is(self) -> None:
        assert self.raised(14.1, 27) is not None

    def test_one_that_began_before_the_closing_is_after_a_sign_of_life(self) -> None:
        assert self.raised(13.9, 25.9) is None
        noted = judge(dry(Verdict.CLEAR), None, Past(closed_by_person=self.closed), NOON + 14.1 * HOUR)
        assert noted is not None
        assert (noted.case.state, noted.tell) == (State.CLOSED, None)
        assert self.raised(13.9, 25.9, noted.case) is not None
        assert self.raised(0, 25.9, noted.case) is None

    def test_or_after_a_time(self) -> None:
        assert self.raised(13.9, 14 + REARM_AFTER / HOUR - 0.1) is None
        assert self.raised(13.9, 14 + REARM_AFTER / HOUR) is not None

    def test_a_press_always_is(self) -> None:
        past = Past(closed_by_person=close(opened(press(1)), Outcome.FALSE_FORGOT, NOON + HOUR).case)
        assert judge(press(2, since=NOON - HOUR), None, past, NOON + HOUR) is not None


verdicts = st.lists(
    st.one_of(
        st.builds(
            dry,
            st.sampled_from([Verdict.RAISE, Verdict.CLEAR, Verdict.RECORD]),
            since=st.integers(0, 5).map(lambda hours: NOON + hours * HOUR),
            severity=st.sampled_from(Severity),
            dry_s=st.integers(1, 3),
        ),
        st.builds(press, st.integers(1, 4), since=st.integers(0, 5).map(lambda hours: NOON + hours * HOUR)),
        st.sampled_from(["acknowledge", "close"]),
    ),
    max_size=25,
)


@given(verdicts)
def test_any_sequence_of_verdicts_keeps_what_must_always_hold(steps: list[Finding | str]) -> None:
    """Against a model of plain sets: what is open, which presses were told, and that repeating any step is silent."""
    for kind in (Kind.INACTIVITY, Kind.SOS):
        current: Case | None = None
        closed: Case | None = None
        sinces: set[object] = set()
        entered: set[int] = set()
        told_presses: list[int] = []
        now = NOON
        for step in steps:
            now += HOUR / 4
            if isinstance(step, str):
                if current is None:
                    continue
                try:
                    change = (
                        acknowledge(current, "duty-1", now)
                        if step == "acknowledge"
                        else close(current, Outcome.OTHER, now)
                    )
                except IllegalMove:
                    assert current.state is not State.OPEN
                    continue
            elif step.kind is kind:
                past = Past(
                    event_entered=step.event_id in entered,
                    since_known=step.since in sinces,
                    closed_by_person=closed,
                )
                made = judge(step, current, past, now)
                if step.event_id is not None:
                    assert (made is None) == (step.event_id in entered), "each press is told once"
                    entered.add(step.event_id)
                    told_presses.append(step.event_id)
                if step.verdict is Verdict.RECORD:
                    assert made is None or (made.tell is None and made.case.state is State.CLOSED)
                    sinces.add(step.since)
                    continue
                if made is None:
                    continue
                change = made
            else:
                continue
            case = change.case
            assert (case.state is State.CLOSED) == (case.closed_at is not None) == (case.outcome is not None)
            assert change.entry is not None or change.tell is None, "nothing is told that is not entered"
            if case.alert_id is None:
                assert current is None, "one open case"
                case = replace(case, alert_id=1)
            if kind is Kind.SOS:
                assert case.outcome is not Outcome.RESOLVED_BY_SIGN_OF_LIFE
            sinces.add(case.since)
            if not isinstance(step, str):
                past = Past(event_entered=step.event_id is not None, since_known=True, closed_by_person=closed)
                repeated = judge(step, case if case.state is not State.CLOSED else None, past, now)
                if case.state is not State.CLOSED or step.verdict is Verdict.CLEAR:
                    assert repeated is None or closed is not None, "repeating a step changes nothing"
            if case.state is State.CLOSED:
                closed = case if case.outcome is not None and case.outcome.by_person else closed
                current = None
            else:
                current = case
        assert set(told_presses) == entered
