"""From the message to the answer, as timelines: links and codes are taken from the very SMS that left.

Any message not expected fails.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from psycopg import AsyncConnection

from alerts import links
from alerts.templates import sms
from alerts.templates.facts import TextOptions
from tests.alert_cases import Clock, press, register_homes
from tests.escalation_town import Sent, Town, enrol, on_roster, town
from tests.reply_town import BACKUP, DUTY, LINK_SECRET, PUBLIC, listening, web_options

DESK = ("webhook", "default")
TEXTS = TextOptions(public_url=PUBLIC, link_secret=LINK_SECRET)


@dataclass(slots=True, kw_only=True, eq=False)
class Lane:
    """Two homes, a duty worker and a backup with telephones, and the operator who brings their answers."""

    town: Town
    web: httpx.AsyncClient
    answers: int = 0

    async def sms_from(self, number: str, text: str) -> None:
        """An answer comes in by Kannel, twice, as after a lost connection."""
        self.answers += 1
        key = links.callback_key(LINK_SECRET, "kannel")
        for _ in range(2):
            query = {"from": number, "text": text, "id": f"k{self.answers}", "key": key}
            assert (await self.web.get("/kannel/reply", params=query)).status_code == 200


def text_of(sent: Sent) -> str:
    """What the telephone shows."""
    return sms.write(sent.message, TEXTS).text


def path_of(sent: Sent) -> str:
    """The link in it, as it reaches us."""
    found = re.search(re.escape(PUBLIC) + r"(/a/[\w.-]+)", text_of(sent))
    assert found is not None, text_of(sent)
    return found.group(1)


@pytest.fixture
async def lane(database: AsyncConnection[Any], database_url: str) -> AsyncIterator[Lane]:
    await register_homes(database, 2)
    await enrol(database, {"duty-1": ["sms"], "backup-1": ["sms"]})
    for key, number in (("duty-1", DUTY), ("backup-1", BACKUP)):
        await database.execute("UPDATE person_address SET address = %s WHERE address = %s", [number, key])
    await on_roster(database, "duty", "duty-1")
    await on_roster(database, "backup", "backup-1")
    clock = Clock()
    async with (
        listening(web_options(database_url, clock)) as web,
        town(database, database_url, channels=("sms", "webhook"), clock=clock) as place,
    ):
        yield Lane(town=place, web=web)


async def press_button(web: httpx.AsyncClient, path: str, do: str, **fields: str) -> httpx.Response:
    page = await web.get(path)
    once = re.search(r'name="once" value="([^"]+)"', page.text)
    assert once is not None
    return await web.post(path, data={"once": once.group(1), "do": do, **fields})


async def test_looking_does_not_stop_the_telling_and_answering_does(lane: Lane) -> None:
    place = lane.town
    await place.report(press(1))
    sent = await place.expect(("sms", DUTY, "raised"), (*DESK, "raised"))
    path = path_of(next(message for message in sent if message.to == DUTY))
    for method in ("HEAD", "GET"):
        assert (await lane.web.request(method, path)).status_code == 200

    await place.forward(seconds=60)
    sent = await place.expect(("sms", DUTY, "escalated"), ("sms", BACKUP, "escalated"))
    to_backup = next(message for message in sent if message.to == BACKUP)

    await lane.sms_from(BACKUP, "On my way, 10 min")
    await place.expect(("sms", DUTY, "attending"), (*DESK, "attending"))
    await place.forward(minutes=10)
    await place.expect()

    assert (await press_button(lane.web, path_of(to_backup), "on_scene")).status_code == 303
    await place.expect(("sms", DUTY, "attending"), (*DESK, "attending"))
    assert (await press_button(lane.web, path_of(to_backup), "close", outcome="genuine", seen="1")).status_code == 303
    await place.expect(("sms", DUTY, "closed"), (*DESK, "closed"))
    await place.forward(hours=3)
    await place.expect()
    assert "backup-1" in (await lane.web.get(path)).text


async def test_whoever_cannot_hurries_the_next(lane: Lane) -> None:
    place = lane.town
    await place.report(press(1))
    await place.expect(("sms", DUTY, "raised"), (*DESK, "raised"))
    await place.forward(seconds=5)
    await lane.sms_from(DUTY, "0")
    (sent,) = await place.expect(("sms", BACKUP, "escalated"))
    assert sent.at == place.clock.now
    await lane.sms_from(BACKUP, "收到")
    await place.expect(("sms", DUTY, "acknowledged"), (*DESK, "acknowledged"))


async def test_of_two_alerts_the_code_in_the_message_says_which(lane: Lane) -> None:
    place = lane.town
    await place.report(press(1), press(2, home_id=2, device="btn-2"))
    sent = await place.expect(*[("sms", DUTY, "raised"), (*DESK, "raised")] * 2)
    mine = [message for message in sent if message.to == DUTY]

    await lane.sms_from(DUTY, "1")
    (asked,) = await place.expect(("sms", DUTY, "answer"))
    codes = [f"{message.message.alert_id:03d}" for message in mine]
    assert all(code in text_of(asked) for code in codes)

    await place.forward(seconds=2)
    await lane.sms_from(DUTY, f"1 {codes[1]}")
    await place.expect((*DESK, "acknowledged"))
    await lane.sms_from(DUTY, f"{codes[0]}收到")
    await place.expect((*DESK, "acknowledged"))
