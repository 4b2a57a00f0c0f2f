"""Pages behind signed links, over a real listener: looking changes nothing, pressing does, forgeries find nothing."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from alerts import links
from alerts.web.app import make_app
from alerts.web.options import WebOptions
from alerts.web.server import WebServer
from tests.reply_town import LINK_SECRET, PUBLIC, ReplyTown, listening, reply_town, web_options
from tests.servers import Postgres, eventually, free_port


@pytest.fixture
async def town(database: AsyncConnection[TupleRow]) -> ReplyTown:
    return await reply_town(database)


@pytest.fixture
def options(town: ReplyTown, database_url: str) -> WebOptions:
    return web_options(database_url, town.clock)


@pytest.fixture
async def web(options: WebOptions) -> AsyncIterator[httpx.AsyncClient]:
    async with listening(options) as client:
        yield client


def once_of(page: httpx.Response) -> str:
    found = re.search(r'name="once" value="([^"]+)"', page.text)
    assert found is not None
    return found.group(1)


async def press(web: httpx.AsyncClient, link: str, do: str, **fields: str) -> httpx.Response:
    page = await web.get(link)
    return await web.post(link, data={"once": once_of(page), "do": do, **fields})


async def test_opening_shows_the_case_and_changes_nothing(web: httpx.AsyncClient, town: ReplyTown) -> None:
    alert = await town.sos()
    link = town.link("duty-1", alert)
    for method in ("GET", "HEAD", "GET"):
        page = await web.request(method, link)
        assert page.status_code == 200
    for shown in (
        "呼叫求助",
        "Door 1",
        "City / District / Street / Lane",
        "SOS按钮btn-1被按下",
        "无人接警",
        "我来接警",
        "20:00",
    ):
        assert shown in page.text
    assert await town.state(alert) == ("open", None)
    assert await town.history(alert) == []
    assert await town.replies() == []


async def test_the_page_is_private_and_needs_nothing_from_elsewhere(web: httpx.AsyncClient, town: ReplyTown) -> None:
    alert = await town.sos()
    page = await web.get(town.link("duty-1", alert))
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "noindex" in page.headers["x-robots-tag"]
    assert "set-cookie" not in page.headers
    assert "server" not in page.headers
    assert "<script" not in page.text
    assert "http" not in re.sub(r"https?://[^ ]*w3\.org[^ ]*", "", page.text.replace("http-equiv", ""))


async def test_pressing_acts_once_and_shows_what_came_of_it(web: httpx.AsyncClient, town: ReplyTown) -> None:
    alert = await town.sos()
    link = town.link("duty-1", alert)
    form = {"once": once_of(await web.get(link)), "do": "acknowledge"}
    done = await web.post(link, data=form)
    assert done.status_code == 303
    shown = await web.get(done.next_request.url) if done.next_request else None
    assert shown is not None
    assert "您已接警" in shown.text
    assert await town.state(alert) == ("acknowledged", "duty-1")
    assert await town.history(alert) == [("acknowledged", "duty-1", "link")]
    assert (await web.post(link, data=form)).status_code == 303
    assert len(await town.history(alert)) == 1
    assert await town.replies() == [("link", "acknowledge", "done")]


async def test_a_page_sent_twice_says_the_same_twice(web: httpx.AsyncClient, town: ReplyTown) -> None:
    alert = await town.sos()
    late = town.link("backup-1", alert)
    form = {"once": once_of(await web.get(late)), "do": "acknowledge"}
    await press(web, town.link("duty-1", alert), "acknowledge")
    first, second = [(await web.post(late, data=form)).headers["location"] for _ in range(2)]
    assert first == second
    assert "Nothing was done" in (await web.get(f"{late}{second}")).text


async def test_each_button_does_what_it_says(web: httpx.AsyncClient, town: ReplyTown) -> None:
    alert = await town.sos()
    link = town.link("backup-1", alert)
    for do in ("acknowledge", "on_the_way", "on_scene", "decline"):
        assert (await press(web, link, do)).status_code == 303
    actions = [entry[0] for entry in await town.history(alert)]
    assert actions == ["acknowledged", "on_the_way", "on_scene", "given_back"]
    assert (await town.state(alert))[0] == "open"


async def test_each_speaks_their_language_and_may_choose(web: httpx.AsyncClient, town: ReplyTown) -> None:
    alert = await town.sos()
    english = await web.get(town.link("backup-1", alert))
    assert "I take it" in english.text
    assert '<html lang="en">' in english.text
    assert "我来接警" in (await web.get(town.link("backup-1", alert) + "?lang=zh")).text


async def test_staff_close_with_an_outcome_and_hear_what_follows(web: httpx.AsyncClient, town: ReplyTown) -> None:
    alert = await town.sos()
    link = town.link("duty-1", alert)
    page = await press(web, link, "close", outcome="false_hospital", comment="女儿说在住院 <b>", seen="1")
    assert page.status_code == 200
    assert "登记外出（住院）" in page.text
    assert "误报：在医院" in page.text
    assert await town.rows("SELECT state, outcome FROM alert") == [("closed", "false_hospital")]
    later = await web.get(link)
    assert "已结束" in later.text
    assert "误报：在医院 · 女儿说在住院 &lt;b&gt;" in later.text
    assert re.findall(r'name="do" value="([a-z_]+)"', later.text) == ["reopen"]


async def test_what_was_closed_by_mistake_is_opened_again_for_a_day(web: httpx.AsyncClient, town: ReplyTown) -> None:
    alert = await town.sos()
    link = town.link("duty-1", alert)
    await press(web, link, "close", outcome="other", seen="1")
    assert "reopen" not in (await web.get(town.link("daughter-1", alert))).text
    assert (await press(web, link, "reopen")).status_code == 303
    assert (await town.state(alert))[0] == "open"
    await press(web, link, "close", outcome="other", seen="1")
    town.clock.forward(hours=24, seconds=1)
    assert "reopen" not in (await web.get(link)).text


async def test_a_press_since_refuses_the_closing(web: httpx.AsyncClient, town: ReplyTown) -> None:
    alert = await town.sos()
    link = town.link("duty-1", alert)
    form = {"once": once_of(await web.get(link)), "do": "close", "outcome": "false_test", "seen": "1"}
    await town.sos()
    done = await web.post(link, data=form)
    assert "又有新的呼叫" in (await web.get(f"{link}{done.headers['location']}")).text
    assert (await town.state(alert))[0] == "open"


async def test_relatives_see_no_notes_of_staff_and_close_nothing(web: httpx.AsyncClient, town: ReplyTown) -> None:
    alert = await town.sos()
    await town.conn.execute(
        "INSERT INTO alert_entry (alert_id, at, actor, source, action, detail)"
        " VALUES (%s, now(), 'duty-1', 'cli', 'commented', '{\"comment\": \"private\"}')",
        [alert],
    )
    link = town.link("daughter-1", alert)
    page = await web.get(link)
    assert "private" not in page.text
    assert "<select" not in page.text
    assert (await press(web, link, "close", outcome="false_test", seen="1")).status_code == 403
    assert (await press(web, link, "decline")).status_code == 303
    ((detail,),) = await town.rows("SELECT detail FROM alert_entry WHERE action = 'declined'")
    assert detail["role"] == "family"


async def test_as_whom_one_was_told_decides_what_one_may(web: httpx.AsyncClient, town: ReplyTown) -> None:
    alert = await town.sos()
    link = town.link("daughter-1", alert)
    await town.tell("daughter-1", alert, audience="contact")
    await town.conn.execute("DELETE FROM contact")
    assert "<select" not in (await web.get(link)).text, "no contact any more is not staff"
    neighbour_on_duty = await town.sos(1)
    await town.tell("daughter-1", neighbour_on_duty, audience="staff")
    assert "<select" in (await web.get(town.link("daughter-1", neighbour_on_duty))).text


async def test_a_resident_says_how_they_are(web: httpx.AsyncClient, town: ReplyTown) -> None:
    alert = await town.sos()
    await town.conn.execute("UPDATE contact SET relation = 'resident'")
    link = town.link("daughter-1", alert)
    page = await web.get(link)
    assert re.findall(r'name="do" value="([a-z_]+)"', page.text) == ["acknowledge", "decline"]
    assert "我平安" in page.text
    done = await press(web, link, "decline")
    assert "正在为您叫人" in (await web.get(f"{link}{done.headers['location']}")).text


async def test_related_alerts_of_the_home_are_on_the_page(web: httpx.AsyncClient, town: ReplyTown) -> None:
    alert = await town.sos()
    await town.rows(
        "INSERT INTO alert (subject, home_id, area_id, kind, severity, state, since, raised_at, updated_at, reason_id,"
        " reason_values, reason, evidence) SELECT subject, home_id, area_id, 'fall', severity, state, since, raised_at,"
        " updated_at, reason_id, reason_values, reason, evidence FROM alert RETURNING alert_id"
    )
    page = await web.get(town.link("duty-1", alert))
    assert "同一住所的相关警情" in page.text
    other = re.search(r'<li><a href="([^"]+)">跌倒', page.text)
    assert other is not None
    assert (await web.get(f"/a/{other.group(1)}")).status_code == 200


async def test_forged_stale_and_retired_links_find_nothing(web: httpx.AsyncClient, town: ReplyTown) -> None:
    alert = await town.sos()
    good = town.link("duty-1", alert)
    stale = town.link("duty-1", alert, until=town.clock.now - timedelta(seconds=1))
    nobody = f"/a/{links.make(LINK_SECRET, alert, 999, town.clock.now + timedelta(hours=1))}"
    no_alert = town.link("duty-1", 999)
    pages = {(await web.get(path)).text for path in (good[:-1] + "~", stale, nobody, no_alert, "/a/", "/a/x", "/")}
    assert len(pages) == 1, "they must not tell why"
    for path in (good[:-1] + "~", stale, nobody, no_alert):
        assert (await web.get(path)).status_code == 404
        assert (await web.post(path, data={"once": "a", "do": "acknowledge"})).status_code == 404
    await town.conn.execute("UPDATE person SET active = false")
    assert (await web.get(good)).status_code == 404
    assert await town.history(alert) == []


async def test_what_other_sites_send_is_refused(web: httpx.AsyncClient, town: ReplyTown) -> None:
    alert = await town.sos()
    link = town.link("duty-1", alert)
    form = {"once": "a", "do": "acknowledge"}
    for headers in (
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
    ):
        assert (await web.post(link, data=form, headers=headers)).status_code == 403
    assert await town.history(alert) == []
    ours = {"sec-fetch-site": "same-origin", "origin": f"{PUBLIC}:443"}
    assert (await web.post(link, data=form, headers=ours)).status_code == 303


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"once": "a"},
        {"do": "acknowledge"},
        {"once": "a", "do": "unclear"},
        {"once": "a", "do": "close"},
        {"once": "a", "do": "close", "outcome": "resolved_by_sign_of_life", "seen": "1"},
        {"once": "a", "do": "close", "outcome": "other", "seen": "x"},
        {"once": "a" * 41, "do": "acknowledge"},
        {f"f{n}": "x" for n in range(50)},
    ],
)
async def test_forms_that_are_not_ours(web: httpx.AsyncClient, town: ReplyTown, fields: dict[str, str]) -> None:
    alert = await town.sos()
    assert (await web.post(town.link("duty-1", alert), data=fields)).status_code == 400
    assert await town.history(alert) == []


async def test_other_methods_and_long_bodies(web: httpx.AsyncClient, town: ReplyTown) -> None:
    alert = await town.sos()
    link = town.link("duty-1", alert)
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        assert (await web.request(method, link)).status_code == 405
    assert (await web.post(link, content=b"x" * 70_000)).status_code == 413

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 1_000

    assert (await web.post(link, content=endless())).status_code == 413
    assert await town.history(alert) == []


@pytest.mark.parametrize(
    ("raw", "statuses"),
    [
        (b"GET /a/x HTTP/1.1\r\nHost: [::1\r\n", {404}),
        (b"GET /a/x/ HTTP/1.1\r\nHost: evil.example\r\n", {404}),
        (b"GET /kannel/reply/ HTTP/1.1\r\nHost: [::1\r\n", {404}),
        (b"GET /kannel/reply?key=\xff&text=\xfe HTTP/1.1\r\nHost: x\r\n", {400, 403}),
        (b"GET /kannel/reply?key=#&[ HTTP/1.1\r\nHost: [\r\n", {400, 403}),
        (b"GET /a/\xff%ff%00 HTTP/1.1\r\nHost: x\r\n", {400, 404}),
        (b"GET //evil.example/ HTTP/1.1\r\nHost: x\r\n", {404}),
        (b"GET * HTTP/1.1\r\nHost: x\r\n", {400, 404}),
        (b"POST /twilio/reply?%zz HTTP/1.1\r\nHost: [::1\r\ncontent-length: 0\r\n", {403}),
        (b"BREW /a/x HTTP/1.1\r\nHost: x\r\n", {404, 405}),
    ],
)
async def test_requests_that_no_browser_sends(web: httpx.AsyncClient, raw: bytes, statuses: set[int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", web.base_url.port)
    writer.write(raw + b"connection: close\r\n\r\n")
    answer = (await asyncio.wait_for(reader.read(), 10)).decode("latin-1")
    writer.close()
    assert int(answer.split(" ")[1]) in statuses
    assert "evil.example" not in answer
    assert "Traceback" not in answer


async def test_a_link_that_is_asked_for_without_end_is_answered_later(web: httpx.AsyncClient, town: ReplyTown) -> None:
    alert = await town.sos()
    link, other = town.link("duty-1", alert), town.link("backup-1", alert)
    codes = [(await web.get(link)).status_code for _ in range(61)]
    assert codes == [200] * 60 + [429]
    assert (await web.get(other)).status_code == 200
    town.clock.forward(seconds=2)
    assert (await web.get(link)).status_code == 200


async def test_addresses_are_told_apart_behind_our_proxy(web: httpx.AsyncClient, town: ReplyTown) -> None:
    flood = {"x-forwarded-for": "10.0.0.1, 203.0.113.7"}
    codes = [(await web.get("/a/x", headers=flood)).status_code for _ in range(601)]
    assert codes == [404] * 600 + [429]
    assert (await web.get("/a/x", headers={"x-forwarded-for": "203.0.113.7, 198.51.100.1"})).status_code == 404


async def test_without_the_database_nothing_is_promised(town: ReplyTown, database_url: str) -> None:
    alert = await town.sos()
    nowhere = re.sub(r"(127\.0\.0\.1|localhost|/tmp[^ ]*):\d+", f"127.0.0.1:{free_port()}", database_url)
    async with listening(web_options(nowhere, town.clock)) as web:
        asked = await asyncio.gather(web.get(town.link("duty-1", alert), timeout=20), web.get("/healthz", timeout=20))
    assert [answer.status_code for answer in asked] == [503, 503]
    assert "您的操作未生效" in asked[0].text
    assert asked[0].headers["retry-after"] == "5"


async def test_it_is_well_and_stops_when_it_is_told_to(options: WebOptions) -> None:
    stop = asyncio.Event()
    server = WebServer(make_app(options), "127.0.0.1", 0)
    task = asyncio.create_task(server.run(stop))
    await server.listening.wait()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client:
        assert (await client.get("/healthz")).text == "ok"
        stop.set()
        await asyncio.wait_for(task, 10)
        with pytest.raises(httpx.TransportError):
            await client.get("/healthz")


async def test_it_outlives_a_crash_of_the_database(durable_postgres: Postgres, town: ReplyTown) -> None:
    async with listening(web_options(durable_postgres.url, town.clock)) as web:
        assert (await web.get("/healthz")).status_code == 200
        durable_postgres.crash()
        assert (await web.get("/healthz", timeout=20)).status_code == 503
        await durable_postgres.restart()

        async def well() -> bool:
            return (await web.get("/healthz", timeout=20)).status_code == 200

        await eventually(well, 30)
