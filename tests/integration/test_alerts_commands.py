"""What people do with alerts, on a real PostgreSQL: states, history, who hears of it, what becomes of the telling."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from alerts.errors import AlreadySo, ChangedMeanwhile, IllegalMove, NoSuchAlert, NoSuchPerson, NothingSaid
from alerts.findings import Finding, Kind, Reason, Severity, Subject, Verdict, report
from alerts.life import cases, commands
from alerts.life.case import Action
from alerts.life.commands import By
from alerts.life.reading import by_case
from alerts.model import Outcome
from storage.pool import connect
from tests.alert_cases import NOON, dry, entries, press, register_homes, report_now, soon, states, told

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def homes(database: AsyncConnection[Any]) -> list[int]:
    return await register_homes(database, 3)


@pytest.fixture
async def people(database: AsyncConnection[Any]) -> None:
    await database.execute(
        "INSERT INTO person (key, name, language)"
        " SELECT 'duty-' || n, 'Person ' || n, 'en' FROM generate_series(1, 4) n"
    )
    await database.execute(
        "INSERT INTO person_address (person_id, channel, address)"
        " SELECT person_id, 'sms', '+8613800000' || lpad(person_id::text, 3, '0') FROM person"
    )


@dataclass(frozen=True, slots=True)
class Telling:
    """An escalation's row."""

    phase: str
    due_at: datetime
    run: int
    started_at: datetime
    round: int
    step: int
    reminders: int


async def telling(conn: AsyncConnection[Any], alert_id: int) -> Telling | None:
    row = await (
        await conn.execute(
            "SELECT phase, due_at, run, started_at, round, step, reminders FROM escalation WHERE alert_id = %s",
            [alert_id],
        )
    ).fetchone()
    return None if row is None else Telling(*row)


async def stepped(
    conn: AsyncConnection[Any], alert_id: int, person: int, *, state: str = "accepted", **more: Any
) -> None:
    """A message of the escalation to a person, and the escalation at its next step."""
    message = {"channel": "sms", "attempts": int(state == "accepted"), "lease_until": None, "audience": None} | more
    body = {"type": "anju.alert.raised", "data": {}} | (
        {} if message["audience"] is None else {"audience": message["audience"]}
    )
    await conn.execute(
        "INSERT INTO notification (notification_id, alert_id, channel, recipient, person_id, priority, body, state,"
        " created_at, next_attempt_at, give_up_at, attempts, lease_until, run, round, step)"
        " VALUES (gen_random_uuid(), %s, %s, %s, %s, 0, %s, %s, %s, %s, %s, %s, %s, 1, 0, 0)",
        [
            alert_id,
            message["channel"],
            f"address-{person}",
            person,
            Jsonb(body),
            state,
            NOON,
            NOON,
            NOON + HOUR,
            message["attempts"],
            message["lease_until"],
        ],
    )
    await conn.execute(
        "UPDATE escalation SET due_at = %s, step = 1, round = 1, reminders = 2 WHERE alert_id = %s",
        [NOON + HOUR, alert_id],
    )


async def heard(conn: AsyncConnection[Any], kind: str) -> list[tuple[str, int | None, str | None]]:
    """Who was told this: channel, person, audience."""
    cursor = await conn.execute(
        "SELECT channel, person_id, body ->> 'audience' FROM notification WHERE body ->> 'type' = %s"
        " ORDER BY created_at, 2 NULLS FIRST, 1",
        [f"anju.alert.{kind}"],
    )
    return [(row[0], row[1], row[2]) for row in await cursor.fetchall()]


async def pending(conn: AsyncConnection[Any]) -> dict[int, str]:
    cursor = await conn.execute("SELECT person_id, state FROM notification WHERE run > 0")
    return {row[0]: row[1] for row in await cursor.fetchall()}


def by(actor: str = "duty-1", after: timedelta = MINUTE, **more: Any) -> By:
    return By(actor=actor, source="page", now=NOON + after, **more)


def battery(home_id: int = 1, severity: Severity = Severity.TECHNICAL) -> Finding:
    return Finding(
        subject=Subject(home_id=home_id),
        kind=Kind.BATTERY_LOW,
        verdict=Verdict.RAISE,
        severity=severity,
        since=NOON,
        reason=Reason(id="tamper", values={"device": "btn-1"}),
        evidence={},
    )


async def raised(conn: AsyncConnection[Any], finding: Finding | None = None) -> int:
    await report_now(conn, finding or press(1), now=NOON)
    return max(alert.alert_id for alert in await commands.list_alerts(conn))


class TestTelling:
    async def test_a_raised_alert_is_due_at_once(self, database: AsyncConnection[Any], homes: list[int]) -> None:
        number = await raised(database)
        assert await telling(database, number) == Telling("telling", NOON, 1, NOON, 0, 0, 0)

    async def test_what_is_recorded_or_only_refreshed_is_not(
        self, database: AsyncConnection[Any], homes: list[int]
    ) -> None:
        await report_now(database, dry(Verdict.RECORD), now=NOON)
        assert await telling(database, 1) is None
        number = await raised(database, dry())
        before = await telling(database, number)
        await report_now(database, dry(dry_s=50_000), now=NOON + HOUR)
        assert await telling(database, number) == before

    async def test_awaits_whoever_took_it_and_goes_on_where_they_go(
        self, database: AsyncConnection[Any], homes: list[int], people: None
    ) -> None:
        number = await raised(database)
        await stepped(database, number, 1)
        for minutes, command in enumerate((commands.acknowledge, commands.on_the_way, commands.on_scene), 1):
            await command(database, number, by(after=minutes * MINUTE))
            assert await telling(database, number) == Telling("awaiting", NOON + minutes * MINUTE, 1, NOON, 1, 1, 0)

    @pytest.mark.parametrize("taken", [None, commands.acknowledge, commands.on_the_way])
    async def test_a_further_press_starts_it_again_from_step_one_in_every_state(
        self,
        database: AsyncConnection[Any],
        homes: list[int],
        people: None,
        taken: Callable[[AsyncConnection[Any], int, By], Awaitable[None]] | None,
    ) -> None:
        number = await raised(database)
        await stepped(database, number, 1)
        if taken is not None:
            await taken(database, number, by())
        (before,) = await states(database)
        await report_now(database, press(2), now=NOON + HOUR)
        assert await telling(database, number) == Telling("telling", NOON + HOUR, 2, NOON + HOUR, 0, 0, 0)
        assert await states(database) == [before]
        await commands.acknowledge(database, number, by(after=2 * HOUR))
        again = await telling(database, number)
        assert again is not None
        assert (again.phase, again.run) == ("awaiting", 2)

    async def test_a_no_brings_the_next_step_forward_once(
        self, database: AsyncConnection[Any], homes: list[int], people: None
    ) -> None:
        number = await raised(database)
        await stepped(database, number, 1)
        await commands.decline(database, number, by())
        assert await telling(database, number) == Telling("telling", NOON + MINUTE, 1, NOON, 1, 1, 2)
        with pytest.raises(AlreadySo):
            await commands.decline(database, number, by(after=2 * MINUTE))
        assert (await telling(database, number)) == Telling("telling", NOON + MINUTE, 1, NOON, 1, 1, 2)
        await commands.decline(database, number, by("duty-2", 3 * MINUTE))
        await report_now(database, press(2), now=NOON + HOUR)
        await commands.decline(database, number, by(after=2 * HOUR))
        assert await entries(database) == ["raised", "declined", "declined", "raised_again", "declined"]

    async def test_what_is_given_back_or_lapses_begins_anew(
        self, database: AsyncConnection[Any], homes: list[int], people: None
    ) -> None:
        number = await raised(database)
        await commands.acknowledge(database, number, by())
        await commands.decline(database, number, by(after=2 * MINUTE))
        assert await states(database) == [("sos", "open", None)]
        assert await telling(database, number) == Telling("telling", NOON + 2 * MINUTE, 2, NOON + 2 * MINUTE, 0, 0, 0)
        await commands.on_the_way(database, number, by("duty-2", 3 * MINUTE))
        await commands.lapse(database, number, By(actor="alerts", source="escalation", now=NOON + HOUR))
        assert await states(database) == [("sos", "open", None)]
        assert await telling(database, number) == Telling("telling", NOON + HOUR, 3, NOON + HOUR, 0, 0, 0)
        history = (await commands.show(database, number)).entries
        assert [(entry.action, entry.actor, entry.detail.get("had")) for entry in history[2:]] == [
            ("given_back", "duty-1", "duty-1"),
            ("on_the_way", "duty-2", None),
            ("lapsed", "alerts", "duty-2"),
        ]

    async def test_ends_with_the_alert_and_counts_on_when_it_is_reopened(
        self, database: AsyncConnection[Any], homes: list[int], people: None
    ) -> None:
        number = await raised(database)
        await stepped(database, number, 1)
        await commands.close(database, number, Outcome.FALSE_TEST, by())
        assert await telling(database, number) is None
        await commands.reopen(database, number, by(after=HOUR))
        assert await telling(database, number) == Telling("telling", NOON + HOUR, 2, NOON + HOUR, 0, 0, 0)
        await report_now(database, dry(), now=NOON)
        await report_now(database, dry(Verdict.CLEAR), now=NOON + HOUR)
        assert await telling(database, number + 1) is None

    async def test_a_muted_alert_is_due_when_it_is_not_muted_any_more(
        self, database: AsyncConnection[Any], homes: list[int], people: None
    ) -> None:
        number = await raised(database, battery())
        await stepped(database, number, 1, state="pending")
        tomorrow = NOON + 24 * HOUR
        await commands.mute(database, number, tomorrow, by())
        assert await telling(database, number) == Telling("telling", tomorrow, 2, tomorrow, 0, 0, 0)
        assert await pending(database) == {1: "withdrawn"}
        with pytest.raises(AlreadySo):
            await commands.mute(database, number, tomorrow, by())
        await report_now(database, battery(severity=Severity.HARD), now=NOON + HOUR)
        assert await telling(database, number) == Telling("telling", NOON + HOUR, 3, NOON + HOUR, 0, 0, 0)
        with pytest.raises(AlreadySo):
            await commands.unmute(database, number, by())

    async def test_unmuting_tells_at_once(self, database: AsyncConnection[Any], homes: list[int]) -> None:
        number = await raised(database, battery())
        await commands.mute(database, number, NOON + 24 * HOUR, by())
        await commands.unmute(database, number, by(after=HOUR))
        assert await telling(database, number) == Telling("telling", NOON + HOUR, 3, NOON + HOUR, 0, 0, 0)
        assert (await commands.list_alerts(database))[0].muted_until is None

    async def test_what_an_earlier_release_opened_is_taken_up(
        self, database: AsyncConnection[Any], homes: list[int]
    ) -> None:
        open_ = await raised(database)
        taken, over = await raised(database, press(2, home_id=2)), await raised(database, press(3, home_id=3))
        await commands.acknowledge(database, taken, by())
        await commands.close(database, over, Outcome.OTHER, by())
        await database.execute("DELETE FROM escalation")
        assert sorted(await cases.adopt(database, NOON + HOUR)) == [open_, taken]
        assert await cases.adopt(database, NOON + HOUR) == []
        phases = await (await database.execute("SELECT alert_id, phase, due_at FROM escalation ORDER BY 1")).fetchall()
        assert phases == [(open_, "telling", NOON + HOUR), (taken, "awaiting", NOON + HOUR)]

    @pytest.mark.parametrize("finding", [press(1), dry(), dry(severity=Severity.SOFT)])
    async def test_nothing_but_technical_is_ever_muted(
        self, database: AsyncConnection[Any], homes: list[int], finding: Finding
    ) -> None:
        number = await raised(database, finding)
        before = await telling(database, number)
        with pytest.raises(IllegalMove, match="cannot mute"):
            await commands.mute(database, number, NOON + HOUR, by())
        assert await telling(database, number) == before
        assert await entries(database) == ["raised"]


class TestNews:
    async def test_those_told_hear_who_took_it_except_that_one_and_never_by_a_call(
        self, database: AsyncConnection[Any], homes: list[int], people: None
    ) -> None:
        number = await raised(database)
        await stepped(database, number, 1)
        await stepped(database, number, 2, audience="contact")
        await stepped(database, number, 3, channel="voice")
        await stepped(database, number, 4, state="given_up", attempts=3)
        await commands.acknowledge(database, number, by("duty-1"))
        assert await heard(database, "acknowledged") == [("webhook", None, None), ("sms", 2, "contact")]
        await commands.on_the_way(database, number, by("duty-2", 2 * MINUTE))
        # Of what they were told twice they hear once.
        await stepped(database, number, 1)
        await commands.on_scene(database, number, by("duty-2", 3 * MINUTE))
        assert await heard(database, "attending") == [("webhook", None, None), ("sms", 1, None)] * 2
        await commands.close(database, number, Outcome.GENUINE, by("duty-2", HOUR))
        assert await heard(database, "closed") == [("webhook", None, None), ("sms", 1, None)]
        row = await (
            await database.execute(
                "SELECT array_agg(DISTINCT priority), bool_and(run = 0) FROM notification"
                " WHERE body ->> 'type' = 'anju.alert.closed'"
            )
        ).fetchone()
        assert row == ([4], True)

    async def test_what_was_not_sent_yet_is_withdrawn_when_somebody_takes_it(
        self, database: AsyncConnection[Any], homes: list[int], people: None
    ) -> None:
        number = await raised(database)
        await stepped(database, number, 1)
        await stepped(database, number, 2, state="pending")
        await stepped(database, number, 3, state="pending", attempts=2)
        await commands.acknowledge(database, number, by("duty-1"))
        assert await pending(database) == {1: "accepted", 2: "withdrawn", 3: "pending"}
        assert await heard(database, "acknowledged") == [("webhook", None, None), ("sms", 3, None)]

    async def test_what_was_not_sent_is_withdrawn_at_the_end_and_what_is_on_its_way_counts_as_told(
        self, database: AsyncConnection[Any], homes: list[int], people: None
    ) -> None:
        number = await raised(database, dry())
        await stepped(database, number, 1)
        await stepped(database, number, 2, state="pending", attempts=2)
        await stepped(database, number, 3, state="pending", attempts=1, lease_until=NOON + 2 * HOUR)
        await report_now(database, dry(Verdict.CLEAR), now=NOON + HOUR)
        assert await pending(database) == {1: "accepted", 2: "withdrawn", 3: "withdrawn"}
        assert await heard(database, "cleared") == [("webhook", None, None), ("sms", 1, None), ("sms", 3, None)]

    async def test_a_lapse_is_told_to_those_who_had_heard_that_it_was_taken(
        self, database: AsyncConnection[Any], homes: list[int], people: None
    ) -> None:
        number = await raised(database)
        await stepped(database, number, 1)
        await stepped(database, number, 2)
        await commands.acknowledge(database, number, by("duty-1"))
        await commands.lapse(database, number, By(actor="alerts", source="escalation", now=NOON + HOUR))
        assert await heard(database, "lapsed") == [("webhook", None, None), ("sms", 1, None), ("sms", 2, None)]

    async def test_further_calls_and_reopenings_are_left_to_the_escalation(
        self, database: AsyncConnection[Any], homes: list[int], people: None
    ) -> None:
        number = await raised(database)
        await stepped(database, number, 1)
        await report_now(database, press(2), now=NOON + HOUR)
        await commands.close(database, number, Outcome.OTHER, by())
        await commands.reopen(database, number, by())
        for kind in ("raised_again", "reopened"):
            assert await heard(database, kind) == [("webhook", None, None)]

    async def test_messages_say_who_has_it_and_how_far_they_are(
        self, database: AsyncConnection[Any], homes: list[int]
    ) -> None:
        number = await raised(database)
        await commands.acknowledge(database, number, by("duty-1"))
        await commands.on_the_way(database, number, by("duty-2", 2 * MINUTE))
        rows = await (
            await database.execute(
                "SELECT data ->> 'acknowledged_by', data ->> 'assigned_to', data ->> 'attending'"
                " FROM notification, LATERAL (SELECT body -> 'data' AS data) b ORDER BY created_at"
            )
        ).fetchall()
        assert rows == [(None, None, None), ("duty-1", "duty-1", None), ("duty-1", "duty-2", "on_the_way")]


class TestAssigning:
    async def test_tells_whoever_it_is_given_to(
        self, database: AsyncConnection[Any], homes: list[int], people: None
    ) -> None:
        number = await raised(database)
        await commands.assign(database, number, "duty-3", by("duty-1"))
        assert await heard(database, "assigned") == [("webhook", None, None), ("sms", 3, None)]
        row = await (
            await database.execute("SELECT recipient, priority FROM notification WHERE person_id = 3")
        ).fetchone()
        assert row == ("+8613800000003", 0)
        assert await states(database) == [("sos", "open", None)]
        with pytest.raises(AlreadySo):
            await commands.assign(database, number, "duty-3", by("duty-1"))
        details = await commands.show(database, number)
        assert details.alert.assigned_to == "duty-3"
        assert details.entries[-1].detail["to"] == "duty-3"
        assert {message.person for message in details.messages} == {None, "duty-3"}

    async def test_to_oneself_tells_nobody_and_to_nobody_is_refused(
        self, database: AsyncConnection[Any], homes: list[int], people: None
    ) -> None:
        number = await raised(database)
        await commands.assign(database, number, "duty-1", by("duty-1"))
        assert await heard(database, "assigned") == [("webhook", None, None)]
        await database.execute("UPDATE person SET active = false WHERE key = 'duty-2'")
        await database.execute("DELETE FROM person_address WHERE person_id = 4")
        for nobody in ("duty-2", "duty-9"):
            with pytest.raises(NoSuchPerson):
                await commands.assign(database, number, nobody, by())
        await commands.assign(database, number, "duty-4", by())
        assert await entries(database) == ["raised", "assigned", "assigned"]


async def test_comments_are_entered_in_every_state_and_change_nothing(
    database: AsyncConnection[Any], homes: list[int]
) -> None:
    number = await raised(database)
    for empty in (None, "", "  "):
        with pytest.raises(NothingSaid):
            await commands.comment(database, number, by(comment=empty))
    before = await telling(database, number)
    await commands.comment(database, number, by(comment="rang the bell", role="family"))
    assert await telling(database, number) == before
    await commands.close(database, number, Outcome.GENUINE, by())
    await commands.comment(database, number, by(comment="is well"))
    history = (await commands.show(database, number)).entries
    assert [(entry.action, entry.detail.get("comment"), entry.detail.get("role")) for entry in history] == [
        ("raised", None, None),
        ("commented", "rang the bell", "family"),
        ("closed", None, None),
        ("commented", "is well", None),
    ]
    assert await told(database) == ["raised", "closed"]
    with pytest.raises(NoSuchAlert):
        await commands.comment(database, 99, by(comment="x"))


class TestReopening:
    async def test_beside_a_newer_one_is_refused(self, database: AsyncConnection[Any], homes: list[int]) -> None:
        number = await raised(database)
        await commands.close(database, number, Outcome.FALSE_TEST, by())
        newer = await raised(database, press(2))
        with pytest.raises(IllegalMove, match=f"number {newer}"):
            await commands.reopen(database, number, by())
        await commands.close(database, newer, Outcome.FALSE_TEST, by())
        with pytest.raises(IllegalMove, match="24 h"):
            await commands.reopen(database, number, by(after=25 * HOUR))
        await commands.reopen(database, number, by(after=HOUR))
        assert await states(database) == [("sos", "open", None), ("sos", "closed", "false_test")]

    async def test_while_a_press_opens_a_newer_one_loses_neither(
        self, database: AsyncConnection[Any], database_url: str, homes: list[int]
    ) -> None:
        async with await connect(database_url, application_name="person") as person:
            for turn in range(15):
                number = await raised(database, press(2 * turn))
                await commands.close(database, number, Outcome.FALSE_TEST, by())
                answers = await asyncio.gather(
                    commands.reopen(person, number, by()),
                    report_now(database, press(2 * turn + 1), now=NOON + MINUTE),
                    return_exceptions=True,
                )
                assert answers[1] is None
                assert answers[0] is None or isinstance(answers[0], IllegalMove)
                (open_,) = await commands.list_alerts(database)
                assert (open_.alert_id == number) == (answers[0] is None)
                details = await commands.show(database, open_.alert_id)
                assert 2 * turn + 1 in {entry.event_id for entry in details.entries}
                assert await telling(database, open_.alert_id) is not None
                await commands.close(database, open_.alert_id, Outcome.OTHER, by())


class TestTeaching:
    async def test_an_absence_is_offered_unless_one_is_noted(
        self, database: AsyncConnection[Any], homes: list[int]
    ) -> None:
        for turn, noted in enumerate((False, True)):
            number = await raised(database, dry(since=NOON - 13 * HOUR + turn * HOUR))
            if noted:
                await database.execute(
                    "INSERT INTO absence (home_id, from_at, until_at, reason, noted_at, noted_by)"
                    " VALUES (1, %s, %s, 'family', %s, 'li')",
                    [NOON - HOUR, NOON + HOUR, NOON],
                )
            closing = await commands.close(database, number, Outcome.FALSE_AT_FAMILY, by())
            await report_now(database, dry(Verdict.CLEAR), now=NOON + MINUTE)
            assert closing.leak_alert_id is None
            if noted:
                assert closing.offers == ()
            else:
                (offer,) = closing.offers
                assert (offer.home, offer.area, offer.reason, offer.from_at) == (
                    "Door 1",
                    "City/District/Street/Lane",
                    "family",
                    NOON - 13 * HOUR,
                )

    @pytest.mark.parametrize("finding", [press(1), dry()], ids=["kind_after_leak", "kind_before_leak"])
    async def test_a_leak_found_is_handed_on_to_the_homes_leak_alert(
        self, database: AsyncConnection[Any], homes: list[int], finding: Finding
    ) -> None:
        number = await raised(database, finding)
        closing = await commands.close(database, number, Outcome.LEAK, by(comment="tap drips"))
        (leak,) = await commands.list_alerts(database)
        assert (closing.leak_alert_id, leak.kind, leak.severity, leak.reason.id) == (
            leak.alert_id,
            Kind.LEAK,
            Severity.SOFT,
            "leak_found_by_person",
        )
        assert leak.text() == f"a person found a leak, seeing to alert {number}"
        assert sorted(await told(database)) == ["closed", "raised", "raised"]
        assert await telling(database, leak.alert_id) == Telling("telling", NOON + MINUTE, 1, NOON + MINUTE, 0, 0, 0)
        # What a rule does not see does not end what a person saw.
        await report_now(database, replace(dry(Verdict.CLEAR), kind=Kind.LEAK), now=NOON + HOUR)
        assert [kind for kind, state, _ in await states(database) if state == "open"] == ["leak"]
        again = await raised(database, battery())
        assert (await commands.close(database, again, Outcome.LEAK, by())).leak_alert_id == leak.alert_id
        history = (await commands.show(database, leak.alert_id)).entries
        assert [(entry.action, entry.actor) for entry in history] == [("raised", "duty-1"), ("handed_on", "duty-1")]
        assert (await commands.close(database, leak.alert_id, Outcome.LEAK, by())).leak_alert_id is None

    async def test_a_refused_closing_hands_nothing_on(self, database: AsyncConnection[Any], homes: list[int]) -> None:
        number = await raised(database)
        with pytest.raises(ChangedMeanwhile):
            await commands.close(database, number, Outcome.LEAK, by(seen_times_raised=7))
        await commands.close(database, number, Outcome.OTHER, by())
        with pytest.raises(IllegalMove):
            await commands.close(database, number, Outcome.LEAK, by())
        assert await states(database) == [("sos", "closed", "other")]
        with pytest.raises(NoSuchAlert):
            await commands.close(database, 99, Outcome.LEAK, by())

    @pytest.mark.parametrize("chosen", [Kind.SOS, Kind.INACTIVITY], ids=str)
    async def test_a_leak_handed_on_and_a_look_at_the_same_home_do_not_wait_for_each_other(
        self, database: AsyncConnection[Any], database_url: str, homes: list[int], chosen: Kind
    ) -> None:
        """A look takes a home's cases in the order of their kinds: inactivity, leak, sos."""
        leak = replace(dry(), kind=Kind.LEAK, severity=Severity.SOFT)
        await report_now(database, press(1), dry(), now=NOON)
        numbers = {alert.kind: alert.alert_id for alert in await commands.list_alerts(database)}

        async def person_waits() -> bool:
            cursor = await database.execute(
                "SELECT FROM pg_stat_activity WHERE application_name = 'person' AND wait_event_type = 'Lock'"
            )
            return await cursor.fetchone() is not None

        async with (
            await connect(database_url, application_name="person") as person,
            await connect(database_url, application_name="rules") as rules,
        ):
            async with rules.transaction():
                await report(rules, [dry(dry_s=50_000) if chosen is Kind.INACTIVITY else leak], NOON + MINUTE)
                closing = asyncio.create_task(commands.close(person, numbers[chosen], Outcome.LEAK, by()))
                await soon(person_waits)
                await report(rules, [leak if chosen is Kind.INACTIVITY else press(2)], NOON + MINUTE)
            handed_on = (await closing).leak_alert_id
        assert {alert.kind: alert.alert_id for alert in await commands.list_alerts(database)}[Kind.LEAK] == handed_on
        assert ("closed", "leak") in [(state, outcome) for _, state, outcome in await states(database)]


class TestOneCase:
    async def test_alerts_of_one_home_at_the_same_time_know_each_other(
        self, database: AsyncConnection[Any], homes: list[int]
    ) -> None:
        old = await raised(database, dry())
        await commands.close(database, old, Outcome.OTHER, by(after=timedelta(0)))
        await report_now(database, dry(Verdict.RECORD, since=NOON - HOUR), now=NOON)
        await report_now(database, press(1), press(9, home_id=2), now=NOON + HOUR)
        await report_now(database, battery(), now=NOON + 2 * HOUR)
        numbers = {(alert.kind, alert.home_id): alert.alert_id for alert in await commands.list_alerts(database)}
        sos, other, low = (numbers[which] for which in ((Kind.SOS, 1), (Kind.SOS, 2), (Kind.BATTERY_LOW, 1)))
        assert [alert.alert_id for alert in await commands.related(database, sos)] == [low, old]
        assert [alert.alert_id for alert in await commands.related(database, old)] == [low, sos]
        assert await commands.related(database, other) == []
        await commands.acknowledge(database, sos, by(after=3 * HOUR))
        rows = await (
            await database.execute(
                "SELECT alert_id, body ->> 'type', body -> 'data' -> 'related' FROM notification"
                " WHERE created_at > %s ORDER BY created_at, alert_id",
                [NOON],
            )
        ).fetchall()
        assert sorted(rows) == sorted(
            [
                (sos, "anju.alert.raised", [old]),
                (other, "anju.alert.raised", []),
                (low, "anju.alert.raised", [sos, old]),
                (sos, "anju.alert.acknowledged", [low, old]),
            ]
        )
        assert [alert.alert_id for alert in (await commands.show(database, sos)).related] == [low, old]
        # Long after its end, another one is another case.
        await commands.close(database, sos, Outcome.OTHER, by(after=4 * HOUR))
        await commands.close(database, low, Outcome.OTHER, by(after=4 * HOUR))
        await report_now(database, press(2), now=NOON + 7 * HOUR)
        (newest,) = [alert.alert_id for alert in await commands.list_alerts(database) if alert.home_id == 1]
        assert await commands.related(database, newest) == []
        assert newest not in [alert.alert_id for alert in await commands.related(database, sos)]

    async def test_lists_show_the_gravest_home_first_and_each_home_together(
        self, database: AsyncConnection[Any], homes: list[int]
    ) -> None:
        await report_now(database, press(1, home_id=2), now=NOON)
        await report_now(database, dry(home_id=3), battery(home_id=2), now=NOON + HOUR)
        await report_now(database, battery(home_id=1), now=NOON + 2 * HOUR)
        await report_now(database, press(7, home_id=None, device="btn-9"), now=NOON - HOUR)
        listed = await commands.list_alerts(database)
        assert [(alert.severity, alert.subject) for alert in listed] == [
            ("urgent", "home/2"),
            ("urgent", "device/btn-9"),
            ("hard", "home/3"),
            ("technical", "home/1"),
            ("technical", "home/2"),
        ]
        assert [[alert.kind for alert in home] for home in by_case(listed)] == [
            ["sos", "battery_low"],
            ["sos_unknown_device"],
            ["inactivity"],
            ["battery_low"],
        ]
        assert len(await commands.list_alerts(database, limit=2)) == 2


class TestProbe:
    @pytest.fixture
    async def probe(self, database: AsyncConnection[Any], homes: list[int]) -> int:
        await database.execute("UPDATE home SET probe = true WHERE home_id = 3")
        return await raised_probe(database, 1)

    async def test_is_told_to_nobody_and_escalates_to_nobody(self, database: AsyncConnection[Any], probe: int) -> None:
        row = await (
            await database.execute(
                "SELECT probe, channel, recipient, person_id FROM alert JOIN notification USING (alert_id)"
            )
        ).fetchall()
        assert row == [(True, "probe", "probe", None)]
        assert await telling(database, probe) is None
        assert await commands.list_alerts(database) == []
        assert len(await commands.list_alerts(database, probes=True)) == 1

    async def test_is_ended_by_the_service_and_the_next_press_opens_another(
        self, database: AsyncConnection[Any], probe: int
    ) -> None:
        await commands.close_probe(database, probe, NOON + MINUTE)
        assert await states(database) == [("sos", "closed", "probe")]
        assert len(await told(database)) == 1
        with pytest.raises(IllegalMove):
            await commands.close_probe(database, probe, NOON + MINUTE)
        with pytest.raises(IllegalMove, match="nobody was ever told"):
            await commands.reopen(database, probe, by())
        assert await raised_probe(database, 2) != probe
        await raised_probe(database, 3)
        assert sorted(await told(database)) == ["raised", "raised", "raised_again"]
        assert await telling(database, probe + 1) is None

    async def test_ends_no_real_alert(self, database: AsyncConnection[Any], homes: list[int]) -> None:
        number = await raised(database)
        with pytest.raises(IllegalMove, match="a person closes it"):
            await commands.close_probe(database, number, NOON)
        assert await states(database) == [("sos", "open", None)]


async def raised_probe(conn: AsyncConnection[Any], event_id: int) -> int:
    await report_now(conn, press(event_id, home_id=3), now=NOON)
    return max(alert.alert_id for alert in await commands.list_alerts(conn, probes=True))


async def test_every_entry_says_who_when_from_where_and_none_is_ever_changed(
    database: AsyncConnection[Any], homes: list[int], people: None
) -> None:
    number = await raised(database, battery())
    acts: list[Callable[[By], Awaitable[object]]] = [
        lambda who: commands.mute(database, number, NOON + 24 * HOUR, who),
        lambda who: commands.unmute(database, number, who),
        lambda who: commands.decline(database, number, who),
        lambda who: commands.assign(database, number, "duty-2", who),
        lambda who: commands.acknowledge(database, number, who),
        lambda who: commands.on_the_way(database, number, who),
        lambda who: commands.on_scene(database, number, who),
        lambda who: commands.comment(database, number, who),
        lambda who: commands.decline(database, number, who),
        lambda who: commands.acknowledge(database, number, who),
        lambda who: commands.lapse(database, number, who),
        lambda who: commands.close(database, number, Outcome.FALSE_DEVICE_FAULT, who),
        lambda who: commands.reopen(database, number, who),
    ]
    sources = ["cli", "page", "sms", "voice", "api"]
    for minutes, act in enumerate(acts, 1):
        await act(
            By(actor="duty-1", source=sources[minutes % 5], now=NOON + minutes * MINUTE, comment=f"act {minutes}")
        )
    history = (await commands.show(database, number)).entries[1:]
    assert [(entry.at, entry.actor, entry.source, entry.detail["comment"]) for entry in history] == [
        (NOON + minutes * MINUTE, "duty-1", sources[minutes % 5], f"act {minutes}")
        for minutes in range(1, len(acts) + 1)
    ]
    assert {entry.action for entry in history} == set(Action) - {
        "raised",
        "raised_again",
        "updated",
        "sign_of_life",
        "cleared",
        "recorded",
        "handed_on",
    }
    with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
        await database.execute("DELETE FROM alert_entry WHERE alert_id = %s", [number])


async def test_people_and_escalation_at_once_do_not_deadlock(
    database: AsyncConnection[Any], database_url: str, homes: list[int], people: None
) -> None:
    """The escalation locks alert and row together and waits for neither; people and rules lock the alert first."""
    claim = (
        "SELECT e.alert_id FROM escalation e JOIN alert a USING (alert_id) ORDER BY e.due_at"
        " FOR NO KEY UPDATE OF e, a SKIP LOCKED"
    )
    stop = asyncio.Event()
    claimed = 0

    async def escalate(conn: AsyncConnection[Any]) -> None:
        nonlocal claimed
        while not stop.is_set():
            async with conn.transaction():
                for (alert_id,) in await (await conn.execute(claim)).fetchall():
                    claimed += 1
                    await conn.execute("UPDATE escalation SET step = step + 1 WHERE alert_id = %s", [alert_id])
                    await conn.execute(
                        "INSERT INTO alert_entry (alert_id, at, actor, source, action)"
                        " VALUES (%s, %s, 'alerts', 'x', 'step')",
                        [alert_id, NOON],
                    )
            await asyncio.sleep(0)

    async with (
        await connect(database_url, application_name="escalator") as first,
        await connect(database_url, application_name="escalator") as second,
        await connect(database_url, application_name="person") as person,
        asyncio.timeout(60),
        asyncio.TaskGroup() as running,
    ):
        for conn in (first, second):
            running.create_task(escalate(conn))
        for turn in range(15):
            await report_now(database, *(press(turn, home_id=home) for home in homes), dry(home_id=2), now=NOON)
            alerts = await commands.list_alerts(database)
            await asyncio.gather(
                report_now(database, *(press(1_000 + turn, home_id=home) for home in homes), now=NOON),
                commands.acknowledge(person, alerts[0].alert_id, by(after=turn * MINUTE)),
            )
            for alert in await commands.list_alerts(database):
                await commands.close(database, alert.alert_id, Outcome.OTHER, by(after=turn * MINUTE))
        stop.set()
    assert claimed > 0
