"""A link in a real browser: opening it changes nothing, pressing the button does, with no script of ours."""

import os
import shutil
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from tests.reply_town import ReplyTown, listening, reply_town, web_options
from tests.servers import missing

if TYPE_CHECKING:
    from playwright.async_api import Page


def browser_program() -> str:
    """A Chromium of the system's; none is downloaded."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None) or missing("Chromium is not installed")


@pytest.fixture
async def town(database: AsyncConnection[TupleRow]) -> ReplyTown:
    return await reply_town(database)


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator["Page"]:
    """A telephone's browser that runs no scripts."""
    program = browser_program()
    if find_spec("playwright") is None:
        missing("playwright is not installed")
    from playwright import async_api as playwright

    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=program, args=["--no-sandbox"], timeout=60_000)
        context = await browser.new_context(viewport={"width": 390, "height": 844}, java_script_enabled=False)
        yield await context.new_page()
        await browser.close()


async def test_a_duty_worker_opens_the_link_and_presses(page: "Page", town: ReplyTown, database_url: str) -> None:
    alert = await town.sos()
    options = web_options(database_url, town.clock)
    async with listening(options) as client:
        url = f"{client.base_url}{town.link('duty-1', alert)}".replace("//a/", "/a/")
        await page.goto(url)
        await keep(page, "opened")
        assert await town.state(alert) == ("open", None)
        wide = await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert wide, "it must not scroll sideways"
        button = page.get_by_role("button", name="我来接警")
        box = await button.bounding_box()
        assert box is not None
        assert box["height"] >= 48, "a finger must hit it"
        assert box["y"] + box["height"] < 844, "it must be seen without scrolling"
        await button.click()
        await page.get_by_role("status").wait_for()
        await keep(page, "acknowledged")
        assert await town.state(alert) == ("acknowledged", "duty-1")
        assert "您已接警" in await page.get_by_role("status").inner_text()

        await page.reload()
        assert len(await town.history(alert)) == 1

        await page.get_by_text("结束警情").click()
        await page.get_by_label("结果").select_option("false_hospital")
        await page.get_by_label("备注（可不填）").fill("女儿说昨天住院")
        await keep(page, "closing")
        await page.get_by_role("button", name="确认结束").click()
        await page.get_by_role("status").wait_for()
        await keep(page, "closed")
        assert await town.rows("SELECT state, outcome FROM alert") == [("closed", "false_hospital")]


async def test_long_names_fit_a_small_telephone(page: "Page", town: ReplyTown, database_url: str) -> None:
    await town.conn.execute("UPDATE home SET name = 'Building 12 Entrance 3 Door 1402 ' || repeat('x', 40) || home_id")
    alert = await town.sos()
    await town.sos()
    await town.conn.execute(
        "INSERT INTO alert (subject, home_id, area_id, kind, severity, state, since, raised_at, updated_at, reason_id,"
        " reason_values, reason, evidence) SELECT subject, home_id, area_id, 'inactivity', 'hard', state, since,"
        " raised_at, updated_at, reason_id, reason_values, reason, evidence FROM alert"
    )
    async with listening(web_options(database_url, town.clock)) as client:
        await page.set_viewport_size({"width": 320, "height": 568})
        await page.goto(f"{client.base_url}{town.link('backup-1', alert)}".replace("//a/", "/a/"))
        await keep(page, "small")
        assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert await page.get_by_role("heading", level=1).inner_text() == "Call for help"
        await page.get_by_role("link", name="No activity").click()
        await page.get_by_role("button", name="I take it").wait_for()
        await page.goto(f"{client.base_url}/a/forged")
        await keep(page, "gone")
        assert "There is no such page" in await page.get_by_role("main").inner_text()


async def keep(page: "Page", name: str) -> None:
    """Keeps a picture where a person wants to look at one."""
    if folder := os.environ.get("ANJU_TEST_SCREENSHOTS"):
        await page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)
