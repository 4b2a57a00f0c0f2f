"""Who is told, and when: cases as timelines from a finding to people, on a clock moved by hand.

Any message not expected fails.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg import AsyncConnection

from alerts.channels.results import Accepted, Fault, TryAgain
from alerts.findings import Finding, Kind, Reason, Severity, Subject, Verdict
from alerts.life import commands
from alerts.model import Outcome
from tests.alert_cases import NOON, dry, press, register_homes
from tests.escalation_town import Town, contact, enrol, on_roster, town

DESK = ("webhook", "default")


@pytest.fixture
async def lane(database: AsyncConnection[Any], database_url: str) -> AsyncIterator[Town]:
    """A home whose people are reached by SMS alone; the duty desk hears all by webhook."""
    (home_id,) = await register_homes(database)
    await database.execute(
        "WITH district AS (INSERT INTO area (name, path) VALUES ('District', 'City/District') RETURNING area_id)"
        " UPDATE area SET parent_id = district.area_id FROM district WHERE path = 'City/District/Street/Lane'"
    )
    await enrol(
        database,
        {key: ["sms"] for key in ("duty-1", "duty-2", "chief", "operator-1", "daughter", "neighbour", "resident")},
    )
    await on_roster(database, "duty", "duty-1")
    await on_roster(database, "backup", "duty-2", area="City/District")
    await on_roster(database, "supervisor", "chief", area=None)
    await on_roster(database, "operator", "operator-1", area=None)
    await contact(database, home_id, "daughter", "family", 1)
    await contact(database, home_id, "neighbour", "neighbour", 2)
    await contact(database, home_id, "resident", "resident", 3)
    async with town(database, database_url, channels=("sms", "webhook")) as place:
        yield place


def fall(event_id: int, *, since: datetime = NOON) -> Finding:
    return Finding(
        subject=Subject(home_id=1, device_name="pendant-1"),
        kind=Kind.FALL,
        verdict=Verdict.RAISE,
        severity=Severity.URGENT,
        since=since,
        reason=Reason(id="fall_reported", values={"device": "pendant-1"}),
        evidence={},
        event_id=event_id,
    )


def battery(verdict: Verdict = Verdict.RAISE, *, home_id: int = 1, since: datetime = NOON) -> Finding:
    return Finding(
        subject=Subject(home_id=home_id),
        kind=Kind.BATTERY_LOW,
        verdict=verdict,
        severity=Severity.TECHNICAL,
        since=since,
        reason=Reason(id="battery_low", values={"device": "btn-1", "battery_pct": 9}),
        evidence={},
    )


async def test_fall_escalates_until_acknowledged(lane: Town) -> None:
    await lane.report(fall(1))
    await lane.expect_sms(to="duty-1", containing="fall")
    await lane.forward(seconds=59)
    await lane.expect()
    await lane.forward(seconds=1)
    await lane.expect(("sms", "duty-1", "escalated"), ("sms", "duty-2", "escalated"))
    await commands.acknowledge(lane.conn, await lane.alert(), lane.by("duty-2"))
    await lane.expect(("sms", "duty-1", "acknowledged"), (*DESK, "acknowledged"))
    await lane.forward(minutes=4)
    await commands.on_the_way(lane.conn, await lane.alert(), lane.by("duty-2"))
    await lane.expect(("sms", "duty-1", "attending"), (*DESK, "attending"))
    await lane.forward(minutes=20)
    await commands.on_scene(lane.conn, await lane.alert(), lane.by("duty-2"))
    await lane.expect(("sms", "duty-1", "attending"), (*DESK, "attending"))
    await lane.forward(hours=1)
    await commands.close(lane.conn, await lane.alert(), Outcome.GENUINE, lane.by("duty-2"))
    await lane.expect(("sms", "duty-1", "closed"), (*DESK, "closed"))
    await lane.forward(hours=24)


async def test_nobody_answers_everybody_is_told_in_turn_and_it_begins_again(lane: Town) -> None:
    await lane.report(press(1))
    await lane.expect(("sms", "duty-1", "raised"), (*DESK, "raised"))
    await lane.forward(seconds=60)
    await lane.expect(("sms", "duty-1", "escalated"), ("sms", "duty-2", "escalated"))
    await lane.forward(seconds=120)
    await lane.expect(("sms", "chief", "escalated"))
    await lane.forward(seconds=120)
    (sent,) = await lane.expect(("sms", "daughter", "escalated"))
    assert sent.message.body["audience"] == "contact"
    await lane.forward(seconds=60)
    await lane.expect(("sms", "neighbour", "escalated"))
    await lane.forward(seconds=600)
    await lane.expect(("sms", "duty-1", "escalated"))
    assert lane.clock.now == NOON + timedelta(minutes=16)
    told = await lane.history("told")
    assert [(each["round"], each["steps"]) for each in told] == [
        (0, [0]), (0, [100]), (0, [200]), (0, [300]), (0, [301]), (1, [0])
    ]  # fmt: skip


async def test_pressed_again_the_telling_begins_again_at_most_once_a_minute(lane: Town) -> None:
    await lane.report(press(1))
    await lane.expect(("sms", "duty-1", "raised"), (*DESK, "raised"))
    for number in range(2, 6):
        await lane.forward(seconds=5)
        await lane.report(press(number, since=lane.clock.now))
        await lane.expect((*DESK, "raised_again"))
    await lane.forward(seconds=39)
    await lane.expect()
    await lane.forward(seconds=1)
    (sent,) = await lane.expect(("sms", "duty-1", "raised_again"))
    data = sent.message.body["data"]
    assert isinstance(data, dict)
    assert data["times_raised"] == 5
    # The steps follow from the last press on, 20 s after the first.
    await lane.forward(seconds=20)
    await lane.expect(("sms", "duty-1", "escalated"), ("sms", "duty-2", "escalated"))


async def test_pressed_again_while_the_operator_is_out_of_order(lane: Town) -> None:
    sms = lane.edges["sms"]
    sms.answer = TryAgain(fault=Fault.UNREACHABLE)
    await lane.report(press(1))
    await lane.expect(("sms", "duty-1", "raised"), (*DESK, "raised"))
    sms.answer = Accepted(provider="edge")
    await lane.forward(seconds=0.2)
    await lane.report(press(2, since=lane.clock.now))
    # Nobody has seen the first one: the second waits for nothing, and the first is not sent any more.
    await lane.expect(("sms", "duty-1", "raised_again"), (*DESK, "raised_again"))
    await lane.forward(seconds=59)


async def test_pressed_again_while_somebody_has_it(lane: Town) -> None:
    await lane.report(press(1))
    await lane.expect(("sms", "duty-1", "raised"), (*DESK, "raised"))
    await commands.acknowledge(lane.conn, await lane.alert(), lane.by("duty-1"))
    await lane.expect((*DESK, "acknowledged"))
    await lane.forward(minutes=2)
    await lane.report(press(2, since=lane.clock.now))
    await lane.expect(("sms", "duty-1", "raised_again"), (*DESK, "raised_again"))
    await lane.forward(minutes=1)
    await lane.expect(("sms", "duty-1", "escalated"), ("sms", "duty-2", "escalated"))
    await commands.acknowledge(lane.conn, await lane.alert(), lane.by("duty-1"))
    await lane.expect(("sms", "duty-2", "acknowledged"), (*DESK, "acknowledged"))
    await lane.forward(minutes=4)


async def test_taken_and_not_followed_up_is_reminded_and_then_told_anew(lane: Town) -> None:
    await lane.report(press(1))
    await lane.expect(("sms", "duty-1", "raised"), (*DESK, "raised"))
    await lane.forward(seconds=30)
    await commands.acknowledge(lane.conn, await lane.alert(), lane.by("duty-1"))
    await lane.expect((*DESK, "acknowledged"))
    await lane.forward(seconds=299)
    await lane.expect()
    await lane.forward(seconds=1)
    await lane.expect(("sms", "duty-1", "follow_up"))
    await lane.forward(seconds=300)
    await lane.expect(("sms", "duty-1", "follow_up"))
    await lane.forward(seconds=300)
    # It is news to the desk; to the duty worker the news is the first step of the new telling.
    await lane.expect(("sms", "duty-1", "lapsed"), (*DESK, "lapsed"))
    await lane.forward(seconds=60)
    await lane.expect(("sms", "duty-1", "escalated"), ("sms", "duty-2", "escalated"))


async def test_cannot_brings_the_next_step_at_once(lane: Town) -> None:
    await lane.report(press(1))
    await lane.expect(("sms", "duty-1", "raised"), (*DESK, "raised"))
    await lane.forward(seconds=10)
    await commands.decline(lane.conn, await lane.alert(), lane.by("duty-1"))
    (sent,) = await lane.expect(("sms", "duty-2", "escalated"))
    assert (sent.at, sent.message.body["instead_of"]) == (NOON + timedelta(seconds=10), "duty")
    await lane.forward(seconds=169)
    await lane.expect()
    await lane.forward(seconds=1)
    await lane.expect(("sms", "chief", "escalated"))


async def test_who_cannot_is_told_no_more_in_this_alert_while_others_are_left(lane: Town) -> None:
    await lane.report(press(1))
    await lane.expect(("sms", "duty-1", "raised"), (*DESK, "raised"))
    await commands.acknowledge(lane.conn, alert := await lane.alert(), lane.by("duty-1"))
    await lane.expect((*DESK, "acknowledged"))
    await lane.forward(seconds=10)
    # Given back, it is told anew: not to who has just said that they cannot.
    await commands.decline(lane.conn, alert, lane.by("duty-1"))
    await lane.expect(("sms", "duty-2", "lapsed"), (*DESK, "lapsed"))
    await lane.forward(seconds=10)
    await lane.report(press(2, since=lane.clock.now))
    await lane.expect((*DESK, "raised_again"))
    await lane.forward(seconds=50)
    await lane.expect(("sms", "duty-2", "raised_again"))

    # Closed by mistake: the question is asked anew, of everybody.
    await commands.close(lane.conn, alert, Outcome.FALSE_TEST, lane.by("duty-2"))
    await lane.expect(("sms", "duty-1", "closed"), (*DESK, "closed"))
    await lane.forward(minutes=2)
    await commands.reopen(lane.conn, alert, lane.by("duty-2"))
    await lane.expect(("sms", "duty-1", "reopened"), (*DESK, "reopened"))

    # The supervisor stands in for the backup.
    await commands.decline(lane.conn, alert, lane.by("duty-2"))
    await lane.expect(("sms", "duty-1", "escalated"), ("sms", "chief", "escalated"))
    await commands.decline(lane.conn, alert, lane.by("duty-1"))
    await lane.expect(("sms", "chief", "escalated"))
    # Who is handed it is asked anew.
    await commands.assign(lane.conn, alert, "duty-2", lane.by("chief"))
    await lane.expect(("sms", "duty-2", "assigned"), (*DESK, "assigned"))
    await lane.forward(seconds=1)
    await lane.report(press(3, since=lane.clock.now))
    await lane.expect(("sms", "duty-2", "raised_again"), (*DESK, "raised_again"))


async def test_what_still_waits_for_who_cannot_does_not_leave(lane: Town) -> None:
    await lane.report(press(1))
    await lane.expect(("sms", "duty-1", "raised"), (*DESK, "raised"))
    await lane.forward(seconds=10)
    await lane.report(press(2, since=lane.clock.now))
    await lane.expect((*DESK, "raised_again"))
    # That they are told of it too would leave a minute after the first.
    await lane.forward(seconds=10)
    await commands.decline(lane.conn, await lane.alert(), lane.by("duty-1"))
    await lane.expect(("sms", "duty-2", "escalated"))
    await lane.forward(seconds=100)
    await lane.expect()


async def test_soft_asks_the_resident_first_and_goes_up_when_it_becomes_hard(lane: Town) -> None:
    await lane.report(dry(severity=Severity.SOFT))
    (sms, _) = sorted(await lane.expect(("sms", "resident", "ask"), (*DESK, "raised")), key=lambda sent: sent.channel)
    assert sms.message.body["audience"] == "resident"
    await lane.forward(minutes=10)
    await lane.report(dry(severity=Severity.HARD, dry_s=90_000))
    await lane.expect(("sms", "duty-1", "updated"), (*DESK, "updated"))
    await lane.report(dry(Verdict.CLEAR, since=lane.clock.now))
    await lane.expect(("sms", "resident", "cleared"), ("sms", "duty-1", "cleared"), (*DESK, "cleared"))
    await lane.forward(hours=24)


async def test_nobody_on_duty_in_the_lane_falls_upward(lane: Town) -> None:
    await on_roster(lane.conn, "duty")
    await on_roster(lane.conn, "duty", "duty-2", area="City/District")
    await lane.report(press(1))
    await lane.expect(("sms", "duty-2", "raised"), (*DESK, "raised"))
    await on_roster(lane.conn, "duty", area="City/District")
    await on_roster(lane.conn, "backup", area="City/District")
    await lane.forward(seconds=60)
    fresh = await lane.expect(("sms", "chief", "escalated"))
    assert fresh[0].message.body["instead_of"] == "duty"
    first, then = await lane.history("told")
    assert first["fell_upward"] == [
        {"wanted": "duty", "told": "duty", "at": "City/District", "because": "nobody_on_duty"}
    ]
    assert [(each["wanted"], each["told"]) for each in then["fell_upward"]] == [
        ("duty", "supervisor"),
        ("backup", "supervisor"),
    ]
    await lane.forward(seconds=119)


async def test_low_batteries_wait_for_the_digest_and_one_that_was_charged_is_left_out(lane: Town) -> None:
    await lane.conn.execute("INSERT INTO home (area_id, name, time_zone) SELECT area_id, 'Door 2', time_zone FROM home")
    await lane.report(battery())
    await lane.expect((*DESK, "raised"))
    await lane.forward(hours=1)
    await lane.report(battery(home_id=2))
    await lane.report(battery(Verdict.CLEAR))
    await lane.expect((*DESK, "raised"), (*DESK, "cleared"))
    # Noon is 20:00 in Shanghai: nine o'clock comes thirteen hours after it.
    await lane.forward(hours=11, minutes=59)
    await lane.expect()
    await lane.forward(minutes=1)
    (sent,) = await lane.expect(("sms", "operator-1", "raised"))
    assert sent.at == datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
    await commands.acknowledge(lane.conn, await lane.alert(), lane.by("operator-1"))
    await lane.expect((*DESK, "acknowledged"))


async def test_a_muted_technical_alert_tells_nobody_before(lane: Town) -> None:
    fault = Finding(
        subject=Subject(home_id=1),
        kind=Kind.METER_FAULT,
        verdict=Verdict.RAISE,
        severity=Severity.TECHNICAL,
        since=NOON,
        reason=Reason(id="meter_fault", values={"device": "water-1", "fault": "leak"}),
        evidence={},
    )
    await lane.report(fault)
    await lane.expect(("sms", "operator-1", "raised"), (*DESK, "raised"))
    until = lane.clock.now + timedelta(hours=30)
    await commands.mute(lane.conn, await lane.alert(), until, lane.by("operator-1"))
    await lane.forward(hours=29)
    await lane.expect()
    await lane.forward(hours=1)
    fresh = await lane.expect(("sms", "operator-1", "raised"))
    assert fresh[0].at == until


async def test_nobody_at_all(database: AsyncConnection[Any], database_url: str) -> None:
    await register_homes(database)
    await enrol(database, {"late": ["sms"]})
    await on_roster(database, "duty")
    async with town(database, database_url, channels=("sms", "webhook")) as place:
        await place.report(press(1))
        await place.expect((*DESK, "raised"), (*DESK, "escalated"))
        await place.forward(minutes=10)
        await place.expect()
        assert len(await place.history("nobody_to_tell")) == 1
        await on_roster(database, "duty", "late", area=None)
        await place.forward(minutes=1)
        await place.expect(("sms", "late", "raised"))


async def test_a_site_that_has_only_a_duty_desk(database: AsyncConnection[Any], database_url: str) -> None:
    await register_homes(database)
    async with town(database, database_url, channels=("webhook",)) as place:
        await place.report(press(1))
        await place.expect((*DESK, "raised"))
        await place.forward(minutes=14)
        await place.expect()
        await place.forward(minutes=1)
        await place.expect((*DESK, "escalated"))
        await commands.acknowledge(place.conn, await place.alert(), place.by("desk"))
        await place.expect((*DESK, "acknowledged"))
