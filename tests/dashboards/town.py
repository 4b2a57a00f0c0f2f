"""A town in which everything that a dashboard shows has happened, with names and numbers that none may show."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from alerts.findings import Finding
from alerts.life import commands
from alerts.life.commands import By
from alerts.model import Kind, Outcome, Reason, Severity, Subject, Verdict
from devices import quantities
from tests.alert_cases import press, report_now
from tests.rule_town import MIN, H, Town

D: Final = 24 * H
#: What people wrote or are called: none of it may be seen.
SECRETS: Final = (
    "张桂芳",
    "李伟",
    "+8613800000001",
    "3-201",
    "fell in the kitchen",
    "call her son first",
    "os-account-li",
    "unit 3, behind the market",
    "neighbour-says-she-is-fine",
    "phantom-139-1234",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """The numbers of what is in the town."""

    now: datetime
    home_id: int
    area_id: int


async def live(conn: AsyncConnection[Any], now: datetime) -> Lived:
    """Fills a migrated database (autocommit) with the last month of a town."""
    town = await Town.found(conn, now)
    await town.heard(until=now - timedelta(seconds=8))
    home_id = await town.metered_home("3-201 张桂芳", [0.0, 12.0, 3.0, 40.0] * 96)
    await _devices(town, home_id)
    silent = await _silent_home(town)
    await town.home("3-203")
    await _people(town, home_id)
    await _alerts(town, home_id, silent)
    await _service(town)
    return Lived(now=now, home_id=home_id, area_id=town.areas["city/north"])


async def _devices(town: Town, home_id: int) -> None:
    conn, now = town.conn, town.now
    button = await town.device(home_id, "btn-1")
    await town.readings(
        button, [(now - n * 12 * H, 80.0 - n) for n in range(40, 0, -1)], quantity=quantities.BATTERY.code
    )
    for kind, ago in (("button_press", 2 * H), ("test_press", 5 * D)):
        await town.event("btn-1", kind, at=now - ago, wake=False, detail={"note": "fell in the kitchen"})
    await conn.execute("UPDATE event SET received_at = measured_at")
    await conn.execute(
        "UPDATE installation SET gateway = 'gw-1', interval_s = coalesce(interval_s, 3600) WHERE home_id = %s",
        [home_id],
    )
    await conn.execute("UPDATE device SET model = 'model-' || driver")
    await conn.execute("UPDATE device SET name = 'meter-1' WHERE name LIKE 'meter-3-201%'")
    await conn.execute(
        "INSERT INTO broker_credential (account, kind, driver, login, issued_at, expires_at)"
        " VALUES ('btn-1', 'device', 'native', 'btn-1/1', %(past)s, %(soon)s),"
        " ('李伟 laptop', 'gateway', 'native', 'gw/1', %(past)s, %(soon)s)",
        {"past": now - 30 * D, "soon": now + 20 * D},
    )


async def _silent_home(town: Town) -> int:
    """A home whose devices are silent behind their gateway, with a low battery."""
    now = town.now
    silent = await town.metered_home("3-202", [5.0] * 40, ends=now - 2 * D)
    await town.conn.execute("UPDATE installation SET gateway = 'gw-2' WHERE home_id = %s", [silent])
    await town.conn.execute("UPDATE device SET name = 'meter-2' WHERE name = 'meter-3-202'")
    meter = await (
        await town.conn.execute("SELECT device_id FROM installation WHERE home_id = %s", [silent])
    ).fetchone()
    assert meter is not None
    await town.readings(meter[0], [(now - 3 * D, 9.0)], quantity=quantities.BATTERY.code)
    await town.conn.execute(
        "UPDATE home_watch SET ongoing = %s WHERE home_id = %s",
        [Jsonb({"monitoring_lost": (now - 2 * D).isoformat()}), silent],
    )
    await town.conn.execute(
        "INSERT INTO area_trouble (scope, cause, gateway, since, suspected_at, opened_at, told, homes, watched)"
        " VALUES ('gateway/gw-2', 'silent', 'gw-2', %(since)s, %(since)s, %(since)s, 'gateway/gw-2', 1, 1)",
        {"since": now - 2 * D},
    )
    return silent


async def _people(town: Town, home_id: int) -> None:
    conn, now = town.conn, town.now
    await conn.execute("INSERT INTO resident (home_id, name) VALUES (%s, '张桂芳')", [home_id])
    row = await (
        await conn.execute(
            "INSERT INTO person (key, name, language) VALUES ('duty-1', '李伟', 'zh') RETURNING person_id"
        )
    ).fetchone()
    assert row is not None
    await conn.execute(
        "INSERT INTO person_address (person_id, channel, address) VALUES (%s, 'sms', '+8613800000001')", row
    )
    await conn.execute("INSERT INTO contact VALUES (%s, %s, 'neighbour', 1)", [home_id, row[0]])
    await conn.execute(
        "INSERT INTO absence (home_id, from_at, until_at, reason, noted_at, noted_by)"
        " VALUES (%s, %s, %s, 'family', %s, 'os-account-li')",
        [home_id, now - H, now + 5 * H, now - 2 * H],
    )


def _found(kind: Kind, severity: Severity, home_id: int, since: datetime, reason: Reason) -> Finding:
    return Finding(
        subject=Subject(home_id=home_id),
        kind=kind,
        verdict=Verdict.RAISE,
        severity=severity,
        since=since,
        reason=reason,
        evidence={"note": "unit 3, behind the market"},
    )


async def _alerts(town: Town, home_id: int, silent: int) -> None:
    conn, now = town.conn, town.now
    dry = Reason(
        id="inactivity_dry", values={"dry_s": 46_800, "used_l": 2.0, "limit_l": 10, "window_s": 43_200, "heard_s": 720}
    )
    lost = Reason(id="monitoring_never_heard", values={"device": "meter-2", "silent_s": 172_800, "limit_s": 7_200})
    # Ended: one genuine, one that lapsed and was a false alarm.
    for number, (began, outcome) in enumerate(((3 * D, Outcome.GENUINE), (6 * D, Outcome.FALSE_FORGOT)), start=1):
        at = now - began
        await report_now(conn, press(number, home_id=home_id, since=at), now=at)
        alert_id = await _newest(conn)
        taken = By(actor="duty-1", source="sms", now=at + 4 * MIN, comment="call her son first")
        await commands.acknowledge(conn, alert_id, taken)
        if outcome is Outcome.FALSE_FORGOT:
            await commands.lapse(conn, alert_id, By(actor="alerts", source="escalation", now=at + 40 * MIN))
        there = By(actor="duty-1", source="page", now=at + 50 * MIN)
        await commands.on_scene(conn, alert_id, there)
        await commands.close(conn, alert_id, outcome, By(actor="duty-1", source="page", now=at + H))
    # Standing: a call nobody has, one that somebody at a terminal took, a silent home, a low battery, a whole gateway.
    await report_now(conn, press(3, home_id=home_id, since=now - 2 * H), now=now - 2 * H)
    await _messages(conn, await _newest(conn), now - 2 * H)
    await report_now(conn, _found(Kind.INACTIVITY, Severity.HARD, home_id, now - 5 * H, dry), now=now - 3 * H)
    taken = By(actor="os-account-li", source="cli", now=now - H, comment="neighbour-says-she-is-fine")
    await commands.acknowledge(conn, await _newest(conn), taken)
    await report_now(conn, _found(Kind.HIGH_USE, Severity.SOFT, silent, now - 40 * MIN, dry), now=now - 30 * MIN)
    technical = (
        (Kind.BATTERY_LOW, silent),
        (Kind.MONITORING_LOST, silent),
        (Kind.MONITORING_IMPAIRED, home_id),
        (Kind.TEST_OVERDUE, home_id),
    )
    for kind, where in technical:  # one by one: several go as a pipeline, in which the small TimescaleDB gets stuck
        await report_now(conn, _found(kind, Severity.TECHNICAL, where, now - 2 * D, lost), now=now - D)
    gone = Finding(
        subject=Subject(gateway="gw-2", area_id=town.areas["city/north"]),
        kind=Kind.AREA_INCIDENT,
        verdict=Verdict.RAISE,
        severity=Severity.TECHNICAL,
        since=now - 2 * D,
        reason=Reason(
            id="area_gateway_silent", values={"homes": 1, "watched": 1, "gateway": "gw-2", "since": "2026-11-19 08:00"}
        ),
        evidence={},
    )
    await report_now(conn, gone, now=now - 2 * D)


async def _newest(conn: AsyncConnection[Any]) -> int:
    row = await (await conn.execute("SELECT max(alert_id) FROM alert")).fetchone()
    assert row is not None
    return int(row[0])


async def _messages(conn: AsyncConnection[Any], alert_id: int, at: datetime) -> None:
    for channel, delivery in (("sms", "delivered"), ("voice", "undelivered")):
        number = uuid4()
        await conn.execute(
            "INSERT INTO notification (notification_id, alert_id, channel, recipient, person_id, priority, body, state,"
            " created_at, next_attempt_at, give_up_at, attempts, delivery, delivery_at)"
            " SELECT %(number)s, %(alert)s, %(channel)s, '+8613800000001', person_id, 0, %(body)s, 'accepted', %(at)s,"
            " %(at)s, %(at)s, 1, %(delivery)s, %(at)s FROM person LIMIT 1",
            {
                "number": number,
                "alert": alert_id,
                "channel": channel,
                "body": Jsonb({"text": "张桂芳 needs help"}),
                "at": at,
                "delivery": delivery,
            },
        )
        await conn.execute(
            "INSERT INTO notification_attempt (notification_id, attempt, started_at, duration_s, result, reason)"
            " VALUES (%s, 1, %s, 0.4, 'accepted', 'ok')",
            [number, at + timedelta(seconds=2)],
        )


async def _service(town: Town) -> None:
    conn, now = town.conn, town.now
    await conn.execute(
        "INSERT INTO quarantine_count VALUES ('btn-1', 'malformed', 7, %(at)s, %(at)s),"
        " ('phantom-139-1234', 'unknown_device', 3, %(at)s, %(at)s)",
        {"at": now - H},
    )
    await conn.execute(
        "INSERT INTO probe_run (source_id, through, pressed_at, dispatched_at)"
        " SELECT 'probe-' || n, 'dispatch', %(now)s - n * interval '10 min',"
        " CASE WHEN n <> 4 THEN %(now)s - n * interval '10 min' + interval '2 s' END FROM generate_series(1, 40) n",
        {"now": now},
    )
