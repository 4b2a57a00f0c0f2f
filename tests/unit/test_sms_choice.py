"""Which provider is asked: in order, in turns, not who is full or down; nobody is forgotten."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from alerts.caps import NO_CAPS, Cap, Caps
from alerts.channels.choice import Offer, choose, conclude
from alerts.channels.health import Health
from alerts.channels.results import Accepted, Fault, GiveUp, Outgoing, Result, Submission, Tried, TryAgain
from alerts.retry import Abandoned, Done, Later, next_step
from tests.alert_cases import NOON

ONE_AN_HOUR = Caps(limits=(Cap(most=1, window=timedelta(hours=1)),))
DOWN = Health(3, NOON + timedelta(minutes=1))


def message(*, priority: int = 1, tried: tuple[Tried, ...] = (), sent: tuple[str, ...] = ()) -> Outgoing:
    return Outgoing(
        notification_id=UUID(int=1),
        alert_id=1,
        priority=priority,
        body={},
        created_at=NOON,
        give_up_at=NOON + timedelta(hours=24),
        attempt=1 + len(tried),
        recipient="+8613800000001",
        tried=tried,
        submitted=tuple(
            Submission(notification_id=UUID(int=2), provider=name, at=NOON - timedelta(minutes=1)) for name in sent
        ),
    )


def offer(name: str, caps: Caps = NO_CAPS, health: Health | None = None) -> Offer:
    return Offer(name=name, caps=caps, health=health or Health())


def failed(name: str, fault: Fault = Fault.BUSY) -> Tried:
    return Tried(provider=name, fault=fault)


def chosen(offers: list[Offer], told: Outgoing) -> str:
    asked = choose(offers, told, NOON)
    assert isinstance(asked, Offer)
    return asked.name


A, B = offer("a"), offer("b")


def test_the_order_is_that_of_the_settings_and_then_by_turns() -> None:
    assert chosen([A, B], message()) == "a"
    assert chosen([A, B], message(tried=(failed("a"),))) == "b"
    assert chosen([A, B], message(tried=(failed("a"), failed("b")))) == "a"


def test_who_is_down_is_asked_last_but_asked() -> None:
    assert chosen([offer("a", health=DOWN), B], message()) == "b"
    assert chosen([offer("a", health=DOWN), B], message(tried=(failed("b"),))) == "a"
    assert chosen([offer("a", health=DOWN)], message()) == "a"


def test_who_is_full_is_asked_by_calls_for_help_alone() -> None:
    full = offer("a", ONE_AN_HOUR)
    assert chosen([full, B], message(sent=("a",))) == "b"
    held = choose([full], message(sent=("a",)), NOON)
    assert held == TryAgain(fault=Fault.CAP_REACHED, held_until=NOON + timedelta(minutes=59))
    assert chosen([full, B], message(priority=0, sent=("a",))) == "b"
    assert chosen([full], message(priority=0, sent=("a",))) == "a"


def test_what_will_never_do_is_asked_once_of_each() -> None:
    told = message(tried=(failed("a", Fault.BAD_NUMBER),))
    assert chosen([A, B], told) == "b"
    told = message(tried=(failed("a", Fault.BAD_NUMBER), failed("b", Fault.BLOCKED)))
    assert choose([A, B], told, NOON) == GiveUp(fault=Fault.BLOCKED)


def test_another_is_asked_at_once_only_within_a_round() -> None:
    busy = TryAgain(fault=Fault.BUSY, provider="a", retry_after_s=7)
    first = conclude([A, B], A, message(), busy, NOON)
    assert first == replace(busy, elsewhere=True)
    assert conclude([A, B], B, message(tried=(failed("a"),)), busy, NOON) == replace(busy, provider="b")
    assert conclude([A, offer("b", health=DOWN)], A, message(), busy, NOON) == busy
    assert conclude([A], A, message(), busy, NOON) == busy


def test_a_number_refused_by_the_last_is_given_up() -> None:
    bad = GiveUp(fault=Fault.BAD_NUMBER, provider="a")
    assert conclude([A], A, message(), bad, NOON) == bad
    assert conclude([A, B], A, message(), bad, NOON) == TryAgain(fault=Fault.BAD_NUMBER, provider="a", elsewhere=True)
    assert conclude([A, B], A, message(tried=(failed("b", Fault.BLOCKED),)), bad, NOON) == bad


answers = st.sampled_from([Accepted(), *(TryAgain(fault=f) for f in Fault), *(GiveUp(fault=f) for f in Fault)])


@given(st.lists(answers, min_size=30, max_size=30), st.integers(1, 4), st.sampled_from([0, 1]), st.data())
def test_whatever_is_answered_a_message_ends_or_waits_and_no_provider_is_starved(
    said: list[Result], providers: int, priority: int, data: st.DataObject
) -> None:
    names = [f"p{number}" for number in range(providers)]
    told, now, at_once = message(priority=priority), NOON, 0
    health = dict.fromkeys(names, Health())
    asked_of: list[str] = []
    for result in said:
        offers = [offer(name, health=health[name]) for name in names]
        asked = choose(offers, told, now)
        if isinstance(asked, GiveUp):
            assert {tried.provider for tried in told.tried if tried.fault.is_final} == set(names)
            return
        assert isinstance(asked, Offer)
        asked_of.append(asked.name)
        health[asked.name] = health[asked.name].after(result, now)
        concluded = conclude(offers, asked, told, result, now)
        step = next_step(concluded, told, now, 0.5)
        if isinstance(step, Done | Abandoned):
            assert isinstance(result, Accepted) or result.fault.is_final or now > NOON + timedelta(hours=20)
            return
        assert isinstance(step, Later)
        at_once = at_once + 1 if step.at == now else 0
        assert at_once < providers
        assert not isinstance(result, Accepted)
        told = replace(told, attempt=told.attempt + 1, tried=(*told.tried, failed(asked.name, result.fault)))
        now = step.at
    lasting = [name for name in names if not any(t.provider == name and t.fault.is_final for t in told.tried)]
    counts = [asked_of.count(name) for name in lasting]
    assert max(counts, default=0) - min(counts, default=0) <= 1


@given(st.lists(answers, max_size=40))
def test_a_provider_rests_after_faults_of_its_own_for_five_minutes_at_most(said: list[Result]) -> None:
    health = Health()
    for result in said:
        health = health.after(result, NOON)
        assert health.down_until is None or health.down_until <= NOON + timedelta(minutes=5)
        if isinstance(result, Accepted):
            assert health == Health()
    for fault in (Fault.BAD_NUMBER, Fault.CAP_REACHED):
        assert health.after(TryAgain(fault=fault), NOON) == health
