"""Habits are learned from what the database holds, counted from a day after their epoch, and used by looks."""

from datetime import timedelta
from typing import Any

import pytest
from psycopg import AsyncConnection

from registry import policy
from registry.policy import DEFAULTS, Scope
from rules.engine import Engine
from rules.learner import enrol, learn_step
from rules.learning import COUNTS_AFTER, epoch, from_stored
from rules.loading import Claimed, load_snapshots
from storage import partitions
from tests.rule_town import MIN, H, Town

DAY = 24 * H


@pytest.fixture
async def town(database: AsyncConnection[Any]) -> Town:
    found = await Town.found(database)
    await partitions.ensure(found.conn, from_=found.now - 150 * DAY, to=found.now + H)
    return found


async def lively(town: Town, name: str, *, dry_hours: int = 0, days: int = 140) -> int:
    """A home in which water runs all day but for four hours, up to so many hours ago; metered every half hour."""
    home_id = await town.home(name)
    device_id = await town.device(home_id, f"meter-{name}", interval_s=1800, installed_at=town.now - (days + 1) * DAY)
    total_l, values = 1000.0, []
    for number in range(days * 48, -1, -1):
        at = town.now - 5 * MIN - number * 30 * MIN
        if number > 2 * dry_hours and (number - 2 * dry_hours + 24) % 48 > 8:
            total_l += 3.0
        values.append((at, total_l))
    await town.readings(device_id, values)
    return home_id


async def profiles(town: Town, home_id: int) -> list[Any]:
    cursor = await town.conn.execute("SELECT profiles FROM home_profile WHERE home_id = %s", [home_id])
    row = await cursor.fetchone()
    return [] if row is None else list(from_stored(row[0]))


def engine(town: Town) -> Engine:
    return Engine(clock=lambda: town.now, compares_clocks=False)


async def test_a_home_is_learned_once_a_week_and_noticed_sooner(town: Town) -> None:
    home_id, other = await lively(town, "lively", dry_hours=9), await town.home("empty")
    assert await engine(town).look(town.conn) == 2
    assert await town.alerts() == []  # nine hours are not twelve
    assert await learn_step(town.conn, town.now) == 0
    assert await enrol(town.conn) == 2
    assert await enrol(town.conn) == 0
    assert await learn_step(town.conn, town.now, homes=1) == 1
    assert await learn_step(town.conn, town.now) == 1
    assert await learn_step(town.conn, town.now) == 0
    known = await profiles(town, home_id)
    assert [each.from_at for each in known] == [
        epoch(home_id, town.now) + COUNTS_AFTER - timedelta(days=7),
        epoch(home_id, town.now) + COUNTS_AFTER,
    ]
    assert all(each.profile is not None for each in known)
    assert [each.profile for each in await profiles(town, other)] == [None, None]
    await town.conn.execute("UPDATE home_watch SET due_at = %s", [town.now])
    await engine(town).look(town.conn)
    assert await town.alerts() == [(f"home/{home_id}", "inactivity", "open")]
    row = await (await town.conn.execute("SELECT reason_id, severity FROM alert")).fetchone()
    assert row == ("inactivity_silent", "soft")
    assert await learn_step(town.conn, town.now + timedelta(days=7)) == 2
    later = await profiles(town, home_id)
    assert later[0].from_at == known[1].from_at
    assert later[0].profile == known[1].profile


async def test_what_counts_already_is_looked_at_at_once(town: Town) -> None:
    home_id = await lively(town, "lively")
    await town.conn.execute("UPDATE home_watch SET due_at = %s", [town.now + 5 * H])
    await enrol(town.conn)
    # Seen from two days after the epoch.
    now = epoch(home_id, town.now) + 2 * DAY
    await learn_step(town.conn, now)
    row = await (await town.conn.execute("SELECT due_at FROM home_watch")).fetchone()
    assert row is not None
    assert row[0] == min(now, town.now + 5 * H)


async def test_absences_and_emergencies_are_not_learned(town: Town) -> None:
    away, needed, whole = [await lively(town, name, days=30) for name in ("away", "needed", "whole")]
    await town.conn.execute(
        "INSERT INTO absence (home_id, from_at, until_at, reason, noted_at, noted_by)"
        " VALUES (%s, %s, %s, 'travel', %s, 'test')",
        [away, town.now - 30 * DAY, town.now - 9 * DAY, town.now],
    )
    await town.conn.execute(
        "INSERT INTO alert (subject, home_id, kind, severity, state, since, raised_at, updated_at, closed_at, outcome,"
        " reason_id, reason_values, reason, evidence)"
        " VALUES (%(subject)s, %(home)s, 'inactivity', 'soft', 'closed', %(since)s, %(since)s, %(until)s, %(until)s,"
        " 'genuine', 'x', '{}', 'x', '{}')",
        {
            "subject": f"home/{needed}",
            "home": needed,
            "since": town.now - 30 * DAY,
            "until": town.now - 9 * DAY,
        },
    )
    await enrol(town.conn)
    await learn_step(town.conn, town.now)
    assert [(await profiles(town, home))[1].profile is None for home in (away, needed, whole)] == [True, True, False]


async def test_a_policy_may_want_no_learned_line(town: Town) -> None:
    home_id = await lively(town, "lively", dry_hours=9)
    await enrol(town.conn)
    await learn_step(town.conn, town.now)
    await policy.change(town.conn, Scope(home_id=home_id), {"inactivity_learned": False}, now=town.now, actor="test")
    await engine(town).look(town.conn)
    assert await town.alerts() == []


async def test_looks_know_when_somebody_was_in_need(town: Town) -> None:
    homes = [await lively(town, outcome, days=1) for outcome in ("genuine", "false_hospital", "false_away")]
    for home_id, outcome in zip(homes, ("genuine", "false_hospital", "false_away"), strict=True):
        await town.conn.execute(
            "INSERT INTO alert (subject, home_id, kind, severity, state, since, raised_at, updated_at, closed_at,"
            " outcome, reason_id, reason_values, reason, evidence)"
            " VALUES (%(subject)s, %(home)s, 'inactivity', 'soft', 'closed', %(since)s, %(since)s, %(until)s,"
            " %(until)s, %(outcome)s, 'x', '{}', 'x', '{}')",
            {
                "subject": f"home/{home_id}",
                "home": home_id,
                "since": town.now - 30 * H,
                "until": town.now - 20 * H,
                "outcome": outcome,
            },
        )
    snapshots = await load_snapshots(
        town.conn,
        [Claimed(home_id=home_id, due_at=town.now, rearmed=0) for home_id in homes],
        hearing=None,
        defaults=DEFAULTS,
        late_window=35 * DAY,
        now=town.now,
    )
    in_need = (town.now - 30 * H, town.now - 20 * H)
    assert [snapshot.emergencies for snapshot in snapshots] == [(in_need,), (in_need,), ()]
