"""What becomes of the telling, and who hears of it, when people do something with an alert; on a real PostgreSQL."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from psycopg import AsyncConnection

from alerts.errors import AlreadySo, IllegalMove
from alerts.findings import Finding, Severity, Verdict
from alerts.life import cases, commands
from alerts.life.commands import By
from alerts.model import Outcome
from tests.alert_cases import NOON, dry, entries, press, report_now, states
from tests.command_town import HOUR, MINUTE, Telling, battery, by, heard, pending, raised, stepped, telling


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
