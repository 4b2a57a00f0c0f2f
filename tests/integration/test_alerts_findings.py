"""`report` on a real PostgreSQL: one open case per subject and kind, each press once, nothing twice."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection

from alerts.errors import AlreadySo, ChangedMeanwhile, IllegalMove, NoSuchAlert
from alerts.findings import Finding, Kind, Reason, Severity, Subject, Verdict, report
from alerts.life import commands
from alerts.life.commands import By, Closing
from alerts.model import Outcome
from storage.pool import connect
from tests.alert_cases import NOON, dry, entries, press, register_homes, report_now, states, told

HOUR = timedelta(hours=1)


@pytest.fixture
async def homes(database: AsyncConnection[Any]) -> list[int]:
    return await register_homes(database, 3)


async def test_raise_writes_alert_entry_and_message_in_the_callers_transaction(
    database: AsyncConnection[Any], homes: list[int]
) -> None:
    async with database.transaction():
        await report(database, [press(1)], NOON)
        assert await states(database) == [("sos", "open", None)]
        raise psycopg.Rollback
    assert await states(database) == []
    assert await told(database) == []

    await report_now(database, press(1), now=NOON)
    row = await (
        await database.execute(
            "SELECT a.subject, a.area_id IS NOT NULL, a.reason, n.body, n.channel, n.recipient, n.priority, n.state"
            " FROM alert a JOIN notification n USING (alert_id)"
        )
    ).fetchone()
    assert row is not None
    subject, has_area, reason, body, *rest = row
    assert (subject, has_area, reason) == ("home/1", True, "SOS button btn-1 was pressed")
    assert rest == ["webhook", "default", 0, "pending"]
    assert body["type"] == "anju.alert.raised"
    assert body["data"]["home"] == "Door 1"
    assert body["data"]["area"] == "City/District/Street/Lane"
    assert body["data"]["reason"]["text"] == {"en": "SOS button btn-1 was pressed", "zh": "SOS按钮btn-1被按下"}


async def test_same_findings_reported_again_change_nothing(database: AsyncConnection[Any], homes: list[int]) -> None:
    for minutes in range(3):
        await report_now(database, press(1), dry(), now=NOON + timedelta(minutes=minutes))
    assert await states(database) == [("inactivity", "open", None), ("sos", "open", None)]
    assert await entries(database) == ["raised", "raised"]
    assert await told(database) == ["raised", "raised"]


async def test_new_figures_of_the_same_reason_refresh_the_alert_without_entry_or_message(
    database: AsyncConnection[Any], homes: list[int]
) -> None:
    await report_now(database, dry(dry_s=46_800), now=NOON)
    await report_now(database, dry(dry_s=47_700), now=NOON + timedelta(minutes=15))
    (alert,) = await commands.list_alerts(database)
    assert alert.text().startswith(
        "no water for 13 h 15 min (2 L in that time); limit 10 L in 12 h; meter heard 12 min ago"
    )
    assert alert.updated_at == NOON + timedelta(minutes=15)
    assert await entries(database) == ["raised"]


async def test_higher_severity_is_told_and_lower_one_only_entered(
    database: AsyncConnection[Any], homes: list[int]
) -> None:
    await report_now(database, dry(severity=Severity.SOFT), now=NOON)
    await report_now(database, dry(severity=Severity.HARD), now=NOON + HOUR)
    await report_now(database, dry(severity=Severity.SOFT), now=NOON + 2 * HOUR)
    assert await entries(database) == ["raised", "updated", "updated"]
    assert await told(database) == ["raised", "updated"]


async def test_two_reporters_raise_the_same_finding_at_once(
    database: AsyncConnection[Any], database_url: str, homes: list[int]
) -> None:
    conns = [await connect(database_url, application_name=f"reporter-{n}") for n in range(8)]
    try:
        for turn in range(12):
            at = NOON + timedelta(minutes=turn)
            # Odd turns meet an open case, even ones none; every press comes from all reporters, and one of each alone.
            if turn % 2 == 0:
                for alert in await commands.list_alerts(database):
                    await commands.close(database, alert.alert_id, Outcome.OTHER, By(actor="a", source="test", now=at))
            started = asyncio.Barrier(len(conns))

            async def one(
                n: int, conn: AsyncConnection[Any], turn: int = turn, barrier: asyncio.Barrier = started
            ) -> None:
                at = NOON + timedelta(minutes=turn)
                await barrier.wait()
                async with conn.transaction():
                    await report(conn, [press(turn, since=at), press(1000 + turn * 10 + n, since=at)], at)

            await asyncio.gather(*(one(n, conn) for n, conn in enumerate(conns)))
            (alert,) = await commands.list_alerts(database)
            assert alert.times_raised == (9 if turn % 2 == 0 else 18)
    finally:
        for conn in conns:
            await conn.close()
    row = await (
        await database.execute("SELECT count(*), count(DISTINCT event_id) FROM alert_entry WHERE event_id IS NOT NULL")
    ).fetchone()
    assert row == (12 * 9, 12 * 9)
    assert sorted(set(await told(database))) == ["closed", "raised", "raised_again"]


async def test_reporters_of_many_homes_in_opposite_order_do_not_deadlock(
    database: AsyncConnection[Any], database_url: str, homes: list[int]
) -> None:
    async def look(conn: AsyncConnection[Any], order: list[int], turn: int) -> None:
        async with conn.transaction():
            findings = [dry(home_id=home, dry_s=46_800 + turn) for home in order]
            await report(conn, findings + [press(home, home_id=home) for home in order], NOON)

    first, second = [await connect(database_url, application_name="reporter") for _ in range(2)]
    try:
        for turn in range(20):
            await asyncio.gather(look(first, homes, turn), look(second, homes[::-1], turn))
    finally:
        await first.close()
        await second.close()
    assert len(await states(database)) == 6
    assert await entries(database) == ["raised"] * 6


async def test_press_in_acknowledged_state_is_told_again(database: AsyncConnection[Any], homes: list[int]) -> None:
    await report_now(database, press(1), now=NOON)
    (alert,) = await commands.list_alerts(database)
    await commands.acknowledge(database, alert.alert_id, By(actor="duty-1", source="cli", now=NOON + HOUR))
    await report_now(database, press(2, since=NOON + 2 * HOUR), now=NOON + 2 * HOUR)
    assert await states(database) == [("sos", "acknowledged", None)]
    assert await entries(database) == ["raised", "acknowledged", "raised_again"]
    assert await told(database) == ["raised", "acknowledged", "raised_again"]
    row = await (await database.execute("SELECT since, times_raised FROM alert")).fetchone()
    assert row == (NOON, 2)


async def test_press_judged_again_after_its_alert_was_closed_raises_nothing(
    database: AsyncConnection[Any], homes: list[int]
) -> None:
    await report_now(database, press(1), now=NOON)
    (alert,) = await commands.list_alerts(database)
    await commands.close(database, alert.alert_id, Outcome.GENUINE, By(actor="duty-1", source="cli", now=NOON + HOUR))
    await report_now(database, press(1), now=NOON + 2 * HOUR)
    assert await states(database) == [("sos", "closed", "genuine")]
    # A press that only arrives now is another one, however old it is.
    await report_now(database, press(2, since=NOON - HOUR), now=NOON + 2 * HOUR)
    assert [state for _, state, _ in await states(database)] == ["closed", "open"]


@pytest.mark.parametrize(
    "kind", [Kind.SOS, Kind.FALL, Kind.SOS_UNKNOWN_DEVICE, Kind.FALL_UNKNOWN_DEVICE], ids=lambda kind: str(kind)
)
async def test_calls_for_help_never_clear(database: AsyncConnection[Any], homes: list[int], kind: Kind) -> None:
    def finding(verdict: Verdict, event_id: int | None) -> Finding:
        return Finding(
            subject=Subject(device_name="btn-9"),
            kind=kind,
            verdict=verdict,
            severity=Severity.URGENT,
            since=NOON,
            reason=Reason(id="sos_pressed", values={"device": "btn-9"}),
            evidence={},
            event_id=event_id,
        )

    await report_now(database, finding(Verdict.RAISE, 1), now=NOON)
    await report_now(database, finding(Verdict.CLEAR, None), now=NOON + HOUR)
    assert await states(database) == [(str(kind), "open", None)]
    assert await told(database) == ["raised"]


async def test_record_is_kept_closed_once_and_told_to_nobody(database: AsyncConnection[Any], homes: list[int]) -> None:
    for _ in range(2):
        await report_now(database, dry(Verdict.RECORD), dry(Verdict.RECORD, since=NOON - HOUR), now=NOON + HOUR)
    assert await states(database) == [("inactivity", "closed", "recorded")] * 2
    assert await entries(database) == ["recorded"] * 2
    assert await told(database) == []


async def test_many_findings_of_one_case_are_taken_in_order(database: AsyncConnection[Any], homes: list[int]) -> None:
    await report_now(database, press(1), press(2), press(1), press(3), now=NOON)
    (alert,) = await commands.list_alerts(database)
    assert alert.times_raised == 3
    assert await entries(database) == ["raised", "raised_again", "raised_again"]


async def test_reason_without_sentence_still_raises(database: AsyncConnection[Any], homes: list[int]) -> None:
    finding = Finding(
        subject=Subject(home_id=1),
        kind=Kind.SOS,
        verdict=Verdict.RAISE,
        severity=Severity.URGENT,
        since=NOON,
        reason=Reason(id="not_written_yet", values={}),
        evidence={},
        event_id=1,
    )
    await report_now(database, finding, now=NOON)
    (alert,) = await commands.list_alerts(database)
    assert alert.text() == "not written yet"


async def test_history_is_append_only(database: AsyncConnection[Any], homes: list[int]) -> None:
    await report_now(database, press(1), now=NOON)
    for statement in ("UPDATE alert_entry SET actor = 'x'", "DELETE FROM alert_entry"):
        with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
            await database.execute(statement)
    with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
        await database.execute("TRUNCATE alert_entry CASCADE")
    assert await entries(database) == ["raised"]


async def test_refused_changes_change_nothing(database: AsyncConnection[Any], homes: list[int]) -> None:
    by = By(actor="duty-1", source="cli", now=NOON + HOUR)
    with pytest.raises(NoSuchAlert):
        await commands.acknowledge(database, 7, by)
    await report_now(database, press(1), now=NOON)
    (alert,) = await commands.list_alerts(database)
    with pytest.raises(IllegalMove, match="given by the service"):
        await commands.close(database, alert.alert_id, Outcome.RESOLVED_BY_SIGN_OF_LIFE, by)
    await report_now(database, press(2), now=NOON + HOUR / 2)
    seen_before = By(actor="duty-1", source="cli", now=NOON + HOUR, seen_times_raised=alert.times_raised)
    with pytest.raises(ChangedMeanwhile, match="raised again"):
        await commands.close(database, alert.alert_id, Outcome.FALSE_FORGOT, seen_before)
    await commands.acknowledge(database, alert.alert_id, by)
    with pytest.raises(AlreadySo, match="duty-1 has this alert already"):
        await commands.acknowledge(database, alert.alert_id, by)
    with pytest.raises(IllegalMove, match="cannot acknowledge an alert that is acknowledged: duty-1 has it"):
        await commands.acknowledge(database, alert.alert_id, replace(by, actor="duty-2"))
    await commands.close(database, alert.alert_id, Outcome.GENUINE, replace(by, now=NOON + 2 * HOUR))
    with pytest.raises(IllegalMove, match="cannot close an alert that is closed"):
        await commands.close(database, alert.alert_id, Outcome.OTHER, by)
    assert await entries(database) == ["raised", "raised_again", "acknowledged", "closed"]
    assert await told(database) == ["raised", "raised_again", "acknowledged", "closed"]


async def test_two_people_acknowledge_at_once_and_one_is_refused(
    database: AsyncConnection[Any], database_url: str, homes: list[int]
) -> None:
    await report_now(database, press(1), now=NOON)
    async with (
        await connect(database_url, application_name="first") as first,
        await connect(database_url, application_name="second") as second,
    ):
        answers = await asyncio.gather(
            *(
                commands.acknowledge(conn, 1, By(actor=f"duty-{n}", source="page", now=NOON + HOUR))
                for n, conn in enumerate((first, second))
            ),
            return_exceptions=True,
        )
    assert sorted(type(answer).__name__ for answer in answers) == ["IllegalMove", "NoneType"]
    assert await entries(database) == ["raised", "acknowledged"]


async def test_show_and_list(database: AsyncConnection[Any], homes: list[int]) -> None:
    await report_now(database, press(1), dry(home_id=2), now=NOON)
    by = By(actor="duty-1", source="cli", now=NOON + HOUR, comment="on my way")
    sos, inactive = sorted(await commands.list_alerts(database), key=lambda alert: alert.kind, reverse=True)
    await commands.close(database, sos.alert_id, Outcome.GENUINE, by)
    assert [alert.alert_id for alert in await commands.list_alerts(database)] == [inactive.alert_id]
    assert len(await commands.list_alerts(database, closed=True)) == 2
    assert await commands.list_alerts(database, closed=True, home_id=3) == []
    assert len(await commands.list_alerts(database, area="City/District")) == 1
    assert await commands.list_alerts(database, area="City/Dist") == []
    details = await commands.show(database, sos.alert_id)
    assert [(entry.action, entry.actor, entry.source) for entry in details.entries] == [
        ("raised", "rules", "rules"),
        ("closed", "duty-1", "cli"),
    ]
    assert details.entries[1].detail["comment"] == "on my way"
    assert details.entries[0].event_id == 1
    assert [message.type for message in details.messages] == ["anju.alert.raised", "anju.alert.closed"]
    assert details.evidence == {"event_id": 1}
    with pytest.raises(NoSuchAlert):
        await commands.show(database, 99)


async def test_press_and_close_in_the_same_moment_lose_neither(
    database: AsyncConnection[Any], database_url: str, homes: list[int]
) -> None:
    async with await connect(database_url, application_name="person") as person:
        for turn in range(15):
            at = NOON + turn * HOUR
            await report_now(database, press(2 * turn), now=at)
            (alert,) = await commands.list_alerts(database)
            seen = By(actor="duty-1", source="page", now=at + HOUR / 2, seen_times_raised=alert.times_raised)
            answers = await asyncio.gather(
                commands.close(person, alert.alert_id, Outcome.FALSE_FORGOT, seen),
                report_now(database, press(2 * turn + 1, since=at), now=at + HOUR / 2),
                return_exceptions=True,
            )
            assert answers[1] is None
            assert isinstance(answers[0], Closing | ChangedMeanwhile)
            # Whoever was first: the press that the person had not seen stands in an open alert.
            (alert,) = await commands.list_alerts(database)
            details = await commands.show(database, alert.alert_id)
            assert 2 * turn + 1 in {entry.event_id for entry in details.entries}
            await commands.close(database, alert.alert_id, Outcome.GENUINE, By(actor="a", source="test", now=at + HOUR))


@pytest.mark.parametrize("subject", [Subject(gateway="gw-3", area_id=1), Subject(area_id=1), Subject()])
async def test_what_is_told_after_a_move_is_about_the_same_subject(
    database: AsyncConnection[Any], homes: list[int], subject: Subject
) -> None:
    incident = replace(dry(), subject=subject, kind=Kind.AREA_INCIDENT)
    await report_now(database, incident, now=NOON)
    by = By(actor="li", source="page", now=NOON + HOUR)
    (alert,) = await commands.list_alerts(database)
    await commands.acknowledge(database, alert.alert_id, by)
    rows = await (await database.execute("SELECT body->'data'->>'subject' FROM notification")).fetchall()
    assert rows == [(subject.key,)] * 2
