"""One case whoever acts, and its history, on a real PostgreSQL; probes; many who act at once."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection

from alerts.errors import IllegalMove
from alerts.findings import Kind, Verdict
from alerts.life import commands
from alerts.life.case import Action
from alerts.life.commands import By
from alerts.life.reading import by_case
from alerts.model import Outcome
from storage.pool import connect
from tests.alert_cases import NOON, dry, press, report_now, states, told
from tests.command_town import (
    HOUR,
    MINUTE,
    battery,
    by,
    raised,
    raised_probe,
    telling,
)


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
