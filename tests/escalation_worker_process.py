"""Escalator and dispatcher as a process that tests may kill; arguments: database URL, URL of an SMS operator."""

import asyncio
import signal
import sys
from datetime import UTC, datetime
from typing import Final

import httpx

from alerts.channels.results import Accepted, Fault, Outgoing, Result, TryAgain
from alerts.dispatch import Dispatcher
from alerts.escalation.escalator import Escalator

CHANNELS: Final = ("sms", "webhook")


class Gateway:
    """A channel that posts each message to the operator, with its id."""

    def __init__(self, name: str, url: str, client: httpx.AsyncClient) -> None:
        self.name = name
        self._url = url
        self._client = client

    async def send(self, message: Outgoing, now: datetime) -> Result:
        """Tries once."""
        posted = {
            "id": str(message.notification_id),
            "channel": self.name,
            "to": message.recipient,
            "alert_id": message.alert_id,
            "type": message.body["type"],
        }
        try:
            (await self._client.post(self._url, json=posted)).raise_for_status()
        except httpx.HTTPError:
            return TryAgain(fault=Fault.UNREACHABLE)
        return Accepted(provider_id=str(message.notification_id), provider="gateway")


async def main(database_url: str, url: str) -> None:
    """Works until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    def clock() -> datetime:
        return datetime.now(UTC)

    async with httpx.AsyncClient(trust_env=False, timeout=10) as client, asyncio.TaskGroup() as group:
        channels = [Gateway(name, url, client) for name in CHANNELS]
        worker = f"tested/{id(client)}"
        dispatcher = Dispatcher(database_url=database_url, channels=channels, worker=worker, clock=clock, lease_s=2.0)
        escalator = Escalator(
            database_url=database_url, worker=worker, clock=clock, channels=frozenset(CHANNELS), batch=20
        )
        group.create_task(dispatcher.run(stop))
        group.create_task(escalator.run(stop))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
