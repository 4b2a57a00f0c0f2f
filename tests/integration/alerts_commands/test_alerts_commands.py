"""What people do with alerts, on a real PostgreSQL: assigning, commenting, reopening, and what that teaches."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from psycopg import AsyncConnection

from alerts.errors import AlreadySo, ChangedMeanwhile, IllegalMove, NoSuchAlert, NoSuchPerson, NothingSaid
from alerts.findings import Finding, Kind, Severity, Verdict, report
from alerts.life import commands
from alerts.model import Outcome
from storage.pool import connect
from tests.alert_cases import NOON, dry, entries, press, report_now, soon, states, told
from tests.command_town import (
    HOUR,
    MINUTE,
    Telling,
    battery,
    by,
    heard,
    raised,
    telling,
)


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
