"""A writer of ingest and its intake, without a broker before them."""

import asyncio
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Self

from devices.model import Lane
from devices.registry import discover
from ingest.batch import Batch, Message
from ingest.intake import Intake, Limits
from ingest.rates import DeviceRates, unlimited
from ingest.writer import Writer

DRIVERS: Final = discover()
#: When the tests began: what a desk takes for now, unless it is told otherwise.
NOW: Final = datetime.now(UTC).replace(microsecond=0)


class Desk:
    """As one session of ingest has them."""

    def __init__(
        self,
        database_url: str,
        *,
        lane: Lane = Lane.BULK,
        worker: str = "",
        clock: Callable[[], datetime] = lambda: NOW,
        limits: Limits | None = None,
        rates: DeviceRates | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        ready = asyncio.Event()
        ready.set()
        self.writer = Writer(
            database_url,
            application_name="test writer",
            lane=lane,
            broker="broker:1883",
            worker=worker,
            readings_ready=ready,
            clock=clock,
        )
        self.intake = Intake(
            lane=lane,
            drivers=DRIVERS,
            device_ids=self.writer.device_ids,
            limits=limits or Limits(),
            rates=rates or unlimited(),
            monotonic=monotonic,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.writer.disconnect()

    async def store(self, *messages: Message) -> Batch:
        """Stores messages that came one by one."""
        batch = Batch()
        for message in messages:
            self.intake.sort([message], message.received_at, batch)
        await self.writer.store(batch, self.intake)
        return batch

    async def store_together(self, at: datetime, *messages: Message) -> Batch:
        """Stores messages that were read from the socket at once."""
        batch = Batch()
        self.intake.sort(messages, at, batch)
        await self.writer.store(batch, self.intake)
        return batch


def reading(device: str, at: datetime, total_l: float, *, received_at: datetime = NOW) -> Message:
    """What a meter of ours publishes."""
    payload = json.dumps({"at": at.isoformat(), "water_total_l": total_l}).encode()
    return Message(f"anju/{device}/reading", payload, received_at)
