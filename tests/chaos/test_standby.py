"""A synchronous standby goes away, comes back, and takes the database over under load.

What the broker was told is stored is there, once, and people are told of each press, once.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from anju.schema import upgrade
from storage.pool import connect
from tests.servers import Mosquitto, Postgres, eventually
from tests.stages import SECRET, Hook, Stage, listening, settings
from tests.traffic import BUSY_BROKER, Meters, Publisher, assert_stored, count, flooding, install, press, stored

RATE_PER_S = 1000
BUTTONS = [f"button-{number}" for number in range(24)]
KILL_AFTER = 6


def with_standby(folder: Path) -> tuple[Postgres, Postgres]:
    """A primary that runs, and a standby that follows it; no commit is answered before both have it on disk."""
    primary = Postgres(folder / "primary", durable=True)
    primary.start()
    copy = primary.make_room("standby")
    source = f"{primary.url}?application_name=standby"
    primary.run_program(
        "pg_basebackup", f"--pgdata={copy}", "--write-recovery-conf", "--checkpoint=fast", f"--dbname={source}"
    )
    standby = Postgres(copy, durable=True)
    standby.start()
    # Not before the standby follows, or nothing could be committed; and not in the copy, or that would wait for itself.
    commits_wait_for(primary, "standby")
    return primary, standby


def commits_wait_for(server: Postgres, standby: str) -> None:
    """Of nobody, where it is empty."""
    with psycopg.connect(server.url, autocommit=True) as conn:
        conn.execute(sql.SQL("ALTER SYSTEM SET synchronous_standby_names = {}").format(sql.Literal(standby)))
        conn.execute("SELECT pg_reload_conf()")


def following(server: Postgres, state: str) -> bool:
    """Whether a standby follows in this state (`sync`, `async`), with everything on its disk."""
    with psycopg.connect(server.url, autocommit=True) as conn:
        row = conn.execute(
            "SELECT count(*) FROM pg_stat_replication WHERE sync_state = %s AND state = 'streaming'", [state]
        ).fetchone()
    return row == (1,)


def either(primary: Postgres, standby: Postgres) -> str:
    """The URL that finds whichever of the two takes writes."""
    hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
    return primary.url.replace(f"127.0.0.1:{primary.port}", hosts) + "?target_session_attrs=read-write"


@pytest.mark.slow
async def test_the_standby_goes_away_comes_back_and_takes_over(
    mosquitto: Callable[..., Mosquitto], folder: Path
) -> None:
    broker = mosquitto(BUSY_BROKER)
    meters = Meters(60)
    primary, standby = await asyncio.to_thread(with_standby, folder)
    with primary, standby, Hook() as hook:
        url = either(primary, standby)
        await asyncio.to_thread(upgrade, url)
        async with await connect(url, application_name="test", autocommit=True) as database:
            await install(database, [*meters.names, *BUTTONS, "probe", "waiting"])
        options = settings(url, broker.url, webhook_url=hook.url, webhook_secret=SECRET)
        with (
            Stage("ingest", folder, options) as ingest,
            Stage("rules", folder, options) as rules,
            Stage("alerts", folder, options) as alerts,
        ):
            async with Publisher(broker.port) as publisher:
                async with await connect(primary.url, application_name="test", autocommit=True) as database:
                    await listening(database, "ingest")
                    await publisher.publish("anju/probe/event", press(id="0"))
                    await eventually(lambda: "probe" in hook.homes_told(), 30)
                    assert following(primary, "sync")

                    # Without the standby a commit is not answered, until somebody says that it need not wait.
                    await asyncio.to_thread(standby.crash)
                    await publisher.publish("anju/waiting/event", press(id="1"))

                    async def waits() -> bool:
                        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
                        urgent = " AND application_name LIKE 'anju ingest urgent%'"
                        return await count(database, waiting + urgent) == 1

                    await eventually(waits, 10)
                    assert "waiting" not in hook.homes_told()
                    commits_wait_for(primary, "")
                    await eventually(lambda: "waiting" in hook.homes_told(), 10)
                    await asyncio.to_thread(standby.start)
                    await eventually(lambda: following(primary, "async"), 20)
                    commits_wait_for(primary, "standby")
                    await eventually(lambda: following(primary, "sync"), 10)

                pressed_at: dict[str, float] = {}

                async def presses() -> None:
                    for name in BUTTONS:
                        pressed_at[name] = time.monotonic()
                        await publisher.publish(f"anju/{name}/event", press(id=name))
                        await asyncio.sleep(0.15)

                async with flooding(meters, publisher, per_s=RATE_PER_S):
                    pressing = asyncio.create_task(presses())
                    await eventually(lambda: len(pressed_at) > KILL_AFTER)
                    killed_at = time.monotonic()
                    await asyncio.to_thread(primary.crash)
                    with psycopg.connect(standby.url, autocommit=True) as conn:
                        conn.execute("SELECT pg_promote()")
                    promoted_at = time.monotonic()
                    async with await connect(url, application_name="test", autocommit=True) as database:
                        held = await count(database)

                        async def commits() -> bool:
                            return await count(database) > held

                        await eventually(commits, 30)
                        committed_at = time.monotonic()
                        await pressing
                        await eventually(lambda: set(BUTTONS) <= hook.homes_told(), 30)
                calls = [each for each in hook.told("sos") if each.home in pressed_at]
                slowest_s = max(each.at - pressed_at[each.home] for each in calls)
                first_told_at = min(each.at for each in calls if pressed_at[each.home] >= killed_at)
                print(
                    f"killed: promoted {promoted_at - killed_at:.2f} s, commit {committed_at - killed_at:.2f} s,"
                    f" a press told {first_told_at - killed_at:.2f} s; slowest press {slowest_s:.2f} s"
                )
                async with await connect(url, application_name="test", autocommit=True) as database:

                    async def all_stored() -> bool:
                        return await count(database) >= len(meters.published)

                    await eventually(all_stored, 60, interval_s=0.2)
                    assert_stored(await stored(database), meters.published)
                    assert await count(database, "SELECT count(*) FROM reading_conflict") == 0
                    everyone = sorted([*BUTTONS, "probe", "waiting"])
                    assert await count(database, "SELECT count(*) FROM event") == len(everyone)
                    assert await count(database, "SELECT count(*) FROM alert WHERE kind = 'sos'") == len(everyone)
                assert [stage.stop() for stage in (ingest, rules, alerts)] == [0, 0, 0]
        # A message whose acceptance was lost with the primary comes again, under the same id.
        assert sorted(home for home, _ in {(each.home, each.message_id) for each in hook.told("sos")}) == everyone
