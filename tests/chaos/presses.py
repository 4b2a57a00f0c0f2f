"""From a button's message to the duty desk's webhook: the roles that run for it, and what the desk was told."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from tests.servers import Mosquitto, eventually
from tests.stages import SECRET, Hook, Stage, listening, settings
from tests.traffic import Publisher, press

BACKLOG = 200_000


def environment(database_url: str, broker: Mosquitto, hook: Hook) -> dict[str, str]:
    return settings(database_url, broker.url, webhook_url=hook.url, webhook_secret=SECRET)


def told(hook: Hook) -> list[tuple[str, str, float]]:
    """Home, message id and time of every message of an SOS that was received; each must be signed."""
    calls = []
    for post in list(hook.posts):
        message = post.message()
        data = message["data"]
        assert isinstance(data, dict)
        if data["kind"] == "sos":
            calls.append((str(data["home"]), post.headers["webhook-id"], post.at))
    return calls


def homes_told(hook: Hook) -> set[str]:
    return {home.removeprefix("home of ") for home, _, _ in told(hook)}


async def ready(database: AsyncConnection[TupleRow], publisher: Publisher, hook: Hook, *workers: str) -> None:
    """Waits until a press gets all the way through, so that no start-up is measured."""
    await listening(database, *workers)
    await publisher.publish("anju/probe/event", press(id="0"))
    await eventually(lambda: "probe" in homes_told(hook), 30)


@contextlib.asynccontextmanager
async def judged_and_told(folder: Path, options: Mapping[str, str]) -> AsyncIterator[tuple[Stage, Stage]]:
    with Stage("rules", folder, options) as rules, Stage("alerts", folder, options) as alerts:
        yield rules, alerts
