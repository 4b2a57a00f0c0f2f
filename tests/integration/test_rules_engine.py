"""The engine on a real PostgreSQL: leases, re-arming, isolation, policies, and what it reads of the series."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection

from alerts import findings
from registry import policy
from registry.policy import Scope
from rules.engine import LEASE, Engine
from rules.library.catalogue import HOME_RULES
from rules.rule import Judgement
from rules.snapshot import Snapshot
from storage.pool import connect
from tests.rule_town import MIN, H, Town

DRY = [20.0] * 8 + [0.0] * 52
LIVELY = [5.0] * 60


@pytest.fixture
async def town(database: AsyncConnection[Any]) -> Town:
    return await Town.found(database)


class Inserted:
    """A rule that does something while a home is judged."""

    name, release, max_latency = "inserted", 1, timedelta(hours=24)

    def __init__(self, body: Callable[[Snapshot], None]) -> None:
        self._body = body

    def evaluate(self, snapshot: Snapshot, now: datetime) -> Judgement:
        self._body(snapshot)
        return Judgement(next_due=now + 5 * H)


def engine(town: Town, **known: Any) -> Engine:
    return Engine(**{"clock": lambda: town.now, "compares_clocks": False, **known})


async def test_a_dry_home_raises_and_a_lively_one_does_not(town: Town) -> None:
    dry = await town.metered_home("dry", DRY)
    lively = await town.metered_home("lively", LIVELY)
    assert await engine(town).look(town.conn) == 2
    assert await town.alerts() == [(f"home/{dry}", "inactivity", "open")]
    row = await (await town.conn.execute("SELECT reason, since FROM alert")).fetchone()
    assert row is not None
    assert row[0] == "no water for 13 h (0 L in that time); limit 10 L in 12 h; meter heard 4 min ago"
    assert row[1] == town.now - 5 * MIN - 13 * H
    watched = await town.watch(dry)
    # When the next reading should have come in.
    assert town.now + 10 * MIN < watched["due_at"] < town.now + 15 * MIN
    assert watched["looked_until"] == town.now - 5 * MIN
    assert (watched["lease_until"], watched["leased_by"]) == (None, None)
    assert (await town.watch(lively))["due_at"] > town.now + 30 * MIN
    assert await engine(town).look(town.conn) == 0


async def test_extra_looks_change_nothing_and_use_clears(town: Town) -> None:
    dry = await town.metered_home("dry", DRY)
    for _ in range(3):
        await town.conn.execute("SELECT rearm_home(%s, %s)", (dry, town.now))
        await engine(town).look(town.conn)
    entries = await (await town.conn.execute("SELECT count(*) FROM alert_entry")).fetchone()
    assert entries == (1,)
    device = await (await town.conn.execute("SELECT device_id FROM device")).fetchone()
    assert device is not None
    await town.readings(device[0], [(town.now, 1000.0 + 160 + 25)])
    town.now += 15 * MIN
    await town.heard()
    await engine(town).look(town.conn)
    assert await town.alerts() == [(f"home/{dry}", "inactivity", "closed")]


async def test_a_home_that_a_rule_fails_on_does_not_stop_the_others(town: Town) -> None:
    homes = [await town.metered_home(f"h{n}", DRY) for n in range(5)]

    def fail(snapshot: Snapshot) -> None:
        if snapshot.home_id == homes[2]:
            raise ZeroDivisionError

    await engine(town, rules=[Inserted(fail), *HOME_RULES]).look(town.conn)
    expected = [(f"home/{home}", "inactivity", "open") for home in homes]
    expected.append((f"home/{homes[2]}", "monitoring_impaired", "open"))
    assert await town.alerts() == sorted(expected)
    watched = await town.watch(homes[2])
    assert watched["failures"]["inserted"]["count"] == 1
    assert watched["due_at"] == town.now + MIN
    town.now += MIN
    await engine(town).look(town.conn)
    assert (f"home/{homes[2]}", "monitoring_impaired", "closed") in await town.alerts()
    assert (await town.watch(homes[2]))["failures"] == {}


async def test_a_home_that_cannot_be_reported_is_put_off_and_the_others_go_on(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    homes = [await town.metered_home(f"h{n}", DRY) for n in range(5)]
    report = findings.report

    async def refuse(conn: AsyncConnection[Any], found: Any, now: datetime) -> None:
        if any(finding.subject.home_id == homes[3] for finding in found):
            await conn.execute("SELECT 1/0")
        await report(conn, found, now)

    monkeypatch.setattr(findings, "report", refuse)
    await engine(town).look(town.conn)
    assert await town.alerts() == [(f"home/{home}", "inactivity", "open") for home in homes if home != homes[3]]
    put_off = await town.watch(homes[3])
    assert put_off["due_at"] > town.now
    assert put_off["leased_by"] is None


async def test_rearming_during_an_evaluation_is_not_lost(town: Town, database_url: str) -> None:
    home = await town.metered_home("home", LIVELY)

    def rearm(snapshot: Snapshot) -> None:
        with psycopg.connect(database_url) as other:
            other.execute("SELECT rearm_home(%s, %s)", (snapshot.home_id, town.now + 2 * MIN))

    await engine(town, rules=[Inserted(rearm)]).look(town.conn)
    watched = await town.watch(home)
    assert watched["due_at"] <= town.now + 2 * MIN
    assert watched["leased_by"] is None, "the look's own results are kept, and the home is free"
    town.now += 2 * MIN
    assert await engine(town).look(town.conn) == 1
    assert (await town.watch(home))["due_at"] > town.now


async def test_who_lost_the_lease_writes_nothing(town: Town, database_url: str) -> None:
    home = await town.metered_home("home", DRY)
    await connect_and_close(database_url)

    def take_over(snapshot: Snapshot) -> None:
        # What another engine does once our lease has run out.
        with psycopg.connect(database_url) as other:
            other.execute(
                "UPDATE home_watch SET leased_by = 'another', lease_until = %s WHERE home_id = %s",
                (town.now + LEASE, snapshot.home_id),
            )

    await engine(town, rules=[Inserted(take_over), *HOME_RULES]).look(town.conn)
    assert await town.alerts() == []
    watched = await town.watch(home)
    assert (watched["leased_by"], watched["looked_until"]) == ("another", None)
    town.now += LEASE
    assert await engine(town).look(town.conn) == 1
    assert await town.alerts() == [(f"home/{home}", "inactivity", "open")]


async def connect_and_close(url: str) -> None:
    await (await connect(url, application_name="test")).close()


async def test_two_engines_share_the_work(town: Town, database_url: str) -> None:
    for number in range(40):
        await town.metered_home(f"h{number}", DRY[-56:])
    seen: list[int] = []
    rules = [Inserted(lambda snapshot: seen.append(snapshot.home_id)), *HOME_RULES]

    async def work() -> None:
        conn = await connect(database_url, application_name="test", autocommit=True)
        try:
            mine = engine(town, rules=rules, homes_per_claim=7)
            while await mine.look(conn):
                pass
        finally:
            await conn.close()

    await asyncio.gather(work(), work(), work())
    assert len(seen) == len(set(seen)) == 40
    assert len(await town.alerts()) == 40


async def test_policies_of_site_area_and_home_override_each_other_and_rearm(town: Town) -> None:
    home = await town.metered_home("home", [20.0] * 8 + [0.0] * 26)
    other = await town.metered_home("other", [20.0] * 8 + [0.0] * 26)
    await engine(town).look(town.conn)
    assert await town.alerts() == []
    for scope, hours in ((Scope(), 4.0), (Scope(area_id=town.areas["city/north"]), 20.0), (Scope(home_id=home), 6.0)):
        parameters = {"inactivity_window_h": hours}
        await policy.change(town.conn, scope, parameters, now=town.now, actor="test")
    resolved = await policy.resolve_homes(town.conn, dict.fromkeys([home, other], town.areas["city/north/lane"]))
    assert [resolved[h].policy.inactivity_window_h for h in (home, other)] == [6.0, 20.0]
    await engine(town).look(town.conn)
    assert await town.alerts() == [(f"home/{home}", "inactivity", "open")]
    requests = await (await town.conn.execute("SELECT area_id FROM rearm_request ORDER BY rearm_id")).fetchall()
    assert requests == [(None,), (town.areas["city/north"],)]


async def test_a_faulty_stored_policy_is_passed_over(town: Town) -> None:
    home = await town.metered_home("home", DRY)
    await town.conn.execute(
        "INSERT INTO policy (home_id, parameters, changed_at, changed_by) VALUES (%s, %s, %s, 'x')",
        (home, '{"inactivity_window_h": "many"}', town.now),
    )
    await engine(town).look(town.conn)
    assert await town.alerts() == [(f"home/{home}", "inactivity", "open")]
    with pytest.raises(policy.PolicyRefused, match="inactivity_window_h"):
        await policy.change(town.conn, Scope(), {"inactivity_window_h": -1}, now=town.now, actor="test")


async def test_silence_counts_receipt_even_of_old_readings(town: Town) -> None:
    """A meter whose clock is days behind, or that sends a backlog, is heard."""
    home = await town.home("home")
    meter = await town.device(home, "meter", interval_s=900)
    silent = await town.device(home, "silent", interval_s=900)
    await town.readings(meter, [(town.now - 10 * 24 * H + n * MIN, 5.0 * n) for n in range(9)], delay=20 * 24 * H)
    await town.readings(silent, [(town.now - 3 * H, 70.0)], quantity=2)
    await town.conn.execute("UPDATE home_watch SET looked_until = %s", (town.now - H,))
    await engine(town).look(town.conn)
    rows = await (await town.conn.execute("SELECT kind, evidence FROM alert ORDER BY kind")).fetchall()
    assert [kind for kind, _ in rows] == ["monitoring_impaired", "monitoring_lost"]
    assert rows[0][1] == {"meter": "monitoring_no_water_reading"}
    assert set(rows[1][1]["silent"]) == {"silent"}


async def test_nobody_is_silent_or_inactive_because_we_were_deaf(town: Town) -> None:
    await town.metered_home("home", LIVELY, ends=town.now - 14 * H)
    await town.heard(until=town.now - 14 * H)
    await engine(town).look(town.conn)
    assert await town.alerts() == []
    await town.heard(since=town.now - 30 * MIN)
    await town.conn.execute("UPDATE home_watch SET due_at = %s", (town.now,))
    await engine(town).look(town.conn)
    assert await town.alerts() == []


async def test_clocks_apart_stop_the_judging_of_silence_but_not_of_water(town: Town) -> None:
    home = await town.metered_home("home", DRY, ends=town.now - 3 * H)
    slow = Engine(clock=lambda: datetime.now(UTC) + timedelta(seconds=30))
    await slow.look(town.conn)
    assert await town.alerts() == [(f"home/{home}", "inactivity", "open")]


async def test_readings_outside_the_installation_do_not_count(town: Town) -> None:
    home = await town.home("home")
    meter = await town.device(home, "meter", interval_s=900, installed_at=town.now - 6 * H)
    await town.readings(meter, [(town.now - (60 - n) * 15 * MIN, 10.0) for n in range(60)])
    await engine(town).look(town.conn)
    assert await town.alerts() == []


async def test_a_home_that_nobody_ever_installed_anything_in_is_looked_at_once_a_day(town: Town) -> None:
    home = await town.home("empty")
    await engine(town).look(town.conn)
    assert town.now + 21 * H < (await town.watch(home))["due_at"] <= town.now + 24 * H
