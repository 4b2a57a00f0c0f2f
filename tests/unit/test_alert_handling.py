"""What people do with a case, without a database: each move, and any sequence of them against what must always hold."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from alerts.errors import AlreadySo, IllegalMove
from alerts.findings import Finding, Kind, Severity, Subject, Verdict
from alerts.life import closing, handling
from alerts.life.case import Action, Case, Change, Escalation, Past
from alerts.life.cases import Place
from alerts.life.teaching import absence_offer
from alerts.life.verdicts import judge
from alerts.messages import NEWS, MessageType, priority
from alerts.model import Attending, Outcome, Reason, State
from tests.alert_cases import NOON, dry, press

HOUR = timedelta(hours=1)


def opened(finding: Finding) -> Case:
    change = judge(finding, None, Past(), NOON)
    assert change is not None
    assert change.escalation is Escalation.START
    return replace(change.case, alert_id=1)


def battery(**severity: Severity) -> Finding:
    return Finding(
        subject=Subject(home_id=1),
        kind=Kind.BATTERY_LOW,
        verdict=Verdict.RAISE,
        severity=severity.get("severity", Severity.TECHNICAL),
        since=NOON,
        reason=Reason(id="battery_low", values={}),
        evidence={},
    )


def taken(by: str = "duty-1") -> Case:
    return handling.acknowledge(opened(press(1)), by, NOON).case


def pressed_again(case: Case, event_id: int = 2) -> Change:
    change = judge(press(event_id), case, Past(), NOON + HOUR)
    assert change is not None
    return change


class TestAcknowledging:
    def test_says_who_has_it_and_ends_the_telling(self) -> None:
        change = handling.acknowledge(opened(press(1)), "duty-1", NOON)
        assert (
            change.case.state,
            change.case.acknowledged_by,
            change.case.assigned_to,
            change.case.acknowledged_at,
        ) == (
            State.ACKNOWLEDGED,
            "duty-1",
            "duty-1",
            NOON,
        )
        assert (change.tell, change.escalation) == (MessageType.ACKNOWLEDGED, Escalation.AWAIT)

    def test_twice_by_one_changes_nothing_and_is_refused_to_another(self) -> None:
        with pytest.raises(AlreadySo, match="duty-1 has this alert already"):
            handling.acknowledge(taken(), "duty-1", NOON + HOUR)
        with pytest.raises(IllegalMove, match="is acknowledged: duty-1 has it") as refused:
            handling.acknowledge(taken(), "duty-2", NOON + HOUR)
        assert not isinstance(refused.value, AlreadySo)

    @pytest.mark.parametrize("who", ["duty-1", "duty-2"])
    def test_a_further_call_is_acknowledged_anew_by_whoever(self, who: str) -> None:
        change = pressed_again(taken())
        assert (change.case.state, change.tell, change.escalation) == (
            State.ACKNOWLEDGED,
            MessageType.RAISED_AGAIN,
            Escalation.START,
        )
        again = handling.acknowledge(change.case, who, NOON + HOUR, telling=True)
        assert (again.case.acknowledged_by, again.case.acknowledged_at) == (who, NOON + HOUR)
        assert again.escalation is Escalation.AWAIT

    def test_by_another_while_one_is_on_the_way_leaves_it_to_the_one_who_goes(self) -> None:
        going = handling.on_the_way(taken(), "duty-1", NOON + HOUR).case
        again = handling.acknowledge(pressed_again(going).case, "duty-2", NOON + 2 * HOUR, telling=True)
        assert (again.case.state, again.case.assigned_to, again.case.acknowledged_by) == (
            State.ATTENDING,
            "duty-1",
            "duty-1",
        )
        assert again.escalation is Escalation.AWAIT


class TestAttending:
    def test_on_the_way_and_on_the_scene(self) -> None:
        going = handling.on_the_way(taken(), "duty-1", NOON + HOUR)
        assert (going.case.state, going.case.attending, going.case.on_the_way_at) == (
            State.ATTENDING,
            Attending.ON_THE_WAY,
            NOON + HOUR,
        )
        assert (going.tell, going.escalation, going.entry) == (
            MessageType.ATTENDING,
            Escalation.AWAIT,
            Action.ON_THE_WAY,
        )
        there = handling.on_scene(going.case, "duty-1", NOON + 2 * HOUR)
        assert (there.case.attending, there.case.on_the_way_at, there.case.on_scene_at) == (
            Attending.ON_SCENE,
            NOON + HOUR,
            NOON + 2 * HOUR,
        )
        assert there.tell is MessageType.ATTENDING

    @pytest.mark.parametrize("how", [handling.on_the_way, handling.on_scene])
    def test_straight_from_open_takes_it(self, how: Callable[[Case, str, datetime], Change]) -> None:
        case = how(opened(press(1)), "duty-2", NOON).case
        assert (case.state, case.acknowledged_by, case.acknowledged_at, case.assigned_to) == (
            State.ATTENDING,
            "duty-2",
            NOON,
            "duty-2",
        )

    def test_again_changes_nothing(self) -> None:
        going = handling.on_the_way(taken(), "duty-1", NOON).case
        with pytest.raises(AlreadySo):
            handling.on_the_way(going, "duty-1", NOON + HOUR)
        there = handling.on_scene(going, "duty-1", NOON).case
        for how in (handling.on_the_way, handling.on_scene):
            with pytest.raises(AlreadySo):
                how(there, "duty-1", NOON + HOUR)

    def test_a_second_one_who_goes_is_only_entered(self) -> None:
        going = handling.on_the_way(taken(), "duty-1", NOON).case
        assert handling.on_the_way(going, "duty-2", NOON + HOUR) == Change(case=going, entry=Action.ON_THE_WAY)

    def test_whoever_is_there_first_has_it(self) -> None:
        going = handling.on_the_way(taken(), "duty-1", NOON).case
        there = handling.on_scene(going, "duty-2", NOON + HOUR).case
        assert (there.assigned_to, there.acknowledged_by) == ("duty-2", "duty-1")
        assert handling.on_scene(there, "duty-1", NOON + 2 * HOUR) == Change(case=there, entry=Action.ON_SCENE)

    def test_a_call_meanwhile_is_answered_by_going_on(self) -> None:
        going = handling.on_the_way(taken(), "duty-1", NOON).case
        answered = handling.on_the_way(pressed_again(going).case, "duty-1", NOON + HOUR, telling=True)
        assert (answered.escalation, answered.case.on_the_way_at) == (Escalation.AWAIT, NOON)


class TestDeclining:
    def test_an_open_case_stays_open_and_the_next_step_follows_at_once(self) -> None:
        case = opened(press(1))
        assert handling.decline(case, "duty-1") == Change(case=case, entry=Action.DECLINED, escalation=Escalation.HURRY)

    def test_saying_so_twice_hurries_once(self) -> None:
        with pytest.raises(AlreadySo):
            handling.decline(opened(press(1)), "duty-1", already=True)

    @pytest.mark.parametrize("going", [False, True])
    def test_who_has_it_gives_it_back_and_the_telling_begins_anew(self, going: bool) -> None:
        case = handling.on_the_way(taken(), "duty-1", NOON).case if going else taken()
        change = handling.decline(case, "duty-1", already=True)
        assert change.case == replace(opened(press(1)))
        assert (change.entry, change.escalation, change.detail) == (
            Action.GIVEN_BACK,
            Escalation.START,
            {"had": "duty-1"},
        )

    def test_another_ones_no_is_only_entered_while_somebody_has_it(self) -> None:
        assert handling.decline(taken(), "duty-2") == Change(case=taken(), entry=Action.DECLINED)
        assert handling.decline(taken(), "duty-2", telling=True).escalation is Escalation.HURRY

    def test_who_was_only_named_is_so_no_longer(self) -> None:
        named = handling.assign(opened(press(1)), "duty-2").case
        change = handling.decline(named, "duty-2")
        assert (change.case.assigned_to, change.case.state, change.escalation) == (
            None,
            State.OPEN,
            Escalation.HURRY,
        )


class TestLapsing:
    @pytest.mark.parametrize("going", [False, True])
    def test_opens_it_and_says_who_had_it(self, going: bool) -> None:
        case = handling.on_the_way(taken(), "duty-1", NOON).case if going else taken()
        change = handling.lapse(case)
        assert change.case == opened(press(1))
        assert (change.tell, change.escalation, change.detail) == (
            MessageType.LAPSED,
            Escalation.START,
            {"had": "duty-1"},
        )

    def test_not_while_somebody_is_there_nor_of_what_nobody_has(self) -> None:
        with pytest.raises(IllegalMove, match="on the scene"):
            handling.lapse(handling.on_scene(taken(), "duty-1", NOON).case)
        with pytest.raises(IllegalMove, match="cannot lapse an alert that is open"):
            handling.lapse(opened(press(1)))


class TestAssigning:
    def test_names_somebody_and_leaves_state_and_telling(self) -> None:
        change = handling.assign(opened(press(1)), "duty-2")
        assert (change.case.state, change.case.assigned_to, change.escalation) == (State.OPEN, "duty-2", None)
        with pytest.raises(AlreadySo):
            handling.assign(change.case, "duty-2")

    def test_handing_over_is_accepted_by_acknowledging_or_given_back(self) -> None:
        handed = handling.assign(taken("duty-1"), "duty-2")
        assert handed.detail == {"to": "duty-2", "from": "duty-1"}
        accepted = handling.acknowledge(handed.case, "duty-2", NOON + HOUR).case
        assert (accepted.acknowledged_by, accepted.assigned_to, accepted.acknowledged_at) == (
            "duty-2",
            "duty-2",
            NOON + HOUR,
        )
        with pytest.raises(IllegalMove, match="duty-2 has it"):
            handling.acknowledge(handed.case, "duty-1", NOON + HOUR)
        assert handling.decline(handed.case, "duty-1").escalation is None
        assert handling.decline(handed.case, "duty-2").escalation is Escalation.START

    def test_whoever_takes_it_first_has_it_whoever_was_named(self) -> None:
        named = handling.assign(opened(press(1)), "duty-2").case
        assert handling.acknowledge(named, "duty-3", NOON).case.assigned_to == "duty-3"


class TestMuting:
    @pytest.mark.parametrize("severity", [severity for severity in Severity if severity is not Severity.TECHNICAL])
    def test_only_what_is_technical(self, severity: Severity) -> None:
        with pytest.raises(IllegalMove, match=f"cannot mute an alert that is {severity}"):
            handling.mute(opened(battery(severity=severity)), NOON + HOUR, NOON)

    def test_holds_the_telling_back_and_begins_it_anew(self) -> None:
        change = handling.mute(opened(battery()), NOON + HOUR, NOON)
        assert (change.case.muted(NOON), change.case.muted(NOON + HOUR), change.escalation) == (
            True,
            False,
            Escalation.HOLD,
        )
        with pytest.raises(AlreadySo):
            handling.mute(change.case, NOON + HOUR, NOON)
        loud = handling.unmute(change.case, NOON)
        assert (loud.case.muted_until, loud.escalation) == (None, Escalation.START)
        for case in (loud.case, change.case):
            with pytest.raises(AlreadySo):
                handling.unmute(case, NOON + HOUR)

    @pytest.mark.parametrize("until", [NOON, NOON - HOUR, NOON + handling.LONGEST_MUTE + HOUR])
    def test_not_into_the_past_nor_for_ever(self, until: datetime) -> None:
        with pytest.raises(IllegalMove):
            handling.mute(opened(battery()), until, NOON)

    def test_ends_when_it_gets_worse(self) -> None:
        muted = handling.mute(opened(battery()), NOON + HOUR, NOON).case
        worse = judge(battery(severity=Severity.HARD), muted, Past(), NOON)
        assert worse is not None
        assert (worse.case.muted_until, worse.escalation) == (None, Escalation.START)
        same = judge(replace(battery(), since=NOON - HOUR), muted, Past(), NOON)
        assert same is not None
        assert (same.case.muted_until, same.escalation) == (NOON + HOUR, None)


class TestReopening:
    closed = closing.close(handling.on_scene(taken(), "duty-1", NOON).case, Outcome.FALSE_TEST, NOON).case

    def test_stands_open_with_nobody_and_is_told_from_the_beginning(self) -> None:
        change = closing.reopen(self.closed, NOON + closing.REOPEN_WITHIN)
        assert change.case == opened(press(1))
        assert (change.tell, change.escalation, change.detail) == (
            MessageType.REOPENED,
            Escalation.START,
            {"outcome_was": "false_test"},
        )

    def test_not_too_late_not_beside_a_newer_one_not_what_is_open(self) -> None:
        with pytest.raises(IllegalMove, match="more than 24 h ago"):
            closing.reopen(self.closed, NOON + closing.REOPEN_WITHIN + HOUR)
        with pytest.raises(IllegalMove, match="number 7"):
            closing.reopen(self.closed, NOON, newer=7)
        with pytest.raises(IllegalMove, match="cannot reopen an alert that is open"):
            closing.reopen(opened(press(1)), NOON)

    @pytest.mark.parametrize("outcome", [Outcome.RECORDED, Outcome.PROBE])
    def test_not_what_nobody_was_told_of(self, outcome: Outcome) -> None:
        with pytest.raises(IllegalMove, match="nobody was ever told"):
            closing.reopen(replace(self.closed, outcome=outcome), NOON)

    def test_what_the_service_ended_may_be_reopened(self) -> None:
        ended = judge(dry(Verdict.CLEAR), opened(dry()), Past(), NOON)
        assert ended is not None
        assert ended.escalation is Escalation.STOP
        assert closing.reopen(ended.case, NOON + HOUR).case.state is State.OPEN


class TestTeaching:
    place = Place(subject=Subject(home_id=1), home="Door 1", area_id=1, area="City/Lane")

    @pytest.mark.parametrize(
        ("outcome", "reason"),
        [
            (Outcome.FALSE_AWAY, "other"),
            (Outcome.FALSE_AT_FAMILY, "family"),
            (Outcome.FALSE_HOSPITAL, "hospital"),
            *(
                (outcome, None)
                for outcome in Outcome
                if "away" not in outcome and outcome not in ("false_at_family", "false_hospital")
            ),
        ],
    )
    def test_an_absence_is_offered_where_the_outcome_speaks_of_one(self, outcome: Outcome, reason: str | None) -> None:
        offer = absence_offer(opened(dry()), self.place, outcome, NOON + 13 * HOUR)
        assert (None if offer is None else offer.reason) == reason
        if offer is not None:
            assert (offer.home_id, offer.home, offer.area, offer.from_at) == (1, "Door 1", "City/Lane", NOON)
            assert offer.until_at > NOON + 13 * HOUR

    def test_a_call_says_nothing_of_the_time_before_it(self) -> None:
        offer = absence_offer(opened(press(1)), self.place, Outcome.FALSE_HOSPITAL, NOON + HOUR)
        assert offer is not None
        assert offer.from_at == NOON + HOUR

    def test_what_is_about_no_home_offers_none(self) -> None:
        nowhere = Place(subject=Subject(device_name="btn-9"), home=None, area_id=None, area=None)
        assert absence_offer(opened(press(1)), nowhere, Outcome.FALSE_AWAY, NOON) is None

    def test_a_leak_opens_a_case_that_a_rule_does_not_end(self) -> None:
        change = closing.hand_on(None, 1, 17, NOON)
        assert (change.case.kind, change.case.severity, change.tell, change.escalation) == (
            Kind.LEAK,
            Severity.SOFT,
            MessageType.RAISED,
            Escalation.START,
        )
        leak = replace(change.case, alert_id=18)
        rested = replace(dry(Verdict.CLEAR), kind=Kind.LEAK)
        assert judge(rested, leak, Past(), NOON + HOUR) is None
        assert closing.hand_on(leak, 1, 19, NOON).case == leak
        # Once a rule sees it too, it is the rule's as well.
        seen = judge(replace(dry(), kind=Kind.LEAK, severity=Severity.SOFT), leak, Past(), NOON + HOUR)
        assert seen is not None
        over = judge(rested, seen.case, Past(), NOON + 2 * HOUR)
        assert over is not None
        assert over.tell is MessageType.CLEARED


@pytest.mark.parametrize("message", MessageType)
@pytest.mark.parametrize("severity", Severity)
def test_news_never_overtake_a_call(message: MessageType, severity: Severity) -> None:
    assert priority(message, severity) == (4 if message in NEWS else 3 - severity.rank)


ACTORS = st.sampled_from(["duty-1", "duty-2", "duty-3"])


class OneCase(RuleBasedStateMachine):
    """Any sequence of what people, rules and the escalation may do, with a telling kept as the database keeps it."""

    @initialize(technical=st.booleans())
    def raised(self, technical: bool) -> None:
        self.now = NOON
        self.case = opened(battery() if technical else press(1))
        self.telling = True
        self.over = False
        self.events = 1
        self.technical = technical

    def do(self, make: Callable[[], Change | None]) -> None:
        self.now += timedelta(minutes=7)
        before = self.case
        try:
            change = make()
        except IllegalMove:
            assert self.case == before
            return
        if change is None:
            return
        assert change.entry is not None or change.tell is None, "nothing is told that is not entered"
        match change.escalation:
            case Escalation.START | Escalation.HOLD:
                self.telling, self.over = True, False
            case Escalation.AWAIT:
                self.telling = False
            case Escalation.STOP:
                self.telling, self.over = False, True
            case Escalation.HURRY:
                assert self.telling, "only a telling that goes on is hurried"
            case None:
                assert change.case.state is before.state, "who moves a case says what becomes of the telling"
        self.case = change.case

    @rule()
    def call(self) -> None:
        self.events += 1
        if self.case.state is not State.CLOSED and not self.technical:
            self.do(lambda: judge(press(self.events), self.case, Past(), self.now))
            assert self.telling, "a further call is told in every state"

    @rule(severity=st.sampled_from(Severity))
    def look(self, severity: Severity) -> None:
        if self.technical and self.case.state is not State.CLOSED:
            self.do(lambda: judge(battery(severity=severity), self.case, Past(), self.now))

    @rule()
    def rule_sees_life(self) -> None:
        if self.case.state is not State.CLOSED:
            finding = replace(battery() if self.technical else press(1), verdict=Verdict.CLEAR, event_id=None)
            self.do(lambda: judge(finding, self.case, Past(), self.now))
            assert self.technical or not self.over, "a call never clears"

    @rule(actor=ACTORS)
    def acknowledge(self, actor: str) -> None:
        self.do(lambda: handling.acknowledge(self.case, actor, self.now, telling=self.telling))

    @rule(actor=ACTORS)
    def on_the_way(self, actor: str) -> None:
        self.do(lambda: handling.on_the_way(self.case, actor, self.now, telling=self.telling))

    @rule(actor=ACTORS)
    def on_scene(self, actor: str) -> None:
        self.do(lambda: handling.on_scene(self.case, actor, self.now, telling=self.telling))

    @rule(actor=ACTORS, already=st.booleans())
    def decline(self, actor: str, already: bool) -> None:
        had = self.case.assigned_to
        self.do(lambda: handling.decline(self.case, actor, telling=self.telling, already=already))
        assert had is None or self.case.state is State.CLOSED or self.case.assigned_to in (None, had)

    @rule()
    def lapse(self) -> None:
        self.do(lambda: handling.lapse(self.case))

    @rule(to=ACTORS)
    def assign(self, to: str) -> None:
        self.do(lambda: handling.assign(self.case, to))

    @rule(hours=st.integers(-2, 1_000))
    def mute(self, hours: int) -> None:
        self.do(lambda: handling.mute(self.case, NOON + hours * HOUR, self.now))

    @rule()
    def unmute(self) -> None:
        self.do(lambda: handling.unmute(self.case, self.now))

    @rule(outcome=st.sampled_from(Outcome))
    def close(self, outcome: Outcome) -> None:
        self.do(lambda: closing.close(self.case, outcome, self.now))

    @rule(hours=st.integers(0, 30))
    def reopen(self, hours: int) -> None:
        self.now += hours * HOUR
        self.do(lambda: closing.reopen(self.case, self.now))

    @invariant()
    def holds(self) -> None:
        case = self.case
        open_, closed = case.state is State.OPEN, case.state is State.CLOSED
        assert closed == (case.closed_at is not None) == (case.outcome is not None) == self.over
        if open_:
            assert self.telling, "what nobody has is told until somebody has it"
            assert (case.acknowledged_by, case.acknowledged_at, case.on_the_way_at, case.on_scene_at) == (None,) * 4
        if case.state in (State.ACKNOWLEDGED, State.ATTENDING):
            assert None not in (case.acknowledged_by, case.acknowledged_at, case.assigned_to)
        if case.state is State.ATTENDING:
            assert case.attending is not None
        if case.state is State.ACKNOWLEDGED:
            assert case.attending is None
        if case.severity is not Severity.TECHNICAL:
            assert not case.muted(self.now), "only what is technical is ever muted"


TestOneCase = OneCase.TestCase
