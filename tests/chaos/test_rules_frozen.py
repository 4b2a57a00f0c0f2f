"""A rules process frozen or killed in mid-judgement: another raises within a second, and nothing is raised twice."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from psycopg import AsyncConnection

from tests import warm
from tests.rule_town import H, Town
from tests.servers import eventually
from tests.warm import WarmProcess

Start = Callable[[str], tuple[psutil.Process, Path]]


@pytest.fixture
def start(database_url: str, folder: Path) -> Iterator[Start]:
    """Starts a rules process that stalls in the named place while its file is there."""
    started: list[WarmProcess] = []

    def started_with(where: str) -> tuple[psutil.Process, Path]:
        mark = folder / f"mark-{len(started)}"
        process = warm.start("tests.chaos.frozen_rules", database_url, where, str(mark))
        started.append(process)
        return psutil.Process(process.pid), mark

    yield started_with
    for process in started:
        process.end()


@pytest.fixture
async def town(database: AsyncConnection[Any]) -> Town:
    return await Town.found(database)


async def listeners(town: Town) -> int:
    """How many processes wait for wakes."""
    row = await (
        await town.conn.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'anju-rules-wake' AND query LIKE 'LISTEN%'"
        )
    ).fetchone()
    assert row is not None
    return int(row[0])


async def raised(town: Town) -> int:
    row = await (
        await town.conn.execute("SELECT COALESCE(sum(times_raised), 0) FROM alert WHERE kind = 'sos'")
    ).fetchone()
    assert row is not None
    return int(row[0])


async def reached(town: Town, count: int) -> bool:
    return await raised(town) == count


@pytest.mark.alone
async def test_frozen_while_it_evaluates_a_home(town: Town, start: Start) -> None:
    """It holds a lease but no lock: the press in the very home that it judges is raised by the other at once."""
    home = await town.metered_home("home", [5.0] * 60)
    await town.device(home, "btn")
    frozen, mark = start("evaluation")
    await eventually(mark.exists, timeout_s=15)
    frozen.suspend()
    start("nowhere")
    await eventually(lambda: _is(town, 2), timeout_s=15)
    began = time.monotonic()
    await town.event("btn", "button_press")
    await eventually(lambda: reached(town, 1), interval_s=0.005)
    assert time.monotonic() - began < 1.0
    assert (await town.watch(home))["leased_by"] is not None
    frozen.resume()
    mark.unlink()
    await eventually(lambda: _free(town, home))
    assert await raised(town) == 1


@pytest.mark.alone
@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL])
async def test_frozen_or_killed_with_a_press_in_its_hands(town: Town, start: Start, how: signal.Signals) -> None:
    """It has judged the press and not committed: the database ends its transaction, and the other one raises."""
    home = await town.home("home", due_at=town.now + H)
    await town.device(home, "btn")
    other, _ = start("nowhere")
    await eventually(lambda: _is(town, 1), timeout_s=15)
    holder, mark = start("report")
    await eventually(lambda: _is(town, 2), timeout_s=15)
    other.suspend()  # so that it is the holder that takes the press
    await town.event("btn", "button_press")
    await eventually(mark.exists, interval_s=0.002)
    holder.send_signal(how)
    began = time.monotonic()
    other.resume()
    await eventually(lambda: reached(town, 1), interval_s=0.005)
    assert time.monotonic() - began < 1.0
    mark.unlink()
    if how is signal.SIGSTOP:
        holder.resume()  # and finds that what it had in hand is done
    await town.event("btn", "button_press")
    await eventually(lambda: reached(town, 2))
    row = await (await town.conn.execute("SELECT count(*) FROM alert_entry WHERE event_id IS NOT NULL")).fetchone()
    assert row == (2,)


async def _is(town: Town, count: int) -> bool:
    return await listeners(town) == count


async def _free(town: Town, home_id: int) -> bool:
    return (await town.watch(home_id))["leased_by"] is None
