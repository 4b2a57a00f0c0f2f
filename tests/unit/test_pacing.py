"""Long work gives way: at the end of each slice, and to what goes first for a while."""

import asyncio
import time

from rules.pacing import Slices, going_first


def spin(seconds: float) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


async def test_others_run_when_a_slice_is_over() -> None:
    ran = asyncio.Event()
    slices = Slices()
    asyncio.get_running_loop().call_soon(ran.set)
    spin(0.004)
    await slices.give_way()
    assert ran.is_set()


async def test_what_goes_first_is_done_first() -> None:
    order: list[str] = []
    slices = Slices()

    async def urgent() -> None:
        with going_first():
            await asyncio.sleep(0.01)
            order.append("urgent")

    task = asyncio.create_task(urgent())
    spin(0.004)
    await slices.give_way()
    order.append("long")
    await task
    assert order == ["urgent", "long"]


async def test_what_never_ends_holds_nobody_up_for_ever() -> None:
    slices = Slices()
    with going_first():
        for _ in range(2):
            spin(0.004)
            await asyncio.wait_for(slices.give_way(), 5)
