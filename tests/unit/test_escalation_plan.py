"""Who is told, when, and what follows: single cases, and what holds of every telling."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import repeat
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.escalation.composing import AGAIN_AFTER
from alerts.escalation.model import Action, Circle, Due, Load, Phase, Row, Told, Waiting
from alerts.escalation.plan import plan
from alerts.escalation.policy import Ladder, Step, Tell
from alerts.escalation.reach import contacts_in_turn, reach
from alerts.escalation.timetable import period, timetable
from alerts.messages import MessageType
from alerts.model import Kind, Severity, State
from registry.people import Relation
from tests.unit.escalation_worlds import (
    LANE,
    START,
    STREET,
    circle,
    due,
    follow,
    ladder,
    person,
    played,
    usual,
)

S = timedelta(seconds=1)


def who(done: object) -> list[tuple[str, str]]:
    return [
        (message.person.key if message.person else "desk", message.channel)
        for message in done.messages  # type: ignore[attr-defined]
    ]


def staffed(**more: object) -> Circle:
    people = [person(n, "sms", "webhook", "voice") for n in (1, 2, 3)]
    on_duty = {(LANE, "duty"): ["p-1"], (LANE, "backup"): ["p-2"], (STREET, "supervisor"): ["p-3"]}
    contacts = [(person(4), Relation.FAMILY), (person(5), Relation.NEIGHBOUR), (person(6), Relation.RESIDENT)]
    return circle(people=people, on_duty=on_duty, contacts=contacts, **more)  # type: ignore[arg-type]


def test_an_sos_climbs_its_ladder_until_somebody_takes_it() -> None:
    steps = played(due(), staffed(), until=timedelta(minutes=16))
    told = [((now - START).total_seconds(), who(done)) for now, _, done in steps]
    assert told == [
        (0, [("p-1", "sms"), ("p-1", "webhook")]),
        (60, [("p-1", "voice"), ("p-2", "sms"), ("p-2", "webhook")]),
        (180, [("p-3", "voice")]),
        (300, [("p-4", "sms")]),
        (360, [("p-5", "sms")]),
        (960, [("p-1", "sms"), ("p-1", "webhook")]),
    ]
    assert [done.messages[0].type for _, _, done in steps] == [MessageType.RAISED, *repeat(MessageType.ESCALATED, 5)]
    assert [done.messages[0].audience for _, _, done in steps] == [
        "staff", "staff", "staff", "contact", "contact", "staff"
    ]  # fmt: skip
    assert {message.priority for _, _, done in steps for message in done.messages} == {0}
    assert all(message.not_before == now for now, _, done in steps for message in done.messages)


def test_nobody_on_duty_falls_up_the_tree_and_says_so() -> None:
    people = [person(1), person(2)]
    on_duty = {(LANE, "duty"): [], (STREET, "duty"): ["p-2"], (None, "duty"): ["p-1"]}
    done = plan(due(), circle(people=people, on_duty=on_duty), {}, START)
    assert who(done) == [("p-2", "sms")]
    assert done.messages[0].instead_of is None
    assert done.entry is not None
    assert done.entry.detail["fell_upward"] == [
        {"wanted": "duty", "told": "duty", "at": "City/Street", "because": "nobody_on_duty"}
    ]


def test_a_roster_of_the_area_above_is_the_usual_one_where_the_area_has_none() -> None:
    done = plan(due(), circle(people=[person(1)], on_duty={(STREET, "duty"): ["p-1"]}), {}, START)
    assert done.entry is not None
    assert "fell_upward" not in done.entry.detail


def test_nobody_of_the_role_anywhere_falls_to_the_next_role() -> None:
    people = [person(1, "chat"), person(3)]
    on_duty = {(LANE, "duty"): ["p-1"], (None, "supervisor"): ["p-3"]}
    done = plan(due(), circle(people=people, on_duty=on_duty, channels=frozenset({"sms"})), {}, START)
    assert who(done) == [("p-3", "sms")]
    assert done.messages[0].instead_of == "duty"
    assert done.entry is not None
    assert done.entry.detail["fell_upward"] == [
        {"wanted": "duty", "told": "supervisor", "at": "site", "because": "no_address"}
    ]


def test_a_person_without_the_wanted_channel_is_told_by_another() -> None:
    done = plan(due(), circle(people=[person(1, "voice")], on_duty={(LANE, "duty"): ["p-1"]}), {}, START)
    assert who(done) == [("p-1", "voice")]


def test_without_staff_those_around_the_home_are_told_of_a_call_for_help() -> None:
    contacts = [(person(4), Relation.FAMILY), (person(6), Relation.RESIDENT)]
    done = plan(due(), circle(contacts=contacts, on_duty={(LANE, "duty"): []}), {}, START)
    assert who(done) == [("p-4", "sms")]
    assert (done.messages[0].instead_of, done.messages[0].audience) == ("duty", "contact")


def test_nobody_at_all_is_entered_once_and_tried_each_minute_and_the_desk_hears_of_it() -> None:
    around = circle(people=[person(1)], on_duty={(LANE, "duty"): []}, channels=frozenset({"webhook"}))
    steps = played(due(), around, until=timedelta(minutes=3))
    assert [now for now, _, _ in steps] == [START + n * 60 * S for n in range(4)]
    assert all(done.nobody for _, _, done in steps)
    assert [done.entry and done.entry.action for _, _, done in steps] == [Action.NOBODY, None, None, None]
    assert [who(done) for _, _, done in steps] == [[("desk", "webhook")], [], [], []]
    # As soon as there is somebody, they hear it as the first.
    now, at, done = steps[-1]
    found = plan(follow(at, done, now), staffed(), {}, now + 60 * S)
    assert who(found)[:2] == [("p-1", "sms"), ("p-1", "webhook")]
    assert {message.type for message in found.messages} == {MessageType.RAISED}


def test_a_site_without_rosters_has_a_desk_that_heard_it_with_the_change() -> None:
    steps = played(due(), circle(staffed=False), until=timedelta(minutes=16))
    assert [(now - START, done.entry is None, who(done)) for now, _, done in steps] == [
        (0 * S, True, []),
        (60 * S, True, []),
        (180 * S, True, []),
        (300 * S, True, []),
        (900 * S, False, [("desk", "webhook")]),
        (960 * S, False, [("desk", "webhook")]),
    ]


def test_soft_asks_first_and_goes_to_the_duty_worker_at_once_where_nobody_can_be_asked() -> None:
    soft = due(kind=Kind.INACTIVITY, severity=Severity.SOFT)
    rungs = usual(Kind.INACTIVITY, Severity.SOFT)
    asked = played(soft, staffed(rungs=rungs), until=timedelta(minutes=15))
    assert [(now - START, who(done), done.messages[0].type) for now, _, done in asked] == [
        (0 * S, [("p-6", "sms")], MessageType.ASK),
        (900 * S, [("p-1", "sms")], MessageType.ESCALATED),
    ]
    assert asked[0][2].messages[0].audience == "resident"
    alone = circle(rungs=rungs, people=[person(1)], on_duty={(LANE, "duty"): ["p-1"]})
    (at_once, *_) = played(soft, alone, until=timedelta(minutes=15))
    assert who(at_once[2]) == [("p-1", "sms")]
    assert at_once[2].messages[0].type is MessageType.RAISED


def test_after_an_outage_what_was_missed_is_made_up_for_in_one_go() -> None:
    late = plan(due(), staffed(), {}, START + timedelta(minutes=4))
    assert late.entry is not None
    assert late.entry.detail["steps"] == [0, 100, 200]
    assert [key for key, _ in who(late)] == ["p-1", "p-1", "p-1", "p-2", "p-2", "p-3"]
    assert late.row.due_at == START + 300 * S
    hours = plan(due(), staffed(), {}, START + timedelta(hours=5))
    assert hours.row.round == 5 * 3600 // 960 + 1
    assert START + timedelta(hours=5) < hours.row.due_at <= START + timedelta(hours=5, seconds=960)


def test_hurried_the_next_step_comes_now_and_the_rest_at_its_time() -> None:
    row = Row(phase=Phase.TELLING, due_at=START + 10 * S, run=1, started_at=START, step=100)
    done = plan(due(row=row), staffed(), {}, START + 10 * S)
    assert [key for key, _ in who(done)] == ["p-1", "p-2", "p-2"]
    assert done.row.due_at == START + 180 * S


def again(now_s: int, **more: object) -> Row:
    return Row(phase=Phase.TELLING, due_at=START + now_s * S, run=2, started_at=START + now_s * S)


def test_pressed_again_within_the_minute_is_held_and_later_is_told_at_once() -> None:
    told = {1: Told(run=1, at=START)}
    pressed = replace(due(row=again(20)), told=told, why=MessageType.RAISED_AGAIN)
    done = plan(pressed, staffed(), {}, START + 20 * S)
    assert {message.not_before for message in done.messages} == {START + AGAIN_AFTER}
    assert {message.type for message in done.messages} == {MessageType.RAISED_AGAIN}
    pressed = replace(due(row=again(70)), told=told)
    done = plan(pressed, staffed(), {}, START + 70 * S)
    assert {message.not_before for message in done.messages} == {START + 70 * S}


def test_a_message_that_nobody_has_seen_becomes_the_new_one_and_one_tried_is_withdrawn() -> None:
    unseen, tried = uuid4(), uuid4()

    def sms(notification_id: UUID, to: int, *, call: bool = True, attempts: int = 0, at: datetime = START) -> Waiting:
        return Waiting(
            notification_id=notification_id,
            channel="sms",
            recipient=f"sms-{to}",
            call=call,
            attempts=attempts,
            next_attempt_at=at,
        )

    waiting = [
        sms(tried, 1, attempts=3),
        sms(unseen, 1, at=START + 60 * S),
        sms(uuid4(), 1, call=False),
        sms(uuid4(), 2),
    ]
    pressed = replace(due(row=again(40)), waiting=waiting, told={1: Told(run=1, at=START + 60 * S)})
    done = plan(pressed, staffed(), {}, START + 40 * S)
    (found,) = (message for message in done.messages if message.channel == "sms")
    assert (found.replaces, found.withdraws, found.not_before) == (unseen, (tried,), START + 60 * S)


def test_in_a_storm_only_what_is_not_urgent_waits_for_others() -> None:
    hard = due(kind=Kind.INACTIVITY, severity=Severity.HARD)
    rungs = usual(Kind.INACTIVITY, Severity.HARD)
    around = circle(rungs=rungs, people=[person(1)], on_duty={(LANE, "duty"): ["p-1"]})
    just_now = {1: Load(last_at=START - 10 * S)}
    held = {1: Load(last_at=START - 10 * S, held_until=START + 30 * S, waiting=2)}
    many = {1: Load(last_at=START - 300 * S, waiting=6)}
    for loads, at in ((just_now, 50), (held, 30), (many, 60), ({}, 0), ({1: Load(last_at=START - 90 * S)}, 0)):
        assert plan(hard, around, loads, START).messages[0].not_before == START + at * S
        assert plan(due(), staffed(), loads, START).messages[0].not_before == START


def test_digest_goes_at_its_time_of_day_where_the_home_is() -> None:
    battery = due(kind=Kind.BATTERY_LOW, severity=Severity.TECHNICAL)
    rungs = usual(Kind.BATTERY_LOW, Severity.TECHNICAL)
    around = circle(rungs=rungs, people=[person(1)], on_duty={(None, "operator"): ["p-1"]})
    (message,) = plan(battery, around, {}, START).messages
    # START is 20:00 in Shanghai.
    assert message.not_before == START + timedelta(hours=13)
    assert message.give_up_at > message.not_before


def test_muted_nobody_is_told_before_and_a_call_for_help_cannot_be() -> None:
    until = START + timedelta(hours=2)
    battery = due(kind=Kind.BATTERY_LOW, severity=Severity.TECHNICAL, muted_until=until)
    done = plan(battery, staffed(), {}, START)
    assert (done.messages, done.entry, done.row.due_at) == ((), None, until)
    assert plan(due(muted_until=until), staffed(), {}, START).messages


# ---------------------------------------------------------------------------------------------- somebody has it


def awaiting(**more: object) -> Row:
    return Row(phase=Phase.AWAITING, due_at=START + 20 * S, run=1, started_at=START, round=1, step=200)


def test_acknowledged_and_not_followed_up_is_reminded_then_lapses() -> None:
    taken = due(state=State.ACKNOWLEDGED, row=awaiting(), acknowledged_at=START + 20 * S, holders=["p-2"])
    steps = played(taken, staffed(), until=timedelta(minutes=10, seconds=30))
    assert [((now - START).total_seconds(), who(done), done.lapses) for now, _, done in steps] == [
        (20, [], False),
        (320, [("p-2", "sms")], False),
        (620, [("p-2", "sms")], False),
    ]
    assert [done.row.due_at for _, _, done in steps][-1] == START + 920 * S
    assert steps[1][2].messages[0].type is MessageType.FOLLOW_UP
    now, at, done = steps[-1]
    assert plan(follow(at, done, now), staffed(), {}, START + 920 * S).lapses


def test_whoever_acknowledged_without_an_address_is_reminded_by_way_of_the_duty_worker() -> None:
    taken = due(state=State.ACKNOWLEDGED, row=awaiting(), acknowledged_at=START, holders=["an account"])
    done = plan(taken, staffed(), {}, START + 300 * S)
    assert who(done) == [("p-1", "sms")]


def test_on_the_way_has_its_own_times_and_on_the_scene_never_lapses() -> None:
    under_way = due(state=State.ATTENDING, row=awaiting(), acknowledged_at=START, on_the_way_at=START + 60 * S)
    first = plan(under_way, staffed(), {}, START + 61 * S)
    assert (first.messages, first.row.due_at) == ((), START + (60 + 1800) * S)
    assert plan(under_way, staffed(), {}, START + 3660 * S).lapses
    there = due(state=State.ATTENDING, row=awaiting(), acknowledged_at=START, on_scene_at=START + 90 * S)
    assert not plan(there, staffed(), {}, START + timedelta(days=9)).lapses


def test_a_press_while_somebody_has_it_is_told_all_the_same() -> None:
    row = Row(phase=Phase.TELLING, due_at=START + 90 * S, run=2, started_at=START + 90 * S)
    done = plan(due(state=State.ACKNOWLEDGED, row=row, acknowledged_at=START), staffed(), {}, START + 90 * S)
    assert [key for key, _ in who(done)] == ["p-1", "p-1"]


# ---------------------------------------------------------------------------------------------- of every telling


def test_who_cannot_is_left_out_of_what_follows() -> None:
    steps = played(due(declined=["p-1", "p-4"]), staffed(), until=timedelta(minutes=16))
    told = [((now - START).total_seconds(), who(done)) for now, _, done in steps]
    assert told == [
        (0, [("p-2", "sms"), ("p-2", "webhook")]),
        (60, [("p-2", "voice"), ("p-2", "sms"), ("p-2", "webhook")]),
        (180, [("p-3", "voice")]),
        (300, []),
        (360, [("p-5", "sms")]),
        (960, [("p-2", "sms"), ("p-2", "webhook")]),
    ]
    first = steps[0][2]
    assert first.entry is not None
    assert first.entry.detail["fell_upward"] == [
        {"wanted": "duty", "told": "backup", "at": "City/Street/Lane", "because": "declined"}
    ]
    assert {message.instead_of for message in first.messages} == {"duty"}


def test_the_others_on_duty_are_told_as_ever_and_the_next_in_order_takes_the_place() -> None:
    three = circle(people=[person(n) for n in (1, 2, 3)], on_duty={(LANE, "duty"): ["p-1", "p-2", "p-3"]})
    done = plan(due(declined=["p-1"]), three, {}, START)
    assert who(done) == [("p-2", "sms"), ("p-3", "sms")]
    assert done.entry is not None
    assert "fell_upward" not in done.entry.detail
    one = ladder(
        '[[ladder]]\nname = "x"\nrepeat_s = 600\n[[ladder.step]]\nafter_s = 0\ntell = [{ who = "duty", at_most = 1 }]'
    )
    assert who(plan(due(declined=["p-1"]), replace(three, ladder=one), {}, START)) == [("p-2", "sms")]


def test_who_cannot_is_told_again_before_nobody_is() -> None:
    alone = circle(people=[person(1)], on_duty={(LANE, "duty"): ["p-1"]})
    done = plan(due(declined=["p-1"]), alone, {}, START)
    assert (who(done), done.nobody) == ([("p-1", "sms")], False)
    assert done.entry is not None
    assert "fell_upward" not in done.entry.detail
    # Of a call for help those around the home are left to tell.
    neighbour = replace(alone, contacts=staffed().contacts)
    assert {key for key, _ in who(plan(due(declined=["p-1"]), neighbour, {}, START))} == {"p-4", "p-5"}


def test_a_person_named_by_the_ladder_who_cannot_is_stood_in_for() -> None:
    named = ladder(
        '[[ladder]]\nname = "x"\nrepeat_s = 600\n[[ladder.step]]\nafter_s = 0\ntell = [{ who = "person:p-1" }]'
    )
    done = plan(due(declined=["p-1"]), staffed(rungs=named), {}, START)
    assert {key for key, _ in who(done)} == {"p-2"}
    assert done.entry is not None
    assert done.entry.detail["fell_upward"] == [
        {"wanted": "person:p-1", "told": "backup", "at": "City/Street/Lane", "because": "declined"}
    ]


def test_of_a_family_the_next_one_is_asked() -> None:
    rungs = ladder(
        """
        [[ladder]]
        name = "x"
        severities = ["soft"]
        repeat_s = 600
        [[ladder.step]]
        after_s = 0
        ask = true
        tell = [{ who = "resident" }, { who = "family" }]
        [[ladder.step]]
        after_s = 60
        tell = [{ who = "duty" }]
        """
    )
    soft = due(kind=Kind.INACTIVITY, severity=Severity.SOFT, declined=["p-6"])
    assert who(plan(soft, staffed(rungs=rungs), {}, START)) == [("p-4", "sms")]
    soft = replace(soft, declined=frozenset({"p-4", "p-6"}))
    assert who(plan(soft, staffed(rungs=rungs), {}, START)) == [("p-1", "sms")]


def test_a_reminder_without_its_holder_goes_to_whoever_has_not_said_that_they_cannot() -> None:
    taken = due(
        state=State.ACKNOWLEDGED, row=awaiting(), acknowledged_at=START, holders=["an account"], declined=["p-1"]
    )
    assert {key for key, _ in who(plan(taken, staffed(), {}, START + 300 * S))} == {"p-2"}


_STAFF = ("duty", "backup", "supervisor", "operator", "person:p-1", "person:p-9")
_AROUND = ("contacts", "family", "resident")
_TELLS = st.builds(
    Tell,
    who=st.sampled_from([*_STAFF, *_AROUND]),
    by=st.lists(st.sampled_from(["sms", "voice", "chat", "webhook"]), min_size=1, max_size=3, unique=True).map(tuple),
    ways=st.sampled_from(["first", "all"]),
    at_most=st.none() | st.integers(1, 2),
)


@st.composite
def ladders(draw: st.DrawFn) -> Ladder:
    after = sorted(draw(st.lists(st.integers(0, 600), max_size=4)))
    steps = [
        Step(after_s=at, tell=draw(st.lists(_TELLS, min_size=1, max_size=3).map(tuple)), ask=draw(st.booleans()))
        for at in (0, *after)
    ]
    staff = Step(after_s=steps[-1].after_s, tell=(draw(_TELLS.filter(lambda tell: tell.is_staff)),))
    return Ladder(
        name="drawn",
        severities=frozenset({Severity.SOFT, Severity.HARD}),
        step=(*steps, staff),
        repeat_s=draw(st.integers(60, 900)),
        contact_every_s=draw(st.integers(15, 200)),
        remind_s=draw(st.none() | st.integers(30, 300)),
        lapse_s=draw(st.none() | st.integers(301, 900)),
    )


@st.composite
def worlds(draw: st.DrawFn) -> Circle:
    channels = st.lists(st.sampled_from(["sms", "voice", "chat", "webhook"]), max_size=3, unique=True)
    people = [person(n, *draw(channels.filter(bool))) for n in range(1, draw(st.integers(1, 5)))]
    keys = st.lists(st.sampled_from([f"p-{n}" for n in range(1, 7)]), max_size=3, unique=True)
    places = [(area, role) for area in (LANE, STREET, None) for role in ("duty", "backup", "supervisor", "operator")]
    on_duty = {place: draw(keys) for place in draw(st.lists(st.sampled_from(places), unique=True))}
    contacts = [(person(20 + n), draw(st.sampled_from(list(Relation)))) for n in range(draw(st.integers(0, 4)))]
    return circle(
        rungs=draw(ladders()),
        people=people,
        on_duty=on_duty,
        contacts=contacts,
        channels=frozenset(draw(channels)),
        staffed=draw(st.booleans()),
    )


_DUE = st.sampled_from([Severity.SOFT, Severity.HARD]).map(
    lambda severity: due(kind=Kind.INACTIVITY, severity=severity)
)


@settings(max_examples=120, deadline=None)
@given(_DUE, worlds(), st.lists(st.integers(0, 2000), max_size=20))
def test_never_nobody_always_due_again_and_on_until_somebody_takes_it(
    at: object, around: Circle, late: list[int]
) -> None:
    delays = iter([n * S for n in late] + [0 * S] * 5000)
    steps = played(at, around, until=timedelta(hours=2), delays=delays)  # type: ignore[arg-type]
    desk = not around.staffed and "webhook" in around.channels
    for now, _, done in steps:
        assert done.row.due_at > now
        assert done.row.phase is Phase.TELLING
    # Somebody is told in the very first moment, or it says that there is nobody, or the desk has heard it.
    assert steps[0][2].messages or steps[0][2].nobody or desk
    # Nothing but the ladder's own pauses lies between two.
    slots = timetable(around.ladder, contacts_in_turn(around))
    longest = period(around.ladder, slots)
    assert all(done.row.due_at <= now + max(longest, 60 * S) for now, _, done in steps)


@settings(max_examples=120, deadline=None)
@given(_DUE, worlds())
def test_every_step_is_carried_out_exactly_once_a_round(at: object, around: Circle) -> None:
    steps = played(at, around, until=timedelta(hours=3))  # type: ignore[arg-type]
    slots = timetable(around.ladder, contacts_in_turn(around))
    carried = Counter[tuple[int, int]]()
    for _, before, done in steps:
        if done.nobody and done.row.step == before.row.step and done.row.round == before.row.round:
            return  # nobody is there: the step waits for somebody, see above
        codes = [slot.code for slot in slots]
        begin = codes.index(before.row.step)
        end = codes.index(done.row.step) if done.row.round == before.row.round else len(codes)
        carried.update((before.row.round, code) for code in codes[begin:end])
        if done.entry is not None:
            assert done.entry.detail["steps"] == codes[begin:end]
    last = max(number for number, _ in carried)
    assert set(carried.values()) == {1}
    for number in range(last):
        assert {code for at_round, code in carried if at_round == number} == {slot.code for slot in slots}


@settings(max_examples=120, deadline=None)
@given(_DUE, worlds(), st.frozensets(st.sampled_from([f"p-{n}" for n in (1, 2, 3, 4, 20, 21, 22, 23)])))
def test_whoever_cannot_is_told_only_where_nobody_else_is_left(
    at: Due, around: Circle, declined: frozenset[str]
) -> None:
    at = replace(at, declined=declined)
    others = replace(
        around,
        people={key: each for key, each in around.people.items() if key not in declined},
        contacts=[contact for contact in around.contacts if contact.person.key not in declined],
    )
    for now, before, done in played(at, around, until=timedelta(minutes=20)):
        assert done.nobody == plan(replace(before, declined=frozenset()), around, {}, now).nobody
        if any(message.person and message.person.key in declined for message in done.messages):
            steps = done.entry.detail["steps"] if done.entry else []
            tells = [tell for slot in timetable(around.ladder, 4) if slot.code in steps for tell in slot.step.tell]  # type: ignore[operator]
            left = [reach(tell, others, at.case.severity, turn=0, place=0).people for tell in tells if tell.is_staff]
            assert not all(left), "a step of the staff had nobody else"


@settings(max_examples=100, deadline=None)
@given(worlds(), st.integers(0, 4000), st.sampled_from([State.ACKNOWLEDGED, State.ATTENDING]))
def test_a_taken_alert_is_due_again_later_or_lapses(around: Circle, after_s: int, state: State) -> None:
    now = START + after_s * S
    taken = due(
        kind=Kind.INACTIVITY,
        severity=Severity.HARD,
        state=state,
        row=awaiting(),
        acknowledged_at=START,
        holders=["p-1"],
    )
    done = plan(taken, around, {}, now)
    assert done.lapses or done.row.due_at > now
    if around.ladder.lapse_s is not None and state is State.ACKNOWLEDGED:
        assert done.lapses == (after_s >= around.ladder.lapse_s)


@pytest.mark.parametrize("round_", [31_999, 32_000])
def test_after_months_the_round_no_longer_counts_but_telling_goes_on(round_: int) -> None:
    row = Row(phase=Phase.TELLING, due_at=START, run=1, started_at=START - timedelta(days=400), round=round_, step=301)
    done = plan(due(row=row), staffed(), {}, START)
    assert done.row.round <= 32_000
    assert START < done.row.due_at <= START + timedelta(minutes=20)


def test_a_ladder_that_became_shorter_goes_on_with_its_first_step() -> None:
    rungs = ladder('[[ladder]]\nname = "x"\nrepeat_s = 60\n[[ladder.step]]\nafter_s = 0\ntell = [{ who = "duty" }]')
    row = Row(phase=Phase.TELLING, due_at=START, run=1, started_at=START, step=400)
    done = plan(due(row=row), staffed(rungs=rungs), {}, START)
    assert [key for key, _ in who(done)] == ["p-1"]
    assert (done.row.step, done.row.round) == (0, 2)
